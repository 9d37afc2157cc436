"""--delete and its like beside rsync: the same trees, lines and exit codes; and nothing outside of the destination."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.commands import arsync, arsync_as_nobody, rsync
from support.snapshot import Snapshot, assert_same, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9
OLD = T - 10**12

WHEN = ["--delete", "--delete-before", "--delete-delay", "--delete-after"]


def file(content: bytes = b"") -> File:
    return File(content, mtime_ns=T)


def old(**entries: Entry) -> Dir:
    return Dir({name.encode(): entry for name, entry in entries.items()}, mtime_ns=OLD)


SOURCE = Dir(
    {b"a": Dir({b"f": file()}, mtime_ns=T), b"b": Dir(mtime_ns=T), b"top": file(), b"l": Symlink(b"a", T)}, mtime_ns=T
)
DEST = Dir(
    {
        b"a": Dir(
            {
                b"x": Dir({b"y": Dir({b"1": file(b"1")}), b"2": file()}),
                b"e1": file(),
                b"e0": file(),
                b"z": Dir({b"9": Symlink(b"/etc", T)}),
            },
            mtime_ns=OLD,
        ),
        b"b": Dir({b"q": Dir({b"r": file()}, mtime_ns=T)}, mtime_ns=T),
        b"ex": Dir({b"keep": file(), b"m": file(), b"sub": Dir({b"deep": Dir({b"n": file()}), b"keep": file()})}),
        b"ex2": Dir({b"fifo": Fifo(), b"link": Symlink(b"../a", T)}),
        b"aaa": file(),
        b"keep": file(),
        b"\xff\n": file(),
        b"zzz": Dir(),
    },
    mtime_ns=OLD,
)


def deletions(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line.startswith((b"*del", b"deleting ", b"cannot delete"))]


def settled(top: bytes) -> Snapshot:
    """A snapshot in which all times but those that were set are the same: now."""
    found = snapshot(top)
    for entry in found.values():
        entry["mtime"] = entry["mtime"] if entry["mtime"] < T + 1 else "now"
    return found


def compare(
    here: bytes, options: list[str], source: Entry, dest: Entry, *arguments: bytes, own: tuple[str, ...] = ()
) -> int:
    """Run both on equal trees; the lines of deletions must come in the same order. Returns the exit code."""
    results, snapshots = [], []
    for command, more in ((rsync, []), (arsync, own)):
        shutil.rmtree(here)
        os.mkdir(here)
        create(os.path.join(here, b"src"), source)
        create(os.path.join(here, b"dst"), dest)
        done = command(*options, *more, *(arguments or (b"src/",)), b"dst", cwd=here)
        # rsync's processes print their own: which kind of line comes first is a matter of timing.
        results.append((done.code, sorted(done.lines), deletions(done.lines)))
        snapshots.append(settled(here))
    if "-v" in options:
        results = [(code, [], order) for code, _, order in results]
    assert results[1] == results[0]
    assert_same(*snapshots)
    return results[0][0]


@pytest.mark.parametrize("own", [(), ("--workers=2",)], ids=["local", "workers"])
@pytest.mark.parametrize("more", [[], ["-n"], ["-v"], ["--exclude=keep"], ["-n", "--exclude=keep"],
                                  ["--exclude=keep", "--delete-excluded"]], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("when", WHEN)
def test_what_is_deleted(here: bytes, when: str, more: list[str], own: tuple[str, ...]) -> None:
    compare(here, ["-a" if "-v" in more else "-ai", when, *more], SOURCE, DEST, own=own)


@pytest.mark.parametrize("limit", [-1, 0, 1, 3, 8, 100])
@pytest.mark.parametrize("more", [[], ["-n"]], ids=str)
def test_max_delete(here: bytes, limit: int, more: list[str]) -> None:
    code = compare(here, ["-ai", "--delete", f"--max-delete={limit}", *more], SOURCE, DEST)
    assert code == (0 if limit == 100 else 25)


def test_max_delete_says_how_many_were_skipped_and_takes_a_percentage(here: bytes) -> None:
    for command, limit in ((rsync, "2"), (arsync, "2"), (arsync, "10%")):
        create(os.path.join(here, b"src"), old(k=file()))
        create(os.path.join(here, b"dst"), old(**{f"f{n:02}": file() for n in range(20)}))
        done = command("-ai", "--delete", f"--max-delete={limit}", "src/", "dst", cwd=here)
        assert done.code == 25
        assert b"Deletions stopped due to --max-delete limit (18 skipped)\n" in done.err
        assert len(deletions(done.lines)) == 2
        shutil.rmtree(os.path.join(here, b"dst"))
    assert arsync("-a", "--delete", "--max-delete=many", "src/", "dst", cwd=here).code == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--existing", "--delete"],
        ["--ignore-existing", "--delete"],
        ["--existing", "--ignore-existing", "--delete-after"],
        ["--delete", "-x"],
        ["--delete", "--size-only", "-H"],
        ["--del", "--no-t"],
        ["--delete-delay", "--delete-during"],
        ["--delete", "--remove-nothing"][:1],
    ],
    ids=" ".join,
)
def test_with_other_options(here: bytes, options: list[str]) -> None:
    compare(here, ["-ai", *options], SOURCE, Dir({**DEST.entries, b"b": Dir()}, mtime_ns=OLD))


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize(
    "arguments", [(b"src/", b"src/a/"), (b"src/a", b"src/b"), (b"src/a/", b"src/b"), (b"src/top",)]
)
def test_several_sources(here: bytes, arguments: tuple[bytes, ...], when: str) -> None:
    compare(here, ["-ai", when], SOURCE, DEST, *arguments)


KINDS: dict[str, Entry] = {
    "file": file(b"new"),
    "directory": Dir({b"in": file(b"in it")}, mtime_ns=T),
    "symlink": Symlink(b"target", T),
    "device": Device(0o020644, os.makedev(1, 3)),
}
THERE: dict[str, Entry] = {
    "file": File(b"old!", mtime_ns=OLD),
    "full": Dir({b"keep": file(), b"in1": file(), b"sub": Dir({b"in2": file()})}, mtime_ns=OLD),
    "empty": Dir(mtime_ns=OLD),
    "link to directory": Symlink(b"../outside", OLD),
    "fifo": Fifo(mtime_ns=OLD),
}


@pytest.mark.needs_root
@pytest.mark.parametrize("options", [[], ["--force"], ["--delete"], ["--delete-after"], ["--delete", "--exclude=keep"],
                                     ["--force", "--exclude=keep"]], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("own", [(), ("--workers=2",)], ids=["local", "workers"])
def test_other_kinds_in_the_way(here: bytes, options: list[str], own: tuple[str, ...]) -> None:
    """Everything stands in the way of everything."""
    source = {f"{one} {other}".encode(): entry for one, entry in KINDS.items() for other in THERE}
    dest = {f"{one} {other}".encode(): entry for one in KINDS for other, entry in THERE.items()}
    tree = {b"src": Dir(source, mtime_ns=T), b"outside": old(f=file()), b"dst": Dir(dest, mtime_ns=OLD)}
    for mode in ["-ani"] if options else [], ["-ai"]:
        results = []
        for command, more in ((rsync, []), (arsync, own)) if mode else ():
            shutil.rmtree(here)
            create(here, Dir(tree))
            done = command(*mode, *options, *more, b"src/", b"dst", cwd=here)
            results.append((done.code, sorted(done.lines), snapshot(here, times=False)))
        assert results[1:] == results[:1]


def test_a_limit_holds_for_what_is_in_the_way_too(here: bytes) -> None:
    for limit in (1, 2, 3, 4):
        options = ["-ai", "--delete", f"--max-delete={limit}"]
        assert compare(here, options, old(x=file(b"new")), old(x=THERE["full"])) == (0 if limit == 4 else 23)


def test_hard_links_into_the_place_of_a_full_directory(here: bytes) -> None:
    source = old(a=file(b"linked"), m=Hardlink(b"a"), z=Hardlink(b"a"))
    create(os.path.join(here, b"src"), source)
    for command in (rsync, arsync):
        dst = os.path.join(here, command.__name__.encode())
        create(dst, old(m=THERE["full"], z=THERE["full"]))
        assert command("-aH", "--delete", "src/", dst, cwd=here).code == 0
    assert_same(snapshot(os.path.join(here, b"rsync")), snapshot(os.path.join(here, b"arsync")))


@pytest.mark.parametrize("when", ["--delete-before", "--delete-after"])
@pytest.mark.parametrize(
    "arguments",
    ["-avv src/", "-avv src", "-avv src/a src/b src/top", "-aRvv src/a", "-aRvv src/./a src/./b", "-dvv src/",
     "-dvv src", "-dvv src/a src/b/", "-avv --existing src/b", "-rvv --files-from=list src", "-a --debug=del src/",
     "-avv --debug=del0 src/", "-anvv src/", "-avvLL --include=/a --exclude=* src/a src/b dangling"],
)  # fmt: skip
def test_which_directories_are_looked_through(here: bytes, arguments: str, when: str) -> None:
    """At -vv: those that arguments name, in their place among what is deleted; and where it stops."""
    create(os.path.join(here, b"src"), SOURCE)
    create(os.path.join(here, b"list"), File(b"a\nb/\n"))
    os.symlink(b"nowhere", os.path.join(here, b"dangling"))
    found = []
    for command in (rsync, arsync):
        create(os.path.join(here, command.__name__.encode()), DEST)
        done = command(*arguments.split(), *when.split(), command.__name__, cwd=here)
        lines = [line for line in done.lines if line.startswith((b"deleting", b"IO error", b"cannot delete"))]
        found.append((done.code, lines))
    assert found[1] == found[0]


@pytest.mark.parametrize("options", ["-avvn --delete-before", "-avv --delete-after", "-avvn --delete-after"])
def test_where_nothing_is_yet_there_is_nothing_to_look_through(here: bytes, options: str) -> None:
    create(os.path.join(here, b"src"), SOURCE)
    found = [
        [line for line in command(*options.split(), "src", "new/" + command.__name__, "--mkpath", cwd=here).lines
         if line.startswith(b"deleting")]
        for command in (rsync, arsync)
    ]  # fmt: skip
    assert found[1] == found[0]
    assert bool(found[0]) != ("n" in options.split()[0])


def test_stats_count_what_was_deleted_by_kind(here: bytes) -> None:
    found = []
    create(os.path.join(here, b"src"), SOURCE)
    for command in (rsync, arsync):
        create(os.path.join(here, b"dst"), DEST)
        done = command("-a", "--delete", "--stats", "src/", "dst", cwd=here)
        found.append([line for line in done.lines if line.startswith(b"Number of deleted files")])
        shutil.rmtree(os.path.join(here, b"dst"))
    assert found[1] == found[0]
    assert b"24 (reg: 12, dir: 9, link: 2, special: 1)" in found[0][0]


@pytest.mark.needs_root
@pytest.mark.parametrize("options", [["--delete"], ["--delete-before"], ["--delete-after"], ["--delete-delay"],
                                     ["--delete-after", "--ignore-errors"], ["--delete", "--ignore-errors"]],
                         ids=" ".join)  # fmt: skip
def test_a_source_that_cannot_be_listed_is_no_reason_to_delete(here: bytes, options: list[str]) -> None:
    nobody = (65534, 65534)
    results = []
    for command in (rsync, arsync_as_nobody):
        shutil.rmtree(here)
        create(here, Dir({
            b"src": Dir(
                {b"a": Dir({b"f": file()}, mtime_ns=T), b"m": Dir(mode=0, mtime_ns=T), b"z": Dir(mtime_ns=T)},
                mtime_ns=T,
            ),
            b"dst": Dir({name: Dir({b"old": file()}, mtime_ns=T) for name in (b"m", b"z")}, mtime_ns=T),
        }))  # fmt: skip
        for path, directories, _ in os.walk(here):
            for name in [b"", *directories]:
                os.chown(os.path.join(path, name), *nobody)
        done = command("-a", *options, "src/", "dst", cwd=here, **({"nobody": True} if command is rsync else {}))
        results.append((done.code, done.lines, snapshot(os.path.join(here, b"dst"), times=False)))
    if "--ignore-errors" in options:
        # What is in "m" may well be in the source: arsync keeps it (docs/differences.md).
        assert results[1][2].pop(b"m/old")
    assert results[1] == results[0]
    assert (b"IO error encountered -- skipping file deletion" in results[1][1]) != ("--ignore-errors" in options)


@pytest.mark.needs_root
@pytest.mark.parametrize(
    "options", [["--delete"], ["--delete", "-x"], ["--delete", "-x", "-n"], ["--delete", "-n"]], ids=" ".join
)
def test_mount_points(here: bytes, options: list[str]) -> None:
    results = []
    for command in (rsync, arsync):
        create(os.path.join(here, b"src"), old(k=old()))
        create(os.path.join(here, b"dst"), old(m=old(), k=old(m2=old(), z=file()), e=old(x=file(), mm=old())))
        mounts = [os.path.join(here, b"dst", name) for name in (b"m", b"e/mm", b"k/m2")]
        for mount in mounts:
            if subprocess.run(["mount", "-t", "tmpfs", "none", mount], check=False).returncode:
                pytest.skip("nothing can be mounted here")
            open(os.path.join(mount, b"file"), "w").close()
        try:
            done = command("-ai", *options, "src/", "dst", cwd=here)
            results.append((done.code, sorted(done.lines), snapshot(os.path.join(here, b"dst"), times=False).keys()))
        finally:
            for mount in mounts:
                subprocess.run(["umount", mount], check=True)
            shutil.rmtree(os.path.join(here, b"dst"))
    assert results[1] == results[0]


@pytest.mark.needs_root
def test_what_cannot_be_deleted_is_said(here: bytes) -> None:
    results = []
    for command in (rsync, arsync_as_nobody):
        shutil.rmtree(here)
        create(here, Dir({b"src": Dir(), b"dst": old(p=old(f=file()), q=old(d=old(f=file())), g=file())}))
        for path in (b"", b"src", b"dst", b"dst/q", b"dst/q/d"):
            os.chown(os.path.join(here, path), 65534, 65534)
        os.chmod(os.path.join(here, b"dst/q"), 0o555)
        done = command("-ai", "--delete", "src/", "dst", cwd=here, **({"nobody": True} if command is rsync else {}))
        results.append((done.code, sorted(done.lines), snapshot(os.path.join(here, b"dst"), times=False)))
        assert b"p/f" in done.err
    assert results[1] == results[0]
    assert results[0][0] == 23


def test_an_empty_source_is_warned_of_or_refused(here: bytes) -> None:
    create(os.path.join(here, b"src"), Dir({b"named": Dir()}))
    create(os.path.join(here, b"dst"), Dir({b"f": file(), b"named": Dir({b"g": file()})}))
    before = snapshot(os.path.join(here, b"dst"))
    for arguments in (["src/named/", "dst"], ["src/named", "dst"]):
        refused = arsync("-a", "--delete", "--delete-guard", *arguments, cwd=here)
        assert (refused.code, refused.out) == (3, b"")
        assert b"nothing was changed" in refused.err
        assert_same(before, snapshot(os.path.join(here, b"dst")))
        assert b"WARNING" in arsync("-an", "--delete", *arguments, cwd=here).err
    create(os.path.join(here, b"src"), Dir({b"named": Dir({b"new": file()})}))
    done = arsync("-a", "--delete", "--delete-guard", "src/named", "dst", cwd=here)
    assert (done.code, done.err) == (0, b"")
    assert sorted(os.listdir(os.path.join(here, b"dst/named"))) == [b"new"]


def test_many_are_deleted_by_workers_and_the_directory_keeps_its_time(here: bytes) -> None:
    for when in WHEN:
        create(os.path.join(here, b"src"), Dir({b"d": Dir({b"f0001": file()}, mtime_ns=T)}, mtime_ns=T))
        many = {b"f%04d" % n: file() for n in range(900)}
        create(os.path.join(here, b"dst"), Dir({b"d": Dir(many, mtime_ns=OLD), b"gone": Dir(many)}, mtime_ns=OLD))
        done = arsync("-a", "--workers=2", when, "src/", "dst", cwd=here)
        assert (done.code, done.err) == (0, b"")
        assert_same(snapshot(os.path.join(here, b"src")), snapshot(os.path.join(here, b"dst")))


def test_many_names_are_remembered_in_a_file(here: bytes) -> None:
    create(os.path.join(here, b"src"), Dir({b"d": Dir({b"f": file()}, mtime_ns=T), b"e": Dir(mtime_ns=T)}, mtime_ns=T))
    for directory in (b"dst/d", b"dst/e"):
        os.makedirs(os.path.join(here, directory))
        for n in range(6_000):
            os.mknod(os.path.join(here, directory, b"%d" % n))
    done = arsync("-a", "--delete-delay", "src/", "dst", cwd=here)
    assert (done.code, done.err) == (0, b"")
    assert_same(snapshot(os.path.join(here, b"src")), snapshot(os.path.join(here, b"dst")))


def test_deep_trees(here: bytes) -> None:
    os.mkdir(os.path.join(here, b"src"))
    os.mkdir(os.path.join(here, b"dst"))
    fd = os.open(os.path.join(here, b"dst"), os.O_RDONLY)
    for _ in range(1500):
        os.mkdir(b"d", dir_fd=fd)
        fd, above = os.open(b"d", os.O_RDONLY, dir_fd=fd), fd
        os.close(above)
    os.close(fd)
    done = arsync("-a", "--delete", "--max-delete=99%", "src/", "dst", cwd=here)
    assert done.code == 25
    done = arsync("-a", "--delete", "src/", "dst", cwd=here)
    assert done.code == 0
    assert os.listdir(os.path.join(here, b"dst")) == []


def test_directories_swapped_for_symlinks_are_not_followed(here: bytes) -> None:
    """Somebody who owns a directory of the destination swaps directories in it for links out of it all the time."""
    outside, dst = os.path.join(here, b"outside"), os.path.join(here, b"dst")
    names = {b"f%02d" % n: file() for n in range(40)}
    create(outside, Dir(names))
    create(os.path.join(here, b"src"), Dir({b"d%d" % n: Dir() for n in range(0, 30, 2)}))
    create(dst, Dir({b"d%d" % n: Dir(names) for n in range(30)}))
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for n in range(30):
                name = os.path.join(dst, b"d%d" % n)
                try:
                    os.rename(name, name + b"x")
                    os.symlink(outside, name)
                    time.sleep(0.0002)
                    os.unlink(name)
                    os.rename(name + b"x", name)
                except OSError:
                    continue

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for when in WHEN:
            assert arsync("-a", "--workers=2", when, "src/", "dst", cwd=here).code in (0, 23)
    finally:
        over.set()
        thread.join()
    assert len(os.listdir(outside)) == 40


names = st.sampled_from([b"a", b"b", b"B", b"c.o", b"c-", b"keep"])
leaves = st.one_of(st.builds(file, st.sampled_from([b"", b"x"])), st.just(Symlink(b"a", T)), st.just(Fifo(mtime_ns=T)))
trees = st.recursive(
    leaves,
    lambda inner: st.builds(Dir, st.dictionaries(names, inner, max_size=4), mtime_ns=st.sampled_from([T, OLD])),
    max_leaves=8,
)
tops = st.builds(Dir, st.dictionaries(names, trees, max_size=5), mtime_ns=st.just(T))
extra = st.lists(
    st.sampled_from(
        ["-n", "--max-delete=2", "--exclude=keep", "--delete-excluded", "--exclude=*.o", "--force", "-m", "--existing"]
    ),
    max_size=3,
    unique=True,
)


@given(
    tops,
    tops,
    st.sampled_from(WHEN),
    extra,
    st.sampled_from([[], ["--workers=2"], ["--workers=1", "--io-engine=uring"]]),
)
def test_random_trees(here: bytes, source: Dir, dest: Dir, when: str, more: list[str], own: tuple[str, ...]) -> None:
    compare(here, ["-ai", when, *more], source, dest, own=own)
