"""The part of a run that has an event loop: the traversal is driven to its end, and answers are heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from arsync.engine.conduct import Conductor
from arsync.errors import FatalError

if TYPE_CHECKING:
    from arsync.engine.session import Session
    from arsync.engine.traverse import Step


async def conduct(
    state: Session,
    conductor: Conductor,
    walk: Generator[Step, None, None],
    step: Step | None,
    ended: FatalError | None,
) -> None:
    """Go on with the walk from ``step`` on. ``ended``: what ended it before there was a loop."""
    loop = asyncio.get_running_loop()
    defect = _abort_on_defect(loop)
    assert conductor.workers is not None
    try:
        conductor.workers.attach(loop)
        state.signals.attach(loop)
        try:
            if ended is not None:
                raise ended
            await _drive(state, conductor, walk, step)
        except FatalError:
            await _break_off(state, conductor)
            raise
    except BaseException as error:
        # A defect of arsync: end at once, rather than wait for what will not come.
        state.shared.stop()
        conductor.workers.abandon()
        raise (defect[0] if defect else error) from error
    finally:
        state.signals.detach()


async def _break_off(state: Session, conductor: Conductor) -> None:
    """The run cannot go on, for a merge file that makes no sense for one: as after an interrupt, nothing unfinished is
    left behind, and what has gone wrong before is told."""
    assert conductor.workers is not None
    state.shared.stop()
    conductor.workers.pump()  # which drops what waits
    await conductor.workers.close()
    conductor.order.flush()
    state.end_temporaries()


def _abort_on_defect(loop: asyncio.AbstractEventLoop) -> list[BaseException]:
    """Cancel the running task where a callback of the loop raises, which asyncio would only log; returns the list
    that the exception will be in."""
    task = asyncio.current_task(loop)
    found: list[BaseException] = []

    def on_exception(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        found.append(context.get("exception") or RuntimeError(context["message"]))
        if task is not None:
            task.cancel()

    loop.set_exception_handler(on_exception)
    return found


async def _drive(state: Session, conductor: Conductor, walk: Generator[Step, None, None], step: Step | None) -> None:
    assert conductor.workers is not None
    await conductor.feed(walk, step)
    conductor.totals.listing_ns = time.monotonic_ns() - state.started
    state.top.release()
    await conductor.finish()
    conductor.order.flush()
    conductor.totals.workers = await conductor.workers.close()
    state.end_temporaries()
    conductor.after_workers(state.top)
