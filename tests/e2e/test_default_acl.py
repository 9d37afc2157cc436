"""New entries in a directory with a default ACL, without -p: its permissions count in the place of the umask's."""

from __future__ import annotations

import os
import subprocess

import pytest

from conftest import usable
from support.commands import arsync, rsync
from support.snapshot import Snapshot, assert_same, snapshot
from support.trees import Dir, Fifo, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root, pytest.mark.needs_acl]

T = 1_600_000_000 * 10**9
ACLS = [
    "u::rwx,g::rwx,o::---",
    "u::rwx,u:1000:rwx,g::r-x,o::rwx",
    "u::rwx,u:1000:rwx,g::r-x,m::rx,o::---",
    "u::r-x,g::rwx,o::rwx",
]
SOURCE = Dir(
    {
        b"d": Dir({b"p": File(b"p", 0o600), b"x": File(b"x", 0o777)}, 0o777, T),
        b"e": Dir({}, 0o700, T),
        b"f": File(b"f", 0o666, T),
        b"fifo": Fifo(0o666, T),
        b"l": Symlink(b"f", T),
        b"large": File(b"l" * 300_000, 0o660, T),
        b"set": File(b"s", 0o4775, T),
        b"x": File(b"x", 0o755, T),
    },
    0o755,
    T,
)


@pytest.mark.parametrize(
    ("options", "acl"),
    [
        *(("-rlt", acl) for acl in ACLS),
        *(("-rltD", acl) for acl in ACLS[1:3]),
        ("-rltp", ACLS[1]),
        ("-rltE", ACLS[2]),
        ("-rlt --chmod=a=rwx", ACLS[0]),
        ("-rltDA", ACLS[2]),
        ("-rt --inplace", ACLS[3]),
    ],
)
def test_new_entries(here: bytes, options: str, acl: str) -> None:
    create(os.path.join(here, b"src"), SOURCE)
    results: list[tuple[int, Snapshot]] = []
    for command, name, own in (
        (rsync, b"a", []),
        (arsync, b"b", []),
        *((arsync, b"c", own) for own in usable([["--workers=2", "--io-engine=uring"]])),
    ):
        dest = os.path.join(here, name)
        os.mkdir(dest)
        create(os.path.join(dest, b"f"), File(b"old", 0o604))
        subprocess.run(["setfacl", "-d", "-m", acl, dest], check=True)
        done = command(*options.split(), *own, "src/", os.fsdecode(name), cwd=here)
        command(*options.split(), *own, "src/f", "src/d", os.fsdecode(name) + "/made", cwd=here)
        command(*options.split(), *own, "-R", "--no-implied-dirs", "src/d/x", os.fsdecode(name), cwd=here)
        results.append((done.code, snapshot(dest, times=False)))
    for code, found in results[1:]:
        assert code == results[0][0]
        assert_same(results[0][1], found)
