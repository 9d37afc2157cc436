"""README's and the quick start's ways to install arsync, to the letter, as somebody with a clone and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import missing
from support.pages import README, REPOSITORY

SH = re.compile(r"(?ms)^```sh\n(.*?)^```$")

#: What pip says where it cannot ask anybody.
OFFLINE = ("Temporary failure in name resolution", "NewConnectionError", "Could not find a version that satisfies")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The sources without what was built of them."""
    left_out = shutil.ignore_patterns(".git", ".venv", "build", "dist", "__pycache__", ".*_cache")
    return Path(shutil.copytree(REPOSITORY, tmp_path / "clone", ignore=left_out, symlinks=True))


def run(script: str, clone: Path) -> str:
    """Run a script as in a new login, where nothing but the system's directories is on the PATH; returns its output."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "https_proxy"))}
    home = clone.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {**kept, "HOME": str(home), "PATH": f"{home}/.local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=clone, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    if done.returncode and any(reason in done.stderr for reason in OFFLINE):
        pytest.skip(f"pip cannot reach an index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def skip_without_venv() -> None:
    if reason := missing("/usr/bin/python3"):
        pytest.skip(reason)
    probe = "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))"
    if subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("the system's Python is older than 3.10, or has no venv (python3-venv)")


def test_readme(clone: Path) -> None:
    skip_without_venv()
    script = SH.findall(README.read_text())[0]
    copy = clone.parent / "copy"
    out = run(script.replace("/tmp/arsync-copy-of-docs", str(copy)), clone)
    assert ">f+++++++++ index.md" in out
    assert (copy / "index.md").read_bytes() == (clone / "docs" / "index.md").read_bytes()


def test_quick_start(clone: Path) -> None:
    """With the manual page and the command in ~/.local; where there is man, it finds it."""
    skip_without_venv()
    scripts = SH.findall((REPOSITORY / "docs" / "index.md").read_text())[:2]
    assert "pip install ." in scripts[0]
    assert "--install-tree" in scripts[1]
    out = run("\n".join(scripts), clone)
    assert out.startswith("arsync  version ") or "\narsync  version " in out
    assert run("arsync --version", clone).startswith("arsync  version ")
    if not missing("man"):
        assert run("man -w arsync", clone).endswith("share/man/man1/arsync.1\n")
