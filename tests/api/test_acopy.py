"""arsync.acopy: an event loop that goes on meanwhile, and cancellation."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

import arsync
from api.test_copy import TREE, _alive, _is_untouched, _wait, children, hidden_names
from fs.backends import open_descriptors
from support.snapshot import assert_same, snapshot
from support.trees import Dir, File, create


async def _slowly(here: bytes, **options: Any) -> arsync.CopyResult:
    """A copy that takes long, replacing a file, so that there is a temporary name meanwhile."""
    create(here + b"/src", Dir({b"large": File(b"new" * 3_000_000)}))
    create(here + b"/dst", Dir({b"large": File(b"old")}))
    return await arsync.acopy(here + b"/src/", here + b"/dst", archive=True, bwlimit=512, **options)


async def _is_copying(here: bytes) -> None:
    for _ in range(6000):
        if os.path.exists(here + b"/dst") and any(name.startswith(b".large") for name in os.listdir(here + b"/dst")):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nothing is being copied")


def test_copies(here: bytes) -> None:
    create(here + b"/src", TREE)
    loops: set[int] = set()

    async def scenario() -> arsync.CopyResult:
        thread = threading.get_ident()
        items: list[arsync.Item] = []

        def on_item(item: arsync.Item) -> None:
            items.append(item)
            loops.add(threading.get_ident())

        result = await arsync.acopy(here + b"/src/", here + b"/dst", archive=True, hard_links=True, on_item=on_item)
        assert len(items) == result.seen.total
        assert loops == {thread}  # callbacks run in the loop
        return result

    assert asyncio.run(scenario()).ok
    assert_same(snapshot(here + b"/src"), snapshot(here + b"/dst"))


def test_the_loop_goes_on(here: bytes) -> None:
    """While one copies, others work: here by the thousand, before the copy can have ended."""

    async def scenario() -> None:
        copying = asyncio.ensure_future(_slowly(here))
        await _is_copying(here)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert not copying.done()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying

    asyncio.run(scenario())


def test_several_at_once(here: bytes) -> None:
    create(here + b"/src", TREE)

    async def scenario() -> list[arsync.CopyResult]:
        return await asyncio.gather(
            *(arsync.acopy(here + b"/src/", here + b"/dst%d" % n, recursive=True) for n in range(3))
        )

    assert all(result.created.files == 5 for result in asyncio.run(scenario()))


@pytest.mark.parametrize("cancels", [1, 3])
def test_cancelling_stops_the_copy(here: bytes, cancels: int) -> None:
    """When CancelledError is raised nothing is running any more, and nothing half-done is left."""

    async def scenario() -> None:
        copying = asyncio.ensure_future(_slowly(here))
        await _is_copying(here)
        for _ in range(cancels):
            copying.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await copying
        assert children() == set()
        assert hidden_names(here + b"/dst") == []

    before = open_descriptors()
    threads = threading.enumerate()
    asyncio.run(scenario())
    assert _is_untouched(here)
    assert open_descriptors() == before
    # One of an earlier test may still have been about to end.
    _wait(lambda: set(threads) >= set(threading.enumerate()), "a thread is left")


def test_cancelling_before_it_begins(here: bytes) -> None:
    create(here + b"/src", TREE)

    async def scenario() -> None:
        copying = asyncio.ensure_future(arsync.acopy(here + b"/src/", here + b"/dst", archive=True))
        await asyncio.sleep(0)
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        assert children() == set()

    asyncio.run(scenario())
    assert not os.path.exists(here + b"/dst") or hidden_names(here + b"/dst") == []


def test_a_timeout_is_a_cancellation(here: bytes) -> None:
    async def scenario() -> None:
        copying = asyncio.ensure_future(_slowly(here))
        await _is_copying(here)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(copying, 0.01)

    asyncio.run(scenario())
    assert _is_untouched(here)


def test_the_end_of_the_loop_ends_the_copy(here: bytes) -> None:
    """asyncio.run cancels what is left, and so the copy ends before the loop does."""
    pids: list[int] = []

    async def scenario() -> None:
        task = asyncio.ensure_future(_slowly(here))
        await _is_copying(here)
        pids.extend(children())
        assert pids
        assert not task.done()

    asyncio.run(scenario())
    assert not _alive(pids)
    assert _is_untouched(here)


def test_an_exception_in_a_callback(here: bytes) -> None:
    create(here + b"/src", Dir({b"%05d" % n: File(b"x" * 1000) for n in range(3000)}))

    def on_item(_item: arsync.Item) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            await arsync.acopy(here + b"/src/", here + b"/dst", archive=True, on_item=on_item)

    asyncio.run(scenario())
    assert children() == set()
    assert hidden_names(here + b"/dst") == []


def test_what_cannot_begin_is_raised(here: bytes) -> None:
    create(here + b"/file", File())

    async def scenario() -> None:
        with pytest.raises(arsync.UsageError, match="unknown option"):
            await arsync.acopy(here + b"/file", here + b"/dst", nonsense=True)  # type: ignore[call-arg]
        with pytest.raises(arsync.FatalError, match="destination directory"):
            await arsync.acopy(here + b"/file", here + b"/no/such/place/")

    asyncio.run(scenario())
