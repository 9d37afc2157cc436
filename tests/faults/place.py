"""One kind of copy with a fault in it: its trees, a run, and what is wrong afterwards."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from arsync.config import AltDest, IoEngine
from arsync.engine import smallfile
from arsync.errors import ExitCode, FatalError
from arsync.events import Failure
from arsync.fs import copy as fs_copy
from support.cases import Case, T, under
from support.faults import Faults, plant, plant_ring, settle_timing
from support.inprocess import copy
from support.snapshot import Snapshot, differences, snapshot
from support.trees import Device, Dir, create

OLD = T + 7 * 10**9

#: What counts as small and as large, so that little data goes every way.
SIZES = (
    (fs_copy, "SMALL_FILE", 4 << 10),
    (smallfile, "SMALL_FILE", 4 << 10),
    (fs_copy, "LARGE_FILE", 16 << 10),
    (fs_copy, "COPY_RANGE_STEP", 8 << 10),
)

_ALL = dict.fromkeys(("links", "devices", "specials", "owner", "group"), True)


class Place:
    """A case's trees, and what a run without faults makes of them."""

    def __init__(self, here: bytes, case: Case, engine: IoEngine, **how: Any) -> None:
        self.here, self.case = here, case
        self.options = _ALL | case.options | {"io_engine": engine, "queue_depth": 1, "buffer_size": 4 << 10} | how
        self.dst, self.beside = os.path.join(here, b"dst"), os.path.join(here, b"beside")
        if case.beside is not None:
            create(self.beside, Dir(case.beside, mtime_ns=T))
        self.backups_are_copies = bool(case.options.get("inplace"))  # with what of their metadata could be set
        self.renew()
        self.old = self.new() if case.old is not None else {}
        self.others = self._others()

    def _others(self) -> dict[bytes, Any]:
        """What only is read: the source, and what stands beside the two trees."""
        read = [self.beside] if self.case.beside is not None else []
        if not self.case.options.get("remove_source_files"):
            read.append(os.path.join(self.here, b"src"))
        found = {top: snapshot(top, links=False) for top in read}
        if "temp_dir" in self.options:
            del found[self.beside][b""]["mtime"]
        return found

    def changed(self) -> list[str]:
        """What is not as it was of that which only is read."""
        return [
            f"{os.path.basename(top)!r} was changed: {line}"
            for top, now in self._others().items()
            for line in differences(self.others[top], now)
        ]

    def renew(self) -> None:
        """Put the source and the old destination there again."""
        src = os.path.join(self.here, b"src")
        if self.case.options.get("remove_source_files") or not os.path.exists(src):
            shutil.rmtree(src, ignore_errors=True)
            create(src, Dir(self.case.new, mtime_ns=T) if self.case.alone else under(self.case.new))
            for name in [name for name, entry in self.case.new.items() if isinstance(entry, Device)]:
                os.utime(os.path.join(src, name), ns=(T, T))
            os.utime(src, ns=(T, T))
        shutil.rmtree(self.dst, ignore_errors=True)
        if self.case.old is not None:
            create(self.dst, Dir(dict(self.case.old), mtime_ns=OLD))
            for directory, _, names in os.walk(self.dst):
                for name in names:
                    # By which it is known again under its other name, or as what was not touched.
                    if {"backup", "files_from", "filters"} & self.case.options.keys():
                        os.utime(os.path.join(directory, name), ns=(OLD, OLD), follow_symlinks=False)

    @property
    def deletes(self) -> bool:
        """Whether names of the destination are meant to go."""
        return bool({"delete", "delete_missing_args"} & self.options.keys())

    def may_stay(self, name: bytes, wanted: Snapshot) -> bool:
        """Whether a failure, which need not be one of this name, may leave an entry that is not wanted: any keeps rsync
        from deleting; another tree that cannot be looked at has nothing, a directory then has something."""
        if name in wanted:
            return False
        if name in self.old:
            return self.deletes
        return self.options.get("alt_dest") is AltDest.COMPARE or "prune_empty_dirs" in self.options

    def run(
        self, monkeypatch: pytest.MonkeyPatch, faults: Faults, disorder: int | None = None
    ) -> tuple[int, list[Failure]]:
        """A run with these faults: its exit code, and what failed; ``disorder`` as for FaultyOps."""
        with monkeypatch.context() as patch:
            settle_timing(patch)
            for module, name, size in SIZES:
                patch.setattr(module, name, size)
            plant(patch, faults)
            if self.options["io_engine"] is IoEngine.URING:
                plant_ring(patch, faults, disorder)
            patch.chdir(os.fsdecode(self.here))
            try:
                return copy(self.here, **self.options)
            except FatalError as error:
                return error.code, [Failure("begin", b"", 0, str(error))]

    def _is_untimed(self, name: bytes, entry: dict[str, Any]) -> bool:
        """Whether an entry's time is that of the run."""
        if entry["type"] == "d" and {"delete_missing_args", "omit_dir_times"} & self.options.keys():
            return True
        if "files_from" in self.options and not name:
            return True
        return (name + b"/").startswith(b".backups/") or (
            "implied_dirs" in self.options and name in (b"real", b"real/n")  # they are used as they stand
        )

    def new(self) -> Snapshot:
        """What stands at the destination now."""
        links = "alt_dirs" not in self.options  # to another tree
        found = snapshot(self.dst, links=links) if os.path.lexists(self.dst) else {}
        for name, entry in found.items():
            if self._is_untimed(name, entry):
                entry.pop("mtime")
        return found


