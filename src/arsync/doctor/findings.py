"""What was found out about one ability."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """``works``: None where it could not be tried. ``why``: why it does not work or was not tried; may be empty."""

    works: bool | None
    why: str = ""


WORKS = Finding(True)


def reason(error: OSError) -> str:
    """An error in words, with its name: people search for that."""
    return str(error) if error.errno is None else said(error.errno)


def said(number: int) -> str:
    """The same for an errno.

    >>> said(2), said(95)
    ('No such file or directory (ENOENT)', 'Operation not supported (EOPNOTSUPP)')
    """
    name = "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number, str(number))
    return f"{os.strerror(number)} ({name})"


def attempt(function: Callable[[], object]) -> Finding:
    """Try something: it works unless it raises OSError, or returns False."""
    try:
        return Finding(False) if function() is False else WORKS
    except OSError as error:
        return Finding(False, reason(error))
