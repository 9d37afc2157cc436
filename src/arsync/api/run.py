"""``copy`` and ``acopy``: the caller's side of a run.

A run changes the umask and the signal handlers of its process, raises its limit of descriptors and forks workers. A
program that has threads, an event loop or handlers of its own must not be done any of that to, so the engine always
gets a process of its own: a new one, not a fork, in a session of its own, so that only its caller stops it.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from arsync.api import told
from arsync.api.convert import config_from, paths_from, with_reports
from arsync.api.options import StrOrBytesPath
from arsync.api.result import CopyResult, FileError, Item, Progress
from arsync.config import CopyConfig
from arsync.errors import ExitCode, FatalError, UsageError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from arsync.api.options import CopyOptions

#: What the new process runs: first of all it gets the caller's own way of finding modules.
_PROGRAM = (
    "import marshal, sys; path, *request = marshal.load(open(0, 'rb', closefd=False)); sys.path[:] = path; "
    "from arsync.api.child import main; main(request)"
)

#: The interpreter's flags that keep the environment and the user's directories out, if this process was given them.
_ISOLATION = (("isolated", "-I"), ("ignore_environment", "-E"), ("no_user_site", "-s"), ("no_site", "-S"))


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

    ``src``: a path or several; as for rsync, a slash at the end means what is in the directory (a ``pathlib.Path`` has
    none: write ``f"{path}/"``). ``options``: rsync's long options with underscores (:class:`CopyOptions`), which act in
    the order in which they are given: ``archive=True, owner=False``. ``on_item`` is told of every entry that is
    changed, in rsync's order (``unchanged``: of the others too; ``details``: with size, mode and mtime, for which each
    is looked at once more), ``on_error`` of each error, ``on_progress`` several times a second of how far the run is;
    they run in the calling thread, and what they raise stops the run and is raised here.
    ``python``: the interpreter that the copying process runs, where ``sys.executable`` is none.

    Failures of single files are returned. Raises UsageError for options and arguments that cannot be meant, FatalError
    where the run could not begin or its process died; KeyboardInterrupt, and whatever else is raised in the calling
    thread meanwhile, first stops the run, which leaves no temporary files.
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
    """:func:`copy` for a program with an event loop (asyncio's, or one with its interface), which is never blocked.

    The callbacks run in the loop, and the run waits for them. Cancelling the task stops the run as SIGINT does: when
    CancelledError is raised it has ended and has left no temporary files.
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


class Run:
    """One run in a process of its own."""

    def __init__(self, config: CopyConfig, python: str | None) -> None:
        self._config = config
        self._python = _interpreter(python)
        self._process: subprocess.Popen[bytes] | None = None
        #: somebody has stopped it
        self.stopping = False
        self._lock = threading.Lock()  # acopy stops from another thread

    def execute(self, deliver: Callable[[tuple[Any, ...]], object]) -> CopyResult:
        """Run it to its end. ``deliver`` is called with what happens, in the calling thread. Raises FatalError."""
        try:
            ours, theirs = socket.socketpair()  # closed, it stops the run: also when this process dies
        except OSError as error:
            raise FatalError(f"cannot start the copying process: {error.strerror}", ExitCode.FILE_IO) from error
        with ours:
            with theirs:
                process = self._start(theirs.fileno())
            assert process.stdout is not None
            with process.stdout:
                try:
                    return self._converse(process, ours, deliver)
                except BaseException:
                    process.terminate()
                    raise
                finally:
                    _end(process)

    def stop(self) -> None:
        """Stop the run as SIGTERM does; a second time, at once. Called from any thread, at any time."""
        with self._lock:
            self.stopping = True
            if self._process is not None:
                self._process.send_signal(signal.SIGTERM)

    def _start(self, stdin: int) -> subprocess.Popen[bytes]:
        command = [self._python, *_isolation(), "-c", _PROGRAM]
        with self._lock:
            if self.stopping:
                raise FatalError("the copy was stopped before it began", ExitCode.SIGNAL)
            try:
                self._process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, start_new_session=True)
            except OSError as error:
                raise FatalError(
                    f"cannot start {self._python}, which is to copy: {error}", ExitCode.UNSUPPORTED
                ) from error
            return self._process

    def _converse(
        self, process: subprocess.Popen[bytes], ours: socket.socket, deliver: Callable[[tuple[Any, ...]], object]
    ) -> CopyResult:
        config = self._config
        request = (sys.path, config.values(), bool(config.itemize), bool(config.info))
        with suppress(BrokenPipeError, ConnectionResetError):  # what became of it is seen below
            ours.sendall(marshal.dumps(request))
        collector = told.Collector()
        for kind, *what in _messages(process):
            if kind == told.DONE:
                return collector.result(*what)
            if kind == told.FATAL:
                usage, text, code = what
                raise UsageError(text, ExitCode(code)) if usage else FatalError(text, ExitCode(code))
            if kind == told.DEFECT:
                raise FatalError(f"the process that copies failed:\n{what[0]}", ExitCode.WORKER_DIED)
            if kind == told.NOTICE:
                collector.notice(what[0])
            elif kind == told.FAILURE:
                if (error := collector.failure(what[0])) is not None:
                    deliver((kind, error))
            else:
                deliver((kind, what[0]))
        return self._died(process)

    def _died(self, process: subprocess.Popen[bytes]) -> NoReturn:
        code = process.wait()
        if self.stopping or code == ExitCode.SIGNAL:
            raise FatalError("the copy was stopped", ExitCode.SIGNAL)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        raise FatalError(
            f"the process that copies ended {how} before it had told what it did (stderr may say why)",
            ExitCode.WORKER_DIED,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that the process ends, and leave nothing of it. What it still has to tell is let go."""
    assert process.stdout is not None
    try:
        while os.read(process.stdout.fileno(), 1 << 16):
            pass
        process.wait()
    except BaseException:  # interrupted again: this must not take long any more
        process.kill()
        process.wait()
        raise


def _messages(process: subprocess.Popen[bytes]) -> Iterator[tuple[Any, ...]]:
    """What the process tells, until it has ended."""
    assert process.stdout is not None
    read = process.stdout.read
    # Not marshal.load(): up to Python 3.11 it makes an EOFError of the KeyboardInterrupt that arrives while it reads.
    while len(head := read(told.LENGTH.size)) == told.LENGTH.size:
        (length,) = told.LENGTH.unpack(head)
        if len(data := read(length)) != length:
            return
        yield marshal.loads(data)


def _interpreter(python: str | None) -> str:
    if python is not None:
        return python
    if getattr(sys, "frozen", False) or not sys.executable:
        raise UsageError(
            "there is no Python interpreter here that could run the copying process; name one with python=...",
            ExitCode.UNSUPPORTED,
        )
    return sys.executable


def _isolation() -> list[str]:
    found = [option for flag, option in _ISOLATION if getattr(sys.flags, flag)]
    return ["-I", *(["-S"] if "-S" in found else [])] if "-I" in found else found
