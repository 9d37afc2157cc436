"""arsync: copies file trees on one Linux machine as ``rsync`` does locally, through io_uring on every CPU.

:func:`copy` and :func:`acopy` copy as the command does; :mod:`arsync.fs` has the file operations that it is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from arsync.api.options import CopyOptions
    from arsync.api.result import CopyResult, Counts, FileError, IncompleteError, Item, Progress
    from arsync.api.run import acopy, copy
    from arsync.errors import ExitCode, FatalError, UsageError

__all__ = [
    "CopyOptions",
    "CopyResult",
    "Counts",
    "ExitCode",
    "FatalError",
    "FileError",
    "IncompleteError",
    "Item",
    "Progress",
    "UsageError",
    "__version__",
    "acopy",
    "copy",
]

#: Where each name is. Nothing is imported before it is asked for: the command does not need most of it.
_PLACES = {
    "arsync.api.options": ("CopyOptions",),
    "arsync.api.result": ("CopyResult", "Counts", "FileError", "IncompleteError", "Item", "Progress"),
    "arsync.api.run": ("acopy", "copy"),
    "arsync.errors": ("ExitCode", "FatalError", "UsageError"),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
