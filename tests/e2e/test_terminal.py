"""--progress on a real terminal: what is seen on its screen, and what is left on it."""

from __future__ import annotations

import os
import re
import signal

import pytest

from support.terminal import Terminal
from support.trees import Dir, File, create

#: So slow that the display is seen, and over in two seconds.
SLOW = "--bwlimit=12m"

#: So slow that lines of large files are seen too, which come after a second.
SLOWER = "--bwlimit=4m"

WIDE = "漢字" * 30 + "\x1b[31m\u202e"

TREE = Dir(
    {
        **{b"d%d" % d: Dir({b"f%02d" % n: File(b"x" * 1000) for n in range(40)}) for d in range(5)},
        b"a large one": File(b"1" * (9 << 20)),
        WIDE.encode(): File(b"2" * (8 << 20)),
    }
)
NAMES = ["./", "a large one", *(f"d{d}/{name}" for d in range(5) for name in ["", *(f"f{n:02}" for n in range(40))])]

_DONE = r"208 entries done, 202 files copied: 18\.03MB in \d:\d\d:\d\d \(.*B/s\)"
_FIRST = re.compile(r"(?:([━─#-]+)  )?[~ ] ?(\d+)%  ([\d,]+) of ([\d,]+)\+?  .*")


@pytest.fixture
def top(here: bytes) -> bytes:
    create(os.path.join(here, b"src"), TREE)
    return here


def first_lines(terminal: Terminal) -> list[re.Match[str]]:
    return [match for line in terminal.shown() if (match := _FIRST.fullmatch(line))]


def test_one_display_that_goes_forward(top: bytes) -> None:
    """From its first frame to its last, and one line stays of it."""
    seen: list[tuple[int, int]] = []
    large = set()

    def look() -> bool:
        for match in first_lines(terminal):
            assert len(first_lines(terminal)) == 1
            seen.append((int(match[2]), int(match[3].replace(",", ""))))
        large.update(line.split()[0] for line in terminal.shown() if "% of " in line)
        assert all(float(size) <= 18.03 for line in terminal.shown() for size in re.findall(r"([\d.]+)MB  ", line))
        return bool(terminal.shown()) and re.fullmatch(_DONE, terminal.shown()[-1]) is not None

    with Terminal("-aP", SLOWER, "src/", "dst", cwd=top) as terminal:
        terminal.until(look)
        assert terminal.end() == 0
        assert len(terminal.everything()) == 1
    assert seen[0] == (0, 0)
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert "a" in large


@pytest.mark.parametrize("options", [["-avP"], ["-aiP", "--outbuf=L"]])
def test_lines_scroll_by_above_it(top: bytes, options: list[str]) -> None:
    """None is torn, none is lost, and nothing of the display is among them."""
    with Terminal(*options, SLOW, "src/", "dst", cwd=top, lines=12) as terminal:
        terminal.until(lambda: bool(first_lines(terminal)))
        assert terminal.end() == 0
        lines = [line.removeprefix(">f+++++++++ ").removeprefix("cd+++++++++ ") for line in terminal.everything()]
    names = [line for line in lines if line in NAMES]
    assert names == NAMES
    rest = [line for line in lines if line not in NAMES]
    assert "created directory dst" in rest
    assert any(re.fullmatch(_DONE, line) for line in rest)
    assert len(rest) <= 7  # with the wide name in some lines, and -v's end


@pytest.mark.parametrize(("columns", "lines"), [(20, 5), (46, 3), (200, 50), (8, 2)])
def test_of_any_size(top: bytes, columns: int, lines: int) -> None:
    with Terminal("-aP", SLOW, "src/", "dst", cwd=top, columns=columns, lines=lines) as terminal:
        terminal.until(lambda: any(re.search("[1-9]%", line) for line in terminal.shown()))
        assert not terminal.screen.history.top
        assert terminal.end() == 0
        text = "".join(terminal.everything()).replace(" ", "")
    assert re.fullmatch(_DONE.replace(" ", ""), text)


def test_resized_meanwhile(top: bytes) -> None:
    with Terminal("-aPv", "--info=name0", SLOWER, "src/", "dst", cwd=top, columns=150) as terminal:
        for columns in (150, 30, 70, 10, 110):
            terminal.resize(columns, 24)
            terminal.raw = b""
            terminal.until(lambda: terminal.raw.count(b"\x1b[J") > 1)  # the first one may be on its way already
            assert all(len(line) < columns or "created" in line for line in terminal.shown()[-2:])
        assert terminal.end() == 0
        assert sum("% of" in line for line in terminal.everything()) == 0


def test_names_do_nothing_to_it(top: bytes) -> None:
    """Wide characters are counted as wide; escapes and changes of direction are not written."""
    with Terminal("-aP", SLOWER, "src/", "dst", cwd=top, columns=60) as terminal:
        terminal.until(lambda: any("漢" in line for line in terminal.shown()))
        line = next(line for line in terminal.shown() if "漢" in line)
        assert terminal.end() == 0
        assert b"\x1b[31m" not in terminal.raw
        assert "\u202e".encode() not in terminal.raw
    assert re.fullmatch(r"…[漢字 ]+\\#033\[31m\ufffd  \d+% of 8\.39MB", line.strip()), line


