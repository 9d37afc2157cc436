"""One slice of a directory while a worker works on it."""

from __future__ import annotations

import os
from typing import Any

from arsync.engine.place import Place
from arsync.engine.wire import FOLLOWED, LEADER, Slice, SliceResult
from arsync.fs.protocol import StatResult


class Task:
    """A slice's descriptors, and what has become of its entries so far."""

    __slots__ = (
        "alts",
        "blocked",
        "candidates",
        "done",
        "dst",
        "dst_names",
        "failures",
        "handled",
        "in_flight",
        "items",
        "late",
        "leaders",
        "next",
        "occupied",
        "place",
        "read",
        "slice",
        "src",
        "staged",
        "staging",
        "statuses",
        "stopped",
        "substitutes",
    )

    def __init__(self, piece: Slice, fds: list[int], substitutes: dict[tuple[int, bytes], tuple[int, bytes]]) -> None:
        self.slice = piece
        self.src = fds[piece.src]
        self.dst = fds[piece.dst] if piece.dst >= 0 else -1
        self.alts = [fds[directory] for directory in piece.alts]
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
        #: what is to be shown of entries beside their names: the fields of events.Status
        self.statuses: dict[int, tuple[Any, ...]] = {}
        self.failures: list[tuple[str, int, int, str, bool, bool]] = []
        self.candidates: list[tuple[int, int, int, int, bool, tuple[int, int] | None]] = []
        self.read: dict[int, StatResult] = {}  # of entries whose source is to be removed: its status when it was read
        self.staged: set[int] = set()  # entries that are complete and wait for the end of the run
        self.late: list[tuple[int, int, int, int]] = []  # as in SliceResult
        self.staging = -1  # the directory for staged files and parts, while it is open
        self.blocked: list[int] = []  # as in SliceResult

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

    def follows(self, index: int) -> bool:
        """Whether an entry is a symlink whose referent is meant."""
        return self.slice.kinds[index] == FOLLOWED

    def source_flags(self, index: int, flags: int) -> int:
        """``flags`` of opening an entry's source, of which O_NOFOLLOW is taken where its referent is meant."""
        return flags & ~os.O_NOFOLLOW if self.follows(index) else flags

    @property
    def left(self) -> int:
        """How many entries were not begun."""
        return len(self.slice.names) - self.next

    def result(self) -> SliceResult:
        """What is reported to the parent."""
        done = tuple(self.done) if self.slice.flags & LEADER else ()
        items: list[tuple[Any, ...]] = [*self.items]
        if self.statuses:
            items = [(*item, self.statuses.get(item[0])) for item in self.items]
        number, handled, blocked = self.slice.id, self.handled, tuple(self.blocked)
        return SliceResult(number, handled, items, self.failures, self.candidates, done, self.late, blocked)

    def forget_staging(self) -> None:
        """Close the staging directory."""
        if self.staging != -1:
            os.close(self.staging)
            self.staging = -1
