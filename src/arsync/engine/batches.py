"""Packing slices into batches: many small directories share one, and a batch never outgrows a message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.wire import BATCH_BYTES, SLICE_NAMES, Batch, Slice
from arsync.fs.directory import DirectoryFd

if TYPE_CHECKING:
    from arsync.engine.attributes import AttributeRules


class PackedBatch:
    """A batch that was sent: what it was made of, by slice id, and the directories to unpin when it is answered."""

    __slots__ = ("directories", "message", "names", "works")

    def __init__(self, message: Batch, works: dict[int, SliceWork], directories: list[DirectoryFd]) -> None:
        self.message = message
        self.works = works
        self.directories = directories
        self.names = sum(len(work.names) for work in works.values())

    def pin(self) -> list[int]:
        """Open the batch's directories and keep them open; returns their descriptors. Raises OSError."""
        fds: list[int] = []
        for directory in self.directories:
            try:
                fds.append(directory.pin())
            except OSError:
                for pinned in self.directories[: len(fds)]:
                    pinned.unpin()
                raise
        return fds

    def unpin(self) -> None:
        """Let the table close them again."""
        for directory in self.directories:
            directory.unpin()


class Packer:
    """Slices that wait for a worker, in order."""

    def __init__(
        self,
        max_directories: int,
        waiting: Callable[[], int],
        attribute_rules: Callable[[Node, DirectoryFd], AttributeRules | None] | None = None,
    ) -> None:
        """``attribute_rules``: what merge files say about the extended attributes of a slice, where they may."""
        self._max_directories = max_directories
        self._waiting = waiting
        self._attribute_rules = attribute_rules
        self._works: deque[SliceWork] = deque()
        self.names = 0
        self._next_batch = 0
        self._next_slice = 0

    def __bool__(self) -> bool:
        return bool(self._works)

    def add(self, work: SliceWork, *, first: bool = False) -> None:
        """Queue a slice; ``first``: before all others, because it was begun before them."""
        self.names += len(work.names)
        if first:
            self._works.appendleft(work)
        else:
            self._works.append(work)

    def take(self, names: int = SLICE_NAMES) -> PackedBatch | None:
        """The next batch, of at most ``names`` names or one slice; None where nothing waits."""
        if not self._works:
            return None
        works: dict[int, SliceWork] = {}
        slices: list[Slice] = []
        directories: dict[DirectoryFd, int] = {}
        count = size = 0
        while self._works:
            work = self._works[0]
            needed = [directory for directory in work.directories() if directory not in directories]
            bytes_ = work.size()
            full = (
                count + len(work.names) > names
                or size + bytes_ > BATCH_BYTES
                or len(directories) + len(needed) > self._max_directories
            )
            if works and full:
                break
            self._works.popleft()
            for directory in needed:
                directories.setdefault(directory, len(directories))
            count += len(work.names)
            size += bytes_
            work.id = self._next_slice
            self._next_slice += 1
            works[work.id] = work
            message = _message(work, directories)
            if self._attribute_rules is not None and (rules := self._attribute_rules(work.node, work.source)):
                message = message._replace(attribute_rules=rules)
                size += sum(len(text) + 8 for side in rules for text in side)
            slices.append(message)
        self.names -= count
        self._next_batch += 1
        batch = Batch(self._next_batch, self._waiting(), len(directories), tuple(map(tuple, slices)))
        return PackedBatch(batch, works, list(directories))


def _message(work: SliceWork, directories: dict[DirectoryFd, int]) -> Slice:
    return Slice(
        work.id,
        work.flags,
        work.node.path,
        directories[work.source],
        -1 if work.node.dst is None else directories[work.node.dst],
        work.names,
        work.kinds,
        tuple((directories[directory], name, path) for directory, name, path in work.leaders),
        work.dst_names,
        work.stamps,
        tuple(directories[directory] for directory in work.node.alts),
    )
