"""Threads of the parent for what would make it wait: looking at directories, setting their metadata."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    # Imported when something waits: most runs never need threads.
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")


class Helpers:
    """At most ``most`` threads, made when there is work for them. Where there can be none (RLIMIT_NPROC, a container's
    pids.max), the caller's thread does the work."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._executor: ThreadPoolExecutor | None = None
        self._has_threads = False

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Have ``function`` run in a thread; it may have run when this returns."""
        from concurrent.futures import Future, ThreadPoolExecutor

        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(function(*args))
            except BaseException as error:  # raised where the result is asked for
                future.set_exception(error)

        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._most, self._name)
        try:
            self._executor.submit(work)
            self._has_threads = True
        except RuntimeError:  # no more threads can be had; those that there are take it from the queue all the same
            if not self._has_threads:
                self._executor.shutdown(wait=False, cancel_futures=True)
                self._executor = None
                work()
        return future

    def close(self) -> None:
        """Wait for what is running."""
        if self._executor is not None:
            self._executor.shutdown()
