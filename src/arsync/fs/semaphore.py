"""A bound on what is in flight, with owned and borrowed permits.

Every file in flight owns one permit; that is what bounds descriptors and buffers. A large file can use several
operations at once: it borrows permits that nobody owns at the moment, and gives them back for the files that follow.
"""

from __future__ import annotations


class Semaphore:
    """Counts permits, to bound what is in flight. Nothing here waits: who gets none does other work and asks again.

    Examples:
        >>> from arsync.fs import Semaphore
        >>> permits = Semaphore(4)
        >>> permits.acquire()  # a file begins
        True
        >>> permits.borrow(8)  # it is large: whatever is free helps
        3
        >>> permits.acquire()  # the next file has to wait
        False
        >>> permits.give_back(2)
        >>> permits.acquire(), permits.free
        (True, 1)
    """

    __slots__ = ("borrowed", "free", "owned", "total")

    def __init__(self, total: int) -> None:
        """Have ``total`` permits, at least 1. Raises ValueError."""
        if total < 1:
            raise ValueError("a semaphore needs at least one permit")
        self.total = total
        self.free = total
        self.owned = 0
        self.borrowed = 0

    def acquire(self) -> bool:
        """Own one permit; False where none is free."""
        if not self.free:
            return False
        self.free -= 1
        self.owned += 1
        return True

    def release(self) -> None:
        """End owning one permit. Raises ValueError where none is owned."""
        if not self.owned:
            raise ValueError("no permit is owned")
        self.owned -= 1
        self.free += 1

    def borrow(self, number: int) -> int:
        """Borrow up to ``number`` permits; returns how many, perhaps 0."""
        taken = max(0, min(number, self.free))
        self.free -= taken
        self.borrowed += taken
        return taken

    def give_back(self, number: int) -> None:
        """Return ``number`` borrowed permits. Raises ValueError where fewer are borrowed."""
        if not 0 <= number <= self.borrowed:
            raise ValueError("more permits than are borrowed")
        self.borrowed -= number
        self.free += number
