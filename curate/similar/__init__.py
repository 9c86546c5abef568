"""Questions to the stored features: which pictures are like this one, and which are like none."""
