"""Copying a large file in lanes: several coroutines, each of which takes the next block, reads it and writes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from arsync.fs import usable_cpus
from arsync.fs.copy import ReadError, StoppedError, write_all
from arsync.fs.protocol import FileOps

#: Blocks in flight on a ring: the depth from which more did not help on ext4, XFS and tmpfs.
LANES = 8

#: Bytes after which a large file asks again how many lanes it may have.
_STRETCH = 256 << 20

#: Buffers that are kept for the next large file: zeroing fresh ones costs as much as copying into them.
_MOST_BUFFERS = 2 * LANES
_buffers: list[memoryview] = []


def _take_buffer(size: int) -> memoryview:
    while _buffers:
        buf = _buffers.pop()
        if len(buf) == size:
            return buf
    return memoryview(bytearray(size))


class _Range:
    """A range being copied: where the next block begins, and where the source turned out to end."""

    def __init__(self, start: int, length: int, block: int) -> None:
        self.next = start
        self.end = start + length
        self.block = block
        self.failed = False
        self.lock = threading.Lock()  # on the plain backend each lane is a thread

    def take(self) -> tuple[int, int]:
        """The next block: its offset and its end, equal where there is none."""
        with self.lock:
            begin = self.next
            if self.failed or begin >= self.end:
                return begin, begin
            self.next = min(begin + self.block, self.end)
            return begin, self.next

    def ended(self, position: int) -> None:
        """The source ends at ``position``."""
        with self.lock:
            self.end = min(self.end, position)


async def copy_lanes(
    ops: FileOps,
    src: int,
    dst: int,
    start: int,
    length: int,
    *,
    block: int,
    lanes: int,
    stop: Callable[[], bool],
) -> int:
    """Copy ``length`` bytes from offset ``start`` on, ``lanes`` blocks of ``block`` bytes at a time.

    Returns the bytes copied, fewer where the source ends early; nothing of the range is left behind that end.
    Raises ReadError, WriteError, and StoppedError once ``stop`` says so; all lanes have ended then.
    """
    work = _Range(start, length, block)

    async def lane() -> None:
        buf = _take_buffer(block)
        try:
            while not work.failed:
                offset, end = work.take()
                if offset == end:
                    break
                if stop():
                    raise StoppedError
                while offset < end:
                    try:
                        got = await ops.read(src, buf[: end - offset], offset)
                    except OSError as error:
                        raise ReadError(error.errno, error.strerror) from error
                    if not got:
                        work.ended(offset)
                        break
                    await write_all(ops, dst, buf[:got], offset)
                    offset += got
        except BaseException:
            work.failed = True
            raise
        if len(_buffers) < _MOST_BUFFERS:
            _buffers.append(buf)

    number = max(1, min(lanes, -(-length // block)))
    if number == 1:
        await lane()
    else:
        await ops.gather([lane() for _ in range(number)])
    if work.end < start + length and os.fstat(dst).st_size > work.end:
        # The source shrank, and a lane ahead of the one that saw it has copied what is no longer there.
        await ops.call(os.ftruncate, dst, work.end)
    return work.end - start


async def copy_large(
    ops: FileOps, src: int, dst: int, start: int, length: int, block: int, stop: Callable[[], bool]
) -> int:
    """Copy a large range in the way that was fastest for these operations; otherwise as :func:`copy_lanes`."""
    if ops.name != "uring":
        return await copy_lanes(ops, src, dst, start, length, block=block, lanes=len(usable_cpus()), stop=stop)
    permits: Any = ops.permits  # type: ignore[attr-defined]
    done = 0
    while done < length:
        stretch = min(length - done, _STRETCH)
        borrowed = permits.borrow(LANES - 1)
        try:
            got = await copy_lanes(ops, src, dst, start + done, stretch, block=block, lanes=1 + borrowed, stop=stop)
        finally:
            permits.give_back(borrowed)
        done += got
        if got < stretch:
            break
    return done
