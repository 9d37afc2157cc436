"""How far a large file is: what workers tell while they copy it, in each of the ways of copying."""

from __future__ import annotations

import os
import struct

import pytest

from arsync.config import CopyConfig, CopyMethod, IoEngine
from arsync.engine.run import run
from arsync.engine.shared import Shared
from arsync.engine.task import Task
from arsync.engine.watch import WATCHED, Teller
from arsync.engine.wire import Slice
from arsync.events import Failure, Item, Progress, Totals

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
    size = WATCHED + 4321
    with open(os.path.join(here, b"large"), "wb") as file:
        file.write(os.urandom(size))
    record = os.open(os.path.join(here, b"record"), os.O_CREAT | os.O_RDWR | os.O_APPEND)

    def tell(_shared: Shared, _number: int, _index: int, done: int, whole: int) -> None:
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
    assert sink.told[-1][:6] == (2, True, 0, 1, size, 1)


def test_only_large_files_are_told() -> None:
    shared = Shared()
    shared.number = 3
    teller = Teller(shared)
    task = Task(Slice(7, 0, b"", 0, -1, (b"small", b"large"), b"\0\0"), [5], {})
    teller.begin(5, task, 0, WATCHED - 1)
    teller.moved(5, 4096)
    assert list(shared.told()) == []
    teller.begin(5, task, 1, WATCHED)
    stop = teller.counting(5, lambda: False, 1 << 20)
    assert [stop(), stop(), stop()] == [False] * 3
    assert list(shared.told()) == [(7, 1, 2 << 20, WATCHED)]


def test_nothing_is_told_unasked(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.path.join(here, b"large"), "wb") as file:
        file.truncate(WATCHED)
    told = os.path.join(here, b"told")
    monkeypatch.setattr(Shared, "tell", lambda *_: os.mkdir(told))
    sink = Silent()
    assert run(CopyConfig((os.path.join(here, b"large"),), os.path.join(here, b"copy"), workers=1), sink) == 0  # type: ignore[arg-type]
    assert not os.path.exists(told)
    assert sink.told == []
