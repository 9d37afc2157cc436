"""What every operation on a ring is made of, and the operations that are not on the hot path.

Each operation is a generator that writes its submission, suspends with its number and is resumed with the result;
its frame keeps alive what the kernel was given. Meanings of the fields: io_uring_enter(2).
"""

from __future__ import annotations

import errno
import os
import struct
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar

from arsync.fs.plain import PlainOps, drive
from arsync.fs.ring import SQE, Ring

P = ParamSpec("P")
T = TypeVar("T")

FSYNC, FALLOCATE, OPENAT, CLOSE, STATX, READ, WRITE, FADVISE, OPENAT2 = 3, 17, 18, 19, 21, 22, 23, 24, 28
RENAMEAT, UNLINKAT, MKDIRAT, SYMLINKAT, LINKAT, FSETXATTR, FGETXATTR = 35, 36, 37, 38, 39, 41, 43

#: The opcode that each method needs; a method whose opcode the kernel lacks makes the plain call instead.
OPCODES = {
    "openat": OPENAT, "openat2": OPENAT2, "close": CLOSE, "lstat": STATX, "fstat": STATX, "read": READ,
    "write": WRITE, "fadvise": FADVISE, "fallocate": FALLOCATE, "fsync": FSYNC, "renameat": RENAMEAT,
    "unlinkat": UNLINKAT, "mkdirat": MKDIRAT, "symlinkat": SYMLINKAT, "linkat": LINKAT,
    "fgetxattr": FGETXATTR, "fsetxattr": FSETXATTR,
}  # fmt: skip

_OPEN_HOW = struct.Struct("<QQQ")

#: A value that fits is read at once; for a longer one its size is asked for. 4 KiB is ext4's and XFS's usual most.
_XATTR_GUESS = 4096

#: Results after which the plain call is made instead. ECANCELED: no kernel thread could be had (RLIMIT_NPROC);
#: EINTR and EAGAIN: the plain call knows how to wait.
_REDO = frozenset({-errno.ECANCELED, -errno.EINTR, -errno.EAGAIN})

PLAIN = PlainOps()
pack = SQE.pack_into

# CPython keeps the bytes of a bytes object at this distance from its id; arsync.fs.binding verifies it.
HEADER = bytes.__basicsize__ - 1


