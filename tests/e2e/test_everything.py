"""rsync and arsync side by side on random trees with options from the whole table: nothing may differ but what
docs/differences.md says. Each ``assume`` and each line of ``known`` is one of the differences that are meant."""

from __future__ import annotations

import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, event, given, note, settings
from hypothesis import strategies as st

from arsync.errors import ExitCode
from arsync.options.flags import FLAGS
from arsync.options.table import OWN, WITHOUT_EFFECT
from arsync.options.values import VALUES
from conftest import usable
from support.commands import Result, arsync, rsync
from support.forked import Forked
from support.snapshot import Snapshot, differences, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

NAMES = [b"a", b"b", b"c", b"d", b"a.o", b"c-", b"b~", b"e\xff", b"n\nl"]
#: Times that agree, differ in nanoseconds only, and differ in seconds.
T = 10**18
TIMES = [T, T, T + 1, T + 10**9, T + 7 * 10**9]


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An ACL as the kernel has it: (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


_NO_ID = 0xFFFFFFFF
ACL = acl((1, 6, _NO_ID), (2, 4, 12), (4, 4, _NO_ID), (16, 6, _NO_ID), (32, 4, _NO_ID))
DEFAULT_ACL = acl((1, 7, _NO_ID), (2, 5, 12), (4, 5, _NO_ID), (16, 5, _NO_ID), (32, 0, _NO_ID))
XATTRS: list[dict[bytes, bytes]] = [
    {},
    {},
    {},
    {b"user.k": b"v"},
    {b"user.k": b"w", b"trusted.t": b"\0\xff"},
    {b"system.posix_acl_access": ACL},
]
CONTENTS = [b"", b"x", b"y", b"xy", b"x" * 3000, b"x" * 5000, b"\0" * 9000 + b"x"]
MODES = [0o644, 0o600, 0o755, 0o444, 0o4755, 0o666]
OWNERS = [None, None, (65534, 65534), (0, 12)]

files = st.builds(
    File,
    content=st.sampled_from(CONTENTS),
    mode=st.sampled_from(MODES),
    mtime_ns=st.sampled_from(TIMES),
    owner=st.sampled_from(OWNERS),
    xattrs=st.sampled_from(XATTRS),
)
symlinks = st.builds(
    Symlink,
    st.sampled_from([b"a", b"nowhere", b"../b", b"../out/f", b"../out/d", b"/nowhere/at/all", b"d", b"c/../a"]),
    st.sampled_from(TIMES),
)
others = st.one_of(
    st.builds(Fifo, st.sampled_from([0o644, 0o600]), st.sampled_from(TIMES)),
    st.sampled_from([Device(0o20644, os.makedev(1, 3)), Device(0o60600, os.makedev(7, 200))]),
    st.builds(Sparse, st.just(40_000), st.sampled_from([(), ((20_000, b"x"),)]), st.sampled_from(TIMES)),
)


def directories(children: st.SearchStrategy[Entry], most: int = 3) -> st.SearchStrategy[Dir]:
    return st.builds(
        Dir,
        st.dictionaries(st.sampled_from(NAMES), children, max_size=most),
        mode=st.sampled_from([0o755, 0o700, 0o2775, 0o555]),
        mtime_ns=st.sampled_from(TIMES),
        owner=st.sampled_from([None, None, (65534, 12)]),
        xattrs=st.sampled_from([*XATTRS[:4], {b"system.posix_acl_default": DEFAULT_ACL}]),
    )


entries: st.SearchStrategy[Entry] = st.recursive(
    st.one_of(files, files, files, symlinks, others), directories, max_leaves=4
)
trees = directories(entries, most=4)
#: What is in files whose rules options name.
rule_files = st.sampled_from([b"- a\n", b"- *.o\n+ a\n", b"b\n", b": .more\n", b"P b\n- c\n"])


@st.composite
def sources(draw: st.DrawFn) -> Dir:
    """A tree, some of whose files have more names, and some of whose directories hold rules."""
    tree = draw(trees)
    names = _file_names(tree)
    extra: dict[bytes, Entry] = {}
    if names:
        for name in draw(st.lists(st.sampled_from([b"l1", b"a0", b"zz"]), max_size=2, unique=True)):
            extra[name] = Hardlink(draw(st.sampled_from(names)))
    if draw(st.integers(0, 5)) == 5:
        name = draw(st.sampled_from([b".rsync-filter", b".cvsignore", b".more"]))
        extra[name] = File(draw(rule_files), mtime_ns=T)
    return Dir(tree.entries | extra, tree.mode, tree.mtime_ns, tree.owner, tree.xattrs)


def _file_names(tree: Entry, prefix: bytes = b"") -> list[bytes]:
    """The paths of everything that is no directory."""
    if not isinstance(tree, Dir):
        return [prefix]
    found: list[bytes] = []
    for name, child in tree.entries.items():
        found += _file_names(child, prefix + b"/" + name if prefix else name)
    return found


@st.composite
def relatives(draw: st.DrawFn, tree: Dir) -> Dir:
    """A tree that has some of what is in ``tree``, some of it changed, and something of its own."""
    found: dict[bytes, Entry] = {}
    for name, entry in tree.entries.items():
        what = draw(st.sampled_from(["keep", "keep", "drop", "change", "other"]))
        if isinstance(entry, Hardlink):
            target = tree.entries.get(entry.path)
            if what == "keep" and b"/" not in entry.path and found.get(entry.path) == target:
                found[name] = entry
        elif what == "keep":
            found[name] = draw(relatives(entry)) if isinstance(entry, Dir) else entry
        elif what == "change" and isinstance(entry, File):
            found[name] = draw(changed(entry))
        elif what in ("change", "other"):
            found[name] = draw(entries)
    found |= draw(st.dictionaries(st.sampled_from(NAMES), entries, max_size=2))
    found = {
        name: entry for name, entry in found.items() if not isinstance(entry, Hardlink) or _is_file(found, entry.path)
    }
    mode = draw(st.sampled_from([tree.mode, 0o755]))
    return Dir(found, mode, draw(st.sampled_from([tree.mtime_ns, T])), tree.owner, tree.xattrs)


def _is_file(entries: dict[bytes, Entry], path: bytes) -> bool:
    return not isinstance(entries.get(path, Dir()), Dir)


@st.composite
def changed(draw: st.DrawFn, file: File) -> File:
    """The same file but for one thing."""
    field, values = draw(
        st.sampled_from(
            [("content", CONTENTS), ("mtime_ns", TIMES), ("mode", MODES), ("owner", OWNERS), ("xattrs", XATTRS)]
        )
    )
    return File(**{**vars(file), field: draw(st.sampled_from(values))})


#: What is drawn of the option table, each with the weight of one. The first are what examples shrink to.
OPTIONS = """
-v;-n;-ii;-vv;--out-format=%i_%n%L_%l_%B;--out-format=%o_%f_%M_%U_%G;--list-only;-q;-8;--stats
--exclude=a;--exclude=*.o;--exclude=/c;--exclude=d/;--include=a;--exclude=*;-f P_b
-f -s_a;-f H_c;-f R_b;-f -p_b;-f !;-f S_a
--exclude=a --exclude=b;--include=a --exclude=*;--include=*/ --include=a --exclude=*;-f -_/a/b;-f .__rules;-C;-F;-FF
--exclude-from=rules;--include-from=rules --exclude=*;-f :_.more;-f :C;-f dir-merge,n-_.more;-f -!_*/;-f -x_user.k
-m;--max-size=10;--min-size=2;--max-size=3000;-x;-xx;-d;-R;--no-implied-dirs;--existing;--ignore-existing;-u;-r
--remove-source-files;--ignore-missing-args;--delete-missing-args;--old-dirs;--no-r
--delete;--delete-before;--delete-during;--delete-delay;--delete-after;--delete-excluded;--max-delete=1;--max-delete=0
--delete --delete-excluded;--force;--ignore-errors;--delete --force
-c;-I;--size-only;-@1;-@-1;--modify-window=7;--checksum-choice=md5
--compare-dest=../alt;--copy-dest=../alt;--link-dest=../alt;--link-dest=../alt --link-dest=../alt2
--compare-dest=../alt --compare-dest=../alt2;--copy-dest=../nowhere
-l;-L;-k;-K;--copy-unsafe-links;--safe-links;--munge-links;--no-l;-H;-H;--insecure-links
-p;-E;--chmod=u+x;--chmod=D2750,F600;--chmod=go-w --chmod=+X;--chown=12:12;--chown=:12;--usermap=65534:12;--usermap=*:7
--groupmap=12:65534;--numeric-ids;-A;-X;-XX;-t;-U;-UU;-O;-J;-o;-g;-D;--devices;--specials;--super;--fake-super
--no-p;--no-t;--no-o;--no-g;--no-D;--open-noatime;--no-super
-b;--backup-dir=../bak;-b --suffix=.o;--backup-dir=bak;--backup-dir=../bak --suffix=~;-b --delete
--inplace;--append;--append-verify;--partial;--partial-dir=.part;--partial-dir=../part;--delay-updates
-T a;--temp-dir=b;-S;--preallocate;-W;--fsync;--mkpath;-S --preallocate;-S --inplace;--bwlimit=100m;-P --no-progress
--drop-D;--timeout=100;--stop-after=5;--stop-at=2999-1-1;--debug=none;--log-file=/dev/null;--outbuf=L;--write-devices;-h;-hh;--no-h;-0;-z;-s;--info=name2,skip2;--info=del,backup,remove
"""

#: Options of the table that are not drawn, and why.
NOT_DRAWN = {
    "--copy-devices": "of a device gets the present as its time from rsync, and is compared elsewhere",
    "--files-from": "is drawn together with the arguments",
    "--fuzzy": "asks for another basis for a transfer of differences, of which there are none",
    "--progress": "its lines are a matter of time",
    "--stderr": "what rsync says on stdout and stderr is compared elsewhere",
    "--msgs2stderr": "is --stderr=all",
    "--log-file-format": "is compared elsewhere, as what is in --log-file is",
    "--confine-root": "refuses what rsync would follow",
}


def test_all_options_are_drawn() -> None:
    """Every option of the table is among those that are drawn, or it is said why not."""
    drawn = set(OPTIONS.replace(";", " ").split())
    names = {name.split("=")[0] for name in drawn}
    letters = {letter for name in drawn if re.match("-[^-]", name) for letter in name[1:]}
    missing = [
        row.names[0]
        for row in (*FLAGS, *VALUES)
        if not any(name in names or (len(name) == 2 and name[1] in letters) for name in row.names)
        and row.names[0] not in NOT_DRAWN
        and row.section not in (OWN, WITHOUT_EFFECT)
    ]
    assert not missing


def _parse(option: str) -> list[str]:
    return [part.replace("_", " ") if part[0] != "-" or "out-format" in part else part for part in option.split()]


CHOICES = [_parse(option) for line in OPTIONS.split("\n") for option in line.split(";") if option]
bases = st.sampled_from(
    ["-a", "-a", "-a", "-r", "-rt", "-rlt", "-rlptD", "-rlpog", "-aHAX", "-aHAXU", "-d", "-dlt", "-l"]
)
options = st.tuples(bases, st.lists(st.sampled_from(CHOICES), max_size=4)).map(
    lambda parts: [parts[0], *(word for words in parts[1] for word in words)]
)
#: What is copied where; the directory in which a command runs is that of the trees.
ARGUMENTS = [
    ["src/", "dst"],
    ["src/", "dst"],
    ["src/", "dst/"],
    ["src", "dst"],
    ["src/", "new"],
    ["src/a", "dst"],
    ["src/a", "src/b", "src/c", "dst"],
    ["src/a/", "src/b", "dst/"],
    ["src/a", "src/nowhere", "dst"],
    ["-R", "src/./a", "src/b", "dst"],
    ["-R", "src/a/b", "dst"],
    ["--files-from=list", "src", "dst"],
    ["--files-from=list", "src/", "dst"],
    ["src/a", "dst/b"],
    ["src/", "dst/d"],
]
#: arsync's own ways to do the same.
HOWS = usable([[], [], ["--workers=2"], ["--workers=1", "--io-engine=uring"], ["--io-engine=plain"]])


#: What is beside the trees.
SURROUNDINGS: dict[bytes, Entry] = {
    b"out": Dir({b"f": File(b"f", mtime_ns=T), b"d": Dir({b"g": File(b"g", mtime_ns=T)}, mtime_ns=T)}, mtime_ns=T),
    b"tmp": Dir(mtime_ns=T),
    b"rules": File(b"- a\n+ c\n*.o\n", mtime_ns=T),
    b"list": File(b"a\nb/c\n./c\n", mtime_ns=T),
}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """One example: the trees in the directory where it is run, and the command line."""
    source = draw(sources())
    given_options = draw(options)
    top = {b"src": source, b"dst": draw(relatives(source))}
    if any("-dest" in option for option in given_options):
        top[b"alt"] = draw(relatives(source))
        if "--link-dest=../alt2" in given_options or "--compare-dest=../alt2" in given_options:
            top[b"alt2"] = draw(relatives(source))
    return {
        "tree": Dir(SURROUNDINGS | top, mtime_ns=T),
        "options": given_options,
        "arguments": draw(st.sampled_from(ARGUMENTS)),
        "own": draw(st.sampled_from(HOWS)),
        "nobody": draw(st.integers(0, 4)) == 4,
        # Reading, which is how trees are compared, sets access times.
        "twice": draw(st.integers(0, 2)) == 2 and not any("U" in word for word in given_options),
    }


#: What counts a protocol's bytes, or time.
_ROUGH = [
    (re.compile(rb"^sent .* bytes/sec$"), b"sent"),
    (re.compile(rb"speedup is \S+"), b"speedup"),
    (re.compile(rb"data=\d+$"), b"data"),
    (re.compile(rb"(File list .*|Total bytes (sent|received)|Literal data): .*$"), rb"\1"),
]
_OWN = re.compile(
    rb"^(this process|worker \d+): |: (new|size and time differ|size differs|time differs|contents differ|"
    rb"its target differs|its number differs)$"
)
#: What only rsync says: of a DEST for which nothing was selected it does not say that it was made, arsync does.
_UNSAID = re.compile(
    rb"^\[(sender|generator)\] (hid|show|protect|risk)ing |^created directory |^deleting in |^not creating new "
)
#: A further name of a file is itemized by rsync as what some other entry differs in.
_HARDLINK = re.compile(rb"^(h[fLDS])......... ")


def comparable(out: bytes, without: re.Pattern[bytes] | None = None) -> list[bytes]:
    """The lines, sorted: two of rsync's processes print them, each when it comes to it."""
    lines = []
    for line in out.split(b"\n"):
        for pattern, plain in _ROUGH:
            line = pattern.sub(plain, line)
        line = _HARDLINK.sub(rb"\1 ", line)
        if without is not None:
            line = without.sub(rb"\1...", line)
            if re.match(rb"\.[fdLDS]\.{9} ", line):
                continue
        if not (_OWN.search(line) or _UNSAID.search(line)):
            lines.append(line)
    return sorted(lines)


def _special(tree: Entry) -> bool:
    """Whether there are set-id files, whose change of owner rsync makes and does not show."""
    if isinstance(tree, Dir):
        return any(map(_special, tree.entries.values()))
    return isinstance(tree, File) and bool(tree.mode & 0o6000)


def look(top: bytes, began: int) -> Snapshot:
    """All that is in the directory of a run; what was given no time has that at which it was made."""
    found = snapshot(top)
    del found[b""]
    for entry in found.values():
        if entry["mtime"] >= began:
            entry["mtime"] = "now"
    return found


def fixed(
    options: str,
    src: dict[bytes, Entry] | Dir,
    dst: dict[bytes, Entry] | Dir,
    arguments: str = "src/ dst",
    *,
    nobody: bool = False,
    **others: Dir,
) -> dict[str, Any]:
    """A case that is written down."""
    top = {b"src": src, b"dst": dst} | {name.encode(): tree for name, tree in others.items()}
    trees = {name: tree if isinstance(tree, Dir) else Dir(tree, mtime_ns=T) for name, tree in top.items()}
    words = options.split()
    return {
        "tree": Dir(SURROUNDINGS | trees, mtime_ns=T),
        "options": words,
        "arguments": arguments.split(),
        "own": [],
        "nobody": nobody,
        "twice": True,
    }


F = File(b"f", mtime_ns=T)
LATER = File(b"f", mtime_ns=T + 1)
LABELLED = File(b"f", mtime_ns=T, xattrs={b"user.k": b"v"})
READ_ONLY = Dir({}, 0o555, T, xattrs=LABELLED.xattrs)
NOBODYS = File(b"f", mtime_ns=T, owner=(65534, 65534))
_NAMED = File(
    b"f",
    mtime_ns=T,
    xattrs={
        b"system.posix_acl_access": acl(
            (1, 6, _NO_ID), (2, 4, 12), (2, 7, 13), (4, 4, _NO_ID), (8, 5, 12), (16, 6, _NO_ID), (32, 4, _NO_ID)
        )
    },
)
_DEFAULT = Dir(mtime_ns=T, xattrs={b"system.posix_acl_default": DEFAULT_ACL})

#: What differed once.
FIXED = [
    fixed("-r", {b"a": F, b"d": Dir({b"b": F}, mtime_ns=T), b"p": Fifo(mtime_ns=T)}, _DEFAULT),
    fixed("-r", {b"a": F}, _DEFAULT, "src/ dst/d"),
    fixed("-aA --usermap=12:65534,13:7 --groupmap=12:65534", {b"a": _NAMED, b"n": _NAMED}, {b"a": _NAMED})
    | {"twice": False},
    fixed("-a --fake-super", {b"l": Symlink(b"a", T)}, {b"l": Symlink(b"a", T)}),
    fixed("-r --out-format=%U|%G|%f", {b"a": NOBODYS}, {}),
    fixed(
        "-a --out-format=%U|%G|%f|%n",
        {b"a": NOBODYS, b"b": Dir({b"c": F}, mtime_ns=T)},
        {},
        "--files-from=list src dst",
    ),
    fixed("-A --no-p -r", {b"a": File(b"f", 0o600, T)}, {b"a": F}),
    fixed(
        "-aX",
        {b"a": LABELLED, b"d": Dir({}, mtime_ns=T, xattrs=LABELLED.xattrs)},
        {b"a": LATER, b"d": Dir({}, mtime_ns=T + 1)},
    ),
    *(
        fixed(
            "-a --delete" + when,
            {b"b": Dir({b"a": F}, mtime_ns=T), b"c": F},
            {b"b": Dir({b"k": F}, mtime_ns=T)},
            arguments,
        )
        for when, arguments in (
            ("", "src/a/ src/b dst/"),
            ("-after", "src/c/ src/b dst/"),
            ("", "src/nowhere src/b dst/"),
            ("-before", "src/nowhere/at/all src/b dst/"),
        )
    ),
    fixed("-a -T a", {b"a": F}, {}, "src/ new"),
    fixed(
        "-aX",
        {b"a": File(b"f", 0o444, T, xattrs=LABELLED.xattrs), b"d": Dir({b"e": READ_ONLY}, 0o555, T)},
        {b"a": File(b"f", 0o444, T), b"d": Dir({b"f": F}, 0o555, T)},
        nobody=True,
    ),
    fixed("-aX", {b"a": File(b"g", 0o444, T, xattrs=LABELLED.xattrs), b"d": READ_ONLY}, {b"a": F}, nobody=True),
    fixed("-a --chmod=u+x --out-format=%B|%n", {b"p": Fifo(mtime_ns=T), b"d": Dir({}, 0o500, T)}, {}),
    fixed("-a --chmod=go= --list-only", {b"p": Fifo(mtime_ns=T), b"d": Dir({}, 0o555, T)}, {}),
    fixed("-a --exclude=*", Dir({b"c": F}, 0o700, T), {}, "--files-from=list src dst"),
    fixed("-a --exclude=d", Dir({b"c": F}, 0o700, T), {}, "--files-from=list src dst"),
    fixed("-a --delete-missing-args", {b"c": F}, {}, "-R src/a/b dst"),
    fixed("-a --list-only --existing", {b"a": Dir({b"b": F}, mtime_ns=T)}, {}),
    fixed("-a -vv --append", {b"a": F}, {}),
    fixed("-a -vv --no-W", {b"a": F}, {}),
    fixed("-a", Dir({b"a": F}, 0o555, T), Dir({b"b": F}, 0o555, T), nobody=True),
    fixed("-rt", Dir({b"a": F}, 0o555, T), Dir({b"b": F}, 0o555, T), nobody=True),
    fixed("-rt", {b"a": F}, Dir({b"b": F}, 0o555, T), "src dst", nobody=True),
]


@pytest.mark.parametrize("case", FIXED, ids=lambda case: " ".join(case["options"] + case["arguments"]))
def test_fixed(room: bytes, runner: Forked, case: dict[str, Any]) -> None:
    check(case, room, runner, print)


@pytest.fixture(scope="module")
def runner() -> Iterator[Forked]:
    with Forked() as forked:
        yield forked


@pytest.fixture(scope="module")
def room() -> Iterator[bytes]:
    top = os.fsencode(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    os.chmod(top, 0o755)
    yield top
    shutil.rmtree(top)


def prepare(top: bytes, tree: Dir, nobody: bool) -> None:
    """Make the trees of one run anew."""
    shutil.rmtree(top, ignore_errors=True)
    os.mkdir(top)
    for name, entry in tree.entries.items():
        create(os.path.join(top, name), entry)
    for path, _, names in os.walk(top):
        for name in names:
            status = os.lstat(os.path.join(path, name))
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                os.utime(os.path.join(path, name), ns=(T, T))
    if nobody:
        for path, _, names in os.walk(top):
            for name in (path, *(os.path.join(path, name) for name in names)):
                status = os.lstat(name)
                if status.st_uid == 0:
                    os.chown(name, 65534, 65534, follow_symlinks=False)
                    if not os.path.islink(name):
                        os.chmod(name, status.st_mode & 0o7777)


def meant(case: dict[str, Any]) -> bool:
    """Whether what rsync does with a case is meant to differ."""
    words, source = case["options"], case["tree"].entries[b"src"]
    # At -vvv rsync tells of its inner workings; most of what --debug shows is accepted and says nothing.
    told = sum(word in ("-v", "-vv") for word in words) > 1
    # An empty directory, alone, to a DEST that does not exist: rsync makes DEST that directory.
    # An empty directory, alone, to a DEST that does not exist.
    a = source.entries.get(b"a")
    empty = not source.entries and case["arguments"][-1] in ("new", "dst/d")
    empty = empty or (isinstance(a, Dir) and not a.entries and case["arguments"] == ["src/a", "dst/b"])
    # Where ids of ACLs are translated, rsync shows that they differ although they do not.
    acls = any(word == "-A" or word.startswith("-aHAX") for word in words)
    shown = acls and any(word.startswith(("--usermap", "--groupmap", "--chown")) for word in words)
    # A new directory that gets the source's missing permissions keeps an ordinary user's rsync from filling it.
    closed = (
        case["nobody"]
        and (any("X" in word for word in words) or not _perms(words))
        and _closed_or_special(source, 0o200, 0)
    )
    # An ordinary user who is not in the group that a new directory inherits loses its set-group-ID bit by chmod.
    bit = case["nobody"] and not _perms(words) and _closed_or_special(case["tree"], 0, 0o2000)
    # What an ordinary user may not write to keeps rsync from deleting the directory that it is in.
    locked = case["nobody"] and _closed_or_special(case["tree"].entries[b"dst"], 0o200, 0) and _deletes(words)
    # With -X and without -p, rsync gives an entry whose attributes differ the source's mode.
    modes = any("X" in word for word in words if re.match("-[^-]", word)) and not _perms(words)
    # It makes a new file of --copy-dest with the mode of what stood in its place, be it a symlink's.
    old = case["tree"].entries[b"dst"].entries
    odd = (
        any("-dest=" in word for word in words)
        and not _perms(words)
        and any(type(old.get(name, entry)) is not type(entry) for name, entry in source.entries.items())
    )
    # It sets the bits of directories aside.
    bits = "--fake-super" in words and _closed_or_special(case["tree"], 0, 0o7000)
    # Where a symlink keeps its place, it copies to where that leads; anything else gets the directory's time.
    dst = case["tree"].entries[b"dst"]
    kept = "--ignore-existing" in words and _in_the_way(source, dst)
    return bit or locked or bits or kept or told or empty or shown or closed or modes or odd


def _deletes(words: list[str]) -> bool:
    return any(word.startswith(("--del", "--force")) for word in words)


def _perms(words: list[str]) -> bool:
    """Whether permissions are copied."""
    return any(re.match("-(a|p|rlp|[^-]*A)", word) for word in words) and "--no-p" not in words


def _closed_or_special(tree: Entry, without: int, having: int) -> bool:
    """Whether there is a directory whose mode is without these bits, or has one of those."""
    return isinstance(tree, Dir) and (
        bool(without & ~tree.mode)
        or bool(tree.mode & having)
        or any(_closed_or_special(entry, without, having) for entry in tree.entries.values())
    )


def _in_the_way(source: Entry, dst: Entry | None) -> bool:
    """Whether there is something else where a directory goes."""
    if not isinstance(source, Dir) or dst is None:
        return False
    return not isinstance(dst, Dir) or any(
        _in_the_way(entry, dst.entries.get(name)) for name, entry in source.entries.items()
    )


#: What is shown of mode, owner and group.
_OWNERS = re.compile(rb"^([.<>ch][fdLDS]...)(?:[p.][o.][g.])")


def compare(
    expected: Result, actual: Result, theirs: bytes, ours: bytes, began: int, without: re.Pattern[bytes] | None
) -> None:
    assert actual.code == expected.code
    if expected.code in (ExitCode.PARTIAL, ExitCode.VANISHED):
        # rsync shows what it is about to do, and then fails; arsync what it did.
        ours_only = set(comparable(actual.out, without)) - set(comparable(expected.out, without))
        assert not [line for line in ours_only if not line.startswith(b"total size")]
    else:
        assert comparable(actual.out, without) == comparable(expected.out, without)
    found = differences(look(theirs, began), look(ours, began))
    if expected.code in (ExitCode.PARTIAL, ExitCode.VANISHED):
        # A directory that had to make way and could not is left writable by rsync.
        found = [line for line in found if ": mode: " not in line]
    assert not found, "\n".join(found)


#: Exit codes of rsync whose own processes do not understand each other, as with -H where names are taken by full
#: directories. On some of these it hangs instead.
BROKEN = (2, 12)


class RsyncBrokenError(Exception):
    """There is nothing to compare with."""


def check(case: dict[str, Any], room: bytes, runner: Forked | None, say: Callable[[str], object]) -> None:
    """Run both, each on trees of its own, and compare."""
    theirs, ours = os.path.join(room, b"rsync"), os.path.join(room, b"arsync")
    prepare(theirs, case["tree"], case["nobody"])
    prepare(ours, case["tree"], case["nobody"])
    began = time.time_ns() - 10**8
    command = [*case["options"], "-i", *case["arguments"]]
    say(" ".join(map(repr, command)))
    for _ in range(1 + case["twice"]):
        expected = rsync(*command, cwd=theirs, nobody=case["nobody"], timeout=10)
        if expected.code in BROKEN:
            raise RsyncBrokenError
        how: dict[str, Any] = {"cwd": ours, "nobody": case["nobody"]}
        if runner is None:
            actual = arsync(*command, *case["own"], **how)
        else:
            actual = runner.run(*command, *case["own"], notes=os.path.join(room, b"notes"), **how)
        say(f"rsync: {expected}\narsync: {actual}")
        compare(expected, actual, theirs, ours, began, _OWNERS if _special(case["tree"]) else None)


def compare_drawn(case: dict[str, Any], room: bytes, runner: Forked | None) -> None:
    assume(not meant(case))
    try:
        check(case, room, runner, note)
    except (subprocess.TimeoutExpired, RsyncBrokenError):
        event("rsync hangs or breaks")
        assume(False)


@given(cases())
def test_everything(room: bytes, runner: Forked, case: dict[str, Any]) -> None:
    compare_drawn(case, room, runner)


@settings(max_examples=10)
@given(cases())
def test_everything_from_the_shell(room: bytes, case: dict[str, Any]) -> None:
    """The same of the command as it is started, which imports what it needs where it needs it."""
    assume(not case["nobody"])
    compare_drawn(case, room, None)