def _content(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry.get(key) for key in ("type", "content", "target", "device")}


def _of_backup(name: bytes) -> bytes:
    """The name of which this is the backup, or itself; what stands in "real" is known by the symlink "k"."""
    name = b"k" + name.removeprefix(b"real") if (name + b"/").startswith(b"real/") else name
    return name.removeprefix(b".backups/").removesuffix(b"~")


#: Failures of the top that keep all that is in it from being dealt with.
_OF_ALL = frozenset({"list directory", "open directory", "list the destination directory"})


def _covered(name: bytes, failures: list[Failure]) -> bool:
    """Whether a failure was reported of this entry, or of a directory that it is in."""
    backup, name = name != _of_backup(name), _of_backup(name)
    for failure in failures:
        if failure.path.startswith(b"/"):
            return True  # of an argument, and so of all that is in it
        if failure.operation in ("find", "begin") or (failure.path == b"." and failure.operation in _OF_ALL):
            return True
        if failure.operation == "open the directory of" and os.path.dirname(failure.path) == os.path.dirname(name):
            return True
        if failure.path == (name or b".") or name.startswith(failure.path + b"/"):
            return True
        if backup and os.path.dirname(failure.path) == name:
            return True  # a directory for backups is made for the first one
    return False


def entry_problems(name: bytes, place: Place, wanted: Snapshot, got: Snapshot, said: list[bool]) -> Iterator[str]:
    """What is wrong with one name after a run with a fault; ``said``: whether a report covers it, or it and all that
    it is linked with, and whether there is any."""
    old, reported, together = place.old, *said[:2]
    if place.may_stay(name, wanted):
        return
    if name not in got:
        if name in old and not (old[name]["type"] == "d" and name in wanted):
            if name in wanted or not place.deletes:
                yield f"{name!r} is lost"
        elif name not in old and not reported:
            yield f"{name!r} did not arrive, and nothing was said"
    elif name not in old and {b".~tmp~", b".parts", b"parts"} & set(name.split(b"/")):
        if got[name]["type"] != "d" and not said[2]:  # kept on purpose, and the next run puts it in place
            yield f"{name!r} was left behind, and nothing was said"
    elif name not in old and name not in wanted:
        yield f"{name!r} was left behind"
    else:
        trees = [tree for tree in (old, wanted) if name in tree]
        overwritten = place.case.options.get("inplace") and {tree[name]["type"] for tree in trees} == {"-"}
        if _content(got[name]) not in [_content(tree[name]) for tree in trees] and not overwritten:
            yield f"{name!r} is torn: {_content(got[name])}"
        if (name.endswith(b"~") and place.backups_are_copies) or name.startswith(b".backups/"):
            return  # a copy, or a directory for them, with what of its metadata could be set
        if got[name] != wanted.get(name) and not together:
            one = {name: wanted[name]} if name in wanted else {}
            yield f"{name!r} is wrong, and nothing was said: {differences(one, {name: got[name]})}"
        if name in wanted and _is_open(got[name], wanted[name], old.get(name)):
            yield f"{name!r} lets others in: {got[name]}"


