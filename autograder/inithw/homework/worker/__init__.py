"""The homework's half of the untrusted side."""
