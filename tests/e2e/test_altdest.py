"""--compare-dest, --copy-dest and --link-dest beside rsync: the same trees, links, lines and exit codes."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.commands import NOBODY, arsync, rsync
from support.snapshot import differences, snapshot
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

OLD, OLDER = 10**18, 10**18 - 10**10

SOURCE = Dir(
    {
        b"same": File(b"same", mtime_ns=OLD),
        b"size": File(b"longer", mtime_ns=OLD),
        b"time": File(b"time", mtime_ns=OLD),
        b"perms": File(b"perms", mtime_ns=OLD),
        b"owner": File(b"owner", mtime_ns=OLD),
        b"xattr": File(b"xattr", mtime_ns=OLD, xattrs={b"user.k": b"v"}),
        b"new": File(b"new", mtime_ns=OLD),
        b"second": File(b"second", mtime_ns=OLD),
        b"kind": File(b"kind", mtime_ns=OLD),
        b"there": File(b"there", mtime_ns=OLD),
        b"there, mode": File(b"there", mtime_ns=OLD),
        b"there, other": File(b"there", mtime_ns=OLD),
        b"dir there": File(b"x", mtime_ns=OLD),
        b"h1": File(b"h", mtime_ns=OLD),
        b"h2": Hardlink(b"h1"),
        b"link": Symlink(b"a", OLD),
        b"link, target": Symlink(b"a", OLD),
        b"link, time": Symlink(b"a", OLD),
        b"link there": Symlink(b"a", OLD),
        b"fifo": Fifo(mtime_ns=OLD),
        b"fifo, mode": Fifo(mtime_ns=OLD),
        b"d": Dir({b"e": Dir({b"f": File(b"f", mtime_ns=OLD)}, mtime_ns=OLD)}, mtime_ns=OLD),
        b"empty": Dir(mtime_ns=OLD),
    },
    mtime_ns=OLD,
)
FIRST = Dir(
    SOURCE.entries
    | {
        b"size": File(b"short", mtime_ns=OLD),
        b"time": File(b"time", mtime_ns=OLDER),
        b"perms": File(b"perms", 0o600, mtime_ns=OLD),
        b"owner": File(b"owner", mtime_ns=OLD, owner=(NOBODY, NOBODY)),
        b"xattr": File(b"xattr", mtime_ns=OLD),
        b"second": File(b"else", mtime_ns=OLDER),
        b"kind": Dir(),
        b"link, target": Symlink(b"b", OLD),
        b"link, time": Symlink(b"a", OLDER),
        b"fifo, mode": Fifo(0o600, mtime_ns=OLD),
        b"d": Dir(SOURCE.entries[b"d"].entries, 0o700, OLD),  # type: ignore[union-attr]
    },
    mtime_ns=OLD,
)
del FIRST.entries[b"new"], FIRST.entries[b"empty"]
SECOND = Dir({b"second": SOURCE.entries[b"second"]})
STANDS = Dir(
    {
        b"there": SOURCE.entries[b"there"],
        b"there, mode": File(b"there", 0o600, mtime_ns=OLD),
        b"there, other": File(b"was else", mtime_ns=OLDER),
        b"dir there": Dir(mtime_ns=OLD),
        b"link there": SOURCE.entries[b"link there"],
    },
    mtime_ns=OLD,
)
KINDS = ["compare", "copy", "link"]


def inodes(top: bytes) -> dict[int, bytes]:
    """The entries below ``top`` that are no directories, by inode."""
    return {
        os.lstat(os.path.join(path, name)).st_ino: os.path.relpath(os.path.join(path, name), top)
        for path, _, names in os.walk(top)
        for name in names
    }


def linked(here: bytes, top: bytes) -> set[tuple[bytes, bytes]]:
    """Which entries are links to which of the alternative trees."""
    ours = inodes(os.path.join(here, top))
    found = set()
    for alt in (b"first", b"second"):
        there = inodes(os.path.join(here, alt))
        found |= {(ours[inode], alt) for inode in ours.keys() & there.keys()}
    return found


def comparable(out: bytes) -> list[bytes]:
    skipped = (b"sent ", b"total", b"delta-", b"this process", b"worker")
    lines = out.replace(b"directory ours", b"directory theirs").splitlines()
    return sorted(line for line in lines if not line.startswith(skipped))


def both(here: bytes, options: list[str], *, times: bool = True) -> None:
    expected = rsync(*options, b"src/", b"theirs", cwd=here)
    actual = arsync(*options, b"src/", b"ours", cwd=here)
    assert (actual.code, comparable(actual.out)) == (expected.code, comparable(expected.out)), actual.err
    assert os.path.exists(os.path.join(here, b"ours")) == os.path.exists(os.path.join(here, b"theirs"))
    if os.path.exists(os.path.join(here, b"ours")):
        theirs, ours = (snapshot(os.path.join(here, top), times=times, links=False) for top in (b"theirs", b"ours"))
        assert not [line for line in differences(theirs, ours) if not line.startswith("b'': mtime")]
        assert linked(here, b"ours") == linked(here, b"theirs")


def make(here: bytes, stands: bool) -> None:
    for name, tree in ((b"src", SOURCE), (b"first", FIRST), (b"second", SECOND)):
        create(os.path.join(here, name), tree)
    if stands:
        for name in (b"ours", b"theirs"):
            create(os.path.join(here, name), STANDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stands", [False, True])
@pytest.mark.parametrize(
    "options", ["-aii", "-aiX", "-aiin", "-aiic", "-aii -I", "-aii --size-only", "-aii --existing"]
)
def test_kinds(here: bytes, kind: str, stands: bool, options: str) -> None:
    make(here, stands)
    both(here, [*options.split(), f"--{kind}-dest=../first", f"--{kind}-dest=../second"])


@pytest.mark.parametrize("kind", KINDS)
def test_without_times_and_permissions(here: bytes, kind: str) -> None:
    make(here, False)
    both(here, ["-rlii", f"--{kind}-dest=../first"], times=False)


@pytest.mark.parametrize("kind", ["copy", "link"])  # rsync may wait for ever for --compare-dest with -H
@pytest.mark.parametrize("options", ["-aiH", "-aiiH"])
def test_hard_links(here: bytes, kind: str, options: str) -> None:
    make(here, False)
    both(here, [options, f"--{kind}-dest=../first"])


def test_compare_with_hard_links(here: bytes) -> None:
    """A name that the other tree has is left out, the others stay linked."""
    create(
        os.path.join(here, b"src"), Dir({b"a": File(b"x", mtime_ns=OLD), b"b": Hardlink(b"a"), b"c": Hardlink(b"a")})
    )
    create(os.path.join(here, b"first"), Dir({b"a": File(b"x", mtime_ns=OLD)}))
    assert arsync("-aH", "--compare-dest=../first", b"src/", b"ours", cwd=here).code == 0
    assert sorted(os.listdir(os.path.join(here, b"ours"))) == [b"b", b"c"]
    assert os.stat(os.path.join(here, b"ours/b")).st_nlink == 2


@pytest.mark.parametrize("path", ["nowhere", "../first/same"])
def test_a_tree_that_is_not_there(here: bytes, path: str) -> None:
    make(here, False)
    expected = rsync("-ai", f"--link-dest={path}", b"src/", b"theirs", cwd=here)
    actual = arsync("-ai", f"--link-dest={path}", b"src/", b"ours", cwd=here)
    assert (actual.code, comparable(actual.out)) == (expected.code, comparable(expected.out))
    said = b"does not exist" if path == "nowhere" else b"is not a dir"
    assert said in actual.err
    assert said in expected.err + expected.out


def test_an_absolute_tree_and_a_second_run(here: bytes) -> None:
    make(here, False)
    argument = b"--link-dest=" + os.path.join(here, b"first")
    for _ in range(2):
        expected = rsync("-ai", argument, b"src/", b"theirs", cwd=here)
        actual = arsync("-ai", argument, b"src/", b"ours", cwd=here)
        assert comparable(actual.out) == comparable(expected.out)
    assert linked(here, b"ours") == linked(here, b"theirs")


def test_another_device(here: bytes, tmp_path: os.PathLike[str]) -> None:
    """What cannot be linked is copied."""
    if os.stat(tmp_path).st_dev == os.stat(here).st_dev:
        pytest.skip("needs two file systems")
    create(os.path.join(here, b"src"), SOURCE)
    create(os.fsencode(tmp_path) + b"/alt", FIRST)
    argument = b"--link-dest=" + os.fsencode(tmp_path) + b"/alt"
    result = arsync("-aiX", argument, b"src/", b"ours", cwd=here)
    assert (result.code, result.err) == (0, b"")
    found = differences(snapshot(os.path.join(here, b"src")), snapshot(os.path.join(here, b"ours")))
    assert not [line for line in found if "linked" not in line]


def test_somebody_elses_link_to_the_tree(here: bytes) -> None:
    make(here, False)
    planted = os.path.join(here, b"planted")
    os.symlink(b"first", planted)
    os.chown(planted, NOBODY, NOBODY, follow_symlinks=False)
    result = arsync("-a", "--link-dest=../planted", b"src/", b"ours", cwd=here)
    assert b"another user" in result.err
    assert not linked(here, b"ours")
    shutil.rmtree(os.path.join(here, b"ours"))
    assert arsync("-a", "--insecure-links", "--link-dest=../planted", b"src/", b"ours", cwd=here).err == b""
    assert linked(here, b"ours")
    shutil.rmtree(os.path.join(here, b"ours"))
    result = arsync(
        "-a", b"--confine-root=" + os.path.join(here, b"second"), "--link-dest=../first", b"src/", b"ours", cwd=here
    )
    assert b"confine-root" in result.err
    assert not linked(here, b"ours")


@pytest.mark.parametrize("own", [["--workers=2"], ["--io-engine=uring"], ["--io-engine=plain", "--workers=1"]])
def test_engines(here: bytes, own: list[str]) -> None:
    make(here, False)
    assert arsync("-aX", *own, "--link-dest=../first", b"src/", b"ours", cwd=here).code == 0
    assert rsync("-aX", "--link-dest=../first", b"src/", b"theirs", cwd=here).code == 0
    assert linked(here, b"ours") == linked(here, b"theirs")


NAMES = [b"a", b"b", b"c", b"d"]
leaves = st.one_of(
    st.builds(
        File,
        st.sampled_from([b"x", b"y", b"zz"]),
        st.sampled_from([0o644, 0o644, 0o600]),
        st.sampled_from([OLD, OLDER]),
    ),
    st.builds(Symlink, st.sampled_from([b"a", b"b"]), st.sampled_from([OLD, OLDER])),
    st.builds(Fifo, st.sampled_from([0o644, 0o600]), st.just(OLD)),
)
entries = st.recursive(
    leaves,
    lambda children: st.builds(
        Dir,
        st.dictionaries(st.sampled_from(NAMES), children, max_size=3),
        st.sampled_from([0o755, 0o700]),
        st.just(OLD),
    ),
    max_leaves=4,
)
trees = st.dictionaries(st.sampled_from(NAMES), entries, min_size=1, max_size=4)


def leads_on(source: dict[bytes, Entry], other: dict[bytes, Entry]) -> bool:
    """Whether there is a symlink where the source has a directory: rsync follows it, arsync does not."""
    pairs = [(entry, other.get(name)) for name, entry in source.items() if isinstance(entry, Dir)]
    return any(
        isinstance(there, Symlink) or (isinstance(there, Dir) and leads_on(entry.entries, there.entries))
        for entry, there in pairs
    )


@settings(max_examples=40)
@given(
    trees, trees, trees, st.none() | trees, st.sampled_from(KINDS), st.sampled_from(["-aii", "-ai", "-aiin", "-aiic"])
)
def test_random_trees(
    here: bytes,
    source: dict[bytes, Entry],
    first: dict[bytes, Entry],
    second: dict[bytes, Entry],
    stands: dict[bytes, Entry] | None,
    kind: str,
    options: str,
) -> None:
    assume(not (leads_on(source, first) or leads_on(source, second)))
    shutil.rmtree(here)
    os.mkdir(here)
    for name, tree in (
        (b"src", source),
        (b"first", first),
        (b"second", second),
        (b"ours", stands),
        (b"theirs", stands),
    ):
        if tree is not None:
            create(os.path.join(here, name), Dir(tree, mtime_ns=OLD))
    both(here, [options, f"--{kind}-dest=../first", f"--{kind}-dest=../second"])
