"""Masks from and to the files of other tools, without a labelling server."""
