"""Operations on names that have no opcode: in a thread where storage waits."""

from __future__ import annotations

import os
from functools import partial

from arsync.fs.protocol import FileOps


async def list_names(ops: FileOps, dir_fd: int) -> list[bytes]:
    """List the names in an open directory, without ``.`` and ``..``, in no order (getdents64(2)).

    The directory is opened anew: on btrfs, one that was open before a name was made need not show it.

    Args:
        ops: the operations
        dir_fd: the directory, open to be read, or by O_PATH

    Raises:
        OSError: ENOTDIR where it is no directory; EACCES where it must not be listed

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, list_names, open_fileops
        >>> async def names(ops: FileOps, directory: bytes) -> list[bytes]:
        ...     fd = await ops.openat(AT_FDCWD, directory, os.O_RDONLY | os.O_DIRECTORY)
        ...     found = await list_names(ops, fd)
        ...     await ops.close(fd)
        ...     return sorted(found)
        >>> with open_fileops() as files:
        ...     files.run(names, b"project")
        [b'data.bin', b'docs', b'latest', b'notes.txt']
    """

    def listed() -> list[bytes]:
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            return [os.fsencode(name) for name in os.listdir(fd)]
        finally:
            os.close(fd)

    return await ops.call(listed)


async def readlinkat(ops: FileOps, dir_fd: int, name: bytes) -> bytes:
    """Read what a symlink says (readlinkat(2)).

    Args:
        ops: the operations
        dir_fd: the open directory that it is in
        name: its name there

    Raises:
        OSError: ENOENT; EINVAL where it is no symlink

    Examples:
        >>> from arsync.fs import AT_FDCWD, open_fileops, readlinkat
        >>> with open_fileops() as files:
        ...     files.run(readlinkat, AT_FDCWD, b"project/latest")
        b'docs/guide.txt'
    """
    return await ops.call(partial(os.readlink, name, dir_fd=dir_fd))


async def mknodat(ops: FileOps, dir_fd: int, name: bytes, mode: int, device: int = 0) -> None:
    """Make a fifo, a socket, a device or an empty regular file (mknodat(2)).

    Args:
        ops: the operations
        dir_fd: the open directory to make it in
        name: its name there
        mode: what it is (``stat.S_IFIFO`` and its like) and its permissions, less the umask
        device: of a device, its number as ``os.makedev`` gives it

    Raises:
        OSError: EEXIST where the name is taken; EPERM for a device without CAP_MKNOD

    Examples:
        >>> import stat
        >>> from arsync.fs import AT_FDCWD, mknodat, open_fileops
        >>> with open_fileops() as files:
        ...     files.run(mknodat, AT_FDCWD, b"fifo", stat.S_IFIFO | 0o600)
        >>> stat.filemode(os.lstat("fifo").st_mode)
        'prw-------'
    """
    await ops.call(partial(os.mknod, name, mode, device, dir_fd=dir_fd))
