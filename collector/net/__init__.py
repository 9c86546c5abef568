"""Guarded and polite requests: address guard, host gate, robots.txt, API keys, downloads."""
