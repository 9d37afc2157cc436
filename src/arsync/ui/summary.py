"""The last lines of a run: ``sent ... bytes`` and the block of --stats, in rsync's shape.

There is no protocol between two ends here, so what rsync counts on the wire is counted as follows: "sent" is the data
that was written, "received" nothing, and a file list has no size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from arsync.config import CopyConfig
from arsync.events import Kind, Totals
from arsync.ui.numbers import fraction, number

_NS = 1e9

_KINDS = (
    (Kind.FILE, "reg"),
    (Kind.DIRECTORY, "dir"),
    (Kind.SYMLINK, "link"),
    (Kind.DEVICE, "dev"),
    (Kind.SPECIAL, "special"),
)


def _by_kind(counts: list[int], human: int) -> str:
    """``10 (reg: 6, dir: 4)``, only kinds that occur."""
    total = number(sum(counts), human)
    parts = ", ".join(f"{name}: {number(counts[kind], human)}" for kind, name in _KINDS if counts[kind])
    return f"{total} ({parts})" if parts else total


def at_the_end(config: CopyConfig, info: Mapping[str, int], debug: Mapping[str, int], totals: Totals) -> Iterator[str]:
    """All of the last lines that the levels of --info and --debug ask for."""
    human = config.human_readable
    if debug["deltasum"]:
        yield f"total: matches=0  hash_hits=0  false_alarms=0 data={totals.written + totals.cloned}"
    if info["stats"] > 1:
        yield ""
        yield from stats(totals, human)
    if info["stats"]:
        yield ""
        yield from sent(totals, human, config.trial or (config.dry_run and not config.list_only))
    if info["stats"] > 1 or debug["io"]:
        yield from how_done(totals)


def stats(totals: Totals, human: int) -> Iterator[str]:
    """The lines of --stats; ``human`` as in :mod:`arsync.ui.numbers`."""
    literal = number(totals.written + totals.cloned, human)
    counts = min(human, 1)  # how many there are of something is never written with a unit
    yield f"Number of files: {_by_kind(totals.seen, counts)}"
    yield f"Number of created files: {_by_kind(totals.created, counts)}"
    yield f"Number of deleted files: {_by_kind(totals.deleted, counts)}"
    yield f"Number of regular files transferred: {number(totals.transferred_files, counts)}"
    yield f"Total file size: {number(totals.total_size, human)} bytes"
    yield f"Total transferred file size: {number(totals.transferred_size, human)} bytes"
    yield f"Literal data: {literal} bytes"
    yield "Matched data: 0 bytes"
    yield "File list size: 0"
    yield f"File list generation time: {totals.listing_ns / _NS:.3f} seconds"
    yield "File list transfer time: 0.000 seconds"
    yield f"Total bytes sent: {literal}"
    yield "Total bytes received: 0"


def sent(totals: Totals, human: int, dry_run: bool) -> Iterator[str]:
    """The two lines at the end of a run with -v or --stats."""
    moved = totals.written + totals.cloned
    # rsync counts whole seconds and adds half of one, so that nothing is divided by nought.
    seconds = int(totals.elapsed_ns / _NS) + 0.5
    speedup = totals.total_size / moved if moved else 0.0
    yield f"sent {number(moved, human)} bytes  received 0 bytes  {fraction(moved / seconds, human)} bytes/sec"
    yield (
        f"total size is {number(totals.total_size, human)}  speedup is {fraction(speedup, min(human, 1))}"
        + (" (DRY RUN)" if dry_run else "")
    )


def how_done(totals: Totals) -> Iterator[str]:
    """How each worker did its work, and why so."""
    for report in totals.workers:
        who = "this process" if report.number < 0 else f"worker {report.number}"
        methods = ", ".join(f"{method} {size} bytes" for method, size in report.methods.items())
        yield (
            f"{who}: {report.plain} entries by plain calls one after another, "
            f"{report.in_flight} with many in flight; io_uring: {report.ring}" + (f"; {methods}" if methods else "")
        )
        if report.verified is not None:
            storage, memory = report.verified
            where = f"{storage} bytes from the storage, {memory} from a file system in memory"
            yield f"{who}: read back and compared: {where}"
        for switch in report.switches:
            yield f"{who}: {switch}"


def logged(totals: Totals) -> bytes:
    """The same in a log file, where stdout does not show it."""
    moved = totals.written + totals.cloned
    return f"sent {moved} bytes  received 0 bytes  total size {totals.total_size}".encode()
