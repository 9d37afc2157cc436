"""arsync.copy: the same trees as the command makes, and a caller's process that notices nothing of it."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import arsync
from fs.backends import open_descriptors
from support.commands import arsync as command
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Fifo, File, Hardlink, Sparse, Symlink, create

TREE = Dir(
    {
        b"file": File(b"contents", mode=0o640, mtime_ns=1_600_000_000_123_456_789),
        b"\xff\n name": File(b"any bytes"),
        b"sparse": Sparse(1 << 20, ((4096, b"x"),)),
        b"sub": Dir({b"empty": File(), b"again": Hardlink(b"file"), b"link": Symlink(b"../file"), b"fifo": Fifo()}),
    }
)


def children() -> set[int]:
    """This process's children, dead ones that nobody waited for included."""
    return set(_children(os.getpid()))


def hidden_names(top: bytes) -> list[bytes]:
    return [name for _, _, names in os.walk(top) for name in names if name.startswith(b".")]


def test_copies_what_the_command_copies(here: bytes) -> None:
    create(here + b"/src", TREE)
    result = arsync.copy(here + b"/src/", here + b"/dst", archive=True, hard_links=True, acls=True, xattrs=True)
    assert command("-aHAX", here + b"/src/", here + b"/ref").code == 0
    assert_same(snapshot(here + b"/ref"), snapshot(here + b"/dst"))
    assert (result.ok, result.exit_code, result.errors, result.vanished) == (True, 0, (), ())
    assert result.seen == arsync.Counts(files=5, directories=2, symlinks=1, specials=1)
    assert result.created == result.seen
    assert result.seen.total == 9
    assert (result.copied_files, result.copied_bytes, result.linked) == (4, 8 + 9 + (1 << 20), 1)
    assert result.elapsed > 0
    result.raise_for_errors()


def test_items_in_order(here: bytes) -> None:
    create(here + b"/src", TREE)
    os.mkdir(here + b"/dst")
    create(here + b"/dst/old", Dir({b"extra": File()}))
    items: list[arsync.Item] = []
    result = arsync.copy(here + b"/src/", here + b"/dst", archive=True, delete=True, on_item=items.append, details=True)
    assert result.deleted == arsync.Counts(files=1, directories=1)
    said = [(item.path, item.kind, item.action, item.itemized) for item in items]
    lines = [line for line in command("-ain", "--delete", here + b"/src/", here + b"/ref").lines if b"/dst" not in line]
    assert ("old", "deleted") in [(os.fsdecode(path), action) for path, _, action, _ in said]
    assert [line[:11].decode() for line in lines if not line.startswith(b"created")][1:] == [
        one[3] for one in said if one[2] != "deleted" and one[0] != b"."
    ]
    file = next(item for item in items if item.path == b"file")
    assert (file.kind, file.action, file.size, file.mode, file.mtime_ns) == (
        *("file", "copied", 8, 0o100640),
        1_600_000_000_123_456_789,
    )
    assert next(item.target for item in items if item.path == b"sub/link") == b"../file"
    items.clear()
    os.chmod(here + b"/src/file", 0o600)
    arsync.copy(here + b"/src/", here + b"/dst", archive=True, on_item=items.append, unchanged=True)
    assert {item.size for item in items} == {None}
    assert {item.action for item in items if item.path in (b"file", b"sub/again")} == {"changed"}
    assert {item.action for item in items if item.path not in (b"file", b"sub/again")} == {"unchanged"}


def test_a_dry_run_changes_nothing(here: bytes) -> None:
    create(here + b"/src", TREE)
    items: list[arsync.Item] = []
    assert arsync.copy(here + b"/src/", here + b"/dst", archive=True, dry_run=True, on_item=items.append).ok
    assert len(items) == 9
    assert not os.path.exists(here + b"/dst")


