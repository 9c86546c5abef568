"""What a crawl found, what became of it, and the provenance of every picture."""
