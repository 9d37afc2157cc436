"""A file that is made is readable and executable by nobody who may not read and execute the finished one, and no
set-id bit stands with another owner or with half of the data: looked at before every system call of a run, in every way
of writing, and once more by the order of the system calls of a real one."""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from arsync.config import AltDest
from arsync.errors import ExitCode
from support.commands import run
from support.faults import Faults, plant, settle_timing
from support.inprocess import copy
from support.snapshot import assert_same, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink, create

pytestmark = pytest.mark.needs_root

T = 10**18
BOB, ALICE = (1234, 1235), (2345, 2346)

_ACL = bytes.fromhex("02000000 01000700ffffffff 02000400d2040000 04000500ffffffff 10000500ffffffff 20000000ffffffff")

NEW: dict[bytes, Entry] = {
    b"public": File(b"p" * 300_000, 0o644, T),
    b"private": File(b"private", 0o600, T, BOB),
    b"group": File(b"group", 0o640, T, BOB),
    b"program": File(b"#!/bin/true", 0o755, T, BOB),
    b"setuid": File(b"#!/bin/true", 0o4755, T, BOB),
    b"setgid": File(b"#!/bin/true", 0o2755, T, BOB),
    b"root": File(b"#!/bin/true", 0o6755, T),
    b"d": Dir({b"in": File(b"in", 0o4711, T, BOB)}, 0o2770, T, BOB),
    b"p": Fifo(0o666),
    b"null": Device(stat.S_IFCHR | 0o666, os.makedev(1, 3)),
    b"s": Symlink(b"public", T),
    b"linked": Hardlink(b"setuid"),
    b"sparse": Sparse(100_000, ((50_000, b"data"),), T),
}
OLD: dict[bytes, Entry] = {
    b"public": File(b"old", 0o4755, owner=ALICE),
    b"private": File(b"old", 0o666),
    b"group": File(b"old", 0o666, owner=ALICE),
    b"program": File(b"old", 0o6777),
    b"setuid": File(b"old", 0o4755),
    b"setgid": File(b"old", 0o2755, owner=ALICE),
    b"root": File(b"old", 0o6755, owner=BOB),
    b"d": Dir({b"in": File(b"i", 0o6755)}, 0o755),
    b"p": Symlink(b"old"),
}
#: The same contents with other metadata.
SAME: dict[bytes, Entry] = {
    name: File(entry.content, 0o6777, T, ALICE) for name, entry in NEW.items() if isinstance(entry, File)
}
#: What --append completes.
BEGUN: dict[bytes, Entry] = {
    name: File(entry.content[:2], 0o6777, T, ALICE) for name, entry in NEW.items() if isinstance(entry, File)
}

_ALL = dict.fromkeys(("links", "devices", "specials", "owner", "group"), True)

WAYS: dict[str, tuple[dict[bytes, Entry] | None, dict[str, Any]]] = {
    "new": (None, {}),
    "replaced": (OLD, {}),
    "metadata only": (SAME, {}),
    "in place": (OLD, {"inplace": True}),
    "append": (BEGUN, {"inplace": True, "append": 1}),
    "hard links": (OLD, {"hard_links": True}),
    "sparse": (OLD, {"sparse": True}),
    "sparse in place": (OLD, {"sparse": True, "inplace": True}),
    "backups": (OLD, {"backup": True}),
    "backups in place": (OLD, {"backup": True, "inplace": True}),
    "delayed": (OLD, {"delay_updates": True}),
    "copy-dest": (None, {"alt_dest": AltDest.COPY, "alt_dirs": (b"../other",)}),
    "attributes": (OLD, {"acls": True, "xattrs": True}),
    "chmod": (OLD, {"chmod": ("F6755",)}),
    "preallocate": (None, {"preallocate": True, "fsync": True}),
    "temp-dir": (OLD, {"temp_dir": b"../temp"}),
}


class Watched(Faults):
    """Looks at everything that the run is making before each of its calls. ``wanted``: what it comes to, by name;
    ``old``: what was there before, by inode."""

    def __init__(self, here: bytes, wanted: dict[bytes, State], old: dict[int, State]) -> None:
        super().__init__()
        self._here, self._wanted, self._old = here, wanted, old
        self.found: list[str] = []
        self.looked = 0

    def check(self, call: str, *arguments: object) -> None:
        super().check(call, *arguments)
        if len(self.found) < 20:
            self.found += [f"before {self.steps[-1]}: {line}" for line in self._problems()]

    def _problems(self) -> Iterator[str]:
        for name, state in _entries(self._here):
            wanted, old = self._wanted.get(name), self._old.get(state.st.st_ino)
            if wanted is None or stat.S_ISLNK(state.st.st_mode):
                continue
            self.looked += 1
            touched = old is None or state.content != old.content
            if touched and (wrong := _lets_in(state.st, wanted.st)):
                yield f"{name!r} {wrong}"
            if (touched or _owner(state.st) != _owner(old.st)) and (wrong := _runs_wrongly(state, wanted)):
                yield f"{name!r} {wrong}"


