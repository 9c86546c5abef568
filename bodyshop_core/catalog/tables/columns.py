"""What the catalog's tables are made of: their metadata and the types of their columns."""

import sqlalchemy
from sqlalchemy import BigInteger, Column, ForeignKey, MetaData
from sqlalchemy.types import TypeEngine

metadata = MetaData()

# SQLite keeps any text and whole numbers of 64 bits whatever a column is declared as, and compares
# texts byte by byte. The other databases are told to.
Integer = BigInteger().with_variant(sqlalchemy.Integer(), "sqlite")
Text = sqlalchemy.Text(collation="C").with_variant(sqlalchemy.Text(), "sqlite")


def String(width: int) -> TypeEngine[str]:  # noqa: N802 - it stands where a type does
    """Return the type of a short text; its width is for people to read."""
    return sqlalchemy.Text(collation="C").with_variant(sqlalchemy.String(width), "sqlite")


Sha = String(64)


def sha256_column(**options: object) -> Column[str]:
    """Return the column of a picture's digest, erased with the picture."""
    return Column("sha256", Sha, ForeignKey("images.sha256", ondelete="CASCADE"), **options)  # type: ignore[arg-type]
