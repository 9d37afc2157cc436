"""Copying a file with its holes, and with new ones where it is full of zeros (-S).

Holes are found by lseek(SEEK_DATA); blocks of zeros in what is read are passed over as well. A file that is
overwritten gets holes punched where its file system has them, and zeros written where not.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from arsync.fs.blocks import CANNOT, ReadError, WriteError, write_all
from arsync.fs.protocol import FileOps
from arsync.fs.syscalls import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE

#: The block in which -S looks for zeros: the allocation unit of common file systems.
_HOLE = 4096
_ZEROS = bytes(_HOLE)

#: A hole that is written as zeros where only large ones are to be kept: about what a step costs.
_SMALL_HOLE = 256 << 10


class SparseCopier:
    """How one worker copies sparse files.

    ``check_stop`` raises where the run was stopped; ``count`` is told how many bytes were read, ``moved`` how far which
    source was, and ``throttle`` waits after each block as long as it has to.
    """

    def __init__(
        self,
        buffer_size: int,
        check_stop: Callable[[], None],
        count: Callable[[int], None],
        moved: Callable[[int, int], None] | None,
        throttle: Callable[[int], None] | None,
    ) -> None:
        self._buffer_size = buffer_size
        self._check_stop = check_stop
        self._count = count
        self._moved = moved
        self._throttle = throttle
        self._cannot_punch: set[int] = set()

    async def copy(self, ops: FileOps, src: int, dst: int, size: int, dst_dev: int) -> int:
        """Copy ``size`` bytes of ``src`` over the file ``dst`` on device ``dst_dev``: only what holds data, and of that
        only blocks that are not all zeros; what is passed over is cleared where ``dst`` held something, so that it
        reads as zeros there too. Returns and raises as :meth:`Copier.copy` does."""
        buf = bytearray(min(self._buffer_size, max(size, 1)))
        view = memoryview(buf)
        old_end = _whole_blocks((await ops.fstat(dst)).st_size)
        position = clear_from = 0
        while position < size:
            start, end = await ops.call(_data_extent, src, position, size)
            while start < end:
                self._check_stop()
                try:
                    got = await ops.read(src, view[: end - start], start)
                except OSError as error:
                    raise ReadError(error.errno, error.strerror) from error
                if not got:
                    await self._clear(ops, dst, clear_from, min(start, old_end), dst_dev)
                    await truncate(ops, dst, start)
                    return start
                for first, last in _nonzero_runs(buf, got):
                    await self._clear(ops, dst, clear_from, min(start + first, old_end), dst_dev)
                    await write_all(ops, dst, view[first:last], start + first)
                    clear_from = start + last
                if self._throttle is not None:
                    await ops.call(self._throttle, got)
                start += got
                if self._moved is not None:
                    self._moved(src, start)
                self._count(got)
            position = end
        await self._clear(ops, dst, clear_from, min(_whole_blocks(size), old_end), dst_dev)
        await truncate(ops, dst, size)
        return size

    async def _clear(self, ops: FileOps, fd: int, start: int, end: int, device: int) -> None:
        """Make a range of an existing file read as zeros: a hole where its file system has them, else written."""
        if start >= end:
            return
        if device not in self._cannot_punch:
            try:
                await ops.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, end - start)
                return
            except OSError as error:
                if error.errno not in CANNOT:
                    raise WriteError(error.errno, error.strerror) from error
                self._cannot_punch.add(device)
        zeros = memoryview(bytes(min(end - start, self._buffer_size)))
        for begin in range(start, end, len(zeros)):
            self._check_stop()
            await write_all(ops, fd, zeros[: end - begin], begin)


def _whole_blocks(size: int) -> int:
    """``size`` up to the end of its last block: only a whole block that is cleared becomes a hole."""
    return -(-size // _HOLE) * _HOLE


async def truncate(ops: FileOps, fd: int, size: int) -> None:
    """Set a file's size. Raises WriteError."""
    try:
        await ops.call(os.ftruncate, fd, size)
    except OSError as error:
        raise WriteError(error.errno, error.strerror) from error


def _data_extent(fd: int, position: int, size: int) -> tuple[int, int]:
    """The next range at or after ``position`` that may hold data; empty at ``size`` where none follows."""
    try:
        start = os.lseek(fd, position, os.SEEK_DATA)
        return min(start, size), min(os.lseek(fd, start, os.SEEK_HOLE), size)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size, size
        if error.errno == errno.EINVAL:  # a file system without holes
            return position, size
        raise ReadError(error.errno, error.strerror) from error


def extent(fd: int, position: int, size: int) -> tuple[int, int]:
    """The next range at or after ``position`` that holds data, small holes in it included; empty at ``size`` where none
    follows. Raises ReadError."""
    start, end = _data_extent(fd, position, size)
    while end < size:
        begin, after = _data_extent(fd, end, size)
        if begin - end > _SMALL_HOLE or begin == size:
            break
        end = after
    return start, end


def _nonzero_runs(buf: bytearray, length: int) -> list[tuple[int, int]]:
    """The ranges of ``buf[:length]`` to write: runs of blocks that are not all zeros."""
    runs: list[tuple[int, int]] = []
    begin = -1
    for offset in range(0, length, _HOLE):
        end = min(offset + _HOLE, length)
        if buf.startswith(_ZEROS if end - offset == _HOLE else bytes(end - offset), offset):
            if begin >= 0:
                runs.append((begin, offset))
                begin = -1
        elif begin < 0:
            begin = offset
    if begin >= 0:
        runs.append((begin, length))
    return runs
