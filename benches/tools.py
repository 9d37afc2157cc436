"""The commands that are compared."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Copies the contents of a source directory to a destination that does not exist yet, or that is a copy already.
Command = Callable[[Path, Path], list[str]]


@dataclass(frozen=True)
class Tool:
    """A way to copy a tree."""

    name: str
    command: Command
    exact: bool = True
    """Whether it promises modes and times in nanoseconds."""


def arsync(base: list[str], *options: str, name: str | None = None) -> Tool:
    """arsync with more options than -a."""
    shown = name or " ".join(["arsync -a", *options])
    return Tool(shown, lambda src, dst: [*base, "-a", *options, f"{src}/", f"{dst}/"])


def rsync(*options: str) -> Tool:
    """rsync -a, to which everything is compared."""
    return Tool(" ".join(["rsync -a", *options]), lambda src, dst: ["rsync", "-a", *options, f"{src}/", f"{dst}/"])


CP = Tool("cp -a", lambda src, dst: ["cp", "-a", str(src), str(dst)])


def floor(program: Path, processes: int, *options: str) -> Tool:
    """The C program; see floor.c."""
    name = " ".join(["C floor", *options])
    return Tool(name, lambda src, dst: [str(program), "-n", str(processes), *options, str(src), str(dst)])


def fpsync(processes: int, scratch: Path) -> list[Tool]:
    """Several rsyncs at once, where installed; its two temporary directories go to ``scratch``."""
    if not shutil.which("fpsync"):
        return []
    state = ["-t", str(scratch), "-d", str(scratch)]
    return [Tool("fpsync", lambda src, dst: ["fpsync", *state, "-n", str(processes), f"{src}/", f"{dst}/"])]


def rclone() -> list[Tool]:
    """rclone's local backend with metadata, where installed."""
    if not shutil.which("rclone"):
        return []
    options = ["--config", os.devnull, "--metadata", "--links", "--create-empty-src-dirs"]
    return [Tool("rclone copy", lambda src, dst: ["rclone", "copy", *options, str(src), str(dst)], exact=False)]


def find_arsync(given: str | None) -> list[str]:
    """The command to run: as given, else the one on PATH, else the package beside this directory."""
    if given:
        return shlex.split(given)
    if found := shutil.which("arsync"):
        return [found]
    source = Path(__file__).resolve().parent.parent / "src"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH"))))
    return [sys.executable, "-m", "arsync"]


def python_of(command: list[str]) -> str:
    """The Python that runs this arsync: the command itself, or what its script names in its first line."""
    program = shutil.which(command[0]) or command[0]
    with open(program, "rb") as file:
        first = file.readline(256)
    if first.startswith(b"#!") and b"python" in first:
        return first[2:].split()[-1].decode()
    return program if "python" in os.path.basename(program) else sys.executable
