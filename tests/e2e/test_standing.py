"""SIGUSR1: where a run stands, whether or not it shows progress, and nobody dies of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from arsync.config import CopyConfig
from arsync.engine.run import run
from support.commands import ARSYNC
from support.inprocess import Collected
from support.trees import Dir, File, create


@pytest.mark.parametrize("options", [[], ["-q"], ["--info=progress2"], ["--workers=2", "--io-engine=plain"]])
def test_says_where_it_stands(here: bytes, options: list[str]) -> None:
    """A large file, though nothing was asked of it before; sent to the whole group, as a terminal's key would."""
    tree = {b"large": File(b"x" * (10 << 20)), **{b"f%03d" % n: File(b"x" * 10_000) for n in range(300)}}
    create(os.path.join(here, b"src"), Dir(tree))
    process = subprocess.Popen(
        [*ARSYNC, "-a", "--bwlimit=8m", *options, "src/", "dst"],
        cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    while not _has_begun(here):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGUSR1)
    said = [process.stderr.readline() for _ in range(2)]
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    shape = rb"arsync: after 0:00:\d\d: \d+ of 302 entries done \(all found\), .*B copied, .*B/s\n"
    assert re.fullmatch(shape, said[0])
    assert re.fullmatch(
        rb"arsync: worker 0: (copies large, \d+% of 10\.49MB|has \d+ entries, the first is .*)\n", said[1]
    )
    assert b"Traceback" not in rest
    assert sorted(os.listdir(os.path.join(here, b"dst"))) == sorted(tree)


def _has_begun(here: bytes) -> bool:
    """DEST is made once a run has its handlers, and before it copies anything."""
    return os.path.isdir(os.path.join(here, b"dst"))


def test_before_there_is_anything_to_say(here: bytes) -> None:
    """From the very first moment on, the signal does not end the process: neither the parent nor its workers."""
    create(os.path.join(here, b"src"), Dir({b"f%03d" % n: File(b"x") for n in range(300)}))
    process = subprocess.Popen(
        [*ARSYNC, "-a", "src/", "dst"], cwd=here, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),  # until Python itself can be asked to
    )  # fmt: skip
    while process.poll() is None:
        os.killpg(process.pid, signal.SIGUSR1)
        try:
            process.wait(0.002)
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 0
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    assert len(os.listdir(os.path.join(here, b"dst"))) == 300


def test_handlers_are_given_back(here: bytes) -> None:
    """Where arsync runs inside another program, its handler is only there while it runs."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"x")}))
    before = signal.getsignal(signal.SIGUSR1)
    run(CopyConfig((os.path.join(here, b"src/"),), os.path.join(here, b"dst"), recursive=True), Collected())
    assert signal.getsignal(signal.SIGUSR1) is before
