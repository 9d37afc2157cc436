"""What a release needs, and that the project's own files agree with each other."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import arsync

TOP = Path(__file__).resolve().parents[2]
SCRIPT = TOP / ".ci/release.py"


@pytest.fixture(scope="module")
def missing() -> Iterator[Callable[..., Iterator[str]]]:
    spec = importlib.util.spec_from_file_location("release", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    before = list(sys.path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module.missing
    sys.path[:] = before


CHANGELOG = "# Changelog\n\n## 1.2.0 (2026-01-31)\n\n- something\n\n## 1.1.0 (2025-12-01)\n"


def test_all_there(missing: Callable[..., Iterator[str]]) -> None:
    assert list(missing("v1.2.0", "1.2.0", CHANGELOG, [])) == []


@pytest.mark.parametrize(
    ("tag", "changelog", "fragments", "said"),
    [
        ("1.2.0", CHANGELOG, [], "has to be v1.2.0"),
        ("v1.1.0", CHANGELOG, [], "has to be v1.2.0"),
        ("v1.2.0", CHANGELOG.replace("1.2.0", "1.1.9"), [], "does not begin with 1.2.0"),
        ("v1.2.0", "# Changelog\n", [], "does not begin with 1.2.0"),
        ("v1.2.0", CHANGELOG.replace("2026-01-31", "not released yet"), [], "has to be a day"),
        ("v1.2.0", CHANGELOG, ["+x.added.md"], "+x.added.md"),
    ],
)
def test_not_ready(
    missing: Callable[..., Iterator[str]], tag: str, changelog: str, fragments: list[str], said: str
) -> None:
    """Each thing that can be forgotten is named."""
    (line,) = missing(tag, "1.2.0", changelog, fragments)
    assert said in line


def test_command() -> None:
    """As the workflow runs it, for this checkout and a tag that cannot be."""
    done = subprocess.run([sys.executable, SCRIPT, "v0"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"has to be v{arsync.__version__}" in done.stderr


def test_one_version() -> None:
    """The number is in one place; everything else reads it there."""
    tracked = [*(TOP / "src").rglob("*.py"), *(TOP / ".ci").rglob("*.py"), TOP / "pyproject.toml"]
    found = [path for path in tracked if re.search(rf'"{re.escape(arsync.__version__)}"', path.read_text())]
    assert found == [TOP / "src/arsync/__init__.py"]


def test_chores() -> None:
    """Every chore has its line in CONTRIBUTING, and everything that is named there, and in workflows, exists."""
    chores = set(re.findall(r"^\[tool\.poe\.tasks\.([\w-]+)\]", (TOP / "pyproject.toml").read_text(), re.MULTILINE))
    contributing = (TOP / ".github/CONTRIBUTING.md").read_text()
    assert set(re.findall(r"`poe ([a-z-]+)", contributing)) == chores
    callers = [TOP / ".ci/run", TOP / "docs/changelog.d/README.txt", *(TOP / ".github").rglob("*.*")]
    called = {name for path in callers for name in re.findall(r"\bpoe ([a-z-]+)", path.read_text())}
    assert called <= chores


def test_actions_are_pinned() -> None:
    """A tag can be moved to other code; a commit cannot."""
    used = [
        line.strip()
        for path in (TOP / ".github/workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert len(used) > 10
    assert [line for line in used if not re.fullmatch(r"(?:- )?uses: [\w/-]+@[0-9a-f]{40} # v[\d.]+", line)] == []
