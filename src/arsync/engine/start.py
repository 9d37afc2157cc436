"""Starting the worker processes. Kept apart from the pool that feeds them: workers are forked before the parent
imports its event loop, so that they set themselves up meanwhile."""

from __future__ import annotations

import gc
import os
import sys

from arsync.config import CopyConfig
from arsync.engine.batches import PackedBatch
from arsync.engine.shared import Shared
from arsync.engine.wire import Connection, connection_pair
from arsync.fs.metadata import Identity


class Process:
    """One worker process and the batches that it has."""

    def __init__(self, number: int, pid: int, channel: Connection) -> None:
        self.number = number
        self.pid = pid
        self.channel = channel
        self.batches: dict[int, PackedBatch] = {}
        self.ended = False
        self.report: list[str] = []


def start_processes(config: CopyConfig, who: Identity, shared: Shared, cpus: list[int]) -> list[Process]:
    """Fork one worker per entry of ``cpus``, pinned to that CPU (-1: not pinned).

    Called before any thread or ring exists: neither survives a fork.
    """
    processes: list[Process] = []
    parent = os.getpid()
    gc.collect()
    gc.freeze()  # the collector must not touch, and so copy, the pages that parent and workers share
    sys.stdout.flush()
    sys.stderr.flush()
    for number, cpu in enumerate(cpus):
        ours, theirs = connection_pair()
        pid = os.fork()
        if pid == 0:
            from arsync.engine.process import worker_main

            for other in (ours, *(process.channel for process in processes)):
                other.close()
            worker_main(config, who, shared, theirs, cpu, parent)  # does not return
        theirs.close()
        processes.append(Process(number, pid, ours))
    return processes
