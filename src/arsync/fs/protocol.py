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

Buffer = bytearray | memoryview
"""What ``read`` fills and ``write`` takes: a ``bytearray``, or a ``memoryview`` of a part of one, or of an mmap.

It is used without a copy, so leave it alone until the operation has been awaited.

Examples:
    >>> from arsync.fs import AT_FDCWD, Buffer, FileOps, open_fileops
    >>> import os
    >>> async def first_bytes(ops: FileOps, name: bytes) -> bytes:
    ...     fd = await ops.openat(AT_FDCWD, name, os.O_RDONLY)
    ...     data: Buffer = bytearray(8)
    ...     done = await ops.read(fd, data, 0)
    ...     await ops.close(fd)
    ...     return bytes(data[:done])
    >>> with open_fileops() as files:
    ...     files.run(first_bytes, b"project/notes.txt")
    b'some not'
"""


class StatResult(Protocol):
    """The status of an entry: the fields of ``os.stat_result`` that arsync uses, with the same meaning. Read-only.

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, StatResult, open_fileops
        >>> async def status(ops: FileOps, name: bytes) -> StatResult:
        ...     return await ops.lstat(AT_FDCWD, name)
        >>> with open_fileops() as files:
        ...     st = files.run(status, b"project/notes.txt")
        >>> st.st_size, st.st_mtime_ns
        (11, 1600000000123456789)
    """

    @property
    def st_mode(self) -> int:
        """Kind and permissions; see the ``stat`` module."""
        ...

    @property
    def st_ino(self) -> int:
        """Inode number."""
        ...

    @property
    def st_dev(self) -> int:
        """Number of the device that the entry is on."""
        ...

    @property
    def st_nlink(self) -> int:
        """How many hard links the inode has."""
        ...

    @property
    def st_uid(self) -> int:
        """Id of the owner."""
        ...

    @property
    def st_gid(self) -> int:
        """Id of the group."""
        ...

    @property
    def st_size(self) -> int:
        """Size in bytes."""
        ...

    @property
    def st_mtime_ns(self) -> int:
        """When the data was last changed, in nanoseconds since 1970."""
        ...

    @property
    def st_atime_ns(self) -> int:
        """When the data was last read, in nanoseconds since 1970."""
        # A ring knows it only where it was told to ask for it, which open_fileops does.
        ...

    @property
    def st_ctime_ns(self) -> int:
        """When the inode was last changed, in nanoseconds since 1970."""
        ...

    @property
    def st_blocks(self) -> int:
        """Space that is allocated, in blocks of 512 bytes."""
        ...

    @property
    def st_rdev(self) -> int:
        """Of a device, its number (``os.major``, ``os.minor``)."""
        ...


