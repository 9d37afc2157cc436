"""Deep trees: what is held of each directory must not grow with its depth, nor the work of opening it again."""

from __future__ import annotations

import os
import sys

import pytest

from arsync.engine.tree import Node
from arsync.fs import directory
from arsync.fs.directory import DirectoryFd, DirectoryTable


def _nested(levels: int, name: bytes) -> list[Node]:
    nodes = [Node(None, b"", lambda _: None)]
    for _ in range(levels):
        nodes.append(Node(nodes[-1], nodes[-1].path + name + b"/", lambda _: None))
    return nodes


@pytest.mark.parametrize("name", [b"n", b"name", b"n" * 255])
def test_a_path_is_whole_however_it_is_held(name: bytes) -> None:
    nodes = _nested(700, name)
    for depth in (0, 1, 15, 16, 17, 18, 350, 700):
        assert nodes[depth].path == (name + b"/") * depth


def test_the_top_of_an_absolute_destination_has_a_path_too() -> None:
    top = Node(None, b"", lambda _: None)
    top.path = b"/"
    assert Node(top, top.path + b"x" * 5000 + b"/", lambda _: None).path == b"/" + b"x" * 5000 + b"/"


def test_what_is_held_of_a_path_is_bounded() -> None:
    held = [sys.getsizeof(node._path) for node in _nested(700, b"n" * 255)]
    assert max(held) < 4096 + 2 * 256


@pytest.mark.parametrize("budget", [4, 100, 5000])
def test_leaving_a_deep_tree_opens_few_directories_again(
    here: bytes, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = 600
    table = DirectoryTable(budget)
    held = [DirectoryFd(table, os.open(here, os.O_RDONLY), None, b"")]
    for _ in range(levels):
        with held[-1].pinned() as fd:
            os.mkdir(b"d", dir_fd=fd)
            held.append(DirectoryFd(table, os.open(b"d", os.O_RDONLY, dir_fd=fd), held[-1], b"d"))
    opened = 0

    class Counting:
        def open(self, *arguments: object, **options: object) -> int:
            nonlocal opened
            opened += 1
            return os.open(*arguments, **options)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    monkeypatch.setattr(directory, "os", Counting())
    for node in reversed(held):
        with node.pinned() as fd:
            assert os.fstat(fd).st_ino == node.inode
        assert len(table.held) <= budget
    table.close()
    # From the top each time: 180,000.
    assert opened <= {4: 180_000, 100: 40_000, 5000: 0}[budget]


def test_a_directory_replaced_on_the_way_is_noticed_and_nothing_stays_open(here: bytes) -> None:
    table = DirectoryTable(64)
    held = [DirectoryFd(table, os.open(here, os.O_RDONLY), None, b"")]
    for _ in range(10):
        with held[-1].pinned() as fd:
            os.mkdir(b"d", dir_fd=fd)
            held.append(DirectoryFd(table, os.open(b"d", os.O_RDONLY, dir_fd=fd), held[-1], b"d"))
    for node in held[1:]:
        node.close_descriptor()
    os.rename(os.path.join(here, b"d/d/d/d"), os.path.join(here, b"moved"))
    os.mkdir(os.path.join(here, b"d/d/d/d"))
    before = os.listdir("/proc/self/fd")
    with pytest.raises(OSError, match="was replaced"):
        held[-1].pin()
    assert os.listdir("/proc/self/fd") == before
    table.close()
