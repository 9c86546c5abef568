"""Which pictures of a workspace are also in another set, such as a public test set.

All of it is work on a whole workspace, and in `stage`.
"""
