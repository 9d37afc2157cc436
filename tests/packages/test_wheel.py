"""The wheel and the sdist: what is in them, that one makes the other, and that both can be used."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import arsync
from support.packages import TOP, exercise


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where both are: the wheel is made from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(TOP)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(made: Path) -> Path:
    return made / f"arsync-{arsync.__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def unpacked(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist's tree."""
    to = tmp_path_factory.mktemp("sdist")
    with tarfile.open(made / f"arsync-{arsync.__version__}.tar.gz") as archive:
        archive.extractall(to)
    return to / f"arsync-{arsync.__version__}"


def test_the_wheel_has_every_module(wheel: Path) -> None:
    """And nothing else but its metadata: no tests, no bytecode."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = (TOP / "src").rglob("*")
    assert inside == {
        str(path.relative_to(TOP / "src")) for path in sources if path.is_file() and "__pycache__" not in path.parts
    }
    assert "arsync/py.typed" in inside


def test_the_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """Installed apart from everything but its dependencies."""
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", site, wheel], check=True)
    exercise([site / "bin/arsync"], tmp_path, env=os.environ | {"PYTHONPATH": str(site)})


def test_the_sdist_runs_the_tests(unpacked: Path) -> None:
    """All of them are found there, and some, with what they are run by, are run."""

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=unpacked,
            env=os.environ | {"PYTHONPATH": str(unpacked / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    run("--collect-only")
    run("tests/test_chmod.py", "tests/cli/test_reference.py")
    assert (unpacked / "tests/run.sh").exists()
