"""Symlink modes beside rsync: the same trees, lines and exit codes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.commands import arsync, rsync
from support.snapshot import assert_same, differences, snapshot
from support.trees import Dir, Fifo, File, Hardlink, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

OLD = 10**18

SOURCE = Dir(
    {
        b"f": File(b"f", mtime_ns=OLD),
        b"g": Hardlink(b"f"),
        b"lf": Symlink(b"f", OLD),
        b"ld": Symlink(b"d", OLD),
        b"dangling": Symlink(b"nowhere", OLD),
        b"loop": Symlink(b"loop", OLD),
        b"out": Symlink(b"../outside/f", OLD),
        b"out dir": Symlink(b"../outside/d", OLD),
        b"out fifo": Symlink(b"../outside/fifo", OLD),
        b"out dangling": Symlink(b"../outside/nowhere", OLD),
        b"absolute": Symlink(b"/dev/null", OLD),
        b"munged": Symlink(b"/rsyncd-munged/f", OLD),
        b"d": Dir({b"up": Symlink(b"../f", OLD), b"far": Symlink(b"../../outside/f", OLD)}, mtime_ns=OLD),
    },
    mtime_ns=OLD,
)
OUTSIDE = Dir(
    {
        b"f": File(b"out", mtime_ns=OLD),
        b"d": Dir({b"x": File(b"x", mtime_ns=OLD)}, mtime_ns=OLD),
        b"fifo": Fifo(mtime_ns=OLD),
    }
)


def both(here: bytes, options: list[str], source: bytes, old: Dir | None = None) -> None:
    """Run both and compare everything."""
    ours, theirs = os.path.join(here, b"ours"), os.path.join(here, b"theirs")
    for path in (ours, theirs):
        shutil.rmtree(path, ignore_errors=True)
        if old is not None:
            create(path, old)
    expected = rsync(*options, source, theirs, cwd=here)
    actual = arsync(*options, source, ours, cwd=here)
    assert (actual.code, sorted(actual.out.replace(b"ours", b"theirs").splitlines())) == (
        expected.code,
        sorted(expected.lines),
    ), actual.err
    assert os.path.lexists(ours) == os.path.lexists(theirs)
    if os.path.lexists(ours):
        times = any(option.startswith("-a") for option in options)
        found = differences(snapshot(theirs, times=times), snapshot(ours, times=times))
        assert not [line for line in found if not line.startswith("b'': mtime")], found


@pytest.fixture
def trees(here: bytes) -> bytes:
    create(os.path.join(here, b"src"), SOURCE)
    create(os.path.join(here, b"outside"), OUTSIDE)
    return here


@pytest.mark.parametrize(
    "options",
    [
        "-aiL", "-rLi", "-aik", "-rki", "-ai --copy-unsafe-links", "-ri --copy-unsafe-links", "-ai --safe-links",
        "-ai --munge-links", "-aiHL", "-aiH --copy-unsafe-links", "-aikL --safe-links", "-aiLn", "-aiL --workers=2",
        "-ai --safe-links --munge-links", "-ai --safe-links --copy-unsafe-links", "-aik --copy-unsafe-links", "-aiLc",
    ],
)  # fmt: skip
@pytest.mark.parametrize("source", [b"src/", b"src"])
def test_modes(trees: bytes, options: str, source: bytes) -> None:
    given_options = [option for option in options.split() if not option.startswith("--workers")]
    both(trees, given_options, source)
    if "--workers=2" in options:
        assert arsync(*options.split(), source, b"again", cwd=trees).code == 23


@pytest.mark.parametrize("options", ["-ai", "-aiL", "-aik", "-ai --copy-unsafe-links", "-i -L", "-i -k", "-ri"])
@pytest.mark.parametrize(
    "name", [b"ld", b"out", b"out dir", b"dangling", b"loop", b"out fifo", b"out dangling", b"ld/"]
)
def test_arguments(trees: bytes, options: str, name: bytes) -> None:
    both(trees, options.split(), b"src/" + name)


@pytest.mark.parametrize("options", ["-aiL", "-aik"])
def test_a_circle_ends(here: bytes, options: str) -> None:
    create(
        os.path.join(here, b"src"), Dir({b"x": Dir({b"up": Symlink(b"../../src", OLD)}, mtime_ns=OLD)}, mtime_ns=OLD)
    )
    both(here, [options], b"src/")


@pytest.mark.parametrize("options", ["-aiL", "-ai --copy-unsafe-links", "-ai --safe-links", "-ai"])
def test_over_an_old_tree(trees: bytes, options: str) -> None:
    old = Dir(
        {
            b"lf": Symlink(b"other", OLD),
            b"out": File(b"out", mtime_ns=OLD),
            b"ld": Symlink(b"elsewhere"),
            b"more": File(mtime_ns=OLD),
        }
    )
    both(trees, options.split(), b"src/", old)


@pytest.mark.parametrize("option", ["-L", "-k", "--copy-unsafe-links"])
def test_another_device(here: bytes, tmp_path: Path, option: str) -> None:
    other = os.fsencode(tmp_path)
    if os.stat(other).st_dev == os.stat(here).st_dev:
        pytest.skip("needs two file systems")
    create(other, Dir({b"d": Dir({b"x": File()}), b"f": File(b"1", mtime_ns=OLD)}, mtime_ns=OLD))
    create(os.path.join(here, b"src"), Dir({b"od": Symlink(other, OLD), b"of": Symlink(other + b"/f", OLD)}))
    both(here, ["-aix", option], b"src/")


KEPT = Dir({b"dir": Dir({b"f": File(b"new", mtime_ns=OLD), b"e": Dir({b"g": File(b"g", mtime_ns=OLD)}, mtime_ns=OLD)})})


@pytest.mark.parametrize("target", [b"real", b"./real/", b"real/../real", b"nowhere", b"plain"])
@pytest.mark.parametrize("options", ["-rKi", "-rlKi", "-rKi -n", "-rKi --existing", "-rKi --insecure-links", "-ri"])
def test_keep_dirlinks(here: bytes, target: bytes, options: str) -> None:
    create(os.path.join(here, b"src"), KEPT)
    for name in (b"ours", b"theirs"):
        create(
            os.path.join(here, name),
            Dir({b"real": Dir({b"old": File()}), b"plain": File(), b"dir": Symlink(target, OLD)}),
        )
    expected = rsync(*options.split(), b"src/", b"theirs", cwd=here)
    actual = arsync(*options.split(), b"src/", b"ours", cwd=here)
    assert (actual.code, actual.lines) == (expected.code, expected.lines), actual.err
    assert_same(
        snapshot(os.path.join(here, b"theirs"), times=False), snapshot(os.path.join(here, b"ours"), times=False)
    )


@pytest.mark.parametrize("absolute", [False, True])
def test_kept_link_stays_below_the_destination(here: bytes, absolute: bool) -> None:
    """Nothing is written where a symlink of the destination leads out of it, unless that is asked for."""
    create(os.path.join(here, b"src"), KEPT)
    create(os.path.join(here, b"elsewhere"), Dir())
    target = os.path.join(here, b"elsewhere") if absolute else b"../elsewhere"
    create(os.path.join(here, b"ours"), Dir({b"dir": Symlink(target)}))
    assert rsync("-rK", b"src/", b"ours", cwd=here).code == 23
    result = arsync("-rK", b"src/", b"ours", cwd=here)
    assert result.code == 23
    assert b"leads out of DEST" in result.err
    assert os.listdir(os.path.join(here, b"elsewhere")) == []
    assert arsync("-rK", "--insecure-links", b"src/", b"ours", cwd=here).code == 0
    assert sorted(os.listdir(os.path.join(here, b"elsewhere"))) == [b"e", b"f"]


def test_kept_directory_gets_the_metadata(here: bytes) -> None:
    create(os.path.join(here, b"src"), Dir({b"dir": Dir(mode=0o750, mtime_ns=OLD)}))
    create(os.path.join(here, b"ours"), Dir({b"real": Dir(), b"dir": Symlink(b"real")}))
    assert arsync("-aK", b"src/", b"ours", cwd=here).code == 0
    st_real = os.stat(os.path.join(here, b"ours/real"))
    assert (st_real.st_mode & 0o777, st_real.st_mtime_ns) == (0o750, OLD)
    assert os.path.islink(os.path.join(here, b"ours/dir"))


def test_messages(trees: bytes) -> None:
    result = arsync("-avL", b"src/", b"ours", cwd=trees)
    assert b'"dangling" failed: symlink has no referent' in result.err
    assert b'"loop" failed: Too many levels of symbolic links' in result.err
    lines = arsync("-av", "--safe-links", b"src/", b"safe", cwd=trees).lines
    expected = rsync("-av", "--safe-links", b"src/", b"theirs", cwd=trees).lines
    unsafe = sorted(line for line in expected if line.startswith(b"ignoring"))
    assert sorted(line for line in lines if line.startswith(b"ignoring")) == unsafe


pieces = st.lists(st.sampled_from([b"..", b".", b"", b"a", b"d", b"x"]), min_size=1, max_size=5)
targets = pieces.map(b"/".join).filter(bool)


@settings(max_examples=30)
@given(
    st.lists(targets, min_size=1, max_size=6),
    st.lists(targets, max_size=6),
    st.lists(st.sampled_from(["-k", "--copy-unsafe-links", "--safe-links", "--munge-links", "--no-l"]), max_size=2),
    st.booleans(),
)
def test_random_targets(here: bytes, top: list[bytes], below: list[bytes], modes: list[str], slash: bool) -> None:
    shutil.rmtree(here)
    os.mkdir(here)
    inner: dict[bytes, File | Symlink] = {b"a": File(b"a", mtime_ns=OLD)}
    inner |= {b"m%d" % number: Symlink(target, OLD) for number, target in enumerate(below)}
    outer = {b"l%d" % number: Symlink(target, OLD) for number, target in enumerate(top)}
    # Referents of what leads out are files: a circle of directories has no small end.
    safe = "--copy-unsafe-links" not in modes and "-k" not in modes
    if not safe:
        outer, inner = ({k: v for k, v in d.items() if not _is_directory(v)} for d in (outer, inner))
    create(os.path.join(here, b"src"), Dir({**outer, b"d": Dir(inner, mtime_ns=OLD)}, mtime_ns=OLD))
    both(here, ["-ai", *modes], b"src/" if slash else b"src")


def _is_directory(entry: File | Symlink) -> bool:
    return isinstance(entry, Symlink) and entry.target.rpartition(b"/")[2] not in (b"a", b"x")


def test_keep_dirlinks_below_an_absolute_argument(here: bytes) -> None:
    """With -R the path of what an absolute argument names begins with a slash, and is below DEST all the same."""
    src = os.path.join(here, b"src")
    create(src, Dir({b"f": File(b"f", mtime_ns=OLD)}, mtime_ns=OLD))
    first, *rest = here.strip(b"/").split(b"/")
    dst = os.path.join(here, b"dst")
    os.makedirs(os.path.join(dst, b"real", *rest, b"src"))
    os.symlink(b"real", os.path.join(dst, first))
    result = arsync("-rRK", src + b"/", dst)
    assert (result.code, result.err) == (0, b"")
    assert os.path.exists(os.path.join(dst, b"real", *rest, b"src", b"f"))