class State(NamedTuple):
    """An entry at a moment."""

    st: os.stat_result
    content: bytes


def _owner(st: os.stat_result) -> tuple[int, int]:
    return st.st_uid, st.st_gid


def _entries(here: bytes) -> Iterator[tuple[bytes, State]]:
    """Entries below the destination and --temp-dir, by the names that they will have."""
    for top in (b"dst", b"temp"):
        for directory, directories, names in os.walk(os.path.join(here, top)):
            for name in (*directories, *names):
                path = os.path.join(directory, name)
                st, content = os.lstat(path), b""
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as file:
                        content = file.read()
                yield _final(name), State(st, content)


def _final(name: bytes) -> bytes:
    """The name that a temporary one stands for."""
    match = re.fullmatch(rb"\.(.+)\.\+[A-Za-z0-9]{5}", name)
    return match[1] if match else name


def _lets_in(st: os.stat_result, wanted: os.stat_result) -> str:
    """Whether somebody may do with an entry what he may not with what it comes to; "" where not."""
    others = st.st_mode & 0o077
    if stat.S_ISDIR(st.st_mode):
        return (
            f"is open before its owner is right: {stat.filemode(st.st_mode)}"
            if others and st != wanted and _owner(st) != _owner(wanted)
            else ""
        )
    if others and _owner(st) != _owner(wanted):
        return f"is open before its owner is right: {stat.filemode(st.st_mode)}"
    return f"lets in who will not be: {stat.filemode(st.st_mode)}" if others & ~wanted.st_mode else ""


def _runs_wrongly(state: State, wanted: State) -> str:
    """Whether set-id bits stand with a wrong owner, or with data that is not complete."""
    st = state.st
    if not stat.S_ISREG(st.st_mode) or not st.st_mode & 0o6000:
        return ""
    if (st.st_mode & stat.S_ISUID and st.st_uid != wanted.st.st_uid) or (
        st.st_mode & stat.S_ISGID and st.st_gid != wanted.st.st_gid
    ):
        return f"runs as somebody else: {stat.filemode(st.st_mode)} {_owner(st)}"
    return "" if state.content == wanted.content else f"runs half written: {stat.filemode(st.st_mode)}"


def prepare(here: bytes, name: str) -> dict[str, Any]:
    """The trees of one way of writing; returns its options."""
    old, options = WAYS[name]
    create(os.path.join(here, b"src"), Dir(NEW, mtime_ns=T))
    create(os.path.join(here, b"other"), Dir(SAME | {b"d": Dir({b"in": File(b"in", 0o777, T)})}))
    os.mkdir(os.path.join(here, b"temp"))
    if name == "attributes":
        os.setxattr(os.path.join(here, b"src/group"), b"system.posix_acl_access", _ACL)
    if old is not None:
        create(os.path.join(here, b"dst"), Dir(dict(old)))
    return _ALL | options


