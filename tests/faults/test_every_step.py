"""Every system call of a run fails once, in every way its manual page lists: nothing is lost, nothing is left behind.

By default every third call fails in one of its ways, another one from call to call. ARSYNC_FAULTS=all tries every way
of every call (some minutes).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from arsync.config import CopyMethod, DeleteWhen, IoEngine
from arsync.engine import smallfile
from arsync.errors import ExitCode, FatalError
from arsync.events import Failure
from arsync.fs import copy as fs_copy
from support.faults import ERRNOS, Faults, Step, plant, plant_ring, settle_timing
from support.inprocess import copy
from support.snapshot import Snapshot, differences, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink, create

T = 10**18
OLD = T + 7 * 10**9
EVERYTHING = bool(os.environ.get("ARSYNC_FAULTS"))

#: What counts as small and as large, so that little data goes every way.
SIZES = (
    (fs_copy, "SMALL_FILE", 4 << 10),
    (smallfile, "SMALL_FILE", 4 << 10),
    (fs_copy, "LARGE_FILE", 16 << 10),
    (fs_copy, "COPY_RANGE_STEP", 8 << 10),
)

#: user::rwx, user 1234: r--, group::r-x, mask::r-x, other::--- as the kernel keeps it.
ACL = bytes.fromhex("02000000 01000700ffffffff 02000400d2040000 04000500ffffffff 10000500ffffffff 20000000ffffffff")
ATTRIBUTES = {b"user.one": b"1", b"user.two": b"2" * 300, b"system.posix_acl_access": ACL}


def _file(text: bytes, size: int = 10, **how: Any) -> File:
    return File(text * size, mtime_ns=T, **how)


def _under(entries: dict[bytes, Entry]) -> Dir:
    """The entries, and others that have nothing to do with them, before, behind and below."""
    others: dict[bytes, Entry] = {b"0": _file(b"first"), b"z": _file(b"last"), b"d": Dir({b"f": _file(b"f")}, 0o750, T)}
    return Dir(others | entries, mtime_ns=T)


class Case(NamedTuple):
    """A copy: what is copied, over what, and how."""

    new: dict[bytes, Entry]
    old: dict[bytes, Entry] | None = None  # None: there is no destination
    options: dict[str, Any] = {}  # noqa: RUF012


_OLD = {b"f": File(b"old" * 5), b"l": File(b"old" * 999), b"m": File(b"old" * 9999)}
_NEW = {b"f": _file(b"new", mode=0o4751), b"l": _file(b"large", 2000), b"m": _file(b"m", 18_000)}
CASES = {
    "new": Case(_NEW | {b".h": _file(b"hidden")}),
    "new, other owners": Case({b"f": _file(b"new", mode=0o6751, owner=(1234, 1235))}, {}),
    "links and specials": Case(
        {b"s": Symlink(b"target", T), b"p": Fifo(0o640, T), b"c": Device(0o20644, os.makedev(1, 3))}
    ),
    "replaced": Case(_NEW, _OLD),
    "replaced specials": Case(
        {b"s": Symlink(b"target", T), b"p": Fifo(0o640, T), b"c": Device(0o20644, os.makedev(1, 3))},
        {b"s": Symlink(b"old"), b"p": Symlink(b"old"), b"c": Device(0o20600, os.makedev(1, 5))},
    ),
    "other kinds": Case(
        {
            b"a": _file(b"file"),
            b"b": Symlink(b"link", T),
            b"c": Dir({b"in": _file(b"in")}, mtime_ns=T),
            b"e": Dir({}, mtime_ns=T),
        },
        {b"a": Symlink(b"old"), b"b": File(b"old"), b"c": File(b"precious"), b"e": Symlink(b"precious")},
    ),
    "empty directories make way": Case({b"a": _file(b"file"), b"b": Symlink(b"link", T)}, {b"a": Dir(), b"b": Dir()}),
    "in place": Case(_NEW, _OLD, {"inplace": True}),
    "hard links": Case(
        {b"a": _file(b"linked"), b"b": Hardlink(b"a"), b"d2": Dir({b"c": Hardlink(b"a")}, mtime_ns=T)},
        {b"b": File(b"old b"), b"d2": Dir({b"c": File(b"old c")})},
        {"hard_links": True},
    ),
    "attributes": Case(
        {
            b"f": _file(b"f", xattrs=ATTRIBUTES),
            b"n": _file(b"n", xattrs=ATTRIBUTES),
            b"x": Dir({}, mtime_ns=T, xattrs=ATTRIBUTES),
            b"s": Symlink(b"target", T),
        },
        {b"f": File(b"old", xattrs={b"user.one": b"0", b"user.gone": b"0"})},
        {"acls": True, "xattrs": True},
    ),
    "metadata only": Case(
        {
            b"f": File(b"same", 0o2751, T, (1234, 1235), {b"user.one": b"1"}),
            b"m": Dir({}, 0o2750, T, (1234, 1235)),
            b"p": Fifo(0o640, T),
        },
        {b"f": File(b"same", 0o600, T, xattrs={b"user.two": b"2"}), b"m": Dir(), b"p": Fifo(0o600)},
        {"xattrs": True},
    ),
    "checksum": Case(
        {b"f": _file(b"abc"), b"same": _file(b"x")}, {b"f": _file(b"abd"), b"same": _file(b"x")}, {"checksum": True}
    ),
    "sparse": Case({b"f": Sparse(40_000, ((20_000, b"data"),), T)}, {b"f": File(b"old" * 9_999)}, {"sparse": True}),
    "sparse in place": Case(
        {b"f": Sparse(40_000, ((20_000, b"data"),), T)},
        {b"f": File(b"old" * 9_999)},
        {"sparse": True, "inplace": True},
    ),
    "backups": Case(_NEW | {b"c": Dir({}, mtime_ns=T)}, _OLD | {b"c": File(b"precious")}, {"backup": True}),
    "backups elsewhere": Case(_NEW, _OLD, {"backup": True, "backup_dir": b".backups"}),
    "backups in place": Case(_NEW, _OLD, {"backup": True, "inplace": True}),
    "delayed updates": Case(_NEW, _OLD, {"delay_updates": True, "fsync": True}),
    "parts are kept": Case(_NEW, _OLD, {"partial": True, "partial_dir": b".parts", "fsync": True}),
    "preallocated": Case(_NEW, _OLD, {"preallocate": True}),
    "sources removed": Case(_NEW, _OLD, {"remove_source_files": True}),
    "deletion": Case(
        {b"f": _file(b"new"), b"m": Dir({}, mtime_ns=T), b"k": _file(b"kind")},
        {
            b"f": File(b"old"),
            b"m": Dir({b"x": File(b"x"), b"y": Dir({b"z": File(b"z")})}),
            b"k": Dir({b"v": File(b"v")}),
        },
        {"delete": DeleteWhen.DURING},
    ),
    "deletion afterwards": Case(
        {b"f": _file(b"new")}, {b"f": File(b"old"), b"x": File(b"x")}, {"delete": DeleteWhen.AFTER}
    ),
    "symlinks followed": Case({b"s": Symlink(b"0", T), b"t": Symlink(b"d", T)}, {}, {"copy_links": True}),
    "fake super": Case({b"f": _file(b"f", owner=(1234, 1235)), b"p": Fifo(0o640, T)}, {}, {"fake_super": True}),
    "access times": Case(_NEW, _OLD, {"atimes": 1}),
    "copy_file_range": Case(_NEW, {}, {"copy_method": CopyMethod.COPY_FILE_RANGE}),
    "mmap": Case(_NEW, {}, {"copy_method": CopyMethod.MMAP}),
    "read and write": Case(_NEW, {}, {"copy_method": CopyMethod.READ_WRITE}),
}

_ALL = dict.fromkeys(("links", "devices", "specials", "owner", "group"), True)


class Place:
    """A case's trees, and what a run without faults makes of them."""

    def __init__(self, here: bytes, case: Case, engine: IoEngine) -> None:
        self.here, self.case = here, case
        self.options = _ALL | case.options | {"io_engine": engine, "queue_depth": 1, "buffer_size": 4 << 10}
        self.dst = os.path.join(here, b"dst")
        self.renew()
        self.old = snapshot(self.dst) if case.old is not None else {}

    def renew(self) -> None:
        """Put the source and the old destination there again."""
        src = os.path.join(self.here, b"src")
        if self.case.options.get("remove_source_files") or not os.path.exists(src):
            shutil.rmtree(src, ignore_errors=True)
            create(src, _under(self.case.new))
            for name in [name for name, entry in self.case.new.items() if isinstance(entry, Device)]:
                os.utime(os.path.join(src, name), ns=(T, T))
            os.utime(src, ns=(T, T))
        shutil.rmtree(self.dst, ignore_errors=True)
        if self.case.old is not None:
            create(self.dst, Dir(dict(self.case.old), mtime_ns=OLD))
            for directory, _, names in os.walk(self.dst):
                for name in names:
                    if self.case.options.get("backup"):  # by which it is known again under its other name
                        os.utime(os.path.join(directory, name), ns=(OLD, OLD), follow_symlinks=False)

    def run(self, monkeypatch: pytest.MonkeyPatch, faults: Faults) -> tuple[int, list[Failure]]:
        """A run with these faults: its exit code, and what failed."""
        with monkeypatch.context() as patch:
            settle_timing(patch)
            for module, name, size in SIZES:
                patch.setattr(module, name, size)
            plant(patch, faults)
            if self.options["io_engine"] is IoEngine.URING:
                plant_ring(patch, faults)
            try:
                return copy(self.here, **self.options)
            except FatalError as error:
                return error.code, [Failure("begin", b"", 0, str(error))]

    def new(self) -> Snapshot:
        """What stands at the destination now."""
        found = snapshot(self.dst) if os.path.lexists(self.dst) else {}
        found.get(b".backups", {}).pop("mtime", None)
        return found


