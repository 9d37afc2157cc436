"""Deletion together with -b: what is deleted is kept, as by rsync."""

from __future__ import annotations

import os

import pytest

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, Hardlink, Symlink, create

T = 10**18
OLD = Dir(
    {
        b"f": File(b"old f", mtime_ns=T),
        b"gone": File(b"gone", mtime_ns=T),
        b"link": Symlink(b"gone", T),
        b"before~": File(b"an older backup", mtime_ns=T),
        b"d": Dir({b"x": File(b"x", mtime_ns=T), b"e": Dir({b"y": File(b"y", mtime_ns=T)}, mtime_ns=T)}, mtime_ns=T),
        b"empty": Dir({}, mtime_ns=T),
    },
    mtime_ns=T,
)


@pytest.mark.needs_rsync
@pytest.mark.parametrize("when", ["--delete", "--delete-before", "--delete-during", "--delete-delay", "--delete-after"])
@pytest.mark.parametrize("how", ["-b", "-b --suffix=.old", "--backup-dir=../kept", "-b --delete-excluded"])
def test_what_is_deleted_is_kept(here: bytes, when: str, how: str) -> None:
    results = []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        src, dst = os.path.join(top, b"src"), os.path.join(top, b"dst")
        create(src, Dir({b"f": File(b"new", mtime_ns=T), b"g": File(b"g", mtime_ns=T)}, mtime_ns=T))
        create(dst, OLD)
        done = command("-ai", when, *how.split(), src + b"/", dst)
        trees = snapshot(top, times=False)
        results.append((done.code, sorted(done.lines), trees))
    assert results[0][0] == results[1][0]
    assert_same(results[0][2], results[1][2])
    assert results[0][1] == results[1][1]


def test_what_has_the_name_of_its_backup_already_is_deleted(here: bytes) -> None:
    """A run that was killed when it had linked the backup leaves both names; renaming one over the other does
    nothing."""
    create(os.path.join(here, b"src"), Dir({b"f": File()}))
    create(os.path.join(here, b"dst"), Dir({b"gone": File(b"gone", mtime_ns=T), b"gone~": Hardlink(b"gone")}))
    done = arsync("-ai", "-b", "--delete", b"src/", b"dst", cwd=here)
    assert (done.code, done.err) == (0, b"")
    assert sorted(os.listdir(os.path.join(here, b"dst"))) == [b"f", b"gone~"]
