"""What a worker takes for slow storage. The figures are those that the kernel would give."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from arsync.engine import regime, rundelay
from arsync.engine.regime import SAMPLE_FILES, Regime
from arsync.engine.rundelay import RunDelay


class Machine:
    """Wall seconds, CPU seconds, sleeps, and seconds without a CPU, of everything until now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.cpu = self.delay = 0.0
        self.sleeps = 0
        monkeypatch.setattr(regime.time, "monotonic", lambda: self.wall)
        monkeypatch.setattr(regime.resource, "getrusage", self._usage)
        monkeypatch.setattr(RunDelay, "taken", self._taken)

    def _usage(self, _who: int) -> SimpleNamespace:
        return SimpleNamespace(ru_utime=self.cpu, ru_stime=0.0, ru_nvcsw=self.sleeps)

    def _taken(self) -> float:
        delay, self.delay = self.delay, 0.0
        return delay

    def passes(self, *, computing: float, delay: float = 0.0, waiting: float = 0.0, sleeps: int = 0) -> None:
        self.wall += computing + delay + waiting
        self.cpu += computing
        self.delay += delay
        self.sleeps += sleeps


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_storage_that_waits(machine: Machine) -> None:
    judged = Regime()
    machine.passes(computing=0.001, delay=0.0002, waiting=0.016, sleeps=16)
    assert judged.sample(SAMPLE_FILES)
    assert (judged.slow, judged.in_flight) == (True, True)
    assert "storage waits" in judged.switches[0]


@pytest.mark.parametrize(
    ("spent", "why"),
    [
        ({"computing": 0.001}, "it computes"),
        ({"computing": 0.001, "delay": 0.1, "sleeps": 2}, "others have the CPUs"),
        ({"computing": 0.001, "delay": 0.1, "waiting": 0.02, "sleeps": 20}, "those that hold its locks have none"),
        ({"computing": 0.001, "waiting": 0.1, "sleeps": 1}, "one file of many waited"),
    ],
)
def test_what_is_no_waiting_for_storage(machine: Machine, spent: dict[str, float], why: str) -> None:
    judged = Regime()
    for _ in range(100):
        machine.passes(**spent)  # type: ignore[arg-type]
        assert not judged.sample(SAMPLE_FILES), why
    assert judged.switches == []


def test_no_files_are_no_evidence(machine: Machine) -> None:
    judged = Regime()
    machine.passes(computing=0.0001, waiting=1)
    assert not judged.sample(0)
    assert not judged.slow


def test_storage_that_waits_while_cpus_are_taken(machine: Machine) -> None:
    """The first look may take older delays for its own; the next does not."""
    judged = Regime()
    machine.passes(computing=0.01, delay=1)
    judged.sample(SAMPLE_FILES)
    machine.passes(computing=0.001, delay=0.02, waiting=0.1, sleeps=30)
    judged.sample(SAMPLE_FILES)
    machine.passes(computing=0.001, delay=0.02, waiting=0.1, sleeps=30)
    judged.sample(SAMPLE_FILES)
    assert judged.slow


@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_storage_that_answers_again(machine: Machine, delay: float) -> None:
    """A worker that computes whenever it has a CPU goes back to plain calls."""
    judged = Regime()
    judged.hint(True)
    assert judged.slow
    for _ in range(1 << 12):
        machine.passes(computing=0.001, delay=delay, sleeps=3)
        if judged.sample(SAMPLE_FILES):
            break
        assert judged.slow
    assert not judged.slow


def test_storage_that_goes_on_waiting(machine: Machine) -> None:
    judged = Regime()
    judged.hint(True)
    for _ in range(1 << 12):
        machine.passes(computing=0.001, delay=0.001, waiting=0.01, sleeps=16)
        assert not judged.sample(SAMPLE_FILES)


@pytest.fixture
def one_cpu() -> Iterator[int]:
    before = os.sched_getaffinity(0)
    cpu = min(before)
    os.sched_setaffinity(0, {cpu})
    yield cpu
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(not os.path.exists(rundelay._SCHEDSTAT), reason="the kernel does not count run delays")
def test_run_delay(one_cpu: int) -> None:
    """Beside somebody who computes on the same CPU, there is time without it."""
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, b".")
        while True:
            pass
    try:
        os.read(read, 1)
        delay, found = RunDelay(), 0.0
        while not found:
            found = delay.taken()
        assert found > 0
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_a_kernel_that_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundelay, "_SCHEDSTAT", "/nowhere")
    assert RunDelay().taken() == 0.0
