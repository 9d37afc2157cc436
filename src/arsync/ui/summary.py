"""The last lines of a run: ``sent ... bytes`` and the block of --stats, in rsync's shape.

There is no protocol between two ends here, so what rsync counts on the wire is counted as follows: "sent" is the data
that was written, "received" nothing, and a file list has no size.
"""

from __future__ import annotations

from collections.abc import Iterator

from arsync.events import Kind, Totals

_NS = 1e9


def _grouped(number: int) -> str:
    return f"{number:,}"


def _by_kind(counts: list[int]) -> str:
    """``10 (reg: 6, dir: 4)``, only kinds that occur."""
    total = sum(counts)
    names = (
        (Kind.FILE, "reg"),
        (Kind.DIRECTORY, "dir"),
        (Kind.SYMLINK, "link"),
        (Kind.DEVICE, "dev"),
        (Kind.SPECIAL, "special"),
    )
    parts = ", ".join(f"{name}: {_grouped(counts[kind])}" for kind, name in names if counts[kind])
    return f"{_grouped(total)} ({parts})" if parts else _grouped(total)


def stats(totals: Totals) -> Iterator[str]:
    """The lines of --stats."""
    literal = totals.written + totals.cloned
    yield f"Number of files: {_by_kind(totals.seen)}"
    yield f"Number of created files: {_by_kind(totals.created)}"
    yield f"Number of deleted files: {_by_kind(totals.deleted)}"
    yield f"Number of regular files transferred: {_grouped(totals.transferred_files)}"
    yield f"Total file size: {_grouped(totals.total_size)} bytes"
    yield f"Total transferred file size: {_grouped(totals.transferred_size)} bytes"
    yield f"Literal data: {_grouped(literal)} bytes"
    yield "Matched data: 0 bytes"
    yield "File list size: 0"
    yield f"File list generation time: {totals.listing_ns / _NS:.3f} seconds"
    yield "File list transfer time: 0.000 seconds"
    yield f"Total bytes sent: {_grouped(literal)}"
    yield "Total bytes received: 0"


def sent(totals: Totals, dry_run: bool) -> Iterator[str]:
    """The two lines at the end of a run with -v or --stats."""
    moved = totals.written + totals.cloned
    # rsync counts whole seconds and adds half of one, so that nothing is divided by nought.
    seconds = int(totals.elapsed_ns / _NS) + 0.5
    speedup = totals.total_size / moved if moved else 0.0
    yield f"sent {_grouped(moved)} bytes  received 0 bytes  {moved / seconds:,.2f} bytes/sec"
    yield f"total size is {_grouped(totals.total_size)}  speedup is {speedup:,.2f}" + (" (DRY RUN)" if dry_run else "")
