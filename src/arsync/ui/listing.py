"""The lines of --list-only, and of a command line that names no destination."""

from __future__ import annotations

import stat

from arsync.config import CopyConfig
from arsync.events import Item, Kind
from arsync.ui.formats import NOTHING, Escape, Part, date
from arsync.ui.numbers import number

_NO_DATE = b" " * len("2000/01/01 00:00:00")


def listing(config: CopyConfig, escape: Escape) -> Part:
    """The function that makes the line of an entry.

    Mode, size, mtime, with -U atime, and the name; the target of a symlink only where -l would copy it.
    """
    human, width = config.human_readable, 14 if config.human_readable else 11

    def line(item: Item) -> bytes:
        status = item.status or NOTHING
        size = number(status.size, human).rjust(width)
        parts = [stat.filemode(status.mode).encode(), size.encode(), date(status.mtime_ns)]
        if config.atimes:
            parts.append(_NO_DATE if item.kind == Kind.DIRECTORY else date(status.atime_ns))
        parts.append(escape(item.path))
        if item.target:
            parts += [b"->", escape(item.target)]
        return b" ".join(parts)

    return line
