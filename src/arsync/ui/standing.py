"""Where a run stands, in words: the answer to SIGUSR1."""

from __future__ import annotations

from collections.abc import Iterator

from arsync.events import Doing, Progress
from arsync.ui.display import clock, shown
from arsync.ui.numbers import number


def standing(progress: Progress, seconds: float) -> Iterator[str]:
    """The lines, ``seconds`` after the run began: the run, and what each worker has to do."""
    found = "all found" if progress.listed_all else f"about {int(progress.share * 100)}% of the tree listed"
    moved, rate = number(progress.moved, 2), number(int(progress.moved / max(seconds, 0.001)), 2)
    passed = min(progress.passed, progress.listed)
    yield (
        f"arsync: after {clock(seconds)}: {passed:,} of {progress.listed:,} entries done ({found}), "
        f"{moved}B copied, {rate}B/s" + (f", {progress.deleted:,} deleted" if progress.deleted else "")
        + (f", errors: {progress.errors:,}" if progress.errors else "")
    )  # fmt: skip
    for index, doing in enumerate(progress.workers):
        yield f"arsync: worker {index}: {_doing(doing)}"


def _doing(doing: Doing) -> str:
    if not doing.given:
        return "has nothing to do"
    if doing.size:
        return f"copies {shown(doing.path)}, {doing.done * 100 // doing.size}% of {number(doing.size, 2)}B"
    if doing.given == 1:
        return f"has {shown(doing.path)}"
    return f"has {doing.given:,} entries, the first is {shown(doing.path)}"
