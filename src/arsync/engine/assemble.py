"""Putting one run's parts together: who traverses, who copies, who deletes, and who is told of it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from arsync.config import DeleteWhen
from arsync.engine.batches import Packer
from arsync.engine.conduct import Conductor
from arsync.engine.finish import Finisher
from arsync.engine.traverse import Traversal
from arsync.events import ABSENT, LOCAL, NEW, Failure, Item, Kind
from arsync.reporting import ALL, reporting

if TYPE_CHECKING:
    from arsync.engine.conduct import Workers
    from arsync.engine.deletion import Deletion
    from arsync.engine.measure import Measure
    from arsync.engine.missing import MissingDeleter
    from arsync.engine.session import Session
    from arsync.engine.start import Process
    from arsync.engine.traverse import Step


def assemble(state: Session, processes: list[Process]) -> tuple[Conductor, Generator[Step, None, None]]:
    """The conductor of a run, and its traversal, of which nothing has been done yet. Where there are no ``processes``
    the parent works."""
    config, sink, wanted = state.config, state.sink, reporting(state.config)
    finisher = Finisher(config, state.preserve, state.changes, state.attributes_wanted)
    conductor = state.conductor = Conductor(config, sink, state.shared, finisher, state.errors)
    rules = state.selection.attribute_rules if state.selection is not None and config.xattrs else None
    packer = Packer(state.batch_directories, conductor.waiting, rules)
    conductor.workers = _workers(state, conductor, packer, processes)
    assert state.sources is not None
    deletion = _deletion(state, conductor)
    missing = _missing_deleter(state, conductor)
    traversal = conductor.traversal = Traversal(
        state.visitor,
        state.destinations,
        conductor.order,
        conductor.settling.settle,
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
    return conductor, walk


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
        state.destinations.backups,
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
        changes = state.changes.of(top, failures)
    if top.dst is not None:
        state.destinations.set_group_bit(top)
    item = Item(b".", Kind.DIRECTORY, changes)
    if reporting(state.config).status:
        from arsync.engine.detail import directory_item

        item = directory_item(top, b".", changes, 0, state.preserve)
    conductor.order.add(conductor.order.open(), [item], failures)
    conductor.totals.seen[Kind.DIRECTORY] += 1
    conductor.totals.created[Kind.DIRECTORY] += state.roots.created
