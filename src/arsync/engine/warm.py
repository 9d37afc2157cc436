"""The warm ways: entries that one function deals with by plain calls, where nothing has to be waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arsync.engine.context import Context
from arsync.engine.smallfile import SmallFiles
from arsync.engine.task import Task
from arsync.engine.unchanged import UnchangedFiles
from arsync.engine.wire import DELETE

if TYPE_CHECKING:
    from arsync.engine.knownlinks import KnownLinks
    from arsync.engine.linkedfile import LinkedFiles


class WarmWays:
    """Those of one worker."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._small = SmallFiles(context)
        self._linked: LinkedFiles | None = None
        if context.config.alt_dirs:
            from arsync.engine.linkedfile import LinkedFiles

            self._linked = LinkedFiles(context)
        self._known: KnownLinks | None = None
        if context.config.hard_links:
            from arsync.engine.knownlinks import KnownLinks

            self._known = KnownLinks(context)
        self._unchanged = UnchangedFiles(context)

    def go(self, task: Task, begin: int, end: int) -> int:
        """Deal with the entries from ``begin`` on, to ``end`` at the most; returns where the first is for which there
        is no warm way."""
        if task.slice.flags & DELETE:
            from arsync.engine.unlink import delete_warmly

            return delete_warmly(self._context, task, begin, end)
        if self._small.takes(task):
            return self._small.copy(task, begin, end)
        if self._linked is not None and self._linked.takes(task):
            return self._linked.link(task, begin, end)
        if self._known is not None and self._known.takes(task):
            return self._known.link(task, begin, end)
        if self._unchanged.takes(task):
            return self._unchanged.skip(task, begin, end)
        return begin
