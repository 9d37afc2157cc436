"""Whole files, for other programs: copying one's data, and replacing one so that nobody ever sees a part of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from arsync.config import DEFAULT_BUFFER_SIZE, CopyMethod
from arsync.fs.blocks import WriteError
from arsync.fs.copy import Copier
from arsync.fs.directory import bring_names
from arsync.fs.protocol import FileOps
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
    """Make the data of the open file ``dst`` that of the open file ``src``, and return how many bytes it has.

    Clones where the file systems can, else copies in the kernel or by many reads and writes at once. ``method``: the
    first that is tried; what cannot gives way to the next. ``sparse``: runs of zeros become holes (without it holes
    are kept by a clone only). ``buffer_size``: bytes of one read or write. Raises ReadError and WriteError, which are
    OSErrors; then ``dst`` holds a part.
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
    """Make the file ``name`` in an open directory what ``fill`` writes: under the name stands the old file, if there
    was one, or the whole new one, whenever this process is stopped (with ``fsync``: or the machine).

    ``fill`` is given a descriptor that can be written and read, and may set metadata by it too; ``mode`` is what the
    umask is taken from. ``fsync``: the file and its name are on the disk when this returns. Raises OSError, and what
    ``fill`` raises; then the old file stands, and nothing else.
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
        await ops.call(partial(bring_names, dir_fd))
