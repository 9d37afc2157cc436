"""The cases: what is copied, by whom, and what arsync has to reach (docs/benchmarks.md has the results)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import options
import scale
import tools
import trees
from bench import Bench
from latency import from_slow, to_slow
from measure import timed
from results import Result, Row, Verdict
from volumes import DIRECTORY, free_bytes

ARSYNC = "arsync -a"
RSYNC = "rsync -a"
MIB = 1 << 20
#: A clone shares its data; what it takes for itself is metadata.
CLONE_BYTES = 8 * MIB
#: The memory of all processes together, and by how much it may differ between 30,000 files and 300,000: a byte for
#: every 26 files more would show.
MEMORY_BYTES, GROWTH_BYTES = 150 * MIB, 10 * MIB


@dataclass(frozen=True)
class Case:
    """One thing that is measured; ``run`` fills the result it is given."""

    name: str
    title: str
    run: Callable[[Bench, Result], object]
    on_demand: bool = False
    """Only measured where it is named: it takes minutes, and GiB of memory for its file systems."""


def _everybody(bench: Bench) -> list[tools.Tool]:
    others = [*tools.fpsync(bench.cpus, bench.scratch), *tools.rclone()]
    return [tools.arsync(bench.arsync), tools.rsync(), tools.CP, *others]


def small(bench: Bench, result: Result, kind: str) -> None:
    """10,000 files of 8 KiB on average in 100 directories."""
    files = bench.scaled(10_000)
    compared = [*_everybody(bench), bench.floor(), bench.floor("--temp-rename")]
    bench.fresh_copies(result, kind, lambda root: trees.small_files(root, files, files // 100, 8192), compared)
    result.expect_faster(ARSYNC, RSYNC, 2)
    result.expect_faster(ARSYNC, tools.CP.name, 1.4)
    result.expect_within(ARSYNC, "C floor", 1.5)


def large(bench: Bench, result: Result, kind: str) -> None:
    """One file of 1.5 GiB. Each copy is cut to nothing after its run, which gives its space back without a delete."""
    size = bench.scaled(1536 * MIB)
    replace(bench, at_hand=2 * size).fresh_copies(
        result, kind, lambda root: trees.large_file(root, size), _everybody(bench),
        after=lambda copy: os.truncate(copy / "large", 0) if (copy / "large").exists() else None,
    )  # fmt: skip
    result.expect_faster(ARSYNC, RSYNC, 2)
    result.expect_faster(ARSYNC, tools.CP.name, 1, strictly=kind == "ext4")


def clone(bench: Bench, result: Result, kind: str) -> None:
    """The same on a file system that can share data; how much space a copy takes tells whether it is a clone."""
    large(bench, result, kind)
    size = bench.scaled(1536 * MIB)
    with bench.volume_with(kind, lambda root: trees.large_file(root, size)) as root:
        before = free_bytes(root)
        timed(tools.arsync(bench.arsync).command(root / "src", root / "dst"), bench.output())
        taken = before - free_bytes(root)
    result.verdicts.append(Verdict(f"{ARSYNC}: a clone", f"takes {taken / MIB:.1f} MiB", taken < CLONE_BYTES))


def nothing(bench: Bench, result: Result, kind: str, *options: str, files: int = 40_000) -> None:
    """Files that are there already, a hundred in a directory."""
    files = bench.scaled(files)
    compared = [tools.arsync(bench.arsync, *options), tools.rsync(*options)]
    if not options:
        compared += tools.rclone()
    bench.again(result, kind, lambda root: trees.small_files(root, files, max(1, files // 100), 512), compared)
    result.expect_faster(compared[0].name, compared[1].name, 1.5)


def nothing_itemized(bench: Bench, result: Result, kind: str) -> None:
    """The same with -i and ten times as many: what a nightly run does."""
    nothing(bench, result, kind, "-i", files=400_000)


def nothing_narrow(bench: Bench, result: Result, kind: str) -> None:
    """80,000 files of which each directory has six or seven, as in many a home directory."""
    files = bench.scaled(80_000)
    compared = [tools.arsync(bench.arsync), tools.rsync()]
    bench.again(result, kind, lambda root: trees.small_files(root, files, files * 3 // 20, 512), compared)
    result.expect_faster(ARSYNC, RSYNC, 1)


def deep(bench: Bench, result: Result, kind: str) -> None:
    """1,800 directories inside one another, 5 files in each: as deep as PATH_MAX lets the rivals go."""
    levels = bench.scaled(1800)
    bench.fresh_copies(result, kind, lambda root: trees.deep_tree(root, levels, 5), _everybody(bench))


def flat(bench: Bench, result: Result, kind: str) -> None:
    """100,000 files of 1 KiB in one directory."""
    files = bench.scaled(100_000)
    compared = [tools.arsync(bench.arsync), tools.rsync(), tools.CP, bench.floor()]
    bench.fresh_copies(result, kind, lambda root: trees.flat_directory(root, files), compared)


def startup(bench: Bench, result: Result, kind: str) -> None:
    """One file of 1 KiB, against the time Python needs to import what arsync is built on."""
    python = tools.python_of(bench.arsync)
    imports = tools.Tool("import", lambda src, dst: [python, "-c", "import click, asyncio, liburing"])
    compared = [tools.arsync(bench.arsync), tools.rsync(), tools.CP]
    result.rows = [Row(tool.name) for tool in [*compared, imports]]
    with bench.volume_with(kind, trees.one_file) as root:
        for number in range(bench.rounds * 4):
            for row, tool in zip(result.rows, [*compared, imports]):
                bench.run(row, tool, root / "src", root / f"{tool.name}.{number}", check=not number and tool != imports)
    result.expect_within(ARSYNC, "import", 1.8)


def memory(bench: Bench, result: Result, kind: str) -> None:
    """300,000 files of 64 bytes, 1,000 in a directory, and a tenth of it: does memory grow with the tree?"""
    many = bench.scaled(300_000)
    few = many // 10
    alone = replace(bench, rounds=1)
    for files in (few, many):
        part = [tools.arsync(bench.arsync, name=f"{ARSYNC}, {files:,} files"), tools.rsync()]
        rows = [Row(f"{tool.name.split(',')[0]}, {files:,} files") for tool in part]
        with alone.volume_with(kind, lambda root: trees.small_files(root, files, max(1, files // 1000), 64)) as root:  # noqa: B023
            for row, tool in zip(rows, part):
                bench.run(row, tool, root / "src", root / row.name[:5], check=True, memory=True)
        result.rows += rows
    small_tree, big_tree = result.rows[0], result.rows[2]
    if not (small_tree.usable and big_tree.usable):
        result.verdicts.append(Verdict("memory", "it failed", False))
        return
    peak, growth = big_tree.memory, big_tree.memory - small_tree.memory
    result.verdicts.append(Verdict("under 150 MiB together", f"{peak / MIB:.0f} MiB", peak < MEMORY_BYTES))
    result.verdicts.append(Verdict("no growth with the tree", f"{growth / MIB:+.1f} MiB", growth < GROWTH_BYTES))


def workers(bench: Bench, result: Result, kind: str) -> None:
    """The small files with 1, 2, ... worker processes."""
    files = bench.scaled(10_000)
    compared = [tools.arsync(bench.arsync, f"--workers={number}") for number in range(1, bench.cpus + 1)]
    compared += [tools.arsync(bench.arsync, f"--workers={2 * bench.cpus}"), tools.rsync()]
    bench.fresh_copies(result, kind, lambda root: trees.small_files(root, files, files // 100, 8192), compared)


def _case(name: str, title: str, run: Callable[..., object], kind: str, *options: str) -> Case:
    return Case(f"{name}/{kind}", f"{title}, {kind}", lambda bench, result: run(bench, result, kind, *options))


def all_cases() -> list[Case]:
    """Every case, in the order of the report. Those on ``directory`` need no root."""
    cases = [_case("small", "10,000 small files", small, kind) for kind in ("ext4", "xfs", "tmpfs")]
    cases += [_case("large", "One file of 1.5 GiB", large, kind) for kind in ("ext4", "xfs", "tmpfs")]
    cases += [_case("clone", "One file of 1.5 GiB, reflink", clone, kind) for kind in ("xfs-reflink", "btrfs")]
    cases += [
        _case("nothing", "40,000 files, nothing to do", nothing, "ext4"),
        _case("nothing-i", "400,000 files, nothing to do, -i", nothing_itemized, "ext4"),
        _case("nothing-narrow", "80,000 files in 12,000 directories, nothing to do", nothing_narrow, "ext4"),
        Case("from-slow/fuse", "500 small files from a file system with 1 ms per operation", from_slow),
        Case("to-slow/fuse", "500 small files to a file system with 1 ms per operation", to_slow),
        _case("delete", "200,000 files, half of them to be deleted", options.delete, "ext4"),
        _case("filters", "10,000 small files, 50 filter rules", options.filters, "ext4"),
        _case("progress", "100,000 small files, with progress drawn", options.progress, "tmpfs"),
        _case("link-dest", "40,000 files, a snapshot by --link-dest", options.snapshot, "ext4"),
        _case("links", "25,000 files with two names each, -H", options.links, "tmpfs"),
        _case("deep", "1,800 nested directories", deep, "ext4"),
        _case("flat", "100,000 files in one directory", flat, "ext4"),
        _case("startup", "One small file", startup, "tmpfs"),
        _case("memory", "Memory at 300,000 files", memory, "tmpfs"),
        _case("workers", "Number of workers", workers, "ext4"),
        _case("workers", "Number of workers", workers, "tmpfs"),
    ]
    runs: tuple[tuple[str, str, Callable[..., object]], ...] = (
        ("small", "10,000 small files", small),
        ("large", "One file of 1.5 GiB", large),
        ("nothing", "40,000 files, nothing to do", nothing),
        ("startup", "One small file", startup),
    )
    cases += [_case(name, title, run, DIRECTORY) for name, title, run in runs]
    return cases + [_large(*about) for about in scale.CASES]


def _large(name: str, title: str, make: scale.Make, number: int, options: tuple[str, ...]) -> Case:
    def run(bench: Bench, result: Result) -> None:
        scale.large_tree(bench, result, "tmpfs", make, number, *options)

    return Case(f"scale/{name}", f"{title}, tmpfs", run, on_demand=True)
