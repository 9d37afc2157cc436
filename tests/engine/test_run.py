"""A run as other programs would start it, and what becomes of it when its own code is at fault."""

from __future__ import annotations

import os
import subprocess
import sys

from support.trees import Dir, File, create

_RUN = """
import os, sys
from arsync.config import CopyConfig
from arsync.engine.run import run
from arsync.events import Sink

class Recorder:
    def __getattr__(self, name):
        return lambda *arguments: None
    def item(self, item):
        if {raises} and item.path.endswith(b"77"):
            raise ZeroDivisionError("a defect")
        paths.append(item.path)

paths = []
source, dest = map(os.fsencode, sys.argv[1:])
config = CopyConfig((source,), dest, recursive=True, times=True, itemize=1, workers={workers})
try:
    code = int(run(config, Recorder()))
except ZeroDivisionError as error:
    code = str(error)
children = os.path.exists("/proc/self/task") and open(f"/proc/self/task/{{os.getpid()}}/children").read().split()
print(code, len(paths), paths == sorted(paths), children)
"""


def _run(here: bytes, workers: int, raises: bool) -> str:
    src = os.path.join(here, b"src/")
    create(src, Dir({b"%04d" % number: File(b"x") for number in range(2000)}))
    program = _RUN.format(workers=workers, raises=raises)
    command = [sys.executable, "-c", program, src, os.path.join(here, b"dst")]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.decode().strip()


def test_as_a_library(here: bytes) -> None:
    assert _run(here, 2, False) == "0 2001 True []"


def test_a_defect_ends_the_run(here: bytes) -> None:
    """What a callback raises is raised by run(), at once; workers do not outlive it."""
    answer = _run(here, 2, True)
    assert answer.startswith("a defect ")
    assert answer.endswith("[]")
