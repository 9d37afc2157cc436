"""An ordinary user owns both trees, and what options name, and swaps all of it while root copies: nothing outside of
them is read, written, changed, linked or deleted.

A small process exchanges directories and files with symlinks that lead out, fifos and other files, as fast as it can,
and puts symlinks in the place of temporary files. By default each set of options is tried a few times; ARSYNC_SWAPS=N
tries each N times.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from arsync.engine.temporaries import here as this_machine
from support.canary import Canary, leaks
from support.commands import NOBODY
from support.forked import Forked
from support.trees import Dir, Entry, Fifo, File, Hardlink, Symlink, create

RUNS = int(os.environ["ARSYNC_SWAPS"]) if os.environ.get("ARSYNC_SWAPS", "").isdigit() else 3

T = 10**18

_BELOW = 4
_LEAVES: dict[bytes, Entry] = {
    b"f": File(b"new f" * 99, 0o640, T), b"g": File(b"new g", 0o4755, T), b"s": Symlink(b"f", T),
    b"p": Fifo(0o600, T), b"big": File(b"x" * 300_000, 0o600, T),
}  # fmt: skip


def _nested(leaves: dict[bytes, Entry], depth: int) -> Dir:
    entries = dict(leaves)
    if depth:
        entries |= {b"d": _nested(leaves, depth - 1), b"e": _nested(leaves, depth - 1 if depth < 2 else 0)}
    return Dir(entries, 0o755, T)


SOURCE = Dir(
    {
        b"t": _nested(_LEAVES, _BELOW),
        b"h": Hardlink(b"t/f"),
        b".rules": File(b"- no\n"),
        b".rsync-filter": File(b"- x\n"),
    }
)
OLD = Dir(
    {
        b"t": _nested({b"f": File(b"old"), b"g": File(b"new g", 0o700, T), b"gone": Dir({b"d": Dir({b"f": File()})}),
                       b"s": Symlink(b"old"), b".f.+AbcXy": File(b"left")}, _BELOW),
        b"z": Dir({b"d": Dir({b"f": File()}), b"f": File()}),
    }
)  # fmt: skip


class Case(NamedTuple):
    """The arguments; ``follows``: they ask for the source's symlinks to be followed, wherever they lead; ``way``:
    directories on the way of a source argument, which is followed as a person named it."""

    arguments: str
    follows: bool = False
    sources: tuple[str, ...] = ("src/",)
    way: tuple[bytes, ...] = ()


CASES = [
    Case("-a"),
    Case("-a --workers=2"),
    Case("-a --io-engine=uring"),
    Case("-aHAX"),
    Case("-aR", sources=("src/./t/d", "src/./t/e/f"), way=(b"t", b"t/e")),
    Case("-aR --no-implied-dirs", sources=("src/./t/d/d/f", "src/./t/e/f"), way=(b"t", b"t/d", b"t/d/d", b"t/e")),
    Case("-aK --delete"),
    Case("-aL", follows=True),
    Case("-ak", follows=True),
    Case("-a --copy-unsafe-links", follows=True),
    Case("-a --safe-links"),
    Case("-a --delete"),
    Case("-a --delete-before --workers=2"),
    Case("-a --delete-delay"),
    Case("-a --delete-after --delete-excluded --exclude=z"),
    Case("-ab --delete"),
    Case("-ab --backup-dir=../bak --delete"),
    Case("-a --partial-dir=.p"),
    Case("-a --partial-dir=e/p --delay-updates"),
    Case("-a --temp-dir=../tmp"),
    Case("-a --delay-updates --workers=2"),
    Case("-a --link-dest=../alt"),
    Case("-a --copy-dest=../alt"),
    Case("-ac --compare-dest=../alt"),
    Case("-a --remove-source-files"),
    Case("-a --files-from=list", sources=("src",)),
    Case("-a --no-relative --files-from=list --delete-missing-args", sources=("src",)),
    Case("-aFF --delete"),
    Case("-a --filter=:_/.rules --filter=.,_rules/more --delete"),
    Case("-a --log-file=logs/log --log-file-format=%i_%n_%C"),
    Case("-a --inplace"),
    Case("-a --append-verify"),
    Case("-aX --fake-super"),
    Case("-rtp --chmod=D2755,F4755"),
    Case("-aHS --fsync --verify"),
    Case("-am --prune-empty-dirs --existing"),
    Case("-a --mkpath --out-format=%C_%n"),
]


@pytest.fixture(scope="module")
def swapper(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled process."""
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    program = str(tmp_path_factory.mktemp("swapper") / "swapper")
    source = os.path.join(os.path.dirname(__file__), "swapper.c")
    subprocess.run(["cc", "-O2", "-Wall", "-Werror", "-o", program, source], check=True)
    return program


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as server:
        yield server


