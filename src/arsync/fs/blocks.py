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
    """The run was interrupted while a file was being copied."""


class ReadError(OSError):
    """The source could not be read."""


class WriteError(OSError):
    """The destination could not be written."""


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
    """Whether the first ``size`` bytes of two files are the same. Both are read: no hash can collide, and none
    is computed."""
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
