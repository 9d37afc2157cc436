"""The ring backend: file operations as submissions of io_uring.

The commonest five write their submission themselves: one generator less in the chain is a tenth of what an operation
costs. The others are in :mod:`arsync.fs.uring_base`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, TypeVar

from arsync.fs import syscalls
from arsync.fs.plain import drive
from arsync.fs.protocol import Buffer, StatResult
from arsync.fs.ring import Ring
from arsync.fs.semaphore import Semaphore
from arsync.fs.statx import AT_NO_AUTOMOUNT, SIZEOF_STATX, STATX_WANTED, STATX_WITH_ATIME, unpack, unpack_with_atime
from arsync.fs.threads import Call, Threads
from arsync.fs.uring_base import (
    CLOSE,
    HEADER,
    OPCODES,
    OPENAT,
    PLAIN,
    READ,
    STATX,
    WRITE,
    Submitter,
    operation,
    otherwise,
    pack,
    unfit,
)

T = TypeVar("T")

_IOSQE_ASYNC = 1 << 4
_CLOEXEC = os.O_CLOEXEC
_LSTAT = syscalls.AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT

#: The kernel moves at most this much in one call (MAX_RW_COUNT).
_MOST_BYTES = 0x7FFFF000

#: What a lane of gather ends with, so that the loop can tell it from a file.
LANE = object()


class UringOps(Submitter):
    """:class:`~arsync.fs.protocol.FileOps` on a ring. Awaited only by what the ring's own loop drives."""

    name = "uring"

    def __init__(self, ring: Ring, permits: Semaphore, threads: Threads) -> None:
        self._ring = ring
        #: what may be in flight; a large file borrows from it
        self.permits = permits
        self._threads = threads
        self._async = 0
        self._areas: list[tuple[int, Any]] = []
        self._wanted = STATX_WANTED
        self._unpack = unpack
        supported = ring.supports(set(OPCODES.values()))
        for method, opcode in OPCODES.items():
            if opcode not in supported:
                setattr(self, method, self._by_call(getattr(PLAIN, method)))

    def ask_for_atimes(self) -> None:
        """From now on, lstat and fstat give the access time too."""
        self._wanted, self._unpack = STATX_WITH_ATIME, unpack_with_atime

    def _by_call(self, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Coroutine[Any, Any, Any]]:
        """An operation without an opcode, made as a plain call."""

        def by_call(*args: Any) -> Coroutine[Any, Any, Any]:
            return self.call(lambda: drive(method(*args)))

        return by_call

    @property
    def waiting(self) -> bool:
        """Whether storage makes callers wait: settable, by who measures it.

        Then opens and reads, which would run inside the submission wherever the kernel cannot tell that they block (on
        FUSE and NFS), start in a kernel thread, and :meth:`call` runs in a thread of ours.
        """
        return self._async != 0

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self._async = _IOSQE_ASYNC if value else 0

    @operation
    def openat(self, dir_fd: int, name: bytes, flags: int, mode: int = 0) -> Generator[Any, Any, int]:
        if name.__class__ is not bytes or 0 in name:
            raise unfit(name)
        ring = self._ring
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        pack(
            ring.sqes, (number & ring.mask) << 6, OPENAT, self._async, 0, dir_fd, 0, id(name) + HEADER, mode,
            flags | _CLOEXEC, number,
        )  # fmt: skip
        ring.tail = number + 1
        try:
            result: int = yield number
        except GeneratorExit:
            self._abandon(number)
            raise
        return result if result >= 0 else otherwise(result, PLAIN.openat, dir_fd, name, flags, mode)

    @operation
    def close(self, fd: int) -> Generator[Any, Any, None]:
        ring = self._ring
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        pack(ring.sqes, (number & ring.mask) << 6, CLOSE, 0, 0, fd, 0, 0, 0, 0, number)
        ring.tail = number + 1
        result: int = yield number
        # After EINTR the descriptor is gone all the same, and its number may be somebody else's by now.
        if result < 0 and result != -errno.EINTR:
            otherwise(result, PLAIN.close, fd)

    def _statx(self, dir_fd: int, name: bytes, flags: int) -> Generator[Any, Any, Any]:
        """The status, or a negative errno."""
        ring = self._ring
        area = self._areas.pop() if self._areas else ring.new_memory(SIZEOF_STATX)
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        pack(
            ring.sqes, (number & ring.mask) << 6, STATX, 0, 0, dir_fd, area[0], id(name) + HEADER,
            self._wanted, flags, number,
        )  # fmt: skip
        ring.tail = number + 1
        result: int = yield number
        # An area whose operation never came back is not used again.
        self._areas.append(area)
        return self._unpack(area[1]) if result == 0 else result

    @operation
    def lstat(self, dir_fd: int, name: bytes) -> Generator[Any, Any, StatResult]:
        if name.__class__ is not bytes or 0 in name:
            raise unfit(name)
        status = yield from self._statx(dir_fd, name, _LSTAT)
        return status if status.__class__ is not int else otherwise(status, PLAIN.lstat, dir_fd, name)

    @operation
    def fstat(self, fd: int) -> Generator[Any, Any, StatResult]:
        status = yield from self._statx(fd, b"", syscalls.AT_EMPTY_PATH)
        return status if status.__class__ is not int else otherwise(status, PLAIN.fstat, fd)

    @operation
    def read(self, fd: int, buf: Buffer, offset: int) -> Generator[Any, Any, int]:
        ring = self._ring
        address, _held = ring.address_to_fill(buf)
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        pack(
            ring.sqes, (number & ring.mask) << 6, READ, self._async, 0, fd, offset, address,
            min(len(buf), _MOST_BYTES), 0, number,
        )  # fmt: skip
        ring.tail = number + 1
        result: int = yield number
        return result if result >= 0 else otherwise(result, PLAIN.read, fd, buf, offset)

    @operation
    def read_aside(self, fd: int, buf: Buffer, offset: int) -> Generator[Any, Any, int]:
        """As :meth:`read`, but always in a kernel thread: cached data too is copied on another CPU then."""
        address, _held = self._ring.address_to_fill(buf)
        length = min(len(buf), _MOST_BYTES)
        result = yield from self._submit(READ, fd, address, length, offset, 0, _IOSQE_ASYNC)
        return result if result >= 0 else otherwise(result, PLAIN.read, fd, buf, offset)

    @operation
    def write(self, fd: int, buf: Buffer, offset: int) -> Generator[Any, Any, int]:
        ring = self._ring
        address, _held = ring.address_of(buf)
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        pack(
            ring.sqes, (number & ring.mask) << 6, WRITE, 0, 0, fd, offset, address,
            min(len(buf), _MOST_BYTES), 0, number,
        )  # fmt: skip
        ring.tail = number + 1
        result: int = yield number
        return result if result >= 0 else otherwise(result, PLAIN.write, fd, buf, offset)

    @operation
    def call(self, function: Callable[..., T], *args: Any) -> Generator[Any, Any, T]:
        if not self._async:
            return function(*args)
        call = Call(function, args)
        if not self._threads.start(call):
            return function(*args)
        yield call
        if call.error is not None:
            raise call.error
        result: T = call.result
        return result

    @operation
    def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> Generator[Any, Any, list[T]]:
        ring = self._ring
        group: list[Any] = [None] * len(coroutines)
        errors: list[BaseException] = []
        left = len(coroutines)
        done = object()

        async def lane(index: int, coroutine: Coroutine[Any, Any, T]) -> object:
            nonlocal left
            try:
                group[index] = await coroutine
            except BaseException as error:  # raised where the lanes were gathered
                errors.append(error)
            left -= 1
            if not left:
                ring.ready.append((done, None))
            return LANE

        for index, coroutine in enumerate(coroutines):
            place = object()
            ring.tasks[place] = lane(index, coroutine)
            ring.ready.append((place, None))
        if coroutines:
            yield done
        if errors:
            raise errors[0]
        return group
