"""From what is known about each picture to keep or reject, with every reason."""
