"""Operations on names that have no opcode: in a thread where storage waits."""

from __future__ import annotations

import os
from functools import partial

from arsync.fs.protocol import FileOps


async def list_names(ops: FileOps, dir_fd: int) -> list[bytes]:
    """The names in an open directory, without ``.`` and ``..``, in no order (getdents64(2)). Raises OSError.

    The directory is opened anew: on btrfs, one that was open before a name was made need not show it.
    """

    def listed() -> list[bytes]:
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            return [os.fsencode(name) for name in os.listdir(fd)]
        finally:
            os.close(fd)

    return await ops.call(listed)


async def readlinkat(ops: FileOps, dir_fd: int, name: bytes) -> bytes:
    """What a symlink says (readlinkat(2)). Raises OSError; EINVAL where it is none."""
    return await ops.call(partial(os.readlink, name, dir_fd=dir_fd))


async def mknodat(ops: FileOps, dir_fd: int, name: bytes, mode: int, device: int = 0) -> None:
    """Make a fifo, a socket, a device or a regular file (mknodat(2)). ``mode``: S_IFMT and permissions, less the umask;
    ``device``: as os.makedev gives it. Raises OSError; EPERM for a device without CAP_MKNOD."""
    await ops.call(partial(os.mknod, name, mode, device, dir_fd=dir_fd))
