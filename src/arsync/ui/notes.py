"""What is said of an entry beside its own line, and by which flag of --info."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from arsync.events import (
    ABSENT,
    BACKED_UP,
    EXISTS,
    HIDDEN,
    NEWER,
    NOTES,
    REMOVED,
    SEARCHED,
    SHOWN,
    TOO_LARGE,
    TOO_SMALL,
    Item,
    Kind,
)

#: The flag that shows each note.
FLAGS = {
    BACKED_UP: "backup",
    REMOVED: "remove",
    TOO_LARGE: "skip",
    TOO_SMALL: "skip",
    NEWER: "skip",
    EXISTS: "skip",
    ABSENT: "skip",
}

#: Flags of --debug that show one.
DEBUG_FLAGS = {HIDDEN: "filter", SHOWN: "filter", SEARCHED: "del"}


def is_shown(item: Item, info: Mapping[str, int], debug: Mapping[str, int]) -> bool:
    """Whether a note is wanted."""
    what = item.changes & NOTES
    return bool(info[FLAGS[what]] if what in FLAGS else debug[DEBUG_FLAGS[what]])


def note_line(item: Item, escape: Callable[[bytes], bytes]) -> bytes:
    """One note as one line, as rsync words it.

    >>> note_line(Item(b"a", 0, BACKED_UP, b"a~"), bytes)
    b'backed up a to a~'
    """
    name, changes = escape(item.path), item.changes
    if changes & BACKED_UP:
        return b"backed up " + name + b" to " + escape(item.target)
    if changes & SEARCHED:
        return b"deleting in " + name
    if changes & REMOVED:
        return b"sender removed " + name
    if changes & ABSENT:
        what = b"directory" if item.kind == Kind.DIRECTORY else b"file"
        return b"not creating new " + what + b' "' + name + b'"'
    if changes & EXISTS:
        return name + b" exists" + (b" (" + item.target + b")" if item.target else b"")
    if changes & (HIDDEN | SHOWN):
        verb = b"hiding" if changes & HIDDEN else b"showing"
        what = b"directory" if item.kind == Kind.DIRECTORY else b"file"
        return b"[sender] " + verb + b" " + what + b" " + name + b" because of pattern " + escape(item.target)
    if changes & NEWER:
        return name + b" is newer"
    return name + (b" is over max-size" if changes & TOO_LARGE else b" is under min-size")
