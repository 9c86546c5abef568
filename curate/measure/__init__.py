"""Everything cheap that can be measured from one decode of a picture.

`stage` measures a whole workspace; the other modules are pure: bytes in, numbers out.
"""
