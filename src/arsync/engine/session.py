"""The state of one run: its options in the form that the engine needs, its arguments opened."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.attributes import copied_attributes
from arsync.engine.descriptors import directory_budget
from arsync.engine.destination import Destinations
from arsync.engine.dirchanges import DirectoryChanges
from arsync.engine.held import NOTHING_HELD, hold
from arsync.engine.leftovers import Leftovers
from arsync.engine.resolve import Resolver, Sources
from arsync.engine.roots import Roots, add_to_survey
from arsync.engine.signals import Signals
from arsync.engine.small import Survey
from arsync.engine.start import Workforce
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.errors import ExitCode, FatalError
from arsync.events import NOTES, Failure, Item, Sink
from arsync.fs.directory import DirectoryTable
from arsync.fs.metadata import Identity, preserve
from arsync.reporting import reporting

if TYPE_CHECKING:
    from arsync.engine.conduct import Conductor
    from arsync.engine.limits import Watch
    from arsync.engine.selection import Selection

#: Directories of one batch at the most (a packet carries at most 253 descriptors).
_BATCH_DIRECTORIES = 200


class Session:
    """The state of one run. Built before the event loop, so that workers start while the loop is imported."""

    def __init__(self, config: CopyConfig, sink: Sink, workforce: Workforce) -> None:
        self.config = config
        self.sink = sink
        self.workforce = workforce
        self.shared = workforce.shared
        self.signals = Signals(self.shared, sink, self._kill, self._tell_standing)
        self.started = time.monotonic_ns()
        self.who = Identity.current()
        budget = directory_budget()
        self.batch_directories = max(1, min(_BATCH_DIRECTORIES, budget // 4))
        self.table = DirectoryTable(budget)
        self.top = Node(None, b"", self._settle)
        self.selection = _selection(config)
        self.roots = Roots(config, self.top, self.table, self.who.umask)
        self.preserve = preserve(config, self.who)
        copied = copied_attributes(self.worker_config(), self.preserve)
        self.changes = DirectoryChanges(config, self.preserve, copied, self.selection)
        self.destinations = Destinations(config, self.preserve, self.changes, self.table, self.selection)
        self.visitor = Visitor(
            config,
            self.destinations.open,
            self.table,
            self.selection,
            finds_extraneous=config.delete in (DeleteWhen.DURING, DeleteWhen.DELAY),
        )
        self.attributes_wanted = copied is not None
        self.conductor: Conductor | None = None
        self.sources: Sources | None = None
        self.errors = 0  # of the arguments themselves
        self.vanished = 0
        self.held = NOTHING_HELD
        self.leftovers: Leftovers | None = None
        self.watch: Watch | None = None

    def _settle(self, node: Node) -> None:
        assert self.conductor is not None
        self.conductor.settling.settle(node)

    def open(self) -> bool:
        """Open the arguments; False where there is nothing to do. Raises FatalError."""
        if self.config.lock:
            from arsync.engine.lock import lock_file

            self.held = self.held._replace(lock=lock_file(self.config))
        sources = self.sources = Resolver(self.config, self.table, self.selection).resolve()
        for item in sources.skipped:
            self.sink.skipped(item.path, "directory")
        if self.selection is not None:
            self._tell(self.selection.told)
        self._tell(sources.notes)
        self._report(sources.failures)
        if self.config.list_only:
            self.roots.created = True  # nothing is made, nor looked at
        else:
            self._open_destination(sources)
            self._lock_destination()
            self._open_given()
            self._mind_temporaries()
        if not sources.entries:
            return False
        self.roots.open_top(sources, self.visitor, self.destinations)
        self._tell(self.roots.notes)
        if self.config.fake_super:
            self._read_stored()
        self._report(self.roots.failures)
        self.top.fresh = self.top.fresh and not self.roots.rename
        return True

    def _open_destination(self, sources: Sources) -> None:
        self.roots.open_destination(sources)
        if self.config.alt_dirs:
            from arsync.engine.altdirs import open_tops

            open_tops(self.config, self.top, self.table, lambda text: self.sink.notice(text, 0))
        if self.roots.made[1]:
            self.sink.made_path(*self.roots.made)
        if self.roots.created:
            self.sink.created_directory(self.config.dest)

    def _lock_destination(self) -> None:
        if self.config.lock == b"" and self.top.dst is not None:
            from arsync.engine.lock import take

            self.held = self.held._replace(lock=self.top.dst.pin())
            take(self.held.lock, os.fsdecode(self.config.dest))

    def _tell(self, notes: list[Item]) -> None:
        for item in notes:
            if item.changes & NOTES:
                self.sink.note(item)
            else:
                self.sink.unsafe_link(item.path, item.target, True)

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
        self.held = hold(config, self.top.dst.pin() if self.top.dst is not None else -1)._replace(lock=self.held.lock)
        if config.backup:
            from arsync.engine.backup import Backups

            wanted = self.changes.copied and self.changes.copied.dest
            self.destinations.backups = Backups(config, self.preserve, wanted, self.held.top, self._never_stop)

    def _never_stop(self) -> bool:
        """For backups that the parent makes, which are completed; that they are being made counts (--timeout)."""
        self.shared.beat()
        return False

    def _mind_temporaries(self) -> None:
        """Remove those that killed runs left, and have those of this one known."""
        if self.config.dry_run or self.top.dst is None:
            return
        self.held = self.held._replace(marked=self.top.dst.pin())
        self.leftovers = Leftovers(self.config, self.shared, self.held, self.who.uid)
        self._report(self.leftovers.begin())
        self.visitor.stale = self.leftovers.stale

    def end_temporaries(self) -> None:
        """When no worker is left."""
        if self.leftovers is None or self.conductor is None or self.conductor.workers is None:
            return
        told, failures = self.leftovers.end(self.conductor.workers.left, stopped=self.shared.stopped())
        self._report(failures)
        for text in told:
            self.sink.notice(text, 1)

    def close_given(self) -> None:
        """Close what options named."""
        if self.held.temp != -1:
            os.close(self.held.temp)
        if self.config.lock and self.held.lock != -1:
            os.close(self.held.lock)
        if self.destinations.backups is not None:
            self.destinations.backups.close()

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

    def _tell_standing(self) -> None:
        assert self.conductor is not None
        self.conductor.tell_standing()

    def _read_stored(self) -> None:
        """See the top as --fake-super sees all directories."""
        from arsync.fs.fakesuper import as_stored

        top = self.top
        try:
            if top.st is not None and top.sources:
                with top.sources[0].pinned() as fd:
                    top.st = as_stored(fd, top.st)
            if top.existing is not None and top.dst is not None:
                with top.dst.pinned() as fd:
                    top.existing = as_stored(fd, top.existing)
        except OSError as error:
            raise FatalError(
                f"cannot read what --fake-super stored with the top directories: {error.strerror} ({error.errno})",
                ExitCode.FILE_SELECT,
            ) from error

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


def _selection(config: CopyConfig) -> Selection | None:
    """What filter rules and --prune-empty-dirs select; None without them. Raises UsageError."""
    if not config.filters and not config.prune_empty_dirs:
        return None
    from arsync.engine.selection import Selection

    return Selection(config)
