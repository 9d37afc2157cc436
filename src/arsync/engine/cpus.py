"""How many workers this machine lets us use."""

from __future__ import annotations

import math
import os


def usable_cpus() -> list[int]:
    """The CPUs that this process may run on, as many of them as its cgroup's quota is worth."""
    cpus = sorted(os.sched_getaffinity(0))
    limit = quota()
    return cpus if limit is None else cpus[: max(1, math.ceil(limit))]


def quota() -> float | None:
    """The cgroup's CPU quota in CPUs (cpu.max in version 2, cpu.cfs_* in version 1); None without one."""
    try:
        with open("/proc/self/cgroup") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    quotas = [quota for line in lines if (quota := _quota_of(line)) is not None]
    return min(quotas, default=None)


def _quota_of(line: str) -> float | None:
    _, controllers, path = line.split(":", 2)
    if not controllers:
        text = _read(f"/sys/fs/cgroup{path}/cpu.max").split()
        return int(text[0]) / int(text[1]) if len(text) == 2 and text[0] != "max" else None
    if "cpu" in controllers.split(","):
        quota = _read(f"/sys/fs/cgroup/cpu{path}/cpu.cfs_quota_us").strip()
        period = _read(f"/sys/fs/cgroup/cpu{path}/cpu.cfs_period_us").strip()
        return int(quota) / int(period) if quota and period and int(quota) > 0 else None
    return None


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def pins(workers: int) -> list[int]:
    """The CPU of each worker: one each in turn; -1 (not pinned) where there are more workers than CPUs."""
    cpus = usable_cpus()
    if workers == 0:
        return cpus
    return cpus[:workers] if workers <= len(cpus) else [-1] * workers
