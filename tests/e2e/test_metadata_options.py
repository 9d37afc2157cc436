"""The options about metadata, rsync and arsync side by side: same tree, same lines, same exit code."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from support.commands import NOBODY, Result, arsync, arsync_as_nobody, rsync
from support.snapshot import Snapshot, assert_same, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

T = 1_600_000_000 * 10**9
S = 10**9

Run = Callable[..., Result]

#: Files of many modes and owners, and one of each other kind; the same names stand in OLD with other metadata.
SOURCE = Dir(
    {
        b"new": File(b"new", 0o751, T),
        b"set-id": File(b"set-id", 0o6755, T, (5, 6)),
        b"same": File(b"same", 0o644, T, (7, 8)),
        b"mode": File(b"mode", 0o755, T),
        b"no x": File(b"no x", 0o644, T),
        b"owner": File(b"owner", 0o600, T, (4321, 1234)),
        b"later": File(b"later", 0o644, T + 2 * S),
        b"nano": File(b"nano", 0o644, T + 5),
        b"text": File(b"new text", 0o664, T),
        b"link": Symlink(b"new", T),
        b"old link": Symlink(b"same", T),
        b"fifo": Fifo(0o640, T),
        b"null": Device(0o20666, os.makedev(1, 3)),
        b"d": Dir({b"in": File(b"in", 0o604, T)}, 0o2775, T, (1, 1)),
        b"e": Dir({b"f": File(b"f", 0o4711, T)}, 0o1777, T),
    },
    0o750,
    T,
)
OLD = Dir(
    {
        b"same": File(b"same", 0o644, T, (7, 8)),
        b"mode": File(b"mode", 0o640, T),
        b"no x": File(b"no x", 0o755, T),
        b"owner": File(b"owner", 0o600, T),
        b"later": File(b"later", 0o644, T),
        b"nano": File(b"nano", 0o644, T + 9),
        b"text": File(b"text", 0o6711, T - S),
        b"link": Symlink(b"same", T),
        b"old link": Symlink(b"same", T - S),
        b"fifo": Fifo(0o600, T),
        b"d": Dir({b"in": File(b"in", 0o644, T)}, 0o755, T - S),
    },
    0o755,
    T - S,
)


def both(
    here: bytes,
    *options: str,
    source: Entry = SOURCE,
    old: Entry | None = OLD,
    prepare: Callable[[bytes], object] | None = None,
    umask: int = 0o022,
    own: tuple[str, ...] = (),
    ours: Run = arsync,
    **how: object,
) -> tuple[Result, Result]:
    """Run both commands, each on trees of its own; ``prepare`` is given the top of each pair of trees. Their exit
    codes, lines and trees must be the same."""
    found: list[tuple[Result, Snapshot]] = []
    for name, command in ((b"rsync", rsync), (b"arsync", ours)):
        top = os.path.join(here, name)
        shutil.rmtree(top, ignore_errors=True)
        os.mkdir(top)
        create(os.path.join(top, b"src"), source)
        if old is not None:
            create(os.path.join(top, b"dst"), old)
        if prepare is not None:
            prepare(top)
        extra = own if command is ours else ()
        done = command("-ii", *options, *extra, b"src/", b"dst", cwd=top, before=lambda: os.umask(umask), **how)
        dst = os.path.join(top, b"dst")
        found.append((done, _without_now(snapshot(dst)) if os.path.exists(dst) else {}))
    (expected, expected_tree), (actual, tree) = found
    assert (actual.code, sorted(actual.lines)) == (expected.code, sorted(expected.lines)), (expected, actual)
    assert_same(expected_tree, tree)
    return expected, actual


def _without_now(tree: Snapshot) -> Snapshot:
    """What has the time of its making has it in both."""
    for entry in tree.values():
        if entry["mtime"] > T + 1000 * S:
            entry["mtime"] = "now"
    return tree


@pytest.mark.parametrize(
    "options",
    [
        "-rE", "-rtE", "-rlptE", "-rtE --chmod=F=rx", "-rtE --chmod=a+x", "-rt --chmod=ugo=rwX",
        "-rtp --chmod=g-w,o=", "-a --chmod=Dg+s,ug+w,Fo-w,+X", "-a --chmod=D2775,F664",
        "-a --chmod=u=rwx --chmod=go=u,o-w",
        "-rlt --chmod=u+s",
        "-a --chmod=0", "-a --chmod=7777", "-a --chmod=F=", "-rltg --chmod=g=o", "-a --chmod=D700 -n",
        "-a --omit-dir-times", "-aO", "-aJ", "-aOJ", "-rltJO --no-J --no-O", "-rlJ", "-rO",
        "-a --no-super", "-rlptgoD --no-super --chown=3:4", "-a --super", "-a --super --no-super", "-a --drop-D",
        "-a --drop-D --no-drop-D", "-rlpt --drop-D", "-a --fake-super --no-super", "-a -@1", "-a -@2", "-a -@-1",
        "-a -@-2", "-au -@2",
        "-rlptu --modify-window=3", "-a --modify-window=0", "-ac --cc=xxh128", "-a --cc=none",
        "-ac --checksum-choice=none,md5",
        "-rt", "-r", "-rl", "-rp", "-ro", "-rg", "-rogp", "-rlog", "-a --numeric-ids",
        "-a --executability", "-a --inplace --chmod=F600", "-rtE --inplace", "-rtp --inplace --chown=2:3",
    ],
)  # fmt: skip
def test_options(here: bytes, options: str) -> None:
    both(here, *options.split())


@pytest.mark.parametrize("options", ["-rt", "-rt --inplace", "-rt --append", "-rt --size-only", "-rt --existing"])
@pytest.mark.parametrize(("owner", "mode"), [("2:3", 0o711), ("1:3", 0o4711), ("2:1", 0o2711), ("1:1", 0o6711)])
def test_set_id_bits_are_not_handed_on(here: bytes, options: str, owner: str, mode: int) -> None:
    """Without -p they were given to what the file's owner had there, and are not handed on to another."""
    same = "--size-only" in options or "--existing" in options
    create(os.path.join(here, b"s"), Dir({b"f": File(b"text", 0o755, T)}))
    create(os.path.join(here, b"d"), Dir({b"f": File(b"text" if same else b"te", 0o6711, T, (1, 1))}))
    assert arsync(*options.split(), f"--chown={owner}", "s/", "d", cwd=here).code == 0
    st = os.stat(os.path.join(here, b"d/f"))
    assert oct(stat.S_IMODE(st.st_mode)) == oct(mode)
    assert f"{st.st_uid}:{st.st_gid}" == owner


