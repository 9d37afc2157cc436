"""One slice of a directory while a worker works on it."""

from __future__ import annotations

from arsync.engine.place import Place
from arsync.engine.wire import Slice, SliceResult


class Task:
    """A slice's descriptors, and what has become of its entries so far."""

    __slots__ = (
        "blocked",
        "candidates",
        "done",
        "dst",
        "dst_names",
        "failures",
        "handled",
        "in_flight",
        "items",
        "leaders",
        "next",
        "occupied",
        "place",
        "slice",
        "src",
        "stopped",
        "substitutes",
    )

    def __init__(self, piece: Slice, fds: list[int], substitutes: dict[tuple[int, bytes], tuple[int, bytes]]) -> None:
        self.slice = piece
        self.src = fds[piece.src]
        self.dst = fds[piece.dst] if piece.dst >= 0 else -1
        self.leaders = [(fds[directory], name, path) for directory, name, path in piece.leaders]
        self.dst_names = piece.dst_names or piece.names
        self.place = Place()
        #: leaders that can take no more links (EMLINK), and the copies that take them instead; shared by a batch
        self.substitutes = substitutes
        self.next = 0  # the first entry that was not begun
        self.in_flight = 0
        self.handled = len(piece.names)
        self.stopped = False
        self.done: set[int] = set()  # entries whose destination is now as the source is
        #: entries whose name is taken by something of another kind, which a rename replaces
        self.occupied: set[int] = set()
        self.items: list[tuple[int, int, int, bytes]] = []
        self.failures: list[tuple[str, int, int, str, bool, bool]] = []
        self.candidates: list[tuple[int, int, int, int, bool]] = []
        self.blocked: list[int] = []

    def fail(
        self,
        index: int,
        operation: str,
        error: OSError | None,
        detail: str = "",
        *,
        vanished: bool = False,
        warning: bool = False,
    ) -> None:
        """Record that one operation on an entry failed."""
        number = 0 if error is None else error.errno or 0
        self.failures.append((operation, index, number, detail, vanished, warning))

    @property
    def left(self) -> int:
        """How many entries were not begun."""
        return len(self.slice.names) - self.next

    def result(self) -> SliceResult:
        """What is reported to the parent."""
        complete = len(self.done) == len(self.slice.names)
        return SliceResult(
            self.slice.id, self.handled, self.items, self.failures, self.candidates, complete, tuple(self.blocked)
        )
