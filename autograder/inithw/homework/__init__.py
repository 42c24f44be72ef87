"""All that knows this homework: what is asked, how it is judged, which mistakes have names."""
