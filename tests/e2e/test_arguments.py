"""Sources and destinations of every shape, and bad ones: a clear result, and nothing is lost."""

from __future__ import annotations

import os
import resource
import subprocess

import pytest

from support.commands import NOBODY, arsync, arsync_as_nobody, rsync
from support.snapshot import assert_same, differences, snapshot
from support.trees import Dir, File, Symlink, create

T = 10**18
TREE = Dir({b"a": File(b"1", mtime_ns=T), b"d": Dir({b"b": File(b"2", mtime_ns=T)}, mtime_ns=T)}, mtime_ns=T)

SHAPES: list[tuple[list[bytes], bytes]] = [
    ([b"src"], b"new"),
    ([b"src/"], b"new"),
    ([b"src/."], b"new"),
    ([b"src/d/.."], b"new"),
    ([b"./src//"], b"new/"),
    ([b"src/a"], b"new"),
    ([b"src/a"], b"new/"),
    ([b"src/a"], b"old"),
    ([b"src/a"], b"old/"),
    ([b"src/a"], b"old/x"),
    ([b"src/a"], b"link-to-old"),
    ([b"src/"], b"link-to-old"),
    ([b"src/"], b"link-to-old/"),
    ([b"src"], b"old"),
    ([b"src/a", b"src/d", b"other/"], b"old"),
    ([b"other", b"src"], b"new"),
    ([b"src/", b"other/"], b"new"),
    ([b"other/", b"src/"], b"old"),
    ([b"src/d/b", b"src/a"], b"new"),
    ([b"src/a", b"src/a"], b"new"),
    ([b"link-to-src"], b"new"),
    ([b"link-to-src/"], b"new"),
    ([b"nothing"], b"new"),
    ([b"nothing", b"src/a"], b"old"),
    ([b"src/a", b"src/d"], b"old/x"),
    ([b"src"], b"old/x"),
    ([b"src/"], b"old/x"),
    ([b"src/a"], b"no/where"),
    ([b"src/"], b"no/where"),
    ([b"."], b"../copy"),
]


@pytest.mark.needs_rsync
@pytest.mark.parametrize(("sources", "dest"), SHAPES, ids=lambda value: repr(value))
@pytest.mark.parametrize("options", ["-a", "-t", "-an"])
def test_shapes_are_rsyncs(here: bytes, sources: list[bytes], dest: bytes, options: str) -> None:
    """Every way to name sources and a destination gives rsync's tree, lines and exit code."""
    results = []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        create(
            top,
            Dir(
                {
                    b"src": TREE,
                    b"other": Dir({b"a": File(b"other"), b"d": Dir({b"c": File(b"3")}), b"z": Symlink(b"a")}),
                    b"old": Dir({b"x": File(b"old", mtime_ns=T - 10**10)}),
                    b"link-to-old": Symlink(b"old"),
                    b"link-to-src": Symlink(b"src"),
                }
            ),
        )
        result = command(options, "-i", *sources, dest, cwd=top)
        # Directories that are not copied, and what is not copied with its time, have the time of the run.
        results.append((result.code, sorted(result.lines), snapshot(top, times=False)))
        if b"../copy" in dest:
            subprocess.run(["rm", "-rf", os.path.join(here, b"copy")], check=True)
    assert results[0][:2] == results[1][:2]
    assert_same(results[0][2], results[1][2])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 1, b"no files were named"),
        (["a"], 23, b"a"),  # listed, if it existed
        (["--frobnicate", "a", "b"], 1, b"--frobnicate: unknown option"),
        (["--recursiv", "a", "b"], 1, b"--recursive"),
        (["-az", "a", "b"], 23, b"a"),
        (["-a", "--daemon", "a", "b"], 4, b"--daemon is refused"),
        (["--read-batch=x", "a", "b"], 4, b"--read-batch"),
        (["--no-whole-file", "a", "b"], 23, b"a"),
        (["host:a", "b"], 4, b"another machine"),
        (["a", "rsync://host/b"], 4, b"another machine"),
        (["", "b"], 1, b"empty"),
        (["--buffer-size=1", "a", "b"], 1, b"between"),
        (["--workers=-1", "a", "b"], 1, b"workers"),
    ],
)
def test_bad_command_lines(here: bytes, arguments: list[str], code: int, said: bytes) -> None:
    """Each is one clear message and rsync's exit code; nothing is made."""
    result = arsync(*arguments, cwd=here)
    assert result.code == code
    assert said in result.err
    assert b"Traceback" not in result.err
    assert os.listdir(here) == []


def test_destination_inside_source(here: bytes) -> None:
    """The destination is not copied into itself; everything else arrives, and it is said."""
    create(here, TREE)
    os.mkdir(os.path.join(here, b"backup"))
    for _ in range(2):
        result = arsync("-a", here + b"/", os.path.join(here, b"backup"))
        assert result.code == 0
        assert b"destination of this copy" in result.err
    assert sorted(os.listdir(os.path.join(here, b"backup"))) == [b"a", b"backup", b"d"]
    assert os.listdir(os.path.join(here, b"backup", b"backup")) == []


def test_source_inside_destination(here: bytes) -> None:
    """Copying a tree's part to its top works, and leaves the part alone."""
    create(here, TREE)
    before = snapshot(os.path.join(here, b"d"))
    assert arsync("-a", os.path.join(here, b"d/"), here).code == 0
    assert_same(before, snapshot(os.path.join(here, b"d")))
    assert os.path.exists(os.path.join(here, b"b"))


