"""What every way of moving data shares: errors that say which side failed, writing a block whole, comparing."""

from __future__ import annotations

import errno
from collections.abc import Callable

from arsync.fs.protocol import FileOps

#: errno values by which a kernel or a file system says that it cannot do this at all for these two files.
CANNOT = frozenset(
    {errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EBADF, errno.EPERM, errno.ETXTBSY}
)


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
