"""Moving the bytes of one regular file from one descriptor to another.

The chain of methods, best first: clone (FICLONE) where the file system shares extents; one read and one write where
the file fits a small buffer; copy_file_range; reads and writes in lanes for large data. "Cannot here" is remembered
per pair of devices and is never an error: the next method does the work.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from arsync.config import DEFAULT_BUFFER_SIZE, CopyMethod
from arsync.fs.blocks import CANNOT, ReadError, StoppedError, WriteError, write_all
from arsync.fs.protocol import FileOps, StatResult

if TYPE_CHECKING:
    from arsync.fs.sparse import SparseCopier

#: Below this, one read and one write beat copy_file_range (its set-up costs some tens of KiB of copying).
SMALL_FILE = 128 << 10

#: From here on lanes pay: several reads and writes in flight keep the storage and a second CPU busy.
LARGE_FILE = 8 << 20

#: Bytes of one copy_file_range call. The kernel allows 2 GiB, but glibc and ZFS had bugs above 1 GiB, and an
#: interrupt is only noticed between two calls.
COPY_RANGE_STEP = 64 << 20

#: The same where somebody watches whether anything is done (--timeout): slow storage must not be taken for one that
#: stands still. Half a millisecond of copying in memory, so that the call itself is no part of the cost.
WATCHED_STEP = 2 << 20

FICLONE = 0x40049409

Lanes = Callable[[FileOps, int, int, int, int], Coroutine[Any, Any, int]]


class Copier:
    """How one worker copies data: what was asked, its buffers, and what it has learned of its file systems.

    ``lanes`` copies a large range (ops, source, destination, start, length) and returns the bytes copied, fewer
    where the source ends early. ``stop`` is asked between blocks; when it says so, StoppedError is raised. ``moved``
    is told, between blocks of large data, how much of which source descriptor was copied.
    """

    def __init__(
        self,
        lanes: Lanes,
        *,
        method: CopyMethod = CopyMethod.AUTO,
        buffer_size: int = DEFAULT_BUFFER_SIZE,
        sparse: bool = False,
        stop: Callable[[], bool] = lambda: False,
        moved: Callable[[int, int], None] | None = None,
        in_order: bool = False,
        throttle: Callable[[int], None] | None = None,
        throttle_block: int = 0,
        step: int = 0,
    ) -> None:
        """``moved`` is told of a source's descriptor and how many of its bytes were copied. ``in_order``: what an
        interrupt leaves is the beginning of the file. ``throttle`` is told of every block of at most
        ``throttle_block`` bytes that was copied, and waits as long as it has to. ``step``: bytes between two times
        that ``stop`` is asked, where the kernel copies (0: COPY_RANGE_STEP)."""
        self._lanes = None if in_order else lanes
        self._moved = moved
        self._throttle = throttle
        if throttle is not None:
            buffer_size = min(buffer_size, throttle_block)
        self._method = method
        self._buffer_size = buffer_size
        self._step = step or COPY_RANGE_STEP
        self._stop = stop
        self._cannot: set[tuple[CopyMethod, int, int]] = set()
        self._small_buffers: list[memoryview] = []
        #: bytes copied, by the method that copied them
        self.bytes_by: dict[CopyMethod, int] = dict.fromkeys(CopyMethod, 0)
        self._sparse: SparseCopier | None = None
        if sparse:
            from arsync.fs.sparse import SparseCopier

            self._sparse = SparseCopier(buffer_size, self._check_stop, self._count, moved, throttle)

    async def copy(self, ops: FileOps, src: int, dst: int, st: StatResult, dst_dev: int) -> int:
        """Copy the data of ``src``, whose status is ``st``, over that of the file ``dst`` on device ``dst_dev``.

        Returns the number of bytes copied: fewer than ``st.st_size`` where the source shrank meanwhile. What ``dst``
        held behind them may still be there; of what it held before their end, nothing is.
        Raises ReadError, WriteError, StoppedError.
        """
        size = st.st_size
        if self._sparse is not None:
            return await self._sparse.copy(ops, src, dst, size, dst_dev)
        if self._throttle is not None:
            if _has_holes(st):
                return await self._copy_extents(ops, src, dst, size)
            return await self._read_write(ops, src, dst, 0, size)
        if size <= SMALL_FILE and self._method in (CopyMethod.AUTO, CopyMethod.READ_WRITE):
            return await self._copy_small(ops, src, dst, size)
        if self._method in (CopyMethod.AUTO, CopyMethod.REFLINK) and await self._clone(ops, src, dst, st, dst_dev):
            return size
        if _has_holes(st):
            return await self._copy_extents(ops, src, dst, size)
        if self._method is CopyMethod.MMAP:
            return await self._copy_mapped(ops, src, dst, size)
        if size >= LARGE_FILE and self._lanes is not None and self._method is not CopyMethod.COPY_FILE_RANGE:
            return await self._copy_large(ops, src, dst, 0, size)
        if self._method is not CopyMethod.READ_WRITE:
            return await self._copy_range(ops, src, dst, st, dst_dev)
        return await self._read_write(ops, src, dst, 0, size)

    async def copy_rest(self, ops: FileOps, src: int, dst: int, st: StatResult, start: int) -> int:
        """Copy the data of ``src`` from offset ``start`` on, in order. Returns where it ends, and raises as
        :meth:`copy` does."""
        return start + await self._read_write(ops, src, dst, start, st.st_size - start)

    async def _copy_small(self, ops: FileOps, src: int, dst: int, size: int) -> int:
        """The hot path: one read that also sees the end of the file, one write."""
        buffers = self._small_buffers
        # One byte more than the largest small file, so that a short read proves the end of it.
        buf = buffers.pop() if buffers else memoryview(bytearray(SMALL_FILE + 1))
        try:
            try:
                got = await ops.read(src, buf, 0)
            except OSError as error:
                raise ReadError(error.errno, error.strerror) from error
            if got:
                await write_all(ops, dst, buf[:got], 0)
        finally:
            buffers.append(buf)
        if got < size:
            # A short read is not the end on every file system (network, FUSE): go on until a read says 0.
            got += await self._read_write(ops, src, dst, got, size - got)
        else:
            self.bytes_by[CopyMethod.READ_WRITE] += got
        return got

    async def _read_write(self, ops: FileOps, src: int, dst: int, start: int, length: int) -> int:
        """Copy a range block by block; returns the bytes copied, fewer where the source ends."""
        buf = memoryview(bytearray(min(self._buffer_size, max(length, 1))))
        done = 0
        while done < length:
            self._check_stop()
            try:
                got = await ops.read(src, buf[: length - done], start + done)
            except OSError as error:
                raise ReadError(error.errno, error.strerror) from error
            if not got:
                break
            await write_all(ops, dst, buf[:got], start + done)
            done += got
            if self._moved is not None:
                self._moved(src, start + done)
            if self._throttle is not None:
                await ops.call(self._throttle, got)
        self.bytes_by[CopyMethod.READ_WRITE] += done
        return done

    async def _clone(self, ops: FileOps, src: int, dst: int, st: StatResult, dst_dev: int) -> bool:
        """Share the source's extents (ioctl_ficlone(2)); no opcode exists for ioctl."""
        key = (CopyMethod.REFLINK, st.st_dev, dst_dev)
        if key in self._cannot:
            return False
        try:
            await ops.call(fcntl.ioctl, dst, FICLONE, src)
        except OSError as error:
            if error.errno not in CANNOT:
                raise WriteError(error.errno, error.strerror) from error
            self._cannot.add(key)
            return False
        self.bytes_by[CopyMethod.REFLINK] += st.st_size
        return True

    async def _copy_range(self, ops: FileOps, src: int, dst: int, st: StatResult, dst_dev: int) -> int:
        """copy_file_range(2), for which no opcode exists; read and write take over where it cannot."""
        key = (CopyMethod.COPY_FILE_RANGE, st.st_dev, dst_dev)
        size, done = st.st_size, 0
        while done < size and key not in self._cannot:
            self._check_stop()
            try:
                got = await ops.call(os.copy_file_range, src, dst, min(size - done, self._step), done, done)
            except OSError as error:
                if error.errno not in CANNOT:
                    # The call does not say which side failed; the kinds of error that only writing has do.
                    side = WriteError if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else ReadError
                    raise side(error.errno, error.strerror) from error
                self._cannot.add(key)
                break
            if not got:
                # The end of the file, or a file system (procfs, some FUSE) that claims to have copied nothing.
                break
            done += got
            self.bytes_by[CopyMethod.COPY_FILE_RANGE] += got
            if self._moved is not None:
                self._moved(src, done)
        if done < size:
            done += await self._read_write(ops, src, dst, done, size - done)
        return done

    async def _copy_extents(self, ops: FileOps, src: int, dst: int, size: int) -> int:
        """Copy what a large file holds between its holes, which a new file has too; what overwrites an old one is
        written in full."""
        from arsync.fs.sparse import extent, truncate

        copy = self._read_write if self._lanes is None or self._throttle is not None else self._copy_large
        if (await ops.fstat(dst)).st_size:
            return await copy(ops, src, dst, 0, size)
        position = 0
        while position < size:
            start, end = await ops.call(extent, src, position, size)
            if start < end and (got := await copy(ops, src, dst, start, end - start)) < end - start:
                return start + got
            position = end
        await truncate(ops, dst, size)
        return size

    async def _copy_large(self, ops: FileOps, src: int, dst: int, start: int, length: int) -> int:
        assert self._lanes is not None
        with suppress(OSError):  # advice that is not taken (ENOSYS: a kernel without it) costs nothing else
            await ops.fadvise(src, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        done = await self._lanes(ops, src, dst, start, length)
        self._check_stop()
        self.bytes_by[CopyMethod.READ_WRITE] += done
        return done

    async def _copy_mapped(self, ops: FileOps, src: int, dst: int, size: int) -> int:
        """Write straight from the mapped source. Where it cannot be mapped or its pages are gone, reading the rest
        takes over, and finds out what is wrong with it, if anything is."""
        from arsync.fs.mapped import write_mapped

        done = 0
        while done < size:
            self._check_stop()
            step = min(size - done, self._step)
            if not await write_mapped(ops, src, dst, done, step):
                return done + await self._read_write(ops, src, dst, done, size - done)
            done += step
            self.bytes_by[CopyMethod.MMAP] += step
            if self._moved is not None:
                self._moved(src, done)
        return done

    def _count(self, size: int) -> None:
        self.bytes_by[CopyMethod.READ_WRITE] += size

    def _check_stop(self) -> None:
        if self._stop():
            raise StoppedError


def _has_holes(st: StatResult) -> bool:
    """Whether a large file takes less room than its size (st_blocks is in units of 512 bytes, see stat(2))."""
    return st.st_size >= LARGE_FILE and st.st_blocks << 9 < st.st_size
