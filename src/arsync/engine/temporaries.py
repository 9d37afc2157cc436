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
