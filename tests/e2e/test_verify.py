"""--verify: what is read back after a copy is what was read from the source, or the old file stays."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from arsync.cli.command import run_command_line
from arsync.config import Append, IoEngine
from arsync.fs.hashes import new_hash
from arsync.fs.plain import PlainOps
from support.commands import arsync, rsync
from support.faults import settle_timing
from support.inprocess import copy
from support.mounts import delayfs, delayfs_server
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, create

T = 10**18
OLD = b"old " * 500
HOLED = b"begin" + bytes(300_000) + b"end"
CONTENT = {b"empty": b"", b"small": b"small " * 50, b"middle": b"middle" * 50_000, b"large": bytes(range(256)) * 40_000}
CONTENT |= {b"holes": HOLED, b"odd": b"o" * 4097}


def _source(here: bytes) -> bytes:
    src = os.path.join(here, b"src")
    create(src, Dir({name: File(content, mtime_ns=T) for name, content in CONTENT.items()}, mtime_ns=T))
    return src + b"/"


@pytest.mark.needs_rsync
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-S"],
        ["--inplace"],
        ["--append"],
        ["-b"],
        ["-b", "--inplace"],
        ["--partial"],
        ["--preallocate"],
        ["--fsync"],
        ["--delay-updates"],
        ["--bwlimit=1g"],
    ],
    ids=" ".join,
)
def test_same_as_rsync(place: tuple[str, bytes], options: list[str]) -> None:
    """With every way of writing, on every kind of file system."""
    _, here = place
    src = _source(here)
    for name in (b"a", b"r"):
        create(os.path.join(here, name), Dir({name: File(OLD, mtime_ns=T - 10**9) for name in CONTENT}))
    ours = arsync("-rt", "--verify", *options, src, os.path.join(here, b"a"))
    theirs = rsync("-rt", *options, src, os.path.join(here, b"r"))
    assert (ours.code, ours.err) == (theirs.code, theirs.err) == (0, b"")
    expected, actual = (snapshot(os.path.join(here, name)) for name in (b"r", b"a"))
    if "-b" in options:  # which leaves the times of directories as they come
        del expected[b""], actual[b""]
    assert_same(expected, actual)


@pytest.mark.parametrize("choice", ["", "md5", "sha1", "xxh3", "auto"])
def test_read_back_is_told(place: tuple[str, bytes], choice: str) -> None:
    """Every byte is read back, and where it could only come from memory, that is said."""
    kind, here = place
    total = sum(map(len, CONTENT.values()))
    chosen = [f"--checksum-choice={choice}"] if choice else []
    done = arsync("-rt", "-vv", "--verify", *chosen, _source(here), os.path.join(here, b"dst"))
    where = (0, total) if kind == "tmpfs" else (total, 0)
    assert done.code == 0
    assert b"%d bytes from the storage, %d from a file system in memory" % where in done.out


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--copy-method=reflink"], 1),
        (["--copy-method=mmap"], 1),
        (["--checksum-choice=none"], 4),
    ],
)
def test_refused(here: bytes, options: list[str], code: int) -> None:
    done = arsync("-rt", "--verify", *options, _source(here), os.path.join(here, b"dst"))
    assert done.code == code
    assert b"--verify" in done.err
    assert not os.path.exists(os.path.join(here, b"dst"))


class _Flipping:
    """Has a bit change on its way to the storage, in some of the writes of more than a few bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        settle_timing(monkeypatch)  # in this process
        self.left = times
        write = PlainOps.write

        async def flipped(ops: PlainOps, fd: int, buf: memoryview, offset: int) -> int:
            if self.left and len(buf) > 10:
                self.left -= 1
                damaged = bytearray(buf)
                damaged[len(damaged) // 2] ^= 4
                return await write(ops, fd, memoryview(damaged), offset)
            return await write(ops, fd, buf, offset)

        monkeypatch.setattr(PlainOps, "write", flipped)


WAYS = [
    {},
    {"sparse": True},
    {"inplace": True},
    {"inplace": True, "append": Append.APPEND},
    {"backup": True},
    {"partial": True},
    {"fsync": True, "delay_updates": True},
]


@pytest.mark.parametrize("content", [b"n" * 5000, b"n" * 5000 + bytes(9 << 20) + b"n"], ids=["small", "large"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_one_flipped_bit(here: bytes, monkeypatch: pytest.MonkeyPatch, way: dict[str, object], content: bytes) -> None:
    """It is found, and a second copy is right."""
    create(here + b"/src", Dir({b"f": File(content, mtime_ns=T)}, mtime_ns=T))
    create(here + b"/dst", Dir({b"f": File(b"n" * 100)}))
    flipping = _Flipping(monkeypatch, 1)
    code, failures = copy(here, verify=True, io_engine=IoEngine.PLAIN, **way)
    assert (code, flipping.left) == (0, 0)
    assert [(failure.operation, failure.path, failure.warning) for failure in failures] == [("verify", b"f", True)]
    assert Path(os.fsdecode(here + b"/dst/f")).read_bytes() == content


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_write_flipped(here: bytes, monkeypatch: pytest.MonkeyPatch, way: dict[str, object]) -> None:
    """The old file stays, nothing else is left, and the other files are copied."""
    create(here + b"/src", Dir({b"f": File(b"n" * 5000, mtime_ns=T), b"g": File(b"tiny")}, mtime_ns=T))
    create(here + b"/dst", Dir({b"f": File(b"n" * 100)}))
    _Flipping(monkeypatch, 1000)
    code, failures = copy(here, verify=True, io_engine=IoEngine.PLAIN, **way)
    assert code == 23
    assert [(failure.operation, failure.path) for failure in failures] == [("verify", b"f")]
    if "inplace" not in way or "append" in way:
        assert Path(os.fsdecode(here + b"/dst/f")).read_bytes() == b"n" * 100
    assert set(os.listdir(here + b"/dst")) == {b"f", b"g"}


@pytest.mark.parametrize(("choice", "name"), [("", "sha1"), ("auto", "sha1"), ("md5", "md5"), ("xxh3", None)])
def test_where_xxhash_is_not_installed(monkeypatch: pytest.MonkeyPatch, choice: str, name: str | None) -> None:
    """What hashlib has takes the place of the default; what is asked for by name is refused."""
    assert new_hash(choice) is not None
    monkeypatch.setitem(sys.modules, "xxhash", None)
    make = new_hash(choice)
    assert (make and make().name) == name


@pytest.mark.parametrize("use", [["--verify"], ["--out-format=%n %C"], ["--log-file=log", "--log-file-format=%10C"]])
def test_a_named_checksum_is_not_silently_another(
    here: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], use: list[str]
) -> None:
    """Where it cannot be had, the run does not begin; where nothing needs it, its name does no harm."""
    create(here + b"/src", Dir({b"f": File(b"new")}))
    monkeypatch.chdir(here)
    monkeypatch.setitem(sys.modules, "xxhash", None)
    assert run_command_line(["-a", "--cc=xxh3", *use, "src/", "dst"]) == 4
    assert "this Python has no such checksum: pip install xxhash" in capfd.readouterr().err
    assert os.listdir(here) == [b"src"]
    assert run_command_line(["-ac", "--cc=xxh3", "--out-format=%n", "src/", "dst"]) == 0
    assert run_command_line(["-a", *use, "src/", "dst"]) == 0
    assert os.listdir(here + b"/dst") == [b"f"]


def test_without_it_nobody_notices(here: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests above plant is what only --verify finds."""
    create(here + b"/src", Dir({b"f": File(b"n" * 5000, mtime_ns=T)}, mtime_ns=T))
    create(here + b"/dst", Dir({b"f": File(b"old")}))
    _Flipping(monkeypatch, 1)
    assert copy(here, io_engine=IoEngine.PLAIN) == (0, [])
    assert Path(os.fsdecode(here + b"/dst/f")).read_bytes() != b"n" * 5000


@pytest.mark.parametrize("engine", ["plain", pytest.param("uring", marks=pytest.mark.needs_ring)])
@pytest.mark.parametrize(("flip", "code"), [("flip:2", 0), ("flip:1+", 23)])
def test_storage_that_flips_a_bit(
    here: bytes, tmp_path_factory: pytest.TempPathFactory, engine: str, flip: str, code: int
) -> None:
    """Beneath the page cache, which holds what was to be written."""
    server = delayfs_server(str(tmp_path_factory.mktemp("delayfs")))
    create(here + b"/src", Dir({b"f%d" % n: File(b"%d" % n * 10_000, mtime_ns=T) for n in range(3)}, mtime_ns=T))
    back, options = here + b"/back", ("-d", "0", "-f", flip)
    with delayfs(server, back, here + b"/mnt", *options) as mount:
        done = arsync("-rt", "--verify", f"--io-engine={engine}", here + b"/src/", mount + b"/dst")
    assert done.code == code, done.err
    assert b"verify" in done.err
    if code:
        assert os.listdir(back + b"/dst") == []
    else:
        assert_same(snapshot(here + b"/src"), snapshot(back + b"/dst"))
