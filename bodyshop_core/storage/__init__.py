"""Original pictures named by their content: in a folder, or in a bucket with a cache here."""