@pytest.mark.parametrize(
    "options", ["-rtE", "-a --chmod=Dg+s,F-x", "-rlpt --no-super --chown=3:4", "-aOJ", "-a --drop-D"]
)
def test_into_nothing(here: bytes, options: str) -> None:
    both(here, *options.split(), old=None)


@pytest.mark.parametrize("own", ["--io-engine=uring", "--io-engine=plain", "--workers=2"])
@pytest.mark.parametrize("options", ["-aU --chmod=go=", "-rtpE --chown=5:6", "-aU@-1"])
def test_every_engine(here: bytes, options: str, own: str) -> None:
    both(here, *options.split(), own=(own,))


MAPS = [
    "*:nobody", "*:12345", "*:nosuch", "nosuch:root", ":root", "root:daemon", "0:daemon", "0-5:daemon", "5-0:daemon",
    "7-3:daemon", "0-0:daemon",
    "a-b:1", "-5:daemon", "ro*:daemon", "r[op]ot:1", "00:1", "*:-1", "*:4294967294", "*:1:2", "*:1x", "ro?t:2,*:3",
    "?*:daemon", "4321:1", "4000-5000:2", "root:1,:2", ":9,games:3,*:0", "7:8,8:7", "games:,1:2", "root:", "daemon", "",
    ",", "*:1,", "0-:daemon", "0-5x:1", "1-2-3:3", "0 :1", "0x0:1",
]  # fmt: skip


NUMERIC = ["*:12345", "root:daemon", "0:daemon", ":root", "ro*:daemon", "root:1,:2", ":9,games:3,*:0"]


@pytest.mark.parametrize(
    ("text", "ids"), [(text, []) for text in MAPS] + [(text, ["--numeric-ids"]) for text in NUMERIC]
)
def test_maps(here: bytes, text: str, ids: list[str]) -> None:
    expected, actual = both(here, "-rlpt", f"--usermap={text}", f"--groupmap={text}", *ids)
    assert actual.err.count(b"nknown --") == expected.err.count(b"nknown --")


