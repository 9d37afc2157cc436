"""--json beside the text of the same run: every line fits the schema, and says what the lines say."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from support.commands import ARSYNC, Result, arsync
from support.forked import Forked
from support.json_lines import name_of, read, validator
from support.trees import Dir, Fifo, File, Hardlink, Symlink, create

T = 1_600_000_000 * 10**9

SOURCE = Dir(
    {
        b"bad\xff\xc3(": File(b"not UTF-8", mtime_ns=T),
        b"esc\x1b[2J\n": File(b"a terminal", mtime_ns=T),
        b"\xe6\xbc\xa2\xc2\x9b\xe2\x80\xae": File(b"wide, C1, right to left", mtime_ns=T),
        b"f": File(b"new\n", 0o640, T + 7),
        b"link": Symlink(b"to\xfe", T),
        b"out": Symlink(b"../../out", T),
        b"p": Fifo(mtime_ns=T),
        b"d": Dir({b"same": File(b"same", mtime_ns=T), b"big": File(b"b" * 300_000, mtime_ns=T)}, mtime_ns=T),
        b"hard": Hardlink(b"d/big"),
    },
    mtime_ns=T,
)
OLD = Dir(
    {
        b"f": File(b"older", mtime_ns=T + 10**9),
        b"d": Dir({b"same": File(b"same", mtime_ns=T)}, mtime_ns=T),
        b"extra\xff": File(b"to be deleted"),
        b"gone": Dir({b"x": File()}),
    },
    mtime_ns=T,
)

OPTIONS = [
    "-a",
    "-aH",
    "-n -a",
    "-a --delete",
    "-a --delete-before -b",
    "-an --delete-after",
    "-avv",
    "-aii",
    "-aiiv -U",
    "-r",
    "-dv",
    "-r --info=nonreg0",
    "-a --stats -h",
    "-rc --size-only --existing",
    "-avv --max-size=4 --min-size=1",
    "-a --remove-source-files --info=remove",
    "-a --safe-links -vv",
    "-a --copy-unsafe-links -v",
    "-a --link-dest=../old",
    "-aP",
    "-a --info=progress2 -v",
    "-aq --delete",
    "-a --list-only",
    "-aH --io-engine=plain --workers=2",
    "-a --copy-method=copy_file_range -I",
    "-a --verify --fsync",
    "-vvaz --no-inc-recursive",
    "-a --out-format=x",
    "--delete",
    "-a --debug=all",
]


@pytest.fixture(scope="module")
def runner() -> Iterator[Forked]:
    with Forked() as forked:
        yield forked


def run(runner: Forked, here: bytes, *arguments: str) -> Result:
    """Run in a directory that has ``src``, ``dst`` and ``old``."""
    top = os.path.join(here, b"top")
    shutil.rmtree(top, ignore_errors=True)
    os.mkdir(top)
    for name, tree in ((b"src", SOURCE), (b"dst", OLD), (b"old", OLD)):
        create(os.path.join(top, name), tree)
    return runner.run(*arguments, cwd=top, notes=os.path.join(here, b"notes"))


def itemized(line: dict[str, Any]) -> bytes:
    return line["itemized"].encode() if line["type"] == "file" else b"*deleting  "


def as_lines(lines: list[dict[str, Any]]) -> list[bytes]:
    """What -8 -i would print, as far as control characters are not in names."""
    return [itemized(line) + b" " + name_of(line) for line in lines if line["type"] in ("file", "delete")]


@pytest.mark.parametrize("options", OPTIONS)
def test_says_what_the_lines_say(here: bytes, runner: Forked, options: str) -> None:
    words = options.split()
    told = run(runner, here, "--json", *words, "src/", "dst")
    lines = read(told.out)
    summary = lines[-1]
    assert summary["exit_code"] == told.code
    text = run(runner, here, *(["-i"] if "--out-format=x" not in words else []), *words, "src/", "dst")
    if "--out-format=x" in words:
        assert told.code == 1
        return
    assert told.code == text.code
    assert told.err == text.err
    if told.code == 1:
        assert [line["type"] for line in lines] == ["error", "summary"]
        return
    assert lines[0]["type"] == "start"
    if "-q" in options:
        assert {line["type"] for line in lines} <= {"start", "error", "summary", "message"}
    elif "--list-only" in words:
        assert [line["path"] for line in lines if line["type"] == "file"]
        assert all("size" in line for line in lines if line["type"] == "file")
    else:
        shown = [line for line in text.lines if re.match(rb"([<>ch.][fdLDS][+ .a-zA-Z]{9}|\*deleting  ) ", line)]
        assert len(as_lines(lines)) == len(shown)
        for line, expected in zip(as_lines(lines), shown):
            if re.fullmatch(rb"[ -~]+", line):  # else the name is shown in another way
                assert expected.rstrip(b"/") == line or expected.startswith((line + b" -> ", line + b" => "))


def test_names_are_exact(here: bytes, runner: Forked) -> None:
    lines = read(run(runner, here, "-a", "--json", "src/", "new").out)
    assert {name_of(line) for line in lines if line["type"] == "file"} == {
        b".", b"d", b"d/big", b"d/same", *(name for name in SOURCE.entries if name != b"d"),
    }  # fmt: skip
    assert b"to\xfe" in {name_of(line, "target") for line in lines if "target" in line}
    assert "path_base64" not in next(line for line in lines if line.get("path") == "f")


def test_the_summary_counts(here: bytes, runner: Forked) -> None:
    done = run(runner, here, "-aH", "--json", "--delete", "--io-engine=plain", "src/", "missing", "dst")
    summary = read(done.out)[-1]
    assert done.code == summary["exit_code"] == 23
    size = 300_000 + sum(len(e.content) for n, e in SOURCE.entries.items() if isinstance(e, File))
    assert summary["bytes"] == {"total": summary["bytes"]["total"], "copied": size, "written": size, "cloned": 0}
    assert summary["created"] == {"file": 5, "directory": 0, "symlink": 2, "device": 0, "special": 1}
    assert summary["deleted"] == {"file": 2, "directory": 1, "symlink": 0, "device": 0, "special": 0}
    assert summary["files_copied"] == 5
    assert summary["hard_links"] == 1
    assert [(kind["operation"], kind["errno_name"], kind["count"]) for kind in summary["errors"]] == [
        ("find", "ENOENT", 1)
    ]
    assert summary["engine"]["asked"] == "plain"
    assert not summary["engine"]["io_uring"]
    assert summary["engine"]["io_uring_not_used_because"] == ["--io-engine=plain"]
    assert sum(summary["methods"].values()) == size
    assert summary["rates"]["bytes_per_second"] > 0


@pytest.mark.needs_root
def test_every_error_is_told(here: bytes, runner: Forked) -> None:
    """stderr sums up many of a kind; objects do not."""
    create(os.path.join(here, b"src"), Dir({b"%02d\xff" % n: File(b"x", 0) for n in range(15)}))
    os.chmod(here, 0o777)
    done = runner.run("-r", "--json", "src/", "dst", cwd=here, notes=os.path.join(here, b"notes"), nobody=True)
    lines = read(done.out)
    errors = [line for line in lines if line["type"] == "error"]
    assert {name_of(line) for line in errors} == {b"%02d\xff" % n for n in range(15)}
    assert {line["errno_name"] for line in errors} == {"EACCES"}
    assert lines[-1]["errors"][0]["count"] == 15
    assert lines[-1]["errors"][0]["hint"].startswith("arsync may not do this as the user that runs it")
    assert b"15 files: copy failed: Permission denied (13)" in done.err


@pytest.mark.parametrize("arguments", [["--bad"], ["a", "host:b"], [], ["-a", "src/", "/proc/none/x"]])
def test_what_does_not_begin_has_an_end(here: bytes, runner: Forked, arguments: list[str]) -> None:
    done = run(runner, here, "--json", *arguments)
    lines = read(done.out)
    assert lines[-1]["exit_code"] == done.code != 0
    assert lines[-2]["severity"] == "fatal"
    assert lines[-2]["message"].encode() in done.err


def test_an_interrupt_has_a_summary(here: bytes) -> None:
    """And progress comes while it lasts, at once where it is asked for."""
    create(os.path.join(here, b"src"), Dir({b"large": File(b"x" * (20 << 20))}))
    process = subprocess.Popen(
        [*ARSYNC, "-aP", "-v", "--json", "--bwlimit=4m", "src/", "dst"],
        cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline()
    out = [first]
    process.send_signal(signal.SIGUSR1)
    while b'"progress"' not in (line := process.stdout.readline()) or b'"current"' not in line:
        out.append(line)
    out.append(line)
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=60)
    lines = read(b"".join(out) + rest)
    assert process.returncode == lines[-1]["exit_code"] == 20, err
    now = next(line for line in lines if line["type"] == "progress" and "current" in line)
    assert now["current"]["path"] == "large"
    assert now["current"]["size"] == 20 << 20
    assert len(now["workers"]) == 1
    assert b"arsync: after 0:00:0" in err


def test_lost_output_is_an_error(here: bytes) -> None:
    create(os.path.join(here, b"src"), Dir({b"f": File(b"x")}))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*ARSYNC, "-a", "--json", "src/", "dst"], cwd=here, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 11
    assert b"write to the standard output failed: No space left" in done.stderr
    assert os.path.exists(os.path.join(here, b"dst/f"))


def test_the_log_file_is_as_without_it(here: bytes, runner: Forked) -> None:
    logs = []
    for more in ([], ["--json"]):
        run(runner, here, "-ai", "--delete", "--log-file=log", "src/", "dst", *more)
        with open(os.path.join(here, b"top", b"log"), "rb") as file:
            logs.append(re.sub(rb"(?m)^.*?\] |sent \d+.*", b"", file.read()))
    assert logs[0] == logs[1]
    assert b">f+++++++++" in logs[0]


def test_the_schema_refuses() -> None:
    """It is not so wide that anything fits."""
    start = {"type": "start", "format": 1, "version": "1", "time": "2020-01-01T00:00:00.000000Z", "pid": 1}
    start |= {"sources": [{"path": "a"}], "dest": "b", "dry_run": False, "list_only": False}
    assert validator().is_valid(start)
    for change in ({"format": 2}, {"type": "begin"}, {"sources": ["a"]}, {"more": 1}, {"dest_base64": "?"}):
        assert not validator().is_valid(start | change)


def test_example_of_the_documentation(here: bytes) -> None:
    create(os.path.join(here, b"project"), Dir({b"README.md": File(b"x"), b"src": Dir({b"app.py": File(b"y")})}))
    done = arsync("-a", "--json", "project/", "backup", cwd=here)
    assert [line["path"] for line in read(done.out) if line["type"] == "file" and line["action"] == "copy"] == [
        "README.md",
        "src/app.py",
    ]
