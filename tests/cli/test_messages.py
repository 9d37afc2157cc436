"""What a person reads when something is wrong: what was being done, to what, why it failed, and what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from arsync.cli import command
from arsync.options import rows
from arsync.options.table import WITHOUT_EFFECT, Value
from arsync.suggest import near
from support.commands import ARSYNC, arsync, arsync_as_nobody
from support.trees import Dir, File, Symlink, create


@pytest.fixture
def top(here: bytes) -> bytes:
    create(os.path.join(here, b"src"), Dir({b"f": File(b"x"), b"g": File(b"y")}))
    return here


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = command.run_command_line(list(arguments))
    out, err = capfd.readouterr()
    assert code in (1, 4), err
    assert out == ""
    assert "Traceback" not in err
    return err.splitlines()[0]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("--recursve", "--recursive"),
        ("--delte", "--delete"),
        ("--exlude=x", "--exclude"),
        ("--achive", "--archive"),
        ("--no-perm", "--no-perms"),
        ("--lnik-dest=x", "--link-dest"),
        ("--dry_run", "--dry-run"),
        ("--deamon", "--daemon"),
        ("--info=nmae", "name"),
        ("--info=progres2", "progress"),
        ("--debug=flst", "flist"),
        ("--io-engine=uringg", "uring"),
        ("--copy-method=relink", "reflink"),
        ("--progress-style=bra", "bar"),
        ("--checksum-choice=sha11", "sha1"),
        ("--stderr=eror", "errors"),
    ],
)
def test_misspelt(capfd: pytest.CaptureFixture[str], misspelt: str, meant: str) -> None:
    assert re.search(rf"\(did you mean {re.escape(meant)}( or [\w-]+)?\?\)", said(capfd, misspelt, "a", "b"))


def test_no_negation_is_suggested_unasked(capfd: pytest.CaptureFixture[str]) -> None:
    for misspelt in ("--archiv", "--perm", "--recursve"):
        assert "--no-" not in said(capfd, misspelt, "a", "b")


def test_nothing_is_suggested_where_nothing_is_near(capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, "--xylophon", "a", "b") == "arsync: --xylophon: unknown option; arsync --help lists them"


def test_every_option_is_found_without_one_letter() -> None:
    """Among all names, what was meant is among what is suggested."""
    names = [name for name, row in rows().items() if name.startswith("--") and row.section != WITHOUT_EFFECT]
    long = [name for name in names if len(name) > 8]
    missed = [name for name in long if name not in near(name[:4] + name[5:], names)]
    assert len(long) > 100
    assert missed == []


def test_one_dash_too_few(capfd: pytest.CaptureFixture[str], top: bytes) -> None:
    """Whether or not what was typed means something, as to rsync it may."""
    assert said(capfd, "-msgs2stderr", "a", "b").endswith(
        "unknown option in -msgs2stderr; --msgs2stderr has two dashes"
    )
    done = arsync("-n", "-verify", "src/", "dst", cwd=top)
    assert done.code == 0
    assert done.err == b"arsync: warning: -verify means options of one letter; --verify has two dashes\n"


VALUES = [
    row for row in {id(row): row for row in rows().values()}.values() if isinstance(row, Value) and not row.optional
]


@pytest.mark.parametrize("row", VALUES, ids=lambda row: row.names[0])
def test_a_value_is_missing(capfd: pytest.CaptureFixture[str], row: Value) -> None:
    name = row.names[0]
    form = f"{name}={row.metavar}" if name.startswith("--") else f"{name} {row.metavar}"
    assert said(capfd, name) == f"arsync: {name} needs a value: {form}"


def test_help_fits_80_columns(top: bytes) -> None:
    lines = arsync("--help", cwd=top).out.decode().splitlines()
    assert max(map(len, lines)) <= 80
    headings = [line for line in lines if re.fullmatch(r"\w.*:", line)]
    assert len(headings) >= 9


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("options", ["-av", "-a --json", "-av --progress --progress-style=bar", "-av --workers=2"])
def test_closed_standard_streams(top: bytes, closed: str, options: str) -> None:
    """They are as if nobody listened; above all, no directory gets their numbers and is written to."""
    script = f'"$@" {closed}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *ARSYNC, *options.split(), "src/", "missing", "dst"],
        cwd=top, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 23
    assert b"Traceback" not in done.stderr
    assert sorted(os.listdir(os.path.join(top, b"dst"))) == [b"f", b"g"]
    assert ("2>&-" in closed) != (b'find "missing" failed' in done.stderr)
    assert (">&-" in closed.replace("2>&-", "")) != bool(done.stdout)


def test_names_in_messages_are_harmless(top: bytes) -> None:
    create(os.path.join(top, b"\x1b[2J\xff"), File(b"x"))
    err = arsync("-a", "src", "src", b"\x1b[2J\xff", cwd=top).err
    assert b"\\#033[2J\\#377" in err
    assert b"\x1b" not in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["-a", "missing", "dst"], "check how it is spelt"),
        (["-a", "src/", "none/dst"], "--mkpath also makes the directories on the way to it"),
        (["-a", "src", "src/f"], "remove it first, or name another DEST"),
        (["-a", "--temp-dir=none", "src/", "dst"], "make it first"),
        (["-a", "src/", "src/f/"], "a file is in the way: remove it, or name another DEST"),
        (["-a", "src/", "nowhere"], "it is a symlink that leads nowhere: remove it, or make what it leads to"),
        (["-aL", "circle", "dst"], "a symlink leads in a circle"),
        (["-a", "--delete=now", "src/", "dst"], "--delete takes no value: write --delete alone"),
        (["-a", "--filter=bad", "src/", "dst"], "write - PATTERN, + PATTERN"),
        (["-a", "--usermap=x", "src/", "dst"], "is not a list of FROM:TO: 'x' has no colon"),
        (["-a", "--delete-before", "--delete-after", "src/", "dst"], "cannot be used together"),
    ],
)
def test_what_to_do(top: bytes, arguments: list[str], hint: str) -> None:
    create(os.path.join(top, b"nowhere"), Symlink(b"not-there"))
    create(os.path.join(top, b"circle"), Symlink(b"circle"))
    assert hint in arsync(*arguments, cwd=top).err.decode()


@pytest.mark.needs_root
def test_whose_rights_are_missing(top: bytes) -> None:
    """Of the source, of the destination, or those of an owner: what can be done is another thing each time."""
    create(os.path.join(top, b"locked"), Dir({b"f": File(b"x")}, mode=0o700))
    create(os.path.join(top, b"for all"), Dir({}, mode=0o777))
    create(os.path.join(top, b"not for all"), Dir({}))
    unreadable = arsync_as_nobody("-r", "locked/", "for all", cwd=top)
    assert b'arsync: list directory "." failed: Permission denied (13)\n' in unreadable.err
    assert b"hint: arsync may not do this as the user that runs it" in unreadable.err
    unwritable = arsync_as_nobody("-r", "src/", "not for all", cwd=top)
    assert b"hint: the user that runs arsync may not write there: use sudo, or another DEST" in unwritable.err
    elses = arsync_as_nobody("-rp", "src/", "for all", cwd=top)
    assert b"hint: only the owner of a file, and root, can set this" in elses.err


@pytest.mark.needs_root
def test_without_proc(top: bytes) -> None:
    """As in a chroot that somebody made by hand: each error would name another file that is not there."""
    create(os.path.join(top, b"src/link"), Symlink(b"f"))
    os.mkdir(os.path.join(top, b"dst"))
    script = 'umount --lazy /proc && "$@" -a src/ new; "$@" -a src/ dst; "$@" --doctor src dst'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", *ARSYNC]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
    assert done.stderr.count("/proc is not mounted here, and arsync needs it: mount -t proc proc /proc") == 2, done
    assert "A copy would not work: /proc is not mounted here, and arsync needs it" in done.stdout
    assert done.returncode == 3


@pytest.mark.needs_root
def test_what_to_do_is_said_once(top: bytes) -> None:
    for name in (b"f", b"g"):
        os.chmod(os.path.join(top, b"src", name), 0)
    os.chmod(top, 0o777)
    done = arsync_as_nobody("-r", "src/", "dst", cwd=top)
    assert done.code == 23
    assert done.err.count(b"failed: Permission denied (13)") == 2
    assert done.err.count(b"arsync: hint: arsync may not do this as the user that runs it") == 1


def test_a_defect_says_that_it_is_one(top: bytes) -> None:
    code = "import arsync.engine.run as r, arsync.cli.main as m\nr._run = lambda state: {}[1]\nm.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "-a", "src/", "dst"], cwd=top, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 13
    assert b"KeyError" in done.stderr
    assert b"no fault of yours: please report it" in done.stderr


def test_not_enough_memory_is_said(top: bytes) -> None:
    code = "import arsync.engine.run as r, arsync.cli.main as m\nr._run = lambda state: bytearray(1 << 60)\nm.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "-a", "src/", "dst"], cwd=top, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (22, False)
    assert b"not enough memory" in done.stderr


def test_output_of_help_cannot_be_written(top: bytes) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*ARSYNC, "--help"], cwd=top, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 11
    assert done.stderr == (
        b"arsync: write to the standard output failed: No space left on device (28)\n"
        b"arsync error: error in file IO (code 11)\n"
    )
