"""What the display of --progress says, and how it estimates what nobody has counted."""

from __future__ import annotations

import os
import re
import sys

import pytest

from arsync.config import CopyConfig
from arsync.events import Doing, Progress, Totals
from arsync.ui.display import Display, Part, Row, clock, fitting, shown, terminal_encoding
from arsync.ui.estimate import Estimate
from arsync.ui.paint import Painter, last_cells
from arsync.ui.screen import Screen

MIB = 1 << 20


def at(passed: int, listed: int, **more: object) -> Progress:
    return Progress(listed, bool(more.pop("listed_all", False)), 0, passed, 0, 0)._replace(**more)


def test_the_fraction_is_exact_where_all_is_measured() -> None:
    estimate = Estimate(0.0)
    estimate.update(at(50, 101, listed_size=200 * MIB, measured=100, passed_size=50 * MIB), 1.0)
    assert 0.25 < estimate.fraction < 0.3
    estimate.update(at(101, 101, listed_size=200 * MIB, measured=100, passed_size=200 * MIB), 2.0)
    assert estimate.fraction == 0.999  # only the end itself is all


def test_the_share_of_the_tree_that_was_listed_counts() -> None:
    estimate = Estimate(0.0)
    estimate.update(at(100, 100, share=0.25), 1.0)
    assert estimate.fraction == pytest.approx(0.25)
    assert estimate.left == pytest.approx(3.0)


def test_a_large_file_that_is_begun_is_not_done() -> None:
    """Its bytes count as they are copied; and the time left is at least what it takes at the present rate."""
    estimate = Estimate(0.0)
    files = {"listed_size": 1000 * MIB, "measured": 10, "passed_size": 1000 * MIB, "listed_all": True}
    estimate.update(at(11, 11, workers=(Doing(9, 0, b"f", 0, 1000 * MIB),), **files), 1.0)
    assert estimate.fraction < 0.01
    estimate.update(at(11, 11, workers=(Doing(9, 0, b"f", 250 * MIB, 1000 * MIB),), moved=250 * MIB, **files), 2.0)
    assert 0.24 < estimate.fraction < 0.26
    assert estimate.left == pytest.approx(6.0, rel=0.02)


def test_it_never_goes_back() -> None:
    estimate = Estimate(0.0)
    estimate.update(at(50, 100), 1.0)
    assert estimate.fraction == pytest.approx(0.5)
    estimate.update(at(50, 1000), 2.0)
    assert estimate.fraction == pytest.approx(0.5)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    estimate = Estimate(0.0)
    for second in range(1, 11):
        estimate.update(at(1, 2, moved=second * 100), float(second))
    assert estimate.rate == pytest.approx(100)
    for second in range(11, 20):
        estimate.update(at(1, 2, moved=1000), float(second))
    assert estimate.rate == 0
    assert Estimate(0.0).left is None


def test_nobody_knows_at_the_beginning() -> None:
    estimate = Estimate(0.0)
    estimate.update(at(0, 0, share=0.0), 5.0)
    assert (estimate.fraction, estimate.left) == (0.0, None)


def test_less_room_less_parts() -> None:
    parts = [Part("aaaa", "", 0), Part("bbbb", "", 2), Part("cccc", "", 1)]
    texts = [[part.text for part in fitting(parts, width)] for width in (16, 15, 10, 9, 2)]
    assert texts == [["aaaa", "bbbb", "cccc"], ["aaaa", "cccc"], ["aaaa", "cccc"], ["aaaa"], ["aaaa"]]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"a b", "a b"),
        (b"\xff\n\t", "\\#377\\#012\ufffd"),
        ("\x9b1m\u202e\u2028漢".encode(), "\\#302\\#2331m\ufffd\\#342\\#200\\#250漢"),
    ],
)
def test_a_path_is_one_harmless_line(path: bytes, text: str) -> None:
    assert shown(path) == text


