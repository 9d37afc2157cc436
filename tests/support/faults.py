"""Faults planted in a run of this process: every system call that arsync makes can be the one that fails.

:class:`Faults` counts system calls as they are made and has one of them fail. Two things ask it first:
:func:`plant` puts it between arsync's modules and ``os`` (and the few calls that go another way), which covers
:class:`PlainOps`, the traversal, and the warm ways that are written as plain calls; :class:`FaultyOps` wraps the
operations of another backend, a ring's for one, which make no call of ``os``.
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import os
import pkgutil
import random
import stat
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

#: What the manual page of each call (or its file systems: EIO, ESTALE, EDQUOT) lists. EINTR is left out where Python
#: itself repeats the call (PEP 475); so is what has another answer than
#: a failure: ENODATA of an attribute, EMLINK of a file with too many links (tests/e2e/test_limits.py).
_LOOKUP = (errno.EACCES, errno.EIO, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOMEM, errno.ESTALE)
_ENTRY = (errno.EPERM, errno.EROFS, *_LOOKUP)
_NEW = (errno.ENOSPC, errno.EDQUOT, errno.EEXIST, *_ENTRY)
_SET = (errno.EIO, errno.ENOMEM, errno.EPERM, errno.EROFS, errno.ESTALE)
_TABLES = (errno.EMFILE, errno.ENFILE)
ERRNOS: dict[str, tuple[int, ...]] = {
    "open": (*_TABLES, errno.EAGAIN, errno.EPERM, *_LOOKUP),
    "open to write": (*_TABLES, errno.EAGAIN, errno.ETXTBSY, *_ENTRY),
    "open new": (*_TABLES, errno.ENOTSUP, *_NEW),
    "scandir": (*_TABLES, errno.EACCES, errno.EIO, errno.ENOENT, errno.ENOMEM, errno.ESTALE),
    "list": (errno.EIO, errno.ESTALE, errno.ENOMEM),
    "close": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "stat": _LOOKUP,
    "fstat": (errno.EIO, errno.ENOMEM, errno.ESTALE),
    "readlink": _LOOKUP,
    "preadv": (errno.EIO, errno.ENOMEM, errno.ESTALE),
    "pwrite": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPERM, errno.ESTALE),
    "copy_file_range": (errno.EIO, errno.ENOMEM, errno.ENOSPC, errno.EPERM, errno.ETXTBSY, errno.EXDEV),
    "ioctl": (errno.ENOTSUP, errno.EXDEV, errno.EPERM, errno.ETXTBSY, errno.EIO, errno.ENOSPC),
    "lseek": (errno.EIO, errno.ESTALE),
    "ftruncate": (errno.EIO, errno.EPERM, errno.EROFS, errno.ETXTBSY, errno.ENOSPC),
    "fallocate": (errno.EINTR, errno.EIO, errno.ENOSPC, errno.ENOTSUP, errno.EPERM),
    "posix_fadvise": (errno.ENOSYS, errno.EIO),
    "rename": (*_NEW, errno.EXDEV),
    "unlink": (errno.EBUSY, *_ENTRY),
    "rmdir": (errno.EBUSY, errno.ENOTEMPTY, *_ENTRY),
    "mkdir": _NEW,
    "symlink": _NEW,
    "mknod": _NEW,
    "link": (errno.EXDEV, *_NEW),
    "chown": _SET,
    "chmod": (errno.EACCES, *_SET),
    "fchmod": _SET,
    "utime": (errno.EACCES, *_SET),
    "listxattr": (errno.EIO, errno.EACCES, errno.ENOMEM, errno.ESTALE),
    "getxattr": (errno.EIO, errno.EACCES, errno.ENOMEM, errno.ESTALE),
    "setxattr": (errno.ENOTSUP, errno.ENOSPC, errno.EDQUOT, errno.EPERM, errno.EROFS, errno.EIO),
    "removexattr": (errno.ENOTSUP, errno.EPERM, errno.EROFS, errno.EIO),
    "dup": _TABLES,
    "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
}

#: arsync's modules that do not touch the trees: processes, rings, the outermost frame of a run.
_MACHINERY = frozenset(
    {"binding", "cpus", "held", "pool", "process", "ring", "run", "setup", "shared", "start", "statx", "threads"}
    | {"uring", "uring_base", "wire", "watch"}
)

_PLAIN_CALLS = (
    *("stat", "fstat", "readlink", "ftruncate", "posix_fadvise", "copy_file_range", "lseek", "rename", "unlink"),
    *(
        "rmdir",
        "mkdir",
        "symlink",
        "mknod",
        "chown",
        "chmod",
        "fchmod",
        "utime",
        "getxattr",
        "setxattr",
        "dup",
        "fsync",
    ),
)

#: The operations of a backend, and the call that each is.
_OPERATIONS = {
    "openat2": "open", "lstat": "stat", "fstat": "fstat", "fadvise": "posix_fadvise", "fsync": "fsync",
    "fallocate": "fallocate", "renameat": "rename", "mkdirat": "mkdir", "symlinkat": "symlink", "linkat": "link",
    "fgetxattr": "getxattr", "fsetxattr": "setxattr",
}  # fmt: skip


class Step(NamedTuple):
    """One system call of a run: which it is, and the names among its arguments."""

    call: str
    names: tuple[bytes, ...]


class Faults:
    """Counts system calls; has the one numbered ``at`` fail with ``number``."""

    def __init__(self, at: int = -1, number: int = 0, *, shortest: int = 0) -> None:
        self.steps: list[Step] = []
        self._at = at
        self._number = number
        self._shortest = shortest  # reads and writes move at most so many bytes; 0: what is asked for

    @property
    def happened(self) -> bool:
        """Whether the call that was to fail was made."""
        return self._at < len(self.steps)

    def check(self, call: str, *arguments: object) -> None:
        """One call is about to be made. Raises OSError where it is to fail."""
        index = len(self.steps)
        self.steps.append(Step(call, tuple(name for name in arguments if isinstance(name, bytes))))
        if index == self._at:
            raise OSError(self._number, os.strerror(self._number))

    def part(self, buf: Any) -> memoryview:
        """As much of a buffer as one read or write moves."""
        view = memoryview(buf)
        return view[: self._shortest] if self._shortest else view


def _open_call(flags: int) -> str:
    if flags & os.O_CREAT or flags & os.O_TMPFILE == os.O_TMPFILE:
        return "open new"
    return "open to write" if flags & os.O_WRONLY else "open"


def _has_data(fd: int) -> bool:
    """Whether closing may find out that data was not written: not for directories, nor what is held by O_PATH."""
    return stat.S_ISREG(os.fstat(fd).st_mode) and not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_PATH


class _Calls:
    """A module (``os``, ``fcntl``) whose calls ask for faults first."""

    def __init__(self, module: Any, faults: Faults, calls: Sequence[str]) -> None:
        self._module = module
        self._faults = faults
        for name in calls:
            setattr(self, name, self._checked(name, getattr(module, name)))

    def _checked(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        faults = self._faults

        def checked(*arguments: Any, **options: Any) -> Any:
            faults.check(name, *arguments)
            return function(*arguments, **options)

        return checked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class _Os(_Calls):
    """``os`` with faults. A failing close closes all the same, as the kernel's does."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(os, faults, _PLAIN_CALLS)

    def open(self, name: bytes, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        self._faults.check(_open_call(flags), name)
        return os.open(name, flags, mode, dir_fd=dir_fd)

    def close(self, fd: int) -> None:
        may_fail = _has_data(fd)
        os.close(fd)
        if may_fail:
            self._faults.check("close")

    def preadv(self, fd: int, buffers: Sequence[Any], offset: int) -> int:
        self._faults.check("preadv")
        return os.preadv(fd, [self._faults.part(buffers[0])], offset)

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        self._faults.check("pwrite")
        return os.pwrite(fd, self._faults.part(data), offset)

    def scandir(self, fd: int) -> _Scan:
        self._faults.check("scandir")
        return _Scan(os.scandir(fd), self._faults)


class _Scan:
    """A listing that may fail at any entry."""

    def __init__(self, entries: Any, faults: Faults) -> None:
        self._entries = entries
        self._faults = faults

    def __enter__(self) -> _Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self._entries.close()

    def __iter__(self) -> _Scan:
        return self

    def __next__(self) -> Any:
        self._faults.check("list")
        return next(self._entries)


def plant(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    """Have arsync's modules ask ``faults`` before each of their system calls."""
    import xattr.lib

    import arsync.engine
    import arsync.fs
    from arsync.engine import aside, smallfile
    from arsync.fs import copy, syscalls

    ours = _Os(faults)
    for package in (arsync.engine, arsync.fs):
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(found.name)
            if hasattr(module, "os") and found.name.rpartition(".")[2] not in _MACHINERY:
                monkeypatch.setattr(module, "os", ours)
    monkeypatch.setattr(copy, "fcntl", _Calls(fcntl, faults, ["ioctl"]))
    checked = ours._checked
    monkeypatch.setattr(syscalls, "linkat", checked("link", syscalls.linkat))
    monkeypatch.setattr(syscalls, "fallocate", checked("fallocate", syscalls.fallocate))
    monkeypatch.setattr(syscalls, "openat2", checked("open", syscalls.openat2))
    monkeypatch.setattr(aside, "exchange", checked("rename", syscalls.exchange))
    monkeypatch.setattr(smallfile, "give_name", checked("link", syscalls.give_name))
    for name in ("listxattr", "getxattr", "setxattr", "removexattr"):
        for inner in (f"_{name}", f"_f{name}"):
            monkeypatch.setattr(xattr.lib, inner, checked(name, getattr(xattr.lib, inner)))


class FaultyOps:
    """A backend's :class:`~arsync.fs.protocol.FileOps` with faults, and with its operations delayed at will.

    What ``call`` is given makes calls of ``os``, which :func:`plant` sees to. ``disorder``: seeds how many other
    operations each one waits for first, so that those in flight complete in another order than they were begun.
    """

    def __init__(self, ops: Any, faults: Faults, disorder: int | None = None) -> None:
        self.inner = ops
        self._faults = faults
        self._random = None if disorder is None else random.Random(disorder)
        for name, call in _OPERATIONS.items():
            setattr(self, name, self._checked(call, getattr(ops, name)))
        if hasattr(ops, "read_aside"):
            self.read_aside = self._read_with(ops.read_aside)
        self.read = self._read_with(ops.read)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def waiting(self) -> bool:
        return bool(self.inner.waiting)

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self.inner.waiting = value

    async def _turn(self) -> None:
        if self._random is not None:
            for _ in range(self._random.choice((0, 0, 1, 2, 5))):
                await self.inner.lstat(-100, b"/")

    def _checked(self, call: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        async def checked(*arguments: Any) -> Any:
            await self._turn()
            self._faults.check(call, *arguments)
            return await operation(*arguments)

        return checked

    async def openat(self, dir_fd: int, name: bytes, flags: int, mode: int = 0) -> int:
        await self._turn()
        self._faults.check(_open_call(flags), name)
        fd: int = await self.inner.openat(dir_fd, name, flags, mode)
        return fd

    async def close(self, fd: int) -> None:
        await self._turn()
        may_fail = _has_data(fd)
        await self.inner.close(fd)
        if may_fail:
            self._faults.check("close")

    async def unlinkat(self, dir_fd: int, name: bytes, flags: int = 0) -> None:
        await self._turn()
        self._faults.check("rmdir" if flags else "unlink", name)
        await self.inner.unlinkat(dir_fd, name, flags)

    def _read_with(self, read: Callable[..., Any]) -> Callable[..., Any]:
        async def checked(fd: int, buf: Any, offset: int) -> int:
            await self._turn()
            self._faults.check("preadv")
            got: int = await read(fd, self._faults.part(buf), offset)
            return got

        return checked

    async def write(self, fd: int, buf: Any, offset: int) -> int:
        await self._turn()
        self._faults.check("pwrite")
        done: int = await self.inner.write(fd, self._faults.part(buf), offset)
        return done


def plant_ring(monkeypatch: pytest.MonkeyPatch, faults: Faults, disorder: int | None = None) -> None:
    """Have rings that are opened from now on ask ``faults`` before each operation."""
    import arsync.fs

    original = arsync.fs.open_ring

    def open_ring(queue_depth: int) -> tuple[Any, str]:
        runner, reason = original(queue_depth)
        if runner is not None:
            runner.ops = FaultyOps(runner.ops, faults, disorder)  # type: ignore[assignment]
        return runner, reason

    monkeypatch.setattr(arsync.fs, "open_ring", open_ring)


def settle_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is decided by the clock: the run is one process, one thread, one entry after another."""
    from arsync.engine import regime, small, stopwatch
    from arsync.fs import lanes

    monkeypatch.setattr(small, "_LOOK", 1e9)
    monkeypatch.setattr(stopwatch, "_WAITED", 1e9)
    monkeypatch.setattr(regime, "_BUSY_SHARE", -1.0)
    monkeypatch.setattr(lanes, "usable_cpus", lambda: frozenset({0}))
