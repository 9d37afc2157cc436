"""How much of a tree is behind the traversal, and how large it is: estimates that come out right at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from arsync.config import CopyConfig
from arsync.engine.measure import Measure
from arsync.engine.run import run
from arsync.engine.traverse import Traversal
from arsync.fs.directory import DirectoryFd, DirectoryTable
from support.inprocess import Collected
from support.trees import Dir, File, Symlink, create

DEEP = Dir({b"d": Dir({b"d": Dir({b"d": Dir({b"f": File(b"x")}), b"f": File(b"xx")})}), b"e": Dir({})})
WIDE = Dir({b"d%02d" % d: Dir({b"f%d" % f: File(b"1234") for f in range(d)}) for d in range(20)})


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Traversal, list[float]]]:
    """Each traversal of the test, and its share at each step."""
    found: list[tuple[Traversal, list[float]]] = []
    walk = Traversal.walk

    def watched(self: Traversal, *arguments: Any) -> Iterator[Any]:
        shares: list[float] = []
        found.append((self, shares))
        for step in walk(self, *arguments):
            shares.append(self.share)
            yield step

    monkeypatch.setattr(Traversal, "walk", watched)
    return found


@pytest.mark.parametrize("tree", [DEEP, WIDE, Dir({}), Dir({b"f": File(b"x")})], ids=["deep", "wide", "empty", "file"])
@pytest.mark.parametrize(
    "more", [{}, {"relative": True}, {"recursive": False, "dirs": True}, {"filters": (("exclude", b"d1*"),)}], ids=str
)
def test_the_shares_of_all_directories_are_all(
    here: bytes, walks: list[tuple[Traversal, list[float]]], tree: Dir, more: dict[str, Any]
) -> None:
    create(os.path.join(here, b"a"), tree)
    create(os.path.join(here, b"b"), DEEP)
    sources = (os.path.join(here, b"a/"), os.path.join(here, b"b"))
    run(CopyConfig(sources, os.path.join(here, b"dst"), **{"recursive": True} | more), Collected())
    ((walk, shares),) = walks
    assert shares == sorted(shares)
    assert walk.share == pytest.approx(1.0)


def test_like_directories_have_like_shares(here: bytes, walks: list[tuple[Traversal, list[float]]]) -> None:
    """In a tree of ten directories that are all the same, each is nearly a tenth."""
    create(os.path.join(here, b"a"), Dir({b"%d" % d: Dir({b"f%d" % f: File() for f in range(30)}) for d in range(10)}))
    run(CopyConfig((os.path.join(here, b"a/"),), os.path.join(here, b"dst"), recursive=True), Collected())
    ((_, shares),) = walks
    assert shares == pytest.approx([n / 10 for n in range(1, 11)], abs=0.001)


@pytest.fixture
def directory(here: bytes) -> Iterator[DirectoryFd]:
    create(os.path.join(here, b"d"), Dir({b"f%02d" % n: File(b"x" * n) for n in range(40)} | {b"l": Symlink(b"abc")}))
    table = DirectoryTable(8)
    held = DirectoryFd(table, os.open(os.path.join(here, b"d"), os.O_RDONLY | os.O_DIRECTORY), None, b"d")
    yield held
    held.close()
    table.close()


NAMES = [b"f%02d" % n for n in range(40)]


@pytest.mark.parametrize("whole", [True, False])
def test_sizes_are_added_up(directory: DirectoryFd, whole: bool) -> None:
    measure = Measure(whole=whole)
    measure.add(directory, [*NAMES, b"l", b"gone"])
    assert (measure.size, measure.entries, measure.missed) == (sum(range(40)) + 3, 42, 0)


@pytest.mark.parametrize("clock", ["thread_time", "monotonic"])
def test_a_sample_is_enough_where_it_takes_long(
    directory: DirectoryFd, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    """Long in CPU time, or long because storage waits."""
    now = [1000.0]

    def later() -> float:
        now[0] += 100.0
        return now[0]

    monkeypatch.setattr(f"time.{clock}", later)
    measure, everything = Measure(whole=False), Measure(whole=True)
    for each in (measure, everything):
        each.add(directory, NAMES)
    assert (measure.entries, measure.missed) == (16, 24)
    assert (everything.entries, everything.missed) == (40, 0)
