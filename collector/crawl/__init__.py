"""One crawl: browsers find pictures, workers download them, the ledger records them."""
