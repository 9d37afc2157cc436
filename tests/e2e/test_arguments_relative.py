"""-R, --files-from, -d, --mkpath and arguments that do not exist: real rsync beside arsync, fixed cases and random."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.commands import Result, arsync, rsync
from support.snapshot import Snapshot, differences, snapshot
from support.trees import Dir, Entry, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

T = 10**18

SOURCES = Dir(
    {
        b"s": Dir(
            {
                b"a": Dir(
                    {
                        b"b": Dir({b"g": File(b"g", mtime_ns=T)}, mode=0o701, mtime_ns=T),
                        b"f": File(b"f", mtime_ns=T),
                    },
                    mode=0o750,
                    mtime_ns=T + 1,
                ),
                b"c": Dir({b"h": File(b"h", mtime_ns=T)}, mtime_ns=T),
                b"loop": Symlink(b"loop/x", T),
                b"dang": Symlink(b"nowhere", T),
                b"la": Symlink(b"a", T),
                b"lf": Symlink(b"c/h", T),
                b"top": File(b"top", mtime_ns=T),
            },
            mtime_ns=T + 2,
        ),
        b"o": Dir({b"a": Dir({b"f": File(b"other", mtime_ns=T)}, mtime_ns=T + 3)}, mtime_ns=T),
    },
    mtime_ns=T + 4,
)

#: What stands at the destination before: nothing, or things that are in the way, or to be deleted.
OLD: dict[str, Dir] = {
    "empty": Dir(mtime_ns=T + 5),
    "file": Dir({b"s": File(b"in the way")}),
    "link": Dir({b"s": Symlink(b"x/../x/real"), b"x": Dir({b"real": Dir()})}),
    "out": Dir({b"s": Symlink(b"../../o")}),
    "absolute": Dir({b"s": Symlink(b"/")}),
    "other": Dir({b"s": Dir({b"a": Dir(mode=0o700, mtime_ns=T)}), b"nope": Dir({b"x": Dir()}), b"q": File(b"q")}),
    "deep": Dir({b"s": Dir({b"nope": File(), b"q": Dir()}, mtime_ns=T), b"sl": Symlink(b"s")}),
}


#: Times of entries that are not copied are those of the run.
LONG_AGO = 17 * 10**17


def check(here: bytes, old: Dir, arguments: list[bytes], lines: bytes = b"", sources: Dir = SOURCES) -> None:
    """Run both on the same trees, in TOP: they must agree on the exit code, the lines and the destination."""
    results: list[tuple[Result, Snapshot]] = []
    top = os.path.join(here, b"w")
    for command in (rsync, arsync):
        shutil.rmtree(here)
        os.makedirs(top)
        create(top, Dir(sources.entries | {b"dst": old, b"list": File(lines)}, mtime_ns=T + 4))
        result = command(*(argument.replace(b"TOP", top) for argument in arguments), cwd=top)
        results.append((result, snapshot(top)))
    (expected, theirs), (actual, ours) = results
    said = f"{arguments} {lines!r}\nrsync: {expected}\narsync: {actual}"
    assert b"Traceback" not in actual.err, said
    assert actual.code == expected.code, said
    assert comparable(actual) == comparable(expected), said
    for name in theirs.keys() & ours.keys():
        if min(theirs[name]["mtime"], ours[name]["mtime"]) > LONG_AGO:
            ours[name]["mtime"] = theirs[name]["mtime"]
    found = differences(theirs, ours)
    assert not found, "\n".join([said, *found])


def comparable(result: Result) -> list[bytes]:
    """Lines in their order, but for those that another of rsync's processes prints when it comes to it."""
    lines = [line for line in result.lines if not line.startswith((b"sent", b"total size"))]
    others = (b"skipping", b"cannot delete", b"*deleting", b"deleting", b"created")
    return [line for line in lines if not line.startswith(others)] + sorted(x for x in lines if x.startswith(others))


def cases(text: str) -> list[str]:
    return [case.strip() for case in text.replace("\n", "|").split("|") if case.strip()]