def _content(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry.get(key) for key in ("type", "content", "target", "device")}


def _of_backup(name: bytes) -> bytes:
    """The name of which this is the backup, or itself."""
    return name.removeprefix(b".backups/").removesuffix(b"~")


def _covered(name: bytes, failures: list[Failure]) -> bool:
    """Whether a failure was reported of this entry, or of a directory that it is in."""
    name = _of_backup(name)
    for failure in failures:
        if failure.path.startswith(b"/"):
            return True  # of an argument, and so of all that is in it
        if failure.operation in ("find", "begin") or (
            failure.path == b"." and failure.operation in ("list directory", "open directory")
        ):
            return True
        if failure.operation == "open the directory of" and os.path.dirname(failure.path) == os.path.dirname(name):
            return True
        if failure.path == (name or b".") or name.startswith(failure.path + b"/"):
            return True
    return False


def entry_problems(name: bytes, place: Place, wanted: Snapshot, got: Snapshot, said: list[bool]) -> Iterator[str]:
    """What is wrong with one name after a run with a fault; ``said``: whether a report covers it, or it and all that
    it is linked with, and whether there is any."""
    old, reported, together = place.old, *said[:2]
    if place.case.options.get("delete") and name in old and name not in wanted:
        return  # what may be deleted may also stay: any failure keeps rsync from deleting
    if name not in got:
        if name in old and not (old[name]["type"] == "d" and name in wanted):
            if name in wanted or not place.case.options.get("delete"):
                yield f"{name!r} is lost"
        elif name not in old and not reported:
            yield f"{name!r} did not arrive, and nothing was said"
    elif name not in old and {b".~tmp~", b".parts"} & set(name.split(b"/")):
        if got[name]["type"] != "d" and not said[2]:  # kept on purpose, and the next run puts it in place
            yield f"{name!r} was left behind, and nothing was said"
    elif name not in old and name not in wanted:
        yield f"{name!r} was left behind"
    else:
        trees = [tree for tree in (old, wanted) if name in tree]
        overwritten = place.case.options.get("inplace") and {tree[name]["type"] for tree in trees} == {"-"}
        if _content(got[name]) not in [_content(tree[name]) for tree in trees] and not overwritten:
            yield f"{name!r} is torn: {_content(got[name])}"
        if name.endswith(b"~") and place.case.options.get("inplace"):
            return  # a copy, with what of its metadata could be set
        if got[name] != wanted.get(name) and not together:
            one = {name: wanted[name]} if name in wanted else {}
            yield f"{name!r} is wrong, and nothing was said: {differences(one, {name: got[name]})}"
        if name in wanted and _is_open(got[name], wanted[name], old.get(name)):
            yield f"{name!r} lets others in: {got[name]}"


