"""The option table as the generators read it."""

from __future__ import annotations

from arsync.options.flags import FLAGS, negations
from arsync.options.ignored import IGNORED
from arsync.options.table import SHOWING, Flag, Row, Value
from arsync.options.values import VALUES

#: What the command line answers at once. These are no rows of its table, since they change no run.
ABOUT = (
    Flag(("--help",), {}, "show the options", SHOWING),
    Flag(("--version", "-V"), {"version": "+1"}, "show the version; twice: as JSON", SHOWING),
)


def every_row() -> tuple[Row, ...]:
    """The whole table, in order."""
    return (*FLAGS, *negations(), *VALUES, *IGNORED, *ABOUT)


def sections() -> dict[str, list[Row]]:
    """What --help shows, by section."""
    found: dict[str, list[Row]] = {}
    for row in every_row():
        if not row.hidden:
            found.setdefault(row.section, []).append(row)
    return found


def visible() -> list[Row]:
    """What a shell offers at once."""
    return [row for row in every_row() if not row.hidden]


def hidden() -> list[Row]:
    """What a shell offers only when nothing else fits: negations, and what has no effect on one machine."""
    return [row for row in every_row() if row.hidden]


def may_repeat(row: Row) -> bool:
    """Whether giving an option twice means more than once."""
    return isinstance(row, Value) or any(value == "+1" or isinstance(value, tuple) for value in row.sets.values())
