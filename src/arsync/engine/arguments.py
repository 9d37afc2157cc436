"""The source arguments as they are written: where each starts, and which part of its path stands at the destination.

Nothing here looks at the file system, except that the file of ``--files-from`` is read.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.errors import UsageError
from arsync.fs.operator_path import OperatorPaths

#: Arguments from which on a directory of each is not held open: there may be more of them than descriptors.
_MANY = 64


class Argument(NamedTuple):
    """One source, by an argument or by a line of ``--files-from``."""

    shown: bytes  # as messages have it
    base: bytes  # the directory at which it starts, opened along its path
    way: tuple[bytes, ...]  # how it goes on from there, not at the destination
    parts: tuple[bytes, ...]  # the path below it, at the destination too; none: the contents of the base
    contents: bool = False  # a slash at its end: the entries of a directory are meant
    dot: bool = False  # -R ./x: the attributes of the base are copied to the destination itself
    absolute: bool = False  # -R /x: lines show it as /x


def split(path: bytes) -> tuple[bytes, bytes]:
    """The directory and the name of an argument; no name where it means a directory's contents (``src/``, ``.``).

    >>> split(b"a/b"), split(b"a/b/"), split(b"b"), split(b"..")
    ((b'a', b'b'), (b'a/b/', b''), (b'.', b'b'), (b'..', b''))
    """
    directory, _, name = path.rpartition(b"/")
    if name in (b"", b".", b".."):
        return path, b""
    return (directory or b"/" if b"/" in path else b"."), name


def arguments(config: CopyConfig) -> Iterator[Argument]:
    """Every source of the run. Raises UsageError: ``..`` under -R, a list that cannot be read."""
    if config.files_from is None:
        for path in config.sources:
            if config.relative:
                yield relative(path)
            else:
                yield plain(path, stepwise=len(config.sources) > _MANY)
        return
    start = config.sources[0]
    for line in listed(config.files_from, config.from0, insecure_links=config.insecure_links):
        entry = confined(line)
        yield relative(entry, start) if config.relative else below(entry, start)


def plain(path: bytes, *, stepwise: bool = False) -> Argument:
    """An argument of which only the last component stands at the destination. ``stepwise``: the way there is opened
    component by component, so that descriptors need not stay open."""
    directory, name = split(path)
    parts = (name,) if name else ()
    if stepwise and b".." not in (way := _components(directory)):
        return Argument(path, b"/" if path.startswith(b"/") else b".", way, parts, not name)
    return Argument(path, directory, (), parts, not name)


def below(entry: bytes, start: bytes) -> Argument:
    """The same of a path that :func:`confined` has below ``start``."""
    directory, name = split(entry)
    return Argument(os.path.join(start, entry), start, _components(directory), (name,) if name else (), not name)


def relative(path: bytes, start: bytes = b"") -> Argument:
    """An argument of which everything stands at the destination (-R), or what follows ``/./``; it begins at ``start``
    where that is given. Raises UsageError where ``..`` would stand there.

    >>> relative(b"/a/./b//c/")[1:5]
    (b'/a', (), (b'b', b'c'), True)
    >>> relative(b"a/./b", b"src")[1:5]
    (b'src', (b'a',), (b'b',), False)
    """
    before, cut, after = path.partition(b"/./")
    absolute = not cut and path.startswith(b"/")
    rest = (after if cut else path).lstrip(b"/")
    base, way = start, _components(before) if cut and start else ()
    if not start:
        base = (before if cut else b"") or (b"/" if path.startswith(b"/") else b".")
    found = rest.split(b"/")
    if b".." in found:
        raise UsageError(f'".." cannot stand at the destination, as --relative would have it: {os.fsdecode(path)}')
    parts = _components(rest)
    contents, dot = found[-1] in (b"", b"."), bool(parts) and found[0] == b"."
    return Argument(os.path.join(start, path) if start else path, base, way, parts, contents, dot, absolute)


def _components(path: bytes) -> tuple[bytes, ...]:
    return tuple(part for part in path.split(b"/") if part not in (b"", b"."))


def confined(entry: bytes) -> bytes:
    """A path of ``--files-from`` below the source: without slashes before it, and ``..`` does not lead out.

    >>> confined(b"/../a/b/../c"), confined(b"a/.."), confined(b"./a/")
    (b'a/c', b'.', b'./a/')
    """
    entry = entry.lstrip(b"/")
    if b".." not in entry:
        return entry or b"."
    found: list[bytes] = []
    parts = [part for part in entry.split(b"/") if part]
    for part in parts:
        if part != b"..":
            found.append(part)
        elif found:
            found.pop()
    if not found:
        return b"."
    return b"/".join(found) + (b"/" if entry.endswith(b"/") or parts[-1] == b".." else b"")


def listed(name: bytes, from0: bool, *, insecure_links: bool = False) -> Iterator[bytes]:
    """The lines of a list, ``-`` being the standard input; neither empty ones nor comments. Raises UsageError."""
    try:
        if name == b"-":
            data = sys.stdin.buffer.read()
        else:
            with open(OperatorPaths(insecure_links).file(name, os.O_RDONLY), "rb") as file:
                data = file.read()
    except OSError as error:
        reason = f"{error.strerror} ({error.errno})"
        raise UsageError(f'--files-from: cannot read "{os.fsdecode(name)}": {reason}') from error
    for line in data.split(b"\0") if from0 else re.split(rb"[\r\n\0]", data):
        if line and not line.startswith((b"#", b";")):
            yield line
