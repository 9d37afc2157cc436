"""The README's picture, from the real program: ``python docs/pictures/terminal.py``.

Each command runs in a terminal of its own kind (pty(7)), in a directory made for it, and what it prints is what is
drawn. tests/project/test_picture.py runs them again and compares. Needs rich, which draws.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import NamedTuple

PICTURE = Path(__file__).with_name("terminal.svg")

COLUMNS = 82

#: What is there before the first command.
SCENE = """
mkdir -p project/src project/docs disk
printf 'print("hi")\\n' > project/src/app.py
printf 'notes\\n' > project/docs/notes.md
head -c 100000 /dev/zero > project/data.bin
find project -exec touch -h -d '2026-03-01 12:00' {} +
"""

COMMANDS = [
    "arsync -ai project/ backup",
    "chmod 600 project/docs/notes.md; echo 'print(1)' > project/src/app.py",
    "arsync -ai --info=reason project/ backup",
    "arsync -ai project/ backup        # nothing to do, nothing said",
    "arsync -a --delete --delete-guard disk/ backup   # is the disk mounted?",
]

#: rich's frame of a picture without the fonts that it would fetch from elsewhere.
_FRAME = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- Made by docs/pictures/terminal.py from the real program. -->
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Step(NamedTuple):
    """A command and what it printed."""

    command: str
    output: str


def record() -> list[Step]:
    """Run all of it."""
    with tempfile.TemporaryDirectory() as top, tempfile.TemporaryDirectory() as programs:
        command = Path(programs, "arsync")
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m arsync "$@"\n')
        command.chmod(0o755)
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm-256color"}
        environment |= {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
        subprocess.run(["sh", "-ec", SCENE], cwd=top, env=environment, check=True)
        return [Step(line, _in_terminal(line, top, environment)) for line in COMMANDS]


def _in_terminal(line: str, top: str, environment: dict[str, str]) -> str:
    """What a command prints to a terminal; that it may fail is shown, too."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    child = subprocess.Popen(
        ["sh", "-c", line], cwd=top, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed = b""
    try:
        while data := os.read(ours, 65536):
            printed += data
    except OSError:  # the other side is closed, which is EIO here
        pass
    os.close(ours)
    child.wait()
    return printed.decode().replace("\r\n", "\n")


def draw(steps: list[Step]) -> str:
    """The picture, as SVG."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for step in steps:
        command, _, comment = step.command.partition("#")
        comment = f"#{comment}" if comment else ""
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold"), (comment, "dim")))
        if step.output:
            console.print(Text.from_ansi(step.output.removesuffix("\n")))
    return console.export_svg(title="arsync", code_format=_FRAME, unique_id="arsync")


def main() -> None:
    """Make it."""
    PICTURE.write_text(draw(record()))
    print(PICTURE)


if __name__ == "__main__":
    main()
