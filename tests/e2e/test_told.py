"""What is told beside the copying itself, line by line as rsync tells it."""

from __future__ import annotations

import os
import re
import shutil

import pytest

from support.commands import ARSYNC, arsync, run
from support.trees import Dir, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync]

T = 1_600_000_000 * 10**9


def file(content: bytes = b"x\n", mode: int = 0o644) -> File:
    return File(content, mode, T)


SOURCE = Dir(
    {
        b"abs": Symlink(b"/etc/passwd", T),
        b"d": Dir(
            {b"e": Dir({b"up": Symlink(b"../../../out", T)}, mtime_ns=T), b"dir": Symlink(b"../../outdir", T)}, 0o755, T
        ),
        b"f": file(),
        b"out": Symlink(b"../out", T),
        b"safe": Symlink(b"f", T),
    },
    0o755,
    T,
)

#: How fast, and what two processes told each other; with --existing rsync also counts what it does not look at.
_OTHERWISE = re.compile(rb"^(sent |this process|worker ).*|.*: (new|time differs)$|speedup.*|^total size is .*")


def compare(here: bytes, arguments: list[str], *, changes: str = "", own: tuple[str, ...] = ()) -> list[bytes]:
    """Run both in a directory with ``src`` and, where it is to be changed, a copy of it in ``dst``."""
    told = []
    for program, more in ((["rsync"], ()), (ARSYNC, own)):
        shutil.rmtree(here)
        os.mkdir(here)
        create(os.path.join(here, b"src"), SOURCE)
        create(os.path.join(here, b"out"), file())
        create(os.path.join(here, b"outdir"), Dir({b"x": file(b"xx\n")}, mtime_ns=T))
        if changes:
            assert run(["sh", "-c", "cp -a src dst; " + changes], cwd=here).code == 0
        done = run([*program, *arguments, *more], cwd=here)
        told.append((done.code, sorted(_OTHERWISE.sub(b"", line) for line in done.lines)))
    assert [line for line in told[1][1] if line] == [line for line in told[0][1] if line]
    assert told[1][0] == told[0][0]
    return told[1][1]


@pytest.mark.parametrize("own", [(), ("--workers=2",)], ids=["alone", "workers"])
@pytest.mark.parametrize(
    "options", ["-rv", "-rvv", "-r --info=symsafe", "-rni", "-rnv", "-rli --info=symsafe -f-_out", "-rLv"]
)
def test_unsafe_symlinks_that_are_copied(here: bytes, options: str, own: tuple[str, ...]) -> None:
    words = [word.replace("_", " ") for word in options.split()]
    for source in ("src/", "src"):
        lines = compare(here, [*words, "--copy-unsafe-links", source, "dst"], own=own)
        said = sum(line.startswith(b'copying unsafe symlink "') for line in lines)
        assert bool(said) == (options not in ("-rni", "-rLv"))


def test_unsafe_symlinks_that_are_named(here: bytes) -> None:
    lines = compare(here, ["-rv", "--copy-unsafe-links", "src/out", "src/d/dir", "src/safe", "dst"])
    assert b'copying unsafe symlink "dir" -> "../../outdir"' in lines


@pytest.mark.parametrize(
    "options", ["-rL", "-L", "-dL", "-rk", "-r --copy-unsafe-links", "-rlv", "-rL --info=symsafe", "-r --safe-links"]
)
@pytest.mark.parametrize("source", ["src/", "src", "src/out", "src/d/dir", "src/d/dir/"])
def test_lists_what_symlinks_lead_to(here: bytes, options: str, source: str) -> None:
    compare(here, [*options.split(), "--list-only", source])


@pytest.mark.parametrize("options", ["-nai", "-navv", "-naiiv", "-ai", "-avv", "-nr"])
@pytest.mark.parametrize("sources", ["src/", "src", "src/f src/safe", "-R src/d"])
def test_existing_without_a_destination(here: bytes, options: str, sources: str) -> None:
    compare(here, [*options.split(), "--existing", *sources.split(), "dst"])
    assert os.path.exists(os.path.join(here, b"dst")) == (options in ("-ai", "-avv"))


@pytest.mark.parametrize(
    "options", ["-avv", "-aivv", "-aii", "-rvv", "-rtvv", "-rpvv", "-avvc", "-navv", "-avv --size-only"]
)
@pytest.mark.parametrize(
    "change",
    [
        "chmod 600 dst/f",
        "chmod 700 dst/d",
        "touch dst/d/e",
        "touch dst/f",
        "touch -h dst/safe",
        "chmod 600 dst/f dst/d/e; rm dst/abs",
    ],
)
def test_only_attributes_differ(here: bytes, options: str, change: str) -> None:
    compare(here, [*options.split(), "src/", "dst"], changes=change)


@pytest.mark.parametrize("options", ["-aRi", "-avR", "-niR", "-aRii --no-implied-dirs"])
def test_absolute_and_relative_sources(here: bytes, options: str) -> None:
    top = os.fsdecode(here)
    for sources in (["src/d", f"{top}/src/f"], [f"{top}/src/d", "src/f"], [f"{top}/./src/f", f"{top}/src/d"]):
        compare(here, [*options.split(), *sources, "dst"])


def test_similar_files_are_not_looked_for(here: bytes) -> None:
    """-y has nothing to do where files are copied whole, which -vv tells."""
    compare(here, ["-aiy", "src/", "dst"])
    assert b"--fuzzy has no effect on a local copy" in arsync("-avvyy", "src/", "dst", cwd=here).lines
