"""Stress of the ring layer against use after free: ``PYTHONPATH=tests python tests/fs/stress.py SCENARIO
SECONDS SEED``.

Each scenario runs until its time is over, in a process of its own, with a debugging allocator (PYTHONMALLOC=debug) and
faulthandler: memory that was freed while the kernel still had its address is overwritten at once, and so seen. A
scenario says on stdout what it did; it fails by an exception, or by the signal that ends it. tests/fs/test_stress.py
runs all of them, seconds each, or as long as ARSYNC_STRESS says.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arsync.fs import open_ring
from support.commands import NOBODY
from support.stress import CANARY, Buffer, Stress, descriptors, fresh, in_child, ring


def mixed(stress: Stress) -> None:
    """Every operation, hundreds of files in flight, garbage collected at every await."""
    while stress.left():
        runner = ring(stress.random.choice((1, 16, 256)))
        runner.waiting = stress.random.random() < 0.5
        runner.run(stress.many(runner.ops, 150), stress.random.choice((1, 64, 256)))
        runner.close()


def crowded(stress: Stress) -> None:
    """Thousands of operations at once on a ring of 16 entries: queue full, completions bounded."""
    names = stress.names
    while stress.left():
        runner = ring(stress.random.choice((1, 8)))
        sizes: list[int] = []

        async def all_at_once(runner: Any = runner, sizes: list[int] = sizes) -> None:
            wanted = [fresh(stress.random.choice(names)) for _ in range(5000)]
            found = await runner.ops.gather([runner.ops.lstat(stress.fd, name) for name in wanted])
            sizes.extend(len(stress.files[name]) - st.st_size for name, st in zip(wanted, found))

        runner.run(iter([all_at_once()]), 1)
        assert sizes == [0] * 5000
        stress.done += 5000
        runner.close()


def signalled(stress: Stress) -> None:
    """Signals every 100 us whose handler only notes them: waits return early, nothing is lost."""
    seen = [0]

    def note(*_: object) -> None:
        seen[0] += 1

    signal.signal(signal.SIGALRM, note)
    runner = ring(64)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    while stress.left():
        runner.waiting = stress.random.random() < 0.5
        runner.run(stress.many(runner.ops, 60), 64)
    signal.setitimer(signal.ITIMER_REAL, 0)
    runner.close()
    assert seen[0]


def interrupted(stress: Stress) -> None:
    """Runs broken off by KeyboardInterrupt at any bytecode: no descriptor, no memory, no hang."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    broken = 0
    before = descriptors()
    while stress.left():
        runner = ring(64)
        runner.waiting = stress.random.random() < 0.3
        kept: list[Buffer] = []

        async def reader(runner: Any = runner, kept: list[Buffer] = kept) -> None:
            name = stress.random.choice(stress.names)
            fd = await runner.ops.openat(stress.fd, fresh(name), os.O_RDONLY)
            try:
                buf = Buffer(len(stress.files[name]) + 1)
                kept.append(buf)
                await runner.ops.read_aside(fd, buf.view, 0)
                await runner.ops.lstat(stress.fd, fresh(name))
            finally:
                os.close(fd)

        with contextlib.suppress(KeyboardInterrupt):
            try:
                signal.setitimer(signal.ITIMER_REAL, stress.random.uniform(0.0002, 0.01))
                runner.run((reader() for _ in range(200)), 64)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        broken += runner._ring.closed
        runner.close()
        runner.close()
        held = [bytes(buf.whole) for buf in kept]
        stress.collect()
        assert held == [bytes(buf.whole) for buf in kept], "the kernel wrote after the ring was closed"
        assert all(buf.whole[:64] == CANARY == buf.whole[-64:] for buf in kept)
        stress.done += len(kept)
        del runner, reader
        gc.collect()
        # An interrupt between an open's completion and its coroutine's next step loses a descriptor, as anywhere
        # in Python; more than one of a round would be a leak of the ring's.
        lost = set(descriptors()) - set(before)
        assert len(lost) <= 2, lost
        for fd in lost:
            with contextlib.suppress(OSError):
                os.close(int(fd))
    print(f"{broken} rings were closed under their run")


def torn_down(stress: Stress) -> None:
    """Rings closed with reads in flight that never end, and with reads that run: nothing is written afterwards."""
    before = descriptors()
    while stress.left():
        runner = ring(64)
        pipes = [os.pipe() for _ in range(20)]
        buffers = [Buffer(100) for _ in pipes]

        async def endless(number: int, runner: Any = runner, pipes: Any = pipes, buffers: Any = buffers) -> None:
            await runner.ops.read_aside(pipes[number][0], buffers[number].view, 0)
            raise AssertionError("the read of an empty pipe ended")

        async def opens(runner: Any = runner) -> None:
            while True:
                os.close(await runner.ops.openat(stress.fd, fresh(stress.names[0]), os.O_RDONLY))

        async def fails() -> None:
            raise ZeroDivisionError

        def all_of_them(runner: Any = runner, fails: Any = fails, endless: Any = endless, opens: Any = opens) -> Any:
            for number in range(20):
                yield endless(number)
                yield opens()
            runner._ring.submit()
            signal.raise_signal(signal.SIGALRM)  # its handler raises, and not what the loop expects

        class OtherError(Exception):
            pass

        def other(*_: object, error: type[Exception] = OtherError) -> None:
            raise error

        signal.signal(signal.SIGALRM, other)
        wait = runner._wait

        def wait_once(runner: Any = runner, wait: Any = wait) -> Any:
            runner._wait = other
            return wait()

        runner._wait = wait_once
        with contextlib.suppress(OtherError):
            runner.run(all_of_them(), 64)
        assert runner._ring.closed
        for (read_end, write_end), buf in zip(pipes, buffers):
            os.write(write_end, b"late")
            buf.check(b"")
            os.close(read_end)
            os.close(write_end)
        stress.done += 20
        del runner, wait, wait_once, endless, opens, all_of_them, other, buf
        stress.collect()
        gc.collect()
        assert descriptors() == before, set(descriptors()) ^ set(before)


