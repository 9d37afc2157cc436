"""The console script: its guess at what a job needs, and how the process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from arsync.cli.main import is_for_workers
from support.commands import ARSYNC, arsync
from support.trees import Dir, File, create


@pytest.fixture
def trees(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    create(
        os.path.join(here, b"t"),
        Dir(
            {
                b"few": Dir({b"a": File(b"1"), b"d": Dir({b"b": File(b"2")})}),
                b"many": Dir({b"d": Dir({b"%d" % n: File() for n in range(200)})}),
                b"file": File(b"1"),
            }
        ),
    )
    monkeypatch.chdir(os.path.join(here, b"t"))


@pytest.mark.usefixtures("trees")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-a", "many/", "dst"], True),
        (["-a", "many", "dst"], True),
        (["--archive", "few", "many", "dst"], True),
        (["-vr", "./", "/dst"], True),
        (["-a", "few/", "dst"], False),
        (["-a", "file", "few", "dst"], False),
        (["-l", "many/", "dst"], False),  # without -r directories are passed over
        (["-a", "--workers=2", "many/", "dst"], False),  # how many is not known yet
        (["-a", "many/"], False),
        (["-a", "missing/", "dst"], False),
        (["--help"], False),
        ([], False),
    ],
)
def test_guess(arguments: list[str], expected: bool) -> None:
    assert is_for_workers(arguments) is expected


@pytest.mark.usefixtures("trees")
@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
@pytest.mark.parametrize("workers", [0, 2])
def test_closed_standard_streams(closed: list[int], workers: int) -> None:
    """Nobody hears what is said; everything is copied, and no file of the run is taken for a stream."""

    def before() -> None:
        for fd in closed:
            os.close(fd)

    done = arsync("-av", f"--workers={workers}", "many/", "dst", before=before)
    assert (done.code, done.err) == (0, b"")
    assert len(os.listdir("dst/d")) == 200
    assert bool(done.out) == (1 not in closed)


@pytest.mark.needs_root
@pytest.mark.usefixtures("trees")
def test_without_devices() -> None:
    """A root directory that has no /dev/null (yet) is enough."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev && exec "$@"', "sh"]
    done = subprocess.run([*hidden, *ARSYNC, "-a", "many/", "dst"], capture_output=True, check=False)
    if done.returncode and b"unshare" in done.stderr:
        pytest.skip(os.fsdecode(done.stderr))
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(os.listdir("dst/d")) == 200


@pytest.mark.usefixtures("trees")
def test_a_parent_that_ignores_the_ends_of_its_children() -> None:
    """It passes that on; workers are waited for all the same."""
    done = arsync("-a", "--workers=2", "many", "dst", before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (done.code, done.err) == (0, b"")


@pytest.mark.usefixtures("trees")
@pytest.mark.parametrize("options", [["-a"], ["-a", "--workers=1"], ["-a", "--workers=3"], ["-an"], ["-l"]])
@pytest.mark.parametrize("source", ["many", "few"])
def test_no_process_is_left_behind(options: list[str], source: str) -> None:
    """Workers that were forked ahead and not needed are gone when the run is."""
    done = subprocess.run([*ARSYNC, *options, source, "dst"], start_new_session=True, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.usefixtures("trees")
def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*ARSYNC, "-av", "many", "dst"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 11
    assert b"write to the standard output failed: No space left on device (28)" in done.stderr
    assert b"Traceback" not in done.stderr
    assert len(os.listdir("dst/many/d")) == 200


@pytest.mark.usefixtures("trees")
def test_output_that_ends_early() -> None:
    """``arsync -av ... | head -1``, with more output than is collected before it is written."""
    os.mkdir("names")
    for number in range(4000):
        with open(f"names/{number:060}", "wb"):
            pass
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; exit ${PIPESTATUS[0]}', "-", *ARSYNC, "-av", "--workers=2", "names", "dst"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"sending incremental file list\n", b"")
    assert len(os.listdir("dst/names")) == 4000


@pytest.mark.usefixtures("trees")
def test_output_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run([*ARSYNC, "-av", "many", "dst"], stdout=closed, stderr=subprocess.PIPE, check=False)
    # As rsync has it: the copy is what counts.
    assert done.returncode == 0
    assert done.stderr == b""
    assert len(os.listdir("dst/many/d")) == 200


@pytest.mark.usefixtures("trees")
def test_as_module_and_as_script() -> None:
    script = os.path.join(os.path.dirname(sys.executable), "arsync")
    if not os.path.exists(script):
        pytest.skip("the console script is not installed beside the interpreter")
    done = subprocess.run([script, "-ai", "few", "dst"], capture_output=True, check=True)
    assert done.stdout == arsync("-ai", "few", "dst2").out.replace(b"dst2", b"dst")
