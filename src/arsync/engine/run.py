"""One run, from a configuration to an exit code."""

from __future__ import annotations

import os
import resource
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

from arsync.config import CopyConfig, IoEngine
from arsync.engine.cpus import pins
from arsync.engine.roots import Roots, open_sources
from arsync.engine.shared import Shared
from arsync.engine.start import Process, start_processes
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.errors import ExitCode, FatalError
from arsync.events import LOCAL, NEW, Failure, Item, Kind, Sink, Totals
from arsync.fs.directory import DirectoryTable
from arsync.fs.metadata import Identity, Preserve
from arsync.fs.xattr import wanted_names

if TYPE_CHECKING:
    from collections.abc import Generator

    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor, Workers
    from arsync.engine.traverse import Step

#: A job of at most so many entries and bytes is done by the parent: starting workers would take longer.
SMALL_JOB_ENTRIES = 128
SMALL_JOB_BYTES = 32 << 20

#: Directories that are open at once at the most, where the process may have so many descriptors: enough for every
#: directory in flight; what is beyond is opened again when it is needed.
_OPEN_DIRECTORIES = 4096

#: Descriptors kept free for everything that is not a directory: standard streams, sockets, the file being copied.
_OTHER_FDS = 24

#: Directories of one batch at the most (a packet carries at most 253 descriptors).
_BATCH_DIRECTORIES = 200

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Run:
    """The state of one run. Built before the event loop, so that workers start while the loop is imported."""

    def __init__(self, config: CopyConfig, sink: Sink) -> None:
        self.config = config
        self.sink = sink
        self.shared = Shared()
        self.signal = 0
        self.started = time.monotonic_ns()
        self.who = Identity.current()
        os.umask(0)  # modes are computed, and must come out as asked for
        budget = _directory_budget()
        self.batch_directories = max(1, min(_BATCH_DIRECTORIES, budget // 4))
        self.table = DirectoryTable(budget)
        self.top = Node(None, b"", self._settle)
        self.roots = Roots(config, self.top, self.table, self.who.umask)
        self.preserve = Preserve(self.who, config.perms or config.acls, config.times, config.owner, config.group)
        wanted = None
        if config.acls or config.xattrs:
            wanted = wanted_names(acls=config.acls, xattrs=config.xattrs, privileged=self.who.uid == 0)
        self.visitor = Visitor(config, self.preserve, wanted, self.table)
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
        self.roots.list_sources(sources)
        self.top.fresh = self.top.fresh and not self.roots.rename
        if self.config.one_file_system:
            self.devices = frozenset(source.st.st_dev for source in sources)

    def is_small(self) -> bool:
        """Whether the parent does the job alone: few entries, and few bytes unless it is one file."""
        if self.config.workers:
            return False
        entries = self.roots.entries
        if entries.directories or len(entries.files) > SMALL_JOB_ENTRIES:
            return False
        if len(entries.files) <= 1:
            return True
        total = 0
        for source, name, _ in entries.files:
            try:
                with source.pinned() as fd:
                    total += os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
            except OSError:
                continue  # its worker reports it
        return total <= SMALL_JOB_BYTES

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """The first signal stops the run in order, the second at once."""
        if self.signal:
            if self.conductor is not None and self.conductor.workers is not None:
                self.conductor.workers.kill()
            os._exit(ExitCode.SIGNAL)
        self.signal = number
        self.shared.stop()


def _directory_budget() -> int:
    """How many directories may be open; the soft limit of descriptors is raised to the hard one first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limit = _OPEN_DIRECTORIES + _OTHER_FDS if soft == resource.RLIM_INFINITY else soft
    return max(4, min(_OPEN_DIRECTORIES, (limit - _OTHER_FDS) // 2))


def run(config: CopyConfig, sink: Sink) -> ExitCode:
    """Copy as ``config`` says and tell ``sink`` what happens; returns the exit code.

    Raises FatalError where the run cannot begin (no such destination directory, io_uring demanded and refused).
    Changes the process's umask and its handlers of SIGINT, SIGTERM and SIGHUP until it returns.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    handlers = {}
    state = _Run(config, sink)
    try:
        handlers = {number: signal.signal(number, state.on_signal) for number in _SIGNALS}
        return _run(state)
    finally:
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
    processes = (
        [] if state.is_small() else start_processes(state.config, state.who, state.shared, pins(state.config.workers))
    )
    from arsync.engine.batches import Packer
    from arsync.engine.conduct import Conductor
    from arsync.engine.finish import Finisher
    from arsync.engine.traverse import Traversal

    config, sink = state.config, state.sink
    finisher = Finisher(config, state.preserve, state.visitor, state.attributes_wanted)
    conductor = state.conductor = Conductor(config, sink, state.shared, finisher)
    packer = Packer(state.batch_directories, conductor.waiting)
    conductor.workers = _workers(state, conductor, packer, processes)
    traversal = conductor.traversal = Traversal(
        state.visitor, conductor.order, conductor.settle, devices=state.devices, stopped=state.shared.stopped
    )
    if state.roots.created:
        sink.created_directory(config.dest)
    _emit_arguments(state, sink)
    _emit_top(state, conductor)
    walk = traversal.walk(state.top, state.roots.entries, state.roots.rename)
    step = conductor.feed_ahead(walk)
    import asyncio

    asyncio.run(_conduct(state, conductor, walk, step))
    return _total(state, conductor)


def _workers(state: _Run, conductor: Conductor, packer: Packer, processes: list[Process]) -> Workers:
    if processes:
        from arsync.engine.pool import Pool

        return Pool(processes, packer, state.shared, conductor.on_result, conductor.waiting, state.table.has_room)
    from arsync.engine.local import LocalPool

    return LocalPool(state.config, state.who, packer, state.shared, conductor.on_result)


async def _conduct(state: _Run, conductor: Conductor, walk: Generator[Step, None, None], step: Step | None) -> None:
    """The part of a run that has an event loop."""
    import asyncio

    assert conductor.workers is not None
    conductor.workers.attach(asyncio.get_running_loop())
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
    return totals


def _emit_top(state: _Run, conductor: Conductor) -> None:
    """The destination's own line, where the contents of a directory are copied to it."""
    top = state.top
    if top.st is None:
        return
    failures: list[Failure] = []
    changes = LOCAL | NEW if state.roots.created else state.visitor.changes_of(top, failures)
    conductor.order.emit([Item(b".", Kind.DIRECTORY, changes)], failures)
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
    return ExitCode.VANISHED if totals.vanished else ExitCode.OK
