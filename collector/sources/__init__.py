"""The sources: each finds candidates in its own way; `registry` knows which are enabled."""