RELATIVE = cases("""
s/a/f | s/a | s/a/ | s/./a/b/g | s/a/../c/h | ./s/a/f | ././s/a/f | s//a///f | s/a/./ | s/a/. | s/. | s/./ | s/./.
s/.. | ../w/s/a/f | ../w/./s/a/f | s/a/./../c | s/././a/f | s/./a/./f | s/la/f | s/la | s/la/ | s/la s/la/f
s/la/f s/la | s/a/f s/c | s/c/h s/a | s/a/b/g s/a | --no-r s/a | --no-r s/a/ s/a/f | --no-r s/a/b/. | -d --no-r s/a
-d --no-r s/a/ | nope/x s/a/f | s/nope s/a/f | s/top/x s/a/f | TOP/./s/a/f s/a/b | s/./a/f o/./a | o/./a s/./a/f
s/./a o/./a/f | s/./a/b o/./a | s/lf/ | s/top/ s/dang/. | s/dang/x | s/top s/top | TOP/s/a o/a
./nope | --no-r ./s ./s/top | --ignore-missing-args s/././nope | -n --no-implied-dirs s/a/f
--no-i-d s/a/f TOP/./s/a | --ignore-existing s/a/f s/top | s/loop/ | s/./loop/. | -n s/loop/ s/a/f | s/loop/x
--no-r --no-i-d ./s/a/f | --no-r --no-i-d ./nope | --no-r ./s/a/f s/c | -d --no-r --no-i-d ./s/a/f
-L s/loop/ | -L s/dang/ | -L s/la/ | -k s/loop/ | --no-R s/loop/ | --no-R -L s/loop/
""")

OTHERS = cases("""
-R --no-implied-dirs s/a/b/g | -R --no-implied-dirs s/la/f s/la | -R --no-implied-dirs s/a/f s
-R --no-i-d ./s/top | -R --existing s/a/f s/c
-R --no-implied-dirs --existing s/a/f | -Rx s/a | -R s/a/f | -Rn s/a
""")

MISSING = cases("""
--delete-missing-args nope q s/top | -n --delete-missing-args nope q | -R --delete-missing-args s/nope nope/x
-R --delete-missing-args sl/nope | --delete-missing-args sl q q | -R --no-r --delete-missing-args nope/x s/q
-R --no-i-d --delete-missing-args s/nope | --delete-missing-args s/q/ x/nope s/nope | --ignore-missing-args nope s/top
--ignore-missing-args nope | --ignore-missing-args x/nope s/top/x | -R --ignore-missing-args x/nope s/top/x s/q
-v --delete-missing-args s/nope q nope
""")

DIRS = cases("""
-d s | -d s/ | -d s/. | -d s/a o | -d s/a/ o/a/ | -d s/a/ s/a | -d . | -d s/a/.. | --old-dirs s | --old-d s/
-d s --no-d | -r --old-d s/ | -dr s | s/a | -dx s/a/ | -dR s/a/b/ s/c | -dn s/ | -l -d s/
""")

PATHS = cases("""
s/top dst/x/y | s/top dst/x/y/ | s/ dst/x/y | s dst/x/y/z | -n s/top dst/x/y | -n s/top dst/x/y/ | -n s/ dst/x/y/z
s/top s/lf dst/x/y | s/top s/top/y | s/ s/top/y | -R s/top dst/q/y | s/ dst/new | s/top dst/new | s/top dst/new/
s/ TOP/dst/new/z | -v s/top dst/top/y | nope dst/q/x | --ignore-missing-args nope dst/q/x/ | --no-r s dst/q/x
""")

#: New destinations: whether they become a file or a directory, and when they are not made.
NEW = cases("""
-R s/top dst/new | -R s/a/f dst/new/ | -R s/a dst/new/x | -R nope dst/new | nope dst/new/ | nope nope dst/new
-R --no-implied-dirs s/top dst/new | -R --ignore-missing-args nope/x dst/new/ | --delete-missing-args zzz dst/new
--delete-missing-args zzz yyy dst/new | --delete-missing-args q dst/q | -d s/ dst/new | nope dst/no/where
nope dst/no/where/ | nope s/top | nope s/top/ | --no-r s/a s/c dst/no/where | --delete-missing-args nope yy s/top
""")


@pytest.mark.parametrize("case", RELATIVE)
def test_relative(here: bytes, case: str) -> None:
    """Whatever way a path is written, what -R makes of it is the same."""
    check(here, OLD["empty"], [b"-aiR", *case.encode().split(), b"dst"])


@pytest.mark.parametrize("old", OLD)
def test_what_stands_there(here: bytes, old: str) -> None:
    """Files and symlinks where directories go, and what is to be deleted: with --no-implied-dirs a symlink is followed,
    but not out of the destination."""
    for case in OTHERS + (MISSING if old in ("other", "deep") else []):
        check(here, OLD[old], [b"-ai", *case.encode().split(), b"dst"])


