"""The shortcut audit: whether the label can be predicted without seeing the car.

`stage` audits the split set of a whole workspace; the other modules are pure.
"""
