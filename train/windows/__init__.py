"""Damage by evidence: overlapping windows of one picture, each judged alone, without TensorFlow.

A classifier of whole pictures learns that a close-up means damage, because damage is photographed
from near. What is learned here is the contrast within a photo: its windows that show damage against
its windows that do not. See docs/decisions/damage-by-windows.md.
"""
