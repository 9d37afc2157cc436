"""One run, from a configuration to an exit code."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from arsync.config import CopyConfig, DeleteWhen, IoEngine
from arsync.engine.cpus import pins
from arsync.engine.descriptors import directory_budget
from arsync.engine.roots import Roots, open_sources
from arsync.engine.selection import selection_of
from arsync.engine.shared import SIGNALS
from arsync.engine.small import Survey
from arsync.engine.start import Process, Workforce
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.errors import ExitCode, FatalError
from arsync.events import LOCAL, NEW, Failure, Item, Kind, Sink, Totals
from arsync.fs.directory import DirectoryTable
from arsync.fs.metadata import Identity, Preserve
from arsync.fs.xattr import wanted_names

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor, Workers
    from arsync.engine.deletion import Deletion
    from arsync.engine.traverse import Step

#: Directories of one batch at the most (a packet carries at most 253 descriptors).
_BATCH_DIRECTORIES = 200

#: Seconds within which two signals count as one.
_ONE_SIGNAL = 0.25


class _Run:
    """The state of one run. Built before the event loop, so that workers start while the loop is imported."""

    def __init__(self, config: CopyConfig, sink: Sink, workforce: Workforce) -> None:
        self.config = config
        self.sink = sink
        self.workforce = workforce
        self.shared = workforce.shared
        self.signal = 0
        self.signalled = 0.0  # when, as time.monotonic() has it
        self.started = time.monotonic_ns()
        self.who = Identity.current()
        budget = directory_budget()
        self.batch_directories = max(1, min(_BATCH_DIRECTORIES, budget // 4))
        self.table = DirectoryTable(budget)
        self.top = Node(None, b"", self._settle)
        self.selection = selection_of(config)
        self.roots = Roots(config, self.top, self.table, self.who.umask, self.selection)
        self.preserve = Preserve(self.who, config.perms or config.acls, config.times, config.owner, config.group)
        wanted = None
        if config.acls or config.xattrs:
            excluded = None if self.selection is None else self.selection.xattr_rules()
            wanted = wanted_names(
                acls=config.acls, xattrs=config.xattrs, privileged=self.who.uid == 0, excluded=excluded
            )
        self.visitor = Visitor(config, self.preserve, wanted, self.table, self.selection)
        self.attributes_wanted = wanted is not None
        self.conductor: Conductor | None = None
        self.devices: frozenset[int] | None = None
        self.source_failures: list[Failure] = []

    def _settle(self, node: Node) -> None:
        assert self.conductor is not None
        self.conductor.settle(node)

    def open(self) -> None:
        """Open the arguments. Raises FatalError."""
        sources, failures = open_sources(self.config, self.table)
        self.source_failures = failures
        sources = self.roots.without_directories(sources)
        for item in self.roots.skipped:
            self.sink.skipped(item.path, "directory")
        if not sources and not self.roots.skipped:
            return
        self.roots.open_destination(sources)
        self.roots.check_not_same(self.visitor.never_list)
        if self.config.one_file_system:
            self.devices = self.roots.devices = frozenset(source.st.st_dev for source in sources)
        self.roots.list_sources(sources)
        self.top.fresh = self.top.fresh and not self.roots.rename

    def is_small(self) -> bool:
        """Whether the parent does the job alone."""
        if self.config.workers:
            return False
        survey, entries = Survey(), self.roots.entries
        if self.config.delete is not DeleteWhen.NEVER and self.top.dst is not None and not self.top.fresh:
            with self.top.dst.pinned() as fd:
                if not survey.add_contents(fd):
                    return False
        for name, parents in entries.directories:
            for parent in parents:
                with parent.pinned() as fd:
                    if not survey.add(name, fd):
                        return False
        for source, name, _ in entries.files:
            with source.pinned() as fd:
                if not survey.add(name, fd):
                    return False
        return True

    def whole_destination(self) -> bool:
        """Whether the arguments' entries are all that the destination itself should have."""
        top = self.top
        return top.st is not None and top.dst is not None and not top.fresh and not self.roots.failures

    def worker_config(self) -> CopyConfig:
        """The configuration as workers need it."""
        return self.config if self.selection is None else self.selection.for_workers(self.config)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """The first signal stops the run in order, the second at once; two of one moment are one: timeout(1) sends its
        signal to the process and then to its group."""
        if self.signal:
            if time.monotonic() - self.signalled < _ONE_SIGNAL:
                return
            if self.conductor is not None and self.conductor.workers is not None:
                self.conductor.workers.kill()
            os._exit(ExitCode.SIGNAL)
        self.signal = number
        self.signalled = time.monotonic()
        self.shared.stop()


