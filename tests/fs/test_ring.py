"""The ring itself: its bounds, its end, and where it is refused."""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arsync.fs import binding, open_ring, setup, usable_cpus
from arsync.fs.binding import Refusal
from arsync.fs.ring import SQE, Ring
from arsync.fs.setup import set_up
from fs.backends import open_descriptors, ring_or_skip

NOP, READ = 0, 22


@pytest.fixture
def runner() -> Iterator[Any]:
    runner = ring_or_skip()
    yield runner
    runner.close()


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = set_up(8)
    if isinstance(ring, Refusal):
        pytest.skip(f"no io_uring here: {ring.reason}")
    yield ring
    ring.close()


def submit(ring: Ring, opcode: int, fd: int = -1, address: int = 0, length: int = 0) -> int:
    number = ring.tail
    assert number != ring.full
    SQE.pack_into(ring.sqes, (number & ring.mask) << 6, opcode, 0, 0, fd, 0, address, length, 0, number)
    ring.tail = number + 1
    return number


def in_child(function: Callable[[], None]) -> None:
    """Run in a forked process; fails with what it raised."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        except BaseException as error:
            os.write(write_end, repr(error).encode())
        finally:
            os._exit(code)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        message = pipe.read().decode()
    assert os.waitpid(pid, 0)[1] == 0, message


def test_numbers_come_back_through_many_turns_of_the_queues(ring: Ring) -> None:
    turns = 5 * ring.capacity // ring.entries
    for _ in range(turns):
        sent = [submit(ring, NOP) for _ in range(ring.entries)]
        ring.wait(ring.entries)
        assert ring.reap() == [(number, 0) for number in sent]
    assert ring.in_flight == 0


def test_more_is_never_in_flight_than_completions_have_room(ring: Ring) -> None:
    for _ in range(ring.capacity // ring.entries):
        for _ in range(ring.entries):
            submit(ring, NOP)
        ring.submit()
    assert ring.in_flight == ring.capacity
    assert ring.tail == ring.full
    assert len(ring.reap()) == ring.capacity
    assert ring.full - ring.tail == ring.entries


def test_a_bad_argument_leaves_no_submission_behind(runner: Any, tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(Exception, match=r"format|argument|range"):
            await runner.ops.mkdirat(-100, os.fsencode(tmp_path / "wrong"), 1 << 40)
        await runner.ops.mkdirat(-100, os.fsencode(tmp_path / "right"), 0o700)

    runner.run(iter([scenario()]), 1)
    assert os.listdir(tmp_path) == ["right"]


def test_more_operations_than_the_ring_holds_take_turns() -> None:
    runner = ring_or_skip(1)
    answers: list[int] = []

    async def scenario() -> None:
        found = await runner.ops.gather([runner.ops.lstat(-100, b"/") for _ in range(3000)])
        answers.extend(status.st_ino for status in found)

    runner.run(iter([scenario()]), 1)
    runner.close()
    assert answers == [os.stat("/").st_ino] * 3000


def test_closing_waits_for_what_is_in_flight(ring: Ring) -> None:
    read_end, write_end = os.pipe()
    address, memory = ring.new_memory(16)
    ring.tasks[submit(ring, READ, read_end, address, 16)] = memory
    ring.submit()
    assert ring.in_flight == 1
    ring.close()  # the read of an empty pipe is cancelled; without that it would never end
    os.write(write_end, b"late")
    assert bytes(memory) == bytes(16)
    os.close(read_end)
    os.close(write_end)


def test_an_open_ring_that_nobody_refers_to_keeps_its_memory(ring: Ring) -> None:
    read_end, write_end = os.pipe()
    address, memory = ring.new_memory(4)
    number = submit(ring, READ, read_end, address, 4)
    ring.tasks[number] = memory
    ring.submit()
    del memory
    gc.collect()
    os.write(write_end, b"data")
    ring.wait(1)
    assert ring.reap() == [(number, 4)]
    assert bytes(ring.tasks[number]) == b"data"
    os.close(read_end)
    os.close(write_end)


def test_buffers_and_names_survive_collection_while_in_flight(runner: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"z" * 100000)
    runner.ops.waiting = True  # reads start in a kernel thread, so they really are in flight
    directory = os.fsencode(tmp_path)
    wrong: list[int] = []

    async def one(number: int) -> None:
        fd = await runner.ops.openat(-100, directory + b"/file", os.O_RDONLY)
        buf = bytearray(100000)
        await runner.ops.read(fd, memoryview(buf)[: number + 1], 0)
        if buf[: number + 1] != b"z" * (number + 1) or any(buf[number + 1 :]):
            wrong.append(number)
        await runner.ops.close(fd)

    def all_of_them() -> Iterator[Any]:
        for number in range(300):
            if number % 20 == 0:
                gc.collect()
            yield one(number * 300)

    runner.run(all_of_them(), 64)
    assert not wrong


def test_using_it_after_a_fork_is_refused_and_does_not_disturb_the_parent(runner: Any) -> None:
    def child() -> None:
        with pytest.raises(RuntimeError, match="fork"):
            runner.run(iter([]), 1)
        runner.close()
        other, reason = open_ring(8)
        assert other is not None, reason
        other.run(iter([other.ops.lstat(-100, b"/")]), 1)
        other.close()

    in_child(child)
    runner.run(iter([runner.ops.lstat(-100, b"/")]), 1)


def test_it_is_refused_in_another_thread_when_closed_and_inside_itself(runner: Any) -> None:
    errors: list[RuntimeError] = []

    def use() -> None:
        try:
            runner.run(iter([]), 1)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()

    async def nested() -> None:
        use()

    runner.run(iter([nested()]), 1)
    runner.close()
    use()
    runner.close()
    assert [str(error).split()[-1] for error in errors] == ["thread", "already", "closed"]


def test_an_interrupt_is_raised_when_what_was_in_flight_has_ended(runner: Any) -> None:
    runner.ops.waiting = True
    ended: list[int] = []

    async def slow(number: int) -> None:
        await runner.ops.call(time.sleep, 0.15)
        ended.append(number)

    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    signal.setitimer(signal.ITIMER_REAL, 0.03)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run((slow(number) for number in range(100)), 4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sorted(ended) == [0, 1, 2, 3]


def test_a_coroutine_that_a_signal_parts_from_the_loop_is_held_until_the_ring_is_closed() -> None:
    """A handler that raises when a coroutine has just suspended: the kernel has what the coroutine's frame keeps."""
    runner = ring_or_skip()
    read_end, write_end = os.pipe()
    freed: list[bool] = []

    class Held(bytearray):
        def __del__(self) -> None:
            freed.append(runner._ring.closed)

    async def reads() -> None:
        await runner.ops.read_aside(read_end, Held(100), 0)

    def interrupt(_frame: Any, event: str, function: Any) -> None:
        if event == "c_return" and function.__name__ == "send":
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run(iter([reads()]), 1)
    finally:
        sys.setprofile(None)
    gc.collect()
    assert freed == [True]
    os.close(read_end)
    os.close(write_end)
    runner.close()


