"""The watch over a run's time, with a clock of its own."""

from __future__ import annotations

import time

import pytest

from arsync.engine.limits import Watch
from arsync.engine.shared import Shared


class _Clock:
    """Stands for time.monotonic and for the event that ends a run: waiting takes as long as ``waits`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
        self.now, self._waits = 1000.0, waits
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def wait(self, _seconds: float) -> bool:
        if not self._waits:
            return True
        self.now += self._waits.pop(0)
        return False


@pytest.mark.parametrize(
    ("waits", "message"),
    [
        ([1.0] * 9, ""),
        ([1.0] * 10, "timeout: nothing could be done for 10 seconds"),
        ([1.0, 3600.0, 1.0], ""),  # stopped for an hour (^Z), then continued
        ([3600.0] + [1.0] * 10, "timeout: nothing could be done for 10 seconds"),
    ],
)
def test_time_in_which_nobody_ran_does_not_count(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], message: str
) -> None:
    shared, clock = Shared(), _Clock(monkeypatch, waits)
    watch = Watch(shared, 10, 0.0, lambda: None)
    monkeypatch.setattr(watch, "_over", clock)
    shared.beat()
    watch._run()
    assert watch.message == message
    assert shared.stopped() == bool(message)
