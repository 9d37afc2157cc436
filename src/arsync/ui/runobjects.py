"""The objects of --json about the run as a whole: how it begins, how far it is, how it ends."""

from __future__ import annotations

import os

from arsync.config import CopyConfig
from arsync.errors import ExitCode, FatalError
from arsync.events import Doing, Kind, Progress, Totals
from arsync.ui.estimate import Estimate
from arsync.ui.failures import MEANINGS
from arsync.ui.objects import Object, name

#: Raised where a program that reads the objects must be changed: never because something is added.
FORMAT = 1

_NS = 10**9


def start(config: CopyConfig, version: str) -> Object:
    """The first object."""
    return {
        "type": "start",
        "format": FORMAT,
        "version": version,
        "pid": os.getpid(),
        "sources": [name("path", source) for source in config.sources],
        **({} if config.list_only else name("dest", config.dest)),
        "dry_run": config.dry_run,
        "list_only": config.list_only,
    }


def progress(now: Progress, estimate: Estimate, *, workers: bool) -> Object:
    """How far the run is."""
    made: Object = {
        "type": "progress",
        "elapsed": round(estimate.elapsed, 3),
        "fraction": round(estimate.fraction, 4),
        "entries": min(now.passed, now.listed),
        "entries_found": now.listed,
        "all_found": now.listed_all,
        "files_copied": now.files,
        "bytes_copied": now.moved,
        "bytes_per_second": round(estimate.rate),
        "seconds_left": None if estimate.left is None else round(estimate.left),
        "deleted": now.deleted,
        "errors": now.errors,
    }
    large = max((doing for doing in now.workers if doing.size), key=lambda doing: doing.size, default=None)
    if large is not None:
        made["current"] = _current(large)
    if workers:
        made["workers"] = [
            {"entries": doing.entries, "bytes_copied": doing.moved, "entries_given": doing.given}
            | ({"current": _current(doing)} if doing.size else {})
            for doing in now.workers
        ]
    return made


def _current(doing: Doing) -> Object:
    return {**name("path", doing.path), "bytes_copied": doing.done, "size": doing.size}


def summary(config: CopyConfig, totals: Totals, code: ExitCode, elapsed: float, errors: list[Object]) -> Object:
    """The last object."""
    seconds = max(elapsed, 0.001)
    seen = sum(totals.seen)
    return {
        **ending(code),
        "dry_run": config.dry_run,
        "elapsed": round(elapsed, 6),
        "listing_seconds": round(totals.listing_ns / _NS, 6),
        "entries": _by_kind(totals.seen),
        "created": _by_kind(totals.created),
        "deleted": _by_kind(totals.deleted),
        "deletions_refused": totals.kept_back,
        "files_copied": totals.transferred_files,
        "hard_links": totals.linked,
        "bytes": {
            "total": totals.total_size,
            "copied": totals.transferred_size,
            "written": totals.written,
            "cloned": totals.cloned,
        },
        "rates": {
            "entries_per_second": round(seen / seconds, 3),
            "bytes_per_second": round(totals.transferred_size / seconds, 3),
        },
        "errors": errors,
        **_how(config, totals),
    }


def ending(code: ExitCode) -> Object:
    """What every summary has, also where the run could not begin."""
    return {"type": "summary", "format": FORMAT, "exit_code": int(code), "meaning": MEANINGS[code]}


def _by_kind(counts: list[int]) -> Object:
    return {kind.name.lower(): counts[kind] for kind in Kind}


def _how(config: CopyConfig, totals: Totals) -> Object:
    """The engine that was used, and the methods by which data was copied."""
    reports = totals.workers
    methods: dict[str, int] = {}
    for report in reports:
        for method, size in report.methods.items():
            methods[method] = methods.get(method, 0) + size
    return {
        "engine": {
            "asked": config.io_engine.value,
            "io_uring": any(report.ring == "used" for report in reports),
            "io_uring_not_used_because": sorted({report.ring for report in reports if report.ring != "used"}),
            "entries_one_by_one": sum(report.plain for report in reports),
            "entries_in_flight": sum(report.in_flight for report in reports),
            "workers": sum(report.number >= 0 for report in reports),
        },
        "methods": methods,
    }


def fatal(error: FatalError) -> Object:
    """What ended a run, or kept it from beginning."""
    return {"type": "error", "severity": "fatal", "operation": "", "message": str(error)}
