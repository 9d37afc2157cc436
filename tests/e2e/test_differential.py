"""rsync and arsync side by side: random trees on both sides, random options; same tree, same lines, same exit code."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import assume, event, given, note
from hypothesis import strategies as st

from support.commands import arsync, rsync
from support.snapshot import differences, snapshot
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

NAMES = [b"a", b"b", b"c.d", b"c", b"c-", b"e\xff", b"n\nl"]
#: Times that agree, differ in nanoseconds only, and differ in seconds.
TIMES = [10**18, 10**18 + 1, 10**18 + 10**9, 10**18 + 7 * 10**9]

CONTENTS = {"0": b"", "x": b"x", "y": b"y", "Y": b"yy", "z": b"z" * 5000, "h": b"\0" * 9000 + b"x"}

files = st.builds(
    File,
    content=st.sampled_from("0xyYzh").map(CONTENTS.__getitem__),
    mode=st.sampled_from([0o644, 0o600, 0o755, 0o444, 0o4755, 0o666]),
    mtime_ns=st.sampled_from(TIMES),
    owner=st.sampled_from([None, (65534, 65534), (0, 12)]),
    xattrs=st.sampled_from([{}, {}, {b"user.k": b"v"}, {b"user.k": b"w", b"trusted.t": b"\0\xff"}]),
)
symlinks = st.builds(Symlink, st.sampled_from([b"a", b"nowhere", b"../b"]), st.sampled_from(TIMES))
fifos = st.builds(Fifo, st.sampled_from([0o644, 0o600]), st.sampled_from(TIMES))


def directories(children: st.SearchStrategy[Entry], most: int = 3) -> st.SearchStrategy[Entry]:
    return st.builds(
        Dir,
        st.dictionaries(st.sampled_from(NAMES), children, max_size=most),
        mode=st.sampled_from([0o755, 0o700, 0o2775, 0o555]),
        mtime_ns=st.sampled_from(TIMES),
        owner=st.sampled_from([None, (65534, 12)]),
    )


entries = st.recursive(st.one_of(files, files, symlinks, fifos), directories, max_leaves=5)
trees = directories(entries, most=5)

OPTIONS = [
    "-H", "-A", "-X", "-S", "-x", "-n", "-I", "-c", "-u", "-W", "--size-only", "--existing", "--ignore-existing",
    "--inplace", "--numeric-ids", "--no-p", "--no-t", "--no-o", "--no-g", "--no-l", "--no-D", "--no-r", "--no-times",
]  # fmt: skip
options = st.tuples(
    st.sampled_from(["-a", "-a", "-r", "-rt", "-rlp", "-l"]),
    st.lists(st.sampled_from(OPTIONS), max_size=4, unique=True),
).map(lambda parts: [parts[0], *parts[1]])
OWN = [[], ["--io-engine=uring"], ["--io-engine=plain"], ["--workers=2"], ["--workers=1", "--io-engine=uring"]]


def file_names(tree: Entry, prefix: bytes = b"") -> list[bytes]:
    """The paths of everything that is no directory."""
    if not isinstance(tree, Dir):
        return [prefix]
    found: list[bytes] = []
    for name, child in tree.entries.items():
        found += file_names(child, prefix + b"/" + name if prefix else name)
    return found


@st.composite
def linked_trees(draw: st.DrawFn) -> Dir:
    """A tree some of whose files have more names."""
    tree: Dir = draw(trees)  # type: ignore[assignment]
    names = file_names(tree)
    extra: dict[bytes, Entry] = {}
    if names:
        for name in draw(st.lists(st.sampled_from([b"l1", b"a0", b"zz"]), max_size=3, unique=True)):
            extra[name] = Hardlink(draw(st.sampled_from(names)))
    return Dir(tree.entries | extra, tree.mode, tree.mtime_ns, tree.owner, tree.xattrs)


def comparable(lines: list[bytes]) -> list[bytes]:
    # What it skips or keeps another of rsync's processes prints: when is a matter of timing.
    others = (b"skipping", b"cannot delete")
    skipped = sorted(line for line in lines if line.startswith(others))
    rest = [line for line in lines if not line.startswith(others)]
    return rest + skipped


@given(linked_trees(), st.one_of(st.none(), trees), options, st.sampled_from(OWN), st.booleans())
def test_same_as_rsync(
    here: bytes, source: Dir, old: Dir | None, options: list[str], own: list[str], slash: bool
) -> None:
    # An empty directory, alone, to a destination that does not exist: rsync makes DEST that directory, where any other
    # directory becomes DEST/NAME. arsync keeps to the rule (docs/differences.md).
    assume(source.entries or old is not None)
    shutil.rmtree(here)
    os.mkdir(here)
    src, ours, theirs = (os.path.join(here, name) for name in (b"src", b"ours", b"theirs"))
    create(src, source)
    if old is not None:
        create(ours, old)
        create(theirs, old)
    argument = src + b"/" if slash else src
    expected = rsync(*options, "-i", argument, theirs)
    actual = arsync(*options, *own, "-i", argument, ours)
    event(f"exit code {expected.code}")
    note(f"rsync: {expected}\narsync: {actual}")
    assert actual.code == expected.code
    assert [line.replace(b"ours", b"theirs") for line in comparable(actual.lines)] == comparable(expected.lines)
    times = "-a" in options or "-rt" in options
    assert os.path.exists(ours) == os.path.exists(theirs)
    if os.path.exists(ours):
        exact = times and not {"--no-t", "--no-times"} & set(options)
        found = differences(snapshot(theirs, times=False), snapshot(ours, times=False))
        assert not found, "\n".join(found)
        if exact and "-n" not in options:
            # A directory that stays as it was made has the time at which that was.
            found = [
                line
                for line in differences(snapshot(theirs), snapshot(ours))
                if not line.startswith("b'': mtime") or slash
            ]
            assert not found, "\n".join(found)


@given(linked_trees(), st.sampled_from(OWN))
def test_second_run_does_nothing(here: bytes, source: Dir, own: list[str]) -> None:
    shutil.rmtree(here)
    os.mkdir(here)
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, source)
    assert arsync("-aHAX", *own, src + b"/", dst).code == 0
    again = arsync("-aHAXi", *own, src + b"/", dst)
    assert (again.code, again.out, again.err) == (0, b"", b"")
    assert rsync("-aniHAXc", src + b"/", dst).out == b""
    assert not differences(snapshot(src), snapshot(dst))
