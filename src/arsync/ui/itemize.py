"""rsync's itemized lines: ``>f.st...... name`` (``man rsync``, --itemize-changes)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from arsync.events import (
    ACL,
    ALT,
    ATIME,
    ATTRIBUTES,
    CHECKSUM,
    DELETED,
    GROUP,
    HARDLINK,
    LOCAL,
    NEW,
    OWNER,
    PERMS,
    SIZE,
    TIME,
    TIME_NOW,
    TRANSFER,
    XATTR,
    Item,
    Kind,
)

_KINDS = "fdLDS"

#: The columns after the first two; the seventh would be n for the time of creation, which Linux cannot set.
_COLUMNS = ((CHECKSUM, "c"), (SIZE, "s"), (TIME, "t"), (PERMS, "p"), (OWNER, "o"), (GROUP, "g"), (ATIME, "u"))


@lru_cache(maxsize=1024)
def flags(kind: int, changes: int) -> bytes:
    """The eleven characters for a kind of entry and its changes.

    >>> flags(Kind.FILE, TRANSFER | NEW), flags(Kind.DIRECTORY, TIME)
    (b'>f+++++++++', b'.d..t......')
    """
    if changes & DELETED:
        return b"*deleting  "
    if changes & HARDLINK:
        first = "h"
    elif changes & TRANSFER:
        first = ">"
    elif changes & LOCAL:
        first = "c"
    else:
        first = "."
    head = first + _KINDS[kind]
    if changes & NEW:
        return (head + "+" * 9).encode()
    if not changes & (ATTRIBUTES | TRANSFER):
        return (head + " " * 9).encode()
    body = "".join(letter if changes & flag else "." for flag, letter in _COLUMNS)
    if changes & TIME_NOW:
        body = body[:2] + "T" + body[3:]
    body += ("a" if changes & ACL else ".") + ("x" if changes & XATTR else ".")
    return (head + body).encode()


def named(item: Item, escape: Callable[[bytes], bytes]) -> bytes:
    """The entry's name as a line of -v has it: a slash behind a directory, the target behind a link."""
    name = escape(item.path)
    if item.kind == Kind.DIRECTORY:
        return name + b"/"
    if item.target:
        return name + (b" => " if item.changes & (HARDLINK | ALT) == HARDLINK else b" -> ") + escape(item.target)
    return name


def itemized(item: Item, escape: Callable[[bytes], bytes]) -> bytes:
    """One line of -i."""
    return flags(item.kind, item.changes) + b" " + named(item, escape)
