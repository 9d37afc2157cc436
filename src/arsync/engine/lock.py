"""One run at a time (--lock): a flock(2) of the destination's directory, or of a file that the person names.

The kernel ends a lock with the last process that has the file open: the workers have it too, so a killed run leaves
neither a lock behind nor a moment in which its workers still copy and it is not locked. A directory can be locked
where it cannot be written to, and needs no file that somebody would have to remove; on network file systems the lock
of a directory is known on this machine only, which is where cron starts its jobs twice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress

from arsync.config import CopyConfig
from arsync.engine.held import operator_paths
from arsync.errors import ExitCode, FatalError

_FLAGS = os.O_NOCTTY | os.O_NONBLOCK  # a fifo or a device is refused, and must not block


def lock_file(config: CopyConfig) -> int:
    """Open and lock the file of --lock=FILE, which is made where there is none and never written to. Returns its
    descriptor, the caller's. Raises FatalError."""
    path = config.lock
    assert path
    shown = os.fsdecode(path)
    paths = operator_paths(config)._replace(confine_root=None)
    try:
        try:
            # To write: NFS locks no file exclusively that is open for reading.
            fd = paths.file(path, _FLAGS | os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EACCES, errno.EROFS, errno.EPERM, errno.ETXTBSY):
                raise
            fd = paths.file(path, _FLAGS | os.O_RDONLY)
    except OSError as error:
        raise FatalError(
            f'cannot open the lock file "{shown}": {error.strerror} ({error.errno})', ExitCode.FILE_SELECT
        ) from error
    try:
        if not (stat.S_ISREG(mode := os.fstat(fd).st_mode) or stat.S_ISDIR(mode)):
            raise FatalError(f'--lock: "{shown}" is neither a file nor a directory', ExitCode.FILE_SELECT)
        take(fd, shown)
    except BaseException:
        os.close(fd)
        raise
    return fd


def take(fd: int, shown: str) -> None:
    """Lock what ``fd`` has open, for as long as any process has it open by this descriptor or a copy of it. Raises
    FatalError: with ExitCode.LOCKED where another run has the lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FatalError(
            f'"{shown}" is locked by {_holder(fd)}: nothing was done (--lock); wait until it has ended and try again',
            ExitCode.LOCKED,
        ) from error
    except OSError as error:
        raise FatalError(
            f'cannot lock "{shown}": {error.strerror} ({error.errno}); --lock=FILE locks a file, on another file '
            f"system if need be",
            ExitCode.FILE_IO,
        ) from error


def _holder(fd: int) -> str:
    """Who has the lock, as far as the kernel tells."""
    st = os.fstat(fd)
    device = b"%02x:%02x" % (os.major(st.st_dev), os.minor(st.st_dev))
    with suppress(OSError), open("/proc/locks", "rb") as file:
        for line in file:
            # number: FLOCK ADVISORY WRITE process device:inode start end
            fields = line.split()
            if len(fields) < 6 or fields[1] != b"FLOCK" or fields[5].rpartition(b":")[2] != b"%d" % st.st_ino:
                continue
            pid = int(fields[4])
            if fields[5].rpartition(b":")[0] == device or _has_open(pid, st):
                return f"process {pid}" if os.path.exists(f"/proc/{pid}") else f"what process {pid} started"
    return "another process"


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    """Whether a process has the file open: btrfs and overlays have other device numbers in stat(2) than in
    /proc/locks."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(os.path.samestat(os.stat(entry.path), wanted) for entry in entries)
    except OSError:  # it is gone, or somebody else's
        return False
