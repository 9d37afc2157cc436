"""The file operations of arsync: what every backend offers, with the same meaning and the same errors.

A backend is :class:`~arsync.fs.plain.PlainOps` (the system calls of ``os``), :class:`~arsync.fs.uring.UringOps`
(an io_uring ring), or a test's fault injector around either. All are asynchronous in the same way: a method is
awaited, and what drives the coroutine decides what that means. On the plain backend no method ever suspends, so
a coroutine runs to its end in one ``send``; on the ring it suspends until its completion arrives.

Names are bytes, relative to a directory descriptor; descriptors are plain integers; times integer nanoseconds.
Failures raise :class:`OSError` with ``errno`` set; the caller, who knows the path a person would recognise, adds it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: Anything that exposes writable or readable bytes without a copy.
Buffer = bytearray | memoryview


class StatResult(Protocol):
    """The part of ``os.stat_result`` that arsync uses; the ring's statx gives the same names."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_nlink(self) -> int: ...
    @property
    def st_uid(self) -> int: ...
    @property
    def st_gid(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_atime_ns(self) -> int:
        """Known to a ring only where it was told to ask for it."""
        ...

    @property
    def st_ctime_ns(self) -> int: ...
    @property
    def st_blocks(self) -> int: ...
    @property
    def st_rdev(self) -> int: ...


class FileOps(Protocol):
    """File operations relative to held descriptors. See the manual page of each system call for its errors."""

    #: "plain" or "uring"
    name: str

    async def openat(self, dir_fd: int, name: bytes, flags: int, mode: int = 0) -> int:
        """openat(2); O_CLOEXEC is always added. Returns a descriptor that the caller owns."""
        ...

    async def openat2(self, dir_fd: int, name: bytes, flags: int, mode: int, resolve: int) -> int:
        """openat2(2) with RESOLVE_* flags; raises ENOSYS where the kernel has no such call."""
        ...

    async def close(self, fd: int) -> None:
        """close(2). The descriptor is gone whatever the outcome; an error (EIO, EDQUOT on NFS) is raised."""
        ...

    async def lstat(self, dir_fd: int, name: bytes) -> StatResult:
        """statx(2) with AT_SYMLINK_NOFOLLOW."""
        ...

    async def fstat(self, fd: int) -> StatResult:
        """statx(2) with AT_EMPTY_PATH."""
        ...

    async def read(self, fd: int, buf: Buffer, offset: int) -> int:
        """pread(2) into the whole of ``buf``; returns the number of bytes, 0 at the end of the file."""
        ...

    async def write(self, fd: int, buf: Buffer, offset: int) -> int:
        """pwrite(2) of the whole of ``buf``; may write less, as the system call may."""
        ...

    async def fadvise(self, fd: int, offset: int, length: int, advice: int) -> None:
        """posix_fadvise(2)."""
        ...

    async def fallocate(self, fd: int, mode: int, offset: int, length: int) -> None:
        """fallocate(2)."""
        ...

    async def fsync(self, fd: int) -> None:
        """fsync(2)."""
        ...

    async def renameat(self, old_dir: int, old: bytes, new_dir: int, new: bytes) -> None:
        """renameat(2): replaces ``new`` atomically."""
        ...

    async def unlinkat(self, dir_fd: int, name: bytes, flags: int = 0) -> None:
        """unlinkat(2); AT_REMOVEDIR removes an empty directory."""
        ...

    async def mkdirat(self, dir_fd: int, name: bytes, mode: int) -> None:
        """mkdirat(2)."""
        ...

    async def symlinkat(self, target: bytes, dir_fd: int, name: bytes) -> None:
        """symlinkat(2)."""
        ...

    async def linkat(self, old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int = 0) -> None:
        """linkat(2); with AT_EMPTY_PATH and ``old`` empty, gives the file ``old_dir`` a name."""
        ...

    async def fgetxattr(self, fd: int, name: bytes) -> bytes:
        """fgetxattr(2): the whole value."""
        ...

    async def fsetxattr(self, fd: int, name: bytes, value: bytes) -> None:
        """fsetxattr(2)."""
        ...

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run a plain system call that has no opcode (or several together) where blocking does no harm.

        At once on the plain backend; on the ring, in a thread beside it while the worker waits for storage.
        """
        ...

    async def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Run several coroutines at the same time and return their results in order.

        The lanes of one large file. On the ring they are in flight together; on the plain backend each runs in a
        thread. Every one has ended when this returns; the first exception, if any, is raised then.
        """
        ...


class Runner(Protocol):
    """Drives coroutines that await one backend's operations."""

    @property
    def ops(self) -> FileOps:
        """The operations that the coroutines must await."""
        ...

    def run(self, coroutines: Iterator[Coroutine[Any, Any, None] | None], limit: int) -> None:
        """Drive every coroutine to its end, at most ``limit`` at a time; the iterator is asked lazily.

        Where it gives None it is asked again when a coroutine has ended: it may do so while one is in flight.
        An exception that escapes a coroutine or the iterator is raised after those in flight have ended.
        """
        ...

    def close(self) -> None:
        """Give up what the runner holds; it is not used afterwards."""
        ...
