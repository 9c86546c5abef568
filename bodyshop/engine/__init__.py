"""One shard function, many processes: results in Parquet files, whole or not at all."""

from bodyshop.lazy import lazy_exports

__all__ = ["read_rows", "run_shards"]

__getattr__ = lazy_exports(__name__, {"run_shards": "shards", "read_rows": "shards"})