def run(config: CopyConfig, sink: Sink, workforce: Workforce | None = None) -> ExitCode:
    """Copy as ``config`` says and tell ``sink`` what happens; returns the exit code.

    ``workforce``: workers forked ahead, which this run gives orders or dismisses.
    Raises FatalError where the run cannot begin (no such destination directory, io_uring demanded and refused).
    Changes the process's umask and its handlers of SIGINT, SIGTERM and SIGHUP until it returns.
    """
    state = _Run(config, sink, workforce or Workforce())
    umask = os.umask(0)  # modes are computed, and must come out as asked for
    handlers = {number: signal.signal(number, state.on_signal) for number in SIGNALS}
    try:
        return _run(state)
    finally:
        state.workforce.dismiss()
        state.table.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.umask(umask)


def _run(state: _Run) -> ExitCode:
    config, sink = state.config, state.sink
    _check_engine(config)
    sink.started()
    state.open()
    totals = Totals()
    if config.delete is not DeleteWhen.NEVER:
        from arsync.engine.emptysource import warn_of_empty_sources

        warn_of_empty_sources(config, sink, state.top, state.roots.entries, state.whole_destination())
    if state.top.dst is not None or state.roots.created:
        totals = _copy(state)
    else:
        _emit_arguments(state, sink)
        totals.errors = len(state.source_failures)
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


def _emit_arguments(state: _Run, sink: Sink) -> None:
    """Report what was found out about the arguments themselves."""
    for failure in (*state.source_failures, *state.roots.failures):
        sink.failure(failure)


def _copy(state: _Run) -> Totals:
    """Start the workers, give them their first batches, and only then import and run the event loop."""
    processes: list[Process] = []
    if state.workforce or not state.is_small():
        processes = state.workforce.begin(state.worker_config(), state.who, pins(state.config.workers))
    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor
    from arsync.engine.finish import Finisher
    from arsync.engine.traverse import Traversal

    config, sink = state.config, state.sink
    finisher = Finisher(config, state.preserve, state.visitor, state.attributes_wanted)
    conductor = state.conductor = Conductor(config, sink, state.shared, finisher)
    packer = Packer(state.batch_directories, conductor.waiting)
    conductor.workers = _workers(state, conductor, packer, processes)
    deletion = _deletion(state, conductor)
    traversal = conductor.traversal = Traversal(
        state.visitor,
        conductor.order,
        conductor.settle,
        devices=state.devices,
        stopped=state.shared.stopped,
        deletion=deletion,
    )
    if state.roots.created:
        sink.created_directory(config.dest)
    _emit_arguments(state, sink)
    walk = traversal.walk(state.top, state.roots.entries, state.roots.rename)
    if deletion is None:
        _emit_top(state, conductor)
    else:
        whole = state.whole_destination()
        walk = deletion.around(walk, state.top, state.roots.entries, whole, lambda: _emit_top(state, conductor))
    step = conductor.feed_ahead(walk)
    import asyncio

    asyncio.run(_conduct(state, conductor, walk, step))
    return _total(state, conductor)


