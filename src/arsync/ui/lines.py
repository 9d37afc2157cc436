"""Which entries get a line, and how it is made: the rules of -v, -vv, -i, -ii and --out-format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from arsync.config import CopyConfig, DeleteWhen
from arsync.events import ALT, ATTRIBUTES, DELETED, HARDLINK, LOCAL, NEW, TRANSFER, Item, Kind
from arsync.reporting import letters, reporting
from arsync.ui.itemize import itemized, named

#: Makes an entry's line, None where it has none.
Line = Callable[[Item], "bytes | None"]

#: Options that mean that rsync lists all files before it copies the first.
_LISTED_FIRST = (DeleteWhen.BEFORE, DeleteWhen.AFTER)


def line_maker(
    config: CopyConfig, form: bytes | None, escape: Callable[[bytes], bytes], *, every: bool | None = None
) -> Line | None:
    """The function that makes an entry's line in the format ``form``; None where no entry has one.

    ``every``: whether each change has a line, however small; where it is not given, the format decides: %i has it.
    """
    if config.list_only:
        from arsync.ui.listing import listing

        return listing(config, escape)
    info = reporting(config).info
    if form is None:
        return partial(_deleted_only, escape) if info["del"] else None
    if every is not None and not form:  # in a log file
        return None if config.dry_run else partial(_deleted_only, escape)
    make = _maker(form, escape, config)
    found = letters(form)
    if every is None:
        every = "i" in found
    # A format that does not say what is done to an entry is not one for entries that are deleted.
    deleted = partial(_deleting, escape=escape) if found.isdisjoint("io") else make
    if every:
        return partial(_itemizing, make, deleted, "i" in found and (config.itemize > 1 or info["name"] > 1))
    return partial(_naming, make, deleted, escape, info["name"] > 1)


def _maker(form: bytes, escape: Callable[[bytes], bytes], config: CopyConfig) -> Callable[[Item], bytes]:
    if form == b"%n%L":
        return partial(named, escape=escape)
    if form == b"%i %n%L":
        return partial(itemized, escape=escape)
    from arsync.ui.formats import compile_format

    return compile_format(form, escape, config)


def _deleting(item: Item, escape: Callable[[bytes], bytes]) -> bytes:
    return b"deleting " + escape(item.path) + (b"/" if item.kind == Kind.DIRECTORY else b"")


def _deleted_only(escape: Callable[[bytes], bytes], item: Item) -> bytes | None:
    return _deleting(item, escape) if item.changes & DELETED else None


def _itemizing(
    make: Callable[[Item], bytes], deleted: Callable[[Item], bytes], unchanged: bool, item: Item
) -> bytes | None:
    """Every change has a line; what needs nothing too where ``unchanged``."""
    if item.changes & DELETED:
        return deleted(item)
    if unchanged or (item.changes and (item.changes != HARDLINK or item.target)):
        return make(item)
    return None


def _naming(
    make: Callable[[Item], bytes],
    deleted: Callable[[Item], bytes],
    escape: Callable[[bytes], bytes],
    uptodate: bool,
    item: Item,
) -> bytes | None:
    """Without %i rsync names what was made or copied, and directories of which anything changed; with -vv everything
    of which anything changed, and what is up to date."""
    changes = item.changes
    if changes & DELETED:
        return deleted(item)
    if changes & ALT:
        return escape(item.path) + b" is uptodate"
    if changes & (TRANSFER | LOCAL | NEW) or (changes & ATTRIBUTES and item.kind == Kind.DIRECTORY):
        return make(item)
    if changes & HARDLINK and item.target:
        return make(item)
    if not uptodate or item.kind == Kind.DIRECTORY:
        return None
    return escape(item.path) + (b"" if changes & ATTRIBUTES else b" is uptodate")


def list_begins(config: CopyConfig) -> bytes:
    """How rsync says that it lists files: bit by bit, all at first, or (for a few files) nothing."""
    first = config.delete in _LISTED_FIRST or config.delay_updates or config.prune_empty_dirs
    first = first or "--no-inc-recursive" in config.without_effect
    if config.recursive and not first:
        return b"sending incremental file list"
    return b"building file list ... done" if config.recursive or config.dirs else b""
