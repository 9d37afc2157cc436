"""How far a large file is: what workers tell while they copy it, in each of the ways of copying."""

from __future__ import annotations

import os
import struct

import pytest

from arsync.config import CopyConfig, CopyMethod, IoEngine
from arsync.engine import counts
from arsync.engine.order import Order
from arsync.engine.run import run
from arsync.engine.shared import Shared
from arsync.engine.slices import SliceWork
from arsync.engine.task import Task
from arsync.engine.teller import Teller
from arsync.engine.tree import Node
from arsync.engine.watch import Watch
from arsync.engine.wire import Slice
from arsync.events import Doing, Failure, Item, Progress, Totals
from arsync.fs.copy import LARGE_FILE

_RECORD = struct.Struct("=2q")


class Silent:
    """A sink that keeps what it is told of progress."""

    def __init__(self) -> None:
        self.told: list[Progress] = []
        self.failures: list[Failure] = []

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)

    def failure(self, failure: Failure) -> None:
        self.failures.append(failure)

    def item(self, item: Item) -> None: ...
    def started(self) -> None: ...
    def created_directory(self, dest: bytes) -> None: ...
    def finished(self, totals: Totals) -> None: ...


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"io_engine": IoEngine.PLAIN},
        {"copy_method": CopyMethod.COPY_FILE_RANGE},
        {"copy_method": CopyMethod.MMAP},
        {"copy_method": CopyMethod.READ_WRITE},
        {"sparse": True},
        {"inplace": True, "workers": 1},
    ],
    ids=str,
)
def test_each_way_of_copying_tells(here: bytes, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    size = LARGE_FILE + 4321
    with open(os.path.join(here, b"large"), "wb") as file:
        file.write(os.urandom(size))
    record = os.open(os.path.join(here, b"record"), os.O_CREAT | os.O_RDWR | os.O_APPEND)

    def tell(_shared: Shared, _number: int, _index: int, done: int, whole: int, _open_done: int) -> None:
        if whole:  # 0: it has ended
            os.write(record, _RECORD.pack(done, whole))

    monkeypatch.setattr(Shared, "tell", tell)
    sink = Silent()
    os.mkdir(os.path.join(here, b"dst"))
    config = CopyConfig((os.path.join(here, b"large"),), os.path.join(here, b"dst/"), progress=True, **options)  # type: ignore[arg-type]
    assert run(config, sink) == 0  # type: ignore[arg-type]
    told = list(_RECORD.iter_unpack(os.pread(record, 1 << 20, 0)))
    os.close(record)
    assert {whole for _, whole in told} == {size}
    assert told[0][0] == 0
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert size // 2 < told[-1][0] <= size
    assert sink.told[-1][:6] == (2, True, 0, 2, size, 1)


def a_teller() -> tuple[Shared, Teller, Task]:
    shared = Shared()
    shared.number = 3
    return shared, Teller(shared), Task(Slice(7, 0, b"", 0, -1, (b"one", b"other"), b"\0\0"), [5], {})


def test_large_files_are_told_until_they_end() -> None:
    shared, teller, task = a_teller()
    teller.moved(5, 4096)  # a small file, of which nobody was told
    assert list(shared.told(4)) == []
    teller.begin(5, task, 1, LARGE_FILE)
    stop = teller.counting(5, lambda: False, 1 << 20)
    assert [stop(), stop(), stop()] == [False] * 3
    assert list(shared.told(4)) == [(3, 7, 1, 2 << 20, LARGE_FILE, 2 << 20)]
    assert list(shared.told(3)) == []
    teller.begin(6, task, 0, LARGE_FILE + 1)
    teller.moved(6, 77)
    assert list(shared.told(4)) == [(3, 7, 0, 77, LARGE_FILE + 1, (2 << 20) + 77)]
    teller.ended(6)
    assert list(shared.told(4)) == [(3, 7, 1, 2 << 20, LARGE_FILE, 2 << 20)]
    teller.ended(5)
    assert list(shared.told(4)) == []


def test_a_tally_goes_on_over_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, teller, _ = a_teller()
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    tally = counts.zero()
    tally[counts.SEEN], tally[counts.TOTAL_SIZE], tally[counts.TRANSFERRED_SIZE], tally[counts.FILES] = 3, 900, 700, 2
    teller.counted(tally)
    assert shared.tallied(3) == (3, 900, 700, 2)
    tally[counts.SEEN + 1] = 2
    teller.counted(tally)
    assert shared.tallied(3) == (3, 900, 700, 2)  # too soon after the last one
    now[0] += 1
    teller.counted(tally)
    assert shared.tallied(3) == (5, 900, 700, 2)
    teller.answered(tally)
    teller.answered(tally)
    assert shared.tallied(3) == (10, 1800, 1400, 4)
    assert shared.tallied(2) == (0, 0, 0, 0)


def test_what_is_told_adds_up() -> None:
    """Bytes of open files are counted once, however often somebody looks, and never become fewer."""
    shared, teller, task = a_teller()
    sink, order = Silent(), Order(Silent(), False, lambda *_: None)  # type: ignore[arg-type]
    node = Node(None, b"", lambda _node: None)
    work = SliceWork(node, order.open(), None, (b"one", b"other"), b"\0\0", 0)  # type: ignore[arg-type]
    watch = Watch(sink, shared, Totals(), order, lambda: [(3, {7: work})], live=True, earlier=2)  # type: ignore[arg-type]
    tally = counts.zero()
    tally[counts.SEEN], tally[counts.TRANSFERRED_SIZE] = 2, 1000
    teller.answered(tally)
    teller.begin(5, task, 1, 3 * LARGE_FILE)
    teller.moved(5, LARGE_FILE)
    assert [watch.standing().moved for _ in range(5)] == [1000 + LARGE_FILE] * 5
    now = watch.standing()
    assert now.workers == (Doing(2, 1000, b"other", LARGE_FILE, 3 * LARGE_FILE, 2),)
    assert (now.path, now.errors) == (b"other", 2)
    teller.ended(5)
    watch.tell()
    assert sink.told[-1].moved == 1000 + LARGE_FILE


def test_small_files_are_not_told(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything counted as it is done, where nobody asks for progress."""
    with open(os.path.join(here, b"large"), "wb") as file:
        file.truncate(LARGE_FILE - 1)
    told = os.path.join(here, b"told")
    monkeypatch.setattr(Shared, "tell", lambda *_: os.mkdir(told))
    monkeypatch.setattr(Shared, "tally", lambda *_: os.mkdir(told))
    sink = Silent()
    assert run(CopyConfig((os.path.join(here, b"large"),), os.path.join(here, b"copy"), workers=1), sink) == 0  # type: ignore[arg-type]
    assert not os.path.exists(told)
    assert sink.told == []