def problems(place: Place, wanted: Snapshot, code: int, failures: list[Failure], number: int) -> Iterator[str]:
    """What is wrong after a run in which one call failed with ``number``."""
    got, stopped = place.new(), code == ExitCode.FILE_IO
    for name in sorted(got.keys() | wanted.keys() | place.old.keys()):
        if number == errno.ENOENT and _of_backup(name) != name and name not in got:
            continue  # what the kernel says is not there is not backed up
        group = wanted.get(name, {}).get("linked with", (name,))
        said = [stopped or any(_covered(member, failures) for member in members) for members in ((name,), group)]
        yield from entry_problems(name, place, wanted, got, [*said, bool(failures)])
    if code not in (0, ExitCode.PARTIAL, ExitCode.VANISHED, ExitCode.FILE_IO, ExitCode.FILE_SELECT):
        yield f"the code is {code}"
    if (code == 0) != all(failure.warning for failure in failures):
        yield f"the code is {code}, and it said {failures}"
    if code == ExitCode.VANISHED and number != errno.ENOENT:
        yield "nothing vanished, and the code is 24"
    if stopped and number not in (errno.ENOSPC, errno.EDQUOT) and failures[0].operation != "begin":
        yield f"the code is 11 after {os.strerror(number)}"
    for failure in failures:
        if not failure.operation or "unexpected" in failure.detail:
            yield f"a bad report: {failure}"


