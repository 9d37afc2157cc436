"""The command lines that the documentation shows, run as a reader would: each page from its top, in one shell.

A page begins in a directory with a small tree, ``project/``. In a ``console`` block, ``$`` begins a command and ``>``
continues it; what follows is its output, in which ``…`` stands for anything. A ``sh`` block is a script, and so is
each ``run:`` of a ``yaml`` block and each command of a ``crontab``. A block with a title is written to that file first,
and a script with one is not run by itself. What a page needs and does not show stands in a comment, ``<!-- scene ...
-->``. A block under a line that begins with ``*Not run`` is not run. Paths below /srv, /mnt, /etc/systemd, /etc/cron.d
and /usr/local/bin are taken to be below the scratch directory.

``PYTHONPATH=tests python -m support.pages docs/PAGE.md...`` writes the real output into pages where it is another.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from support.commands import AS_NOBODY

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted(page for page in (REPOSITORY / "docs").rglob("*.md") if page.parent.name != "changelog.d")]

#: What the pages call their own, and what has to be there for it.
SCENE = """
mkdir -p srv mnt project/docs project/src
ln -s docs/notes.md project/README.md
printf 'notes\\n' > project/docs/notes.md
printf 'print("hi")\\n' > project/src/app.py
head -c 100000 /dev/zero > project/data.bin
find project -exec touch -h -d '2026-03-01 12:00' {} +
"""

#: How commands begin that are run elsewhere: test_install.py installs, .ci/run is what runs these tests.
ELSEWHERE = ("pip install", "python3 -m venv", "sh tests/run.sh")

_BLOCK = re.compile(
    r"^(?P<not_run>\*Not run[^\n]*\n\n)?"
    r'(?:(?P<indent> *)```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^(?P=indent)```$'
    r"|<!-- scene\n(?P<scene>.*?)^-->$)",
    re.MULTILINE | re.DOTALL,
)
_ROOTS = re.compile(r"(?<![\w./-])/(srv|mnt|etc/systemd|etc/cron\.d|usr/local/bin)\b")


class Step(NamedTuple):
    """One command; ``shown`` is what the page shows as its output, None where a script stands."""

    line: int
    command: str
    shown: list[str] | None

    @property
    def may_fail(self) -> bool:
        """Whether the page shows that it does."""
        return bool(self.shown) and re.search(r"\(code \d+\)|^Error|^arsync: ", self.shown[-1]) is not None


class Block(NamedTuple):
    """A block of a page."""

    line: int
    language: str
    title: str
    text: str
    run: bool
    scene: bool = False


class Ran(NamedTuple):
    """What a step did."""

    step: Step
    code: int
    output: list[str]


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, scenes among them as scripts."""
    text = page.read_text()
    for found in _BLOCK.finditer(text):
        kind = "text" if found["scene"] is None else "scene"
        line = text.count("\n", 0, found.start(kind)) + 1
        if found["scene"] is not None:
            yield Block(line, "sh", "", found["scene"], True, True)
            continue
        body = re.sub(rf"(?m)^{found['indent']}", "", found["text"])
        yield Block(line, found["language"], found["title"] or "", body, found["not_run"] is None)


def steps(page: Path) -> list[Step]:
    """What a page runs."""
    return [step for block in blocks(page) if block.run for step in _steps(block)]


def silent(page: Path) -> list[str]:
    """The blocks of a page that are not run, do not say why, and that no other test checks, as Python's and units."""
    begun = len(re.findall(r"(?m)^ *```\w", page.read_text()))
    found = [block for block in blocks(page) if not block.scene]
    wrong = [] if begun == len(found) else [f"{page.name}: a block that is not understood"]
    for block in found:
        checked = block.language in ("python", "ini", "yaml") or block.text.startswith(ELSEWHERE)
        if block.run and not checked and not list(_steps(block)):
            wrong.append(f"{page.name}:{block.line}: {block.language}")
    return wrong


def mounts(page: Path) -> bool:
    """Whether a page needs root for what it mounts."""
    return any(step.command.startswith("mount ") for step in steps(page))


def _steps(block: Block) -> Iterator[Step]:
    if block.title:
        yield Step(
            block.line, f"mkdir -p {os.path.dirname(block.title)}; cat >{block.title} <<'END'\n{block.text}END", []
        )
    if block.language == "console":
        yield from _dialogue(block)
    elif block.language == "sh" and not block.title and not block.text.startswith(ELSEWHERE):
        yield Step(block.line, block.text, None)
    elif block.language == "crontab":
        for line in block.text.splitlines():
            yield Step(block.line, line.split(None, 6)[6], None)  # five fields of time, a user, a command
    elif block.language == "yaml":
        for found in re.finditer(r"(?m)^( *)- run: (?:\|\n((?:\1    .*\n)+)|(.*)\n)", block.text):
            command = re.sub(rf"(?m)^{found[1]}    ", "", found[2]) if found[2] else found[3]
            if not command.startswith(ELSEWHERE):
                yield Step(block.line, command, None)


