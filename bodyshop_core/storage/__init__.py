"""Bytes on disk: original pictures named by their content."""
