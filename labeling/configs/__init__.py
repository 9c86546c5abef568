"""Labelling configurations: XML files, and what they say."""