@pytest.mark.parametrize(
    "options",
    [
        "--chown=nobody:nogroup", "--chown=:nogroup", "--chown=nobody:", "--chown=", "--chown=:", "--chown=a:b:c",
        "--chown=5:6", "--chown=*:1", "--chown=1:1 --usermap=0:2", "--usermap=0:2 --chown=1:1",
        "--chown=2:3 --groupmap=4:5",
        "--usermap=0:2 --usermap=0:3", "--chown=:3 --usermap=0:2", "--chown=2 --chown=:5", "--chown=2 --chown=3",
        "--usermap=*:1 --no-o", "--no-o --usermap=*:1", "--no-g --chown=:9", "--chmod=u:x", "--chmod=",
        "--chmod=u+x,,g+w",
        "--chmod=8", "--chmod=17777", "--chmod=DF644", "--chmod=g=ur", "--chmod=a", "--cc=nope", "--cc=md5,nope",
        "--cc=", "--fake-super -XX",
        "--cc=nope,md5", "-c --cc=none", "-c --cc=md5,none", "--cc=MD5,Auto", "-@x", "-@1.5", "--no-E", "--no-chmod",
        "--modify-window=99999999999999",
    ],
)  # fmt: skip
def test_what_is_refused_and_what_is_not(here: bytes, options: str) -> None:
    both(here, "-a", *options.split())


clauses = st.one_of(
    st.builds(
        "{}{}{}{}".format,
        st.sampled_from(["", "", "D", "F"]),
        st.text("ugoa", max_size=3),
        st.sampled_from("+-="),
        st.one_of(st.text("rwxXst", max_size=3), st.sampled_from("ugo")),
    ),
    st.builds("{}{:o}".format, st.sampled_from(["", "D", "F"]), st.integers(0, 0o10000)),
    st.text("DFugoa+-=rwxXst08", max_size=4),
)
MODES = [0, 0o644, 0o755, 0o7777, 0o4711, 0o2470, 0o1007, 0o700, 0o70]


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(st.lists(clauses, min_size=1, max_size=3), st.booleans(), st.sampled_from([0o022, 0o077, 0]))
def test_chmod_strings(here: bytes, texts: list[str], perms: bool, umask: int) -> None:
    kinds: dict[bytes, Entry] = {b"f%o" % mode: File(mode=mode, mtime_ns=T) for mode in MODES}
    tree = Dir(kinds | {b"d%o" % mode: Dir(mode=mode, mtime_ns=T) for mode in MODES}, 0o755, T)
    old = Dir({b"f%o" % mode: File(mode=mode ^ 0o111, mtime_ns=T) for mode in MODES[::2]}, 0o755, T)
    option = ["--chmod=" + ",".join(texts)] if umask else ["--chmod=" + text for text in texts]
    both(here, "-rtp" if perms else "-rtE", *option, source=tree, old=old, umask=umask)


PRIVILEGED = Dir(
    {
        b"plain": File(b"plain", 0o644, T, xattrs={b"user.u": b"u", b"trusted.t": b"t"}),
        b"owned": File(b"owned", 0o640, T, (1, 2)),
        b"set-id": File(b"set-id", 0o6755, T),
        b"unreadable": File(b"unreadable", 0o040, T),
        b"link": Symlink(b"target", T),
        b"fifo": Fifo(0o644, T),
        b"null": Device(0o20666, os.makedev(1, 3)),
        b"block": Device(0o60640, os.makedev(7, 77)),
        b"closed": Dir({b"in": File(b"in", 0o600, T, (3, 4))}, 0o1500, T),
        b"shared": Dir({}, 0o2777, T, (5, 6)),
    },
    0o1755,
    T,
)


@pytest.mark.parametrize("options", ["-a", "-aX", "-aAX", "-rltog", "-rtog", "-a --chown=8:9", "-a --chmod=u+s,Do+t"])
def test_fake_super(here: bytes, options: str) -> None:
    """What one stores the other restores, and stores as the first did; a second run finds nothing to do."""
    both(here, "--fake-super", *options.split(), source=PRIVILEGED, old=None)
    stored = {name: os.path.join(here, name, b"dst") for name in (b"rsync", b"arsync")}
    for command in (rsync, arsync):
        for name, top in stored.items():
            again = os.path.join(here, b"again-" + command.__name__.encode() + b"-" + name)
            assert command("--fake-super", *options.split(), top + b"/", again).code == 0
            assert_same(_without_now(snapshot(top)), _without_now(snapshot(again)))
            done = command("-i", "--fake-super", *options.split(), top + b"/", again)
            assert done.out == b""
    for name, top in stored.items():
        restored = os.path.join(here, b"restored-" + name)
        assert rsync("-aX", "--fake-super", "-M--super", top + b"/", restored).code == 0
    assert_same(
        _without_now(snapshot(os.path.join(here, b"restored-rsync"))),
        _without_now(snapshot(os.path.join(here, b"restored-arsync"))),
    )


