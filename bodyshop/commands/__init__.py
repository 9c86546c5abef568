"""One module per stage: each registers its commands on the application."""