def problems(place: Place, wanted: Snapshot, code: int, failures: list[Failure], number: int) -> Iterator[str]:
    """What is wrong after a run in which one call failed with ``number``."""
    got, stopped = place.new(), code == ExitCode.FILE_IO
    for name in sorted(got.keys() | wanted.keys() | place.old.keys()):
        if number == errno.ENOENT and _of_backup(name) != name and got.get(name) == place.old.get(name):
            continue  # what the kernel says is not there is not backed up
        group = wanted.get(name, {}).get("linked with", (name,))
        said = [stopped or any(_covered(member, failures) for member in members) for members in ((name,), group)]
        yield from entry_problems(name, place, wanted, got, [*said, bool(failures)])
    codes = {ExitCode.OK, ExitCode.PARTIAL, ExitCode.VANISHED, ExitCode.FILE_IO, ExitCode.FILE_SELECT}
    if {"files_from", "temp_dir"} & place.options.keys():
        codes.add(ExitCode.SYNTAX)  # which is rsync's where one cannot be read, or the other is not there
    if code not in codes:
        yield f"the code is {code}"
    if (code == 0) != all(failure.warning for failure in failures):
        yield f"the code is {code}, and it said {failures}"
    if code == ExitCode.VANISHED and number != errno.ENOENT:
        yield "nothing vanished, and the code is 24"
    if stopped and number not in (errno.ENOSPC, errno.EDQUOT) and failures[0].operation != "begin":
        yield f"the code is 11 after {os.strerror(number)}"
    for failure in failures:
        if (
            not failure.operation
            or "unexpected" in failure.detail
            or not (failure.path or failure.operation == "begin")
        ):
            yield f"a bad report: {failure}"
    yield from place.changed()


def _rights(entry: dict[str, Any]) -> list[Any]:
    return [entry.get(key) for key in ("type", "mode", "owner", "content")]


def _is_open(got: dict[str, Any], wanted: dict[str, Any], old: dict[str, Any] | None) -> bool:
    """Whether an entry runs as somebody it should not, or its mode favours a group that it was not meant for."""
    if "mode" not in got or (old is not None and _rights(got) == _rights(old)):
        return False
    mode = int(got["mode"], 8)
    given = mode & (stat.S_ISUID | stat.S_ISGID) or (mode >> 3 & 7) != mode & 7
    return bool(given) and got["owner"] != wanted["owner"]


def open_descriptors() -> set[str]:
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and
            os.path.lexists(f"/proc/self/fd/{fd}")}  # fmt: skip


def attempt(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    wanted: Snapshot,
    at: int,
    number: int,
    *,
    certain: bool = True,
    disorder: int | None = None,
) -> list[str]:
    """Run with one fault; what is wrong afterwards, and whether the next run mends it. ``certain``: whether the run
    must come to the call that fails; ``disorder`` as for FaultyOps."""
    place.renew()
    before = open_descriptors()
    faults = Faults(at, number)
    try:
        code, failures = place.run(monkeypatch, faults, disorder)
        found = list(problems(place, wanted, code, failures, number))
    except OSError as error:
        traces = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-6:]]
        code, failures, found = -1, [], [f"it raised {error!r} in {traces}"]
    assert faults.happened or not certain
    more_open = open_descriptors() - before
    left = [f"open descriptors: {more_open}"] if more_open else []
    if number == errno.ENOENT and faults.happened and faults.steps[at].names == (b".rules",):
        return left  # then there are no rules, and another tree is right
    found += left
    again, more = place.run(monkeypatch, Faults())  # nothing is left that keeps it from finishing
    # A file that came to its name without its times is backed up again; which backups there are is another matter.
    mended, expected = (
        {name: entry for name, entry in tree.items() if _of_backup(name) == name and not name.startswith(b".backups")}
        for tree in (place.new(), wanted)
    )
    if {"alt_dest", "prune_empty_dirs"} & place.options.keys():
        mended = {name: entry for name, entry in mended.items() if name in expected}
    # rsync does not look again at a file that is as long as its source under --append, nor, where sources are removed,
    # at one of which only metadata could not be set.
    if {"append", "remove_source_files"} & place.options.keys():
        mended, expected = ({name: _content(entry) for name, entry in tree.items()} for tree in (mended, expected))
    found += [f"after the next run, {line}" for line in differences(expected, mended)]
    if again:
        found.append(f"the next run's code is {again}: {more}")
    step = faults.steps[at] if faults.happened else "in a worker"
    where = f"call {at} {step} with {errno.errorcode[number]}: code {code}, {failures}"
    return [f"{where}: {line}" for line in found]


def assert_well(code: int, failures: list[Failure]) -> None:
    assert (code, [failure for failure in failures if not failure.warning]) == (0, [])
