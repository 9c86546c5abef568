"""From what several annotators said to what counts."""
