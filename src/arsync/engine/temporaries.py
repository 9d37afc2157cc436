"""Marking the destination of a run that makes temporary files, so that what is left where it is killed can be told.

The mark is an extended attribute of the destination's top, ``user.arsync.unfinished.RRR`` (RRR: as in the run's
temporary names), made before the first temporary name and removed when the run has ended. A run that makes none, as
where files are only added and the file system has O_TMPFILE, makes no mark either. Beside it the top's open file is
locked in one byte, which the kernel undoes when the last process of the run is gone, however it went. Where there are
no attributes or no locks, no mark is made, and what a killed run leaves is left to people.
"""

from __future__ import annotations

import binascii
import fcntl
import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from arsync.engine.shared import Shared
from arsync.fs.temporary import begin_run, letters
from arsync.fs.xattr import UNFINISHED

if TYPE_CHECKING:
    from arsync.config import CopyConfig
    from arsync.engine.held import Held
    from arsync.engine.tree import Node
    from arsync.engine.unfinished import Stale
    from arsync.events import Failure

#: struct flock of fcntl(2): kind, whence, start, length, process.
_LOCK = struct.Struct("@hhqqi0q")


def begin_temporaries(config: CopyConfig, shared: Shared, top: int) -> None:
    """Have this process make the run's temporary names. ``top``: a descriptor of the destination's top, the same open
    file in all processes of the run; -1: nothing is to be marked."""
    run = letters(shared.random)

    def mark() -> None:
        with suppress(OSError):  # see above: there are no marks here
            _lock(top, fcntl.F_OFD_SETLK, fcntl.F_RDLCK, run)
            os.setxattr(top, UNFINISHED + run, b" ".join((*here(), visits(config))))
            shared.note_marked()

    begin_run(run, mark if top >= 0 else None)


def is_at_work(top: int, run: bytes) -> bool:
    """Whether a process of a run still has the top open, on this machine. Raises OSError where that cannot be told."""
    kind: int = _LOCK.unpack(_lock(top, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, run))[0]
    return kind != fcntl.F_UNLCK


def _lock(fd: int, command: int, kind: int, run: bytes) -> bytes:
    """Lock, or ask for, the byte of a run: a file's locks may lie behind its end, and a directory has such too."""
    answer: bytes = fcntl.fcntl(fd, command, _LOCK.pack(kind, os.SEEK_SET, int.from_bytes(run, "big"), 1, 0))
    return answer


def here() -> tuple[bytes, bytes]:
    """What tells this start of the machine, and this machine, from others. Raises OSError where nothing does."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot = file.read().strip()
    machine = os.fsencode(os.uname().nodename)
    with suppress(OSError), open("/etc/machine-id", "rb") as file:
        machine += file.read()
    return boot, b"%08x" % binascii.crc32(machine)


def visits(config: CopyConfig) -> bytes:
    """What tells runs that visit the same directories from others."""
    try:
        start = os.getcwdb()
    except OSError:  # it is gone: paths are absolute, or nothing is found
        start = b""
    asked = (start, config.sources, config.files_from, config.recursive, config.relative, config.one_file_system)
    return b"%08x" % binascii.crc32(repr(asked).encode())


def unmark(top: int, mark: bytes) -> None:
    """Remove a mark from the directory ``top``."""
    with suppress(OSError):  # the next run looks through the same directories again, which is all
        os.removexattr(top, mark)


class Leftovers:
    """A run's dealings with temporary files on which nobody is at work any more; for a run that writes."""

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
