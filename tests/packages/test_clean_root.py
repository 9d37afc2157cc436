"""Installing what people download, in systems that have nothing else: Debian's, made by debootstrap.

On demand, since it downloads a system: ARSYNC_CLEAN_ROOTS names a directory, where the systems are kept for the next
time (a test session of its own: a temporary one), as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.packages import exercise, make

#: The oldest Debian that has Python 3.10 or newer, and one that also has a liburing that is new enough.
SYSTEMS = {"bookworm": "python3", "trixie": "python3,liburing2"}

#: Seconds; a system is some 100 packages.
PATIENCE = 1200

#: Runs a command in another root, with a /proc of its own that nobody has to unmount.
_INSIDE = ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"']

pytestmark = [pytest.mark.needs_root, pytest.mark.timeout(PATIENCE)]


class Root:
    """A system in a directory."""

    def __init__(self, suite: str, top: Path) -> None:
        self.suite = suite
        self.top = top
        self.command: list[str | Path] = [*_INSIDE, top]

    def run(self, *command: str | Path) -> str:
        """What a command there says; it has to succeed."""
        done = subprocess.run([*self.command, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def take(self, made: Path) -> str:
        """A file from here, in there."""
        shutil.copy(made, self.top / "tmp")
        return f"/tmp/{made.name}"

    def exercise(self, *command: str, **how: object) -> None:
        """A real job of arsync there."""
        job = self.top / "tmp/job"
        shutil.rmtree(job, ignore_errors=True)
        job.mkdir()
        exercise([*self.command, *command], Path("/tmp/job"), job, **how)
        shutil.rmtree(job)

    def files(self) -> set[str]:
        """All that is installed."""
        tops = [self.top / name for name in ("etc", "usr", "opt")]
        return {str(path.relative_to(self.top)) for top in tops for path in top.rglob("*")}


@pytest.fixture(scope="module", params=SYSTEMS)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Root:
    suite: str = request.param
    kept = os.environ.get("ARSYNC_CLEAN_ROOTS")
    if kept is None:
        pytest.skip("ARSYNC_CLEAN_ROOTS is not set (a directory for systems that are downloaded)")
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    top = Path(kept, suite)
    if not top.exists():
        building = tmp_path_factory.mktemp(suite)
        command = ["debootstrap", "--variant=minbase", f"--include={SYSTEMS[suite]}", suite, str(building)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            pytest.skip(f"debootstrap {suite}: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
        top.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(building, top)
    return Root(suite, top)


@pytest.fixture
def clean(root: Root) -> Iterator[Root]:
    """The system, which is as it was at the end."""
    before = root.files()
    yield root
    left = root.files() ^ before
    assert not left


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


def test_deb(clean: Root, made: Path) -> None:
    """Installed with its dependencies checked, run, installed once more (as an upgrade), removed without a trace."""
    package = clean.take(make("deb.py", made / "arsync.deb"))
    clean.run("dpkg", "-i", package)
    try:
        clean.exercise("arsync")
        assert clean.files() >= {"usr/share/man/man1/arsync.1.gz", "usr/share/zsh/vendor-completions/_arsync"}
        compiled = [name for name in clean.files() if name.startswith("usr/lib/arsync/") and name.endswith(".pyc")]
        assert len(compiled) > 150
        clean.run("dpkg", "-i", package)
        clean.exercise("arsync")
    finally:
        clean.run("dpkg", "--purge", "arsync")


def test_rpm(clean: Root, made: Path) -> None:
    """The same by rpm, into a system that is not rpm's: whether there is a Python is not for it to say here."""
    for tool in ("rpm", "rpmbuild"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    package = make("rpm.py", made / "arsync.rpm")
    rpm = ["rpm", "--root", str(clean.top)]
    subprocess.run([*rpm, "--initdb"], check=True, capture_output=True)
    subprocess.run([*rpm, "-i", "--nodeps", package], check=True, capture_output=True)
    try:
        clean.exercise("arsync")
        assert "usr/share/zsh/site-functions/_arsync" in clean.files()
    finally:
        subprocess.run([*rpm, "-e", "--nodeps", "arsync"], check=True, capture_output=True)


def test_archive(clean: Root, made: Path) -> None:
    """A system with Python, and nothing else that arsync imports."""
    file = clean.take(make("archive.py", made / "arsync.pyz"))
    clean.exercise("python3", file)
    clean.exercise(file)


def test_nobody_else_is_imported(clean: Root, made: Path) -> None:
    """Root runs it anywhere, with any environment: modules there, or that PYTHONPATH names, are none of its own."""
    clean.run("dpkg", "-i", clean.take(make("deb.py", made / "arsync.deb")))
    trap = clean.top / "tmp/trap"
    trap.mkdir()
    for name in ("click", "arsync", "gc", "os", "asyncio", "sitecustomize", "usercustomize"):
        (trap / f"{name}.py").write_text("print('caught')\n")
    try:
        command = "cd /tmp/trap && PYTHONPATH=/tmp/trap HOME=/tmp/trap arsync -ai /tmp/trap/ /tmp/copy"
        assert "caught" not in clean.run("sh", "-c", command)
    finally:
        shutil.rmtree(trap)
        shutil.rmtree(clean.top / "tmp/copy", ignore_errors=True)
        clean.run("dpkg", "--purge", "arsync")


@pytest.mark.needs_ring
def test_io_uring_of_the_system(clean: Root, made: Path) -> None:
    """Where the system has a liburing that is new enough, it is used."""
    if "liburing2" not in SYSTEMS[clean.suite]:
        pytest.skip(f"{clean.suite}'s liburing is too old")
    clean.run("dpkg", "-i", clean.take(make("deb.py", made / "arsync.deb")))
    try:
        job = ["arsync", "-a", "--stats", "--io-engine=uring", "--workers=1", "/etc/", "/tmp/copy"]
        assert "io_uring: used" in clean.run(*job)
    finally:
        shutil.rmtree(clean.top / "tmp/copy", ignore_errors=True)
        clean.run("dpkg", "--purge", "arsync")
