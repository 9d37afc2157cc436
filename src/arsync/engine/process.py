"""The body of a worker process."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from arsync.config import CopyConfig
from arsync.engine.descriptors import raise_limit
from arsync.engine.held import Held
from arsync.engine.shared import QUESTION, SIGNALS, Shared
from arsync.engine.temporaries import begin_temporaries
from arsync.engine.wire import Batch, BatchResult, Connection
from arsync.engine.worker import Worker
from arsync.fs.metadata import Identity
from arsync.fs.syscalls import die_with_parent


class SocketChannel:
    """Batches from the parent by socket."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._lock = threading.Lock()  # coroutines may run in threads, and a long answer is several packets

    def receive(self, block: bool) -> tuple[Batch, list[int]] | None:
        try:
            message = self._channel.receive(0 if block else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionError:
            return None  # the parent is gone
        if message is None:
            return None
        return Batch(*message[0]), message[1]

    def send(self, result: BatchResult) -> None:
        with self._lock:
            self._channel.send(tuple(result))


def worker_main(shared: Shared, channel: Connection, parent: int) -> NoReturn:
    """Serve ``parent`` (a process id) until it closes the channel, then leave the process. Signals are blocked."""
    code = 1
    try:
        _settle_in(shared, parent)
        orders = channel.receive()
        if orders is not None:
            _serve(shared, channel, *orders)
        code = 0
    except ConnectionError:
        code = 0  # the parent ended first; nobody is left to report to
    except BaseException:
        # A defect of arsync: the parent names this worker's files, this says why.
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _serve(
    shared: Shared,
    channel: Connection,
    orders: tuple[tuple[Any, ...], tuple[Any, ...], int, tuple[bool, ...]],
    fds: list[int],
) -> None:
    """Carry out the parent's orders: a configuration, whose rights, a CPU (-1: any), and which fields of Held the
    descriptors ``fds`` are."""
    values, who, cpu, holds = orders
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})
    held = Held(*(fds.pop(0) if is_held else -1 for is_held in holds))
    config = CopyConfig.from_values(values)
    begin_temporaries(config, shared, held.marked)
    worker = Worker(config, Identity(*who), shared, SocketChannel(channel), held)
    worker.serve()
    worker.close()
    channel.send((-1, tuple(worker.report())))


def _settle_in(shared: Shared, parent: int) -> None:
    """Make the forked process a worker: its own signals, as many descriptors, modes exactly as asked for."""
    # A terminal's ^C reaches the whole group; the parent alone decides, and tells by the shared flag.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(QUESTION, signal.SIG_IGN)
    # The parent's death arrives as SIGTERM: stop at the next block, remove the temporary file, leave.
    signal.signal(signal.SIGTERM, lambda *_: shared.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*SIGNALS, QUESTION))
    die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        shared.stop()
    raise_limit()
    os.umask(0)
    gc.freeze()
    gc.enable()
