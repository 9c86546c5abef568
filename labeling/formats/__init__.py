"""Mask files of other tools, read into `Drawing` and written from `Sheet`."""
