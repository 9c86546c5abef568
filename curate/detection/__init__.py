"""Where is the car? An object detector finds its box.

`stage` runs a detector over a whole workspace; `detector` is pure: a picture in, boxes out.
"""
