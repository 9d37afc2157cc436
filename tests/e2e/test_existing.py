"""--existing, --ignore-existing and --update where something of another kind, or something newer, stands there."""

from __future__ import annotations

import os

import pytest

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9
HOUR = 3600 * 10**9

KINDS: dict[str, Entry] = {
    "file": File(b"file", mtime_ns=T),
    "directory": Dir({b"in": File(b"in it", mtime_ns=T)}, mtime_ns=T),
    "empty directory": Dir(mtime_ns=T),
    "symlink": Symlink(b"target", T),
}


@pytest.mark.parametrize("option", ["--existing", "--ignore-existing", "--update", "-t"])
@pytest.mark.parametrize("there", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_kinds(here: bytes, source: str, there: str, option: str) -> None:
    """The same tree as rsync's and the same lines, whatever stands where whatever goes."""
    create(os.path.join(here, b"src"), Dir({b"x": KINDS[source], b"new": File(b"new", mtime_ns=T)}, mtime_ns=T))
    results = []
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        create(dst, Dir({b"x": KINDS[there]}, mtime_ns=T))
        # Where a directory would replace something, rsync names files that it cannot copy, in a dry run without error.
        odd = option == "--ignore-existing" and source == "directory"
        modes = ["-aq"] if odd else ["-ani", "-ai"]
        for mode in modes:
            done = command(mode, option, os.path.join(here, b"src/"), dst)
            # rsync's generator and sender each print their own; which comes first is a matter of timing.
            results.append((mode, done.code, sorted(done.lines)))
    assert results[: len(modes)] == results[len(modes) :]
    assert_same(snapshot(os.path.join(here, b"rsync")), snapshot(os.path.join(here, b"arsync")))


@pytest.mark.parametrize(
    ("options", "source"),
    [
        (["-a", "--exclude=in"], "directory"), (["-rt", "--exclude=*/*"], "directory"), (["-dt"], "directory"),
        (["-a", "--include=in", "--exclude=x/*"], "directory"), (["-a"], "empty directory"),
    ],
)  # fmt: skip
def test_a_directory_without_anything_that_is_copied(here: bytes, options: list[str], source: str) -> None:
    """A file that keeps its place is in nobody's way then."""
    later = KINDS[source]
    assert isinstance(later, Dir)
    create(os.path.join(here, b"src"), Dir({b"x": Dir(later.entries, 0o700, T + HOUR)}, mtime_ns=T))
    codes = []
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        create(dst, Dir({b"x": KINDS["file"]}, mtime_ns=T))
        codes.append(command("--ignore-existing", *options, os.path.join(here, b"src/"), dst).code)
    assert codes[1] == codes[0]
    # Where there is no error, rsync gives the file the directory's time.
    assert os.stat(os.path.join(here, b"arsync/x")).st_mtime_ns == T


@pytest.mark.parametrize("options", [["-aHu"], ["-aH", "--ignore-existing"], ["-aH", "--existing"], ["-aH"]])
@pytest.mark.parametrize("second", [None, T - HOUR])
def test_a_leader_that_is_left_alone_is_nothing_to_link_to(here: bytes, options: list[str], second: int | None) -> None:
    create(
        os.path.join(here, b"src"),
        Dir({b"a": File(b"source", mtime_ns=T), b"b": Hardlink(b"a"), b"c": Hardlink(b"a")}, mtime_ns=T),
    )
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        entries: dict[bytes, Entry] = {b"a": File(b"edited since", mtime_ns=T + HOUR)}
        if second is not None:
            entries[b"b"] = File(b"old", mtime_ns=second)
        create(dst, Dir(entries, mtime_ns=T))
        assert command(*options, os.path.join(here, b"src/"), dst).code == 0
    assert_same(snapshot(os.path.join(here, b"rsync")), snapshot(os.path.join(here, b"arsync")))


HERE: dict[str, tuple[Entry, Entry]] = {
    "same": (KINDS["file"], KINDS["file"]),
    "size": (KINDS["file"], File(b"longer", mtime_ns=T)),
    "time": (KINDS["file"], File(b"file", mtime_ns=T - HOUR)),
    "mode": (KINDS["file"], File(b"file", 0o600, T)),
    "kind": (KINDS["file"], KINDS["symlink"]),
    "directory": (KINDS["empty directory"], KINDS["file"]),
    "link": (Symlink(b"a", T), Symlink(b"b", T)),
    "link time": (Symlink(b"a", T), Symlink(b"a", T - HOUR)),
    "same link": (Symlink(b"a", T), Symlink(b"a", T)),
    "fifo": (Fifo(0o644, T), Fifo(0o600, T)),
}


@pytest.mark.parametrize("level", ["skip", "skip2", "name,skip2", "name2,skip"])
@pytest.mark.parametrize("option", ["--ignore-existing", "--existing", "--update"])
@pytest.mark.parametrize("more", [[], ["-c"], ["-n"], ["-H", "-u"]], ids=" ".join)
def test_what_is_told_of_what_is_left_alone(here: bytes, option: str, level: str, more: list[str]) -> None:
    """How what stands there differs, for everything that is there, and for each kind of entry."""
    create(os.path.join(here, b"src"), Dir({os.fsencode(name): one for name, (one, _) in HERE.items()}, mtime_ns=T))
    results = []
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        create(dst, Dir({os.fsencode(name): other for name, (_, other) in HERE.items()}, mtime_ns=T))
        done = command("-a", *more, option, f"--info={level}", os.path.join(here, b"src/"), dst)
        results.append((done.code, sorted(done.lines)))
    assert results[1] == results[0]
