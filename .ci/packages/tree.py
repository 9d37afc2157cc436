"""What all packages are made of: arsync and the pure Python of its dependencies, in a directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import Distribution, PackagePath, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

TOP = Path(__file__).resolve().parents[2]

#: Dependencies that no package has. Three are compiled, for one kind of machine, and arsync does without: the system's
#: library or plain system calls take the place of liburing, os that of xattr, hashlib that of xxhash.
#: rich needs the others to show code and Markdown, which arsync does not.
LEFT_OUT = {"liburing", "xattr", "xxhash", "markdown-it-py", "pygments"}


def version() -> str:
    """The version, from the one place that has it."""
    found = re.search(r'^__version__ = "(.+)"$', (TOP / "src/arsync/__init__.py").read_text(), re.MULTILINE)
    if found is None:
        sys.exit("src/arsync/__init__.py has no version")
    return found[1]


@cache
def epoch() -> int:
    """The time that everything in a package bears: the same sources make the same bytes."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or _last_commit() or "315532800"  # 1980, the first year of zip
    return int(given)


def _last_commit() -> str:
    if shutil.which("git") is None:
        return ""
    log = ["git", "-C", str(TOP), "log", "-1", "--format=%ct"]
    return subprocess.run(log, capture_output=True, text=True, check=False).stdout.strip()


def install(target: Path) -> None:
    """Put arsync and what it imports into ``target``, without anything compiled; fails where that is not enough.

    The dependencies are those of the running Python: what was tested is what is packed, and nothing is downloaded.
    """
    shutil.copytree(TOP / "src/arsync", target / "arsync", ignore=shutil.ignore_patterns("__pycache__"))
    for found in _needed(_required(), {}).values():
        for file in found.files or ():
            if file.suffix == ".so":
                sys.exit(f"{found.name} has compiled parts, and arsync does not run without it")
            if _belongs(file):
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target / file)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _required() -> list[str]:
    project: list[str] = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    return project


def _needed(requirements: Iterable[str], found: dict[str, Distribution]) -> dict[str, Distribution]:
    """What is required, all that this needs, and so on."""
    for requirement in map(Requirement, requirements):
        here = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        name = canonicalize_name(requirement.name)
        if here and name not in LEFT_OUT and name not in found:
            found[name] = distribution(name)
            _needed(found[name].requires or (), found)
    return found


def _belongs(file: PackagePath) -> bool:
    """Whether a file of a distribution is its own: not a script, nor made by whoever installed it."""
    if ".." in file.parts or "__pycache__" in file.parts:
        return False
    return ".dist-info" not in file.parts[0] or file.name == "METADATA" or "licenses" in file.parts


def system_tree(root: Path) -> None:
    """Everything that a .deb and an .rpm install, below ``root``."""
    library = root / "usr/lib/arsync"
    install(library)
    command = root / "usr/bin/arsync"
    command.parent.mkdir()
    command.write_text(_COMMAND)
    command.chmod(0o755)
    environment = os.environ | {
        "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": str(epoch())
    }  # fmt: skip
    reference = [sys.executable, "-m", "arsync.cli.reference", "--install-tree", str(root / "usr")]
    subprocess.run(reference, env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["gzip", "-9n", str(root / "usr/share/man/man1/arsync.1")], check=True)


def settle(root: Path) -> None:
    """Give everything below ``root`` the time of :func:`epoch`, and modes that do not depend on the maker's umask."""
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (epoch(), epoch()))


#: -I: neither the current directory nor what the caller's environment says is searched for modules, which matters
#: where root runs it.
_COMMAND = """#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/usr/lib/arsync")

from arsync.cli.main import main

main()
"""
