"""Numbers about predictions, from plain arrays: no TensorFlow, no files."""
