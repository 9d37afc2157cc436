"""Many failures of one kind are counted; files that vanished, apart from all others."""

from __future__ import annotations

from arsync.engine.resolve import ENTERING
from arsync.events import Failure
from arsync.ui.errorsummary import SHOWN, ErrorSummary


def test_kinds_are_counted_apart() -> None:
    summary = ErrorSummary()
    failures = [Failure("open", b"secret%d" % n, 13) for n in range(SHOWN + 7)]
    failures += [Failure("open", b"gone\n%d" % n, 2, vanished=True) for n in range(SHOWN + 2)]
    failures += [Failure("read", b"bad", 5)] * SHOWN
    failures += [Failure("copy", b"f", 0, "it has become a directory")] * (SHOWN + 1)
    assert sum(summary.shows(failure) for failure in failures) == 4 * SHOWN
    assert list(summary.lines()) == [
        b'arsync: 17 files: open failed: Permission denied (13), first: "secret0"',
        b'arsync: 12 files: vanished, first: "gone\\#0120"',
        b'arsync: 11 files: copy failed: it has become a directory, first: "f"',
    ]
    assert [hint.partition(b"hint: ")[2].partition(b":")[0] for hint in summary.hints()] == [
        b"arsync may not do this as the user that runs it",
        b"the storage has failed",
    ]


def test_a_source_that_is_not_there_is_explained_once_with_and_without_a_slash() -> None:
    summary = ErrorSummary()
    assert all(summary.shows(Failure(what, b"f", 2)) for what in ("find", ENTERING))
    (hint,) = summary.hints()
    assert b"check how it is spelt" in hint


def test_few_need_no_summary() -> None:
    summary = ErrorSummary()
    assert all(summary.shows(Failure("open", b"f", 13)) for _ in range(SHOWN))
    assert list(summary.lines()) == []


def test_what_is_about_no_file_is_always_shown() -> None:
    summary = ErrorSummary()
    assert all(summary.shows(Failure("finish", b"", 0, "worker 1 died")) for _ in range(SHOWN + 5))
    assert list(summary.lines()) == []