def test_what_completed_when_a_signal_broke_off_the_reaping_is_not_lost(
    runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = runner._ring
    reap, interrupts = ring.reap, [KeyboardInterrupt]

    def broken_off() -> list[tuple[int, int]]:
        completed = list(reap())
        if completed and interrupts:
            raise interrupts.pop()
        return reap() if not completed else ring.last

    monkeypatch.setattr(ring, "reap", broken_off)
    ended: list[int] = []

    async def looks(number: int) -> None:
        await runner.ops.lstat(-100, b"/")
        ended.append(number)

    with pytest.raises(KeyboardInterrupt):
        runner.run((looks(number) for number in range(8)), 8)
    assert sorted(ended) == list(range(8))


def test_a_ring_that_is_closed_under_an_open_leaks_no_descriptor(tmp_path: Path) -> None:
    ring_or_skip().close()
    before = open_descriptors()
    runner = ring_or_skip()

    async def opens() -> None:
        await runner.ops.openat(-100, b"/dev/null", os.O_RDONLY)
        await runner.ops.openat2(-100, b"/dev/null", os.O_RDONLY, 0, 0)

    coroutines = [opens() for _ in range(10)]
    for coroutine in coroutines:
        runner._ring.tasks[coroutine.send(None)] = coroutine
    runner.close()
    coroutines.clear()
    del coroutine
    gc.collect()
    assert open_descriptors() == before


def test_calls_run_beside_each_other_while_storage_waits(runner: Any) -> None:
    runner.ops.waiting = True
    begun = time.monotonic()

    async def slow() -> None:
        await runner.ops.call(time.sleep, 0.1)

    runner.run((slow() for _ in range(30)), 30)
    assert time.monotonic() - begun < 1.5


def test_an_operation_without_an_opcode_is_a_plain_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Ring, "supports", lambda self, opcodes: set(opcodes) - {21, 35})  # statx, renameat
    runner = ring_or_skip()
    directory = os.fsencode(tmp_path)

    async def scenario() -> None:
        await runner.ops.mkdirat(-100, directory + b"/a", 0o700)
        await runner.ops.renameat(-100, directory + b"/a", -100, directory + b"/b")
        assert (await runner.ops.lstat(-100, directory + b"/b")).st_ino == os.stat(directory + b"/b").st_ino
        with pytest.raises(FileNotFoundError):
            await runner.ops.lstat(-100, directory + b"/a")

    for runner.ops.waiting in (False, True):
        runner.run(iter([scenario()]), 1)
        os.rmdir(directory + b"/b")
    runner.close()


