"""One run, from a configuration to an exit code."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from arsync.config import CopyConfig, DeleteWhen, IoEngine
from arsync.engine.cpus import pins
from arsync.engine.session import Session
from arsync.engine.shared import QUESTION, SIGNALS
from arsync.engine.start import Process, Workforce
from arsync.errors import ExitCode, FatalError
from arsync.events import ABSENT, LOCAL, NEW, Failure, Item, Kind, Sink, Totals
from arsync.reporting import ALL, reporting

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor, Workers
    from arsync.engine.deletion import Deletion
    from arsync.engine.measure import Measure
    from arsync.engine.missing import MissingDeleter
    from arsync.engine.traverse import Step


def run(config: CopyConfig, sink: Sink, workforce: Workforce | None = None) -> ExitCode:
    """Copy as ``config`` says and tell ``sink`` what happens; returns the exit code.

    ``workforce``: workers forked ahead, which this run gives orders or dismisses.
    Raises FatalError where the run cannot begin (no such destination directory, io_uring demanded and refused).
    Changes the process's umask and its handlers of SIGINT, SIGTERM, SIGHUP and SIGUSR1 until it returns; where SIGHUP
    is ignored (nohup(1)), it stays so.
    """
    state = Session(config, sink, workforce or Workforce())
    umask = os.umask(0)  # modes are computed, and must come out as asked for
    stopping = [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, state.on_signal) for number in stopping}
    handlers[QUESTION] = signal.signal(QUESTION, state.on_question)
    try:
        return _run(state)
    finally:
        if state.watch is not None:
            state.watch.end()
        state.close_given()
        state.workforce.dismiss()
        state.table.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
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
    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor
    from arsync.engine.finish import Finisher
    from arsync.engine.traverse import Traversal

    config, sink, wanted = state.config, state.sink, reporting(state.config)
    finisher = Finisher(config, state.preserve, state.visitor, state.attributes_wanted)
    conductor = state.conductor = Conductor(config, sink, state.shared, finisher, state.errors)
    rules = state.selection.attribute_rules if state.selection is not None and config.xattrs else None
    packer = Packer(state.batch_directories, conductor.waiting, rules)
    conductor.workers = _workers(state, conductor, packer, processes)
    assert state.sources is not None
    deletion = _deletion(state, conductor)
    missing = _missing_deleter(state, conductor)
    traversal = conductor.traversal = Traversal(
        state.visitor,
        conductor.order,
        conductor.settle,
        recursive=config.recursive,
        stopped=state.shared.asked(config.timeout),
        missing=missing,
        detailed=wanted.status,
        measure=_measure(state),
        deletion=deletion,
    )
    if deletion is None:
        _emit_top(state, conductor)
    if missing is not None and state.top.dst is not None:
        missing.delete_lost(state.top, state.sources.lost)
    walk = traversal.walk(state.top, state.roots.listings, state.sources.tree, state.roots.rename)
    if deletion is not None:
        walk = deletion.around(walk, state.top, state.roots, state.sources.tree, lambda: _emit_top(state, conductor))
    step, ended = None, None
    try:
        step = conductor.feed_ahead(walk)
    except FatalError as error:  # raised when somebody can hear the workers that have begun
        ended = error
    import asyncio

    asyncio.run(_conduct(state, conductor, walk, step, ended))
    return _total(state, conductor)


def _measure(state: Session) -> Measure | None:
    """What adds up the bytes of what is found, where progress is shown that needs it."""
    wanted = reporting(state.config)
    if not wanted.measured:
        return None
    from arsync.engine.measure import Measure

    return Measure(whole=wanted.measured == ALL)


def _deletion(state: Session, conductor: Conductor) -> Deletion | None:
    """What deletes, where anything may be deleted; the conductor is told who empties directories in the way."""
    config = state.config
    if not (config.force or config.delete_missing_args) and config.delete is DeleteWhen.NEVER:
        return None
    from arsync.engine.deleting import deleting
    from arsync.engine.resolve import ENTERING

    assert state.sources is not None
    conductor.deleter, deletion = deleting(
        config,
        state.sink,
        state.top,
        state.table,
        state.selection,
        state.visitor,
        state.shared.stopped,
        conductor,
        any(failure.operation == ENTERING for failure in state.sources.failures),
    )
    return deletion


def _missing_deleter(state: Session, conductor: Conductor) -> MissingDeleter | None:
    if not state.config.delete_missing_args:
        return None
    from arsync.engine.missing import MissingDeleter

    assert conductor.deleter is not None
    return MissingDeleter(state.config, conductor.deleter, state.table)


def _workers(state: Session, conductor: Conductor, packer: Packer, processes: list[Process]) -> Workers:
    if processes:
        from arsync.engine.pool import Pool

        return Pool(processes, packer, state.shared, conductor.on_result, conductor.waiting, state.table.has_room)
    from arsync.engine.local import LocalPool

    return LocalPool(state.worker_config(), state.who, packer, state.shared, conductor.on_result, state.held)


async def _conduct(
    state: Session,
    conductor: Conductor,
    walk: Generator[Step, None, None],
    step: Step | None,
    ended: FatalError | None,
) -> None:
    """The part of a run that has an event loop. ``ended``: what ended the walk before there was one."""
    import asyncio

    loop = asyncio.get_running_loop()
    defect = _abort_on_defect(loop)
    assert conductor.workers is not None
    try:
        conductor.workers.attach(loop)
        state.loop = loop
        loop.call_soon(state.answer)  # somebody may have asked before
        try:
            if ended is not None:
                raise ended
            await _drive(state, conductor, walk, step)
        except FatalError:
            await _break_off(state, conductor)
            raise
    except BaseException as error:
        # A defect of arsync: end at once, rather than wait for what will not come.
        state.shared.stop()
        conductor.workers.abandon()
        raise (defect[0] if defect else error) from error
    finally:
        state.loop = None


async def _break_off(state: Session, conductor: Conductor) -> None:
    """The run cannot go on, for a merge file that makes no sense for one: as after an interrupt, nothing unfinished is
    left behind, and what has gone wrong before is told."""
    assert conductor.workers is not None
    state.shared.stop()
    conductor.workers.pump()  # which drops what waits
    await conductor.workers.close()
    conductor.order.flush()
    state.end_temporaries()


def _abort_on_defect(loop: asyncio.AbstractEventLoop) -> list[BaseException]:
    """Cancel the running task where a callback of the loop raises, which asyncio would only log; returns the list
    that the exception will be in."""
    import asyncio

    task = asyncio.current_task(loop)
    found: list[BaseException] = []

    def on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        found.append(context.get("exception") or RuntimeError(context["message"]))
        if task is not None:
            task.cancel()

    loop.set_exception_handler(on_exception)
    return found


async def _drive(state: Session, conductor: Conductor, walk: Generator[Step, None, None], step: Step | None) -> None:
    assert conductor.workers is not None
    await conductor.feed(walk, step)
    conductor.totals.listing_ns = time.monotonic_ns() - state.started
    state.top.release()
    await conductor.finish()
    conductor.order.flush()
    conductor.totals.workers = await conductor.workers.close()
    state.end_temporaries()
    conductor.after_workers(state.top)


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


def _emit_top(state: Session, conductor: Conductor) -> None:
    """The destination's own line, where the contents of a directory are copied to it."""
    top = state.top
    if top.st is None:
        return
    failures: list[Failure] = []
    if state.roots.created:
        changes = LOCAL | NEW
        if top.alts:
            from arsync.engine.altdirs import new_directory_changes

            changes = new_directory_changes(state.preserve, top)
        if state.config.existing and state.config.dry_run:
            changes = ABSENT  # the real run finds it, since it has made it before it looks
    else:
        changes = state.visitor.changes_of(top, failures)
    if top.dst is not None:
        state.visitor.set_group_bit(top)
    item = Item(b".", Kind.DIRECTORY, changes)
    if reporting(state.config).status:
        from arsync.engine.detail import directory_item

        item = directory_item(top, b".", changes, 0, state.preserve)
    conductor.order.add(conductor.order.open(), [item], failures)
    conductor.totals.seen[Kind.DIRECTORY] += 1
    conductor.totals.created[Kind.DIRECTORY] += state.roots.created


def _exit_code(state: Session, totals: Totals) -> ExitCode:
    """The one place where what happened becomes a number."""
    conductor = state.conductor
    if conductor is not None and conductor.fatal_errno:
        return ExitCode.FILE_IO
    if state.watch is not None and state.watch.message and not state.signal:
        return ExitCode.TIMEOUT
    if state.signal or state.shared.stopped():
        return ExitCode.SIGNAL
    if conductor is not None and conductor.workers is not None and conductor.workers.died:
        return ExitCode.WORKER_DIED
    if totals.errors:
        return ExitCode.PARTIAL
    if totals.vanished:
        return ExitCode.VANISHED
    return ExitCode.MAX_DELETE if totals.kept_back else ExitCode.OK
