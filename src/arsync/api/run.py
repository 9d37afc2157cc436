"""``copy`` and ``acopy``: a run, from keyword arguments to its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from arsync.api import told
from arsync.api.convert import config_from, paths_from, with_reports
from arsync.api.options import StrOrBytesPath
from arsync.api.process import Run
from arsync.api.result import CopyResult, FileError, Item, Progress
from arsync.config import CopyConfig

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from arsync.api.options import CopyOptions


def copy(
    src: StrOrBytesPath | Iterable[StrOrBytesPath],
    dst: StrOrBytesPath,
    *,
    on_item: Callable[[Item], object] | None = None,
    on_error: Callable[[FileError], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    unchanged: bool = False,
    details: bool = False,
    python: str | None = None,
    **options: Unpack[CopyOptions],
) -> CopyResult:
    """Copy ``src`` to ``dst`` as ``arsync OPTIONS SRC... DST`` does, and return what came of it.

    Failures of single files are returned, never raised. The callbacks run in the calling thread, and the run waits for
    them; what they raise stops the run and is raised here. KeyboardInterrupt, and whatever else is raised in the
    calling thread meanwhile, first stops the run, which leaves no temporary files.

    Args:
        src: a path or several; as for rsync, a slash at the end means what is in the directory (a ``pathlib.Path`` has
            none: write ``f"{path}/"``)
        dst: the path to copy to
        on_item: is told of every entry that is changed, in rsync's order
        on_error: is told of each error
        on_progress: is told several times a second how far the run is, and at its end
        unchanged: ``on_item`` is told of entries that are as they should be, too
        details: items have size, mode and mtime, for which each entry is looked at once more
        python: the interpreter that the copying process runs, where ``sys.executable`` is none
        **options: rsync's long options with underscores (``CopyOptions``), which act in the order in which they are
            given: ``archive=True, owner=False``

    Raises:
        UsageError: options and arguments that cannot be meant; nothing has been done
        FatalError: the run could not begin, or its process died

    Examples:
        >>> import arsync
        >>> result = arsync.copy("project/", "backup", archive=True, delete=True, exclude=["*.tmp", "/build/"])
        >>> result.ok, result.copied_files
        (True, 3)
    """
    run = Run(_config(src, dst, options, on_item, on_progress, unchanged, details), python)
    return run.execute(_Callbacks(on_item, on_error, on_progress))


async def acopy(
    src: StrOrBytesPath | Iterable[StrOrBytesPath],
    dst: StrOrBytesPath,
    *,
    on_item: Callable[[Item], object] | None = None,
    on_error: Callable[[FileError], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    unchanged: bool = False,
    details: bool = False,
    python: str | None = None,
    **options: Unpack[CopyOptions],
) -> CopyResult:
    """Do what ``copy`` does, for a program with an event loop (asyncio's, or one like it), which is never blocked.

    The callbacks run in the loop, and the run waits for them. Cancelling the task stops the run as SIGINT does: when
    CancelledError is raised it has ended and has left no temporary files.

    Args:
        src: as for ``copy``, and so all the others
        dst: the path to copy to
        on_item: is told of every entry that is changed
        on_error: is told of each error
        on_progress: is told how far the run is
        unchanged: of unchanged entries too
        details: with size, mode and mtime
        python: the interpreter that the copying process runs
        **options: rsync's long options with underscores

    Raises:
        UsageError: options and arguments that cannot be meant
        FatalError: the run could not begin, or its process died
        asyncio.CancelledError: the task was cancelled, and the run has ended

    Examples:
        >>> import arsync, asyncio
        >>> async def main() -> list[bool]:
        ...     copies = [arsync.acopy("project/", place, archive=True) for place in ("one", "other")]
        ...     return [result.ok for result in await asyncio.gather(*copies)]
        >>> asyncio.run(main())
        [True, True]
    """
    import asyncio

    run = Run(_config(src, dst, options, on_item, on_progress, unchanged, details), python)
    callbacks = _Callbacks(on_item, on_error, on_progress)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[CopyResult] = loop.create_future()

    async def in_loop(message: tuple[Any, ...]) -> None:
        callbacks(message)

    def deliver(message: tuple[Any, ...]) -> None:
        if run.stopping:
            return
        asyncio.run_coroutine_threadsafe(in_loop(message), loop).result()

    def settle(result: CopyResult | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        elif result is not None:
            ended.set_result(result)

    def in_thread() -> None:
        result, error = None, None
        try:
            result = run.execute(deliver if callbacks.wanted else callbacks)
        except BaseException as raised:  # raised where the copy is awaited
            error = raised
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    # Not one of the loop's own threads: there are few of them, and a copy may take hours.
    threading.Thread(target=in_thread, name="arsync.acopy", daemon=True).start()
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        await _stopped(run, ended)
        raise


async def _stopped(run: Run, ended: Any) -> None:
    """Stop the run and wait until it has ended, however often the task is cancelled meanwhile."""
    import asyncio

    while not ended.done():
        run.stop()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([ended])
    ended.exception()  # whatever it is, what is raised is that the task was cancelled


def _config(
    src: Any, dst: Any, options: CopyOptions, on_item: object, on_progress: object, unchanged: bool, details: bool
) -> CopyConfig:
    config = config_from(paths_from(src), paths_from([dst])[0], options)
    items, progress = on_item is not None, on_progress is not None
    return with_reports(config, items=items, unchanged=unchanged, details=details, progress=progress)


class _Callbacks:
    """Calls what the caller gave, for what the run tells."""

    def __init__(
        self,
        on_item: Callable[[Item], object] | None,
        on_error: Callable[[FileError], object] | None,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        self._on_item = on_item
        self._on_error = on_error
        self._on_progress = on_progress
        self.wanted = on_item is not None or on_error is not None or on_progress is not None

    def __call__(self, message: tuple[Any, ...]) -> None:
        kind, what = message
        if kind == told.ITEMS and self._on_item is not None:
            for values in what:
                self._on_item(told.item_from(values))
        elif kind == told.FAILURE and self._on_error is not None:
            self._on_error(what)
        elif kind == told.PROGRESS and self._on_progress is not None:
            self._on_progress(told.progress_from(what))
