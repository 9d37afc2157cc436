"""The worker in the parent's own process, for jobs too small to be worth starting others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from arsync.config import CopyConfig
from arsync.engine.batches import PackedBatch, Packer
from arsync.engine.held import Held
from arsync.engine.pool import QUEUED_NAMES, OnResult, WorkerDiedError, failed
from arsync.engine.shared import Shared
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.engine.wire import Batch, BatchResult
from arsync.engine.worker import Worker
from arsync.events import WorkerReport
from arsync.fs.metadata import Identity

if TYPE_CHECKING:
    import asyncio


class LocalPool:
    """Has the interface of :class:`~arsync.engine.pool.Pool`; works when it is pumped."""

    def __init__(
        self, config: CopyConfig, who: Identity, packer: Packer, shared: Shared, on_result: OnResult, held: Held
    ) -> None:
        self._packer = packer
        self._shared = shared
        self._on_result = on_result
        self._current: dict[int, PackedBatch] = {}  # several, while storage waits
        self._worker = Worker(config, who, shared, self, held)
        self._working = False
        self.died: list[WorkerDiedError] = []
        self.left: list[Node] = []

    def enqueue(self, work: SliceWork, *, first: bool = False) -> None:
        """Queue a slice until the next pump."""
        self._packer.add(work, first=first)

    def queued(self) -> bool:
        """Whether anything waits for a worker."""
        return bool(self._packer)

    def full(self) -> bool:
        """Whether the queue has enough for now: what is queued is then done at once."""
        if self._packer.names > QUEUED_NAMES:
            self.pump()
        return False

    async def room(self) -> None:
        """There always is."""

    def pump(self) -> None:
        """Do all that is queued, and what comes of it."""
        if self._working:
            return
        self._working = True
        try:
            while self._packer:
                self._worker.serve()
        finally:
            self._working = False

    def receive(self, block: bool) -> tuple[Batch, list[int]] | None:
        """The worker's next batch. It closes the descriptors, so it gets its own."""
        while (packed := self._packer.take()) is not None:
            try:
                fds = packed.pin()
            except OSError as error:
                self._on_result(packed, failed(packed, error))
                continue
            try:
                copies = _duplicates(fds)
            except OSError as error:
                packed.unpin()
                self._on_result(packed, failed(packed, error))
                continue
            self._current[packed.message.id] = packed
            return packed.message, copies
        return None

    def send(self, result: BatchResult) -> None:
        """The worker finished its batch."""
        packed = self._current.pop(result.id)
        packed.unpin()
        self._on_result(packed, result)

    async def close(self) -> list[WorkerReport]:
        """Give up the worker; returns what it reports of itself."""
        self._worker.close()
        return [self._worker.report()]

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """It needs no event loop."""

    def works(self) -> Iterator[tuple[int, dict[int, SliceWork]]]:
        """What is being worked on."""
        yield 0, {}  # while anything is, nobody can ask

    def abandon(self) -> None:
        """Nothing to end."""

    def kill(self) -> None:
        """Nothing to end."""


def _duplicates(fds: list[int]) -> list[int]:
    """Duplicates of all the descriptors, or of none: raises OSError."""
    copies: list[int] = []
    try:
        for fd in fds:
            copies.append(os.dup(fd))
    except OSError:
        for copy in copies:
            os.close(copy)
        raise
    return copies
