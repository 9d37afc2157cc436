"""The lines of entries with several links (-H) come in rsync's order, whichever of them is copied, and when."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable

import pytest
from hypothesis import assume, event, given, note
from hypothesis import strategies as st

from support.commands import Result, arsync, rsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9


def both(here: bytes, source: Dir, old: Dir | None, *options: str, own: tuple[str, ...] = ()) -> tuple[Result, Result]:
    """Run both over ``old``; their trees are the same."""
    for name in os.listdir(here):
        shutil.rmtree(os.path.join(here, name))
    create(os.path.join(here, b"src"), source)
    for name in (b"rsync", b"arsync"):
        if old is not None:
            create(os.path.join(here, name), old)
    results = rsync(*options, "src/", "rsync", cwd=here), arsync(*options, *own, "src/", "arsync", cwd=here)
    if "n" not in options[0]:
        assert_same(*(snapshot(os.path.join(here, name), times=False) for name in (b"rsync", b"arsync")))
    return results


def lines(result: Result, options: tuple[str, ...]) -> list[bytes]:
    """All lines in their order; in a dry run rsync does not say what a name that is there would be linked to, and gives
    one that stays a link a line where only the mode of all of them changes."""
    said = result.out.replace(b"arsync", b"rsync")
    if "n" in options[0]:
        said = re.sub(rb"(?m)^h.\.\.\.p\..*\n", b"", re.sub(rb"(?m)^(h(?!f\+).*) => .*$", rb"\1", said))
    return said.splitlines()


def same(number: int, *, seconds: int = 0, mode: int = 0o644) -> File:
    return File(b"%d" % number, mode, T + seconds * 10**9)


SOURCE = Dir(
    {
        b"a": same(1),
        b"b": same(2),
        b"bb": Hardlink(b"b"),
        b"c": Hardlink(b"a"),
        b"d": same(3),
        b"s": Symlink(b"to", T),
        b"d1": Dir({b"a1": Hardlink(b"a"), b"p": same(4), b"q": Hardlink(b"d1/p"), b"r": same(5)}, mtime_ns=T),
        b"d2": Dir({b"e": Dir({b"v": Hardlink(b"d2/u")}, mtime_ns=T), b"u": same(6), b"t": Hardlink(b"s")}, mtime_ns=T),
        b"z": Dir({b"a2": Hardlink(b"a"), b"y": same(7), b"z": Hardlink(b"z/y"), b"zz": same(8)}, mtime_ns=T),
    },
    mtime_ns=T,
)


def with_old(**entries: Entry) -> Dir:
    """Some of the source's top and d1."""
    inner = {name[3:].encode(): entry for name, entry in entries.items() if name.startswith("d1_")}
    outer = {name.encode(): entry for name, entry in entries.items() if not name.startswith("d1_")}
    return Dir({**outer, b"d1": Dir(inner, mtime_ns=T)}, mtime_ns=T)


OLD = {
    "nothing": None,
    "all": SOURCE,
    "one as it is": with_old(d1_a1=same(1), bb=same(2)),
    "one changed": with_old(d1_a1=same(9), bb=same(2, mode=0o600)),
    "first changed, others linked to it": Dir(SOURCE.entries | {b"a": same(9)}, mtime_ns=T),
    "some newer": with_old(a=same(9, seconds=9), d1_a1=same(8, seconds=9), d1_q=same(9, seconds=-9)),
    "newer": with_old(d1_a1=same(9, seconds=9), b=same(9, seconds=9), d1_q=same(9, seconds=9)),
    "not linked": with_old(a=same(1), c=same(1), d1_a1=same(1), d1_p=same(4), d1_q=same(4), b=same(2), bb=same(2)),
}


@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize(
    "options",
    ["-aiH", "-naiH", "-aH --out-format=%n%L", "-aiHu", "-aiH --existing", "-aiH --ignore-existing", "-aiH --inplace",
     "-rliH", "-aiHb", "-aiH --delete-after --force"],
)  # fmt: skip
def test_as_rsync(here: bytes, options: str, old: str) -> None:
    words = tuple(options.split())
    for own in ((), ("--workers=2",)):
        theirs, ours = both(here, SOURCE, OLD[old], *words, own=own)
        assert (ours.code, lines(ours, words)) == (theirs.code, lines(theirs, words))


def test_what_is_there_is_told_in_its_place(here: bytes) -> None:
    words = ("-aiiH",)
    theirs, ours = both(here, SOURCE, SOURCE, *words)
    assert [line for line in lines(ours, words) if b"hL" not in line] == [
        line for line in lines(theirs, words) if b"hL" not in line
    ]
    assert b"hf          bb" in ours.lines


NAMES = [b"b", b"f", b"m", b"t", b"x"]
STATES = ["same", "same", "changed", "newer", "mode", "other"]
inode_numbers = st.integers(0, 5)