def operation(function: Callable[P, Generator[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make a generator awaitable without a coroutine around it."""
    return types.coroutine(function)  # type: ignore[return-value]


def unfit(name: object) -> Exception:
    """What ``os`` raises for what is no name: the kernel would be given another address, or C would cut it short."""
    if not isinstance(name, bytes):
        return TypeError(f"bytes are needed, not {type(name).__name__}")
    return ValueError("embedded null byte")


def check(*names: bytes) -> None:
    """Raise what :func:`unfit` says where one of the names cannot be given to the kernel."""
    for name in names:
        if name.__class__ is not bytes or 0 in name:
            raise unfit(name)


def otherwise(result: int, function: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    """After a failure: the plain call where that helps, else the error."""
    if result not in _REDO:
        raise OSError(-result, os.strerror(-result))
    return drive(function(*args))


class Submitter:
    """A ring, and the operations that many files need once or not at all."""

    _ring: Ring

    def _submit(
        self, opcode: int, fd: int, addr: int, length: int = 0, off: int = 0, op_flags: int = 0, flags: int = 0
    ) -> Generator[Any, Any, int]:
        """One operation: suspends until it has completed; the result, a negative one being an errno."""
        ring = self._ring
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        # Nothing is submitted before the tail moves, so an argument that does not fit its field harms nobody.
        pack(ring.sqes, (number & ring.mask) << 6, opcode, flags, 0, fd, off, addr, length, op_flags, number)
        ring.tail = number + 1
        result: int = yield number
        return result

    def _abandon(self, number: int) -> None:
        """The ring was closed under an open: nobody will get its descriptor."""
        fd = self._ring.unclaimed(number)
        if fd >= 0:
            os.close(fd)

    @operation
    def openat2(self, dir_fd: int, name: bytes, flags: int, mode: int, resolve: int) -> Generator[Any, Any, int]:
        check(name)
        how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
        ring = self._ring
        number = ring.tail
        if number == ring.full:
            number = yield from ring.make_room()
        pack(
            ring.sqes, (number & ring.mask) << 6, OPENAT2, 0, 0, dir_fd, id(how) + HEADER, id(name) + HEADER,
            _OPEN_HOW.size, 0, number,
        )  # fmt: skip
        ring.tail = number + 1
        try:
            result: int = yield number
        except GeneratorExit:
            self._abandon(number)
            raise
        return result if result >= 0 else otherwise(result, PLAIN.openat2, dir_fd, name, flags, mode, resolve)

    @operation
    def fadvise(self, fd: int, offset: int, length: int, advice: int) -> Generator[Any, Any, None]:
        # The field for the length has 32 bits before Linux 6.11; 0 means to the end of the file.
        long = not 0 <= length < 1 << 31
        result = -errno.EAGAIN if long else (yield from self._submit(FADVISE, fd, 0, length, offset, advice))
        if result < 0:
            otherwise(result, PLAIN.fadvise, fd, offset, length, advice)

    @operation
    def fallocate(self, fd: int, mode: int, offset: int, length: int) -> Generator[Any, Any, None]:
        result = yield from self._submit(FALLOCATE, fd, length, mode, offset)
        if result < 0:
            otherwise(result, PLAIN.fallocate, fd, mode, offset, length)

    @operation
    def fsync(self, fd: int) -> Generator[Any, Any, None]:
        result = yield from self._submit(FSYNC, fd, 0)
        if result < 0:
            otherwise(result, PLAIN.fsync, fd)

    @operation
    def renameat(self, old_dir: int, old: bytes, new_dir: int, new: bytes) -> Generator[Any, Any, None]:
        check(old, new)
        result = yield from self._submit(RENAMEAT, old_dir, id(old) + HEADER, new_dir, id(new) + HEADER)
        if result < 0:
            otherwise(result, PLAIN.renameat, old_dir, old, new_dir, new)

    @operation
    def unlinkat(self, dir_fd: int, name: bytes, flags: int = 0) -> Generator[Any, Any, None]:
        check(name)
        result = yield from self._submit(UNLINKAT, dir_fd, id(name) + HEADER, 0, 0, flags)
        if result < 0:
            otherwise(result, PLAIN.unlinkat, dir_fd, name, flags)

    @operation
    def mkdirat(self, dir_fd: int, name: bytes, mode: int) -> Generator[Any, Any, None]:
        check(name)
        result = yield from self._submit(MKDIRAT, dir_fd, id(name) + HEADER, mode)
        if result < 0:
            otherwise(result, PLAIN.mkdirat, dir_fd, name, mode)

    @operation
    def symlinkat(self, target: bytes, dir_fd: int, name: bytes) -> Generator[Any, Any, None]:
        check(target, name)
        result = yield from self._submit(SYMLINKAT, dir_fd, id(target) + HEADER, 0, id(name) + HEADER)
        if result < 0:
            otherwise(result, PLAIN.symlinkat, target, dir_fd, name)

    @operation
    def linkat(self, old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int = 0) -> Generator[Any, Any, None]:
        check(old, new)
        result = yield from self._submit(LINKAT, old_dir, id(old) + HEADER, new_dir, id(new) + HEADER, flags)
        if result < 0:
            otherwise(result, PLAIN.linkat, old_dir, old, new_dir, new, flags)

    @operation
    def fgetxattr(self, fd: int, name: bytes) -> Generator[Any, Any, bytes]:
        check(name)
        size = _XATTR_GUESS
        while True:
            address, memory = self._ring.new_memory(size)
            result = yield from self._submit(FGETXATTR, fd, id(name) + HEADER, size, address)
            if result >= 0:
                return bytes(memory.raw[:result])
            if result != -errno.ERANGE:
                return otherwise(result, PLAIN.fgetxattr, fd, name)
            size = max(2 * size, (yield from self._submit(FGETXATTR, fd, id(name) + HEADER, 0, 0)))

    @operation
    def fsetxattr(self, fd: int, name: bytes, value: bytes) -> Generator[Any, Any, None]:
        check(name)
        value = bytes(value)  # the same object, unless it is none of exactly that type
        result = yield from self._submit(FSETXATTR, fd, id(name) + HEADER, len(value), id(value) + HEADER)
        if result < 0:
            otherwise(result, PLAIN.fsetxattr, fd, name, value)
