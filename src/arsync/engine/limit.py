"""How much may be deleted (``--max-delete``)."""

from __future__ import annotations

from arsync.engine.extraneous import count_entries
from arsync.fs.directory import DirectoryFd


class Limit:
    """Counts deletions against a limit, of which there may be none (``most`` is None)."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.done = 0
        self.skipped = 0

    def reached(self) -> bool:
        """Whether one more would be too many; it then counts as skipped."""
        if self.most is None or self.done < self.most:
            return False
        self.skipped += 1
        return True

    def deleted(self) -> None:
        """One was deleted."""
        self.done += 1


def limit_of(text: str, dest: DirectoryFd | None) -> Limit:
    """The limit that ``--max-delete`` says: a number (less than 0 means 0), or a percentage of the entries that the
    destination has now."""
    if not text:
        return Limit(None)
    if not text.endswith("%"):
        return Limit(max(0, int(text)))
    entries = 0 if dest is None else count_entries(dest)
    return Limit(max(0, int(text[:-1])) * entries // 100)