@pytest.mark.parametrize(
    ("environment", "allowed", "bar"),
    [({}, rb".*", "━"), ({"NO_COLOR": "1"}, rb"[012;]*", "━"), ({"LC_ALL": "C"}, rb".*", "###--")],
)
def test_colors_and_letters(top: bytes, environment: dict[str, str], allowed: bytes, bar: str) -> None:
    with Terminal("-aP", SLOW, "src/", "dst", cwd=top, **environment) as terminal:
        terminal.until(lambda: any(bar in line for line in terminal.shown()))
        assert terminal.end() == 0
        styles = re.findall(rb"\x1b\[([\d;]*)m", terminal.raw)
    assert all(re.fullmatch(allowed, style) for style in styles)
    assert bool(environment.get("NO_COLOR")) != any(b"3" in style for style in styles)
    assert environment.get("LC_ALL") is None or terminal.raw.isascii()


@pytest.mark.parametrize(("options", "environment"), [([], {"TERM": "dumb"}), (["--progress-style=plain"], {})])
def test_plain_lines(top: bytes, options: list[str], environment: dict[str, str]) -> None:
    """rsync's lines, for terminals that can nothing else and for what reads them."""
    with Terminal("-aP", *options, "src/", "dst", cwd=top, **environment) as terminal:
        assert terminal.end() == 0
        assert b"\x1b" not in terminal.raw
    assert re.search(
        rb"a large one\r\n(\r +[\d,]+ .*)?\r +9,437,184 100% .* \(xfr#1, to-chk=\d+/208\)\r\n", terminal.raw
    )


def test_drawn_where_it_is_asked_for(top: bytes) -> None:
    with Terminal("-aP", "--progress-style=bar", "src/", "dst", cwd=top, TERM="dumb") as terminal:
        assert terminal.end() == 0
        assert b"\x1b[J" in terminal.raw


def test_a_dry_run_has_its_lines(top: bytes) -> None:
    with Terminal("-anP", "src/d0", "dst", cwd=top) as terminal:
        assert terminal.end() == 0
        assert terminal.shown()[-3:] == ["d0/f37", "d0/f38", "d0/f39"]


def test_nothing_is_drawn_unasked(top: bytes) -> None:
    for options in (["-a"], ["-aqP"], ["-aPn"]):
        with Terminal(*options, "src/", "dst", cwd=top) as terminal:
            assert terminal.end() == 0
            assert b"\x1b" not in terminal.raw


def test_interrupted(top: bytes) -> None:
    """^C leaves a whole terminal, and the display is gone."""
    with Terminal("-aP", SLOWER, "src/", "dst", cwd=top) as terminal:
        terminal.until(lambda: any("% of " in line for line in terminal.shown()))
        terminal.type(b"\x03")
        assert terminal.end() == 20
        assert not first_lines(terminal)
        assert not any("% of " in line for line in terminal.shown())
        assert terminal.shown()[-1] == "arsync error: received SIGINT, SIGTERM, or SIGHUP (code 20)"


def test_ended_at_once(top: bytes) -> None:
    """The second signal ends the process where it is: the display is removed all the same."""
    with Terminal("-aP", SLOWER, "src/", "dst", cwd=top) as terminal:
        terminal.until(lambda: any("% of " in line for line in terminal.shown()))
        os.kill(terminal.process.pid, signal.SIGSTOP)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(terminal.process.pid, number)
        os.kill(terminal.process.pid, signal.SIGCONT)
        assert terminal.end() == 20
        assert not first_lines(terminal)


def test_errors_stay_above_it(top: bytes) -> None:
    os.mkdir(os.path.join(top, b"dst"))
    create(os.path.join(top, b"dst", b"d0"), Dir({b"f05": Dir({b"in the way": File()})}))
    with Terminal("-aP", SLOW, "src/", "missing", "dst", cwd=top) as terminal:
        terminal.until(lambda: any(line.endswith("  1 error") for line in terminal.shown()))
        assert terminal.end() == 23
        lines = terminal.everything()
    assert lines[0] == 'arsync: find "missing" failed: No such file or directory (2)'
    assert lines[1:3] == [
        "cannot delete non-empty directory: d0/f05",
        'arsync: make way for "d0/f05" failed: Directory not empty (39)',
    ]
    assert lines[3].endswith("B/s), 2 errors")


def test_asked_while_it_draws(top: bytes) -> None:
    """SIGUSR1 to the whole group, workers too: an answer above the display, and nobody dies of it."""
    with Terminal("-aP", SLOWER, "src/", "dst", cwd=top) as terminal:
        terminal.until(lambda: any("% of " in line for line in terminal.shown()))
        os.killpg(terminal.process.pid, signal.SIGUSR1)
        terminal.until(lambda: any("worker 0: copies " in line for line in terminal.shown()))
        assert terminal.end() == 0
        assert sum("arsync: after 0:0" in line for line in terminal.everything()) == 1
