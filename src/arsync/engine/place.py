"""What a worker knows of the directory in which it makes files: who owns what is made there, and with which mode.

A file that is made with the right owner and mode needs no chown and no chmod: two system calls less for every
small file. That holds unless the directory hands its own group (set-group-ID) or ACL (a default ACL) to new files,
or its file system knows no owners; so the first file made in each directory is looked at.
"""

from __future__ import annotations

import errno
import os

from arsync.events import Kind
from arsync.fs.metadata import MODE_BITS
from arsync.fs.protocol import FileOps, StatResult
from arsync.fs.xattr import ACL_DEFAULT, UNSUPPORTED


class Place:
    """One destination directory, as long as a slice of it is being worked on."""

    __slots__ = ("device", "gid", "known", "mode_kept", "perms", "uid", "unnamed")

    def __init__(self) -> None:
        self.known = False
        self.unnamed = True  # O_TMPFILE has not been refused
        self.uid = self.gid = -1
        self.mode_kept = False
        self.device = 0
        self.perms = 0  # what new entries may have of their sources' permissions without -p

    async def learn(self, ops: FileOps, dir_fd: int, fd: int, mode: int) -> None:
        """Look at the first file that was made here, asked to have ``mode``."""
        st = await ops.fstat(fd)
        self.uid, self.gid, self.device = st.st_uid, st.st_gid, st.st_dev
        self.mode_kept = st.st_mode & MODE_BITS == mode and not await _has_default_acl(ops, dir_fd)
        self.known = True

    def creation_mode(self, uid: int, gid: int, mode: int) -> int:
        """The mode to create a file with that will have this owner and ``mode``: the final one where nothing else
        has to be set, else one that lets nobody in until everything is."""
        if self.mode_kept and not mode & 0o7000 and uid in (-1, self.uid) and gid in (-1, self.gid):
            return mode
        return mode & 0o600

    def owner(self, uid: int, gid: int) -> tuple[int, int]:
        """Whose a file made here will be that is given this owner and group (-1: none)."""
        return self.uid if uid == -1 else uid, self.gid if gid == -1 else gid


async def _has_default_acl(ops: FileOps, dir_fd: int) -> bool:
    try:
        await ops.fgetxattr(dir_fd, ACL_DEFAULT)
    except OSError as error:
        if error.errno != errno.ENODATA and error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def kind_of(st: StatResult) -> Kind:
    """The kind of an entry from its status."""
    return _KINDS.get(st.st_mode & 0o170000, Kind.SPECIAL)


_KINDS = {
    0o100000: Kind.FILE,
    0o040000: Kind.DIRECTORY,
    0o120000: Kind.SYMLINK,
    0o060000: Kind.DEVICE,
    0o020000: Kind.DEVICE,
    0o010000: Kind.SPECIAL,
    0o140000: Kind.SPECIAL,
}


async def open_quietly(ops: FileOps, dir_fd: int, name: bytes, flags: int) -> int:
    """Open a source without changing its access time by reading; only its owner can (--open-noatime)."""
    try:
        return await ops.openat(dir_fd, name, flags | os.O_NOATIME)
    except PermissionError:
        return await ops.openat(dir_fd, name, flags)


#: Opening a source: a symlink swapped in is refused, a fifo or device swapped in neither blocks nor becomes a tty.
OPEN_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
