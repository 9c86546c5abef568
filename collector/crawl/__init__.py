"""One crawl: tasks are discovered in browsers, pictures are downloaded, the ledger is written."""