def _deletion(state: _Run, conductor: Conductor) -> Deletion | None:
    """What deletes, where anything may be deleted; the conductor is told who empties directories in the way."""
    config = state.config
    if not config.force and config.delete is DeleteWhen.NEVER:
        return None
    from arsync.engine.deleting import deleting

    conductor.deleter, deletion = deleting(
        config, state.sink, state.top, state.table, state.selection, state.devices, state.shared.stopped, conductor
    )
    return deletion


def _workers(state: _Run, conductor: Conductor, packer: Packer, processes: list[Process]) -> Workers:
    if processes:
        from arsync.engine.pool import Pool

        return Pool(processes, packer, state.shared, conductor.on_result, conductor.waiting, state.table.has_room)
    from arsync.engine.local import LocalPool

    return LocalPool(state.worker_config(), state.who, packer, state.shared, conductor.on_result)


async def _conduct(state: _Run, conductor: Conductor, walk: Generator[Step, None, None], step: Step | None) -> None:
    """The part of a run that has an event loop."""
    import asyncio

    loop = asyncio.get_running_loop()
    defect = _abort_on_defect(loop)
    assert conductor.workers is not None
    try:
        conductor.workers.attach(loop)
        await _drive(state, conductor, walk, step)
    except BaseException as error:
        # A defect of arsync: end at once, rather than wait for what will not come.
        state.shared.stop()
        conductor.workers.abandon()
        raise (defect[0] if defect else error) from error


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


async def _drive(state: _Run, conductor: Conductor, walk: Generator[Step, None, None], step: Step | None) -> None:
    assert conductor.workers is not None
    await conductor.feed(walk, step)
    conductor.totals.listing_ns = time.monotonic_ns() - state.started
    state.top.release()
    await conductor.finish()
    conductor.order.flush()
    conductor.totals.engine = await conductor.workers.close()


def _total(state: _Run, conductor: Conductor) -> Totals:
    """The run's totals, complete."""
    totals, traversal = conductor.totals, conductor.traversal
    assert traversal is not None
    assert conductor.workers is not None
    for death in conductor.workers.died:
        state.sink.failure(Failure("finish", b"", 0, str(death)))
    totals.seen[Kind.DIRECTORY] += traversal.directories
    totals.created[Kind.DIRECTORY] += traversal.created_directories
    totals.errors = conductor.order.failures + len(state.source_failures) + len(state.roots.failures)
    totals.vanished = conductor.order.vanished
    if conductor.deleter is not None and (skipped := conductor.deleter.limit.skipped):
        totals.kept_back = skipped
        state.sink.notice(f"Deletions stopped due to --max-delete limit ({skipped} skipped)", 0)
    return totals


def _emit_top(state: _Run, conductor: Conductor) -> None:
    """The destination's own line, where the contents of a directory are copied to it."""
    top = state.top
    if top.st is None:
        return
    failures: list[Failure] = []
    changes = LOCAL | NEW if state.roots.created else state.visitor.changes_of(top, failures)
    if top.dst is not None:
        state.visitor.set_group_bit(top)
    number = conductor.order.open()
    conductor.order.add(number, [Item(b".", Kind.DIRECTORY, changes)], failures)
    conductor.totals.seen[Kind.DIRECTORY] += 1
    conductor.totals.created[Kind.DIRECTORY] += state.roots.created


def _exit_code(state: _Run, totals: Totals) -> ExitCode:
    """The one place where what happened becomes a number."""
    conductor = state.conductor
    if conductor is not None and conductor.fatal_errno:
        return ExitCode.FILE_IO
    if state.signal or state.shared.stopped():
        return ExitCode.SIGNAL
    if conductor is not None and conductor.workers is not None and conductor.workers.died:
        return ExitCode.WORKER_DIED
    if totals.errors:
        return ExitCode.PARTIAL
    if totals.kept_back:
        return ExitCode.MAX_DELETE
    return ExitCode.VANISHED if totals.vanished else ExitCode.OK
