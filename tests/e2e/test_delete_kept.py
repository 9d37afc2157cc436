"""What is deleted and kept as a backup, and --delete-missing-args, beside rsync."""

from __future__ import annotations

import os
import shutil

import pytest

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, Fifo, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9

#: Lines that say the same in other words, or tell of rsync's own doings.
_OWN = (
    b"arsync", b"WARNING: parent", b"[", b"could not make", b"(new) backup_dir", b"backup_dir", b"delta", b"removing",
    b"deleting in", b"sent ", b"total", b"rsync", b"file has vanished", b"building", b"done", b"this process",
    b"worker", b"Number of files:", b"File list", b"Total bytes",
)  # fmt: skip


def file(content: bytes = b"x") -> File:
    return File(content, mtime_ns=T)


def folder(mode: int = 0o755, **entries: Entry) -> Dir:
    return Dir({name.encode(): entry for name, entry in entries.items()}, mode=mode, mtime_ns=T)


SOURCE = folder(keep=file(), way=file(), way2=file(), adir=folder(q=file()), same=folder())
DEST = Dir(
    {
        b"gone": folder(0o750, f=file(), sub=folder(g=file(), deep=folder(h=file())), empty=folder()),
        b"many": Dir({b"f%d" % number: file() for number in range(20)}, mtime_ns=T),
        b"link": Symlink(b"nowhere", T),
        b"pipe": Fifo(mtime_ns=T),
        b"old": file(),
        b"old~": file(b"older"),
        b"keep": file(b"another"),
        b"adir": file(),
        b"way": folder(w=file()),
        b"way2": folder(),
        b"same": folder(z=file()),
    },
    mtime_ns=T,
)


def compare(here: bytes, arguments: list[str], source: Entry, dest: Entry, own: tuple[str, ...] = ()) -> None:
    """Run both on equal trees, twice, and compare what they say, the exit codes, and all that is there afterwards."""
    results, snapshots = [], []
    for command, more in ((rsync, ()), (arsync, own)):
        shutil.rmtree(here)
        os.mkdir(here)
        create(os.path.join(here, b"src"), source)
        create(os.path.join(here, b"dst"), dest)
        create(os.path.join(here, b"list"), file(b"gone\nold\nlink\nway2\nsame/z\nsame/keep\nnone\nno/such\nadir/q\n"))
        done = [command(*arguments, *more, "dst", cwd=here) for _ in range(2)]
        lines = [sorted(line for line in run.lines if line and not line.startswith(_OWN)) for run in done]
        if "-n" in arguments:  # rsync then tells of some backups twice
            lines = [sorted(set(said)) for said in lines]
        results.append(([run.code for run in done], lines))
        snapshots.append(snapshot(here, times=False))
    assert results[1] == results[0]
    assert_same(*snapshots)


@pytest.mark.parametrize("own", [(), ("--workers=2",)], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        ["--delete"],
        ["--delete-before"],
        ["--delete-delay", "--suffix=.old"],
        ["--delete-after", "--backup-dir=../kept"],
        ["--delete", "--backup-dir=../kept/a/b", "--suffix=.1"],
        ["--delete", "--backup-dir=inside"],
        ["--delete", "--delete-excluded"],
        ["--delete", "--exclude=f*", "--filter=P h"],
        ["--delete", "--max-delete=4"],
        ["--force"],
        ["-n", "--delete"],
        ["-n", "--delete", "--backup-dir=../kept"],
    ],
    ids=" ".join,
)
def test_deleted_entries_are_kept(here: bytes, options: list[str], own: tuple[str, ...]) -> None:
    compare(here, ["-aib", "--info=backup", *options, "src/"], SOURCE, DEST, own)


@pytest.mark.parametrize("named", [["--files-from=list", "src"], [f"src/{name}" for name in (
    "gone", "old", "link", "way2", "none", "same", "adir")]], ids=["list", "arguments"])  # fmt: skip
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--force"],
        ["--delete"],
        ["-b", "--force"],
        ["-b", "--force", "--backup-dir=../kept"],
        ["--force", "--max-delete=3"],
        ["--force", "--filter=P old", "--filter=P h"],
        ["--force", "--filter=H link", "--exclude=g"],
        ["-n", "--force", "--stats"],
    ],
    ids=" ".join,
)
def test_missing_arguments(here: bytes, options: list[str], named: list[str]) -> None:
    source = folder(keep=file(), adir=folder(), same=folder(keep=file()))
    dest = Dir({name: entry for name, entry in DEST.entries.items() if name != b"adir"}, mtime_ns=T)
    compare(here, ["-ai", "--info=backup", "--delete-missing-args", *options, *named], source, dest)


def test_a_missing_argument_is_not_looked_for_behind_a_symlink(here: bytes) -> None:
    create(os.path.join(here, b"src"), folder())
    create(os.path.join(here, b"dst"), folder(link=Symlink(b"../other", T)))
    create(os.path.join(here, b"other"), folder(f=file()))
    create(os.path.join(here, b"list"), file(b"link/f\n"))
    arsync("-a", "--delete-missing-args", "--force", "--files-from=list", "src", "dst", cwd=here)
    assert os.path.exists(os.path.join(here, b"other/f"))


@pytest.mark.needs_root
@pytest.mark.parametrize("own", [(), ("--workers=2",)], ids=str)
def test_what_cannot_be_kept_is_not_deleted(here: bytes, own: tuple[str, ...]) -> None:
    """A file stands where backups should go: nothing is lost."""
    many = Dir({b"f%d" % number: file() for number in range(20)}, mtime_ns=T)
    create(os.path.join(here, b"src"), folder(d=folder()))
    create(os.path.join(here, b"dst"), folder(d=many))
    create(os.path.join(here, b"kept"), folder(d=file()))
    done = arsync("-ab", "--delete", "--backup-dir=../kept", *own, "src/", "dst", cwd=here)
    assert done.code == 23
    assert len(os.listdir(os.path.join(here, b"dst/d"))) == 20


@pytest.mark.parametrize("when", ["--delete", "--delete-before", "--delete-delay", "--delete-after"])
@pytest.mark.parametrize("more", [[], ["-m"], ["--ignore-errors"], ["--exclude=b"]], ids=str)
def test_a_symlink_that_cannot_be_followed_ends_deletion(here: bytes, when: str, more: list[str]) -> None:
    """What it led to may be gone for now only: its copy stays."""
    if "-m" in more and when in ("--delete", "--delete-delay"):
        pytest.skip("rsync lists everything first then, and deletes nothing at all")
    results, snapshots = [], []
    for command in (rsync, arsync):
        shutil.rmtree(here)
        os.mkdir(here)
        create(os.path.join(here, b"src"), folder(k=file(), sub=folder(b=Symlink(b"nowhere", T), f=file()), z=folder()))
        create(os.path.join(here, b"dst"), folder(sub=folder(b=file(), y=file()), z=folder(u=file())))
        done = command("-aiL", when, *more, "src/", "dst", cwd=here)
        results.append((done.code, sorted(done.lines)))
        snapshots.append(snapshot(here, times=False))
    assert results[1] == results[0]
    assert_same(*snapshots)
    assert (done.code == 0) == (more == ["--exclude=b"])