@pytest.mark.parametrize("options", ["-a", "-aI", "-aI --inplace", "-aIc", "-aH"])
def test_a_tree_onto_itself(here: bytes, options: str) -> None:
    """The same tree as source and destination stays what it is."""
    create(here, TREE)
    before = snapshot(here)
    assert arsync(*options.split(), here + b"/", here).code == 0
    assert not differences(before, snapshot(here))


@pytest.mark.needs_rsync
@pytest.mark.needs_root
def test_unreadable_directory(here: bytes) -> None:
    """As an ordinary user: one line for it, the rest is copied, exit code 23, as rsync."""
    create(
        os.path.join(here, b"src"),
        Dir({b"no": Dir({b"x": File()}, mode=0), b"secret": File(b"s", mode=0), b"y": File(b"y")}),
    )
    subprocess.run(["chown", "-R", str(NOBODY), here], check=True)
    results = []
    for name in (b"rsync", b"arsync"):
        dst = os.path.join(here, name)
        arguments = ("-ai", os.path.join(here, b"src/"), dst)
        result = arsync_as_nobody(*arguments) if name == b"arsync" else rsync(*arguments, nobody=True)
        results.append((result.code, result.out.replace(b"/" + name, b""), snapshot(dst, times=False)))
        assert result.err.count(b"Permission denied") == 2
    assert results[0] == results[1]


def test_symlink_loops_are_just_symlinks(here: bytes) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, Dir({b"a": Symlink(b"b"), b"b": Symlink(b"a"), b"self": Symlink(b".")}))
    assert arsync("-a", src + b"/", dst).code == 0
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.needs_root
@pytest.mark.parametrize("file_system", ["tmpfs", "ext4"], indirect=True)
def test_full_destination(place: tuple[str, bytes], here: bytes) -> None:
    """A full disk ends the run with rsync's code; what has a name is whole, and no temporary file is left."""
    _, top = place
    create(here, Dir({b"f%02d" % n: File(b"%d" % n * (20 << 20)) for n in range(30)}))
    result = arsync("-a", here + b"/", top + b"/dst")
    assert result.code == 11
    assert b"No space left on device" in result.err
    for name in os.listdir(top + b"/dst"):
        assert not name.startswith(b".")
        with open(os.path.join(here, name), "rb") as a, open(os.path.join(top, b"dst", name), "rb") as b:
            assert a.read() == b.read()


@pytest.mark.needs_root
@pytest.mark.parametrize("file_system", ["ext4"], indirect=True)
def test_read_only_destination(file_system: tuple[str, bytes], here: bytes) -> None:
    _, mount = file_system
    create(here, TREE)
    os.makedirs(os.path.join(mount, b"ro"), exist_ok=True)
    subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
    try:
        result = arsync("-a", here + b"/", mount + b"/ro")
    finally:
        subprocess.run(["mount", "-o", "remount,rw", mount], check=True)
    assert result.code == 23
    assert b"Read-only file system" in result.err


@pytest.mark.parametrize("engine", ["auto", "uring", "plain"])
def test_few_descriptors(here: bytes, engine: str) -> None:
    """With 32 descriptors everything arrives all the same, in a wide and a deep tree."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    deep: Dir = Dir({b"end": File(b"x")})
    for _ in range(40):
        deep = Dir({b"d": deep, b"f": File(b"y", mtime_ns=T)}, mtime_ns=T)
    wide = Dir({b"w%d" % n: Dir({b"%d" % k: File(b"z", mtime_ns=T) for k in range(20)}, mtime_ns=T) for n in range(40)})
    create(src, Dir({b"deep": deep, b"wide": wide}, mtime_ns=T))
    result = arsync(
        "-a", f"--io-engine={engine}", "--workers=2", src + b"/", dst,
        before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)),
    )  # fmt: skip
    if engine == "uring" and b"io_uring cannot be used" in result.err:
        pytest.skip(os.fsdecode(result.err))
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


def test_little_locked_memory(here: bytes) -> None:
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, TREE)
    limit = (64 << 10, 64 << 10)
    result = arsync("-a", src + b"/", dst, before=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, limit))
    assert (result.code, result.err) == (0, b"")
    assert_same(snapshot(src), snapshot(dst))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_deeper_than_path_max(here: bytes, workers: str) -> None:
    """Nothing is done by path, so a tree may be deeper than a path can be long."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    os.mkdir(src)
    fd = os.open(src, os.O_RDONLY)
    for _ in range(40):
        os.mkdir(b"d" * 200, dir_fd=fd)
        inner = os.open(b"d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
        os.close(os.open(b"file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    result = arsync("-a", f"--workers={workers}", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    count = subprocess.run(["find", dst, "-name", "file"], capture_output=True, check=True).stdout.count(b"/file\n")
    assert count == 40


@pytest.mark.needs_root
def test_makes_a_destination_in_a_directory_that_cannot_be_read(here: bytes) -> None:
    create(os.path.join(here, b"src"), Dir({b"f": File(b"x")}))
    create(os.path.join(here, b"drop"), Dir(mode=0o333))
    for command, name in ((arsync_as_nobody, "drop/ours"), (rsync, "drop/theirs")):
        own = {"nobody": True} if command is rsync else {}
        assert command("-a", "src/", name, cwd=here, **own).code == 0
        assert os.listdir(os.path.join(here, os.fsencode(name))) == [b"f"]
