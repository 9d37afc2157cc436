"""Starting the worker processes, before it is known what they will do.

Workers are forked first of all, and read in their modules on other CPUs while the parent still reads the command
line's. They get their orders when the parent knows them, and their first batches right behind.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from arsync.engine.shared import QUESTION, SIGNALS, Shared
from arsync.engine.wire import Connection, connection_pair

if TYPE_CHECKING:
    from arsync.config import CopyConfig
    from arsync.engine.batches import PackedBatch
    from arsync.engine.held import Held
    from arsync.events import WorkerReport
    from arsync.fs.metadata import Identity

#: Objects made between two looks for garbage in cycles, of which a run makes hardly any: looking after every 700 took
#: a twelfth of the time. Some MiB of them can wait.
GARBAGE_THRESHOLD = 20_000


class Process:
    """One worker process and the batches that it has."""

    def __init__(self, number: int, pid: int, channel: Connection) -> None:
        self.number = number
        self.pid = pid
        self.channel = channel
        self.batches: dict[int, PackedBatch] = {}
        self.answered = 0.0  # when it did last, and whether that was soon after the time before
        self.quick = False
        self.ended = False
        self.report: WorkerReport | None = None


class Workforce:
    """The worker processes of a run, from their fork until they get their orders."""

    def __init__(self) -> None:
        self.shared = Shared()
        self._processes: list[Process] = []

    def __len__(self) -> int:
        return len(self._processes)

    def fork(self, number: int) -> None:
        """Have ``number`` workers, or as many as can be had. Called before any thread or ring exists, since neither
        survives a fork."""
        if len(self._processes) < number:
            sys.stdout.flush()
            sys.stderr.flush()
            gc.freeze()  # the collector must not touch, and so copy, the pages that parent and workers share
        with contextlib.suppress(OSError):  # no more processes can be had: those that there are do the work
            while len(self._processes) < number:
                self._processes.append(self._fork_one())

    def begin(self, config: CopyConfig, who: Identity, cpus: list[int], held: Held) -> list[Process]:
        """Give one worker per entry of ``cpus`` its orders, pinned to that CPU (-1: not pinned). Fewer are returned
        where no more processes can be had; where there are none, the parent works."""
        self.fork(len(cpus))
        processes, self._processes = self._processes[: len(cpus)], self._processes[len(cpus) :]
        self.dismiss()
        holds, fds = tuple(fd >= 0 for fd in held), [fd for fd in held if fd >= 0]
        for process, cpu in zip(processes, cpus):
            with contextlib.suppress(OSError):  # it has died: who listens to its channel reports that
                process.channel.send((config.values(), tuple(who), cpu, holds), fds)
        return processes

    def dismiss(self) -> None:
        """End the workers that got no orders."""
        for process in self._processes:
            process.channel.close()
            os.kill(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
        self._processes = []

    def _fork_one(self) -> Process:
        ours, theirs = connection_pair()
        parent = os.getpid()
        # A signal between the fork and the worker's own handlers must not find the parent's.
        signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, QUESTION))
        try:
            pid = os.fork()
            if pid == 0:
                self._work((ours, *(process.channel for process in self._processes)), theirs, parent)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, QUESTION))
            theirs.close()
        return Process(len(self._processes), pid, ours)

    def _work(self, inherited: tuple[Connection, ...], channel: Connection, parent: int) -> None:
        """The worker's side of the fork; does not return."""
        try:
            for other in inherited:
                other.close()
            gc.set_threshold(GARBAGE_THRESHOLD)
            from arsync.engine.process import worker_main

            self.shared.number = len(self._processes)

            worker_main(self.shared, channel, parent)
        finally:
            os._exit(1)
