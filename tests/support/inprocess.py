"""A run in this process, where what happens meanwhile can be planted."""

from __future__ import annotations

import os
from typing import Any

from arsync.config import CopyConfig
from arsync.engine.run import run
from arsync.errors import ExitCode
from arsync.events import Failure


class Collected:
    """A Sink that remembers."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def failure(self, failure: Failure) -> None:
        self.failures.append(failure)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def copy(here: bytes, sources: tuple[bytes, ...] | None = None, **options: Any) -> tuple[ExitCode, list[Failure]]:
    """Copy ``here``/src/, or ``sources``, to ``here``/dst with ``-rtp`` and these options; the exit code, and what
    failed."""
    sink = Collected()
    paths = sources or (os.path.join(here, b"src/"),), os.path.join(here, b"dst")
    options = {"recursive": True, "times": True, "perms": True} | options
    return run(CopyConfig(*paths, **options), sink), sink.failures