def forked(stress: Stress) -> None:
    """Children of a process with operations in flight: they can neither use nor disturb its ring."""

    def child(runner: Any) -> None:
        for use in (lambda: runner.run(iter([]), 1), runner._ring.submit, lambda: runner._ring.wait(1)):
            with pytest.raises(RuntimeError, match="fork"):
                use()
        if stress.random.random() < 0.5:
            runner.close()
        other = ring(8)
        other.run(stress.many(other.ops, 3), 8)
        other.close()

    while stress.left():
        runner = ring(64)

        def some(runner: Any = runner) -> Iterator[Any]:
            for number in range(60):
                if number % 20 == 19:
                    stress.done += 1000  # the child's names are not the parent's
                    assert in_child(lambda: child(runner)) == 0
                    stress.done += 1000
                yield stress.one(runner.ops)

        runner.run(some(), 32)
        runner.close()


def left_open(stress: Stress) -> None:
    """Interpreters that end with a ring open and operations in flight."""
    while stress.left():

        def child() -> None:
            runner = ring(64)
            pipes = [os.pipe() for _ in range(10)]
            buffers = [Buffer(4096) for _ in pipes]

            async def endless(number: int) -> None:
                await runner.ops.read_aside(pipes[number][0], buffers[number].view, 0)

            runner._wait = lambda: (runner._ring.submit(), sys.exit(0))
            close, runner.close = runner.close, lambda: None
            try:
                runner.run((endless(number) for number in range(10)), 10)
            finally:
                for _, write_end in pipes:
                    os.write(write_end, b"late")
                del close

        pid = os.fork()
        if not pid:
            try:
                child()
            except SystemExit:
                stress.directory = b""
                sys.exit(0)  # through the whole of the interpreter's end, unlike os._exit
            os._exit(98)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code == 0, code
        stress.done += 10


def limited(stress: Stress) -> None:
    """An ordinary user with hardly a process, hardly memory to lock, few descriptors."""
    ring(8).close()  # nobody may not be allowed to read where it is imported from
    limits = (resource.RLIMIT_NPROC, resource.RLIMIT_MEMLOCK, resource.RLIMIT_NOFILE)
    while stress.left():
        for limit in limits:

            def child(limit: int = limit) -> None:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                value = {resource.RLIMIT_NPROC: 1, resource.RLIMIT_MEMLOCK: 65536, resource.RLIMIT_NOFILE: 48}[limit]
                resource.setrlimit(limit, (value, value))
                runner, reason = open_ring(64)
                assert runner is not None or reason
                if runner is None:
                    return
                runner.waiting = True
                runner.run(stress.many(runner.ops, 40), 12)
                runner.close()

            code = in_child(child)
            assert code == 0, (limit, code)
            stress.done += 40
            stress.clear()


def misused(stress: Stress) -> None:
    """Arguments of other types are refused, before the kernel is given an address."""
    while stress.left():
        runner = ring(8)
        fd = os.open(stress.names[-1], os.O_RDONLY, dir_fd=stress.fd)
        constant = bytes(100)

        async def refused(attempt: Callable[[], Any]) -> None:
            with pytest.raises((TypeError, ValueError, BufferError)):
                await attempt()
            stress.done += 1

        runner.run(map(refused, _misuses(runner.ops, stress, fd, constant)), 8)
        os.close(fd)
        runner.close()
        assert constant == bytes(100)


def _misuses(ops: Any, stress: Stress, fd: int, constant: bytes) -> Iterator[Callable[[], Any]]:
    name: Any
    for name in (bytearray(stress.names[0]), memoryview(stress.names[0]), None, 7, b"a\0b"):
        yield lambda name=name: ops.openat(stress.fd, name, os.O_RDONLY)
        yield lambda name=name: ops.openat2(stress.fd, name, os.O_RDONLY, 0, 0)
        yield lambda name=name: ops.lstat(stress.fd, name)
        yield lambda name=name: ops.renameat(stress.fd, b"a", stress.fd, name)
        yield lambda name=name: ops.linkat(stress.fd, name, stress.fd, b"b")
        yield lambda name=name: ops.symlinkat(name, stress.fd, b"b")
        yield lambda name=name: ops.unlinkat(stress.fd, name)
        yield lambda name=name: ops.mkdirat(stress.fd, name, 0o700)
    yield lambda: ops.read(fd, constant, 0)
    yield lambda: ops.read_aside(fd, memoryview(constant), 0)
    yield lambda: ops.read(fd, memoryview(bytearray(100))[::2], 0)


SCENARIOS: dict[str, Callable[[Stress], None]] = {
    function.__name__: function
    for function in (
        mixed, crowded, signalled, interrupted, torn_down, forked, left_open, limited, misused,
    )
}  # fmt: skip


def main() -> None:
    """Run one scenario."""
    name, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG: not left over where the test is ended
    gc.freeze()  # what is imported is not looked through each time
    stress = Stress(seconds, seed)
    before = descriptors()
    try:
        SCENARIOS[name](stress)
        gc.collect()
        assert descriptors() == before, set(descriptors()) ^ set(before)
        stress.clear()
        assert sorted(os.listdir(stress.directory)) == sorted(stress.names)
    finally:
        if stress.directory:
            shutil.rmtree(stress.directory)
    print(f"{name}: {stress.rounds} rounds, {stress.done} files or operations")


if __name__ == "__main__":
    main()