class Field:
    """The trees of an ordinary user, in a directory of his, and the canary beside it."""

    def __init__(self, here: bytes) -> None:
        self.here = here
        self.top = os.path.join(here, b"field")
        self.canary = Canary(os.path.join(here, b"outside"))
        os.chmod(here, 0o755)

    def renew(self) -> list[tuple[bytes, bytes]]:
        """Make the trees again; returns the pairs that are to be swapped."""
        shutil.rmtree(self.top, ignore_errors=True)
        os.mkdir(self.top)
        trees = {b"src": SOURCE, b"dst": OLD, b"alt": SOURCE, b"bak": Dir({b"t": Dir()}), b"tmp": Dir()}
        trees |= {b"logs": Dir({b"log": File()}), b"rules": Dir({b"more": File(b"- no\n")})}
        for name, tree in trees.items():
            create(os.path.join(self.top, name), tree)
        create(os.path.join(self.top, b"list"), File(b"t/d/f\nt/d/d/f\nt/e/\nt/e/f\nt/d/e/g\nh\n", 0o644))
        boot, machine = this_machine()
        os.setxattr(os.path.join(self.top, b"dst"), b"user.arsync.unfinished.Abc", b"%b %b 0" % (boot, machine))
        pairs = list(self._pairs())
        for directory, directories, names in os.walk(self.top):
            for name in (*directories, *names, b""):
                os.chown(os.path.join(directory, name), NOBODY, NOBODY, follow_symlinks=False)
        for directory, _, names in os.walk(self.top):
            for name in names:
                if name == b"g":
                    os.chmod(os.path.join(directory, name), 0o4755)  # chown has taken the bit
        return pairs

    def _pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Everything in the trees, and what goes in its place: a directory is a symlink to one, a file is a symlink, a
        fifo or another file."""
        decoys = os.path.join(self.top, b"decoys")
        os.mkdir(decoys)
        outside = self.canary.top
        number = 0
        for top in (b"src", b"dst", b"alt", b"bak", b"tmp", b"logs", b"rules"):
            for directory, directories, names in list(os.walk(os.path.join(self.top, top))):
                found = [(os.path.join(directory, name), name, True) for name in directories]
                found += [(os.path.join(directory, name), name, False) for name in names]
                if directory == os.path.join(self.top, top) and top != b"src":  # a source argument is followed
                    found.append((directory, top, True))
                for path, name, is_directory in found:
                    number += 1
                    decoy = os.path.join(decoys, b"%d" % number)
                    if is_directory or number % 4 < 2:
                        inside = b"d" if is_directory else name if name in (b"f", b"g") else b"secret"
                        os.symlink(os.path.join(outside, inside), decoy)
                    elif number % 4 == 2:
                        os.mkfifo(decoy)
                    else:
                        create(decoy, File(b"another", 0o666))
                    yield path, decoy
                if top in (b"dst", b"tmp", b"bak"):
                    number += 1
                    decoy = os.path.join(decoys, b"%d" % number)
                    os.symlink(os.path.join(outside, b"g"), decoy)
                    yield directory + b"/", decoy
        yield b"+" + os.path.join(outside, b"secret"), os.path.join(self.top, b"dst/t/linked")
        yield b"+" + os.path.join(outside, b"g"), os.path.join(self.top, b"src/t/linked")


@contextmanager
def swapping(program: str, pairs: list[tuple[bytes, bytes]], seed: int) -> Iterator[list[int]]:
    """Swap as an ordinary user while the block runs; the list gets how many swaps, planted temporary names, hard links,
    and refused links there were. Now all that there is, which soon leaves little of the trees as it was; now a few
    entries, each of which soon is what it was."""
    chosen = random.Random(seed)
    hold = 0
    if seed % 3:
        pairs, hold = chosen.sample(pairs, min(len(pairs), 24)) + pairs[-2:], 10 ** chosen.randint(2, 5)
    process = subprocess.Popen(
        [program, str(seed), str(hold)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    counts: list[int] = []
    try:
        process.stdin.write(b"".join(one + b"\0" + other + b"\0" for one, other in pairs))
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        yield counts
    finally:
        process.terminate()
        counts += map(int, process.stdout.readline().split())
        process.stdout.close()
        process.wait()


@pytest.mark.needs_root
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.arguments)
def test_swapped(here: bytes, swapper: str, forked: Forked, tally: Counter[str], case: Case) -> None:
    program = os.path.join(here, b"swapper")
    shutil.copy(os.fsencode(swapper), program)
    field = Field(here)
    totals = [0, 0, 0, 0]
    found: list[str] = []
    codes: dict[int, int] = {}
    arguments = [argument.replace("_", " ") for argument in case.arguments.split()]
    for turn in range(RUNS):
        pairs = field.renew()
        way = {os.path.join(field.top, b"src", path) for path in case.way}
        pairs = [pair for pair in pairs if pair[0] not in way]
        with swapping(os.fsdecode(program), pairs, turn + RUNS * CASES.index(case)) as counts:
            done = forked.run(
                *arguments, *case.sources, "dst", cwd=field.top, notes=os.path.join(here, b"said"), timeout=120
            )
        totals = [total + count for total, count in zip(totals, counts)]
        codes[done.code] = codes.get(done.code, 0) + 1
        lines = field.canary.problems(may_be_read=case.follows)
        if not case.follows:
            lines += leaks(field.top, os.path.join(here, b"said.out"), os.path.join(here, b"said.err"))
        if done.code not in (0, 3, 11, 23, 24) and b"unknown filter rule" not in done.err:
            lines.append(f"the code is {done.code}")
        if b"Traceback" in done.err or b"unexpected" in done.err:
            lines.append(done.err.decode(errors="replace"))
        found += [f"run {turn}: {line}" for line in lines]
    field.canary.close()
    for name, total in zip(("random swaps", "temporary names planted", "links made", "links refused"), totals):
        tally[name] += total
    tally["runs among random swaps"] += RUNS
    for code, count in codes.items():
        tally[f"of them with exit code {code}"] += count
    assert not found, "\n".join(found[:40])
    assert totals[0] > 0
    assert totals[2] == 0, "hard links to files of others can be made here (fs.protected_hardlinks)"
