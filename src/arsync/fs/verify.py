"""Copying with a second look (--verify): what was written is read back and compared with what was read.

What is read from the source goes through user space, block by block, and into a hash. So do the bytes that are read
back, past the page cache: with O_DIRECT where the file system takes it, else after the pages were written and dropped.
A file system that lives in memory (tmpfs) has nothing behind its pages; they are what is compared then.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

from arsync.config import DEFAULT_BUFFER_SIZE, CopyMethod
from arsync.fs.blocks import StoppedError, VerifyError
from arsync.fs.copy import Copier, Lanes
from arsync.fs.hashes import NewHash, new_hash
from arsync.fs.protocol import Buffer, FileOps, StatResult

#: What O_DIRECT wants offsets and lengths to be multiples of, at most.
_ALIGNED = 4096

#: File systems that are nothing but pages.
_IN_MEMORY = frozenset({b"tmpfs", b"ramfs", b"hugetlbfs", b"devtmpfs", b"rootfs"})

_ZEROS = bytes(1 << 16)


class _Listening:
    """Operations that are ``ops``, except that what is read from one descriptor goes into a hash too. What is passed
    over between two reads is taken for zeros: a hole."""

    def __init__(self, ops: FileOps, fd: int, start: int, make: NewHash) -> None:
        self._ops = ops
        self._fd = fd
        self._hash = make()
        self.position = start

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    async def read(self, fd: int, buf: Buffer, offset: int) -> int:
        """Read, and hear what was read."""
        got = await self._ops.read(fd, buf, offset)
        if fd == self._fd:
            self._zeros_until(offset)
            self._hash.update(buf[:got])
            self.position += got
        return got

    def digest(self, end: int) -> bytes:
        """The hash of everything up to ``end``."""
        self._zeros_until(end)
        result: bytes = self._hash.digest()
        return result

    def _zeros_until(self, offset: int) -> None:
        while self.position < offset:
            step = min(offset - self.position, len(_ZEROS))
            self._hash.update(_ZEROS[:step])
            self.position += step


class VerifyingCopier(Copier):
    """Copies, reads back, and copies a second time what turns out not to be what was read.

    The descriptors that it writes to must be open for reading too. What a clone or copy_file_range would share or move
    inside the kernel is not used: there would be nothing to compare with.
    """

    def __init__(self, lanes: Lanes, *, choice: str, buffer_size: int = DEFAULT_BUFFER_SIZE, **how: Any) -> None:
        """``choice``: as for :func:`new_hash`, which knows it; the others as for Copier."""
        how |= {"method": CopyMethod.READ_WRITE, "in_order": True}
        super().__init__(lanes, buffer_size=buffer_size, **how)
        make = new_hash(choice)
        assert make is not None, choice
        self._make = make
        self._block = max(_ALIGNED, buffer_size // _ALIGNED * _ALIGNED)
        self._lock = threading.Lock()  # coroutines of the plain backend run in threads
        self._spare: list[memoryview] = []
        self._mended: set[int] = set()
        self.from_storage = self.from_cache = 0  # bytes that were read back

    async def copy(self, ops: FileOps, src: int, dst: int, st: StatResult, dst_dev: int) -> int:
        """As :meth:`Copier.copy`; raises VerifyError too."""
        copy = super().copy
        return await self._checked(ops, src, dst, 0, lambda heard: copy(heard, src, dst, st, dst_dev))

    async def copy_rest(self, ops: FileOps, src: int, dst: int, st: StatResult, start: int) -> int:
        """As :meth:`Copier.copy_rest`; raises VerifyError too. What stands before ``start`` is not looked at."""
        copy = super().copy_rest
        return await self._checked(ops, src, dst, start, lambda heard: copy(heard, src, dst, st, start))

    def mended(self, src: int) -> bool:
        """Whether it took a second copy until what was read from ``src`` was what is written; asked once."""
        with self._lock:
            known = src in self._mended
            self._mended.discard(src)
        return known

    async def _checked(self, ops: FileOps, src: int, dst: int, start: int, copy: Callable[..., Any]) -> int:
        with self._lock:
            self._mended.discard(src)
        problem = ""
        for again in (False, True):
            heard = _Listening(ops, src, start, self._make)
            end: int = await copy(heard)
            problem = await self._problem(ops, dst, start, end, heard.digest(end))
            if not problem:
                if again:
                    with self._lock:
                        self._mended.add(src)
                return end
        raise VerifyError(errno.EIO, f"{problem}, also after a second copy")

    async def _problem(self, ops: FileOps, fd: int, start: int, end: int, expected: bytes) -> str:
        """What is wrong with a range that was written; "" where it is what was read. Raises StoppedError."""
        try:
            found = await self._read_back(ops, fd, start, end)
        except OSError as error:
            return f"it cannot be read back: {error.strerror} ({error.errno})"
        return "" if found == expected else "what is read back is not what was read from the source"

    async def _read_back(self, ops: FileOps, fd: int, start: int, end: int) -> bytes:
        """The hash of what the storage has of a range."""
        if await ops.call(_is_in_memory, (await ops.fstat(fd)).st_dev):
            with self._lock:
                self.from_cache += end - start
            return await self._hash_of(ops, fd, start, end)
        with self._lock:
            self.from_storage += end - start
        if await ops.call(_set_direct, fd, True):
            try:
                return await self._hash_of(ops, fd, start, end, _ALIGNED)
            except OSError as error:
                if error.errno != errno.EINVAL:  # blocks of another size
                    raise
            finally:
                await ops.call(_set_direct, fd, False)
        await ops.call(os.fdatasync, fd)
        with suppress(OSError):  # advice that is not taken: then it is the cache that is compared
            await ops.fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return await self._hash_of(ops, fd, start, end)

    async def _hash_of(self, ops: FileOps, fd: int, start: int, end: int, aligned: int = 1) -> bytes:
        """Read from multiples of ``aligned`` on, as O_DIRECT wants it; a file that ends early has another hash."""
        digest = self._make()
        buf = self._take_buffer()
        try:
            position = start // aligned * aligned
            while position < end:
                if self._stop():
                    raise StoppedError
                got = await ops.read(fd, buf, position)
                whole = end - position if position + got >= end else got // aligned * aligned
                if whole <= 0:
                    break
                digest.update(buf[max(0, start - position) : whole])
                position += whole
        finally:
            with self._lock:
                self._spare.append(buf)
        return bytes(digest.digest())

    def _take_buffer(self) -> memoryview:
        with self._lock:
            if self._spare:
                return self._spare.pop()
        return memoryview(mmap.mmap(-1, self._block, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))  # whole pages


def _set_direct(fd: int, direct: bool) -> bool:
    """Have reads of ``fd`` pass by the page cache, or not; False where its file system cannot."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT)
    except OSError:
        return False
    return True


@cache
def _is_in_memory(device: int) -> bool:
    """Whether a device's file system is nothing but pages, as proc(5) tells its kind."""
    wanted = b"%d:%d" % (os.major(device), os.minor(device))
    with suppress(OSError), open("/proc/self/mountinfo", "rb") as mounts:  # no proc: it is taken for storage
        for line in mounts:
            fields, _, rest = line.partition(b" - ")
            if fields.split()[2] == wanted:
                return rest.split()[0] in _IN_MEMORY
    return False
