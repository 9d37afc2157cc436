"""arsync --doctor: what it says is so, and nothing stays of how it found out."""

from __future__ import annotations

import base64
import errno
import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from arsync.doctor import abilities, pair
from arsync.doctor.scratch import scratch_directory
from support.commands import Result, arsync, arsync_as_nobody
from support.kernel import refuse_io_uring, remount
from support.mounts import tmpfs
from support.trees import Dir, File, create

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "arsync-doctor.schema.json").read_text())


def report(*paths: bytes, code: int = 0, run: Any = arsync, **how: Any) -> dict[str, Any]:
    """The report as JSON, which fits its schema."""
    done: Result = run("--doctor", "--json", *paths, **how)
    assert (done.code, done.err) == (code, b"")
    found: dict[str, Any] = json.loads(done.out)
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    assert found["ok"] is (code == 0)
    return found


def works(found: dict[str, Any]) -> dict[str, bool | None]:
    return {name: finding["works"] for name, finding in found["abilities"].items()}


def test_the_schema_is_one() -> None:
    """And names what the report has: a member that is not in it does not validate."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["path"]["properties"]["abilities"]["properties"]) == set(abilities.NAMES)
    assert set(SCHEMA["$defs"]["pair"]["properties"]["abilities"]["properties"]) == set(pair.NAMES)
    found = report()
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(found | {"more": 1})


def test_the_shape_is_pinned(here: bytes) -> None:
    """Whoever reads it relies on these members; to take one away is a new version."""
    found = report(here, here)
    assert found["doctor"] == 1
    assert set(found) == {
        *("doctor", "arsync", "system", "python", "packages", "cpus", "limits", "ok", "problems", "io_uring"),
        *("paths", "pairs"),
    }
    assert set(found["paths"][0]) == {
        *("path", "path_base64", "role", "exists", "examined", "readable", "writable", "file_system", "problems"),
        *("abilities", "link_limit", "times"),
    }
    assert set(found["pairs"][0]) == {"source", "destination", "same_file_system", "abilities"}
    assert set(found["io_uring"]) == {"works", "why", "refused_by", "calls", "opcodes"}


#: What is known of file systems as Linux has them: abilities that they lack, steps of times, earliest, latest.
KNOWN: dict[str, tuple[set[str], int, int | None, int | None]] = {
    "ext4": (set(), 1, -(1 << 31), (1 << 34) - (1 << 31) - 1),
    "xfs": (set(), 1, -(1 << 31), 16299260424),
    "btrfs": (set(), 1, None, None),
    "tmpfs": (set(), 1, None, None),
    "vfat": (
        {
            *("unnamed_files", "hard_links", "xattrs_user", "xattrs_trusted", "xattrs_security", "acls"),
            *("case_sensitive", "holes", "punch_holes", "rename_exchange"),
        },
        2 * 10**9,
        315532800,
        4354819198,
    ),
}


@pytest.mark.needs_root
def test_file_systems(place: tuple[str, bytes]) -> None:
    kind, top = place
    create(top, Dir({b"src": Dir({b"file": File(b"x" * 5000)}), b"dst": Dir()}))
    before = {path: sorted(os.listdir(path)) for path in (top, top + b"/src", top + b"/dst")}
    found = report(top + b"/src", top + b"/dst")
    assert {path: sorted(os.listdir(path)) for path in before} == before
    lacks, step, earliest, latest = KNOWN[kind]
    for entry, role in zip(found["paths"], ("source", "destination")):
        assert entry["role"] == role
        assert entry["file_system"]["type"] == kind
        assert entry["times"]["step_ns"] == step
        lacking = {name for name, ability in works(entry).items() if not ability}
        # What came to a file system only lately (VFAT's exchange of names, tmpfs's attributes) may be there or not.
        assert lacking - {"rename_exchange", "xattrs_user", "direct_io"} == lacks - {"rename_exchange", "xattrs_user"}
        assert None not in works(entry).values()
        for name, finding in entry["abilities"].items():
            assert finding["works"] or finding["why"] or name == "holes", name
    assert (found["paths"][0]["times"]["earliest"], found["paths"][0]["times"]["latest"]) == (earliest, latest)
    between = works(found["pairs"][0])
    assert found["pairs"][0]["same_file_system"]
    assert between["reflink"] == (kind in ("xfs", "btrfs"))
    assert between["hard_links"] == (kind != "vfat")
    assert between["copy_file_range"]


def test_a_source_that_may_only_be_read(place: tuple[str, bytes]) -> None:
    """Cloning is tried with one of its files, which stays as it was."""
    kind, top = place
    create(top, Dir({b"src": Dir({b"file": File(b"x" * 5000)}), b"dst": Dir()}))
    os.utime(top + b"/src/file", (1, 1))
    source, dest = os.open(top + b"/src", os.O_RDONLY), os.open(top + b"/dst", os.O_RDONLY)
    from arsync.doctor.pair import examine_pair
    from arsync.doctor.place import Place

    st = os.fstat(source)
    found = examine_pair(
        Place(top + b"/src", "source", source, top + b"/src", st, ""),
        Place(top + b"/dst", "destination", dest, top + b"/dst", st, ""),
        (False, True),
    )
    os.close(source)
    os.close(dest)
    assert found["abilities"]["reflink"]["works"] == (kind in ("xfs", "btrfs"))
    assert found["abilities"]["hard_links"] == {"works": None, "why": "nothing can be made at the source"}
    assert os.stat(top + b"/src/file").st_mtime == 1 or kind == "vfat"
    assert os.listdir(top + b"/src") == [b"file"]
    assert os.listdir(top + b"/dst") == []


@pytest.mark.needs_root
def test_between_two_file_systems(here: bytes) -> None:
    os.mkdir(here + b"/src")
    with tmpfs(here + b"/dst", "size=1m"):
        found = report(here + b"/src", here + b"/dst")["pairs"][0]
    assert not found["same_file_system"]
    assert works(found) == {"reflink": False, "copy_file_range": False, "hard_links": False}
    assert "EXDEV" in found["abilities"]["hard_links"]["why"]


@pytest.mark.needs_ring
def test_io_uring() -> None:
    found = report()["io_uring"]
    assert found["works"]
    assert found["refused_by"] is None
    assert found["opcodes"]["openat"]


@pytest.mark.needs_ring
def test_a_kernel_that_lacks_opcodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it lacks is made by plain calls, and said."""
    from arsync.doctor import ring
    from arsync.doctor.text import lines
    from arsync.fs.ring import Ring

    monkeypatch.setattr(Ring, "supports", lambda _self, opcodes: opcodes - {39, 41, 43})
    found = report()
    found["io_uring"] = ring.examine_ring()
    assert [name for name, there in found["io_uring"]["opcodes"].items() if not there] == [
        *("linkat", "fgetxattr", "fsetxattr")
    ]
    assert any(line.endswith(" linkat, fgetxattr, fsetxattr") for line in lines(found))


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize("call", ["setup", "enter", "register"])
def test_a_seccomp_filter(here: bytes, call: str, number: int) -> None:
    """It is named, and a copy works all the same."""
    if report()["io_uring"]["refused_by"] not in (None, "binding"):
        pytest.skip("something else refuses io_uring here, and is named first")
    before = refuse_io_uring(call, number)
    if call == "setup" and number == errno.ENOSYS and not os.path.exists("/proc/sys/kernel/io_uring_disabled"):
        pytest.skip("this kernel does not say whether it has io_uring")
    found = report(here, here, before=before)["io_uring"]
    assert (found["works"], found["refused_by"], found["opcodes"]) == (False, "seccomp", {})
    refused = {name for name, finding in found["calls"].items() if not finding["works"]}
    assert refused == {f"io_uring_{call}"}
    assert errno.errorcode[number] in found["calls"][f"io_uring_{call}"]["why"]
    text = arsync("--doctor", before=before).out.decode()
    assert "io_uring" + " " * 43 + "no (seccomp)\n" in text
    assert "its profile would have to allow io_uring_setup, io_uring_enter, io_uring_register" in text
    assert "plain system calls in threads do the same work" in text


