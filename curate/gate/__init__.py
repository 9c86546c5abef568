"""Is it a car? An ImageNet backbone and the rule that turns its output into a score.

`stage` opens gates and scores a whole workspace; `workers` runs the network in other processes;
`feature_store` and `probe` read and write files; the other modules are pure: what they return
depends on their arguments only.
"""
