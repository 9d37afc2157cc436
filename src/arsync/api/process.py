"""The caller's side of the process that copies: starting it, hearing it, stopping it.

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
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

from arsync.api import told
from arsync.api.result import CopyResult
from arsync.config import CopyConfig
from arsync.errors import ExitCode, FatalError, UsageError

#: What the new process runs: first of all it gets the caller's own way of finding modules.
_PROGRAM = (
    "import marshal, sys; path, *request = marshal.load(open(0, 'rb', closefd=False)); sys.path[:] = path; "
    "from arsync.api.child import main; main(request)"
)

#: The interpreter's flags that keep the environment and the user's directories out, if this process was given them.
_ISOLATION = (("isolated", "-I"), ("ignore_environment", "-E"), ("no_user_site", "-s"), ("no_site", "-S"))


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
