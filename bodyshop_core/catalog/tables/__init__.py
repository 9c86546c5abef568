"""The catalog's tables, by what writes them; `bodyshop_core.catalog.schema` has them all."""