class FileOps(Protocol):
    """The file operations, one method for each system call. ``Files.ops`` is one; your functions are given it.

    ``fd`` is an open file's descriptor; ``dir_fd`` is an open directory's, or ``AT_FDCWD``, and ``name`` is relative to
    it. Offsets, lengths and sizes are bytes. Every method raises ``OSError`` with ``errno`` set, as the system call's
    manual page says, and ``ValueError`` for a name with a NUL.

    Examples:
        >>> import os
        >>> from arsync.fs import AT_FDCWD, AT_REMOVEDIR, RESOLVE_BENEATH, FileOps, open_fileops
        >>> async def every_operation(ops: FileOps) -> None:
        ...     top = await ops.openat(AT_FDCWD, b".", os.O_RDONLY | os.O_DIRECTORY)
        ...     await ops.mkdirat(top, b"new", 0o755)
        ...     new = await ops.openat2(top, b"new", os.O_RDONLY | os.O_DIRECTORY, 0, RESOLVE_BENEATH)
        ...     fd = await ops.openat(new, b"a", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        ...     await ops.fallocate(fd, 0, 0, 4096)
        ...     done, data = 0, memoryview(bytearray(b"0123456789"))
        ...     while done < len(data):
        ...         done += await ops.write(fd, data[done:], done)
        ...     part = bytearray(4)
        ...     print(await ops.read(fd, part, 6), part)
        ...     await ops.fsync(fd)
        ...     await ops.fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        ...     await ops.fsetxattr(fd, b"user.note", b"any bytes")
        ...     print(await ops.fgetxattr(fd, b"user.note"))
        ...     await ops.linkat(new, b"a", new, b"hard")
        ...     await ops.symlinkat(b"a", new, b"soft")
        ...     await ops.renameat(new, b"hard", new, b"b")
        ...     one, other = await ops.gather([ops.lstat(new, b"a"), ops.lstat(new, b"b")])
        ...     print((await ops.fstat(fd)).st_nlink, one.st_ino == other.st_ino)
        ...     for name in (b"a", b"b", b"soft"):
        ...         await ops.unlinkat(new, name)
        ...     await ops.unlinkat(top, b"new", AT_REMOVEDIR)
        ...     print(await ops.call(os.listdir, "project/docs"))
        ...     for fd in (fd, new, top):
        ...         await ops.close(fd)
        >>> with open_fileops() as files:
        ...     files.run(every_operation)
        4 bytearray(b'6789')
        b'any bytes'
        2 True
        ['guide.txt']
    """

    name: str
    """The engine: "plain" or "uring"."""

    async def openat(self, dir_fd: int, name: bytes, flags: int, mode: int = 0) -> int:
        """openat(2): open or create ``name``. ``flags`` are ``os.O_*``, to which O_CLOEXEC is added; ``mode`` is the
        permissions of a new file, less the umask. Returns a descriptor, which the caller closes."""
        ...

    async def openat2(self, dir_fd: int, name: bytes, flags: int, mode: int, resolve: int) -> int:
        """openat2(2): as ``openat`` with ``flags`` and ``mode``, but ``name`` leads nowhere that ``resolve``
        (``RESOLVE_*``) forbids. ENOSYS before Linux 5.6."""
        ...

    async def close(self, fd: int) -> None:
        """close(2). ``fd`` is gone whatever the outcome; an error says that data may be lost (EIO, EDQUOT on NFS)."""
        ...

    async def lstat(self, dir_fd: int, name: bytes) -> StatResult:
        """statx(2): the status of ``name``, of a symlink itself."""
        ...

    async def fstat(self, fd: int) -> StatResult:
        """statx(2): the status of what ``fd`` has open."""
        ...

    async def read(self, fd: int, buf: Buffer, offset: int) -> int:
        """pread(2): fill ``buf`` from byte ``offset`` on. Returns how many bytes were read, which may be fewer than
        there is room for; 0 at the end of the file."""
        ...

    async def write(self, fd: int, buf: Buffer, offset: int) -> int:
        """pwrite(2): write ``buf`` from byte ``offset`` on. Returns how many bytes were written, which may be fewer
        than there are."""
        ...

    async def fadvise(self, fd: int, offset: int, length: int, advice: int) -> None:
        """posix_fadvise(2): tell the kernel how ``length`` bytes from ``offset`` on will be used (0: to the end).
        ``advice`` is one of ``os.POSIX_FADV_*``."""
        ...

    async def fallocate(self, fd: int, mode: int, offset: int, length: int) -> None:
        """fallocate(2): allocate ``length`` bytes from ``offset`` on, or make a hole of them. ``mode`` is made of
        ``FALLOC_FL_*``. EOPNOTSUPP where the file system cannot."""
        ...

    async def fsync(self, fd: int) -> None:
        """fsync(2): return when the data and metadata of ``fd`` are on the disk."""
        ...

    async def renameat(self, old_dir: int, old: bytes, new_dir: int, new: bytes) -> None:
        """renameat(2): give ``old`` in ``old_dir`` the name ``new`` in ``new_dir``. What stood there is replaced
        atomically."""
        ...

    async def unlinkat(self, dir_fd: int, name: bytes, flags: int = 0) -> None:
        """unlinkat(2): remove ``name``; with ``AT_REMOVEDIR`` in ``flags``, an empty directory."""
        ...

    async def mkdirat(self, dir_fd: int, name: bytes, mode: int) -> None:
        """mkdirat(2): make the directory ``name``. ``mode`` is its permissions, less the umask."""
        ...

    async def symlinkat(self, target: bytes, dir_fd: int, name: bytes) -> None:
        """symlinkat(2): make the symlink ``name``, which says ``target``."""
        ...

    async def linkat(self, old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int = 0) -> None:
        """linkat(2): make ``new`` in ``new_dir`` a hard link to ``old`` in ``old_dir``. ``flags``: with
        ``AT_SYMLINK_FOLLOW``, to what the symlink ``old`` leads to; with ``AT_EMPTY_PATH`` and ``old`` empty, to the
        open file ``old_dir``. EEXIST where ``new`` is there."""
        ...

    async def fgetxattr(self, fd: int, name: bytes) -> bytes:
        """fgetxattr(2): the whole value of the attribute ``name`` (``b"user.note"``). ENODATA where there is none."""
        ...

    async def fsetxattr(self, fd: int, name: bytes, value: bytes) -> None:
        """fsetxattr(2): give the attribute ``name`` the value ``value``; what it was does not matter."""
        ...

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """Run ``function(*args)``, for what has no method here, and return its result; it may block.

        At once on the plain engine; on a ring, in a thread beside it while storage makes callers wait.
        """
        ...

    async def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Run several ``coroutines`` at the same time and return their results in order.

        On a ring they are in flight together; on the plain engine each runs in a thread. Every one has ended when this
        returns; the first exception, if any, is raised then.
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
