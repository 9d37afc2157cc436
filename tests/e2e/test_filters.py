"""Filter rules and --prune-empty-dirs beside rsync: what is copied, and what is protected from being deleted."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.commands import arsync, rsync
from support.snapshot import assert_same, snapshot
from support.trees import Dir, Entry, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9


def file(content: bytes = b"") -> File:
    return File(content, mtime_ns=T)


def folder(**entries: Entry) -> Dir:
    return Dir({name.replace("_", ".").encode(): entry for name, entry in entries.items()}, mtime_ns=T)


TREE = {
    b".rsync-filter": file(b"- *.bak\n: .more\n"),
    b"a": folder(b_o=file(), c=file(), x_bak=file(), deep=folder(b_o=file(), e=folder())),
    b"CVS": folder(f=file()),
    b"k~": file(),
    b"empty": folder(e=folder(g=folder()), l=Symlink(b"a", T)),
    b"hollow": folder(e=folder(g=folder(b_o=file()))),
    b"m": Dir({b".more": file(b"- c\n+ d\n"), b"c": file(), b"d": file(), b"sub": folder(c=file())}, mtime_ns=T),
    b"top": file(),
    b".cvsignore": file(b"top c"),
    b".cvsignore0": file(b"- k~\0- c"),
}
SOURCE = Dir(TREE, mtime_ns=T)
DEST = Dir(
    {
        b"a": folder(c=file(), z_o=file(), y=file(), deep=folder(b_o=file(), old=file())),
        b"m": Dir({b".more": file(b"P keep\n"), b"keep": file(), b"c": file(), b"q": file()}, mtime_ns=T),
        b"gone": folder(b_o=file(), p=file(), c=file(), sub=folder(k=file())),
        b"empty": folder(old=file()),
        b"z.o": file(),
        b"p": file(),
    },
    mtime_ns=T,
)

RULES: list[list[str]] = [
    ["--exclude=*.o"],
    ["--exclude=/a/deep", "--exclude=c"],
    ["--exclude=deep/", "--include=*.o", "--exclude=a/*"],
    ["--include=*/", "--include=*.o", "--exclude=*"],
    ["--include=*/", "--include=*.o", "--exclude=*", "-m"],
    ["-m"],
    ["-m", "--exclude=l", "-f", "P e/"],
    ["-m", "-f", "- l", "-f", "P /empty/"],
    ["-F"],
    ["-FF"],
    ["-F", "-m", "--exclude=*.o"],
    ["-C"],
    ["-f", "H c", "-f", "P p"],
    ["-f", "-p *.o"],
    ["-f", "-! */", "-f", "R p"],
    ["-f", "dir-merge,n- .cvsignore"],
    ["-f", ". rules", "--exclude-from=list"],
    ["--exclude-from=list", "-0"],
    ["-0", "--exclude-from=list", "-f", ". rules"],
    ["-0", "-f", ": .cvsignore0", "--no-from0", "-f", ". rules"],
    ["-f", "!", "--exclude=top"],
    ["--exclude=.", "--exclude=src"],
    ["--exclude=src/a", "--exclude=/top"],
]


def compare(
    here: bytes, options: list[str], source: Entry, dest: Entry, arguments: list[str], own: tuple[str, ...] = ()
) -> None:
    """Run both on equal trees, the deletions in the same order, and a second time, which may only delete."""
    results, snapshots = [], []
    for command, more in ((rsync, []), (arsync, own)):
        shutil.rmtree(here)
        os.mkdir(here)
        create(os.path.join(here, b"src"), source)
        create(os.path.join(here, b"dst"), dest)
        create(os.path.join(here, b"rules"), file(b"+ c\n- e/\n"))
        create(os.path.join(here, b"list"), file(b"*.bak\n# d\n\n+ b.o\n"))
        done = [command(*options, *more, *arguments, "dst", cwd=here) for _ in range(2)]
        lines = [[line for line in run.lines if line.startswith((b"*del", b"cannot"))] for run in done]
        first = [line for line in done[0].lines if not line.startswith((b"sent ", b"total size is "))]
        results.append(([run.code for run in done], sorted(first), lines))
        snapshots.append(snapshot(os.path.join(here, b"dst"), times=False))
    assert results[1] == results[0]
    assert_same(*snapshots)


@pytest.mark.parametrize("more", [["--delete"], ["--delete-excluded"], ["--delete-after", "-v"]], ids=str)
@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_rules(here: bytes, rules: list[str], more: list[str]) -> None:
    own = ["--workers=2"] if len(more) > 1 else []
    compare(here, ["-ai", *rules, *more], SOURCE, DEST, ["src/"], own)


@pytest.mark.parametrize(
    "rules", [RULES[1], RULES[5], RULES[8], RULES[-2], RULES[-1], ["--exclude=/a"], ["--exclude=*"]], ids=" ".join
)
@pytest.mark.parametrize(
    "arguments",
    [["src"], ["src/a", "src/top"], ["src/top", "src/m"], ["src/a/", "src/m"], ["src/empty"], ["src/a/c"]],
    ids=str,
)
def test_arguments(here: bytes, rules: list[str], arguments: list[str]) -> None:
    compare(here, ["-ai", "--delete", *rules], SOURCE, Dir({**DEST.entries, b"src": DEST}, mtime_ns=T), arguments)


@pytest.mark.parametrize(
    "options", [["--exclude-from=none"], ["-f", ". none"], ["-f", "bogus x"], ["-f", "-"], ["-F"]], ids=str
)
def test_rules_that_cannot_be_read(here: bytes, options: list[str]) -> None:
    """The same exit code, and nothing is copied; -F: a file in the tree has a line that is no rule."""
    create(os.path.join(here, b"src"), Dir({b".rsync-filter": file(b"nonsense\n"), b"f": file()}))
    expected = rsync("-a", *options, "src/", "theirs", cwd=here)
    actual = arsync("-a", *options, "src/", "ours", cwd=here)
    assert actual.code == expected.code
    assert expected.code in (1, 11)
    assert actual.err.startswith(b"arsync: ")
    assert not os.path.exists(os.path.join(here, b"ours/f"))


def test_merge_files_that_are_none(here: bytes) -> None:
    odd = Dir({b".rsync-filter": Dir({b"f": file()}, mtime_ns=T), b"g": file(), b"s": folder(h=file())}, mtime_ns=T)
    os.mkfifo(os.path.join(here, b"fifo"))
    compare(here, ["-aiF", "--delete"], odd, DEST, ["src/"])
    create(os.path.join(here, b"one"), Dir({b"f": file(), b"g": file()}))
    os.mkfifo(os.path.join(here, b"one/.rsync-filter"))
    assert arsync("-aF", "one/", "two", cwd=here, timeout=20).code == 0


@pytest.mark.needs_root
@pytest.mark.parametrize(
    "rules",
    [
        ["-f", "-x user.a*"],
        ["-f", "+x user.a1", "-f", "-x user.*"],
        ["-f", "merge,x xrules"],
        ["--exclude=user.a1"],
        ["-f", "-xs user.a*"],
        ["-f", "-xr user.a*"],
        ["-f", "-xs user.a9", "-f", "-xr user.b"],
    ],
    ids=str,
)
@pytest.mark.parametrize("own", [[], ["--workers=2"]], ids=str)
def test_extended_attributes(here: bytes, rules: list[str], own: list[str]) -> None:
    def tree(**values: bytes) -> Dir:
        xattrs = {b"user." + name.encode(): value for name, value in values.items()}
        return Dir({b"f": File(b"x", mtime_ns=T, xattrs=xattrs), b"d": Dir(mtime_ns=T, xattrs=xattrs)}, mtime_ns=T)

    create(os.path.join(here, b"xrules"), file(b"- user.a1\n"))
    create(os.path.join(here, b"src"), tree(a1=b"1", a2=b"2", b=b"3"))
    results = []
    for command, more in ((rsync, []), (arsync, own)):
        create(os.path.join(here, b"dst"), tree(a1=b"old", a9=b"9", c=b"8"))
        done = command("-aXi", *rules, *more, "src/", "dst", cwd=here)
        results.append((done.code, done.lines, snapshot(os.path.join(here, b"dst"))))
        shutil.rmtree(os.path.join(here, b"dst"))
    assert results[1] == results[0]


def _labelled(more: dict[bytes, Entry], *names: bytes) -> Dir:
    """A tree of files and directories that have these attributes, and what else is in its directory ``d``."""
    labels = {b"user." + name: b"of " + name for name in names}
    inner = Dir({b"f": File(b"x", mtime_ns=T, xattrs=labels), b"s": Dir({b"f": File(b"x", mtime_ns=T, xattrs=labels)},
                mtime_ns=T, xattrs=labels)} | more, mtime_ns=T, xattrs=labels)  # fmt: skip
    return Dir({b"f": File(b"x", mtime_ns=T, xattrs=labels), b"d": inner}, mtime_ns=T, xattrs=labels)


ATTRIBUTE_RULES = {b".r": File(b"-x user.a\n+x user.b\n- gone\n", mtime_ns=T)}


@pytest.mark.needs_root
@pytest.mark.parametrize("option", [[], ["--delete"], ["--workers=1"], ["-H", "--inplace"]])
@pytest.mark.parametrize("there", [None, (b"b",), (b"c", b"b")], ids=str)
def test_xattr_rules_in_merge_files(here: bytes, option: list[str], there: tuple[bytes, ...] | None) -> None:
    """They hold for what is in the directory and below it, not for itself."""
    create(os.path.join(here, b"src"), _labelled(ATTRIBUTE_RULES, b"a", b"b", b"c"))
    results = []
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        if there is not None:
            create(dst, _labelled(ATTRIBUTE_RULES, *there))
        given = [word for word in option if command is arsync or "workers" not in word]
        # Under --delete one of its processes reads merge files of DEST; another, which sets attributes, does not.
        general = [] if "--delete" in option else ["-f", "-x user.b"]
        words = ["-aXi", *given, "-f", ": .r", *general, os.path.join(here, b"src/"), dst]
        results.append([sorted(command(*words).lines), sorted(command(*words).lines)])
    assert results[1][1] == results[0][1]
    assert results[1][0] == [line.replace(b"/rsync", b"/arsync") for line in results[0][0]]
    assert_same(snapshot(os.path.join(here, b"rsync")), snapshot(os.path.join(here, b"arsync")))


RULED = folder(
    **{"a.o": file(), "b": file(), ".r": file(b"- y\n+ z\n"), "d": folder(y=file(), x=file()), "e": folder(z=file())}
)


@pytest.mark.parametrize(
    "options",
    [
        "--exclude=*.o src/", "--exclude=e --include=b src/", "-f -!_*/ src/", "-C src/", "--exclude=e/*** src/",
        "--include=*.o --exclude=* src/", "--exclude=/d/y src/", "-m --exclude=y src/", "-FF src/", "-f :_.r src/",
        "--exclude=b src/b src/d", "-R --exclude=b src/b src/d", "--exclude=src src", "-R --include=y src/./d/y",
        "-R --exclude=d src/d/y", "--list-only --exclude=b src/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", ["-vv", "--debug=filter", "-v"])
def test_which_rule_leaves_it_out(here: bytes, options: str, level: str) -> None:
    """-vv says which pattern hides or shows what. Of rules in the tree rsync tells the file only."""
    create(os.path.join(here, b"src"), RULED)
    told = []
    for command in (rsync, arsync):
        done = command("-an", level, *[word.replace("_", " ") for word in options.split()], "dst", cwd=here)
        lines = [line for line in done.lines if line.startswith(b"[sender] ") and b"ing " in line]
        told.append(sorted({re.sub(rb"pattern .*( \[per-dir)", rb"pattern\1", line) for line in lines}))
    assert told[1] == told[0]
    assert bool(told[0]) == (level != "-v" and "FF" not in options and "-R --exclude=d" not in options)


def test_backups_are_protected_by_themselves(here: bytes) -> None:
    """What an earlier run kept as a backup is not extraneous."""
    dest = Dir({b"a~": file(), b"d~": folder(f=file()), b"e.old": file(), b"f~.old": file()}, mtime_ns=T)
    for options in ([], ["--suffix=.old"], ["--delete-excluded"], ["--exclude=e*"], ["--backup-dir=d~"]):
        compare(here, ["-aib", "--delete", *options], SOURCE, dest, ["src/"])


LINKED = Dir(
    {
        b"full": folder(x=folder(f=file())),
        b"hollow": folder(e=folder(f=folder())),
        b"to": folder(full=Symlink(b"../full", T)),
        b"to2": folder(hollow=Symlink(b"../hollow", T)),
        b"topfull": Symlink(b"full", T),
        b"tophollow": Symlink(b"hollow", T),
        b"far": folder(to=Symlink(b"../../outside", T)),
        b"far2": folder(e=Symlink(b"../../outside/e", T)),
        b"farfile": folder(f_o=Symlink(b"../../outside/o/p", T)),
        b"deep": folder(l=Symlink(b"../to", T)),
        b"broken": folder(l=Symlink(b"nowhere", T)),
        b"loop": folder(l=Symlink(b".", T)),
    },
    mtime_ns=T,
)


@pytest.mark.parametrize(
    "options",
    [["-L"], ["-k"], ["--copy-unsafe-links"], ["-L", "--exclude=*.o"], ["-k", "--exclude=full"],
     ["-L", "--exclude=/to*"], ["--copy-unsafe-links", "--exclude=p"],
     ["-L", "--exclude=broken", "--filter=P /hollow/"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize(
    "arguments", [["src/"], ["src"], ["src/to2", "src/tophollow", "src/topfull", "src/far2"]], ids=str
)
def test_symlinks_that_are_followed_are_pruned(here: bytes, options: list[str], arguments: list[str]) -> None:
    """They count as what they lead to; what cannot be followed is an error also where it is pruned."""
    results = []
    create(os.path.join(here, b"src"), LINKED)
    create(os.path.join(here, b"outside"), folder(e=folder(), o=folder(p=file())))
    for command in (rsync, arsync):
        done = command("-aim", *options, *arguments, "dst", cwd=here)
        results.append((done.code, sorted(done.lines), snapshot(os.path.join(here, b"dst"), times=False)))
        shutil.rmtree(os.path.join(here, b"dst"))
    assert results[1] == results[0]


names = st.sampled_from([b"a", b"b.o", b"c", b"d", b".rsync-filter"])
contents = st.sampled_from([b"- c\n", b"- *.o\n+ d\n", b"P c\n", b"H d/\n", b"- /a/c\n", b"-p a\n"])
leaves = st.one_of(st.builds(file, contents), st.just(Symlink(b"a", T)))
trees = st.recursive(
    leaves, lambda inner: st.builds(Dir, st.dictionaries(names, inner, max_size=4), mtime_ns=st.just(T)), max_leaves=10
)
tops = st.builds(Dir, st.dictionaries(names, trees, max_size=5), mtime_ns=st.just(T))
options = st.lists(
    st.sampled_from(
        ["-F", "-m", "-n", "--exclude=c", "--include=*.o", "--exclude=a/*", "-fP c", "-f-p d", "--delete-excluded"]
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


@given(
    tops,
    tops,
    options,
    st.sampled_from(["--delete", "--delete-before", "--delete-after", "-r"]),
    st.sampled_from([["src/"], ["src"]]),
)
def test_random_trees(here: bytes, source: Dir, dest: Dir, rules: list[str], when: str, arguments: list[str]) -> None:
    compare(here, ["-ai", when, *rules], source, dest if arguments == ["src/"] else Dir({b"src": dest}), arguments)


def test_a_merge_file_that_makes_no_sense_ends_a_run_in_order(here: bytes) -> None:
    """Nothing unfinished is left of the files that are in flight when it is met, nor the mark of a run that has not
    ended; what was done is told."""
    src, dst = os.path.join(here, b"src"), os.path.join(here, b"dst")
    files: dict[bytes, Entry] = {b"%03d" % number: File(b"n" * 100_000, mtime_ns=10**18) for number in range(300)}
    create(src, Dir({b"a": Dir(files), b"z": Dir({b".rules": File(b"no rule\n")})}))
    create(dst, Dir({b"a": Dir({name: File(b"old") for name in files})}))
    done = arsync("-ai", "--workers=2", "--filter=: .rules", src + b"/", dst)
    assert done.code == 1
    assert b"unknown filter rule" in done.err
    assert set(os.listdir(os.path.join(dst, b"a"))) == files.keys()
    assert os.listxattr(dst) == []
    told = {line[-3:] for line in done.lines if line.startswith(b">f")}
    new = {name for name in files if os.path.getsize(os.path.join(dst, b"a", name)) > 3}
    assert told == new
