"""The frames of a 360° viewer: by turning it, or from its canvas."""
