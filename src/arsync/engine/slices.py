"""Work as the parent sees it: pieces of directories on their way to a worker and back."""

from __future__ import annotations

from arsync.engine.tree import Node
from arsync.fs.directory import DirectoryFd


class Barrier:
    """Stands among the slices where all before it must have been dealt with before the next is begun.

    ``settled``: a node in which everything must be complete, with its metadata; ``last``: no more is copied.
    """

    __slots__ = ("last", "settled")

    def __init__(self, settled: Node | None, *, last: bool) -> None:
        self.settled = settled
        self.last = last


class SliceWork:
    """Entries of one directory that travel together. Its node stays pending until they are done."""

    __slots__ = (
        "dst_names",
        "flags",
        "id",
        "kinds",
        "leaders",
        "names",
        "node",
        "number",
        "offset",
        "ordinal",
        "source",
        "stamps",
    )

    def __init__(
        self,
        node: Node,
        number: int | None,
        source: DirectoryFd,
        names: tuple[bytes, ...],
        kinds: bytes,
        flags: int,
        *,
        dst_names: tuple[bytes, ...] = (),
        leaders: tuple[tuple[DirectoryFd, bytes, bytes], ...] = (),
        stamps: tuple[tuple[int, int, int], ...] = (),
    ) -> None:
        self.id = -1
        self.offset = 0  # of its first entry in the slice that it was first part of
        self.ordinal = 0  # how many entries come before its first, where progress is shown
        self.node = node
        self.number = number  # its place in the order of the output; None: shown when it is done
        self.source = source
        self.names = names
        self.kinds = kinds
        self.flags = flags
        self.dst_names = dst_names
        self.leaders = leaders
        self.stamps = stamps

    def rest(self, handled: int) -> SliceWork:
        """What is left after the first ``handled`` entries."""
        return self.part(handled, len(self.names))

    def part(self, begin: int, end: int) -> SliceWork:
        """Some of its entries."""
        part = SliceWork(
            self.node,
            self.number,
            self.source,
            self.names[begin:end],
            self.kinds[begin:end],
            self.flags,
            dst_names=self.dst_names[begin:end],
            leaders=self.leaders[begin:end],
            stamps=self.stamps[begin:end],
        )
        part.offset = self.offset + begin
        part.ordinal = self.ordinal + begin
        return part

    def directories(self) -> list[DirectoryFd]:
        """The directories that a worker needs for it."""
        found = [self.source]
        if self.node.dst is not None:
            found.append(self.node.dst)
        found.extend(self.node.alts)
        found.extend(directory for directory, _, _ in self.leaders)
        return found

    def size(self) -> int:
        """Bytes that it takes in a message, about."""
        size = len(self.node.path) + len(b"".join(self.names)) + 8 * len(self.names) + 64
        if self.dst_names:
            size += len(b"".join(self.dst_names)) + 8 * len(self.dst_names)
        if self.leaders:
            size += sum(len(name) + len(path) + 32 for _, name, path in self.leaders)
        return size + 24 * len(self.stamps)
