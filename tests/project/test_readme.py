"""The README's numbers are those of docs/benchmarks.md, its links lead somewhere, and it is short."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
README = (TOP / "README.md").read_text()


def test_table() -> None:
    """`poe table` makes it again."""
    spec = importlib.util.spec_from_file_location("readme", TOP / "benches/readme.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (TOP / "docs/benchmarks.md").read_text()
    assert script.renewed(README, page) == README
    for case in script.CASES:
        assert script.seconds(page, case, "arsync -a"), f"docs/benchmarks.md has no {case}"
    assert script.command(page).count("--case") == len(script.CASES)


def test_links() -> None:
    """They are files of this repository."""
    found = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(found) > 8
    assert [link for link in found if not (TOP / link).exists()] == []


def test_two_commands_set_up_everything() -> None:
    """One installs and runs a real copy, one installs what the tests need and runs them."""
    scripts = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert [script.count("\n") for script in scripts] == [1, 1]
    assert "pip install . &&" in scripts[0]
    assert scripts[1] == "sh tests/run.sh\n"


def test_first_screen() -> None:
    """One sentence, the command and its output, the table, and what it does not do: before the first heading."""
    first = README.partition("\n## ")[0]
    assert len(first.splitlines()) < 50
    for needed in ("```console\n$ arsync -ai", "| seconds |", "python benches/run.py --case", "It does not"):
        assert needed in first
    assert len(README.splitlines()) < 120
