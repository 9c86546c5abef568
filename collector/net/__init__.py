"""Requests that reach only what they may: address guard, politeness, robots, keys, downloads."""
