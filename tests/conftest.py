"""What this machine can do, said in the header, and the fixtures that need it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, settings

# Whoever runs the tests may ignore it (nohup, a CI's runner), and what they start would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

settings.register_profile(
    "default",
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
# The same examples each time: what was green stays green. tests/fuzz.sh draws others, for an hour; which lines only
# failures run takes longer to find out than what fails.
settings.register_profile(
    "explore", settings.get_profile("default"), max_examples=300, phases=[p for p in Phase if p is not Phase.explain]
)
settings.register_profile("default", settings.get_profile("default"), derandomize=True)
settings.load_profile("default")

FILE_SYSTEMS = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f", "-m", "reflink=1"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "vfat": ["mkfs.vfat"],
}


@cache
def is_root() -> bool:
    return os.geteuid() == 0


@cache
def ring_refusal() -> str:
    from arsync.fs import open_ring

    ring, reason = open_ring(8)
    if ring is not None:
        ring.close()
    return reason


def usable(ways: list[list[str]]) -> list[list[str]]:
    """Of several sets of arsync's options those that can be had here: without io_uring there is no demanding it."""
    return [way for way in ways if "--io-engine=uring" not in way or not ring_refusal()]


@cache
def mount_refusal() -> str:
    """Why a loop image cannot be mounted here; empty where it can."""
    if not is_root():
        return "not root"
    top = tempfile.mkdtemp()
    done = subprocess.run(["mount", "-t", "tmpfs", "none", top], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        subprocess.run(["umount", top], check=True)
    os.rmdir(top)
    return done.stderr.strip()


def missing(*tools: str) -> str:
    """Which tools are not installed."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


#: The reference of every comparison; older ones know fewer options and have mistakes that were mended since.
OLDEST_RSYNC = (3, 5)


@cache
def rsync_refusal() -> str:
    """Why there is no rsync to compare with; empty where there is."""
    if reason := missing("rsync"):
        return reason
    told = subprocess.run(["rsync", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version v?(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_RSYNC:
        return f"{told.splitlines()[0]} is older than {'.'.join(map(str, OLDEST_RSYNC))}"
    return ""


def pytest_report_header() -> list[str]:
    """Capabilities, so that a skip is visible."""
    found = {
        "io_uring": ring_refusal(),
        "root": "" if is_root() else "not root",
        "mounts": mount_refusal(),
        "rsync": rsync_refusal(),
        "acl": missing("setfacl"),
    }
    return ["arsync on this machine: " + ", ".join(f"{name}: {why or 'yes'}" for name, why in found.items())]


needs = {
    "ring": lambda: ring_refusal(),
    "root": lambda: "" if is_root() else "not root",
    "rsync": lambda: rsync_refusal(),
    "acl": lambda: missing("setfacl", "getfacl"),
}


def pytest_configure(config: pytest.Config) -> None:
    for name in needs:
        config.addinivalue_line("markers", f"needs_{name}: skipped with the reason where the machine has no {name}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, why in needs.items():
        if item.get_closest_marker(f"needs_{name}") and (reason := why()):
            pytest.skip(f"{name}: {reason}")
    asked = repr(item.callspec.params) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""
    if re.search(r"--io-engine=uring\b", asked) and (reason := ring_refusal()):
        pytest.skip(f"ring: {reason}")


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bytes]:
    """A fresh directory in memory where there is one: fast, and with nanoseconds and xattrs."""
    top = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    os.chmod(top, 0o755)
    yield os.fsencode(top)
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(scope="session", params=[*FILE_SYSTEMS, "tmpfs"])
def file_system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, bytes]]:
    """A real file system of each kind: its name and its mount point."""
    kind: str = request.param
    reason = mount_refusal() or ("" if kind == "tmpfs" else missing(FILE_SYSTEMS[kind][0]))
    if reason:
        pytest.skip(f"{kind}: {reason}")
    top = tmp_path_factory.mktemp(kind)
    mount = top / "mounted"
    mount.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", "size=512m", "none", str(mount)]
    else:
        image = top / "image"
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        subprocess.run([*FILE_SYSTEMS[kind], str(image)], check=True, capture_output=True)
        command = ["mount", "-o", "loop", str(image), str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{kind}: {done.stderr.strip()}")
    yield kind, os.fsencode(mount)
    subprocess.run(["umount", str(mount)], check=True)


@pytest.fixture
def place(file_system: tuple[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """A fresh directory on each file system."""
    kind, mount = file_system
    top = tempfile.mkdtemp(dir=mount)
    yield kind, top
    shutil.rmtree(top)
