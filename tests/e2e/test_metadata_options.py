"""The options about metadata, rsync and arsync side by side: same tree, same lines, same exit code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from support.commands import Result, arsync, arsync_as_nobody, rsync
from support.snapshot import Snapshot, assert_same, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Symlink, create

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
        "-rE", "-rtE", "-rlptE", "-rtE --chmod=F=rx", "-rtE --chmod=a+x", "-rt --chmod=ugo=rwX", "-rtp --chmod=g-w,o=",
        "-a --chmod=Dg+s,ug+w,Fo-w,+X", "-a --chmod=D2775,F664", "-a --chmod=u=rwx --chmod=go=u,o-w", "-rlt --chmod=u+s",
        "-a --chmod=0", "-a --chmod=7777", "-a --chmod=F=", "-rltg --chmod=g=o", "-a --chmod=D700 -n",
        "-a --omit-dir-times", "-aO", "-aJ", "-aOJ", "-rltJO --no-J --no-O", "-rlJ", "-rO",
        "-a --no-super", "-rlptgoD --no-super --chown=3:4", "-a --super", "-a --super --no-super", "-a --drop-D",
        "-a --drop-D --no-drop-D", "-rlpt --drop-D", "-a --fake-super --no-super", "-a -@1", "-a -@2", "-a -@-1", "-a -@-2", "-au -@2",
        "-rlptu --modify-window=3", "-a --modify-window=0", "-ac --cc=xxh128", "-a --cc=none", "-ac --checksum-choice=none,md5",
        "-rt", "-r", "-rl", "-rp", "-ro", "-rg", "-rogp", "-rlog", "-a --numeric-ids",
        "-a --executability", "-a --inplace --chmod=F600", "-rtE --inplace", "-rt --inplace --chown=2:3",
    ],
)  # fmt: skip
@pytest.mark.parametrize("old", [None, OLD], ids=["new", "old"])
def test_options(here: bytes, options: str, old: Entry | None) -> None:
    both(here, *options.split(), old=old)


@pytest.mark.parametrize("own", ["--io-engine=uring", "--io-engine=plain", "--workers=2"])
@pytest.mark.parametrize("options", ["-aU --chmod=go=", "-rtpE --chown=5:6", "-aU@-1"])
def test_every_engine(here: bytes, options: str, own: str) -> None:
    both(here, *options.split(), own=(own,))


MAPS = [
    "*:nobody", "*:12345", "*:nosuch", "nosuch:root", ":root", "root:daemon", "0:daemon", "0-5:daemon", "5-0:daemon", "7-3:daemon", "0-0:daemon",
    "a-b:1", "-5:daemon", "ro*:daemon", "r[op]ot:1", "00:1", "*:-1", "*:4294967294", "*:1:2", "*:1x", "ro?t:2,*:3",
    "?*:daemon", "4321:1", "4000-5000:2", "root:1,:2", ":9,games:3,*:0", "7:8,8:7", "games:,1:2", "root:", "daemon", "",
    ",", "*:1,", "0-:daemon", "0-5x:1", "1-2-3:3", "0 :1", "0x0:1",
]  # fmt: skip


@pytest.mark.parametrize("ids", [[], ["--numeric-ids"]], ids=["names", "numeric"])
@pytest.mark.parametrize("text", MAPS)
def test_maps(here: bytes, text: str, ids: list[str]) -> None:
    expected, actual = both(here, "-rlpt", f"--usermap={text}", f"--groupmap={text}", *ids)
    assert actual.err.count(b"nknown --") == expected.err.count(b"nknown --")


@pytest.mark.parametrize(
    "options",
    [
        "--chown=nobody:nogroup", "--chown=:nogroup", "--chown=nobody:", "--chown=", "--chown=:", "--chown=a:b:c",
        "--chown=5:6", "--chown=*:1", "--chown=1:1 --usermap=0:2", "--usermap=0:2 --chown=1:1", "--chown=2:3 --groupmap=4:5",
        "--usermap=0:2 --usermap=0:3", "--chown=:3 --usermap=0:2", "--chown=2 --chown=:5", "--chown=2 --chown=3",
        "--usermap=*:1 --no-o", "--no-o --usermap=*:1", "--no-g --chown=:9", "--chmod=u:x", "--chmod=", "--chmod=u+x,,g+w",
        "--chmod=8", "--chmod=17777", "--chmod=DF644", "--chmod=g=ur", "--chmod=a", "--cc=nope", "--cc=md5,nope", "--cc=",
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
