"""The options of a run: one table, from which both the command line and :func:`arsync.copy` make a configuration."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arsync.options.table import Row


@cache
def rows() -> dict[str, Row]:
    """Every option by each of its names."""
    from arsync.options.flags import FLAGS, negations
    from arsync.options.ignored import IGNORED
    from arsync.options.values import VALUES

    table: tuple[Row, ...] = (*FLAGS, *negations(), *VALUES, *IGNORED)
    return {name: row for row in table for name in row.names}
