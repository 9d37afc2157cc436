"""The warm path of files that need nothing: the same decision as entry.py's and compare.py's, as plain calls in one
function.

Most runs find most files unchanged, and then looking is all there is to do: two stat calls and a comparison. Written
as one function, that is a third of the time that awaiting each step takes (40,000 files, ext4). Whatever is not
plainly the same is left to the general way, which looks again and decides.
"""

from __future__ import annotations

import os
import stat

from arsync.engine.consider import UNKNOWN_LINKS
from arsync.engine.context import Context
from arsync.engine.task import Task
from arsync.engine.wire import LEADER
from arsync.fs.pairs import MOST_PAIRS, Compared, Pairs
from arsync.fs.views import path_in
from arsync.fs.xattr import is_bare

_MTIME = stat.ST_MTIME  # seconds, which is what rsync compares
_OWNER_AND_SIZE = slice(stat.ST_UID, stat.ST_SIZE + 1)
_FORMAT, _REGULAR = 0o170000, stat.S_IFREG

#: Files after which a worker compares many at once, which takes reading in ctypes (5 ms); and how many, at least.
_MANY_FROM = 4096
_MANY_AT_ONCE = 16


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
        self._attributes = context.attributes_wanted is not None  # those that have any go the general way
        self._one_by_one = config.hard_links or self._attributes
        self._leaders = not config.ignore_existing  # which leaves them alone: then nothing is linked to them
        self._many = ManyFiles()
        self._possible = not (
            context.removing
            or context.sized
            or config.checksum
            or config.ignore_times
            or config.modify_window
            or context.report_unchanged
            or context.preserve.translates
            or config.fake_super
            or context.preserve.atimes
        )

    def takes(self, task: Task) -> bool:
        """Whether the files of this slice may be the same: entries of a destination that was there before."""
        flags = task.slice.flags
        return self._possible and (not flags or (flags == LEADER and self._leaders)) and task.dst >= 0 and not task.alts

    def skip(self, task: Task, begin: int, end: int) -> int:
        """Pass over the entries from ``begin`` on; returns where it stopped: at ``end``, or at the first that the
        general way must look at."""
        kinds = task.slice.kinds
        if task.slice.flags:  # a leader was counted when it was met, and its links wait to hear of it
            done, _ = self._same(task, begin, end, linked=False)
            task.done.update(range(begin, begin + done))
            return begin + done
        if any(kinds[begin:end]):
            end = begin + next(place for place, kind in enumerate(kinds[begin:end]) if kind)
        if not self._one_by_one and self._many.takes(task, begin, end):
            done, total = self._many.same(task, begin, end)
        else:
            done, total = self._same(task, begin, end, linked=self._hard_links)
            self._many.passed += done
        if done:
            self._context.files_seen(done, total)
        return begin + done

    def _same(self, task: Task, begin: int, end: int, *, linked: bool) -> tuple[int, int]:
        """How many files from ``begin`` on need nothing, and their bytes. Local names: see the module's first lines.
        ``linked``: what has several links is left to the parent, as consider.py does."""
        status, src_fd, dst_fd, attributes = os.stat, task.src, task.dst, self._attributes
        done = total = 0
        try:
            for name, other in zip(task.slice.names[begin:end], task.dst_names[begin:end]):
                src = status(name, dir_fd=src_fd, follow_symlinks=False)
                dst = status(other, dir_fd=dst_fd, follow_symlinks=False)
                if src.st_mode & _FORMAT != _REGULAR:
                    break
                differs = (
                    src.st_mode != dst.st_mode
                    or src[_MTIME] != dst[_MTIME]
                    or src[_OWNER_AND_SIZE] != dst[_OWNER_AND_SIZE]
                    or (attributes and not (is_bare(path_in(src_fd, name)) and is_bare(path_in(dst_fd, other))))
                )
                if linked and src.st_nlink > 1:
                    same = None if differs or not self._leaders else (dst.st_dev, dst.st_ino)
                    stands = dst.st_mode & _FORMAT == _REGULAR
                    task.candidates.append((begin + done, src.st_dev, src.st_ino, self._links_of(src), stands, same))
                elif differs:
                    break
                done += 1
                total += src.st_size
        except OSError:
            pass  # the general way looks at it again, and says what is wrong
        return done, total

    def _links_of(self, src: os.stat_result) -> int:
        return UNKNOWN_LINKS if self._context.follow else src.st_nlink


class ManyFiles:
    """The same for many at once, once a worker has passed over so many files that what it takes to begin is little."""

    def __init__(self) -> None:
        self.passed = 0  # files that needed nothing
        self._pairs: Pairs | None = None
        self._impossible = False
        self._task: Task | None = None  # whose entries from _begin on were compared last
        self._begin = 0
        self._compared = Compared(b"", [])

    def takes(self, task: Task, begin: int, end: int) -> bool:
        """Whether the entries were compared, now or before: an entry among others is not looked at twice."""
        if self._task is task and begin < self._begin + len(self._compared.same):
            return True
        if self.passed < _MANY_FROM or end - begin < _MANY_AT_ONCE or self._impossible:
            return False
        try:
            self._pairs = self._pairs or Pairs()
        except OSError:
            self._impossible = True
            return False
        end = min(end, begin + MOST_PAIRS)
        names, others = task.slice.names[begin:end], task.dst_names[begin:end]
        compared = self._pairs.compare(task.src, task.dst, names, others)
        if not compared.same:
            return False
        self._task, self._begin, self._compared = task, begin, compared
        return True

    def same(self, task: Task, begin: int, end: int) -> tuple[int, int]:
        """How many entries from ``begin`` on need nothing, and their bytes."""
        begin, end = begin - self._begin, end - self._begin
        place = self._compared.same.find(0, begin, end)
        if place < 0:
            place = min(end, len(self._compared.same))
        return place - begin, sum(self._compared.sizes[begin:place])
