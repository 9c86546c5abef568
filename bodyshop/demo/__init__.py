"""The whole job on the embedded showroom, and how well each stage did against the truth."""
