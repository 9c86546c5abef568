"""The desk: a local page to look at the set, search it and decide, made for the keyboard."""
