"""One decode of a picture, and everything cheap that can be said about it."""
