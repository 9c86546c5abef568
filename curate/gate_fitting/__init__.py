"""Fitting a gate to examples, and evaluating it.

Nothing here works on a whole workspace, so there is no ``stage``: `fit`, `evaluate` and `discover`
read folders of examples, and `make_probe` makes the probe that is shipped; the other modules are
pure.
"""
