"""The documentation as a whole: the site, its navigation, and the files that it shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from arsync.cli.reference.exits import MEANING
from conftest import missing
from support.pages import REPOSITORY, blocks

DOCS = REPOSITORY / "docs"
CONFIGURATION = DOCS / "site" / "mkdocs.yml"


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs not installed: pip install '.[docs]'")
def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    """Links, anchors and pictures lead somewhere."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", CONFIGURATION, "-d", tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "guide" / "snapshots.html").exists()


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs not installed: pip install '.[docs]'")
@pytest.mark.parametrize(
    ("page", "more"),
    [
        ("docs/index.md", "[nowhere](nowhere.md)"),
        ("src/arsync/fs/acl.py", 'def f() -> int:\n    """.\n\n    Args:\n        x: y\n    """'),
    ],
    ids=["a broken link", "a docstring that describes no argument"],
)
def test_poe_docs_fails_with_a_warning(tmp_path: Path, page: str, more: str) -> None:
    """It once did not: under --quiet mkdocs does not count them."""
    for part in ("docs", "src"):
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / page).open("a") as file:
        file.write(f"\n\n{more}\n")
    if page.startswith("src"):
        with (tmp_path / "docs/index.md").open("a") as file:
            file.write("\n::: arsync.fs.acl.f\n")
    found = re.search(r'(?m)^cmd = "mkdocs (.*)"$', (REPOSITORY / "pyproject.toml").read_text())
    assert found is not None
    command = [sys.executable, "-m", "mkdocs", *found[1].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "WARNING" in done.stderr


def test_links_lead_to_files() -> None:
    """The same of README, and where there is no mkdocs."""
    broken = []
    for page in [REPOSITORY / "README.md", *DOCS.rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / link).exists():
                broken.append(f"{page.relative_to(REPOSITORY)}: {link}")
    assert not broken


def test_every_exit_code_has_its_part() -> None:
    text = (DOCS / "exit-codes.md").read_text()
    assert re.findall(r"(?m)^## (\d+)$", text) == [str(code.value) for code in MEANING]


def test_systemd_takes_its_units(tmp_path: Path) -> None:
    """As they are, but for the place of the script, which is not installed here."""
    if reason := missing("systemd-analyze"):
        pytest.skip(reason)
    script = tmp_path / "snapshot"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    units = []
    for block in blocks(DOCS / "guide" / "snapshots.md"):
        if block.language == "ini":
            units.append(tmp_path / Path(block.title).name)
            units[-1].write_text(block.text.replace("/usr/local/bin/snapshot", str(script)))
    assert [unit.name for unit in units] == ["snapshot.service", "snapshot.timer"]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    when = re.search(r"OnCalendar=(.*)", units[1].read_text())
    assert when is not None
    subprocess.run(["systemd-analyze", "calendar", when[1]], capture_output=True, check=True)


@pytest.mark.skipif(find_spec("yaml") is None, reason="PyYAML not installed: pip install '.[docs]'")
def test_the_workflow_is_one() -> None:
    import yaml

    workflows = [yaml.safe_load(block.text) for block in blocks(DOCS / "guide" / "ci.md") if block.language == "yaml"]
    (workflow,) = workflows
    steps = workflow["jobs"]["stage"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
