"""Synchronise projects, tasks, predictions and annotations with a labelling server."""
