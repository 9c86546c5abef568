"""One shard function, many processes: rows for the caller, or Parquet files, shard by shard."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
