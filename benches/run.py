"""Compare arsync with rsync, cp and others on fresh file systems: ``python benches/run.py``.

As root everything runs: loop images of ext4, XFS and btrfs, tmpfs mounts, and a slow FUSE file system built from
delayfs.c, all made under --scratch and removed again, also on Ctrl-C. As an ordinary user the cases called
*/directory run in --directory (or --scratch), and the others are skipped with the reason.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import Bench
from cases import Case, all_cases
from measure import RunError
from report import as_markdown, as_text, lost, machine, of_scale, with_scale
from results import Result
from tools import find_arsync
from volumes import DIRECTORY, UnavailableError


def _options() -> argparse.ArgumentParser:
    names = ", ".join(case.name for case in all_cases())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"Cases: {names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--case",
        action="append",
        metavar="NAME",
        help="only this one; 'small' is every small/...; repeatable; 'scale' only so",
    )
    add("--quick", action="store_true", help="a tenth of each tree, 2 rounds: does it work at all?")
    add("--rounds", type=int, metavar="N", help="runs of each tool (default 5)")
    add("--markdown", type=Path, metavar="FILE", help="also write the results as a page")
    add("--arsync", metavar="CMD", help="command to measure (default: arsync on PATH, else this checkout)")
    add("--scratch", type=Path, metavar="DIR", help="where images and mounts go (default: a new temporary directory)")
    add("--directory", type=Path, metavar="DIR", help="where */directory cases and fast sides of slow ones copy")
    return parser


def _chosen(names: list[str] | None) -> list[Case]:
    cases = all_cases()
    for name in names or ():
        if not any(_is(case, name) for case in cases):
            sys.exit(f"no case {name}; there are {', '.join(case.name for case in cases)}")
    if not names:
        cases = [case for case in cases if not case.on_demand]
    return [case for case in cases if any(_is(case, name) for name in names or [case.name.split("/")[0]])]


def _is(case: Case, name: str) -> bool:
    group, kind = case.name.split("/")
    # As root the images say more than whatever the directory happens to be on.
    return case.name == name or (group == name and (os.geteuid() != 0 or kind != DIRECTORY))


def _measure(bench: Bench, case: Case) -> Result:
    result = Result(case.name, case.title)
    bench.say(f"{case.name}")
    try:
        case.run(bench, result)
    except UnavailableError as reason:
        result.skipped = str(reason)
    except RunError as failure:
        result.skipped = f"could not be prepared: {failure}"
    result.subject = result.rows[0].name if result.rows else ""
    if bench.quick:
        result.title += " (--quick: a tenth)"
        result.notes.append("targets are meant for the whole tree")
    return result


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Run the chosen cases; 0 if every target was reached (or with --quick), 1 if not, 130 when interrupted."""
    options = _options().parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGHUP, _interrupted)
    cases = _chosen(options.case)
    arsync = find_arsync(options.arsync)
    facts = machine(arsync)
    for name, value in facts:
        print(f"{name}: {value}")
    print(flush=True)
    results = []
    with TemporaryDirectory(prefix="arsync-bench-", dir=options.scratch) as scratch:
        rounds = options.rounds or (2 if options.quick else 5)
        bench = Bench(arsync, Path(scratch), options.directory, rounds, options.quick, _say)
        for case in cases:
            results.append(_measure(bench, case))
            print(as_text(results[-1]), flush=True)
            if options.markdown:
                command = shlex.join(["python", "benches/run.py", *sys.argv[1:]])
                old = options.markdown.read_text() if options.markdown.exists() else ""
                if all(case.on_demand for case in cases):
                    page = of_scale(results, facts, command, old)
                else:
                    page = with_scale(as_markdown(results, facts, command, options.quick), old)
                options.markdown.write_text(page)
    missed = lost(results)
    print("\n".join(["where arsync loses:", *(f"  {line}" for line in missed)]) if missed else "arsync loses nowhere")
    return 0 if options.quick or all(verdict.passed for result in results for verdict in result.verdicts) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
