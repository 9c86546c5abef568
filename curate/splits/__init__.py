"""Train, validation and test: groups of pictures are assigned and checked for detected duplicates.

`stage` writes the split set of a whole workspace; the other modules are pure.
"""
