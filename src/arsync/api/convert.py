"""Keyword arguments to a configuration, by the same table as the command line's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from arsync.config import CopyConfig
from arsync.errors import UsageError
from arsync.options import rows
from arsync.options.check import check_arguments, configuration
from arsync.options.flags import WHEN
from arsync.options.refused import why_refused
from arsync.options.table import SHOWING, WITHOUT_EFFECT, Fields, Flag, Row, Value
from arsync.suggest import did_you_mean

#: Options that may be given several times on a command line: here a sequence.
SEVERAL = frozenset(
    {
        *("filter", "exclude", "include", "exclude_from", "include_from"),
        *("compare_dest", "copy_dest", "link_dest", "chmod"),
    }
)

#: Of the options about what is shown, those that mean something where nothing is printed.
_SHOWN_ELSEWHERE = frozenset({"dry_run", "log_file", "log_file_format"})

#: Options that make arsync do something else than copying, or say it in another form.
_COMMANDS = frozenset({"--doctor", "--json", "--progress-style"})

#: Options that have a letter only, and what says the same.
_LETTERS = {"D": "devices=True, specials=True", "F": "filter='dir-merge /.rsync-filter'"}

#: Where a file of names or rules may be "-" on a command line, for the standard input.
_READ_FROM = frozenset({"files_from", "exclude_from", "include_from"})


def config_from(sources: Sequence[bytes], dest: bytes, options: Mapping[str, Any]) -> CopyConfig:
    """The configuration that ``options`` mean, each in its turn. Raises UsageError."""
    check_arguments([*sources, dest])
    fields: Fields = {}
    for name, value in options.items():
        if value is not None:
            _give(fields, name, value)
    return configuration(fields, tuple(sources), dest)


def keywords() -> dict[str, Row]:
    """Every option that can be given, by each of its long names."""
    return {
        keyword: row
        for name, row in rows().items()
        if name.startswith("--")
        and not name.startswith("--no-")
        and row.section != WITHOUT_EFFECT
        and ((keyword := name[2:].replace("-", "_")) in _SHOWN_ELSEWHERE or row.section != SHOWING)
        and name not in _COMMANDS
    }


def _give(fields: Fields, name: str, value: Any) -> None:
    row = keywords().get(name)
    if row is None:
        raise _unknown(name)
    if name == "delete" and isinstance(value, str):
        if f"delete_{value}" not in WHEN:
            raise UsageError(f"delete={value!r}: it is not True, or one of before, during, delay, after")
        row, value = rows()[f"--delete-{value}"], True
    try:
        if isinstance(row, Flag):
            _give_flag(fields, name, row, value)
        else:
            _give_value(fields, name, row, value)
    except ValueError as error:
        raise UsageError(f"{name}={value!r}: {error}") from error


def _give_flag(fields: Fields, name: str, row: Flag, value: Any) -> None:
    counted = "+1" in row.sets.values()
    if not isinstance(value, bool) and not (counted and isinstance(value, int)):
        raise ValueError("is not True, False" + (", or how many times the option is given" if counted else ""))
    if value < 0:
        raise ValueError("is less than nought")
    off = rows().get("--no-" + name.replace("_", "-"))
    if not value and off is not None:
        off.act(fields, "")
    for _ in range(value):
        row.act(fields, "")


def _give_value(fields: Fields, name: str, row: Value, value: Any) -> None:
    if row.optional and isinstance(value, bool):
        value = "" if value else None
    for text in _texts(name, value) if value is not None else ():
        if name in _READ_FROM and text == "-":
            raise ValueError("is the standard input, which is the calling program's; a file of this name is ./-")
        try:
            row.act(fields, text)
        except ValueError as error:
            raise UsageError(f"{name}={value!r}: {text!r} {error}") from error


def _long_name(letter: str) -> str | None:
    """The keyword of an option that was given by its letter."""
    row = rows().get("-" + letter)
    return next((name for name, other in keywords().items() if other is row), None)


def _texts(name: str, value: Any) -> Iterator[str]:
    """What would stand behind the option on a command line, each time it is given."""
    if isinstance(value, (str, bytes, os.PathLike)):
        text = os.fsdecode(value)
        if "\0" in text:
            raise ValueError("holds a NUL byte")
        yield text
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Sequence) and name in SEVERAL:
        for one in value:
            yield from _texts("", one)
    else:
        kinds = "a string, bytes, a path or a number" + (", or a sequence of them" if name in SEVERAL else "")
        raise ValueError(f"is not {kinds}")


def _unknown(name: str) -> UsageError:
    option = "--" + name.replace("_", "-")
    row = rows().get(option)
    if (reason := why_refused(option)) is not None:
        return UsageError(f"{name} is refused: {reason}")
    if row is None:
        if (meant := _LETTERS.get(name) or _long_name(name)) is not None:
            return UsageError(f"{name}: write {meant}")
        return UsageError(f"{name}: unknown option{did_you_mean(name, keywords())}")
    if row.section == WITHOUT_EFFECT:
        return UsageError(f"{name}: it has no effect on one machine")
    if name.startswith("no_"):
        return UsageError(f"{name}: write {name[3:]}=False")
    return UsageError(f"{name}: it is about what is printed, and nothing is (see on_item, on_progress and the result)")


def with_reports(config: CopyConfig, *, items: bool, unchanged: bool, details: bool, progress: bool) -> CopyConfig:
    """The configuration that also collects what is to be told."""
    return config._replace(
        quiet=0 if items or progress else 1,
        out_format=b"%i %n%L%l" if items and details else None,
        itemize=(1 + unchanged) if items else 0,
        info=("progress2",) if progress else (),
    )


def paths_from(src: Any, convert: Callable[[Any], bytes] = os.fsencode) -> tuple[bytes, ...]:
    """One path or several, as bytes. Raises UsageError."""
    try:
        paths = [src] if isinstance(src, (str, bytes, os.PathLike)) else list(src)
        found = tuple(convert(path) for path in paths)
    except TypeError as error:
        raise UsageError(f"a path is a string, bytes or an os.PathLike: {error}") from error
    if any(b"\0" in path for path in found):
        raise UsageError("a path holds a NUL byte")
    if not found:
        raise UsageError("no source is named")
    return found
