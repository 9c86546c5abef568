"""Whether the camera alone can predict the label."""
