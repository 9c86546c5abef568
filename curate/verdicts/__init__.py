"""Keep or reject each picture, with every reason and its numbers.

`stage` judges a whole workspace and `explain` reads one picture's verdict from it; the other
modules are pure: the same facts and policy always give the same verdicts.
"""
