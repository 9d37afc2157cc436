"""Faults while other files are in flight, in other processes or on the ring, whose completions come in any order."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from arsync.config import IoEngine
from arsync.fs import uring, uring_base
from arsync.fs.ring import Ring
from faults.place import Place, assert_well, attempt
from support.cases import CASES
from support.faults import Faults
from support.snapshot import differences

EVERYTHING = bool(os.environ.get("ARSYNC_FAULTS"))

#: What one call of a kind or another may answer; a call that never does is all the better handled.
NUMBERS = (errno.EIO, errno.ENOSPC, errno.ENOENT, errno.EACCES, errno.ENOMEM, errno.EMFILE)

pytestmark = pytest.mark.needs_root


@pytest.mark.needs_ring
@pytest.mark.parametrize("name", CASES)
def test_in_any_order(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same tree; and one failure costs no other entry."""
    seed = list(CASES).index(name)
    one = Place(os.path.join(here, b"one"), CASES[name], IoEngine.URING)
    none = Faults()
    assert_well(*one.run(monkeypatch, none))
    wanted = one.new()
    place = Place(os.path.join(here, b"many"), CASES[name], IoEngine.URING, queue_depth=64)
    assert_well(*place.run(monkeypatch, Faults(), seed))
    assert not differences(wanted, place.new())
    found = []
    for at in range(seed % 29, len(none.steps), 1 if EVERYTHING else 29):
        number = NUMBERS[at % len(NUMBERS)]
        found += attempt(place, monkeypatch, wanted, at, number, certain=False, disorder=at)
    assert not found, f"{len(found)} problems\n" + "\n".join(found[:60])


@pytest.mark.parametrize("engine", [IoEngine.PLAIN, pytest.param(IoEngine.URING, marks=pytest.mark.needs_ring)])
@pytest.mark.parametrize("name", ["new", "replaced", "hard links", "backups", "deletion", "delayed updates"])
def test_in_workers(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str, engine: IoEngine) -> None:
    """Each process counts for itself, so one call of each fails."""
    place = Place(here, CASES[name], engine, workers=2)
    none = Faults()
    assert_well(*place.run(monkeypatch, none))
    wanted = place.new()
    found = []
    for at in range(len(name), 150, 1 if EVERYTHING else 37):
        found += attempt(place, monkeypatch, wanted, at, NUMBERS[at % len(NUMBERS)], certain=False)
    assert not found, f"{len(found)} problems\n" + "\n".join(found[:60])


class _Refused:
    """The kernel does not begin one submission of a run (of the ``at``-th), and says so with ``number``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int, number: int) -> None:
        self.submitted = 0
        self._at, self._number = at, number
        self._token = -1
        pack, reap = uring_base.pack, Ring.reap

        def refusing(sqes: Any, place: int, opcode: int, *fields: int) -> None:
            if self.submitted == self._at:
                self._token = fields[-1]
                # A descriptor is gone where closing it is interrupted; anything else was not begun.
                if opcode != uring_base.CLOSE or number != errno.EINTR:
                    opcode = 0  # IORING_OP_NOP
            self.submitted += 1
            pack(sqes, place, opcode, *fields)

        def reaped(ring: Ring) -> list[tuple[int, int]]:
            return [(token, -number if token == self._token else result) for token, result in reap(ring)]

        monkeypatch.setattr(uring_base, "pack", refusing)
        monkeypatch.setattr(uring, "pack", refusing)
        monkeypatch.setattr(Ring, "reap", reaped)


@pytest.mark.needs_ring
@pytest.mark.parametrize("number", [errno.EINTR, errno.EAGAIN, errno.ECANCELED])
@pytest.mark.parametrize("name", ["new", "replaced", "attributes", "backups", "delayed updates", "sparse", "deletion"])
def test_submissions_that_are_not_begun(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """By a signal, for want of memory or of a kernel thread: the call is made without the ring, and nobody notices."""
    place = Place(here, CASES[name], IoEngine.URING)
    with monkeypatch.context() as patch:
        counted = _Refused(patch, -1, number)
        assert_well(*place.run(monkeypatch, Faults()))
    assert counted.submitted > 20
    wanted = place.new()
    for at in range(number % 11, counted.submitted, 1 if EVERYTHING else 11):
        place.renew()
        with monkeypatch.context() as patch:
            _Refused(patch, at, number)
            assert place.run(monkeypatch, Faults()) == (0, []), at
        assert not differences(wanted, place.new()), at
