"""Whole commands: train, segment, sweep, compare, evaluate, export."""
