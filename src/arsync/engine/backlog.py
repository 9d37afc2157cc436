"""The slices that a worker has, and which of them is next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from arsync.engine.task import Task
from arsync.engine.wire import Batch, Slice
from arsync.fs.acl import default_perms

#: Slices that a worker takes files from in turn while storage waits.
DIRECTORIES_WAITING = 64

#: Files in flight in one directory of a destination that waits.
_IN_FLIGHT_WRITING = 8


class Work:
    """A batch being worked on."""

    __slots__ = ("began", "done", "fds", "id", "tasks", "total")

    def __init__(self, batch: Batch, fds: list[int]) -> None:
        self.id = batch.id
        self.fds = fds
        substitutes: dict[tuple[int, bytes], tuple[int, bytes]] = {}
        self.tasks = [Task(Slice(*piece), fds, substitutes) for piece in batch.slices]
        self.total = sum(len(task.slice.names) for task in self.tasks)
        self.done = 0
        self.began = time.monotonic()

    def learn_perms(self, otherwise: int) -> None:
        """Learn what permissions new entries may have in each directory: ``otherwise`` where it does not say."""
        for task in self.tasks:
            try:
                task.place.perms = default_perms(task.dst, otherwise) if task.dst >= 0 else otherwise
            except OSError:  # not known: what is made is for its owner only
                task.place.perms = otherwise & 0o700


Head = tuple[Work, Task]


class Backlog:
    """Slices with entries that were not begun, in the order in which they came."""

    def __init__(self) -> None:
        self._tasks: deque[Head] = deque()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, work: Work) -> None:
        """Put a batch's slices behind the others."""
        self._tasks.extend((work, task) for task in work.tasks)

    def next(self, *, slow: bool, writing: bool, limit: int) -> Head | None:
        """The slice whose entry is next; None where there is none left, or one that is in flight has to end first.

        While storage is ``slow``, slices take turns. The kernel changes a directory one entry at a time: where the
        destination is what waits (``writing``), more than a few files in flight in one directory would only wait for
        each other.
        """
        most = _IN_FLIGHT_WRITING if writing else limit
        for _ in range(len(self._tasks)):
            head = self._tasks.popleft()
            if not head[1].left:
                continue
            if not slow:
                self._tasks.appendleft(head)
                return head
            self._tasks.append(head)
            if head[1].in_flight < most:
                return head
        return None

    def left(self) -> int:
        """How many entries were not begun."""
        return sum(task.left for _, task in self._tasks)

    def oldest(self) -> Work | None:
        """The batch that was begun first."""
        return self._tasks[0][0] if self._tasks else None

    def give_back(self, work: Work) -> int:
        """Leave the entries of a batch that were not begun to others; returns how many."""
        given = 0
        for task in [task for other, task in self._tasks if other is work]:
            self._tasks.remove((work, task))
            task.handled = task.next
            given += task.left
        return given

    def stop(self) -> Iterator[tuple[Work, int]]:
        """Begin nothing more: each batch, and how many of its entries are dropped."""
        while self._tasks:
            work, task = self._tasks.popleft()
            task.stopped = True
            left, task.next = task.left, len(task.slice.names)
            yield work, left
