"""The warm path of further names of an inode (-H): the same as linking.py, as plain calls in one function.

Of a name that is a link to its leader already nothing has to be known of the source; where nothing stands, the link is
made. Whatever else is found is left to the general way.
"""

from __future__ import annotations

import os

from arsync.engine import counts
from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.engine.wire import LINK
from arsync.events import HARDLINK, NEW, Kind


class KnownLinks:
    """Makes hard links with one run's options."""

    def __init__(self, context: Context) -> None:
        config = context.config
        self._context = context
        self._possible = not (
            config.dry_run
            or config.existing
            or config.ignore_existing
            or config.fake_super
            or context.placing is not None
            or context.removing
            or context.sized
            or context.detailed
            or context.report_unchanged
        )

    def takes(self, task: Task) -> bool:
        """Whether the entries of this slice may be linked this way."""
        return self._possible and task.slice.flags == LINK and task.dst >= 0 and not (task.alts or task.substitutes)

    def link(self, task: Task, begin: int, end: int) -> int:
        """Deal with the entries from ``begin`` on; returns where it stopped: at ``end``, or at the first that the
        general way must look at."""
        made: list[int] = []
        for index in range(begin, end):
            if task.slice.kinds[index] or not self._is_linked(task, index, made):
                end = index
                break
        self._tell(task, made)
        return end

    def _is_linked(self, task: Task, index: int, made: list[int]) -> bool:
        """Whether a name is a link to its leader, or is ``made`` one; False where the general way must look."""
        leader_dir, leader, _ = task.leaders[index]
        name, dst = task.dst_names[index], task.dst
        try:
            found = _stat(name, dst)
            if found is None:
                os.link(leader, name, src_dir_fd=leader_dir, dst_dir_fd=dst, follow_symlinks=False)
                made.append(index)
                return True
            wanted = os.stat(leader, dir_fd=leader_dir, follow_symlinks=False)
        except OSError:
            return False
        return wanted.st_ino == found.st_ino and wanted.st_dev == found.st_dev

    def _tell(self, task: Task, made: list[int]) -> None:
        if not made:
            return
        context = self._context
        with context.lock:
            context.counts[counts.LINKED] += len(made)
        for index in made:
            context.done(task, index, Kind.FILE, HARDLINK | NEW, task.leaders[index][2])


def _stat(name: bytes, dir_fd: int) -> os.stat_result | None:
    """What stands there; None where nothing does."""
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
