"""Large trees in which little is to be done: many files are passed over at once, and the few that differ are found."""

from __future__ import annotations

import os
import shutil

import pytest

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot

DIRECTORIES, FILES = 15, 400


def _make(top: bytes) -> None:
    for directory in range(DIRECTORIES):
        where = os.path.join(top, b"d%02d" % directory)
        os.makedirs(where)
        for number in range(FILES):
            path = os.path.join(where, b"f%03d" % number)
            with open(path, "wb") as file:
                file.write(b"%d" % number)
            os.utime(path, ns=(0, 10**18 + number))
        os.utime(where, ns=(0, 10**18))


def _change(top: bytes) -> None:
    """Something in every third directory, each time in another place and of another kind."""
    for directory in range(0, DIRECTORIES, 3):
        path = os.path.join(top, b"d%02d" % directory, b"f%03d" % (directory * 13))
        kind = directory // 3 % 5
        if kind == 0:
            with open(path, "ab") as file:
                file.write(b"more")
        elif kind == 1:
            os.chmod(path, 0o600)
        elif kind == 2:
            os.unlink(path)
            os.symlink(b"elsewhere", path)
            os.utime(path, ns=(0, 10**18), follow_symlinks=False)
        elif kind == 3:
            os.utime(path, ns=(0, 2 * 10**18))
        else:
            os.link(path, path + b"-link")
        os.utime(os.path.dirname(path), ns=(0, 10**18))


@pytest.mark.needs_rsync
@pytest.mark.parametrize(
    "options", [["-ai", "--workers=1"], ["-aiH", "--workers=1"], ["-ai", "--delete", "--workers=2"]]
)
def test_few_changes(here: bytes, options: list[str]) -> None:
    """rsync's lines, rsync's tree; what is changed in the destination counts as what is changed in the source."""
    src, mine, its = (os.path.join(here, name) for name in (b"src", b"mine", b"its"))
    _make(src)
    for copy in (mine, its):
        shutil.copytree(src, copy)
        with open(os.path.join(copy, b"d01", b"f399"), "ab") as file:
            file.write(b"not the source's")
        os.unlink(os.path.join(copy, b"d04", b"f000"))
        shutil.copystat(os.path.join(src, b"d04"), os.path.join(copy, b"d04"))
    _change(src)
    expected = rsync(*(option for option in options if "workers" not in option), src + b"/", its + b"/")
    result = arsync(*options, src + b"/", mine + b"/")
    assert (result.code, result.err) == (0, b"")
    assert result.out == expected.out
    assert_same(snapshot(its), snapshot(mine))
    assert arsync(*options, src + b"/", mine + b"/").out == b""
