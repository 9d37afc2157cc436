"""The way in for other programs: functions that are given the file operations, run one at a time or many at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from arsync.fs.plain import PlainRunner
from arsync.fs.protocol import FileOps, Runner

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")


class Files:
    """File operations, and what drives the coroutines that await them. Made by :func:`open_fileops`; a context manager.

    It belongs to the thread and the process that made it. A program with an event loop uses it in a thread:
    ``await asyncio.to_thread(work)``, where ``work`` opens its own.
    """

    def __init__(self, runner: Runner, in_flight: int, refused: str) -> None:
        self._runner = runner
        self._in_flight = in_flight
        #: the operations, with the same meaning on every engine
        self.ops: FileOps = runner.ops
        #: why there is no io_uring; empty where it is used
        self.refused = refused

    @property
    def engine(self) -> str:
        """ "uring" or "plain"."""
        return self.ops.name

    def run(
        self, function: Callable[Concatenate[FileOps, P], Coroutine[Any, Any, R]], *args: P.args, **how: P.kwargs
    ) -> R:
        """Run ``function(ops, ...)`` to its end and return its result; raises what it raises."""
        results: list[R] = []

        async def keep() -> None:
            results.append(await function(self.ops, *args, **how))

        self._runner.run(iter([keep()]), 1)
        return results[0]

    def map(self, function: Callable[[FileOps, A], Coroutine[Any, Any, R]], items: Iterable[A]) -> list[R]:
        """Run ``function(ops, item)`` for every item, as many at once as :func:`open_fileops` was told, and return the
        results in the order of the items, which are asked for one by one.

        The first exception is raised when those in flight have ended; then no more are begun.
        """
        results: list[Any] = []

        async def keep(place: int, item: A) -> None:
            results[place] = await function(self.ops, item)

        def coroutines() -> Iterator[Coroutine[Any, Any, None]]:
            for place, item in enumerate(items):
                results.append(None)
                yield keep(place, item)

        self._runner.run(coroutines(), self._in_flight)
        return results

    def close(self) -> None:
        """Wait for what is in flight, and give up the ring. Nothing of it is used afterwards."""
        self._runner.close()

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_fileops(
    engine: Literal["auto", "uring", "plain"] = "auto", *, in_flight: int = 64, waiting: bool = True
) -> Files:
    """File operations on io_uring where there can be a ring ("auto"), in any case ("uring"), or by system call
    ("plain"). ``in_flight``: how many coroutines :meth:`Files.map` runs at once, at least 1. ``waiting``: storage makes
    callers wait, so that calls are made in kernel threads or threads of ours; False is faster where all is cached.

    Raises OSError (EOPNOTSUPP, with the reason) where "uring" is demanded and refused; ValueError.
    """
    if engine not in ("auto", "uring", "plain"):
        raise ValueError(f"{engine!r} is not one of auto, uring, plain")
    if in_flight < 1:
        raise ValueError("at least one must be allowed in flight")
    refused = "not asked for"
    if engine != "plain":
        from arsync.fs import open_ring

        ring, refused = open_ring(in_flight)
        if ring is not None:
            ring.ops.ask_for_atimes()
            ring.waiting = waiting
            return Files(ring, in_flight, "")
        if engine == "uring":
            import errno

            raise OSError(errno.EOPNOTSUPP, f"io_uring cannot be used here: {refused}")
    plain = PlainRunner()
    plain.waiting = waiting
    return Files(plain, in_flight, refused)
