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
from arsync.engine.context import Context
from arsync.engine.place import OPEN_SOURCE, Place
from arsync.engine.task import Task
from arsync.engine.wire import FRESH
from arsync.events import NEW, TRANSFER, Kind
from arsync.fs.copy import SMALL_FILE
from arsync.fs.metadata import Preserve
from arsync.fs.syscalls import give_name
from arsync.fs.xattr import is_bare

_UNNAMED = os.O_TMPFILE | os.O_WRONLY

_KIND_AND_SPECIAL_BITS = 0o177000


class SmallFiles:
    """Copies small new files with one run's options and one buffer."""

    def __init__(self, context: Context) -> None:
        config = context.config
        self._context = context
        self._single = config.hard_links  # what has several links is one of a group
        self._attributes = context.attributes_wanted is not None  # those that have any go the general way
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
        that a file made there gets the owner and mode that it is made with."""
        place = task.place
        return (
            self._possible
            and place.mode_kept
            and place.unnamed
            and task.slice.flags == FRESH
            and task.dst >= 0
            and not task.alts
        )

    def copy(self, task: Task, begin: int, end: int) -> int:
        """Copy the entries from ``begin`` on; returns where it stopped: at ``end``, or at the first that the general
        way must do, of which nothing was made."""
        names, kinds, preserve, place = task.slice.names, task.slice.kinds, self._context.preserve, task.place
        perms_mask = 0o7777 if preserve.perms else self._context.default_perms
        total = 0
        for index in range(begin, end):
            size = -1 if kinds[index] else self._copy_one(task, names[index], preserve, place, perms_mask)
            if size < 0:
                end = index
                break
            total += size
        if end > begin:
            self._context.small_files_done(end - begin, total)
            if self._context.report:
                kind, changes = int(Kind.FILE), TRANSFER | NEW
                task.items.extend((index, kind, changes, b"") for index in range(begin, end))
        return end

    def _copy_one(self, task: Task, name: bytes, preserve: Preserve, place: Place, perms_mask: int) -> int:
        """Copy one file; returns its size, -1 where the general way must do it."""
        src = dst = -1
        try:
            try:
                src = os.open(name, OPEN_SOURCE, dir_fd=task.src)
                st = os.fstat(src)
                size, mode, mtime_ns = st.st_size, st.st_mode, st.st_mtime_ns
                if size > SMALL_FILE or mode & _KIND_AND_SPECIAL_BITS != stat.S_IFREG:
                    return -1
                if (self._single and st.st_nlink > 1) or (self._attributes and not is_bare(src)):
                    return -1
                if st.st_uid != place.uid or st.st_gid != place.gid:
                    uid, gid = preserve.owner_of(st)
                    if uid not in (-1, place.uid) or gid not in (-1, place.gid):
                        return -1
                dst = os.open(b".", _UNNAMED, mode & perms_mask, dir_fd=task.dst)
                if self._attributes and not is_bare(dst):
                    return -1
                # One byte more than the largest small file is asked for, so that a short read proves the end.
                got = os.preadv(src, (self._buffer,), 0)
                if got != size or (got and os.pwrite(dst, self._buffer[:got], 0) != got):
                    return -1
                now = os.fstat(src)
                if now.st_mtime_ns != mtime_ns or now.st_size != size:
                    return -1
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
            return -1
        return size
