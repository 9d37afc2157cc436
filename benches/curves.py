"""Measure the curves of docs/tuning.md and draw them: ``python benches/curves.py``, as root.

Speed in files a second over the number of workers, over --queue-depth and over the latency of the storage; the best of
some interleaved rounds, each a new copy. The numbers go to docs/curves/measured.json, the pictures beside it; --draw
only draws what was measured (it needs matplotlib: ``pip install ".[bench]"``).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import tools
import trees
from bench import Bench
from report import machine
from results import Result, Row
from volumes import UnavailableError, delayed

WHERE = Path(__file__).resolve().parents[1] / "docs" / "curves"

#: Of one curve: x, and files a second.
Points = list[tuple[float, float]]
Curves = dict[str, Points]

WORKERS = (1, 2, 3, 4, 8)
DEPTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LATENCIES_US = (100, 300, 1000, 3000, 10000)
#: The latency at which the curve over --queue-depth is measured.
DELAY_US = 1000
#: As long as NFS or sshfs cache names and attributes at least.
CACHE_S = 1.0


def workers(bench: Bench) -> Curves:
    """10,000 files of 8 KiB on average, on storage that does not wait."""
    files = bench.scaled(10_000)
    curves: Curves = {}
    for kind in ("tmpfs", "ext4"):
        compared = [tools.arsync(bench.arsync, f"--workers={number}") for number in WORKERS]
        result = Result(kind, kind)
        bench.fresh_copies(
            result, kind, lambda root: trees.small_files(root, files, 100, 8192), [*compared, tools.rsync(), tools.CP]
        )
        speeds = [files / row.best for row in result.rows]
        curves[f"arsync, {kind}"] = list(zip(WORKERS, speeds))
        for speed, rival in zip(speeds[len(WORKERS) :], ("rsync", "cp")):
            curves[f"{rival}, {kind}"] = [(number, speed) for number in WORKERS]
    return curves


def depth(bench: Bench) -> Curves:
    """1,000 files in 20 directories, from and to a file system that answers each operation a millisecond late."""
    files = bench.scaled(1000)
    compared = [tools.arsync(bench.arsync, f"--queue-depth={number}") for number in DEPTHS]
    curves: Curves = {}
    for name, slow_source in (("from", True), ("to", False)):
        rows = _over_slow(bench, files, compared, DELAY_US, slow_source)
        curves[f"arsync, {name} 1 ms"] = [(number, files / row.best) for number, row in zip(DEPTHS, rows)]
    return curves


def latency(bench: Bench) -> Curves:
    """600 files in 12 directories, from a file system that answers each operation late by more and more."""
    files = bench.scaled(600)
    compared = {"arsync": tools.arsync(bench.arsync), "rsync": tools.rsync(), "cp": tools.CP}
    curves: Curves = {name: [] for name in compared}
    for delay in LATENCIES_US:
        rows = _over_slow(bench, files, list(compared.values()), delay, slow_source=True)
        for name, row in zip(compared, rows):
            curves[name].append((delay / 1000, files / row.best))
    return curves


def _over_slow(bench: Bench, files: int, compared: list[tools.Tool], delay_us: int, slow_source: bool) -> list[Row]:
    """Each run on a new mount, where nothing is cached yet."""
    rows = [Row(tool.name) for tool in compared]
    with bench.volume_with("tmpfs", lambda root: trees.small_files(root, files, max(10, files // 50), 8192)) as fast:
        for number in range(bench.rounds):
            for place, (row, tool) in enumerate(zip(rows, compared)):
                copy = fast / f"dst{place}.{number}"
                with delayed(bench.delayfs(), fast, bench.scratch, delay_us, CACHE_S) as slow:
                    source, target = (slow / "src", copy) if slow_source else (fast / "src", slow / copy.name)
                    bench.run(row, tool, source, target, check=False)
                if found := trees.difference(fast / "src", copy):
                    row.failure = f"not a copy: {found}"
    return rows


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--only", choices=["workers", "depth", "latency"], help="measure this curve, keep the others")
    parser.add_argument("--quick", action="store_true", help="a tenth of the files: does it work at all?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arsync", metavar="CMD", help="command to measure (default: as benches/run.py)")
    parser.add_argument("--where", type=Path, default=WHERE, help="where numbers and pictures go")
    return parser.parse_args()


def _measure(options: argparse.Namespace, numbers: Path) -> None:
    arsync = tools.find_arsync(options.arsync)
    found = json.loads(numbers.read_text()) if options.only and numbers.exists() else {"curves": {}, "machine": {}}
    with TemporaryDirectory(prefix="arsync-curves-") as scratch:
        bench = Bench(arsync, Path(scratch), None, options.rounds, options.quick, lambda line: print(line, flush=True))
        for name, measure in (("workers", workers), ("depth", depth), ("latency", latency)):
            if options.only in (None, name):
                print(name, flush=True)
                found["machine"][name] = dict(machine(arsync)) | {"rounds": options.rounds}
                found["curves"][name] = measure(bench)
                numbers.write_text(json.dumps(found, indent=1) + "\n")


def main() -> int:
    """Measure and draw; 1 where this machine cannot."""
    options = _options()
    options.where.mkdir(exist_ok=True)
    numbers = options.where / "measured.json"
    if not options.draw:
        try:
            _measure(options, numbers)
        except UnavailableError as reason:
            print(f"cannot measure: {reason}", file=sys.stderr)
            return 1
    from drawing import draw

    for picture in draw(json.loads(numbers.read_text()), options.where):
        print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
