"""What killed runs left: temporary files that are certainly arsync's and nobody's any more are removed.

They are told by the mark of their run (arsync.engine.temporaries): its temporary names hold three letters that the mark
holds too, no process of the run is left, and it ran on this machine. Names are looked for in the directories of the
destination that this run visits anyhow.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress

from arsync.config import CopyConfig
from arsync.engine.temporaries import here, is_at_work, unmark, visits
from arsync.events import Failure
from arsync.fs.directory import DirectoryFd
from arsync.fs.xattr import UNFINISHED

_RUN = re.compile(rb"[A-Za-z0-9]{3}")


class Stale:
    """The temporary files of some runs. Its methods may run in threads."""

    def __init__(self, runs: Iterable[bytes], uid: int) -> None:
        """``runs``: the letters of each; ``uid``: who removes. Root's may belong to anybody: they got their owner
        before their name."""
        self._uid = uid
        self._temporary = re.compile(rb"\..+\.\+(?:" + b"|".join(runs) + rb")[A-Za-z0-9]{2}", re.DOTALL)
        #: marks to be removed when all is looked through
        self.marks: list[bytes] = []
        self.removed: list[bytes] = []  # paths
        self.complete = True  # all could be removed

    def remove_from(self, directory: DirectoryFd, path: bytes, failures: list[Failure]) -> None:
        """Remove what is in a directory, known as ``path``; what cannot be removed is added to ``failures``."""
        try:
            with directory.pinned() as fd:
                self.remove_in(fd, path, failures)
        except OSError as error:
            self._failed(path, error, failures)

    def remove_in(self, fd: int, path: bytes, failures: list[Failure]) -> None:
        """The same of an open directory."""
        try:
            names = [name for name in map(os.fsencode, os.listdir(fd)) if self._temporary.fullmatch(name)]
            before = os.fstat(fd)
        except OSError as error:
            self._failed(path, error, failures)
            return
        if not names:
            return
        for name in names:
            try:
                if self._remove(fd, name):
                    self.removed.append(path + name)
            except OSError as error:
                self._failed(path + name, error, failures)
        with suppress(OSError):  # somebody else's directory, whose times may be set later
            os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))

    def _remove(self, fd: int, name: bytes) -> bool:
        try:
            st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if self._uid not in (0, st.st_uid):
            return False
        if stat.S_ISDIR(st.st_mode):
            os.rmdir(name, dir_fd=fd)  # arsync's own is empty
        else:
            os.unlink(name, dir_fd=fd)
        return True

    def _failed(self, path: bytes, error: OSError, failures: list[Failure]) -> None:
        self.complete = False
        failures.append(Failure("remove what a killed run left at", path, error.errno or 0, warning=True))

    def notices(self) -> list[str]:
        """What to tell."""
        return [f"removed a temporary file of a killed run: {os.fsdecode(path)}" for path in self.removed]

    def forget(self, top: int) -> None:
        """All that this run visits was looked through: remove the marks."""
        if self.complete:
            for mark in self.marks:
                unmark(top, mark)


def find_stale(config: CopyConfig, top: int, marks: list[bytes], run: bytes, uid: int) -> Stale | None:
    """Of the runs that left ``marks`` on the directory ``top`` those that were killed; None where there are none. What
    has the letters of ``run``, this one, is left for later."""
    own = UNFINISHED + run
    try:
        dead = [mark for mark in marks if mark != own and _is_dead(top, mark)]
        # Another run may have left something where this one does not come by: its mark stays.
        ended = [mark for mark in dead if os.getxattr(top, mark).endswith(b" " + visits(config))]
    except OSError:
        return None  # nothing can be said about them
    if not dead:
        return None
    stale = Stale([mark.removeprefix(UNFINISHED) for mark in dead], uid)
    stale.marks = ended
    return stale


def _is_dead(top: int, mark: bytes) -> bool:
    """Whether a mark is that of a run that is gone. Locks do not reach other machines, which may have the same
    directory mounted; what they are at is not known here. Raises OSError."""
    run = mark.removeprefix(UNFINISHED)
    if not _RUN.fullmatch(run) or is_at_work(top, run):
        return False
    boot, machine = here()
    fields = os.getxattr(top, mark).split(b" ")
    return len(fields) == 3 and (fields[0] == boot or fields[1] == machine)
