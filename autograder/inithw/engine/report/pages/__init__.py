"""Pages for people to open and to print: self-contained files in which what anybody wrote is text."""
