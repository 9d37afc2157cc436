"""How much was tried, said at the end of a run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

_TALLY: Counter[str] = Counter()


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """What the tests count, by what it is called."""
    return _TALLY


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _TALLY:
        terminalreporter.write_line("attackers: " + ", ".join(f"{count} {what}" for what, count in _TALLY.items()))
