"""Metrics of predictions, computed from plain arrays: no TensorFlow, no files."""
