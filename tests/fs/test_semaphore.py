"""Permits: owned by files, borrowed by lanes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arsync.fs.semaphore import Semaphore


def test_no_more_permits_are_owned_than_exist() -> None:
    permits = Semaphore(2)
    assert [permits.acquire() for _ in range(3)] == [True, True, False]
    permits.release()
    assert permits.acquire()


def test_borrowing_takes_only_what_is_free() -> None:
    permits = Semaphore(4)
    assert permits.acquire()
    assert permits.borrow(2) == 2
    assert permits.borrow(7) == 1
    assert permits.borrow(1) == 0
    permits.give_back(3)
    assert permits.free == 3


def test_more_cannot_be_returned_than_was_taken() -> None:
    permits = Semaphore(3)
    with pytest.raises(ValueError, match="owned"):
        permits.release()
    permits.borrow(1)
    with pytest.raises(ValueError, match="borrowed"):
        permits.give_back(2)
    with pytest.raises(ValueError, match="at least one"):
        Semaphore(0)


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from(["acquire", "release", "borrow", "give"]), st.integers(0, 9))),
)
def test_permits_are_neither_made_nor_lost(total: int, steps: list[tuple[str, int]]) -> None:
    permits = Semaphore(total)
    for step, number in steps:
        if step == "acquire":
            permits.acquire()
        elif step == "release" and permits.owned:
            permits.release()
        elif step == "borrow":
            assert permits.borrow(number) <= number
        elif step == "give":
            permits.give_back(min(number, permits.borrowed))
        assert permits.free + permits.owned + permits.borrowed == total
        assert min(permits.free, permits.owned, permits.borrowed) >= 0
