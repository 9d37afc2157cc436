"""The options of a command line: the whole table, and those of it that a command line may mean.

Making an option costs click as much as the rest of parsing it; of three hundred a command line uses five.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from arsync.options import rows
from arsync.options.table import Row, Value


class Option(click.Option):
    """One row of the table, as click has it."""

    def __init__(self, row: Row) -> None:
        how: dict[str, Any] = {"help": row.help, "hidden": row.hidden, "expose_value": False}
        if isinstance(row, Value):
            metavar = f"[={row.metavar}]" if row.optional else row.metavar
            super().__init__(list(row.names), metavar=metavar, multiple=True, **how)
        else:
            super().__init__(list(row.names), is_flag=True, **how)
        self.row = row


def every_option() -> list[Option]:
    """The whole table."""
    return [Option(row) for row in {id(row): row for row in rows().values()}.values()]


def options_in(arguments: Iterable[str]) -> list[Option]:
    """The options that ``arguments`` may mean, and perhaps some more."""
    table = rows()
    found = (table.get(name) for argument in arguments for name in _names_in(argument))
    return [Option(row) for row in {id(row): row for row in found if row is not None}.values()]


def _names_in(argument: str) -> Iterator[str]:
    if argument.startswith("--"):
        yield argument.partition("=")[0]
    elif argument.startswith("-"):
        for letter in argument[1:]:
            yield "-" + letter


def for_click(arguments: list[str]) -> list[str]:
    """``-T=DIR`` means ``-TDIR`` to rsync; click knows only the latter. An option that may stand without a value gets
    an empty one, or click would take the next argument."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [_for_click(argument) for argument in arguments[:end]] + arguments[end:]


def _for_click(argument: str) -> str:
    if "=" in argument:
        return _without_equals(argument)
    row = rows().get(argument)
    return argument + "=" if isinstance(row, Value) and row.optional else argument


def _without_equals(argument: str) -> str:
    if argument.startswith("--") or not argument.startswith("-"):
        return argument
    for place, letter in enumerate(argument[1:], 1):
        if isinstance(rows().get("-" + letter), Value):
            return argument[: place + 1] + argument[place + 1 :].removeprefix("=")
    return argument


def in_order(order: list[Any], values: dict[str, Any]) -> Iterator[tuple[Row, str, str]]:
    """What click's parser found, one by one: the row, how it is called, and its value.

    ``order``: the parameters as they came; ``values``: all values of each, in the same order.
    """
    taken: dict[str, int] = {}
    for option in order:
        if not isinstance(option, Option):
            continue
        name = option.name or ""
        if isinstance(option.row, Value):
            taken[name] = taken.get(name, -1) + 1
            yield option.row, option.row.names[0], values[name][taken[name]]
        else:
            yield option.row, option.row.names[0], ""
