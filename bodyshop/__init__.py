"""bodyshop: from a list of car brands to a curated picture set and a trained classifier."""

__version__ = "0.1.0"
