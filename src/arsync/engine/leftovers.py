"""What a run does about temporary files on which nobody is at work any more: those of killed runs, and its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arsync.config import CopyConfig
from arsync.engine.held import Held
from arsync.engine.shared import Shared
from arsync.engine.temporaries import begin_temporaries, unmark
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.fs.temporary import letters
from arsync.fs.xattr import UNFINISHED

if TYPE_CHECKING:
    from arsync.engine.unfinished import Stale


class Leftovers:
    """Those of one run; for a run that writes."""

    def __init__(self, config: CopyConfig, shared: Shared, held: Held, uid: int) -> None:
        """``held.marked`` is the destination's top."""
        self._shared = shared
        self._held = held
        self._uid = uid
        self._run = letters(shared.random)
        begin_temporaries(config, shared, held.marked)
        self.stale: Stale | None = None  # those of killed runs
        if marks := _marks(held.marked):
            from arsync.engine.unfinished import find_stale

            self.stale = find_stale(config, held.marked, marks, self._run, uid)

    def begin(self) -> list[Failure]:
        """Remove what killed runs left in the destination's top and where --temp-dir is; returns what failed."""
        return [] if self.stale is None else self._remove(self.stale, [])

    def end(self, left: list[Node], *, stopped: bool) -> tuple[list[str], list[Failure]]:
        """When no worker is left: remove what those left that died, in the directories ``left``, and the marks of what
        is done with. ``stopped``: not everything was visited. Returns what to tell, and what failed."""
        told: list[str] = []
        failures: list[Failure] = []
        own = None
        if left:
            from arsync.engine.unfinished import Stale

            own = Stale([self._run], self._uid)
            failures += self._remove(own, left)
            told += own.notices()
        if self._shared.marked() and (own is None or own.complete):
            unmark(self._held.marked, UNFINISHED + self._run)
        if self.stale is not None:
            told += self.stale.notices()
            if not stopped:
                self.stale.forget(self._held.marked)
        return told, failures

    def _remove(self, stale: Stale, nodes: list[Node]) -> list[Failure]:
        failures: list[Failure] = []
        for node in nodes:
            if node.dst is not None:
                stale.remove_from(node.dst, node.path, failures)
        for fd in self._held.marked, self._held.temp:
            if fd >= 0:
                stale.remove_in(fd, b"", failures)
        return failures


def _marks(top: int) -> list[bytes]:
    """The marks of a directory."""
    try:
        return [mark for mark in map(os.fsencode, os.listxattr(top)) if mark.startswith(UNFINISHED)]
    except OSError:
        return []  # there are none here
