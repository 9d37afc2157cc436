"""The warm path of a small new file: the same steps as regular.py, as plain calls in one function.

On a warm local file system a worker computes all the time, and what it computes is mostly Python: awaiting each
step costs as much as the step. Written as one function, 10,000 small files took half of the Python time (two workers,
tmpfs and ext4). It is taken only while nothing has to be waited for and nothing but data, mode and times has to be
set; and since the file has no name until its last step, whatever goes wrong is simply left to the general way, which
does it again from the beginning and says why it fails.
"""

from __future__ import annotations

import os
import stat
import time

from arsync.config import CopyMethod
from arsync.engine.consider import UNKNOWN_LINKS
from arsync.engine.context import Context
from arsync.engine.place import OPEN_SOURCE, Place
from arsync.engine.task import Task
from arsync.engine.wire import FRESH, LEADER
from arsync.events import NEW, TRANSFER, Kind
from arsync.fs.copy import SMALL_FILE
from arsync.fs.metadata import Preserve
from arsync.fs.syscalls import give_name
from arsync.fs.xattr import is_bare

_UNNAMED = os.O_TMPFILE | os.O_WRONLY

_KIND, _KIND_AND_SPECIAL_BITS = 0o170000, 0o177000

#: In place of a size: the general way must do it, or it has several links.
_GENERAL, _LINKED = -1, -2


class SmallFiles:
    """Copies small new files with one run's options and one buffer."""

    def __init__(self, context: Context) -> None:
        config = context.config
        self._context = context
        self._hard_links = config.hard_links
        self._attributes = context.attributes_wanted is not None  # those that have any go the general way
        self._linked: os.stat_result | None = None  # the file with several links that was met last
        self._buffer = memoryview(bytearray(SMALL_FILE + 1))
        self._possible = (
            not (config.dry_run or config.sparse or config.existing)
            and not context.detailed
            and not context.preserve.translates
            and not config.fake_super
            and not config.open_noatime
            and not context.preserve.atimes
            and not (context.removing or context.sized or config.bwlimit)
            and not (config.fsync or config.verify or config.preallocate or config.delay_updates)
            and config.temp_dir is None
            and config.partial_dir is None
            and config.copy_method in (CopyMethod.AUTO, CopyMethod.READ_WRITE)
        )

    def takes(self, task: Task) -> bool:
        """Whether the files of this slice may go this way: in a directory that this run made, of which it is known
        that a file made there gets the owner and mode that it is made with. Before that is known, those with several
        links, which the parent has to hear of first, may."""
        place, flags = task.place, task.slice.flags
        return (
            self._possible
            and (place.mode_kept or (self._hard_links and not place.known and flags == FRESH))
            and place.unnamed
            and (flags == FRESH or flags == FRESH | LEADER)
            and task.dst >= 0
            and not task.alts
        )

    def copy(self, task: Task, begin: int, end: int) -> int:
        """Copy the entries from ``begin`` on; returns where it stopped: at ``end``, or at the first that the general
        way must do, of which nothing was made."""
        names, kinds, preserve, place = task.slice.names, task.slice.kinds, self._context.preserve, task.place
        perms_mask = 0o7777 if preserve.perms else self._context.default_perms
        single = self._hard_links and not task.slice.flags & LEADER
        copied: list[int] = []
        total = 0
        for index in range(begin, end):
            size = _GENERAL if kinds[index] else self._copy_one(task, names[index], preserve, place, perms_mask, single)
            if size >= 0:
                copied.append(index)
                total += size
            elif size == _LINKED:
                self._offer(task, index)
            else:
                end = index
                break
        if copied:
            self._done(task, copied, total)
        return end

    def _done(self, task: Task, copied: list[int], total: int) -> None:
        leaders = bool(task.slice.flags & LEADER)
        self._context.small_files_done(len(copied), total, seen=not leaders)
        if leaders:
            task.done.update(copied)
        if self._context.report:
            kind, changes = int(Kind.FILE), TRANSFER | NEW
            task.items.extend((index, kind, changes, b"") for index in copied)

    def _offer(self, task: Task, index: int) -> None:
        """Leave it to the parent what becomes of a file with several links, as consider.py does."""
        st = self._linked
        assert st is not None
        self._context.files_seen(1, st.st_size)
        links = UNKNOWN_LINKS if self._context.follow else st.st_nlink
        task.candidates.append((index, st.st_dev, st.st_ino, links, False, None))

    def _copy_one(
        self, task: Task, name: bytes, preserve: Preserve, place: Place, perms_mask: int, single: bool
    ) -> int:
        """Copy one file; returns its size, or why it was not copied. ``single``: what has several links is not."""
        src = dst = -1
        try:
            try:
                src = os.open(name, OPEN_SOURCE, dir_fd=task.src)
                st = os.fstat(src)
                size, mode, mtime_ns = st.st_size, st.st_mode, st.st_mtime_ns
                if single and st.st_nlink > 1 and mode & _KIND == stat.S_IFREG:
                    self._linked = st
                    return _LINKED
                if not place.mode_kept or size > SMALL_FILE or mode & _KIND_AND_SPECIAL_BITS != stat.S_IFREG:
                    return _GENERAL
                if self._attributes and not is_bare(src):
                    return _GENERAL
                if st.st_uid != place.uid or st.st_gid != place.gid:
                    uid, gid = preserve.owner_of(st)
                    if uid not in (-1, place.uid) or gid not in (-1, place.gid):
                        return _GENERAL
                dst = os.open(b".", _UNNAMED, mode & perms_mask, dir_fd=task.dst)
                if self._attributes and not is_bare(dst):
                    return _GENERAL
                # One byte more than the largest small file is asked for, so that a short read proves the end.
                got = os.preadv(src, (self._buffer,), 0)
                if got != size or (got and os.pwrite(dst, self._buffer[:got], 0) != got):
                    return _GENERAL
                now = os.fstat(src)
                if now.st_mtime_ns != mtime_ns or now.st_size != size:
                    return _GENERAL
                if preserve.times:
                    os.utime(dst, ns=(time.time_ns(), mtime_ns))
                give_name(dst, task.dst, name)
            finally:
                try:
                    if dst >= 0:
                        os.close(dst)
                finally:
                    if src >= 0:
                        os.close(src)
        except OSError:  # of closing too: what was written may be lost then, and the general way replaces it
            return _GENERAL
        return size
