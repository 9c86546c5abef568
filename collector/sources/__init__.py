"""The sources: each finds candidates in its own way; `registry` says which are switched on."""
