"""One run, from a configuration to an exit code."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from arsync.config import CopyConfig, DeleteWhen, IoEngine
from arsync.engine.altdirs import new_directory_changes, open_tops
from arsync.engine.attributes import wanted_attributes
from arsync.engine.cpus import pins
from arsync.engine.descriptors import directory_budget
from arsync.engine.held import NOTHING_HELD, hold
from arsync.engine.resolve import Resolver, Sources
from arsync.engine.roots import Roots, add_to_survey
from arsync.engine.selection import selection_of
from arsync.engine.shared import SIGNALS
from arsync.engine.small import Survey
from arsync.engine.start import Process, Workforce
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.errors import ExitCode, FatalError
from arsync.events import Failure, Item, Kind, Sink, Totals
from arsync.fs.directory import DirectoryTable
from arsync.fs.metadata import Identity, preserve
from arsync.reporting import reporting

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Generator

    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor, Workers
    from arsync.engine.deletion import Deletion
    from arsync.engine.limits import Watch
    from arsync.engine.missing import MissingDeleter
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
        self.roots = Roots(config, self.top, self.table, self.who.umask)
        self.preserve = preserve(config, self.who)
        wanted = wanted_attributes(self.worker_config(), self.preserve)
        self.visitor = Visitor(config, self.preserve, wanted, self.table, self.selection)
        self.attributes_wanted = wanted is not None
        self.conductor: Conductor | None = None
        self.sources: Sources | None = None
        self.errors = 0  # of the arguments themselves
        self.vanished = 0
        self.held = NOTHING_HELD
        self.watch: Watch | None = None

    def _settle(self, node: Node) -> None:
        assert self.conductor is not None
        self.conductor.settle(node)

    def open(self) -> bool:
        """Open the arguments; False where there is nothing to do. Raises FatalError."""
        sources = self.sources = Resolver(self.config, self.table, self.selection).resolve()
        for item in sources.skipped:
            self.sink.skipped(item.path, "directory")
        self._report(sources.failures)
        if self.config.list_only:
            self.roots.created = True  # nothing is made, nor looked at
        else:
            self._open_destination(sources)
            self._open_given()
        if not sources.entries:
            return False
        self.roots.open_top(sources, self.visitor)
        if self.config.fake_super:
            self._read_stored()
        self._report(self.roots.failures)
        self.top.fresh = self.top.fresh and not self.roots.rename
        return True

    def _open_destination(self, sources: Sources) -> None:
        self.roots.open_destination(sources)
        if self.config.alt_dirs:
            open_tops(self.config, self.top, self.table, lambda text: self.sink.notice(text, 0))
        if self.roots.made[1]:
            self.sink.made_path(*self.roots.made)
        if self.roots.created:
            self.sink.created_directory(self.config.dest)

    def _report(self, failures: list[Failure]) -> None:
        for failure in failures:
            self.sink.failure(failure)
            self.vanished += failure.vanished
            self.errors += not (failure.vanished or failure.warning)

    def _open_given(self) -> None:
        """Open the directories that options name. Raises FatalError."""
        config = self.config
        if not config.backup and config.temp_dir is None:
            return
        self.held = hold(config, self.top.dst.pin() if self.top.dst is not None else -1)
        if config.backup:
            from arsync.engine.backup import Backups

            self.visitor.backups = Backups(config, self.preserve, self.visitor.wanted, self.held.top)

    def close_given(self) -> None:
        """Close what :meth:`_open_given` opened."""
        if self.held.temp != -1:
            os.close(self.held.temp)
        if self.visitor.backups is not None:
            self.visitor.backups.close()

    def watch_over(self) -> None:
        """Begin to watch the time, where an option asks for that."""
        config = self.config
        if config.timeout or config.stop_at:
            from arsync.engine.limits import Watch

            self.watch = Watch(self.shared, config.timeout, config.stop_at, self._kill)
            self.watch.start()

    def _kill(self) -> None:
        if self.conductor is not None and self.conductor.workers is not None:
            self.conductor.workers.kill()

    def _read_stored(self) -> None:
        """See the top as --fake-super sees all directories."""
        from arsync.fs.fakesuper import as_stored

        top = self.top
        if top.st is not None and top.sources:
            with top.sources[0].pinned() as fd:
                top.st = as_stored(fd, top.st)
        if top.existing is not None and top.dst is not None:
            with top.dst.pinned() as fd:
                top.existing = as_stored(fd, top.existing)

    def is_small(self) -> bool:
        """Whether the parent does the job alone."""
        if reporting(self.config).progress:
            return False  # where the parent copies, nobody could say how far it is
        assert self.sources is not None
        survey = Survey()
        if self.config.workers or not add_to_survey(survey, self.sources):
            return False
        if self.config.delete is DeleteWhen.NEVER or self.top.dst is None or self.top.fresh:
            return True
        with self.top.dst.pinned() as fd:
            return survey.add_contents(fd)

    def worker_config(self) -> CopyConfig:
        """The configuration as workers need it."""
        return self.config if self.selection is None else self.selection.for_workers(self.config)

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """The first signal stops the run in order, the second at once; two of one moment are one: timeout(1) sends its
        signal to the process and then to its group."""
        if self.signal:
            if time.monotonic() - self.signalled < _ONE_SIGNAL:
                return
            self._kill()
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
        if state.watch is not None:
            state.watch.end()
        state.close_given()
        state.workforce.dismiss()
        state.table.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.umask(umask)


def _run(state: _Run) -> ExitCode:
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


def _copy(state: _Run) -> Totals:
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
    conductor = state.conductor = Conductor(config, sink, state.shared, finisher)
    packer = Packer(state.batch_directories, conductor.waiting)
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
        measure=wanted.progress and wanted.info["progress"] > 1,
        deletion=deletion,
    )
    if deletion is None:
        _emit_top(state, conductor)
    if missing is not None and state.top.dst is not None:
        missing.delete_lost(state.top, state.sources.lost)
    walk = traversal.walk(state.top, state.roots.listings, state.sources.tree, state.roots.rename)
    if deletion is not None:
        walk = deletion.around(walk, state.top, state.roots, state.sources.tree, lambda: _emit_top(state, conductor))
    step = conductor.feed_ahead(walk)
    import asyncio

    asyncio.run(_conduct(state, conductor, walk, step))
    return _total(state, conductor)


def _deletion(state: _Run, conductor: Conductor) -> Deletion | None:
    """What deletes, where anything may be deleted; the conductor is told who empties directories in the way."""
    config = state.config
    if not (config.force or config.delete_missing_args) and config.delete is DeleteWhen.NEVER:
        return None
    from arsync.engine.deleting import deleting

    conductor.deleter, deletion = deleting(
        config, state.sink, state.top, state.table, state.selection, state.visitor, state.shared.stopped, conductor
    )
    return deletion


def _missing_deleter(state: _Run, conductor: Conductor) -> MissingDeleter | None:
    if not state.config.delete_missing_args:
        return None
    from arsync.engine.missing import MissingDeleter

    assert conductor.deleter is not None
    return MissingDeleter(state.config, conductor.deleter, state.table)


def _workers(state: _Run, conductor: Conductor, packer: Packer, processes: list[Process]) -> Workers:
    if processes:
        from arsync.engine.pool import Pool

        return Pool(processes, packer, state.shared, conductor.on_result, conductor.waiting, state.table.has_room)
    from arsync.engine.local import LocalPool

    return LocalPool(state.worker_config(), state.who, packer, state.shared, conductor.on_result, state.held)


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


def _emit_top(state: _Run, conductor: Conductor) -> None:
    """The destination's own line, where the contents of a directory are copied to it."""
    top = state.top
    if top.st is None:
        return
    failures: list[Failure] = []
    if state.roots.created:
        changes = new_directory_changes(state.preserve, top)
    else:
        changes = state.visitor.changes_of(top, failures)
    if top.dst is not None:
        state.visitor.set_group_bit(top)
    item = Item(b".", Kind.DIRECTORY, changes)
    if reporting(state.config).status:
        from arsync.engine.detail import directory_item

        item = directory_item(top, b".", changes, 0)
    conductor.order.add(conductor.order.open(), [item], failures)
    conductor.totals.seen[Kind.DIRECTORY] += 1
    conductor.totals.created[Kind.DIRECTORY] += state.roots.created


def _exit_code(state: _Run, totals: Totals) -> ExitCode:
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
