"""Masks as bytes, run lengths, polygons and files; nothing here reads the catalog."""
