"""Copying a large file in lanes: several coroutines, each of which takes the next block, reads it and writes it.

Writes to one file exclude each other in the kernel, so what lanes win is that the reads, another CPU's work, go on
meanwhile. 1.5 GiB in the page cache on two CPUs, time as a part of ``cp``'s (medians of 7, interleaved, fresh target):

===========================================  =====  ====
way                                          tmpfs  ext4
===========================================  =====  ====
ring, 8 x 1 MiB, reads in kernel threads      0.73  0.56
ring, 8 x 1 MiB, reads where submitted        1.11  0.63
ring, 8 x 1 MiB, both in kernel threads       1.16  0.61
ring, 4 x 1 MiB, reads in kernel threads      0.91  0.56
ring, 8 x 512 KiB, reads in kernel threads    0.81  0.59
ring, 4 x 2 MiB, reads in kernel threads      0.85  1.57
two threads, copy_file_range                  0.88  0.54
two threads, read and write                   0.85  1.04
===========================================  =====  ====

So with a ring the first is used. Buffers in huge pages were worth another 0.15 (tmpfs) and more (ext4) against those
of a bytearray; with them, threads that read and write need what threads with copy_file_range need on tmpfs and a tenth
more on ext4, and they alone are used without a ring.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from arsync.fs.blocks import ReadError, StoppedError, write_all
from arsync.fs.cpus import on_every_cpu, usable_cpus
from arsync.fs.protocol import FileOps
from arsync.fs.semaphore import Semaphore

#: Blocks in flight on a ring.
LANES = 8

#: Threads where there is no ring: more than a few wait for each other's writes.
_MOST_THREADS = 4

#: Bytes after which a large file asks again how many lanes it may have.
_STRETCH = 256 << 20

#: Free buffers, kept for the next large file. They belong to a process: a worker copies one or few large files at once.
_buffers: list[memoryview] = []


def _take_buffer(size: int) -> memoryview:
    with suppress(IndexError):  # none is left
        while len(buf := _buffers.pop()) != size:
            continue
        return buf
    pages = mmap.mmap(-1, LANES * size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # a kernel without huge pages: the copy is slower, nothing else
        pages.madvise(mmap.MADV_HUGEPAGE)
    view = memoryview(pages)
    _buffers.extend(view[begin : begin + size] for begin in range(size, LANES * size, size))
    return view[:size]


class _Range:
    """A range being copied: where the next block begins, and where the source turned out to end."""

    def __init__(self, start: int, length: int, block: int) -> None:
        self.next = start
        self.end = start + length
        self.block = block
        self.failed = False
        self.lock = threading.Lock()  # on the plain backend each lane is a thread

    def take(self) -> tuple[int, int] | None:
        """The next block, as its offset and its end; None where there is none."""
        with self.lock:
            begin = self.next
            if self.failed or begin >= self.end:
                return None
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
    number = max(1, min(lanes, -(-length // block)))
    if number == 1:
        await _lane(ops, src, dst, work, stop)
    else:
        # A thread starts on its maker's CPU alone; a ring's loop has seen to that itself.
        way = _lane if ops.name == "uring" else _lane_on_every_cpu
        await ops.gather([way(ops, src, dst, work, stop) for _ in range(number)])
    return await _cut(ops, dst, work, start, length)


async def _lane(ops: FileOps, src: int, dst: int, work: _Range, stop: Callable[[], bool]) -> None:
    """One lane: copies blocks while there are any."""
    read = getattr(ops, "read_aside", ops.read)
    buf = _take_buffer(work.block)
    try:
        while (taken := work.take()) is not None:
            if stop():
                raise StoppedError
            offset, end = taken
            while offset < end:
                try:
                    got = await read(src, buf[: end - offset], offset)
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
    finally:
        # Even after a failure the kernel has no more to do with it: nothing here leaves an operation behind.
        _buffers.append(buf)


async def _lane_on_every_cpu(ops: FileOps, src: int, dst: int, work: _Range, stop: Callable[[], bool]) -> None:
    with on_every_cpu():
        await _lane(ops, src, dst, work, stop)


async def _cut(ops: FileOps, dst: int, work: _Range, start: int, length: int) -> int:
    """The bytes copied. Where the source shrank, a lane ahead of the one that saw it has copied what is gone."""
    if work.end < start + length and os.fstat(dst).st_size > work.end:
        await ops.call(os.ftruncate, dst, work.end)
    return work.end - start


async def copy_large(
    ops: FileOps,
    src: int,
    dst: int,
    start: int,
    length: int,
    block: int,
    stop: Callable[[], bool],
) -> int:
    """Copy a large range in the way that is fastest with these operations. Returns and raises as :func:`copy_lanes`."""
    if ops.name != "uring":
        threads = min(len(usable_cpus()), _MOST_THREADS)
        return await copy_lanes(ops, src, dst, start, length, block=block, lanes=threads, stop=stop)
    permits: Any = getattr(ops, "permits", None) or Semaphore(LANES)
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
