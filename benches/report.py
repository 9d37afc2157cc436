"""The results as text for a terminal and as the page docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from results import Result, Row, Verdict
from tools import python_of

MIB = 1 << 20
_HOW = """\
# Benchmarks

Made by `{command}`, which needs root for the file systems (`python benches/run.py --help` says what works without).
Every number here is one sitting on one machine; run it on yours.

- **Fresh file systems.** Each round makes a new one (loop image or tmpfs) and the source tree in it; each tool copies
  to a new directory there. Nothing is deleted between runs: ext4 looks at every recently deleted inode before it makes
  another, which makes whoever comes next many times slower.
- **Interleaved.** The tools run one after the other in every round, each round beginning with another one. Medians are
  compared. Before each run everything is written back; before a large file is copied, memory for it is used and freed,
  since what a virtual machine gave back to its host makes whoever uses it next wait.
- **Warm.** The source has just been written and is in memory, except on the slow file system, which is mounted anew.
- **Checked.** In the first round each copy is compared with its source (names, types, modes, sizes, times, data), and
  each exit code always, so that a tool that fails is not fast.
- **CPU s** is user and system time of all processes; work that the kernel does in threads of its own is not in it.
- **C floor** is `benches/floor.c`: as many processes as arsync has workers, making the system calls of arsync's copy
  and nothing else. **delayfs** (`benches/delayfs.c`) is a FUSE file system that answers each operation late.
- **against** is the tool's time over arsync's: 2.00 means arsync took half as long; below 1, arsync lost.
"""


def machine(arsync: list[str]) -> list[tuple[str, str]]:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    facts = [
        ("kernel", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("CPUs", f"{len(os.sched_getaffinity(0))}, {_cpu_model()}"),
        ("memory", f"{memory / (1 << 30):.0f} GiB"),
        ("load before", f"{os.getloadavg()[0]:.2f}"),
        ("Python", _first_line(python_of(arsync), "--version")),
        ("arsync", _first_line(*arsync, "--version")),
    ]
    versions = {"rsync": "--version", "cp": "--version", "rclone": "--version", "fpsync": "-h", "mkfs.ext4": "-V"}
    versions |= {"mkfs.xfs": "-V", "mkfs.btrfs": "-V"}
    return facts + [(name, _first_line(name, option)) for name, option in versions.items() if shutil.which(name)]


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((done.stdout or done.stderr).strip().splitlines()), f"exit {done.returncode}")


def _table(result: Result) -> tuple[list[str], list[list[str]]]:
    subject = result.row(result.subject)
    memory = any(row.usable and row.memory for row in result.rows)
    head = ["", "median s", "best", "worst", "CPU s", *(["MiB"] if memory else []), "against"]
    return head, [_cells(row, subject, memory) for row in result.rows]


def _cells(row: Row, subject: Row | None, memory: bool) -> list[str]:
    if not row.usable:
        return [row.name, f"failed: {row.failure}", *[""] * (5 if memory else 4)]
    numbers = [row.wall, row.best, row.worst, row.cpu]
    against = f"{row.wall / subject.wall:.2f}" if subject is not None and row is not subject else ""
    shown = [f"{number:.3f}" for number in numbers]
    return [row.name, *shown, *([f"{row.memory / MIB:.0f}"] if memory else []), against]


def _verdict(verdict: Verdict) -> str:
    return f"{'PASS' if verdict.passed else 'LOSES'}  {verdict.target}: {verdict.outcome}"


def as_text(result: Result) -> str:
    """One case for the terminal."""
    lines = [f"{result.name}: {result.title}"]
    if result.skipped:
        return "\n".join([*lines, f"  skipped: {result.skipped}", ""])
    head, rows = _table(result)
    width = max(len(row[0]) for row in rows)
    for cells in [head, *rows]:
        lines.append("  " + cells[0].ljust(width) + "  " + "  ".join(cell.rjust(8) for cell in cells[1:]).rstrip())
    lines += [f"  {_verdict(verdict)}" for verdict in result.verdicts]
    return "\n".join([*lines, *(f"  {note}" for note in result.notes), ""])


def lost(results: list[Result]) -> list[str]:
    """Every target missed, and every rival that was faster."""
    lines = [
        f"{result.title}: {verdict.target}: {verdict.outcome}"
        for result in results
        for verdict in result.verdicts
        if not verdict.passed
    ]
    for result in results:
        subject = result.row(result.subject)
        for row in result.rows if subject is not None else []:
            rival = row.usable and not row.name.startswith(("arsync", "C floor", "import"))
            if subject is not None and rival and row.wall < subject.wall:
                lines.append(f"{result.title}: {row.name} takes {row.wall / subject.wall:.2f} of arsync's time")
    return lines


def as_markdown(results: list[Result], facts: list[tuple[str, str]], command: str, quick: bool) -> str:
    """The page."""
    lines = [_HOW.format(command=command)]
    if quick:
        lines += ["**Made with --quick: a tenth of each tree. The targets are meant for the whole.**", ""]
    lines += ["| measured on | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts), ""]
    lines += ["## Targets", "", "| case | target | came out | |", "|---|---|---|---|"]
    for result in results:
        for verdict in result.verdicts:
            word = "PASS" if verdict.passed else "**LOSES**"
            lines.append(f"| {result.title} | {verdict.target} | {verdict.outcome} | {word} |")
    lines += ["", "## Where arsync loses", ""]
    lines += [f"- {line}" for line in lost(results)] or ["Nowhere in this sitting."]
    for result in results:
        lines += ["", f"## {result.title}", "", f"`--case {result.name}`", ""]
        lines += _markdown_table(result)
    return "\n".join(lines) + "\n"


#: Begins the part of the page that is measured on demand, which another run of the rest leaves as it is.
_SCALE = "## Trees that are large in one way or another\n"


def with_scale(page: str, old: str) -> str:
    """A new page with what the ``old`` one says of the cases that are measured on demand."""
    _, head, rest = old.partition(_SCALE)
    return f"{page}\n{head}{rest}" if head else page


def of_scale(results: list[Result], facts: list[tuple[str, str]], command: str, old: str) -> str:
    """The ``old`` page with these results of the cases that are measured on demand."""
    known = dict(facts)
    lines = [
        f"{_SCALE}\nMade by `{command}`, with a load of {known['load before']} before: look at",
        "the memory of all processes and at the CPU time. A case fails where arsync takes 150 MiB. The names of one",
        "directory are in memory while it is listed, with `-H` the names of files whose other names have not been met,",
        "and nothing else that grows.",
        "`ARSYNC_SCALE=full python -m pytest tests/scale` looks at what becomes of such trees.",
    ]
    for result in results:
        lines += ["", f"### {result.title}", "", f"`--case {result.name}`", "", *_markdown_table(result)]
    return old.partition(_SCALE)[0].rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def _markdown_table(result: Result) -> list[str]:
    if result.skipped:
        return [f"Skipped: {result.skipped}"]
    head, rows = _table(result)
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    return [*lines, *(["", *result.notes] if result.notes else [])]
