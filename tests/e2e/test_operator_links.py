"""Symlinks of other users on paths that options name, and the destination's, beside rsync."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from support.commands import NOBODY, arsync, rsync, run
from support.forked import Forked
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

T = 1_600_000_000 * 10**9
SOURCE = Dir({b"a": File(b"new", mtime_ns=T), b"b": File(b"b", mtime_ns=T)}, mtime_ns=T)


def prepare(here: bytes, owner: int) -> None:
    """A directory with a source, a destination, what options name, and symlinks to each: ``to_NAME``."""
    create(os.path.join(here, b"s"), SOURCE)
    create(os.path.join(here, b"d"), Dir({b"a": File(b"old", mtime_ns=T - 10**9)}, mtime_ns=T))
    create(os.path.join(here, b"rules"), File(b"- b\n", mtime_ns=T))
    create(os.path.join(here, b"list"), File(b"a\n", mtime_ns=T))
    create(os.path.join(here, b"other"), Dir({b"in": Dir(mtime_ns=T)}, mtime_ns=T))
    for name in (b"d", b"rules", b"list", b"other", b"s"):
        os.symlink(name, os.path.join(here, b"to_" + name))
        os.chown(os.path.join(here, b"to_" + name), owner, owner, follow_symlinks=False)


@pytest.mark.parametrize("owner", [0, NOBODY])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--backup", "--backup-dir=../to_other", "s/", "d"],
        ["--backup", "--backup-dir=../to_other/in", "s/", "d"],
        ["--backup", "--backup-dir=../to_other/new/er", "s/", "d"],
        ["--backup", "--delete", "--backup-dir=../to_other", "to_s/", "d"],
        ["--link-dest=../to_s", "s/", "d"],
        ["--exclude-from=to_rules", "s/", "d"],
        ["--filter=. to_rules", "s/", "d"],
        ["--filter=: ../to_rules", "s/", "d"],
        ["--files-from=to_list", "s", "d"],
        ["s/", "to_d"],
        ["s/", "to_d/"],
        ["s/", "to_other/new"],
        ["s/a", "to_other/new"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("insecure", [[], ["--insecure-links"]], ids=str)
def test_symlinks_of_others(here: bytes, arguments: list[str], insecure: list[str], owner: int) -> None:
    codes, snapshots = [], []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        os.mkdir(top)
        prepare(top, owner)
        codes.append(command("-a", *insecure, *arguments, cwd=top))
        snapshots.append(snapshot(top, times=False))
    if codes[0].code == codes[1].code or arguments[0] != "--backup":
        assert codes[1].code == codes[0].code, codes[1]
        if codes[0].code == 3:  # rsync may have made the destination by then
            snapshots[0].pop(b"other/new", None)
        assert_same(*snapshots)
    else:  # rsync gives up with the first file, arsync goes on with others
        assert (codes[0].code, codes[1].code) == (11, 23)
        with open(os.path.join(here, b"arsync/d/a"), "rb") as file:
            assert file.read() == b"old"
        assert os.listdir(os.path.join(here, b"arsync/other")) == [b"in"]


@pytest.mark.parametrize("option", ["--temp-dir", "--partial-dir"])
def test_where_files_are_while_they_are_written(here: bytes, option: str) -> None:
    prepare(here, NOBODY)
    os.chmod(os.path.join(here, b"other"), 0o777)
    done = arsync("-a", f"{option}={os.fsdecode(here)}/to_other", "s/", "d", cwd=here)
    with open(os.path.join(here, b"d/a"), "rb") as file:
        assert file.read() == (b"new" if option == "--partial-dir" else b"old")
    assert (done.code == 0) == (option == "--partial-dir")
    assert os.listdir(os.path.join(here, b"other")) == [b"in"]
    assert arsync("-a", f"{option}={os.fsdecode(here)}/to_other", "--insecure-links", "s/", "d", cwd=here).code == 0


@pytest.mark.parametrize("owner", [0, NOBODY])
def test_a_planted_way_to_the_staging_directory(here: bytes, owner: int) -> None:
    """Nothing is made where a symlink of somebody else leads, not even the directory that would then be refused."""
    prepare(here, owner)
    os.chmod(os.path.join(here, b"other"), 0o777)
    os.symlink(b"../other", os.path.join(here, b"d/plant"))
    os.chown(os.path.join(here, b"d/plant"), owner, owner, follow_symlinks=False)
    done = arsync("-a", "--delay-updates", "--partial-dir=plant/parts", "s/", "d", cwd=here)
    with open(os.path.join(here, b"d/a"), "rb") as file:
        assert (done.code, file.read()) == ((23, b"old") if owner else (0, b"new"))
    assert os.listdir(os.path.join(here, b"other")) == [b"in"]
    assert (b"another user" in done.err) == bool(owner)


def test_parts_in_a_directory_of_a_directory(here: bytes) -> None:
    """Its last component is made, and removed again; one before it has to be there."""
    prepare(here, 0)
    os.mkdir(os.path.join(here, b"d/.keep"))
    assert arsync("-a", "--delay-updates", "--partial-dir=.keep/parts/", "s/", "d", cwd=here).code == 0
    assert (os.listdir(os.path.join(here, b"d/.keep")), os.listdir(os.path.join(here, b"other"))) == ([], [b"in"])
    os.unlink(os.path.join(here, b"d/a"))
    done = arsync("-a", "--delay-updates", "--partial-dir=.none/parts", "s/", "d", cwd=here)
    assert (done.code, os.listdir(os.path.join(here, b"d")).count(b".none")) == (23, 0)


@pytest.mark.parametrize(
    "options", [[], ["--insecure-links"], ["--confine-root={}/s"], ["--confine-root={}/d"]], ids=str
)
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_merge_files_in_the_tree(here: bytes, options: list[str], owner: int) -> None:
    """Somebody who may write to the source does not make a run read files of others."""
    snapshots = []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        os.mkdir(top)
        prepare(top, 0)
        os.symlink(b"../rules", os.path.join(top, b"s/.rsync-filter"))
        os.chown(os.path.join(top, b"s/.rsync-filter"), owner, owner, follow_symlinks=False)
        given = [option.format(os.fsdecode(top)) for option in options]
        assert command("-aF", *given, "s/", "d", cwd=top).code == 0
        snapshots.append(snapshot(top, times=False))
    assert_same(*snapshots)


@pytest.mark.parametrize(
    "arguments",
    [["--backup", "--backup-dir=../other", "s/", "d"], ["--exclude-from=rules", "s/", "d"], ["s/", "d"],
     ["--log-file=other/log", "s/", "d"]],
    ids=" ".join,
)  # fmt: skip
def test_confined(here: bytes, arguments: list[str]) -> None:
    """Directories that options name are; the destination and files are not."""
    results = []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        os.mkdir(top)
        prepare(top, 0)
        command("-a", f"--confine-root={os.fsdecode(top)}/d", *arguments, cwd=top)
        with open(os.path.join(top, b"d/a"), "rb") as file:
            results.append((file.read(), sorted(os.listdir(os.path.join(top, b"other")))))
    assert results[1] == results[0]


@pytest.mark.parametrize(
    "arguments",
    ["-a --exclude-from=<(echo b) s/ d", "-a --files-from=<(echo b) s/ d", "-a --filter='. /dev/fd/5' s/ d 5<rules",
     "-a --include-from=/dev/stdin --exclude='*' s/ d <list", "-a --log-file=/proc/self/fd/1 s/ d"],
)  # fmt: skip
def test_descriptors(here: bytes, arguments: str) -> None:
    """What a shell gives for a path: symlinks in procfs that say no path."""
    snapshots = []
    for command in ("rsync", f"{sys.executable} -m arsync"):
        top = os.path.join(here, b"r" if command == "rsync" else b"a")
        os.mkdir(top)
        prepare(top, 0)
        done = run(["bash", "-c", f"{command} {arguments}"], cwd=top)
        assert (done.code, done.err) == (0, b"")
        assert bool(done.out) == ("log-file" in arguments)
        snapshots.append(snapshot(top, times=False))
    assert_same(*snapshots)


@pytest.mark.parametrize(
    "options",
    [["-a"], ["-a", "--copy-unsafe-links"], ["-ak"], ["-ak", "--confine-root={}/s"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("owner", [0, NOBODY])
@pytest.mark.parametrize("entry", [b"way/in", b"way/"])
def test_symlinks_on_the_way_of_a_list(here: bytes, options: list[str], owner: int, entry: bytes) -> None:
    """A list names what is below the source: nobody else says with a symlink what that is."""
    results = []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        os.mkdir(top)
        prepare(top, 0)
        create(os.path.join(top, b"s/own"), Dir({b"in": File(b"in", mtime_ns=T)}, mtime_ns=T))
        os.symlink(b"../other", os.path.join(top, b"s/way"))
        os.chown(os.path.join(top, b"s/way"), owner, owner, follow_symlinks=False)
        create(os.path.join(top, b"names"), File(entry + b"\n"))
        given = [option.format(os.fsdecode(top)) for option in options]
        done = command(*given, "--files-from=names", "s", "d2", cwd=top)
        if command is arsync and owner and done.code:
            assert b"belongs to another user" in done.err or b"leads out" in done.err
        made = os.path.join(top, b"d2")
        results.append((done.code, sorted(snapshot(made)) if os.path.exists(made) else []))
    if results[0] == (23, []):
        assert results[1][0] == 23
        assert results[1][1] in ([], [b""])
    else:
        assert results[1] == results[0]


LISTED = Dir(
    {
        b"in": Dir({b"f": File(b"in", mtime_ns=T)}, mtime_ns=T),
        b"deep": Dir({b"er": Dir({b"f": File(b"deep", mtime_ns=T)}, mtime_ns=T)}, mtime_ns=T),
    },
    mtime_ns=T,
)
LINKS = {
    b"out": b"../other", b"inner": b"in", b"file": b"../other/f", b"deep/up": b"../../other",
}  # fmt: skip
NAMED = [b"in/f", b"out/f", b"out/", b"inner/f", b"file", b"deep/er/f", b"deep/up/f", b"deep/./er/f", b"."]


@pytest.fixture(scope="module")
def runner() -> Iterator[Forked]:
    with Forked() as forked:
        yield forked


@pytest.mark.parametrize(
    "option", ["", "--confine-root={}", "--confine-root={}/s", "--confine-root={}/s/deep", "--insecure-links"]
)
@pytest.mark.parametrize("more", [["-a"], ["-rL"], ["-a", "--no-R"], ["-a", "--no-implied-dirs"]], ids=" ".join)
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_what_a_list_names(here: bytes, runner: Forked, owner: int, more: list[str], option: str) -> None:
    """A symlink of somebody else on the way to it is not followed, nor one that leads out of --confine-root."""
    forked = partial(runner.run, notes=os.path.join(here, b"notes"))
    for line in NAMED:
        codes, snapshots = [], []
        for command in (rsync, forked):
            top = os.path.join(here, b"rsync" if command is rsync else b"arsync")
            shutil.rmtree(top, ignore_errors=True)
            create(os.path.join(top, b"s"), LISTED)
            create(os.path.join(top, b"other"), Dir({b"f": File(b"out", mtime_ns=T)}, mtime_ns=T))
            create(os.path.join(top, b"d"), Dir(mtime_ns=T))
            create(os.path.join(top, b"list"), File(line + b"\n", mtime_ns=T))
            for name, target in LINKS.items():
                os.symlink(target, os.path.join(top, b"s", name))
                os.chown(os.path.join(top, b"s", name), owner, owner, follow_symlinks=False)
                os.utime(os.path.join(top, b"s", name), ns=(T, T), follow_symlinks=False)
            given = [option.format(os.fsdecode(top))] if option else []
            codes.append(command(*more, *given, "--files-from=list", "s", "d", cwd=top))
            snapshots.append(snapshot(os.path.join(top, b"d"), times=False))
        if codes[0].code == 2:
            continue  # its own processes do not understand each other
        if (
            "--no-R" in more
            and owner
            and line in (b"out/", b"out/f", b"inner/f", b"deep/up/f")
            and "insecure" not in option
        ):
            assert codes[1].code == 23  # rsync asks who made a symlink only with -R
            continue
        assert codes[1].code == codes[0].code, (line, codes)
        assert_same(*snapshots)


def test_nothing_outside_is_on_the_way_to_what_is_missing(here: bytes) -> None:
    """--delete-missing-args copies the directories on the way to what does not exist: those below the root only."""
    create(os.path.join(here, b"s"), Dir({b"out": Symlink(b"../other")}))
    create(os.path.join(here, b"other"), Dir(mode=0o751, mtime_ns=T))
    create(os.path.join(here, b"list"), File(b"out/gone/x\n"))
    root = b"--confine-root=" + os.path.join(here, b"s")
    done = arsync("-a", "--delete-missing-args", root, "--files-from=list", "s", "d", cwd=here)
    assert done.code == 23
    assert b"Invalid cross-device link" in done.err or b"confine-root" in done.err
    assert not os.path.lexists(os.path.join(here, b"d/out"))
