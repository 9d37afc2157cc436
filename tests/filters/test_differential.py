"""Random rules on random trees: what rsync transfers and deletes is what a plain walk with the scopes does."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from arsync.errors import UsageError
from arsync.filters import Filters
from filters.walks import Options, argv, deleted, transferred
from support.commands import Result, rsync
from support.trees import Dir, Entry, File, create

pytestmark = pytest.mark.needs_rsync

NAMES = [b"a", b"b", b"ab", b"a.o", b"b.o", b"\xff", b"[a", b"a\\b", b"core"]
PIECES = [b"a", b"b", b"ab", b".o", b"*", b"**", b"***", b"?", b"[ab]", b"[!a]", b"[]a-b]", b"\\a", b"\\", b"[", b"/",
          b"/", b"/", b"[[:alpha:]]", b"\xff", b"[^[:punct:]b]", b"a-z]", b"[/]", b"**/", b"/**"]  # fmt: skip

patterns = st.one_of(
    st.sampled_from(
        [b"a", b"*", b"*.o", b"a/", b"/a", b"a/b", b"/a/b", b"a/**", b"a/***", b"**/b", b"*/", b"b*", b"/*"]
    ),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map(b"".join),
)
kinds = st.sampled_from(
    [b"-", b"-", b"-", b"+", b"+", b"H", b"S", b"P", b"R", b"-s", b"+s", b"-r", b"+r", b"-p", b"-!", b"+!", b"-/",
     b"-sr", b"-rp", b"Pp", b"exclude,", b"include,s", b"hide,p", b"risk", b"-x"]
)  # fmt: skip
merges = st.sampled_from(
    [b": .r", b":n .r", b":e .r", b":- .r", b":+ .r", b":s .r", b":r .r", b":p .r", b":C .r",
     b":-n .r", b":w- .r", b": /.r", b": ../.r", b":C", b": .n", b": a/.r"]
)  # fmt: skip
pattern_rules = st.tuples(kinds, st.sampled_from([b" ", b"_"]), patterns).map(b"".join)
lines = st.one_of(
    pattern_rules, pattern_rules, pattern_rules, merges, st.sampled_from([b"!", b"# - a", b"", b"-C", b"a", b"*.o"])
)
contents = st.lists(lines, max_size=3).map(b"\n".join)
plain = st.lists(st.one_of(patterns, pattern_rules, st.just(b"!")), max_size=3).map(b"\n".join)

options = st.lists(
    st.one_of(
        st.tuples(st.just("filter"), st.one_of(pattern_rules, pattern_rules, merges, st.sampled_from([b"!", b"-C"]))),
        st.tuples(st.just("filter"), merges),
        st.tuples(st.sampled_from(["exclude", "include"]), patterns),
        st.sampled_from([("F", b""), ("cvs-exclude", b"")]),
    ),
    max_size=6,
)
merge_files = st.dictionaries(
    st.sampled_from([b".r", b".r", b".n", b".cvsignore", b".rsync-filter"]), st.builds(File, contents), max_size=1
)


def directories(children: st.SearchStrategy[Entry]) -> st.SearchStrategy[Entry]:
    """Directories, whose names have no wildcards: rsync puts them before an anchored pattern of a merge file in them,
    as part of the pattern."""

    def build(entries: dict[bytes, Entry], files: dict[bytes, Entry]) -> Dir:
        usual = {name: entry for name, entry in entries.items() if name.isalnum() or not isinstance(entry, Dir)}
        return Dir(usual | files)

    return st.builds(build, st.dictionaries(st.sampled_from(NAMES), children, max_size=4), merge_files)


trees = directories(st.recursive(st.builds(File), directories, max_leaves=12))


def environment(here: bytes) -> None:
    shutil.rmtree(here)
    os.mkdir(here)


def outcome(filters_of: object, *arguments: object) -> object:
    """What a walk finds, or that it ends by a rule."""
    try:
        return filters_of(*arguments)  # type: ignore[operator]
    except UsageError as error:
        return int(error.code)


@settings(max_examples=30)
@given(trees, options, st.booleans(), st.booleans())
@example(Dir({b"a": File()}), [("filter", b"- a")], True, False)
def test_transferred(here: bytes, tree: Dir, options: Options, slash: bool, above: bool) -> None:
    environment(here)
    root = os.path.join(here, b"up")
    create(root, Dir({b"src": tree} | ({b".r": File(b"- /src/a\n- b")} if above else {})))
    os.mkdir(os.path.join(here, b"empty"))
    note(f"{argv(options)}")
    done = rsync(
        "-rn", "-8", "--out-format=%n", *argv(options), b"src/" if slash else b"src", here + b"/empty/", cwd=root
    )
    note(f"{done}")
    root, name = (root + b"/src", b"") if slash else (root, b"src")

    def ours() -> set[bytes]:
        return transferred(Filters.parse(options), root, name)

    expected = set(done.lines) - {b"./"} if done.code == 0 else done.code
    assert outcome(ours) == expected


def removed(done: Result) -> set[bytes]:
    """What rsync deletes: not what a dry run takes for emptied."""
    refusal = b"cannot delete non-empty directory: "
    found = {line[12:] for line in done.lines if line.startswith(b"*deleting")}
    found -= {line[len(refusal) :] + b"/" for line in done.out.splitlines() + done.err.splitlines() if refusal in line}
    return found


def agreeing(old: Dir, tree: Dir) -> Dir:
    """Without what would have to make room for an entry of another kind."""
    kept: dict[bytes, Entry] = {}
    for name, entry in old.entries.items():
        other = tree.entries.get(name)
        if isinstance(entry, Dir) and isinstance(other, Dir):
            kept[name] = agreeing(entry, other)
        elif other is None or isinstance(entry, Dir) == isinstance(other, Dir):
            kept[name] = entry
    return Dir(kept)


@settings(max_examples=30)
@given(trees, trees, options, st.booleans())
def test_deleted(here: bytes, tree: Dir, old: Dir, options: Options, delete_excluded: bool) -> None:
    environment(here)
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    create(src, tree)
    create(dst, agreeing(old, tree))
    option = "--delete-excluded" if delete_excluded else "--delete"
    note(f"{option} {argv(options)}")
    done = rsync("-rn", "-8", "-i", option, "--force", *argv(options), src + b"/", dst)
    note(f"{done}")

    def ours() -> set[bytes]:
        return deleted(Filters.parse(options, delete_excluded=delete_excluded), src, dst)

    expected = removed(done) if done.code == 0 else done.code
    assert outcome(ours) == expected
