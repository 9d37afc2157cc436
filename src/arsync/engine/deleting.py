"""Puts together what deletes in a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.delete import Deleter
from arsync.engine.deletion import Deletion, OnFound, OnNamed
from arsync.engine.filtering import reader
from arsync.engine.limit import limit_of
from arsync.engine.selection import Selection
from arsync.engine.sweep import Standing, Sweep
from arsync.engine.tree import Node
from arsync.engine.visit import Visitor
from arsync.errors import ExitCode, FatalError
from arsync.events import Sink
from arsync.fs.directory import DirectoryTable

if TYPE_CHECKING:
    from arsync.engine.backup import Backups
    from arsync.engine.conduct import Conductor


def deleting(
    config: CopyConfig,
    sink: Sink,
    top: Node,
    table: DirectoryTable,
    selection: Selection | None,
    visitor: Visitor,
    backups: Backups | None,
    stopped: Callable[[], bool],
    conductor: Conductor,
    astray: bool,
) -> tuple[Deleter, Deletion | None]:
    """What deletes single entries (--force needs no more), and what decides which and when (the --delete options)."""
    order = conductor.order
    limit = limit_of(config.max_delete, top.dst)
    deleter = Deleter(config, order, table, conductor.totals, limit, stopped, backups)
    try:
        guard_top(top, selection)
    except OSError as error:
        raise FatalError(
            f'cannot read the filter rules in the destination "{os.fsdecode(config.dest)}": {error.strerror} '
            f"({error.errno}); nothing was done, since nobody knows what they protect",
            ExitCode.FILE_IO,
        ) from error
    if config.delete is DeleteWhen.NEVER:
        return deleter, None

    looker = Visitor(config, Standing(table, selection).open, table, selection, finds_extraneous=True)
    looker.never_list = visitor.never_list

    def new_sweep(on_found: OnFound, on_named: OnNamed) -> Sweep:
        guard_top(top, selection)  # its merge files may have been copied meanwhile
        return Sweep(looker, config.recursive, on_found, on_named, stopped, lambda failure: order.emit([], [failure]))

    return deleter, Deletion(config, deleter, order, sink, new_sweep, stopped, astray=astray)


def guard_top(top: Node, selection: Selection | None) -> None:
    """Let the rules that protect entries hold in the destination itself. Raises OSError where they cannot be read."""
    if selection is None or top.dst is None:
        return
    guard = selection.of_destination()
    if guard is not None and top.st is not None:
        with top.dst.pinned() as fd:
            guard = guard.enter(b"", reader(fd, selection.paths))
    top.guard = guard
