"""Cases of options that are used on large trees: deleting, filters, snapshots."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import trees
from bench import Bench
from measure import timed
from results import Result
from tools import CP, Tool, arsync, rsync

#: What arsync has to reach with each of them.
TIMES_RSYNC = 1.5

#: What a display may cost, as a part of the run time; and in how many times as many rounds as others it is measured:
#: as little as this is less than two runs differ by.
PROGRESS_COST = 0.02
_PROGRESS_ROUNDS = 5

_SUFFIXES = "o a so pyc pyo class jar tmp bak swp orig rej log cache pid lock"
_HIDDEN = "git svn hg tox venv idea vscode mypy_cache pytest_cache DS_Store"

#: Fifty rules of all kinds, of which some match files of the tree.
FILTERS = [
    *(f"--exclude=*.{suffix}" for suffix in _SUFFIXES.split()),
    *(f"--exclude=/build{number}/" for number in range(10)),
    *(f"--exclude=.{name}" for name in _HIDDEN.split()),
    "--include=file00000?.txt",
    *(f"--exclude=file00{number:02}1?.txt" for number in range(0, 50, 5)),
    "--exclude=node_modules/**/test",
    "--exclude=**/dist/*.map",
    "--exclude=[Tt]humbs.db",
]


def delete(bench: Bench, result: Result, kind: str) -> None:
    """200,000 files of which the source has half: the others are deleted."""
    files = bench.scaled(200_000)
    compared = [arsync(bench.arsync, "--delete"), rsync("--delete")]

    def prepare(src: Path) -> None:
        trees.small_files(src, files, max(1, files // 100), 512)
        for index in range(len(compared)):
            timed(CP.command(src, src.parent / f"dst{index}"), bench.output())
        for number, directory in enumerate(sorted(src.iterdir())):
            for place, name in enumerate(sorted(directory.iterdir())):
                if (number + place) % 2:
                    name.unlink()

    bench.fresh_copies(result, kind, prepare, compared)
    result.expect_faster(compared[0].name, compared[1].name, TIMES_RSYNC)


def filters(bench: Bench, result: Result, kind: str) -> None:
    """10,000 small files with 50 filter rules, some of which match."""
    files = bench.scaled(10_000)
    assert len(FILTERS) >= 50
    compared = [arsync(bench.arsync, *FILTERS, name="arsync -a, 50 rules"), _named(rsync(*FILTERS), "rsync, 50 rules")]
    bench.fresh_copies(
        result, kind, lambda root: trees.small_files(root, files, files // 100, 8192), compared, check=False
    )
    result.expect_faster(compared[0].name, compared[1].name, TIMES_RSYNC)


def progress(bench: Bench, result: Result, kind: str) -> None:
    """100,000 small files, with the display of progress and without: what looking costs."""
    files = bench.scaled(100_000)
    drawn = ["--progress-style=bar"]
    plain, *watched = compared = [
        arsync(bench.arsync),
        arsync(bench.arsync, "--progress", *drawn, name="arsync -a --progress, drawn"),
        arsync(
            bench.arsync, "--info=progress2", "-v", "--info=name0", *drawn, name="arsync -av --info=progress2, drawn"
        ),
    ]
    often = replace(bench, rounds=bench.rounds * _PROGRESS_ROUNDS)
    often.fresh_copies(result, kind, lambda root: trees.small_files(root, files, files // 100, 2048), compared)
    for tool in watched:
        result.expect_cost(tool.name, plain.name, PROGRESS_COST)


def snapshot(bench: Bench, result: Result, kind: str) -> None:
    """40,000 files, unchanged since the last snapshot: each is linked to it."""
    files = bench.scaled(40_000)
    compared = [_linking(arsync(bench.arsync)), _linking(rsync())]

    def prepare(src: Path) -> None:
        trees.small_files(src, files, max(1, files // 100), 512)
        timed(CP.command(src, src.parent / "last"), bench.output())

    bench.fresh_copies(result, kind, prepare, compared)
    result.expect_faster(compared[0].name, compared[1].name, TIMES_RSYNC)


def links(bench: Bench, result: Result, kind: str) -> None:
    """A new copy of 25,000 files each of which has a second name, as snapshots have."""
    files = bench.scaled(25_000)
    compared = [arsync(bench.arsync, "-H"), rsync("-H")]
    bench.fresh_copies(result, kind, lambda root: trees.linked_files(root, files, max(1, files // 50), 512), compared)
    result.expect_faster(compared[0].name, compared[1].name, 1)


def _linking(tool: Tool) -> Tool:
    def command(src: Path, dst: Path) -> list[str]:
        *options, source, destination = tool.command(src, dst)
        return [*options, f"--link-dest={os.path.join(src.parent, 'last')}", source, destination]

    return Tool(f"{tool.name} --link-dest", command)


def _named(tool: Tool, name: str) -> Tool:
    return Tool(name, tool.command, tool.exact)
