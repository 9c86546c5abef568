"""Many rows in one statement, without building the parameters of each row anew.

SQLAlchemy compiles the statement and converts the values; what it would also do, row by row, is
most of the cost of writing a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.schema import ScalarElementColumnDefault

_DIALECT = sqlite.dialect()


class Prepared:
    """An insert or update, compiled once.

    Parameters
    ----------
    statement : Insert or Update
        Of `bodyshop_core.catalog.schema`.
    names : sequence of str
        The columns, or the bound names, that every row carries.
    """

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        keys = list(names) if isinstance(statement, Insert) else None
        compiled = statement.compile(dialect=_DIALECT, column_keys=keys)
        assert isinstance(compiled, SQLCompiler)
        order = list(compiled.positiontup or ())
        missing = [name for name in order if name not in names]
        defaults = {
            column.key: column.default.arg
            for column in compiled.insert_prefetch
            if isinstance(column.default, ScalarElementColumnDefault)
        }
        self._constants = {
            name: defaults[name] if name in defaults else compiled.binds[name].value
            for name in missing
        }
        self._sql, self._pick = str(compiled), itemgetter(*order)
        self._single = len(order) == 1
        self._converters: list[tuple[str, Callable[[Any], Any]]] = []
        for name in order:
            convert = compiled.binds[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            if convert is not None:
                self._converters.append((name, convert))

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it for all rows, in the transaction of `connection`."""
        parameters = []
        for row in rows:
            if self._converters or self._constants:
                row = {**self._constants, **row}
                for name, convert in self._converters:
                    row[name] = convert(row[name])
            picked = self._pick(row)
            parameters.append((picked,) if self._single else picked)
        connection.exec_driver_sql(self._sql, parameters)