@pytest.mark.parametrize("number", [errno.ECANCELED, errno.EINTR, errno.EAGAIN])
def test_an_operation_that_the_kernel_did_not_begin_is_made_plainly(
    runner: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    ring = runner._ring
    reap = ring.reap
    monkeypatch.setattr(ring, "reap", lambda: [(token, -number) for token, _ in reap()])
    target = os.fsencode(tmp_path / "target")

    async def scenario() -> None:
        # Fails on the ring, as far as anybody can see; each of these may be done twice.
        assert (await runner.ops.lstat(-100, b"/")).st_ino == os.stat("/").st_ino
        fd = os.open(target, os.O_RDWR | os.O_CREAT, 0o600)
        assert await runner.ops.write(fd, bytearray(b"abc"), 0) == 3
        buf = bytearray(5)
        assert await runner.ops.read(fd, buf, 0) == 3
        await runner.ops.fsync(fd)
        os.close(fd)

    runner.run(iter([scenario()]), 1)


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EACCES, errno.EINVAL, errno.ENOMEM])
def test_a_refusal_by_the_kernel_is_a_value(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(setup, "_queue_init", lambda library, entries: number)
    runner, reason = open_ring(64)
    assert runner is None
    assert reason


def test_a_binding_that_cannot_be_imported_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liburing", None)
    binding.load.cache_clear()
    try:
        runner, reason = open_ring(64)
    finally:
        binding.load.cache_clear()
    assert runner is None
    assert "liburing" in reason


def test_without_the_package_the_systems_library_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages of distributions have no wheel in them; that there is no such library either is a value."""
    ring_or_skip().close()
    in_wheel = binding._find()
    monkeypatch.setattr(binding, "_find", lambda: None)
    try:
        monkeypatch.setattr(binding, "_SYSTEM", in_wheel)
        binding.load.cache_clear()
        runner, reason = open_ring(64)
        assert runner is not None, reason
        runner.close()
        monkeypatch.setattr(binding, "_SYSTEM", "libno-such-library.so.2")
        binding.load.cache_clear()
        assert open_ring(64) == (None, "liburing is not installed")
    finally:
        binding.load.cache_clear()


def test_a_failing_self_test_is_a_value_and_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ring_or_skip().close()
    before = open_descriptors()
    monkeypatch.setattr(Ring, "reap", lambda self: [(99, 0)])
    monkeypatch.setattr(Ring, "drain", lambda self: None)
    runner, reason = open_ring(64)
    assert runner is None
    assert "self-test" in reason
    assert open_descriptors() == before


def test_without_a_free_descriptor_there_is_no_ring() -> None:
    ring_or_skip().close()

    def child() -> None:
        highest = max(map(int, os.listdir("/proc/self/fd")))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, highest))
        while True:
            try:
                os.dup(0)
            except OSError:
                break
        runner, reason = open_ring(64)
        assert runner is None
        assert "descriptor" in reason, reason

    in_child(child)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up its rights in a child")
@pytest.mark.parametrize("limit", [resource.RLIMIT_MEMLOCK, resource.RLIMIT_NPROC])
def test_small_limits_lose_nothing(tmp_path: Path, limit: int) -> None:
    ring_or_skip().close()
    tmp_path.chmod(0o777)
    directory = os.open(tmp_path, os.O_RDONLY)

    def child() -> None:
        os.setuid(65534)
        resource.setrlimit(limit, (1, 1))
        runner, reason = open_ring(64)
        assert runner is not None or reason
        if runner is None:
            return

        async def one(number: int) -> None:
            fd = await runner.ops.openat(directory, b"%d" % number, os.O_RDWR | os.O_CREAT, 0o600)
            await runner.ops.write(fd, bytearray(b"x"), 0)
            assert (await runner.ops.fstat(fd)).st_size == 1
            await runner.ops.call(os.fchmod, fd, 0o640)
            await runner.ops.close(fd)

        runner.ops.waiting = True
        runner.run((one(number) for number in range(200)), 64)
        runner.close()

    in_child(child)
    os.close(directory)
    assert len(os.listdir(tmp_path)) in (0, 200)


def test_kernel_threads_may_use_every_cpu_when_the_worker_is_pinned(tmp_path: Path) -> None:
    ring_or_skip().close()
    if len(usable_cpus()) < 2:
        pytest.skip("one CPU only")

    def child() -> None:
        os.sched_setaffinity(0, {min(usable_cpus())})
        runner, reason = open_ring(64)
        assert runner is not None, reason
        runner.run((runner.ops.mkdirat(-100, os.fsencode(tmp_path / f"{n}"), 0o700) for n in range(64)), 64)
        found = []
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/comm") as comm:
                if comm.read().startswith("iou-wrk"):
                    found.append(os.sched_getaffinity(int(task)))
        assert found
        assert all(affinity == usable_cpus() for affinity in found), found
        runner.close()

    in_child(child)


def test_importing_the_package_costs_neither_ctypes_nor_liburing() -> None:
    code = (
        "import sys, arsync.fs, arsync.fs.plain, arsync.fs.protocol, arsync.fs.semaphore\n"
        "assert not {'ctypes', 'liburing'} & set(sys.modules), sorted(sys.modules)\n"
        "import arsync.fs.loop, arsync.fs.uring, arsync.fs.lanes\n"
        "assert not {'ctypes', 'liburing'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}
    )


def test_what_the_kernel_is_told_lives_until_it_was_told(ring: Ring) -> None:
    """The bounds of the kernel's threads are read, and written back, where the memory is still theirs."""
    c = ring._library.ctypes
    seen = []

    class Held:
        def io_uring_register_iowq_max_workers(self, _ring: int, address: int) -> int:
            others = [(c.c_uint * 2)(9, 9) for _ in range(100)]  # take whatever memory of that size is free
            seen.append(list((c.c_uint * 2).from_address(address)))
            return len(others)

    held = ring._library
    ring._library = held._replace(held=Held())
    try:
        ring.configure(17, frozenset())
    finally:
        ring._library = held
    assert seen == [[17, 0]]