def _dialogue(block: Block) -> list[Step]:
    found: list[Step] = []
    for number, line in enumerate(block.text.splitlines()):
        if line.startswith("$ "):
            found.append(Step(block.line + number, line[2:], []))
        elif line.startswith("> ") and found and not found[-1].shown:
            found[-1] = found[-1]._replace(command=f"{found[-1].command}\n{line[2:]}")
        else:
            shown = found[-1].shown
            assert shown is not None
            shown.append(line)
    for step in found:
        while step.shown and not step.shown[-1]:
            step.shown.pop()
    return found


def run_page(page: Path, top: Path) -> list[Ran]:
    """Run all steps of a page in ``top``, a fresh directory."""
    here = top / "here"
    here.mkdir()
    found = steps(page)
    script = [f"cd {here}", SCENE]
    for number, step in enumerate(found):
        command = _ROOTS.sub(rf"{here}/\1", step.command)
        if step.shown is None:
            command = f"(set -eu\n{command}\n)"
        script += [f'(exit "${{code:-0}}")\n{{\n{command}\n}} >{top}/{number} 2>&1 </dev/null\ncode=$?']
        script += [f"echo $code >{top}/{number}.code"]
    (top / "script").write_text("\n".join(script))
    environment = {"PATH": f"{program(top)}:{os.environ['PATH']}", "HOME": str(here), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # What a page mounts is gone with the last of its processes.
    apart = ["unshare", "--mount"] if mounts(page) else []
    subprocess.run(
        [*apart, "bash", top / "script"],
        env=environment,
        umask=0o022,
        timeout=240,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return [
        Ran(step, int((top / f"{number}.code").read_text()), _lines(top / str(number), here))
        for number, step in enumerate(found)
    ]


def program(top: Path) -> Path:
    """A directory with the arsync of this Python, and a sudo that knows ``sudo -u nobody arsync``."""
    directory = top / "bin"
    directory.mkdir()
    script = Path(sys.executable).parent / "arsync"
    text = f'#!/bin/sh\nexec {script if script.exists() else f"{sys.executable} -m arsync"} "$@"\n'
    _script(directory / "arsync", text)
    as_nobody = f"{sys.executable} -c {shlex.quote(AS_NOBODY)}" if os.geteuid() == 0 else str(directory / "arsync")
    _script(directory / "sudo", f'#!/bin/sh\nshift 3\nexec {as_nobody} "$@"\n')
    return directory


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _lines(output: Path, here: Path) -> list[str]:
    lines = output.read_text(errors="replace").replace(str(here), "").rstrip("\n").split("\n")
    return lines if lines != [""] else []


def differs(ran: Ran) -> str:
    """In what a step did otherwise than the page says; empty where it did not."""
    step = ran.step
    if ran.code and not step.may_fail and not step.command.startswith("echo $?"):
        return f"exit code {ran.code}"
    if step.shown is not None and not re.fullmatch(_pattern(step.shown), "\n".join(ran.output)):
        return "another output"
    return ""


def _pattern(shown: list[str]) -> str:
    """What the output has to be: ``…`` is anything, and speeds differ each time."""
    lines = []
    for line in shown:
        if line == "…":
            lines.append(r"(?:[^\n]*\n)*?[^\n]*")
        else:
            literal = re.escape(line).replace("…", ".*?")
            lines.append(re.sub(r"[\d,]+\\\.\d+ bytes/sec", lambda _: r"[\\d,.]+ bytes/sec", literal))
    return "\n".join(lines)


def told(ran: Ran, page: Path) -> str:
    """A difference, for whoever mends the page."""
    shown = "\n".join(ran.step.shown or [])
    got = "\n".join(ran.output)
    return (
        f"{page.name}:{ran.step.line}: $ {ran.step.command}\n{differs(ran)}; shown:\n{shown}\ngot ({ran.code}):\n{got}"
    )


def _renew(page: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as top:
        done = run_page(page, Path(top))
    lines = page.read_text().split("\n")
    for ran in reversed(done):
        if ran.step.shown is None or not differs(ran):
            continue
        begin = ran.step.line - 1 + ran.step.command.count("\n") + 1
        lines[begin : begin + len(ran.step.shown)] = ran.output
    page.write_text("\n".join(lines))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as top:
        for ran in run_page(page, Path(top)):
            if differs(ran):
                print(told(ran, page))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        _renew(Path(name))