def test_errors_are_returned(here: bytes) -> None:
    create(here + b"/src", Dir({b"a": File(b"a"), b"b": Dir({b"x": File()})}))
    create(here + b"/dst", Dir({b"a": Dir({b"full": File()})}))
    seen: list[arsync.FileError] = []
    sources = [here + b"/src/", here + b"/missing"]
    result = arsync.copy(sources, here + b"/dst", archive=True, on_error=seen.append)
    assert not result.ok
    assert result.exit_code is arsync.ExitCode.PARTIAL
    assert result.error_count == len(result.errors) == 2
    assert list(result.errors) == seen
    missing = result.errors[0]
    assert (missing.operation, missing.path, missing.errno) == ("find", here + b"/missing", 2)
    assert missing.message == f'find "{os.fsdecode(here)}/missing" failed: No such file or directory (2)'
    assert result.errors[1].path == b"a"
    with open(here + b"/dst/b/x", "rb"):
        pass  # the rest went on
    with pytest.raises(arsync.IncompleteError, match=r"PARTIAL \(23\), 2 errors, the first: find") as raised:
        result.raise_for_errors()
    assert raised.value.result is result


def test_what_cannot_begin_is_raised(here: bytes) -> None:
    create(here + b"/file", File())
    with pytest.raises(arsync.FatalError, match="cannot make the destination directory") as raised:
        arsync.copy(here + b"/file", here + b"/no/such/place/")
    assert raised.value.code is arsync.ExitCode.FILE_IO
    with pytest.raises(arsync.UsageError):  # found by the engine, not by the table
        arsync.copy(here + b"/file", here + b"/dst", filter="nonsense")
    with pytest.raises(arsync.FatalError, match="cannot start /no/python"):
        arsync.copy(here + b"/file", here + b"/dst", python="/no/python")
    with pytest.raises(arsync.FatalError, match="ended with exit code 1"):
        arsync.copy(here + b"/file", here + b"/dst", python="/bin/false")


def test_progress_never_goes_backwards(here: bytes) -> None:
    create(here + b"/src", Dir({b"%d" % n: File(b"x" * 50_000) for n in range(200)}))
    seen: list[arsync.Progress] = []
    assert arsync.copy(here + b"/src/", here + b"/dst", archive=True, on_progress=seen.append).ok
    for before, after in itertools.pairwise(seen):
        assert all(a <= b for a, b in zip(before[:6], after[:6]))
    assert seen[-1][:6] == (201, True, 10_000_000, 201, 200, 10_000_000)


def test_a_log_file_that_cannot_be_opened_is_told(here: bytes) -> None:
    create(here + b"/src", Dir({b"a": File(b"a")}))
    result = arsync.copy(here + b"/src/", here + b"/dst", archive=True, log_file=here + b"/nowhere/log")
    assert result.ok  # as the command has it
    text = f"failed to open log-file {os.fsdecode(here)}/nowhere/log: No such file or directory (2)"
    assert result.notices == (text,)


def test_a_log_file_is_the_commands(here: bytes) -> None:
    create(here + b"/src", Dir({b"a": File(b"a")}))
    arsync.copy(here + b"/src/", here + b"/dst", archive=True, log_file=here + b"/log")
    said = [line.split(b"] ", 1)[1] for line in Path(os.fsdecode(here), "log").read_bytes().splitlines()]
    command("-a", "--log-file", here + b"/ref", here + b"/src/", here + b"/dst2")
    expected = [line.split(b"] ", 1)[1] for line in Path(os.fsdecode(here), "ref").read_bytes().splitlines()]
    assert said == [line.replace(b"/dst2", b"/dst") for line in expected]