@pytest.mark.parametrize("case", DIRS)
def test_dirs(here: bytes, case: str) -> None:
    check(here, OLD["empty"], [b"-pti", *case.encode().split(), b"dst"])


@pytest.mark.parametrize("case", PATHS)
def test_mkpath(here: bytes, case: str) -> None:
    check(here, OLD["empty"], [b"-ai", b"--mkpath", *case.encode().split()])


@pytest.mark.parametrize("case", NEW)
def test_new_destinations(here: bytes, case: str) -> None:
    check(here, OLD["other"], [b"-ai", *case.encode().split()])


LISTS: list[tuple[str, bytes]] = [
    ("", b"a/f\n"), ("", b"a\n"), ("", b"a/\n"), ("-r", b"a\n"), ("-r --no-d", b"a/b\ntop\n"),
    ("", b"\n#com\n;com\n #x\na/f\r\n\r\ntop"), ("", b"/a/f\n//top\n"), ("", b"../o/a/f\na/../top\na/b/../../c/h\n"),
    ("", b"la/../top\n"), ("", b"nope\nnope/x\ntop/y\na/f\n"), ("", b".\n"), ("", b"./\n"), ("", b"./a/f\na/./b/g\n"),
    ("", b"..\n"), ("--no-R", b"a/f\na/b\n"), ("--no-d", b"a/f\na/b\n"), ("--no-d", b"a/b/\n"),
    ("-0", b"a/f\0#x\0a/b\0c/h\r\n\0"), ("--no-implied-dirs", b"a/b/g\n"), ("", b"la/f\nla\n"), ("", b"la/\n"),
    ("--no-R", b"a/\nla/b\n"), ("", b"top\ntop\na\na/\n"), ("", b"dang/\nlf/\ntop/\nnope/\n"), ("", b"./../top\n"),
    ("", b"a/b/..\n"), ("", b"a/b/../\n"), ("", b"a/./../top\n"), ("", b"a/../nope/./top\n"),
    ("--no-R", b"a/f\n../a/./b\n"), ("--no-R", b"a/f\n./\n"), ("--no-R", b"nope/x\ntop/y\n"), ("", b"/\n"),
    ("--ignore-missing-args", b"nope/x\ntop/y\n"), ("--ignore-missing-args --no-R", b"nope/x\ntop/y\n"),
    ("--delete-missing-args", b"nope\nq\ns/nope\n"), ("--existing", b"top\na/f\n"), ("", b""),
]  # fmt: skip


@pytest.mark.parametrize(("options", "lines"), LISTS)
def test_files_from(here: bytes, options: str, lines: bytes) -> None:
    arguments = [b"-ai", *options.encode().split(), b"--files-from=list", b"s"]
    check(here, OLD["other"], [*arguments, b"dst"], lines)


@pytest.mark.parametrize(
    "case",
    cases("""
    --files-from=list s dst/new | --files-from=list s/ dst/new/ | --files-from=list nosuch dst
    --files-from=list s o dst
    --files-from=list s/top dst | --files-from=nosuch s dst | --files-from=host:list s dst | --files-from=:list s dst
    --files-from=TOP/list s dst/no/where | --no-R --files-from=list s dst/new | --files-from=- s dst
    --files-from=list s | --list-only --files-from=list s | --list-only --files-from=list s dst
    """),
)
def test_files_from_itself(here: bytes, case: str) -> None:
    """Where the list is, where its paths begin, and one that holds a single file."""
    check(here, OLD["other"], [b"-ai", *case.encode().split()], b"top\n")


def test_a_long_list(here: bytes) -> None:
    """More directories than descriptors, in any order: each is opened when it is needed."""
    names = [b"d%03d" % (n * 37 % 300) for n in range(300)]
    tree = Dir({b"s": Dir({name: Dir({b"f": File(name), b"g": File()}, mtime_ns=T) for name in names})})
    for options in ([], [b"--no-R"], [b"--no-implied-dirs"]):
        lines = b"".join(name + (b"/./f\n" if len(options) == 2 else b"/f\n") for name in names)
        shutil.rmtree(here)
        create(here, Dir(tree.entries | {b"list": File(lines)}))
        expected = rsync("-ai", *options, "--files-from=list", "s", "theirs/", cwd=here)
        actual = arsync(
            "-ai", *options, "--files-from=list", "s", "theirs/".replace("theirs", "ours"), cwd=here,
            before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        )  # fmt: skip
        assert (actual.code, actual.err) == (0, b"")
        assert actual.out.replace(b"ours", b"theirs") == expected.out
        found = differences(
            snapshot(os.path.join(here, b"theirs"), times=False), snapshot(os.path.join(here, b"ours"), times=False)
        )
        assert not found, "\n".join(found)


