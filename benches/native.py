"""Compiles the two C programs: the floor and the slow file system."""

from __future__ import annotations

import subprocess
from pathlib import Path

from volumes import UnavailableError, run

_HERE = Path(__file__).parent


def build_floor(directory: Path) -> Path:
    """The C program that makes the system calls of a copy and nothing else."""
    program = directory / "floor"
    if not program.exists():
        run("cc", "-O2", "-Wall", "-o", program, _HERE / "floor.c")
    return program


def build_delayfs(directory: Path) -> Path:
    """The FUSE file system with a delay; needs libfuse3's headers."""
    program = directory / "delayfs"
    if not program.exists():
        flags = _flags("fuse3")
        run("cc", "-O2", "-Wall", "-o", program, _HERE / "delayfs.c", *flags)
    return program


def _flags(package: str) -> list[str]:
    try:
        found = subprocess.run(
            ["pkg-config", "--cflags", "--libs", package], capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        raise UnavailableError(f"pkg-config does not find {package}'s development files") from None
    return found.stdout.split()
