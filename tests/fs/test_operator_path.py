"""Directories that a person names: symlinks on the way are trusted as rsync 3.5 trusts them."""

from __future__ import annotations

import errno
import os

import pytest

from arsync.fs.operator_path import OperatorPaths
from support.commands import NOBODY
from support.trees import Dir, File, Symlink, create

TREE = Dir(
    {
        b"real": Dir({b"in": Dir()}),
        b"link": Symlink(b"real"),
        b"chain": Symlink(b"./link/../link"),
        b"loop": Symlink(b"loop"),
        b"file": File(),
        b"dangling": Symlink(b"nowhere"),
    }
)


@pytest.fixture
def base(here: bytes) -> int:
    create(os.path.join(here, b"top"), TREE)
    os.symlink(os.path.join(here, b"top"), os.path.join(here, b"top", b"absolute"))
    return os.open(os.path.join(here, b"top"), os.O_RDONLY)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        (b"real/in", b"real/in"), (b"link/in/", b"real/in"), (b"chain//in", b"real/in"), (b".", b"."),
        (b"real/../link", b"real"), (b"absolute/chain/in", b"real/in"), (b"../top/real", b"real"),
    ],
)  # fmt: skip
def test_opens(here: bytes, base: int, path: bytes, leads_to: bytes) -> None:
    for argument in (path, os.path.join(here, b"top", path)):
        fd = OperatorPaths().directory(argument, base)
        assert os.path.samestat(os.fstat(fd), os.stat(os.path.join(here, b"top", leads_to)))
        os.listdir(fd)
        os.close(fd)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"nowhere", errno.ENOENT), (b"file", errno.ENOTDIR), (b"file/x", errno.ENOTDIR), (b"loop", errno.ELOOP),
        (b"dangling", errno.ENOENT),
    ],
)  # fmt: skip
def test_refuses(base: int, path: bytes, number: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError) as caught:
        OperatorPaths().directory(path, base)
    assert caught.value.errno == number
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.needs_root
@pytest.mark.parametrize("name", [b"link", b"chain", b"absolute"])
def test_a_link_of_somebody_else(here: bytes, base: int, name: bytes) -> None:
    os.chown(os.path.join(here, b"top", name), NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(OSError, match="another user") as caught:
        OperatorPaths().directory(name, base)
    assert caught.value.errno == errno.ELOOP
    os.close(OperatorPaths(insecure_links=True).directory(name, base))


def test_confined(here: bytes, base: int) -> None:
    root = os.path.join(here, b"top", b"real")
    os.close(OperatorPaths(confine_root=root).directory(b"link/in", base))
    os.close(OperatorPaths(confine_root=b"/").directory(b"..", base))
    for path in (b".", b"real/..", b"/"):
        with pytest.raises(OSError, match="confine-root") as caught:
            OperatorPaths(confine_root=root).directory(path, base)
        assert caught.value.errno == errno.EXDEV