def test_who_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The causes that cannot be made here, from what the kernel would answer."""
    from arsync.doctor import ring

    def said(setup: int, *, sysctl: str | None, seccomp: str, uid: int = 0, others: int = errno.EBADF) -> str | None:
        monkeypatch.setattr(ring, "_sysctl", lambda: sysctl)
        monkeypatch.setattr(ring, "_seccomp_mode", lambda: seccomp)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        return ring._refused({"io_uring_setup": setup, "io_uring_enter": others, "io_uring_register": others})[0]

    assert said(errno.EFAULT, sysctl="0", seccomp="0") is None
    assert said(errno.EPERM, sysctl="2", seccomp="0") == "sysctl"
    assert said(errno.EPERM, sysctl="1", seccomp="0", uid=1000) == "sysctl"
    assert said(errno.EPERM, sysctl="1", seccomp="2") == "seccomp"
    assert said(errno.EPERM, sysctl="0", seccomp="0") == "security module"
    assert said(errno.EACCES, sysctl="0", seccomp="0") == "security module"
    assert said(errno.ENOSYS, sysctl=None, seccomp="0", others=errno.ENOSYS) == "kernel"
    assert said(ring._KILLED, sysctl="0", seccomp="2") == "seccomp"


def test_no_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    from arsync.doctor import ring
    from arsync.fs import binding

    monkeypatch.setattr(binding, "load", lambda: binding.Refusal("liburing is not installed"))
    assert ring._set_up() == ("binding", "liburing is not installed", {})


def test_limits_are_those_of_the_process() -> None:
    def before() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    found = report(before=before)
    assert found["limits"]["file_size"] == {"soft": 1 << 20, "hard": 1 << 20}
    assert (found["cpus"]["affinity"], found["cpus"]["workers"]) == (1, 1)


def test_paths_that_are_not_there(here: bytes) -> None:
    found = report(here + b"/no", here + b"/new", code=3)
    source, dest = found["paths"]
    assert found["problems"] == [f"{os.fsdecode(here)}/no: does not exist"]
    assert not source["exists"]
    assert not source["readable"]["works"]
    # The destination will be made: where that is possible is looked at.
    assert (dest["exists"], dest["examined"], dest["writable"]["works"]) == (False, os.fsdecode(here), True)
    assert found["pairs"] == []
    found = report(here, here + b"/a/b", code=3)
    assert "--mkpath makes it" in found["problems"][0]
    assert os.listdir(here) == []


def test_files_as_paths(here: bytes) -> None:
    create(here, Dir({b"a": File(b"x")}))
    found = report(here + b"/a", here + b"/a")
    assert found["paths"][0]["examined"] == os.fsdecode(here)
    report(here + b"/a/", code=3)
    os.mkfifo(here + b"/fifo")
    assert "cannot be looked at: Not a directory" in report(here, here + b"/a/b", code=3)["problems"][0]
    report(here + b"/fifo", here)  # nothing waits for a writer


@pytest.mark.needs_root
def test_an_ordinary_user(here: bytes) -> None:
    create(here, Dir({b"open": Dir(), b"closed": Dir(mode=0o700), b"readable": Dir({b"f": File(b"x" * 99)})}))
    os.chmod(here + b"/open", 0o777)
    found = report(here + b"/readable", here + b"/open", run=arsync_as_nobody)
    assert not found["paths"][0]["writable"]["works"]
    assert set(works(found["paths"][0]).values()) == {None}
    assert works(found["paths"][1])["xattrs_trusted"] is False
    assert works(found["paths"][1])["hard_links"] is True
    found = report(here + b"/closed", here + b"/readable", code=3, run=arsync_as_nobody)
    assert [problem.split(": ", 1)[1] for problem in found["problems"]] == [
        "cannot be opened: Permission denied (EACCES)",
        "cannot be written to: Permission denied (EACCES)",
    ]
    assert not found["pairs"]
    assert os.listdir(here + b"/open") == []


@pytest.mark.needs_root
def test_a_file_system_that_is_read_only_or_full(here: bytes) -> None:
    with tmpfs(here + b"/mount", "size=64k"):
        remount(here + b"/mount", read_only=True)
        found = report(here, here + b"/mount", code=3)
        assert found["problems"][0].endswith("cannot be written to: Read-only file system (EROFS)")
        remount(here + b"/mount", read_only=False)
        with open(here + b"/mount/full", "wb") as file:
            file.write(b"x" * (64 << 10))
        found = report(here, here + b"/mount", code=3)
        assert found["problems"][0].endswith("the file system is full")
        assert os.listdir(here + b"/mount") == [b"full"]


def test_where_nothing_can_be_made() -> None:
    """The kernel would let root write, but the file system has no files to make."""
    found = report(b"/", b"/proc", code=3)
    assert "cannot be written to" in found["problems"][0]


def test_any_name(here: bytes) -> None:
    name = here + b"/\xff\n\xc3\xa4"
    os.mkdir(name)
    found = report(name)["paths"][0]
    assert base64.b64decode(found["path_base64"]) == name
    text = arsync("--doctor", name).out
    assert b"/\\#377\\#012\xc3\xa4\n" in text


def test_the_text_says_the_same(here: bytes) -> None:
    text = arsync("--doctor", here, here).out.decode()
    for name in [*abilities.NAMES.values(), *pair.NAMES.values(), "CPUs", "open files", "io_uring", "file system"]:
        assert f"  {name} " in text, name
    assert text.endswith("\nA copy would work here.\n")
    done = arsync("--doctor", here + b"/no", here)
    assert done.code == 3
    assert done.out.endswith(b"A copy would not work: " + here + b"/no: does not exist\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--doctor", "-a"], b"-a cannot be used with --doctor"),
        (["--doctor", "--jsno"], b"--jsno cannot be used with --doctor"),
        (["--doctor", "host:x"], b"is on another machine"),
    ],
)
def test_wrong_usage(arguments: list[str], message: bytes) -> None:
    done = arsync(*arguments)
    assert done.code == 1 or b"machine" in message
    assert message in done.err


def test_after_two_dashes_it_is_a_name(here: bytes) -> None:
    create(here, Dir({b"--doctor": File(b"x")}))
    assert arsync("-t", "--", "--doctor", "copy", cwd=here).code == 0
    assert os.path.exists(here + b"/copy")
    assert report(b"--", b"--doctor", cwd=here)["paths"][0]["path"] == "--doctor"


def test_a_signal_waits_until_nothing_is_left(here: bytes) -> None:
    class ToldError(Exception):
        pass

    def handler(*_: object) -> None:
        raise ToldError

    def interrupted(fd: int) -> None:
        with scratch_directory(fd) as (name, inner):
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
            os.kill(os.getpid(), signal.SIGTERM)
            assert os.listdir(here) == [os.fsencode(name)]

    before = signal.signal(signal.SIGTERM, handler)
    fd = os.open(here, os.O_RDONLY)
    try:
        with pytest.raises(ToldError):
            interrupted(fd)
        assert os.listdir(here) == []
    finally:
        os.close(fd)
        signal.signal(signal.SIGTERM, before)
