"""The warm path of --link-dest into new directories: files that the first alternative tree has the same are linked,
by the same decision as altdest.py's, as plain calls in one function.

A snapshot of a tree that has hardly changed is nothing but this, and awaiting each step would cost more than the
steps. Whatever is not plainly the same is left to the general way, which looks again and decides.
"""

from __future__ import annotations

import os
import stat

from arsync.config import AltDest
from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.engine.unchanged import same_in_all
from arsync.engine.wire import FRESH
from arsync.fs.views import path_in
from arsync.fs.xattr import is_bare


class LinkedFiles:
    """Links files of which source and alternative are the same, with one run's options."""

    def __init__(self, context: Context) -> None:
        config = context.config
        self._context = context
        self._attributes = context.attributes_wanted is not None  # those that have any go the general way
        self._possible = config.alt_dest is AltDest.LINK and not (
            config.checksum
            or config.ignore_times
            or config.hard_links
            or config.existing
            or config.dry_run
            or config.modify_window
            or config.fake_super
            or context.removing
            or context.sized
            or context.preserve.translates
            or context.preserve.atimes
            or context.report_unchanged
        )

    def takes(self, task: Task) -> bool:
        """Whether the files of this slice may be linked: entries of a new directory that the first tree has too."""
        return self._possible and bool(task.alts) and task.slice.flags == FRESH and task.dst >= 0

    def link(self, task: Task, begin: int, end: int) -> int:
        """Link the entries from ``begin`` on; returns where it stopped: at ``end``, or at the first that the general
        way must look at."""
        kinds = task.slice.kinds
        total = 0
        for index in range(begin, end):
            size = -1 if kinds[index] else self._link_one(task, index)
            if size < 0:
                end = index
                break
            total += size
        if end > begin:
            self._context.files_seen(end - begin, total)
        return end

    def _link_one(self, task: Task, index: int) -> int:
        """The size of a file that was linked; -1 where the general way must look, of which nothing was made."""
        name = task.slice.names[index]
        try:
            src = os.stat(name, dir_fd=task.src, follow_symlinks=False)
            alt = os.stat(name, dir_fd=task.alts[0], follow_symlinks=False)
            if not (same_in_all(src, alt) and stat.S_ISREG(src.st_mode)):
                return -1
            if self._attributes and not (is_bare(path_in(task.src, name)) and is_bare(path_in(task.alts[0], name))):
                return -1
            os.link(name, name, src_dir_fd=task.alts[0], dst_dir_fd=task.dst, follow_symlinks=False)
        except OSError:
            return -1
        try:
            made = os.stat(name, dir_fd=task.dst, follow_symlinks=False)
            if made.st_ino == alt.st_ino and made.st_dev == alt.st_dev:
                return src.st_size
        except OSError:
            pass  # a link that nobody has looked at does not stay
        try:
            os.unlink(name, dir_fd=task.dst)  # something else took the alternative's name in between
        except OSError:
            task.occupied.add(index)
        return -1
