"""One decode of a new picture for everything: measurements, the gate's network, the thumbnail.

`shard` is what a worker does with some pictures; `stage` does a whole workspace. Pictures that have
some of it already, and gates that don't run on LiteRT, are left to `curate.measure` and
`curate.gate`, which give the same values.
"""
