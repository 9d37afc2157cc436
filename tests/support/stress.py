"""What the ring's stress test is made of: buffers with canaries, names of which nobody holds another reference, files
that are checked at every step, and garbage collected around every await."""

from __future__ import annotations

import gc
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from arsync.fs import open_ring

CANARY = bytes(range(64))


class Buffer:
    """A buffer between two canaries, filled with what nobody writes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.whole = bytearray(CANARY + b"\xa5" * size + CANARY)
        self.view = memoryview(self.whole)[64 : 64 + size]

    def check(self, expected: bytes) -> None:
        """Raise unless it holds exactly ``expected`` at its beginning, and nothing else was touched."""
        assert self.whole[:64] == CANARY, "written before the buffer"
        assert self.whole[64 + self.size :] == CANARY, "written behind the buffer"
        assert self.view[: len(expected)] == expected, "other data than the file has"
        rest = self.view[len(expected) :]
        assert rest == b"\xa5" * len(rest), "written behind what was read"


def fresh(name: bytes) -> bytes:
    """The same name as an object that nobody else refers to."""
    return bytes(bytearray(name))


class Stress:
    """What the scenarios share: a directory, chance, and when to stop."""

    def __init__(self, seconds: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.until = time.monotonic() + seconds
        self.directory = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None).encode()
        os.chmod(self.directory, 0o777)
        self.fd = os.open(self.directory, os.O_RDONLY)
        self.files: dict[bytes, bytes] = {}
        for number in range(64):
            name = b"source %d " % number + b"x" * self.random.choice((0, 1, 40, 230))
            self.files[name] = self.random.randbytes(self.random.choice((0, 1, 100, 4096, 50_000, 300_000)))
            with open(os.path.join(self.directory, name), "wb") as file:
                file.write(self.files[name])
        self.names = list(self.files)
        self.done = 0
        self.rounds = 0

    def left(self) -> bool:
        """Whether there is time for another round; the first there always is."""
        self.rounds += 1
        return self.rounds == 1 or time.monotonic() < self.until

    def collect(self) -> None:
        """Collect garbage, and reuse what it freed."""
        gc.collect(self.random.choice((0, 0, 0, 1, 2)))
        self.junk = [bytearray(b"\xdb" * self.random.choice((20, 60, 256, 4200))) for _ in range(4)]

    async def one(self, ops: Any) -> None:
        """Some operations with one file, each checked; garbage is collected around every await."""
        name = self.random.choice(self.names)
        data = self.files[name]
        self.done += 1
        mine = b"copy %d" % self.done
        fd = await ops.openat(self.fd, fresh(name), os.O_RDONLY)
        self.collect()
        st = await ops.fstat(fd)
        assert st.st_size == len(data)
        buf = Buffer(len(data) + self.random.choice((0, 1, 1000)))
        got = await self._read(ops, fd, buf)
        buf.check(data[:got])
        out = await ops.openat2(self.fd, fresh(mine), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, 8)
        self.collect()
        done = 0
        while done < got:
            done += await ops.write(out, fresh(data[done:got]), done)
        self.collect()
        await ops.fsetxattr(out, fresh(b"user.value"), fresh(data[:50] or b"none"))
        assert await ops.fgetxattr(out, fresh(b"user.value")) == (data[:50] or b"none")
        await ops.renameat(self.fd, fresh(mine), self.fd, fresh(mine + b" moved"))
        self.collect()
        await ops.linkat(self.fd, fresh(mine + b" moved"), self.fd, fresh(mine))
        await ops.symlinkat(fresh(data[:9].hex().encode() + b"target"), self.fd, fresh(mine + b" link"))
        assert (await ops.lstat(self.fd, fresh(mine))).st_size == got
        again = Buffer(got + 1)
        assert await self._read(ops, out, again) == got
        again.check(data[:got])
        for suffix in (b"", b" moved", b" link"):
            await ops.unlinkat(self.fd, fresh(mine + suffix))
        await ops.mkdirat(self.fd, fresh(mine), 0o700)
        await ops.unlinkat(self.fd, fresh(mine), 0x200)
        await ops.call(os.fchmod, out, 0o600)
        await ops.close(out)
        await ops.close(fd)

    async def _read(self, ops: Any, fd: int, buf: Buffer) -> int:
        done = 0
        while done < buf.size:
            self.collect()
            got = int(await self.random.choice((ops.read, ops.read_aside))(fd, buf.view[done:], done))
            if not got:
                break
            done += got
        return done

    def many(self, ops: Any, number: int) -> Iterator[Coroutine[Any, Any, None]]:
        """So many files."""
        for _ in range(number):
            yield self.one(ops)

    def clear(self) -> None:
        """Remove what broken off rounds left."""
        for name in os.listdir(self.directory):
            if name not in self.files:
                path = os.path.join(self.directory, name)
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


def ring(depth: int) -> Any:
    """A runner."""
    runner, reason = open_ring(depth)
    if runner is None:
        raise SystemExit(f"no io_uring here: {reason}")
    return runner


def descriptors() -> list[str]:
    """What is open."""
    return sorted(os.listdir("/proc/self/fd"))


def in_child(function: Callable[[], object]) -> int:
    """How a forked child that runs ``function`` ends: its exit code, or the negative signal."""
    pid = os.fork()
    if not pid:
        code = 99
        try:
            function()
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