def test_the_calling_process_notices_nothing(here: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Handlers, umask, limits, threads, the current directory and the standard streams are as they were, all the
    time: what a thread of the caller's makes meanwhile gets the caller's modes."""
    create(here + b"/src", Dir({b"%d" % n: File(b"x") for n in range(500)}))
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    before = os.umask(0o077)
    threads = threading.enumerate()
    modes = set()

    def meanwhile(_item: arsync.Item) -> None:
        os.close(os.open(here + b"/made", os.O_CREAT | os.O_WRONLY, 0o666))
        modes.add(os.stat(here + b"/made").st_mode & 0o777)
        os.unlink(here + b"/made")
        handlers_now = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        assert handlers_now == handlers

    try:
        with ThreadPoolExecutor(3) as pool:
            copies = [
                pool.submit(arsync.copy, here + b"/src/", here + b"/dst%d" % n, recursive=True, on_item=meanwhile)
                for n in range(1)
            ]
            assert all(copy.result().ok for copy in copies)
        # rsync's meaning of the umask is the caller's umask.
        assert os.stat(here + b"/dst0/1").st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert modes == {0o600}
    assert set(threads) >= set(threading.enumerate())
    assert capfd.readouterr() == ("", "")
    assert children() == set()


def test_several_threads_at_once(here: bytes) -> None:
    create(here + b"/src", TREE)
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(
            lambda n: arsync.copy(here + b"/src/", here + b"/dst%d" % n, archive=True, hard_links=True), range(4)
        )
        assert all(result.ok for result in results)
    for n in range(4):
        assert_same(snapshot(here + b"/src"), snapshot(here + b"/dst%d" % n))


def test_again_and_again(here: bytes) -> None:
    """Neither descriptors nor processes nor memory are left."""
    create(here + b"/src", TREE)

    def once() -> None:
        items: list[arsync.Item] = []
        arsync.copy(here + b"/src/", here + b"/dst", archive=True, on_item=items.append, unchanged=True)
        with pytest.raises(arsync.FatalError):
            arsync.copy(here + b"/src", here + b"/no/such/")

    once()
    descriptors = open_descriptors()
    tracemalloc.start()
    sizes = []
    for _ in range(8):
        once()
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert open_descriptors() == descriptors
    assert children() == set()
    assert sizes[-1] - sizes[2] < 20_000, sizes


def test_an_exception_in_a_callback_stops_the_run(here: bytes) -> None:
    create(here + b"/src", Dir({b"%05d" % n: File(b"x" * 1000) for n in range(3000)}))
    calls = []

    def on_item(item: arsync.Item) -> None:
        calls.append(item)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        arsync.copy(here + b"/src/", here + b"/dst", archive=True, on_item=on_item)
    assert len(calls) == 1
    assert children() == set()
    assert hidden_names(here + b"/dst") == []


#: A program that copies something that takes long, replacing a file, so that there is a temporary name meanwhile.
_PROGRAM = """
import os, signal, sys, threading, arsync
{before}
def copy():
    try:
        result = arsync.copy({here!r} + b"/src/", {here!r} + b"/dst", archive=True, bwlimit=512)
        print(int(result.exit_code), flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
{call}
"""


def _start(here: bytes, before: str = "", call: str = "copy()") -> subprocess.Popen[bytes]:
    """Returns when the temporary file is there."""
    create(here + b"/src", Dir({b"large": File(b"new" * 3_000_000)}))
    create(here + b"/dst", Dir({b"large": File(b"old")}))
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM.format(here=here, before=before, call=call)], stdout=subprocess.PIPE
    )
    _wait(lambda: any(name.startswith(b".large") for name in os.listdir(here + b"/dst")), "nothing is being copied")
    return program


def _wait(condition: object, message: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, message
        time.sleep(0.01)


def _children(pid: int) -> list[int]:
    """Of all its threads."""
    return [int(one) for path in Path(f"/proc/{pid}/task").glob("*/children") for one in path.read_text().split()]


def _descendants(pid: int) -> list[int]:
    found = _children(pid)
    return found + [below for one in found for below in _descendants(one)]


def _is_untouched(here: bytes) -> bool:
    with open(here + b"/dst/large", "rb") as file:
        return file.read() == b"old" and os.listdir(here + b"/dst") == [b"large"]


def _alive(pids: list[int]) -> bool:
    return any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_ctrl_c_stops_the_copy(here: bytes) -> None:
    with _start(here) as program:
        copying = _descendants(program.pid)
        assert copying
        program.send_signal(signal.SIGINT)
        assert program.communicate(timeout=60)[0] == b"interrupted\n"
    assert not _alive(copying)
    assert _is_untouched(here)


def test_signals_that_the_caller_blocks_and_ignores(here: bytes) -> None:
    """A thread's signal mask, and ignored signals, are inherited by what it starts; the copy works and can be
    stopped all the same."""
    before = (
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "def small():\n"
        f"    result = arsync.copy({here!r} + b'/src/', {here!r} + b'/small', archive=True, max_size=1)\n"
        "    print(int(result.exit_code), flush=True)\n"  # before it is killed
        "small()"
    )
    with _start(here, before) as program:
        copying = _descendants(program.pid)
        program.kill()
        assert program.communicate(timeout=60)[0] == b"0\n"
    _wait(lambda: not _alive(copying), "the copying process outlived its caller")
    assert _is_untouched(here)


def test_the_copy_ends_with_its_caller(here: bytes) -> None:
    """Even when it is killed, and even when the thread that called is not the main one."""
    with _start(here, call="thread = threading.Thread(target=copy); thread.start(); thread.join()") as program:
        copying = _descendants(program.pid)
        assert copying
        program.kill()
    _wait(lambda: not _alive(copying), "the copying process outlived its caller")
    assert _is_untouched(here)


def test_the_end_of_the_calling_process_group_is_not_the_copys(here: bytes) -> None:
    """Only the caller stops the run: a terminal's ^C that it chose to ignore does not."""
    with _start(here, before="os.setsid(); signal.signal(signal.SIGINT, signal.SIG_IGN)") as program:
        copying = _descendants(program.pid)
        os.killpg(program.pid, signal.SIGINT)
        time.sleep(0.3)
        assert _alive(copying)
        program.kill()
    _wait(lambda: not _alive(copying), "the copying process outlived its caller")


def test_a_killed_copying_process_is_an_error(here: bytes) -> None:
    before = "import contextlib"
    call = "try: copy()\nexcept arsync.FatalError as error: print(int(error.code), error, flush=True)"
    with _start(here, before, call) as program:
        child = _children(program.pid)[0]
        os.kill(child, signal.SIGKILL)
        said = program.communicate(timeout=60)[0]
    assert said.startswith(b"12 the process that copies ended by signal 9 before")


def test_a_caller_without_standard_streams(here: bytes) -> None:
    """A daemon may have closed them: what is opened then gets their numbers."""
    create(here + b"/src", TREE)
    program = (
        f"import os, arsync; os.closerange(0, 3); "
        f"ok = arsync.copy({here + b'/src/'!r}, {here + b'/dst'!r}, archive=True, workers=2).ok; "
        "os._exit(7 if ok else 8)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7
    assert_same(snapshot(here + b"/src", links=False), snapshot(here + b"/dst", links=False))


def test_no_descriptor_is_free(here: bytes) -> None:
    create(here + b"/src", TREE)
    program = f"""
import os, resource
from arsync import FatalError, copy
copy({here + b"/src/"!r}, {here + b"/warm"!r}, archive=True)  # what is needed is imported
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
held = []
for left in range(6):
    try:
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for fd in held[:left]:
        os.close(fd)
    del held[:left]
    try:
        print(copy({here + b"/src/"!r}, {here + b"/dst"!r}, archive=True).ok)
    except FatalError as error:
        print(int(error.code) in (4, 11), error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["True"] * 6
    assert lines[0].endswith("Too many open files")


def test_nothing_is_read_from_the_callers_input(here: bytes) -> None:
    create(here + b"/src", Dir({b"a": File(b"a")}))
    assert arsync.copy(here + b"/src/", here + b"/dst", archive=True, filter="merge -").ok


@pytest.mark.parametrize("flags", [["-I"], ["-E", "-s"], ["-OO"]])
def test_interpreter_flags(here: bytes, flags: list[str]) -> None:
    """The copying process finds arsync where its caller found it."""
    create(here + b"/src", TREE)
    program = (
        f"import sys; sys.path.insert(0, {os.fspath(Path(arsync.__file__).parents[1])!r}); import arsync; "
        f"print(arsync.copy({here + b'/src/'!r}, {here + b'/dst'!r}, archive=True).ok)"
    )
    done = subprocess.run([sys.executable, *flags, "-c", program], capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"True\n", b"")


def test_where_there_is_no_interpreter(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(arsync.UsageError, match="name one with python="):
        arsync.copy(here, here + b"2")
    create(here + b"/src", TREE)
    assert arsync.copy(here + b"/src/", here + b"/dst", archive=True, python=sys.executable).ok
