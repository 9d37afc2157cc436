"""Where a package has the manual page and the completions, below a prefix as /usr."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from arsync.cli.reference import bash, fish, manual, zsh


class Writer(NamedTuple):
    """One generated file."""

    what: str
    path: str
    lines: Callable[[], Iterable[str]]


#: By the option of ``python -m arsync.cli.reference`` that prints it.
WRITERS = {
    "man": Writer("the manual page", "share/man/man1/arsync.1", manual.lines),
    "bash": Writer("bash's completion", "share/bash-completion/completions/arsync", bash.lines),
    "zsh": Writer("zsh's completion", "share/zsh/site-functions/_arsync", zsh.lines),
    "fish": Writer("fish's completion", "share/fish/vendor_completions.d/arsync.fish", fish.lines),
}


def install_tree(prefix: str) -> list[str]:
    """Write all of them below ``prefix``, with modes that do not depend on the umask, and return the paths."""
    written = []
    for writer in WRITERS.values():
        path = os.path.join(prefix, writer.path)
        _make_directories(os.path.dirname(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(writer.lines()) + "\n")
        os.chmod(path, 0o644)
        written.append(path)
    return written


def _make_directories(path: str) -> None:
    if path and not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)
