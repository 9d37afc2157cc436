"""What is known of the machine: system, Python, packages, CPUs, limits."""

from __future__ import annotations

import os
import platform
import resource
import sys
from typing import Any

from arsync import __version__
from arsync.engine.cpus import quota, usable_cpus

#: The packages that arsync uses; where one but click is not there, something else does its work.
_PACKAGES = ("click", "liburing", "rich", "xattr", "xxhash")

_LIMITS = {
    "open_files": resource.RLIMIT_NOFILE,
    "locked_memory": resource.RLIMIT_MEMLOCK,
    "processes": resource.RLIMIT_NPROC,
    "file_size": resource.RLIMIT_FSIZE,
}


def examine_machine() -> dict[str, Any]:
    """The part of the report that is about no path."""
    return {
        "arsync": __version__,
        "system": {
            "kernel": platform.release(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip(),
            "uid": os.geteuid(),
        },
        "python": {
            "version": platform.python_version(),
            "implementation": sys.implementation.name,
            "executable": sys.executable or "",
        },
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpus": {
            "online": os.cpu_count(),
            "affinity": len(os.sched_getaffinity(0)),
            "cgroup": quota(),
            "workers": len(usable_cpus()),
        },
        "limits": {name: _limit(number) for name, number in _LIMITS.items()},
    }


def _version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _limit(number: int) -> dict[str, int | None]:
    """The soft and the hard limit; None is no limit."""
    soft, hard = (None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(number))
    return {"soft": soft, "hard": hard}
