"""What a directory of the destination has that the source does not: found here, deleted in delete.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Set
from typing import NamedTuple

from arsync.engine.filtering import reader
from arsync.engine.place import kind_of
from arsync.engine.tree import Node
from arsync.events import Failure, Kind
from arsync.filters import Scope
from arsync.fs.directory import DirectoryFd
from arsync.fs.operator_path import OperatorPaths

_ENCODING = sys.getfilesystemencoding()

#: What was being done where a directory of the destination cannot be listed.
LISTING = "list the destination directory"


class Extraneous(NamedTuple):
    """Entries to delete, in rsync's order: the last name first, and directories before all others."""

    directories: list[bytes]
    names: list[bytes]
    kinds: bytes  # events.Kind for each of ``names``
    protected: bool  # something else is there that a filter rule keeps
    #: the directory takes names that differ in case for the same: an entry of the source that is copied here may then
    #: take the very name of one to be deleted, which must be gone by then
    folding: bool

    def __bool__(self) -> bool:
        return bool(self.directories or self.names)


def extraneous(fd: int, wanted: Set[bytes], guard: Scope | None, *, doomed: bool = False) -> Extraneous:
    """The entries of an open directory that are not in ``wanted`` and that no rule of ``guard`` protects.

    ``doomed``: the directory is itself to be deleted. Raises OSError.
    """
    kinds: dict[bytes, Kind] = {}
    directories: list[bytes] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            name = entry.name.encode(_ENCODING, "surrogateescape")
            if name in wanted:
                continue
            if entry.is_dir(follow_symlinks=False):
                directories.append(name)
            elif entry.is_file(follow_symlinks=False):
                kinds[name] = Kind.FILE
            else:
                kinds[name] = Kind.SYMLINK if entry.is_symlink() else kind_of(entry.stat(follow_symlinks=False))
    names = list(kinds)
    found = len(names) + len(directories)
    if guard is not None and found:
        names = guard.kept(names, False, doomed=doomed)
        directories = guard.kept(directories, True, doomed=doomed)
    names.sort(reverse=True)
    directories.sort(key=_slashed, reverse=True)
    left = len(names) + len(directories)
    folding = bool(wanted and left) and folds(fd, names or directories)
    return Extraneous(directories, names, bytes([kinds[name] for name in names]), left < found, folding)


def extraneous_in(node: Node, wanted: Set[bytes], failures: list[Failure]) -> Extraneous | None:
    """The same of a node's destination; None where it cannot be listed."""
    assert node.dst is not None
    try:
        with node.dst.pinned() as fd:
            return extraneous(fd, wanted, node.guard)
    except OSError as error:
        failures.append(Failure(LISTING, node.path[:-1] or b".", error.errno or 0))
        return None


def enter_guard(node: Node, paths: OperatorPaths) -> None:
    """Let the rules that protect entries of the destination hold in a node, as those that it is in say them."""
    if node.parent is None or node.parent.guard is None or node.dst is None:
        return
    with node.dst.pinned() as fd:
        node.guard = node.parent.guard.enter(node.dst.name, reader(fd, paths))


def _slashed(name: bytes) -> bytes:
    return name + b"/"


def folds(fd: int, names: list[bytes]) -> bool:
    """Whether the directory answers to a name of one of its entries in the other case (vfat, ext4's casefold)."""
    for name in names:
        other = os.fsencode(os.fsdecode(name).swapcase())
        if other != name:
            break
    else:
        return False  # no name has a case
    try:
        there = os.stat(other, dir_fd=fd, follow_symlinks=False)
        here = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def without_namesakes(found: Extraneous, wanted: Set[bytes]) -> Extraneous:
    """Leave out what is an entry of the source under another spelling, in a directory that folds names: it was
    copied there meanwhile, and is the only copy."""
    if not found.folding:
        return found
    spellings = {_folded(name) for name in wanted}
    names = [name for name in found.names if _folded(name) not in spellings]
    return found._replace(
        directories=[name for name in found.directories if _folded(name) not in spellings],
        names=names,
        kinds=bytes(kind for name, kind in zip(found.names, found.kinds) if _folded(name) not in spellings),
    )


def _folded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape").casefold()


def count_entries(top: DirectoryFd) -> int:
    """How many entries are below a directory; what cannot be listed counts as empty. Follows no symlink."""
    with top.pinned() as fd:
        names, count = _names(fd)
        open_: list[tuple[int, list[str]]] = [(os.dup(fd), names)]
    while open_:
        fd, names = open_[-1]
        if not names:
            os.close(open_.pop()[0])
            continue
        try:
            inner = os.open(names.pop(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        except OSError:
            continue  # the limit that comes of it is lower then, never higher
        names, more = _names(inner)
        count += more
        open_.append((inner, names))
    return count


def _names(fd: int) -> tuple[list[str], int]:
    """The directories in an open directory, and how many entries it has."""
    count = 0
    directories = []
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry.name)
    except OSError:
        return directories, count
    return directories, count
