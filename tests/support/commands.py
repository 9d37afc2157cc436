"""Running the real commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Somebody who is not root: the usual "nobody", in a group of his own.
NOBODY = 65534

_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", os.defpath), "PYTHONFAULTHANDLER": "1"}


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[bytes]:
        return self.out.splitlines()


def run(
    command: Sequence[bytes | str],
    *,
    nobody: bool = False,
    cwd: bytes | None = None,
    before: Callable[[], object] | None = None,
    timeout: float = 120,
) -> Result:
    """Run a command to its end; ``nobody``: as an ordinary user; ``before`` runs in the child first."""

    def prepare() -> None:
        if before is not None:
            before()

    done = subprocess.run(
        list(command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=cwd,
        env=_ENVIRONMENT | ({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        preexec_fn=prepare if before is not None else None,
        timeout=timeout,
        check=False,
        **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if nobody else {}),
    )
    return Result(done.returncode, done.stdout, done.stderr)


ARSYNC: list[bytes | str] = [sys.executable, "-m", "arsync"]


def arsync(*arguments: bytes | str, **how: object) -> Result:
    """Run arsync."""
    return run([*ARSYNC, *arguments], **how)  # type: ignore[arg-type]


def rsync(*arguments: bytes | str, **how: object) -> Result:
    """Run the reference."""
    return run(["rsync", *arguments], **how)  # type: ignore[arg-type]


#: Runs arsync as nobody even where the interpreter is one that only root may read: everything is imported first.
AS_NOBODY = """
import asyncio, concurrent.futures.thread, ctypes, difflib, encodings.idna
import importlib, importlib.metadata, os, pkgutil, random, sys, traceback
import arsync, click.testing
from arsync.cli.main import main
for module in pkgutil.walk_packages(arsync.__path__, "arsync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import liburing, xattr.lib
importlib.metadata.version("click")  # imports more
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/self belongs to nobody now
os.umask(0o022)
main()
"""


def arsync_as_nobody(*arguments: bytes | str, **how: object) -> Result:
    """Run arsync as an ordinary user."""
    return run([sys.executable, "-c", AS_NOBODY, *arguments], **how)  # type: ignore[arg-type]
