"""The lines of --progress."""

from __future__ import annotations

import io
import re

import pytest

from arsync.config import CopyConfig
from arsync.events import Failure, Progress
from arsync.ui.progress import Meter, _clock, _rate
from arsync.ui.text import TextSink

#: 12 entries found, not all; 3 passed; 5,000 bytes of 2 files copied; a large file is at a quarter.
NOW = Progress(12, False, 20_000, 3, 5_000, 2, b"large", 1 << 20, 4 << 20)


def test_a_file_that_is_being_copied() -> None:
    assert re.fullmatch(rb"\r      1,048,576  25% [ \d.]{7}[kMG]B/s    0:00:0\d  ", Meter(1, total=False).during(NOW))


def test_a_file_that_was_copied() -> None:
    meter = Meter(2, total=False)
    meter.during(NOW)
    line = meter.after_file(b"large", 4 << 20, NOW)
    assert re.fullmatch(rb"\r          4\.19M 100% [ \d.]{7}[kMG]B/s    0:00:0\d \(xfr#2, ir-chk=9/12\)", line)
    assert b"(xfr#2, to-chk=9/12)" in meter.after_file(b"small", 7, NOW._replace(listed_all=True))


def test_all_files_together() -> None:
    line = Meter(0, total=True).during(NOW)
    assert re.fullmatch(rb"\r           5000  25% [ \d.]{7}[kMG]B/s    0:00:00 \(xfr#2, ir-chk=9/12\)", line)


def test_an_empty_file_is_complete() -> None:
    assert b" 100% " in Meter(1, total=False).after_file(b"f", 0, NOW)


@pytest.mark.parametrize(
    ("kib", "shown"), [(0.0, "   0.00kB/s"), (1023.0, "1023.00kB/s"), (2048.0, "   2.00MB/s"), (3 << 20, "   3.00GB/s")]
)
def test_rates(kib: float, shown: str) -> None:
    assert _rate(kib) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.9, "   0:00:00"), (3725.0, "   1:02:05"), (360_000.0, " 100:00:00")])
def test_clock(seconds: float, shown: str) -> None:
    assert _clock(seconds) == shown


def test_it_is_due_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    meter = Meter(1, total=False)
    due = []
    for now[0] in (100.5, 101.0, 101.1, 102.0):
        due.append(meter.due(NOW))
    assert due == [False, True, False, True]
    now[0] = 200.0
    assert not meter.due(NOW._replace(path=b""))


def test_an_error_while_a_file_is_being_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that has no end yet gets one, and nothing else: what is said goes to stderr."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out, err = io.BytesIO(), io.BytesIO()
    sink = TextSink(CopyConfig((b"a",), b"b", progress=True), out, err)
    now[0] = 102.0
    sink.progress(NOW)
    sink.failure(Failure("open", b"other", 13))
    sink.flush()
    assert out.getvalue().count(b"\n") == 2  # behind the name, and behind the line of how far it is
    assert out.getvalue().endswith(b"  \n")
    assert b"other" in err.getvalue()