@pytest.mark.parametrize("name", WAYS)
def test_before_every_call(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    twin = os.path.join(here, b"twin")  # tells what it comes to
    os.mkdir(twin)
    for top in (twin, here):
        options = prepare(top, name)
    assert copy(twin, **options) == (ExitCode.OK, [])
    old = {state.st.st_ino: state for _, state in _entries(here)}
    watched = Watched(here, dict(_entries(twin)), old)
    settle_timing(monkeypatch)
    with monkeypatch.context() as patch:
        plant(patch, watched)
        assert copy(here, **options) == (ExitCode.OK, [])
    assert watched.looked > len(NEW)
    assert not watched.found, "\n".join(watched.found)
    found, expected = (snapshot(os.path.join(top, b"dst"), times=False) for top in (here, twin))
    assert_same(expected, found)


_CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (\d+)")


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """The calls of a trace as a line each: one that was going on while another thread's was told is told in two."""
    begun: dict[str, str] = {}
    for line in lines:
        thread = line.partition(" ")[0]
        if "<unfinished ...>" in line:
            begun[thread] = line.partition(" <unfinished ...>")[0]
        elif "resumed>" in line and thread in begun:
            yield begun.pop(thread) + line.partition("resumed>")[2]
        else:
            yield line


class Trace:
    """The system calls of a real run that succeeded, in their order: process, call, arguments, result."""

    def __init__(self, here: bytes, *arguments: str) -> None:
        log = os.path.join(here, b"trace")
        calls = "openat,mkdirat,mknodat,symlinkat,linkat,renameat,fchown,fchmod,fchownat,fchmodat,chown,chmod,close"
        command = [
            "strace",
            "-f",
            "-qq",
            "-s",
            "256",
            "-o",
            log,
            "-e",
            f"trace={calls},unlinkat,renameat2,lchown,clone,clone3",
        ]
        done = run([*command, sys.executable, "-m", "arsync", "--io-engine=plain", *arguments], cwd=here)
        if b"ptrace" in done.err:
            pytest.skip(f"strace: {done.err.decode()}")
        assert done.code == 0, done
        with open(log, errors="replace") as file:
            found = [match.groups() for line in _whole(file) if (match := _CALL.match(line))]
        processes: dict[int, int] = {}  # of each thread
        self.calls: list[tuple[int, str, str, int]] = []
        for thread, call, text, result in found:
            pid = processes.setdefault(int(thread), int(thread))
            if call.startswith("clone"):
                processes[int(result)] = pid if "CLONE_THREAD" in text else int(result)
            self.calls.append((pid, call, text, int(result)))

    def written(self) -> Iterator[tuple[int, list[tuple[str, str]], str]]:
        """Of each file that was made: the mode it was made with, what was done to it, and its name in the end."""
        open_: dict[tuple[int, int], tuple[int, list[tuple[str, str]]]] = {}
        names: dict[str, tuple[int, list[tuple[str, str]]]] = {}
        for pid, call, text, result in self.calls:
            number = (pid, int(text.partition(",")[0])) if text.partition(",")[0].isdigit() else (pid, -1)
            if call == "openat" and ("O_TMPFILE" in text or ("O_EXCL" in text and ".+" in text)):
                made = (int(text.rpartition(", ")[2], 8), list[tuple[str, str]]())
                open_[pid, result] = made
                if "O_TMPFILE" not in text:
                    names[text.split('"')[1]] = made
            elif call == "close":
                open_.pop(number, None)
            elif call in ("fchown", "fchmod") and number in open_:
                open_[number][1].append((call, text))
            elif call == "linkat" and number in open_:
                yield *open_[number], text.split('"')[3]
            elif call == "renameat" and text.split('"')[1] in names:
                yield *names[text.split('"')[1]], text.split('"')[3]


needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@needs_strace
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("old", [False, True], ids=["new", "replaced"])
def test_order_of_calls(here: bytes, workers: str, old: bool) -> None:
    """Owner, then mode, then the name; devices and directories are made with no rights for others."""
    create(os.path.join(here, b"src"), Dir({b"zq_" + name: entry for name, entry in NEW.items()
                                            if not isinstance(entry, Hardlink)}))  # fmt: skip
    if old:
        create(os.path.join(here, b"dst"), Dir({b"zq_" + name: entry for name, entry in OLD.items()}))
    trace = Trace(here, "-a", f"--workers={workers}", "src/", "dst")
    found = {name: (mode, done) for mode, done, name in trace.written()}
    wanted = {f"zq_{os.fsdecode(name)}": entry for name, entry in NEW.items() if isinstance(entry, (File, Sparse))}
    assert set(found) == {*wanted, "in"}
    for name, (made, done) in found.items():
        calls = [call for call, _ in done]
        assert calls in ([], ["fchown"], ["fchmod"], ["fchown", "fchmod"]), name
        entry = wanted.get(name, NEW[b"d"].entries[b"in"])  # type: ignore[union-attr]
        final = entry.mode if isinstance(entry, File) else 0o644
        assert not made & 0o7000
        assert not made & ~final
        if "fchown" in calls:
            assert not made & 0o077, name
        if final & 0o6000:
            assert calls[-1] == "fchmod", name
    for _, call, text, _ in trace.calls:
        if call == "mknodat" and "zq_" in text:
            assert re.search(r"S_IF\w+(\|000)?(,|$)", text), text
        if call == "mkdirat" and "zq_" in text:
            assert text.endswith("0700"), text
        assert not (call in ("chown", "chmod", "lchown", "fchownat", "fchmodat") and "zq_" in text), (call, text)


@needs_strace
@pytest.mark.parametrize("options", ["-aH --inplace", "-aS --append", "-ab --delete", "-a --delay-updates --fsync"])
def test_every_open(here: bytes, options: str) -> None:
    """Nothing in the trees is opened by a path, or through a symlink, or so that it could block."""
    create(os.path.join(here, b"src"), Dir({b"zq_" + name: entry for name, entry in NEW.items()
                                            if not isinstance(entry, Hardlink)}))  # fmt: skip
    create(os.path.join(here, b"dst"), Dir({b"zq_" + name: entry for name, entry in OLD.items()}))
    trace = Trace(here, *options.split(), "src/", "dst")
    opened = [text for _, call, text, _ in trace.calls if call == "openat" and "zq_" in text]
    assert len(opened) > 10
    for text in opened:
        assert not text.startswith("AT_FDCWD"), text
        assert "/" not in text.split('"')[1], text
        assert "O_NOFOLLOW" in text, text
        assert any(flag in text for flag in ("O_NONBLOCK", "O_DIRECTORY", "O_PATH", "O_EXCL")), text
    for _, call, text, _ in trace.calls:
        if call in ("linkat", "renameat", "unlinkat", "mkdirat", "mknodat", "symlinkat") and "zq_" in text:
            assert not re.search(r"AT_FDCWD, \"(?!/proc/self/fd/)[^\"]*zq_", text), (call, text)
