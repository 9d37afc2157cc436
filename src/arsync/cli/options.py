"""The options of a command line: the whole table, and those of it that a command line may mean.

Making an option costs click as much as the rest of parsing it; of three hundred a command line uses five.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
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


def given(arguments: Iterable[str]) -> Iterator[str]:
    """The arguments that are options: neither what is the value of the option before, nor what follows ``--``."""
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return
        if argument.startswith("-") and argument != "-":
            yield argument
            if _takes_next(argument):
                next(rest, None)


def times_given(letter: str, arguments: Iterable[str]) -> int:
    """How often an option without a value is given by its letter, be it among others (``-aV``)."""
    bundles = (argument for argument in given(arguments) if not argument.startswith("--"))
    return sum(argument[1 : _value_at(argument)].count(letter) for argument in bundles)


def _value_at(argument: str) -> int | None:
    """Where in ``-abf=VALUE`` what is behind ``f`` begins; None where no letter takes a value."""
    return next((at + 1 for at in range(1, len(argument)) if isinstance(rows().get("-" + argument[at]), Value)), None)


def _takes_next(argument: str) -> bool:
    """Whether the value of an option is the next argument."""
    if argument.startswith("--"):
        row = rows().get(argument)
        return isinstance(row, Value) and not row.optional
    return argument.startswith("-") and _value_at(argument) == len(argument)


def for_click(arguments: Iterable[str]) -> list[str]:
    """``-T=DIR`` means ``-TDIR`` to rsync; click knows only the latter. An option that may stand without a value gets
    an empty one, or click would take the next argument."""
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*found, argument, *rest]
        if argument.startswith("--"):
            row = rows().get(argument)
            found.append(argument + "=" if isinstance(row, Value) and row.optional else argument)
        else:
            found += _without_equals(argument)
        if _takes_next(argument):
            found += islice(rest, 1)  # whatever it looks like
    return found


def _without_equals(argument: str) -> list[str]:
    at = _value_at(argument) if argument.startswith("-") else None
    if at is None or argument[at : at + 1] != "=":
        return [argument]
    return [argument[:at] + argument[at + 1 :]] if argument[at + 1 :] else [argument[:at], ""]


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
