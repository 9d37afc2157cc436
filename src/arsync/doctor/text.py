"""The report for people."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from arsync.doctor import abilities, pair
from arsync.ui.escape import escape

_WIDTH = 50

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def lines(report: dict[str, Any]) -> Iterator[str]:
    """One by one."""
    yield from _machine(report)
    for place in report["paths"]:
        yield ""
        yield from _place(place)
    for found in report["pairs"]:
        yield ""
        yield f"{_name(found['source'])} -> {_name(found['destination'])}"
        yield _row("the same file system", "yes" if found["same_file_system"] else "no")
        for key, name in pair.NAMES.items():
            yield _finding(name, found["abilities"][key])
    yield ""
    if report["ok"]:
        yield "A copy would work here." if report["paths"] else "arsync works here."
    for problem in report["problems"]:
        yield f"A copy would not work: {_name(problem)}"


def _machine(report: dict[str, Any]) -> Iterator[str]:
    system, python, cpus = report["system"], report["python"], report["cpus"]
    who = "root" if system["uid"] == 0 else f"user {system['uid']}"
    yield f"arsync {report['arsync']}, Python {python['version']} ({python['executable']}), {who}"
    yield f"Linux {system['kernel']} on {system['machine']}, {system['libc'] or 'unknown C library'}"
    packages = (f"{name} {version or 'not installed'}" for name, version in report["packages"].items())
    yield _row("packages", ", ".join(packages))
    quota = "no limit" if cpus["cgroup"] is None else f"{cpus['cgroup']:g}"
    yield _row("CPUs", f"{cpus['online']} online, {cpus['affinity']} allowed, cgroup: {quota}")
    yield _row("worker processes", str(cpus["workers"]))
    for name, limit in report["limits"].items():
        text = _limit(limit["soft"], name)
        if limit["soft"] != limit["hard"]:
            text += f" (up to {_limit(limit['hard'], name)})"
        yield _row(name.replace("_", " "), text)
    yield from _ring(report["io_uring"])


def _ring(ring: dict[str, Any]) -> Iterator[str]:
    if ring["works"]:
        missing = [method for method, there in ring["opcodes"].items() if not there]
        yield _row("io_uring", f"yes, with {len(ring['opcodes']) - len(missing)} of {len(ring['opcodes'])} operations")
        if missing:
            yield _row("  by plain calls, since this kernel has no opcode", ", ".join(missing))
        return
    yield _row("io_uring", f"no ({ring['refused_by']})")
    yield from (_row("", _name(part)) for part in ring["why"].split("; "))
    for name, finding in ring["calls"].items():
        if not finding["works"]:
            yield _finding(f"  {name}", finding)
    yield _row("", "plain system calls in threads do the same work")


def _place(place: dict[str, Any]) -> Iterator[str]:
    role = "" if place["role"] == "either" else f" ({place['role']})"
    yield f"{_name(place['path'])}{role}"
    if place["file_system"] is None:
        yield from (_row("cannot be used", _name(problem)) for problem in place["problems"])
        return
    if place["examined"] != place["path"] and place["examined"]:
        why = "it does not exist" if not place["exists"] else "it is no directory"
        yield _row("looked at instead", f"{_name(place['examined'])}, since {why}")
    system = place["file_system"]
    yield _row("file system", f"{system['type']} on {_name(system['mounted_on'])}")
    yield _row("free", f"{_size(system['bytes_free'])} of {_size(system['bytes'])}")
    inodes = f"{system['inodes_free']} of {system['inodes']}" if system["inodes"] else "made as they are needed"
    yield _row("free inodes", inodes)
    yield _finding("can be read", place["readable"])
    yield _finding("can be written to", place["writable"])
    if all(finding["works"] is None for finding in place["abilities"].values()):
        return
    for key, name in abilities.NAMES.items():
        yield _finding(name, place["abilities"][key])
    if place["link_limit"] is not None:
        yield _row("links of one file", f"up to {place['link_limit']}")
    times = place["times"]
    step = "unknown" if times["step_ns"] is None else f"steps of {_step(times['step_ns'])}"
    yield _row("times", f"{step}, {_date(times['earliest'])} to {_date(times['latest'])}")


def _row(name: str, text: str) -> str:
    return f"  {name.ljust(_WIDTH)} {text}".rstrip()


def _finding(name: str, finding: dict[str, Any]) -> str:
    word = {True: "yes", False: "no", None: "not tried"}[finding["works"]]
    return _row(name, f"{word}: {_name(finding['why'])}" if finding["why"] else word)


def _name(text: str) -> str:
    return os.fsdecode(escape(os.fsencode(text)))


def _limit(value: int | None, name: str) -> str:
    if value is None:
        return "no limit"
    return _size(value) if name in ("locked_memory", "file_size") else str(value)


def _size(number: int) -> str:
    size = float(number)
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{number} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def _step(step: int) -> str:
    for unit, name in ((10**9, "s"), (10**6, "ms"), (10**3, "us")):
        if step >= unit:
            return f"{step // unit} {name}"
    return f"{step} ns"


def _date(seconds: int | None) -> str:
    if seconds is None:
        return "any time"
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (OverflowError, ValueError):
        return f"{seconds} s"