def test_the_end_of_a_long_path_is_shown() -> None:
    assert last_cells("aa漢字漢字", 6) == "…漢字"
    assert last_cells("aa漢字漢字", 5) == "…漢字"
    assert last_cells("漢字", 1) == ""
    assert last_cells("", 0) == ""


@pytest.fixture
def screen(here: bytes, monkeypatch: pytest.MonkeyPatch) -> Display:
    """A display of no terminal: 80 columns."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return Display(os.open(os.devnull, os.O_RDONLY), 1, workers=True)


def plain(line: bytes) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", line.decode())


def test_a_line_for_each_worker(screen: Display) -> None:
    workers = (Doing(1200, 34 * MIB, b"d/large", 4 << 30, 16 << 30, 3), Doing(7, 0, b"d/x", given=256), Doing(9, 5))
    first, *lines = map(plain, screen.frame(at(1216, 5000, workers=workers, errors=1, deleted=2, share=0.5)))
    assert "1,216 of 5,000+" in first
    assert first.endswith("1 error")  # for what was deleted there is no room
    assert lines == [
        "  0: 1,200   35.65MB  d/large  25% of 17.18GB",
        "  1: 7        0B  d/x",
        "  2: 9        5B  ",
    ]


def test_not_higher_than_the_terminal(screen: Display) -> None:
    workers = tuple(Doing(n, 0, b"f%d" % n, given=1) for n in range(100))
    assert len(screen.frame(at(1, 2, workers=workers))) == 23


def test_without_rich_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setitem(sys.modules, "arsync.ui.paint", None)
    display = Display(os.open(os.devnull, os.O_RDONLY), 1, workers=True)
    (line,) = display.frame(at(1216, 5000, workers=(Doing(1, 1, b"f", 1, 2, 1),)))
    assert line.decode().startswith("━━━────────────  ~24%  1,216 of 5,000+")


def test_the_line_that_stays(screen: Display) -> None:
    totals = Totals()
    totals.transferred_files, totals.transferred_size, totals.errors = 1, 2_500_000, 3
    line = screen.closing(totals, at(1216, 5000))
    assert re.fullmatch(rb"1,216 entries done, 1 file copied: 2.50MB in 0:00:0\d \(.*B/s\), 3 errors", line)


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "ascii"),
        ({"LANG": "de_DE.utf8"}, "utf-8"),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, "utf-8"),
        ({}, "ascii"),
    ],
)
def test_what_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch, names: dict[str, str], encoding: str) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    assert terminal_encoding() == encoding


def test_what_an_ascii_terminal_gets() -> None:
    lines = Painter("ascii").paint([Part("1%", "bold", 0)], [Row("", "x" * 90 + "漢", "2%")], 30)
    assert all(line.isascii() for line in lines)
    assert plain(lines[1]) == "  <" + "x" * 21 + "?  2%"


def test_lines_and_frame_are_one_write(here: bytes) -> None:
    """Between two writes there is always a frame, and never half a line."""

    class Recorder:
        def __init__(self) -> None:
            self.writes: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.writes.append(data)

        def flush(self) -> None: ...
        def isatty(self) -> bool:
            return True

    out, err = Recorder(), Recorder()
    screen = Screen(CopyConfig((), b""), out, err)  # type: ignore[arg-type]
    screen.line(b"before")
    screen.show([b"1", b"2"])
    screen.line(b"a")
    screen.line(b"b")
    screen.show([b"3"])
    screen.complain(b"oops")
    screen.show([])
    screen.show([])
    assert out.writes == [
        b"before\n1\n2\r\x1b[1A",
        b"\r\x1b[Ja\nb\n3\r",
        b"\r\x1b[J",
        b"3\r",
        b"\r\x1b[J",
    ]
    assert err.writes == [b"oops\n"]


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0.9, 61, 360_000)] == ["0:00:00", "0:01:01", "100:00:00"]
