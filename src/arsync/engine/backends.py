"""What drives a worker's coroutines: a ring where it is asked for or storage waits, else plain calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arsync.config import CopyConfig, IoEngine
from arsync.engine.regime import Regime
from arsync.fs.plain import PlainRunner
from arsync.fs.protocol import FileOps, Runner


class Backends:
    """Those of one worker. A ring is made when it is needed first."""

    def __init__(self, config: CopyConfig) -> None:
        self._config = config
        self.plain = PlainRunner()
        self._ring: Any = None
        #: why there is none; empty where there is one
        self.ring_refused = "not needed" if config.io_engine is not IoEngine.PLAIN else "--io-engine=plain"
        self._ring_tried = config.io_engine is IoEngine.PLAIN

    def close(self) -> None:
        """Give up the ring."""
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    def is_warm(self, ops: FileOps) -> bool:
        """Whether these operations are plain calls, and nothing is waited for."""
        return ops is self.plain.ops and not self.plain.waiting

    def runner(self, regime: Regime) -> Runner:
        """What drives the next entries."""
        if regime.in_flight and (ring := self._get_ring()) is not None:
            # On storage that answers at once, what has no opcode need not leave this thread.
            ring.ops.waiting = regime.slow
            runner: Runner = ring
            return runner
        self.plain.waiting = regime.slow
        return self.plain

    def _get_ring(self) -> Any:
        if not self._ring_tried:
            self._ring_tried = True
            from arsync.fs import open_ring

            self._ring, self.ring_refused = open_ring(self._config.queue_depth)
            if self._ring is not None and self._config.atimes:
                self._ring.ops.ask_for_atimes()
        return self._ring

    async def copy_lanes(
        self, ops: FileOps, src: int, dst: int, start: int, length: int, block: int, stop: Callable[[], bool]
    ) -> int:
        """Copy a large range with the ring if there is one, whatever drives this file's other operations."""
        from arsync.fs.lanes import copy_large

        ring = self._get_ring() if ops.name == "plain" and not self.plain.waiting else None
        if ring is None:
            return await copy_large(ops, src, dst, start, length, block, stop)
        done = [0]

        async def on_ring() -> None:
            done[0] = await copy_large(ring.ops, src, dst, start, length, block, stop)

        ring.run(iter([on_ring()]), 1)
        return done[0]
