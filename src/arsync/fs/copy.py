"""Moving the bytes of one regular file from one descriptor to another.

The chain of methods, best first: clone (FICLONE) where the file system shares extents; one read and one write where
the file fits a small buffer; copy_file_range; reads and writes in lanes for large data. "Cannot here" is remembered
per pair of devices and is never an error: the next method does the work.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from arsync.config import DEFAULT_BUFFER_SIZE, CopyMethod
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

#: errno values by which a kernel or a file system says that it cannot do this at all for these two files.
CANNOT = frozenset(
    {errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EBADF, errno.EPERM, errno.ETXTBSY}
)

Lanes = Callable[[FileOps, int, int, int, int], Coroutine[Any, Any, int]]


class StoppedError(Exception):
    """Raised where the caller's ``stop`` asked for it, between two blocks of a file.

    Examples:
        >>> from arsync.fs import StoppedError, open_fileops, same_content
        >>> with open_fileops() as files, open("project/notes.txt") as file:
        ...     try:
        ...         files.run(same_content, file.fileno(), file.fileno(), 11, 1 << 16, lambda: True)
        ...     except StoppedError:
        ...         print("stopped")
        stopped
    """


class ReadError(OSError):
    """Reading failed, not writing: an ``OSError`` that says which side of a copy it was.

    Examples:
        >>> from arsync.fs import ReadError, copy_data, open_fileops
        >>> with open_fileops() as files, open("project/notes.txt", "ab") as not_to_read, open("new", "w+b") as new:
        ...     try:
        ...         files.run(copy_data, not_to_read.fileno(), new.fileno())
        ...     except ReadError as error:
        ...         print("cannot read:", error.strerror)
        cannot read: Bad file descriptor
    """


class WriteError(OSError):
    """Writing failed, not reading: an ``OSError`` that says which side of a copy it was.

    Examples:
        >>> from arsync.fs import WriteError, copy_data, open_fileops
        >>> with open_fileops() as files, open("project/notes.txt", "rb") as notes, open("/dev/full", "r+b") as full:
        ...     try:
        ...         files.run(copy_data, notes.fileno(), full.fileno())
        ...     except WriteError as error:
        ...         print("cannot write:", error.strerror)
        cannot write: No space left on device
    """


class VerifyError(WriteError):
    """What was written cannot be read back as what was read from the source, not even after a second copy
    (--verify); ``strerror`` says what is wrong."""


async def write_all(ops: FileOps, fd: int, data: memoryview, offset: int) -> None:
    """Write the whole of ``data`` at ``offset``; short writes are continued. Raises WriteError."""
    try:
        done = await ops.write(fd, data, offset)
        while done < len(data):
            done += await ops.write(fd, data[done:], offset + done)
    except OSError as error:
        raise WriteError(error.errno, error.strerror) from error


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
        """Write straight from the mapped source. Only the kernel touches the pages, so that a source which
        shrinks is a short write or EFAULT, never SIGBUS. Where it cannot be mapped or its pages are gone, reading the
        rest takes over, and finds out what is wrong with it, if anything is."""
        done = 0
        while done < size:
            self._check_stop()
            step = min(size - done, self._step)
            if not await self._write_mapped(ops, src, dst, done, step):
                return done + await self._read_write(ops, src, dst, done, size - done)
            done += step
            self.bytes_by[CopyMethod.MMAP] += step
            if self._moved is not None:
                self._moved(src, done)
        return done

    async def _write_mapped(self, ops: FileOps, src: int, dst: int, start: int, length: int) -> bool:
        """Write one mapped range; False where that was not possible, some of it may be written then."""
        try:
            pages = mmap.mmap(src, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=start)
        except (OSError, ValueError):  # it cannot be mapped, or (ValueError) it has shrunk
            return False
        try:
            # The mapping ends with the last reference to it: closing it fails while an error's traceback holds one.
            await write_all(ops, dst, memoryview(pages), start)
        except WriteError as error:
            if error.errno == errno.EFAULT:
                return False
            raise
        return True

    def _count(self, size: int) -> None:
        self.bytes_by[CopyMethod.READ_WRITE] += size

    def _check_stop(self) -> None:
        if self._stop():
            raise StoppedError


def _has_holes(st: StatResult) -> bool:
    """Whether a large file takes less room than its size (st_blocks is in units of 512 bytes, see stat(2))."""
    return st.st_size >= LARGE_FILE and st.st_blocks << 9 < st.st_size


async def same_content(ops: FileOps, first: int, second: int, size: int, block: int, stop: Callable[[], bool]) -> bool:
    """Tell whether the first ``size`` bytes of two files are the same. Both are read, so no hash can collide.

    Args:
        ops: the operations
        first: a file, open to be read
        second: another
        size: how many bytes are compared; a file that has fewer differs
        block: how many bytes are read at a time, at least 1
        stop: asked before each block

    Raises:
        OSError: one of them could not be read
        StoppedError: ``stop()`` was true

    Examples:
        >>> from arsync.fs import open_fileops, same_content
        >>> with open_fileops() as files, open("project/notes.txt") as one, open("project/docs/guide.txt") as other:
        ...     files.run(same_content, one.fileno(), one.fileno(), 11, 1 << 16, lambda: False)
        ...     files.run(same_content, one.fileno(), other.fileno(), 8, 1 << 16, lambda: False)
        True
        False
    """
    a, b = memoryview(bytearray(min(block, max(size, 1)))), memoryview(bytearray(min(block, max(size, 1))))
    done = 0
    while done < size:
        if stop():
            raise StoppedError
        got = await ops.read(first, a[: size - done], done)
        other = await ops.read(second, b[: size - done], done)
        if got != other or got == 0 or a.obj[:got] != b.obj[:got]:  # type: ignore[index]
            return False
        done += got
    return True
