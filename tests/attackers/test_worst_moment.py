"""Somebody swaps what a system call is about to use, right before it is made: nothing outside of the trees is touched.

For each call of a run, and each name in it: what stands there in the source, the destination and the directories that
options name is exchanged with a symlink that leads out, with a fifo, or with a device, for this one call or for the
rest of the run. A name where nothing stands (a temporary one, for example) is taken before. That covers every moment: a
swap between two uses of a name is one before the second.

By default one of 23 of these is tried, another one from case to call; ARSYNC_SWAPS=all tries all (some minutes).
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

import pytest

from arsync.config import AltDest, DeleteWhen, IoEngine
from arsync.errors import ExitCode, FatalError, UsageError
from arsync.events import Failure
from arsync.fs.syscalls import AT_FDCWD, exchange
from support.canary import Canary, leaks
from support.faults import Faults, Step, plant, plant_ring, settle_timing
from support.inprocess import copy
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

EVERYTHING = bool(os.environ.get("ARSYNC_SWAPS"))

#: Of how many swaps one is tried by default.
_EACH = 23

T = 10**18

SOURCE = Dir(
    {
        b"f": File(b"new f", 0o640, T),
        b"d": Dir({b"g": File(b"new g", 0o755, T), b"e": Dir({b"f": File(b"e/f", 0o600, T)}, 0o750, T)}, 0o755, T),
        b"s": Symlink(b"f", T),
        b"p": Fifo(0o600, T),
        b"l": Hardlink(b"d/g"),
    },
    0o755,
    T,
)
OLD: dict[bytes, Entry] = {
    b"f": File(b"old f"),
    b"d": Dir({b"g": File(b"old g"), b"e": Dir({b"x": File(b"x")}), b"y": File(b"y")}),
    b"s": Symlink(b"old"),
    b"z": Dir({b"e": Dir({b"f": File(b"z")}), b"f": File(b"z")}),
}
SAME: dict[bytes, Entry] = {
    b"f": File(b"new f", 0o600, T),
    b"d": Dir({b"g": File(b"new g", 0o755, T), b"e": Dir({b"f": File(b"e/f", 0o640, T)})}, 0o700),
    b"s": Symlink(b"f", T + 10**10),
}


class Case(NamedTuple):
    """A copy, over what, and how; ``follows``: it is asked to follow the source's symlinks, wherever they lead;
    ``way``: directories that a source argument goes through, which are followed as a person named them."""

    options: dict[str, Any]
    old: dict[bytes, Entry] | None = None
    follows: bool = False
    other: dict[bytes, Entry] = {}  # noqa: RUF012 - beside the trees
    way: tuple[bytes, ...] = ()


CASES = {
    "new": Case({}),
    "replaced": Case({}, OLD),
    "metadata": Case({"owner": True}, SAME),
    "hard links": Case({"hard_links": True}, OLD),
    "attributes": Case({"acls": True, "xattrs": True}, SAME),
    "in place": Case({"inplace": True}, OLD),
    "in place, backups": Case({"inplace": True, "backup": True, "backup_dir": b".b"}, OLD),
    "append": Case({"append": 1, "inplace": True}, OLD | {b"f": File(b"new", 0o640, T)}),
    "backups": Case({"backup": True}, OLD),
    "backups elsewhere": Case({"backup": True, "backup_dir": b"../other/b", "delete": DeleteWhen.DURING}, OLD),
    "parts": Case({"partial": True, "partial_dir": b".parts"}, OLD),
    "parts deeper": Case({"partial": True, "partial_dir": b"e/parts", "delay_updates": True}, OLD | {b"e": Dir()}),
    "temp-dir": Case({"temp_dir": b"../other/d"}, OLD, False, {b"d": Dir()}),
    "delayed": Case({"delay_updates": True}, OLD),
    "delete": Case({"delete": DeleteWhen.DURING}, OLD),
    "delete before": Case({"delete": DeleteWhen.BEFORE}, OLD),
    "delete delay": Case({"delete": DeleteWhen.DELAY}, OLD),
    "delete after": Case({"delete": DeleteWhen.AFTER, "backup": True}, OLD),
    "force": Case({"force": True}, {b"f": Dir({b"x": File()}), b"d": File(b"file")}),
    "link-dest": Case({"alt_dest": AltDest.LINK, "alt_dirs": (b"../other",)}, None, False, SAME),
    "copy-dest": Case({"alt_dest": AltDest.COPY, "alt_dirs": (b"../other",)}, None, False, SAME),
    "compare-dest": Case({"alt_dest": AltDest.COMPARE, "alt_dirs": (b"../other",), "checksum": True}, OLD, False, SAME),
    "sources removed": Case({"remove_source_files": True}, OLD),
    "keep dirlinks": Case({"keep_dirlinks": True}, OLD | {b"d": Symlink(b"z")}),
    "copy links": Case({"copy_links": True}, OLD, True),
    "copy dirlinks": Case({"copy_dirlinks": True}, OLD, True),
    "unsafe links": Case({"safe_links": True}, OLD),
    "relative": Case({"relative": True, "sources": (b"src/./d/e", b"src/./f")}, OLD, way=(b"src/d",)),
    "no implied dirs": Case(
        {"relative": True, "implied_dirs": False, "sources": (b"src/./d/e/f",)}, OLD, way=(b"src/d", b"src/d/e")
    ),
    "list": Case({"relative": True, "files_from": b"list", "sources": (b"src",)}, OLD),
    "list, not relative": Case({"files_from": b"list", "sources": (b"src",)}, OLD),
    "filters": Case({"filters": (("F", b""), ("filter", b": /.rules")), "delete": DeleteWhen.DURING}, OLD),
    "prune": Case({"prune_empty_dirs": True}, OLD),
    "fake super": Case({"fake_super": True, "owner": True, "xattrs": True}, SAME),
    "copy devices": Case({"copy_devices": True}, OLD),
    "checksum": Case({"checksum": True, "update": True}, SAME),
    "fsync": Case({"fsync": True}, OLD),
}

_ALL = dict.fromkeys(("links", "specials", "group"), True)

CODES = (ExitCode.OK, ExitCode.PARTIAL, ExitCode.VANISHED, ExitCode.FILE_SELECT, ExitCode.FILE_IO)

#: What is put in the place of something.
KINDS = ("symlink", "fifo", "device")


class Swapper(Faults):
    """Before the call numbered ``when``, exchanges every entry that has one of its names with something else; with
    ``back``, before the next call again."""

    def __init__(
        self, here: bytes, way: tuple[bytes, ...], kind: str = "", when: int = -1, *, back: bool = False
    ) -> None:
        super().__init__()
        self._here, self._kind, self._when, self._back = here, kind, when, back
        self._way = [os.path.join(here, path) for path in way]
        self._undo: list[tuple[bytes, bytes]] = []
        self.swaps = 0

    def check(self, call: str, *arguments: object) -> None:
        super().check(call, *arguments)
        if self._undo and self._back:
            for one, other in self._undo:
                with suppress(OSError):
                    exchange(AT_FDCWD, one, other)
            self._undo.clear()
        if len(self.steps) - 1 == self._when:
            for name in {part for path in self.steps[-1].names for part in path.split(b"/")}:
                for top in (b"src", b"dst", b"other"):
                    self._swap(os.path.join(self._here, top), name)

    def _swap(self, top: bytes, name: bytes) -> None:
        found = False
        for directory, directories, names in list(os.walk(top)):
            if name in (*directories, *names):
                found = True
                self._exchange(os.path.join(directory, name))
        if not found and name.startswith(b"."):
            for directory, _, _ in list(os.walk(top)):
                self._make(os.path.join(directory, name), directory=False)

    def _exchange(self, path: bytes) -> None:
        if path in self._way:
            return
        decoy = os.path.join(self._here, b"decoys", b"%d" % self.swaps)
        self._make(decoy, directory=os.path.isdir(path) and not os.path.islink(path))
        exchange(AT_FDCWD, path, decoy)
        self._undo.append((path, decoy))

    def _make(self, path: bytes, *, directory: bool) -> None:
        with suppress(FileExistsError, NotADirectoryError, FileNotFoundError):
            if self._kind == "fifo":
                os.mkfifo(path, 0o666)
            elif self._kind == "device":
                os.mknod(path, 0o020666, os.makedev(1, 5))  # a source of zeros without end
            else:
                os.symlink(os.path.join(self._here, b"outside", b"d" if directory else b"f"), path)
                os.chown(path, 1234, 1234, follow_symlinks=False)
            self.swaps += 1


class Field:
    """The trees of a case, the canary beside them, and runs."""

    def __init__(self, here: bytes, case: Case, engine: IoEngine) -> None:
        self.here, self.case = here, case
        self._options = _ALL | case.options | {"io_engine": engine, "queue_depth": 1}
        self.canary = Canary(os.path.join(here, b"outside"))

    def renew(self) -> None:
        """Make the trees again."""
        for name in (b"src", b"dst", b"other", b"decoys"):
            path = os.path.join(self.here, name)
            if os.path.islink(path) or os.path.isfile(path):
                os.unlink(path)
            shutil.rmtree(path, ignore_errors=True)
        create(os.path.join(self.here, b"src"), SOURCE)
        create(os.path.join(self.here, b"other"), Dir(dict(self.case.other)))
        create(os.path.join(self.here, b"src/.rules"), File(b"- no\n"))
        create(os.path.join(self.here, b"list"), File(b"f\nd/e/f\nd/g\n"))
        os.mkdir(os.path.join(self.here, b"decoys"))
        if self.case.old is not None:
            create(os.path.join(self.here, b"dst"), Dir(dict(self.case.old)))

    def run(self, monkeypatch: pytest.MonkeyPatch, swapper: Swapper) -> tuple[int, list[Failure]]:
        """A run during which ``swapper`` is at work."""
        sources = self._options.get("sources")
        options = {key: value for key, value in self._options.items() if key != "sources"}
        with monkeypatch.context() as patch:
            settle_timing(patch)
            plant(patch, swapper)
            if options["io_engine"] is IoEngine.URING:
                plant_ring(patch, swapper)
            paths = None if sources is None else tuple(os.path.join(self.here, path) for path in sources)
            if "files_from" in options:
                options["files_from"] = os.path.join(self.here, options["files_from"])
            try:
                return copy(self.here, paths, **options)
            except (FatalError, UsageError) as error:
                return error.code, [Failure("begin", b"", 0, str(error))]


def problems(field: Field, code: int, failures: list[Failure]) -> Iterator[str]:
    """What is wrong after a run."""
    yield from field.canary.problems(may_be_read=field.case.follows)
    if not field.case.follows:
        yield from leaks(*(os.path.join(field.here, name) for name in (b"src", b"dst", b"other")))
    if code not in CODES and not (code == ExitCode.SYNTAX and failures[0].detail.startswith("the temp-dir")):
        yield f"the code is {code}"
    for failure in failures:
        if "unexpected" in failure.detail:
            yield f"a bad report: {failure}"
    for directory, _, names in os.walk(os.path.join(field.here, b"dst")):
        for name in names:
            if os.lstat(os.path.join(directory, name)).st_size > 1 << 20:
                yield f"{name!r} holds what a device gave"


def _ways(steps: list[Step], name: str) -> Iterator[tuple[int, str, bool]]:
    """Which call is preceded by which swap. The first calls of all cases are the same: each takes others of them."""
    number = list(CASES).index(name)
    for at, step in enumerate(steps):
        if not any(name.strip(b"./") for name in step.names):
            continue
        for kind, back in product(KINDS, (False, True)):
            number += 1
            if EVERYTHING or number % _EACH == 0:
                yield at, kind, back


ENGINES = [IoEngine.PLAIN, pytest.param(IoEngine.URING, marks=pytest.mark.needs_ring)]


@pytest.mark.needs_root
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_swapped_before_a_call(
    here: bytes, monkeypatch: pytest.MonkeyPatch, tally: Counter[str], name: str, engine: IoEngine
) -> None:
    field = Field(here, CASES[name], engine)
    field.renew()
    none = Swapper(here, ())
    # Where a directory has no directory e, files wait in vain for one in it.
    assert field.run(monkeypatch, none)[0] == (ExitCode.PARTIAL if name == "parts deeper" else ExitCode.OK)
    assert not list(problems(field, 0, []))
    found: list[str] = []
    runs = swaps = 0
    for at, kind, back in _ways(none.steps, name):
        where = f"call {at} {none.steps[at]}, {kind}{' and back' if back else ''}"
        for _ in range(2):  # others on this machine may look at what is everybody's: what is wrong is wrong again
            swapper = Swapper(here, field.case.way, kind, at, back=back)
            lines = attempt(field, monkeypatch, swapper)
            runs, swaps = runs + 1, swaps + swapper.swaps
            if not lines:
                break
        found += [f"{where}: {line}" for line in lines]
    field.canary.close()
    tally["runs with one swap at a call"] += runs
    tally["entries swapped for them"] += swaps
    assert runs
    assert not found, f"{len(found)} problems in {runs} runs\n" + "\n".join(found[:60])


def attempt(field: Field, monkeypatch: pytest.MonkeyPatch, swapper: Swapper) -> list[str]:
    """Run among fresh trees; what is wrong afterwards."""
    field.renew()
    before = open_descriptors()
    code, failures = field.run(monkeypatch, swapper)
    found = [f"code {code}, {failures}: {line}" for line in problems(field, code, failures)]
    if left := open_descriptors() - before:
        found.append(f"open descriptors: {left}")
    return found


def open_descriptors() -> set[str]:
    return {f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and
            os.path.lexists(f"/proc/self/fd/{fd}")}  # fmt: skip
