"""The README's table, from docs/benchmarks.md: ``python benches/readme.py``; tests/project/test_readme.py compares."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
README = TOP / "README.md"
BENCHMARKS = TOP / "docs/benchmarks.md"

#: The headings of cases there, one of them a loss.
CASES = [
    "500 small files to a file system with 1 ms per operation",
    "500 small files from a file system with 1 ms per operation",
    "One file of 1.5 GiB, xfs",
    "100,000 files in one directory, ext4",
    "10,000 small files, ext4",
    "80,000 files in 12,000 directories, nothing to do, ext4",
]

#: How the row of a tool begins, and what it is called here.
TOOLS = {"arsync -a": "arsync -a", "rsync -a": "rsync -a", "cp -a": "cp -a"}

_BEGIN, _END = "<!-- table: python benches/readme.py -->\n", "<!-- end of table -->\n"


def seconds(page: str, case: str, tool: str) -> str:
    """The median of a tool in a case, as the page has it; empty where it did not run."""
    section = page.partition(f"\n## {case}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^\| {re.escape(tool)}(?: --io-engine=auto)? \| (\d+\.\d+) \|", section, re.MULTILINE)
    return found[1] if found else ""


def command(page: str) -> str:
    """What measures the cases of the table."""
    cases = [re.search(r"\n`--case (\S+)`", page.partition(f"\n## {case}\n")[2]) for case in CASES]
    return "python benches/run.py " + " ".join(f"--case {found[1]}" for found in cases if found)


def table(page: str) -> str:
    """The table and the command below it."""
    lines = [f"| seconds | {' | '.join(f'`{name}`' for name in TOOLS.values())} |", "|---|" + "--:|" * len(TOOLS)]
    for case in CASES:
        cells = [f"{float(text):.2f}" if (text := seconds(page, case, tool)) else "" for tool in TOOLS]
        numbers = [float(cell) for cell in cells if cell]
        cells = [f"**{cell}**" if cell and float(cell) == min(numbers) else cell for cell in cells]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\nMeasured by `{command(page)}`.\n"


def renewed(readme: str, page: str) -> str:
    """The README with the numbers of the page."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + table(page) + _END + after


if __name__ == "__main__":
    README.write_text(renewed(README.read_text(), BENCHMARKS.read_text()))
