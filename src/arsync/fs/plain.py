"""The plain backend: file operations as system calls of ``os``, for where io_uring is refused or does not pay.

No method ever suspends, so a coroutine that only awaits these runs to its end in one ``send``. Storage that makes
callers wait is hidden with threads: :class:`PlainRunner` then drives several coroutines at once, each in a thread
(every call here releases the GIL while the kernel works).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from arsync.fs import syscalls
from arsync.fs.protocol import Buffer, StatResult

T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends and return its result.

    >>> drive(PlainOps().lstat(-100, b"/")).st_ino > 0
    True
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine of the plain backend suspended")


class PlainOps:
    """:class:`~arsync.fs.protocol.FileOps` by system call; safe to use from several threads at once."""

    name = "plain"

    async def openat(self, dir_fd: int, name: bytes, flags: int, mode: int = 0) -> int:
        return os.open(name, flags, mode, dir_fd=dir_fd)

    async def openat2(self, dir_fd: int, name: bytes, flags: int, mode: int, resolve: int) -> int:
        return syscalls.openat2(dir_fd, name, flags, mode, resolve)

    async def close(self, fd: int) -> None:
        os.close(fd)

    async def lstat(self, dir_fd: int, name: bytes) -> StatResult:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)

    async def fstat(self, fd: int) -> StatResult:
        return os.fstat(fd)

    async def read(self, fd: int, buf: Buffer, offset: int) -> int:
        return os.preadv(fd, (buf,), offset)

    async def write(self, fd: int, buf: Buffer, offset: int) -> int:
        return os.pwrite(fd, buf, offset)

    async def fadvise(self, fd: int, offset: int, length: int, advice: int) -> None:
        os.posix_fadvise(fd, offset, length, advice)

    async def fallocate(self, fd: int, mode: int, offset: int, length: int) -> None:
        syscalls.fallocate(fd, mode, offset, length)

    async def fsync(self, fd: int) -> None:
        os.fsync(fd)

    async def renameat(self, old_dir: int, old: bytes, new_dir: int, new: bytes) -> None:
        os.rename(old, new, src_dir_fd=old_dir, dst_dir_fd=new_dir)

    async def unlinkat(self, dir_fd: int, name: bytes, flags: int = 0) -> None:
        if flags & syscalls.AT_REMOVEDIR:
            os.rmdir(name, dir_fd=dir_fd)
        else:
            os.unlink(name, dir_fd=dir_fd)

    async def mkdirat(self, dir_fd: int, name: bytes, mode: int) -> None:
        os.mkdir(name, mode, dir_fd=dir_fd)

    async def symlinkat(self, target: bytes, dir_fd: int, name: bytes) -> None:
        os.symlink(target, name, dir_fd=dir_fd)

    async def linkat(self, old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int = 0) -> None:
        syscalls.linkat(old_dir, old, new_dir, new, flags)

    async def fgetxattr(self, fd: int, name: bytes) -> bytes:
        return os.getxattr(fd, name)

    async def fsetxattr(self, fd: int, name: bytes, value: bytes) -> None:
        os.setxattr(fd, name, value)

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)

    async def gather(self, coroutines: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        results: list[Any] = [None] * len(coroutines)
        errors: list[BaseException] = []

        def lane(index: int) -> None:
            try:
                results[index] = drive(coroutines[index])
            except BaseException as error:  # carried to the caller's thread
                errors.append(error)

        threads: list[threading.Thread] = []
        here = list(range(len(coroutines)))
        try:
            while len(here) > 1:
                thread = threading.Thread(target=lane, args=(here[-1],))
                thread.start()
                threads.append(thread)
                here.pop()
        except RuntimeError:  # no more threads can be had (RLIMIT_NPROC): this one does what is left
            pass
        for index in here:
            lane(index)
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return results


class PlainRunner:
    """Drives coroutines on the plain backend: one after another, or in threads while storage makes them wait."""

    def __init__(self) -> None:
        self.ops = PlainOps()
        self.waiting = False

    def run(self, coroutines: Iterator[Coroutine[Any, Any, None] | None], limit: int) -> None:
        """Drive every coroutine to its end, at most ``limit`` at a time; the iterator is asked lazily.

        Where it gives None it is asked again when a coroutine has ended: it may do so while one is in flight.
        An exception that escapes a coroutine or the iterator is raised after those in flight have ended.
        """
        if not self.waiting or limit <= 1:
            for coroutine in coroutines:
                if coroutine is not None:
                    drive(coroutine)
            return
        _ThreadedRun(coroutines).run(limit)

    def close(self) -> None:
        """Nothing is held between runs."""


class _ThreadedRun:
    """One run in threads: each takes the next coroutine when it has ended its last."""

    def __init__(self, coroutines: Iterator[Coroutine[Any, Any, None] | None]) -> None:
        self._coroutines = coroutines
        self._ended = threading.Condition()  # notified when a coroutine has ended; its lock guards the iterator
        self._errors: list[BaseException] = []
        self._exhausted = False

    def run(self, limit: int) -> None:
        threads: list[threading.Thread] = []
        # A thread is made when there is a coroutine for it, so a short run starts few.
        while len(threads) < limit - 1:
            first = self._take()
            if first is None:
                break
            thread = threading.Thread(target=self._work, args=(first,), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads can be had (RLIMIT_NPROC): this one does what is left
                self._work(first)
                break
            threads.append(thread)
        else:
            self._work(self._take())
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _take(self) -> Coroutine[Any, Any, None] | None:
        with self._ended:
            while not self._exhausted:
                try:
                    coroutine = next(self._coroutines)
                except StopIteration:
                    self._exhaust()
                except BaseException as error:  # raised by run() once the threads have ended
                    self._errors.append(error)
                    self._exhaust()
                else:
                    if coroutine is not None:
                        return coroutine
                    self._ended.wait()
            return None

    def _exhaust(self) -> None:
        """No more are begun; whoever waits for one need not."""
        self._exhausted = True
        self._ended.notify_all()

    def _work(self, coroutine: Coroutine[Any, Any, None] | None) -> None:
        while coroutine is not None:
            error: BaseException | None = None
            try:
                drive(coroutine)
            except BaseException as raised:  # as above
                error = raised
            with self._ended:
                if error is not None:
                    self._errors.append(error)
                    self._exhaust()
                self._ended.notify()
            coroutine = self._take()
