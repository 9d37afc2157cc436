"""The single file that needs only Python."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from support.packages import TREE, exercise, make
from support.trees import create


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("archive.py", tmp_path_factory.mktemp("archive") / "arsync.pyz")


def test_it_needs_only_python(archive: Path, tmp_path: Path) -> None:
    """-I and -S: nothing of the environment nor of what is installed beside Python; run from elsewhere."""
    alone = Path(shutil.copy(archive, tmp_path / "copy"))
    exercise([sys.executable, "-I", "-S", alone], tmp_path, cwd="/", env={"LC_ALL": "C.UTF-8"})


def test_it_is_a_command(archive: Path, tmp_path: Path) -> None:
    """Its first line finds Python, it can be executed, and its name does not matter."""
    named = Path(shutil.copy(archive, tmp_path / "arsync"))
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    exercise([named], tmp_path, env=environment)


def test_it_draws_on_a_terminal(archive: Path, tmp_path: Path) -> None:
    """What is imported only where there is a terminal is in it, too: colors are rich's."""
    create(os.fsencode(tmp_path / "src"), TREE)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-I", "-S", archive, "-a", "--bwlimit=1000", "--info=progress2", "src/", "dst"]
    environment = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    child = subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = b""
    with suppress(OSError):  # EIO: the other side is closed
        while data := os.read(ours, 65536):
            drawn += data
    os.close(ours)
    assert child.wait() == 0, drawn.decode()
    assert re.search(rb"\x1b\[\d+m.*%", drawn)
    assert b"Traceback" not in drawn


def test_nothing_is_unpacked(archive: Path, tmp_path: Path) -> None:
    """What is put into a cache can be replaced there by others; so there is none."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "src").mkdir()
    environment = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, archive, "-a", "src/", "dst"], cwd=tmp_path, env=environment, check=True)
    assert list(home.iterdir()) == []
    assert (tmp_path / "dst").is_dir()


def test_it_has_sources_and_bytecode(archive: Path) -> None:
    """Bytecode for the Python that made it, sources for any other, nothing compiled for one kind of machine."""
    inside = set(zipfile.ZipFile(archive).namelist())
    tag = sys.implementation.cache_tag
    sources = {name for name in inside if name.endswith(".py")} - {"__main__.py"}
    assert {"arsync/cli/main.py", "click/__init__.py"} <= sources
    assert {f"{tag}/{name}c" for name in sources} <= inside
    assert not [name for name in inside if name.endswith(".so") or "liburing" in name]


def test_without_its_bytecode(archive: Path, tmp_path: Path) -> None:
    """As any other Python runs it."""
    bare = tmp_path / "bare.pyz"
    with zipfile.ZipFile(archive) as full, zipfile.ZipFile(bare, "w") as stripped:
        for entry in full.infolist():
            if not entry.filename.endswith(".pyc"):
                stripped.writestr(entry, full.read(entry))
    exercise([sys.executable, "-I", "-S", bare], tmp_path)


def test_the_same_sources_make_the_same_file(archive: Path, tmp_path: Path) -> None:
    """Whoever doubts a download can make it again."""
    again = make("archive.py", tmp_path / "again.pyz")
    assert again.read_bytes() == archive.read_bytes()


def test_an_old_python_is_told(archive: Path) -> None:
    """Python 3.9 and older cannot read the modules; the first one says so, before any of them."""
    main = zipfile.ZipFile(archive).read("__main__.py").decode()
    code = f"import sys; sys.version_info = (3, 6, 15); exec({main!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "arsync: this is Python 3.6, and 3.10 or newer is needed\n")
