"""The backends that the file operations are tested on."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from arsync.fs.protocol import FileOps

T = TypeVar("T")


class Backend:
    """A runner, and a way to run one coroutine for its result."""

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.ops: FileOps = runner.ops

    def run(self, coroutine: Coroutine[Any, Any, T], limit: int = 64) -> T:
        """Drive one coroutine; what it raises is raised."""
        results: list[T] = []

        async def keep() -> None:
            results.append(await coroutine)

        self.runner.run(iter([keep()]), limit)
        return results[0]


def open_descriptors() -> set[str]:
    """Descriptors of this process, by what they refer to (the one that lists them excluded)."""
    listed = os.listdir("/proc/self/fd")
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in listed if os.path.lexists(f"/proc/self/fd/{fd}")}


def ring_or_skip(queue_depth: int = 64) -> Any:
    """A runner on a ring; skips with the reason where there is none."""
    from arsync.fs import open_ring

    runner, reason = open_ring(queue_depth)
    if runner is None:
        pytest.skip(f"no io_uring here: {reason}")
    return runner
