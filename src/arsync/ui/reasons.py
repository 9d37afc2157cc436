"""Why a file is copied, in words: the notes of -vv and ``--info=reason``."""

from __future__ import annotations

from arsync.config import CopyConfig
from arsync.events import CHECKSUM, LOCAL, NEW, SIZE, TIME, TRANSFER, Item, Kind


def reason(config: CopyConfig, item: Item) -> str | None:
    """Why an entry was made or copied; None where it was not.

    >>> reason(CopyConfig((), b""), Item(b"f", Kind.FILE, TRANSFER | SIZE | TIME))
    'size and time differ'
    """
    if not item.changes & (TRANSFER | LOCAL) or item.kind == Kind.DIRECTORY:
        return None
    if item.changes & NEW:
        return "new"
    if item.kind != Kind.FILE:
        return "its target differs" if item.kind == Kind.SYMLINK else "its number differs"
    size, time = item.changes & SIZE, item.changes & TIME
    if size:
        return "size and time differ" if time else "size differs"
    if item.changes & CHECKSUM:
        return "contents differ"
    if config.ignore_times:
        return "--ignore-times was given"
    return "time differs"
