"""Every system call of a run fails once, in every way its manual page lists: nothing is lost, nothing is left behind.

By default every sixth call fails in one of its ways, another one from call to call. ARSYNC_FAULTS=all tries every way
of every call (some minutes).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from arsync.config import IoEngine
from faults.place import Place, assert_well, attempt
from support.cases import CASES
from support.faults import ERRNOS, Faults, Step
from support.snapshot import differences

EVERYTHING = bool(os.environ.get("ARSYNC_FAULTS"))


def _ways(steps: list[Step], name: str, engine: IoEngine) -> Iterator[tuple[int, int]]:
    """Which call fails, and how. The first calls of all cases are the same: each case takes others of them, and so does
    each engine."""
    first = list(CASES).index(name) + 3 * (engine is IoEngine.URING)
    for at, step in enumerate(steps):
        ways = ERRNOS[step.call]
        if name == "symlinks kept" and step == Step("stat", (b"k",)):
            ways = (errno.EIO, errno.ENOMEM, errno.ESTALE)  # a symlink that leads nowhere is replaced, as rsync has it
        if {"delete_missing_args", "existing"} & CASES[name].options.keys() and step.call == "stat":
            ways = tuple(way for way in ways if way != errno.ENOENT)  # what is not there goes, or is not made
        if step.names == (b".rules",):
            ways = tuple(way for way in ways if way != errno.ENOENT)  # then there are no rules
        if EVERYTHING:
            yield from ((at, number) for number in ways)
        elif (at + first) % 6 == 0:
            yield at, ways[at // 6 % len(ways)]


ENGINES = [IoEngine.PLAIN, pytest.param(IoEngine.URING, marks=pytest.mark.needs_ring)]


@pytest.mark.needs_root
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_every_call_fails_once(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str, engine: IoEngine) -> None:
    here = os.path.join(here, name.encode())
    os.mkdir(here)
    place = Place(here, CASES[name], engine)
    none = Faults()
    assert_well(*place.run(monkeypatch, none))
    wanted = place.new()
    found: list[str] = []
    for at, number in _ways(none.steps, name, engine):
        found += attempt(place, monkeypatch, wanted, at, number)
    assert not found, f"{len(found)} problems\n" + "\n".join(found[:60])


@pytest.mark.needs_root
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_short_reads_and_writes(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str, engine: IoEngine) -> None:
    """They are continued: the same tree."""
    place = Place(here, CASES[name], engine)
    assert_well(*place.run(monkeypatch, Faults()))
    wanted = place.new()
    place.renew()
    assert_well(*place.run(monkeypatch, Faults(shortest=1021)))
    assert not differences(wanted, place.new())
