"""The warm path of files that need nothing: the same decision as entry.py's and compare.py's, as plain calls in one
function.

Most runs find most files unchanged, and then looking is all there is to do: two stat calls and a comparison. Written
as one function, that is a third of the time that awaiting each step takes (40,000 files, ext4). Whatever is not
plainly the same is left to the general way, which looks again and decides.
"""

from __future__ import annotations

import os
import stat

from arsync.engine.context import Context
from arsync.engine.task import Task

_MTIME = stat.ST_MTIME  # seconds, which is what rsync compares
_OWNER_AND_SIZE = slice(stat.ST_UID, stat.ST_SIZE + 1)


def same_in_all(first: os.stat_result, second: os.stat_result) -> bool:
    """Whether two entries are the same in kind, mode, owner, size and time."""
    return (
        first.st_mode == second.st_mode
        and first[_MTIME] == second[_MTIME]
        and first[_OWNER_AND_SIZE] == second[_OWNER_AND_SIZE]
    )


class UnchangedFiles:
    """Passes over files of which source and destination are the same, with one run's options."""

    def __init__(self, context: Context) -> None:
        config = context.config
        self._context = context
        self._hard_links = config.hard_links
        self._possible = not (
            context.removing
            or context.sized
            or config.checksum
            or config.ignore_times
            or config.modify_window
            or context.report_unchanged
            or context.attributes_wanted is not None
            or context.preserve.translates
            or config.fake_super
            or context.preserve.atimes
        )

    def takes(self, task: Task) -> bool:
        """Whether the files of this slice may be the same: entries of a destination that was there before."""
        return self._possible and not task.slice.flags and task.dst >= 0 and not task.alts

    def skip(self, task: Task, begin: int, end: int) -> int:
        """Pass over the entries from ``begin`` on; returns where it stopped: at ``end``, or at the first that the
        general way must look at."""
        names, kinds, others = task.slice.names, task.slice.kinds, task.dst_names
        total = 0
        for index in range(begin, end):
            size = -1 if kinds[index] else self._size_if_same(task, names[index], others[index])
            if size < 0:
                end = index
                break
            total += size
        if end > begin:
            self._context.files_seen(end - begin, total)
        return end

    def _size_if_same(self, task: Task, name: bytes, dst_name: bytes) -> int:
        """The size of a file that needs nothing; -1 where the general way must look."""
        try:
            src = os.stat(name, dir_fd=task.src, follow_symlinks=False)
            dst = os.stat(dst_name, dir_fd=task.dst, follow_symlinks=False)
        except OSError:
            return -1
        mode = src.st_mode
        if (
            mode == dst.st_mode
            and src[_MTIME] == dst[_MTIME]
            and src[_OWNER_AND_SIZE] == dst[_OWNER_AND_SIZE]
            and stat.S_ISREG(mode)
            and not (self._hard_links and src.st_nlink > 1)
        ):
            return src.st_size
        return -1
