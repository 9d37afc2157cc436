"""Whole files, for other programs: copying one's data, and replacing one so that nobody ever sees a part of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any

from arsync.config import DEFAULT_BUFFER_SIZE, CopyMethod
from arsync.fs.blocks import WriteError
from arsync.fs.copy import Copier
from arsync.fs.directory import bring_names
from arsync.fs.protocol import FileOps
from arsync.fs.syscalls import AT_FDCWD
from arsync.fs.temporary import open_temporary


async def copy_data(
    ops: FileOps,
    src: int,
    dst: int,
    *,
    method: CopyMethod = CopyMethod.AUTO,
    sparse: bool = False,
    buffer_size: int = DEFAULT_BUFFER_SIZE,
) -> int:
    """Make the data of one open file that of another. Afterwards ``dst`` has exactly the bytes of ``src``.

    Clones where the file systems can; otherwise copies in the kernel, or by many reads and writes at once.

    Args:
        ops: the operations
        src: a regular file, open to be read
        dst: a regular file, open to be read and written; what it has is overwritten
        method: what is tried first; what cannot be done here gives way to the next
        sparse: runs of zeros become holes; without it large holes stay holes where ``dst`` is empty
        buffer_size: bytes of one read or write of a large file

    Returns:
        How many bytes the file has.

    Raises:
        ReadError: ``src`` could not be read; ``dst`` holds a part
        WriteError: ``dst`` could not be written, and holds a part

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, copy_data, open_fileops
        >>> async def copy(ops: FileOps, src: bytes, dst: bytes) -> int:
        ...     source = await ops.openat(AT_FDCWD, src, os.O_RDONLY)
        ...     target = await ops.openat(AT_FDCWD, dst, os.O_RDWR | os.O_CREAT, 0o644)
        ...     size = await copy_data(ops, source, target, sparse=True)
        ...     for fd in (source, target):
        ...         await ops.close(fd)
        ...     return size
        >>> with open_fileops() as files:
        ...     files.run(copy, b"project/data.bin", b"data.copy")
        256000
    """
    from arsync.fs.lanes import copy_large

    async def lanes(ops: FileOps, src: int, dst: int, start: int, length: int) -> int:
        return await copy_large(ops, src, dst, start, length, buffer_size, _never)

    copier = Copier(lanes, method=method, buffer_size=buffer_size, sparse=sparse)
    st = await ops.fstat(src)
    there = await ops.fstat(dst)
    copied = await copier.copy(ops, src, dst, st, there.st_dev)
    if there.st_size > copied:
        try:
            await ops.call(os.ftruncate, dst, copied)
        except OSError as error:
            raise WriteError(error.errno, error.strerror) from error
    return copied


def _never() -> bool:
    return False


async def replace_file(
    ops: FileOps,
    dir_fd: int,
    name: bytes,
    fill: Callable[[int], Coroutine[Any, Any, object]],
    *,
    mode: int = 0o666,
    fsync: bool = False,
) -> None:
    """Make a file what ``fill`` writes. At every moment its name has the old file, if any, or the whole new one.

    That is true whenever this process is stopped; with ``fsync`` also when the machine is. A kill may leave a temporary
    file, ``.name.+XXXXXX``.

    Args:
        ops: the operations
        dir_fd: the open directory that the file is in, or will be
        name: its name there, without a slash
        fill: is given a descriptor to write to and to read from, and may set metadata by it
        mode: permissions of the new file, less the umask
        fsync: the file and its name are on the disk when this returns

    Raises:
        OSError: EACCES, ENOSPC and what else keeps a file from being made; the old file stands
        Exception: what ``fill`` raises; the old file stands, and no temporary file

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, open_fileops, replace_file
        >>> async def save(ops: FileOps, name: bytes, text: bytearray) -> None:
        ...     async def fill(fd: int) -> None:
        ...         await ops.write(fd, text, 0)
        ...     await replace_file(ops, AT_FDCWD, name, fill, mode=0o600)
        >>> with open_fileops() as files:
        ...     files.run(save, b"notes", bytearray(b"all of it"))
        >>> os.path.getsize("notes")
        9
    """
    fd, temporary = await open_temporary(ops, dir_fd, name, mode)
    try:
        try:
            await fill(fd)
            if fsync:
                await ops.fsync(fd)
        finally:
            await ops.close(fd)
        await ops.renameat(dir_fd, temporary, dir_fd, name)
    except BaseException:
        await ops.unlinkat(dir_fd, temporary)
        raise
    if fsync:
        await _bring_names(ops, dir_fd)


async def _bring_names(ops: FileOps, dir_fd: int) -> None:
    if dir_fd != AT_FDCWD:
        return await ops.call(bring_names, dir_fd)
    here = await ops.openat(AT_FDCWD, b".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        await ops.call(bring_names, here)
    finally:
        await ops.close(here)
