"""The cases on storage that waits: a FUSE file system that answers each operation a millisecond late."""

from __future__ import annotations

from pathlib import Path

import tools
import trees
from bench import Bench
from results import Result, Row
from volumes import DIRECTORY, delayed

DELAY_US = 1000
#: Names and attributes may be cached as long as NFS or sshfs would at least.
CACHE_S = 1.0
#: Both engines, and the choice between them, have to reach it.
FACTOR = 15


def _compared(bench: Bench) -> list[tools.Tool]:
    engines = [tools.arsync(bench.arsync, f"--io-engine={engine}") for engine in ("auto", "uring", "plain")]
    return [*engines, tools.rsync(), tools.CP, *tools.fpsync(bench.cpus, bench.scratch), *tools.rclone()]


def from_slow(bench: Bench, result: Result) -> None:
    """500 files of 8 KiB on average in 10 directories, read from the slow file system."""
    _run(bench, result, slow_source=True)


def to_slow(bench: Bench, result: Result) -> None:
    """The same files, written to the slow file system."""
    _run(bench, result, slow_source=False)


def _run(bench: Bench, result: Result, slow_source: bool) -> None:
    server = bench.delayfs()
    files = bench.scaled(500)
    compared = _compared(bench)
    result.rows = [Row(tool.name) for tool in compared]
    result.notes.append(f"{DELAY_US} us for each operation, names and attributes cached for {CACHE_S:g} s")
    kind = DIRECTORY if bench.directory else "tmpfs"
    with bench.volume_with(kind, lambda root: trees.small_files(root, files, 10, 8192)) as fast:
        for number in range(bench.rounds):
            for index, tool in enumerate(compared):
                _one(bench, result.rows[index], tool, server, fast, fast / f"dst{index}.{number}", slow_source)
    for tool in compared[:3]:
        result.expect_faster(tool.name, tools.rsync().name, FACTOR)


def _one(
    bench: Bench, row: Row, tool: tools.Tool, server: Path, fast: Path, destination: Path, slow_source: bool
) -> None:
    """One run on a new mount, where nothing is cached yet. The copy is checked behind the slow file system's back."""
    if row.failure is not None:
        return
    with delayed(server, fast, bench.scratch, DELAY_US, CACHE_S) as slow:
        source = slow / "src" if slow_source else fast / "src"
        target = destination if slow_source else slow / destination.name
        bench.run(row, tool, source, target, check=False)
    if row.failure is None and len(row.samples) == 1:
        found = trees.difference(fast / "src", destination, tool.exact)
        row.failure = f"not a copy: {found}" if found else None
