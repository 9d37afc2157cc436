"""The destination directories of a run, from the moment they are met until their times are set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from arsync.fs.directory import DirectoryFd
from arsync.fs.protocol import StatResult

if TYPE_CHECKING:
    from arsync.filters import Scope

_NO_SCOPES: Mapping[DirectoryFd, Scope] = {}

#: Of a longer path a directory holds only the end, about so many bytes, and has an ancestor's put before it when it is
#: asked for: with each of n nested directories holding its own, memory would grow with n squared.
_LONG_PATH = 4096


class Node:
    """One directory of the destination and the source directories that are merged in it (usually one).

    It is ``pending`` while it is being listed, while entries in it are being copied, and while a directory below it is
    pending; then ``on_settled`` runs once and its own metadata is set: making entries changes a directory's times.
    """

    __slots__ = (
        "_base",
        "_length",
        "_path",
        "_pending",
        "alts",
        "dst",
        "existing",
        "follows",
        "fresh",
        "guard",
        "on_settled",
        "parent",
        "plain",
        "replaced",
        "scopes",
        "sources",
        "spare",
        "st",
    )

    def __init__(self, parent: Node | None, path: bytes, on_settled: Callable[[Node], None]) -> None:
        self.parent = parent
        self._base: Node | None = None
        self.path = path
        self.on_settled = on_settled
        self.sources: list[DirectoryFd] = []
        self.dst: DirectoryFd | None = None  # None in a dry run where it does not exist
        self.st: StatResult | None = None  # of the source; None: this directory's own metadata is not copied
        self.existing: StatResult | None = None  # of the destination before the run
        self.replaced = False  # something of another kind stood there
        #: this directory in the alternative trees where it exists (--link-dest and its like), in their order
        self.alts: tuple[DirectoryFd, ...] = ()
        self.follows: int = 0 if parent is None else parent.follows  # symlinks that were followed on the way here
        self.fresh = False  # made by this run
        self.plain = False  # only on the way to what -R names, under --no-implied-dirs: used as it stands
        #: filter rules: those for each source directory, those that protect what is in the destination from being
        #: deleted, and those that keep empty directories from being pruned
        self.scopes: Mapping[DirectoryFd, Scope] = _NO_SCOPES
        self.guard: Scope | None = None
        self.spare: Scope | None = None
        self._pending = 1
        if parent is not None:
            parent.hold()

    @property
    def path(self) -> bytes:
        """Its path as people know it, with a slash at its end; empty for the top."""
        node = self._base
        if node is None:
            return self._path
        parts = [self._path]
        while node is not None:
            parts.append(node._path)
            node = node._base
        return b"".join(reversed(parts))

    @path.setter
    def path(self, path: bytes) -> None:
        self._base, self._path, self._length = None, path, len(path)
        if self._length > _LONG_PATH and (parent := self.parent) is not None:
            tail = path[parent._length :]  # every path begins with its parent's
            if len(parent._path) > _LONG_PATH:
                self._base, self._path = parent, tail
            else:
                self._base, self._path = parent._base, parent._path + tail

    def hold(self) -> None:
        """One more thing that must end before this directory is settled."""
        self._pending += 1

    @property
    def pending(self) -> int:
        """How many things have yet to end."""
        return self._pending

    def release(self) -> None:
        """One of them has ended."""
        self._pending -= 1
        if not self._pending:
            self.on_settled(self)
