"""What a crawl found, what became of it, and where every picture came from."""