def test_fake_super_over_what_was_stored(here: bytes) -> None:
    """Files, links and directories whose stored metadata differ, or that have none yet."""

    def store(top: bytes) -> None:
        dst = os.path.join(top, b"dst")
        assert rsync("-a", "--fake-super", os.path.join(top, b"src/"), dst).code == 0
        for name, value in {
            b"owned": b"100600 0,0 7:7",
            b"plain": b"104644 0,0 0:0",
            b"shared": b"41777 0,0 1:1",
        }.items():
            os.setxattr(os.path.join(dst, name), b"user.rsync.%stat", value)
        os.removexattr(os.path.join(dst, b"set-id"), b"user.rsync.%stat")
        os.setxattr(os.path.join(dst, b"null"), b"user.rsync.%stat", b"20666 1,5 0:0")

    for options in (["-a"], ["-rltogD"], ["-a", "-n"], ["-aI"], ["-a", "--inplace", "-I"]):
        both(here, "--fake-super", *options, source=PRIVILEGED, old=None, prepare=store)


def test_xattrs_of_fake_super(here: bytes) -> None:
    """-X leaves out what --fake-super stored; -XX copies it as it is."""
    stored = Dir(
        {b"f": File(b"f", 0o644, T, xattrs={b"user.rsync.%stat": b"104755 0,0 1:1", b"user.k": b"v"})}, 0o755, T
    )
    for option in ("-aX", "-aXX"):
        both(here, option, source=stored, old=None)


def test_fake_super_that_is_damaged(here: bytes) -> None:
    tree = Dir(
        {b"f": File(b"f", 0o644, T, xattrs={b"user.rsync.%stat": b"nonsense"}), b"g": File(b"g", mtime_ns=T)},
        mtime_ns=T,
    )
    create(os.path.join(here, b"src"), tree)
    done = arsync("-a", "--fake-super", os.path.join(here, b"src/"), os.path.join(here, b"dst"))
    assert done.code == 23
    assert b"damaged" in done.err or b"Invalid" in done.err
    assert os.listdir(os.path.join(here, b"dst")) == [b"g"]


@pytest.fixture
def loop(here: bytes) -> Iterator[bytes]:
    """A block device of 128 KiB that holds what is in the file ``image``."""
    image = os.path.join(here, b"image")
    with open(image, "wb") as file:
        file.write(bytes(range(256)) * 512)
    done = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr.decode()}")
    device = done.stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.parametrize("options", ["-a", "-r", "-rc", "-aS", "-a --inplace"])
@pytest.mark.parametrize("own", ["--io-engine=uring", "--io-engine=plain"])
def test_copy_devices(here: bytes, loop: bytes, options: str, own: str) -> None:
    number = os.stat(loop).st_rdev
    tree = Dir(
        {b"block": Device(0o60640, number), b"null": Device(0o20666, os.makedev(1, 3)), b"f": File(b"f")}, 0o755, T
    )
    for old in (None, Dir({b"block": File(b"old", 0o600, T)}, 0o755, T)):
        both(here, "--copy-devices", *options.split(), source=tree, old=old, own=(own,))
    with open(os.path.join(here, b"arsync/dst/block"), "rb") as file:
        assert file.read() == bytes(range(256)) * 512