@st.composite
def linked(draw: st.DrawFn) -> tuple[Dir, Dir | None, bool]:
    """A tree in which names share few inodes, and one that has some of them, as they are or not; whether names that
    share one there share one here too."""
    names = [
        b"/".join(parts) for parts in draw(st.sets(st.sampled_from([(d, n) for d in NAMES for n in NAMES]), min_size=1))
    ]
    places = {name: draw(inode_numbers) for name in names}
    if draw(st.booleans()):
        return _tree(places, {}), None, True
    drawn = {name: draw(inode_numbers) for name in sorted(places) if draw(st.booleans())}
    there = {name: number if draw(st.booleans()) else places[name] for name, number in drawn.items()}
    states = {number: draw(st.sampled_from(STATES)) for number in range(6)}
    shared = len({(number, places[name]) for name, number in there.items()}) == len(set(there.values()))
    return _tree(places, {}), _tree(there, states), shared


def _tree(places: dict[bytes, int], states: dict[int, str]) -> Dir:
    how: dict[str, Callable[[int], Entry]] = {
        "same": lambda number: same(number),
        "changed": lambda number: File(b"other than it was", mtime_ns=T),
        "newer": lambda number: same(number, seconds=100),
        "mode": lambda number: same(number, mode=0o600),
        "other": lambda number: Symlink(b"nowhere", T),
    }
    first: dict[int, bytes] = {}
    directories: dict[bytes, dict[bytes, Entry]] = {}
    for path in sorted(places):
        number = places[path]
        above, name = path.split(b"/")
        entry = Hardlink(first[number]) if number in first else how[states.get(number, "same")](number)
        first.setdefault(number, path)
        directories.setdefault(above, {})[name] = entry
    return Dir({name: Dir(entries, mtime_ns=T) for name, entries in directories.items()}, mtime_ns=T)


@given(
    linked(),
    st.sampled_from(["-aiH", "-aiH", "-naiH", "-rtiH", "-aiHc"]),
    st.lists(st.sampled_from(["-u", "--existing", "--ignore-existing", "--inplace", "--size-only", "-b"]), max_size=1),
    st.sampled_from([(), ("--workers=1",), ("--workers=2",)]),
)
def test_random_trees(
    here: bytes, trees: tuple[Dir, Dir | None, bool], first: str, more: list[str], own: tuple[str, ...]
) -> None:
    options = (first, *more)
    source, old, shared = trees
    assume(shared or more != ["--inplace"])  # else several files are written into one
    theirs, ours = both(here, source, old, *options, own=own)
    event(f"{len(theirs.lines)} lines")
    note(f"{options}\nrsync: {theirs}\narsync: {ours}")
    assert ours.code == theirs.code
    if shared:  # else what is set of one file shows in others, in whatever order they are looked at
        dry_run = first.startswith("-n")
        assert loosely(lines(ours, options), dry_run) == loosely(lines(theirs, options), dry_run)


def loosely(found: list[bytes], dry_run: bool) -> list[bytes]:
    """In what a link differs depends on what became meanwhile of other names of the file that it is in the old tree;
    and what about it differs from something else that stands there, only rsync shows. In a dry run it shows links too
    that need nothing but what is done for another name."""
    found = [line for line in found if not (dry_run and line.startswith(b"hf"))]
    return [re.sub(rb"^(h[fL])[.+a-zT ]{9} ", rb"\1 ", line) for line in found]


def test_many_files_with_links_elsewhere(here: bytes) -> None:
    """Nobody knows that no further link of them comes before the end; they do not hold up the others until then."""
    os.mkdir(os.path.join(here, b"elsewhere"))
    for n in range(30):
        files = {b"%03d" % m: same(m) for m in range(100)}
        create(os.path.join(here, b"src", b"%02d" % n), Dir(files, mtime_ns=T))
        for m in range(0, 100, 5):
            os.link(os.path.join(here, b"src/%02d/%03d" % (n, m)), os.path.join(here, b"elsewhere/%d-%d" % (n, m)))
    theirs, ours = (
        command("-aiH", *own, "src/", command.__name__, cwd=here)
        for command, own in ((rsync, ()), (arsync, ("--workers=2",)))
    )
    assert sorted(lines(ours, ("-aiH",))) == sorted(lines(theirs, ("-aiH",)))
    assert_same(*(snapshot(os.path.join(here, name), times=False) for name in (b"rsync", b"arsync")))


@pytest.mark.parametrize("options", ["-aiH", "-aiHu", "-naiH"])
def test_names_that_are_far_apart(here: bytes, options: str) -> None:
    """Which is copied is not left open until the last is met: a large tree would be copied at its end only."""
    names = [b"%04d" % number for number in range(1500)]
    first = Dir({name: same(number) for number, name in enumerate(names)}, mtime_ns=T)
    others = {b"%d" % n: Dir({name: Hardlink(b"0/" + name) for name in names}, mtime_ns=T) for n in range(1, 3)}
    theirs, ours = both(here, Dir({b"0": first} | others, mtime_ns=T), None, options, own=("--workers=2",))
    assert sorted(lines(ours, (options,))) == sorted(lines(theirs, (options,)))
