"""The destination argument: what is known of it is known of the directory that is held."""

from __future__ import annotations

import os

import pytest

from arsync.config import CopyConfig
from arsync.engine.roots import Roots
from arsync.engine.tree import Node
from arsync.fs.directory import DirectoryTable


def test_one_that_another_run_has_made_is_looked_at_when_it_is_held(
    here: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is given to another directory right behind the opening."""
    dest, table = os.path.join(here, b"dst"), DirectoryTable(4)
    top = Node(None, b"", lambda _: None)
    roots = Roots(CopyConfig((here,), dest), top, table, 0o022)
    hold = Roots._hold

    def held_and_swapped(self: Roots, path: bytes) -> os.stat_result:
        st = hold(self, path)
        os.rename(path, path + b".held")
        os.mkdir(path)
        return st

    def made_by_another(_: Roots, path: bytes) -> bool:
        os.mkdir(path)
        return False

    monkeypatch.setattr(Roots, "_make", made_by_another)
    monkeypatch.setattr(Roots, "_hold", held_and_swapped)
    roots._make_destination(dest)
    assert top.existing is not None
    assert top.dst is not None
    assert top.existing.st_ino == top.dst.inode
    table.close()