@pytest.mark.parametrize("size", [1000, 128 << 10, 200_000], ids=["shorter", "as long", "longer"])
@pytest.mark.parametrize("options", ["-t", "-p", "-n", "-tI", "-tc"])
def test_write_devices(here: bytes, loop: bytes, options: str, size: int) -> None:
    """The contents go into the device, and nothing behind them is touched."""
    number, found = os.stat(loop).st_rdev, []
    for command in (rsync, arsync):
        top = os.path.join(here, command.__name__.encode())
        create(top, Dir({b"new": File(b"n" * size, 0o644, T), b"d": Dir({b"new": Device(0o60600, number)})}))
        with open(loop, "wb") as device:
            device.write(b"old" * 40000)
        done = command("-ii", "--write-devices", options, b"new", b"d", cwd=top)
        st = os.stat(os.path.join(top, b"d/new"))
        with open(loop, "rb") as device:
            # Of what fails arsync says nothing on stdout; rsync's line comes before it fails.
            lines = [] if done.code else done.lines
            found.append((done.code, lines, oct(st.st_mode), st.st_rdev, st.st_mtime > T * 2 // S, device.read()))
    assert found[0] == found[1]


def test_times_of_access(here: bytes) -> None:
    """-U sets them; with --open-noatime the source's stay."""
    for options in (["-a"], ["-aU"], ["-aUU"], ["-a", "--open-noatime"], ["-rlU"], ["-aUOJ"], ["-aU", "--size-only"]):
        found = []
        for command in (rsync, arsync):
            top = os.path.join(here, command.__name__.encode())
            shutil.rmtree(top, ignore_errors=True)
            entries = {
                b"f": File(b"f", mtime_ns=T),
                b"g": File(b"gg", mtime_ns=T),
                b"l": Symlink(b"f", T),
                b"p": Fifo(0o644, T),
            }
            create(os.path.join(top, b"src"), Dir(entries | {b"d": Dir({}, mtime_ns=T)}, mtime_ns=T))
            create(
                os.path.join(top, b"dst"),
                Dir({b"g": File(b"gg", mtime_ns=T + 9 * S), b"l": Symlink(b"x", T)}, mtime_ns=T),
            )
            for name in (b"f", b"g", b"l", b"p"):
                os.utime(os.path.join(top, b"src", name), ns=(T - 7 * S, T), follow_symlinks=False)
            done = command("-ii", *options, b"src/", b"dst", cwd=top)
            times = {}
            for name in (b"src/f", b"src/g", b"dst/f", b"dst/g", b"dst/l", b"dst/p"):
                if os.path.lexists(path := os.path.join(top, name)):
                    st = os.lstat(path)
                    times[name] = [when if when < T + 1000 * S else "now" for when in (st.st_atime_ns, st.st_mtime_ns)]
            found.append((done.code, sorted(done.lines), times))
        assert found[0] == found[1], options


def test_set_id_bits_stay_with_their_owner(here: bytes) -> None:
    """Where a file is replaced and its owner is not kept, the new one is not made to act with another one's rights:
    rsync would hand 4755 on to it. See docs/differences.md."""
    create(os.path.join(here, b"src"), Dir({b"f": File(b"new", 0o755, T)}))
    create(os.path.join(here, b"dst"), Dir({b"f": File(b"old one", 0o6755, T, (1, 1))}))
    assert arsync("-rt", b"src/", b"dst", cwd=here).code == 0
    st = os.stat(os.path.join(here, b"dst/f"))
    assert (st.st_uid, st.st_gid, oct(st.st_mode)) == (0, 0, "0o100755")


@pytest.mark.parametrize(
    "options", ["-a", "-rlptgo --chown=0:0", "-rtE", "-a --chmod=u+s", "-aU", "-a --groupmap=*:65534"]
)
def test_ordinary_users(here: bytes, options: str) -> None:
    """What only root can do is left out."""
    tree = Dir({b"f": File(b"f", 0o4755, T), b"g": File(b"g", 0o644, T, (NOBODY, NOBODY))}, 0o777, T)
    old = Dir({b"f": File(b"o", 0o2644, T - S, (NOBODY, NOBODY))}, 0o777, T, (NOBODY, NOBODY))
    found = []
    for command, how in ((rsync, {"nobody": True}), (arsync_as_nobody, {})):
        top = os.path.join(here, command.__name__.encode())
        create(top, Dir({b"src": tree, b"dst": old}, 0o777))
        done = command("-ii", *options.split(), b"src/", b"dst", cwd=top, **how)
        found.append((done.code, sorted(done.lines), _without_now(snapshot(os.path.join(top, b"dst")))))
    assert found[0][:2] == found[1][:2]
    assert_same(found[0][2], found[1][2])


def test_super_without_rights(here: bytes) -> None:
    """What cannot be done is an error; what can be is done, without set-id bits for a wrong owner."""
    create(here, Dir({b"src": Dir({b"f": File(b"f", 0o4755, T)}, 0o755, T), b"dst": Dir(mode=0o777)}, 0o755))
    os.chown(os.path.join(here, b"dst"), NOBODY, NOBODY)
    done = arsync_as_nobody("-a", "--super", b"src/", b"dst", cwd=here)
    assert done.code == rsync("-a", "--super", b"src/", b"dst", cwd=here, nobody=True).code == 23
    assert b"set owner of" in done.err


def test_open_noatime_of_what_is_not_ours(here: bytes) -> None:
    """Only its owner can open a file so: others copy it all the same."""
    create(here, Dir({b"src": Dir({b"f": File(b"f", 0o644, T)}, 0o755, T), b"dst": Dir(mode=0o777)}, 0o755))
    assert arsync_as_nobody("-r", "--open-noatime", b"src/", b"dst/", cwd=here).code == 0
    assert os.listdir(os.path.join(here, b"dst")) == [b"f"]
