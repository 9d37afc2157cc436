"""One run, from a configuration to an exit code."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from arsync.config import CopyConfig, DeleteWhen, IoEngine
from arsync.engine.cpus import pins
from arsync.engine.session import Session
from arsync.engine.start import Process, Workforce
from arsync.errors import ExitCode, FatalError
from arsync.events import Failure, Kind, Sink, Totals

if TYPE_CHECKING:
    from arsync.engine.conduct import Conductor


def run(config: CopyConfig, sink: Sink, workforce: Workforce | None = None) -> ExitCode:
    """Copy as ``config`` says and tell ``sink`` what happens; returns the exit code.

    ``workforce``: workers forked ahead, which this run gives orders or dismisses.
    Raises FatalError where the run cannot begin (no such destination directory, io_uring demanded and refused).
    Changes the process's umask and its handlers of SIGINT, SIGTERM, SIGHUP and SIGUSR1 until it returns; where SIGHUP
    is ignored (nohup(1)), it stays so.
    """
    state = Session(config, sink, workforce or Workforce())
    umask = os.umask(0)  # modes are computed, and must come out as asked for
    state.signals.hear()
    try:
        return _run(state)
    finally:
        if state.watch is not None:
            state.watch.end()
        state.close_given()
        state.workforce.dismiss()
        state.table.close()
        state.signals.leave()
        os.umask(umask)


def _run(state: Session) -> ExitCode:
    config, sink = state.config, state.sink
    _check_engine(config)
    sink.started()
    _say_unknown_names(config, sink)
    ready = state.open()
    if ready and config.delete is not DeleteWhen.NEVER:
        from arsync.engine.emptysource import warn_of_empty_sources

        assert state.sources is not None
        warn_of_empty_sources(config, sink, state.top, state.roots.listings, state.sources.tree)
    totals = _copy(state) if ready else Totals()
    totals.errors += state.errors
    totals.vanished += state.vanished
    totals.elapsed_ns = time.monotonic_ns() - state.started
    sink.finished(totals)
    return _exit_code(state, totals)


def _check_engine(config: CopyConfig) -> None:
    """``--io-engine=uring`` is a demand: say at once where it cannot be met."""
    if config.io_engine is IoEngine.URING:
        from arsync.fs import open_ring

        ring, reason = open_ring(config.queue_depth)
        if ring is None:
            raise FatalError(
                f"--io-engine=uring: io_uring cannot be used here: {reason}; --io-engine=auto works without it",
                ExitCode.UNSUPPORTED,
            )
        ring.close()


def _say_unknown_names(config: CopyConfig, sink: Sink) -> None:
    if config.usermap or config.groupmap:
        from arsync.idmap import unknown_names

        for text in unknown_names(config.usermap, config.groupmap):
            sink.notice(text, 0)


def _copy(state: Session) -> Totals:
    """Start the workers, give them their first batches, and only then import and run the event loop."""
    processes: list[Process] = []
    if state.workforce or not state.is_small():
        # The limit is what is waited for: a second worker would have nothing to win, and they would have to share it.
        number = 1 if state.config.bwlimit else state.config.workers
        processes = state.workforce.begin(state.worker_config(), state.who, pins(number), state.held)
    state.watch_over()
    from arsync.engine.assemble import assemble

    conductor, walk = assemble(state, processes)
    step, ended = None, None
    try:
        step = conductor.feed_ahead(walk)
    except FatalError as error:  # raised when somebody can hear the workers that have begun
        ended = error
    import asyncio

    from arsync.engine.eventloop import conduct

    asyncio.run(conduct(state, conductor, walk, step, ended))
    return _total(state, conductor)


def _total(state: Session, conductor: Conductor) -> Totals:
    """The run's totals, complete."""
    totals, traversal = conductor.totals, conductor.traversal
    if state.watch is not None and state.watch.message:
        state.sink.notice(f"arsync: {state.watch.message}", 0)
    assert traversal is not None
    assert conductor.workers is not None
    for death in conductor.workers.died:
        state.sink.failure(Failure("finish", b"", 0, str(death)))
    totals.seen[Kind.DIRECTORY] += traversal.directories
    totals.created[Kind.DIRECTORY] += traversal.created_directories
    if state.config.list_only:
        totals.created = [0] * len(Kind)
    totals.errors = conductor.order.failures
    totals.vanished = conductor.order.vanished
    if conductor.deleter is not None and (skipped := conductor.deleter.limit.skipped):
        totals.kept_back = skipped
        state.sink.notice(f"Deletions stopped due to --max-delete limit ({skipped} skipped)", 0)
    return totals


def _exit_code(state: Session, totals: Totals) -> ExitCode:
    """The one place where what happened becomes a number."""
    conductor = state.conductor
    if conductor is not None and conductor.fatal_errno:
        return ExitCode.FILE_IO
    if state.watch is not None and state.watch.message and not state.signals.stopped_by:
        return ExitCode.TIMEOUT
    if state.signals.stopped_by or state.shared.stopped():
        return ExitCode.SIGNAL
    if conductor is not None and conductor.workers is not None and conductor.workers.died:
        return ExitCode.WORKER_DIED
    if totals.errors:
        return ExitCode.PARTIAL
    if totals.vanished:
        return ExitCode.VANISHED
    return ExitCode.MAX_DELETE if totals.kept_back else ExitCode.OK