NAMES = [b"a", b"b", b"c.d", b"c"]
files = st.builds(File, st.sampled_from([b"", b"x", b"yy"]), mtime_ns=st.sampled_from([T, T + 10**9]))
leaves = st.one_of(files, files, st.builds(Symlink, st.sampled_from([b"a", b"b/c", b"../a", b"."]), st.just(T)))


def directories(children: st.SearchStrategy[Entry]) -> st.SearchStrategy[Dir]:
    modes, times = st.sampled_from([0o755, 0o700]), st.sampled_from([T, T + 10**9])
    return st.builds(Dir, st.dictionaries(st.sampled_from(NAMES), children, max_size=3), mode=modes, mtime_ns=times)


trees = directories(st.recursive(leaves, directories, max_leaves=6))
components = st.lists(st.sampled_from([*NAMES, b".", b"a", b"b"]), min_size=1, max_size=4)
paths = st.builds(lambda parts, end: b"/".join(parts) + end, components, st.sampled_from([b"", b"", b"", b"/", b"/."]))
options = st.tuples(
    st.sampled_from(["-a", "-a", "-a --no-r", "-rt", "-dt", "-ltd"]),
    st.sampled_from(["-R", "-R", "-R --no-implied-dirs", "", "--files-from=list", "--files-from=list --no-R"]),
    st.lists(
        st.sampled_from(["-n", "-x", "--ignore-missing-args", "--existing", "--ignore-existing", "--no-d"]), max_size=2
    ),
)


def in_the_way(source: Entry, old: Entry | None) -> bool:
    """Whether something of another kind stands where a directory goes."""
    if not isinstance(source, Dir) or old is None:
        return False
    if not isinstance(old, Dir):
        return True
    return any(in_the_way(entry, old.entries.get(name)) for name, entry in source.entries.items())


@given(trees, trees, options, st.lists(paths, min_size=1, max_size=4))
def test_random_arguments(
    here: bytes, source: Dir, old: Dir, options: tuple[str, str, list[str]], named: list[bytes]
) -> None:
    """Random trees on both sides, random paths in them."""
    words = [word.encode() for text in (*options[:2], *options[2]) for word in text.split()]
    # Where a file keeps its place, rsync gives it the directory's time, or goes on to what is in the directory.
    assume(b"--ignore-existing" not in words or not in_the_way(source, old))
    listed = options[1].startswith("--files")
    arguments = [b"s"] if listed else [b"s/" + (b"./" if b"-R" in words else b"") + path for path in named]
    check(here, old, [*words, b"-i", *arguments, b"dst"], b"".join(path + b"\n" for path in named), Dir({b"s": source}))


@pytest.mark.parametrize("file_system", ["tmpfs"], indirect=True)
def test_one_file_system(here: bytes, file_system: tuple[str, bytes]) -> None:
    """-x: each source keeps to its own device; -xx leaves mount points out."""
    _, other = file_system
    src = os.path.join(here, b"s")
    create(src, Dir({b"a": Dir({b"m": Dir(), b"f": File()}), b"z": File()}))
    create(os.path.join(other, b"t"), Dir({b"in": Dir({b"g": File()}), b"back": Dir()}))
    mounts = [(other + b"/t", src + b"/a/m"), (src + b"/a", other + b"/t/back")]
    for what, where in mounts:
        subprocess.run(["mount", "--bind", what, where], check=True)
    try:
        for case in cases(
            "-x s | -xx s | -xx s/ | -x s s/a/m | -x s/a/m | -xxR s/a/m s/a | -dxx s/a/ | -xR s/./a/m/in s/./a"
        ):
            words = [b"--no-r" if word == b"-d" else word for word in case.encode().split()]
            results = [
                command("-ai", *words, name + b"/", cwd=here) for command, name in ((rsync, b"1"), (arsync, b"2"))
            ]
            expected, actual = results
            assert (actual.code, actual.out.replace(b"2", b"1")) == (expected.code, expected.out), case
            for name in (b"1", b"2"):
                shutil.rmtree(os.path.join(here, name))
    finally:
        for _, where in reversed(mounts):
            subprocess.run(["umount", where], check=True)
