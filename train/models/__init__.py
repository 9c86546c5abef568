"""Networks: built for training, and finished ones opened from a run's folder."""
