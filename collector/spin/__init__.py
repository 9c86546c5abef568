"""Taking a 360° viewer apart: by its configuration, by turning it, or by looking at its canvas."""