def _is_open(got: dict[str, Any], wanted: dict[str, Any], old: dict[str, Any] | None) -> bool:
    """Whether an entry runs as somebody it should not, or its mode favours a group that it was not meant for."""
    if "mode" not in got or (old is not None and got == old):
        return False
    mode = int(got["mode"], 8)
    given = mode & (stat.S_ISUID | stat.S_ISGID) or (mode >> 3 & 7) != mode & 7
    return bool(given) and got["owner"] != wanted["owner"]


def open_descriptors() -> set[str]:
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and
            os.path.lexists(f"/proc/self/fd/{fd}")}  # fmt: skip


def attempt(place: Place, monkeypatch: pytest.MonkeyPatch, wanted: Snapshot, at: int, number: int) -> list[str]:
    """Run with one fault; what is wrong afterwards, and whether the next run mends it."""
    place.renew()
    before = open_descriptors()
    faults = Faults(at, number)
    try:
        code, failures = place.run(monkeypatch, faults)
        found = list(problems(place, wanted, code, failures, number))
    except OSError as error:
        traces = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
        code, failures, found = -1, [], [f"it raised {error!r} in {traces}"]
    assert faults.happened
    if left := open_descriptors() - before:
        found.append(f"open descriptors: {left}")
    again, more = place.run(monkeypatch, Faults())  # nothing is left that keeps it from finishing
    # A file that came to its name without its times is backed up again; which backups there are is another matter.
    mended, expected = (
        {name: entry for name, entry in tree.items() if _of_backup(name) == name and not name.startswith(b".backups")}
        for tree in (place.new(), wanted)
    )
    if place.case.options.get("remove_source_files"):  # as rsync does where only metadata could not be set
        mended, expected = ({name: _content(entry) for name, entry in tree.items()} for tree in (mended, expected))
    found += [f"after the next run, {line}" for line in differences(expected, mended)]
    if again:
        found.append(f"the next run's code is {again}: {more}")
    where = f"call {at} {faults.steps[at]} with {errno.errorcode[number]}: code {code}, {failures}"
    return [f"{where}: {line}" for line in found]


def _ways(steps: list[Step], name: str) -> Iterator[tuple[int, int]]:
    """Which call fails, and how. The first calls of all cases are the same: each case takes others of them."""
    for at, step in enumerate(steps):
        ways = ERRNOS[step.call]
        if EVERYTHING:
            yield from ((at, number) for number in ways)
        elif (at + list(CASES).index(name)) % 3 == 0:
            yield at, ways[at // 3 % len(ways)]


ENGINES = [IoEngine.PLAIN, pytest.param(IoEngine.URING, marks=pytest.mark.needs_ring)]


@pytest.mark.needs_root
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_every_call_fails_once(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str, engine: IoEngine) -> None:
    here = os.path.join(here, name.encode())
    os.mkdir(here)
    place = Place(here, CASES[name], engine)
    none = Faults()
    assert place.run(monkeypatch, none) == (0, [])
    wanted = place.new()
    found: list[str] = []
    for at, number in _ways(none.steps, name):
        found += attempt(place, monkeypatch, wanted, at, number)
    assert not found, f"{len(found)} problems\n" + "\n".join(found[:60])


@pytest.mark.needs_root
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_short_reads_and_writes(here: bytes, monkeypatch: pytest.MonkeyPatch, name: str, engine: IoEngine) -> None:
    """They are continued: the same tree."""
    place = Place(here, CASES[name], engine)
    assert place.run(monkeypatch, Faults()) == (0, [])
    wanted = place.new()
    place.renew()
    assert place.run(monkeypatch, Faults(shortest=1021)) == (0, [])
    assert not differences(wanted, place.new())
