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
    """File operations, and what drives the coroutines that await them. Made by ``open_fileops``; a context manager.

    It belongs to the thread and the process that made it. A program with an event loop uses it in a thread:
    ``await asyncio.to_thread(work)``, where ``work`` opens its own.

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, Files, open_fileops
        >>> async def size(ops: FileOps, name: bytes) -> int:
        ...     return (await ops.lstat(AT_FDCWD, name)).st_size
        >>> def largest(files: Files, names: list[bytes]) -> int:
        ...     return max(files.map(size, names))
        >>> with open_fileops() as files:
        ...     print(files.run(size, b"project/notes.txt"))
        ...     print(largest(files, [b"project/notes.txt", b"project/docs/guide.txt"]))
        ...     assert files.ops.name == files.engine == ("plain" if files.refused else "uring")
        11
        11
    """

    def __init__(self, runner: Runner, in_flight: int, refused: str) -> None:
        self._runner = runner
        self._in_flight = in_flight
        self.ops: FileOps = runner.ops
        """The operations, with the same meaning on every engine."""
        self.refused: str = refused
        """Why there is no io_uring, in words; empty where it is used."""

    @property
    def engine(self) -> str:
        """What makes the system calls: "uring" or "plain"."""
        return self.ops.name

    def run(
        self, function: Callable[Concatenate[FileOps, P], Coroutine[Any, Any, R]], *args: P.args, **how: P.kwargs
    ) -> R:
        """Run ``function(ops, ...)`` to its end, and return its result.

        Args:
            function: a coroutine function, which awaits operations of ``ops`` and nothing else
            *args: what it is given after ``ops``
            **how: and by keyword

        Raises:
            Exception: what ``function`` raises
        """
        results: list[R] = []

        async def keep() -> None:
            results.append(await function(self.ops, *args, **how))

        self._runner.run(iter([keep()]), 1)
        return results[0]

    def map(self, function: Callable[[FileOps, A], Coroutine[Any, Any, R]], items: Iterable[A]) -> list[R]:
        """Run ``function(ops, item)`` for every item, as many at once as ``open_fileops`` was told.

        Args:
            function: a coroutine function, as for ``run``
            items: asked for one by one, as there is room

        Returns:
            The results, in the order of the items.

        Raises:
            Exception: the first that ``function`` raises, when those in flight have ended; no more are begun then
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
    """Open the way to the file operations: on io_uring, or by system call, with the same meaning.

    Args:
        engine: "auto" is io_uring where there can be a ring, and system calls elsewhere; "uring" and "plain" insist
        in_flight: how many coroutines ``Files.map`` runs at once, at least 1
        waiting: storage makes callers wait, so calls are made beside each other, in threads of the kernel or of this
            process; without it everything is done in the calling thread, which is faster where all is cached

    Raises:
        OSError: EOPNOTSUPP, with the reason, where "uring" is asked for and there can be no ring
        ValueError: no such engine, or nothing allowed in flight

    Examples:
        >>> from arsync.fs import AT_FDCWD, FileOps, open_fileops
        >>> async def size(ops: FileOps, name: bytes) -> int:
        ...     return (await ops.lstat(AT_FDCWD, name)).st_size
        >>> with open_fileops(in_flight=128) as files:
        ...     files.map(size, [b"project/notes.txt", b"project/data.bin"])
        [11, 256000]
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
