"""``--out-format`` and ``--log-file-format``: compiled once to a function (``man rsyncd.conf``, "log format")."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable

from arsync.config import CopyConfig
from arsync.events import DELETED, HARDLINK, TRANSFER, Item, Kind, Status
from arsync.reporting import ESCAPE
from arsync.ui.itemize import flags
from arsync.ui.numbers import number

Part = Callable[[Item], bytes]
Escape = Callable[[bytes], bytes]

#: What stands for an entry of which nothing is known: one that was deleted.
NOTHING = Status(0, 0, 0, 0, 0, 0, b"")

#: Characters of a checksum where there is none: as many as it would have.
_CHECKSUM_WIDTHS = {"sha1": 40, "xxh3": 16, "xxh64": 16, "xxhash": 16, "none": 2}
_CHECKSUM_WIDTH = 32

#: Columns of a field at the most, so that a slip of the finger does not fill the disk.
_WIDEST = 4096
_DIGITS = 9


def compile_format(form: bytes, escape: Escape, config: CopyConfig) -> Part:
    """The function that makes a line of an item. What is no escape, or has no meaning on one machine, stays as it is.

    ``escape`` makes the line fit to be shown: like rsync, a field's width counts the bytes before that.
    """
    parts: list[Part] = []
    end = 0
    for match in ESCAPE.finditer(form):
        made = _part(match.group(3), len(match.group(1)), config)
        if made is None:
            continue
        if match.start() > end:
            parts.append(_constant(form[end : match.start()]))
        parts.append(_padded(made, match.group(2)))
        end = match.end()
    if end < len(form):
        parts.append(_constant(form[end:]))
    return lambda item: escape(b"".join([part(item) for part in parts]))


def _part(letter: bytes, human: int, config: CopyConfig) -> Part | None:
    """What one escape stands for; None where it stays as it is."""

    def digits(get: Callable[[Status], int]) -> Part:
        return lambda item: number(get(item.status or NOTHING), human).encode()

    width = _CHECKSUM_WIDTHS.get(config.checksum_choice, _CHECKSUM_WIDTH)
    base = _parts(config.sources[0]) if config.files_from is not None else []
    table: dict[bytes, Part] = {
        b"%": _constant(b"%"),
        b"b": lambda item: number(moved(item, config.dry_run), human).encode(),
        b"B": lambda item: permissions(item),
        b"c": _constant(b"0"),  # there are no block checksums
        b"C": lambda item: (item.status or NOTHING).checksum or b" " * width,
        b"f": lambda item: long_name(item, len(base)),
        b"G": digits(lambda status: status.gid) if config.group else _constant(b"DEFAULT"),
        b"i": lambda item: flags(item.kind, item.changes),
        b"l": digits(lambda status: status.size),
        b"L": lambda item: link(item),
        b"m": _constant(b""),
        b"M": lambda item: date(item.status.mtime_ns if item.status else 0, b"-"),
        b"n": lambda item: item.path + (b"/" if item.kind == Kind.DIRECTORY else b""),
        b"o": lambda item: b"del." if item.changes & DELETED else b"send",
        b"p": _constant(b"%d" % os.getpid()),
        b"t": lambda _item: now(),
        b"U": digits(lambda status: status.uid if config.owner else 0),
    }
    return table.get(letter)


def _constant(text: bytes) -> Part:
    return lambda _item: text


def _padded(part: Part, width: bytes) -> Part:
    """In a field of so many columns; on the left of it where the width begins with a minus."""
    columns = int(width[:_DIGITS]) if width.strip(b"-") else 0
    if not columns:
        return part
    wide = min(abs(columns), _WIDEST)
    if columns < 0:
        return lambda item: part(item).ljust(wide)
    return lambda item: part(item).rjust(wide)


def moved(item: Item, dry_run: bool) -> int:
    """Bytes of data that were copied for an entry."""
    return item.status.size if item.status and item.changes & TRANSFER and not dry_run else 0


def link(item: Item) -> bytes:
    """``-> target`` of a symlink, ``=> name`` of a hard link."""
    if not item.target:
        return b""
    return (b" => " if item.changes & HARDLINK else b" -> ") + item.target


def permissions(item: Item) -> bytes:
    """The nine characters of ``ls``.

    >>> permissions(Item(b"f", 0, 0, b"", Status(0o104755, 0, 0, 0, 0, 0, b"")))
    b'rwsr-xr-x'
    """
    return stat.filemode((item.status or NOTHING).mode)[1:].encode()


def long_name(item: Item, base: int = 0) -> bytes:
    """The entry's path as its source was named, without what says nothing: ``src/d/f`` for ``./src//``; nor the first
    ``base`` parts of it, which are where the paths in a --files-from begin."""
    if item.changes & DELETED:
        return item.path
    name = b"." if item.path == b"." else item.path.rpartition(b"/")[2]
    return b"/".join([*_parts(item.origin)[base:], name])


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def date(time_ns: int, between: bytes = b" ") -> bytes:
    """A time as rsync writes it, in whole seconds of local time."""
    try:
        local = time.localtime(time_ns // 10**9)
    except (OSError, OverflowError):
        return b"@%d" % (time_ns // 10**9)  # in a year that the C library cannot count
    return b"%04d/%02d/%02d%s%02d:%02d:%02d" % (*local[:3], between, *local[3:6])


def now() -> bytes:
    """The present."""
    return date(time.time_ns())
