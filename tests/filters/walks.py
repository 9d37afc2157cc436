"""What the rules let through, by a plain walk: the shortest use of a scope."""

from __future__ import annotations

import os
from collections.abc import Callable

from arsync.filters import Filters, Scope, Side, top

Options = list[tuple[str, bytes]]


def reader(directory: bytes) -> Callable[[bytes], bytes | None]:
    def read(name: bytes) -> bytes | None:
        try:
            with open(os.path.join(directory, name), "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    return read


def argv(options: Options) -> list[bytes]:
    """The options as rsync takes them."""
    return [
        {"F": b"-F", "cvs-exclude": b"-C"}.get(name, b"--" + name.encode() + b"=" + value) for name, value in options
    ]


def entries(path: bytes) -> list[tuple[bytes, bool]]:
    return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(path))


def transferred(filters: Filters, root: bytes, name: bytes = b"") -> set[bytes]:
    """The paths of what goes from ``root/`` or from ``root/name``, directories with a slash."""
    found: set[bytes] = set()

    def walk(path: bytes, shown: bytes, scope: Scope | None) -> None:
        for entry, directory in entries(path):
            if scope is not None and scope.excludes(entry, directory):
                continue
            found.add(shown + entry + (b"/" if directory else b""))
            if directory:
                below = os.path.join(path, entry)
                walk(below, shown + entry + b"/", scope and scope.enter(entry, reader(below)))

    scope = top(filters, Side.SENDER, root, reader(b"/"))
    if name:
        if scope is not None and scope.excludes(name, True):
            return found
        found.add(name + b"/")
    path = os.path.join(root, name) if name else root
    walk(path, name and name + b"/", scope and scope.enter(name, reader(path)))
    return found


def deleted(filters: Filters, root: bytes, dest: bytes) -> set[bytes]:
    """The paths of what is removed from ``dest`` when ``root/`` goes there: everything that can be emptied."""
    sent = transferred(filters, root)
    found: set[bytes] = set()

    def walk(path: bytes, shown: bytes, scope: Scope | None, doomed: bool) -> bool:
        whole = True
        for entry, directory in entries(path):
            here = shown + entry + (b"/" if directory else b"")
            below = os.path.join(path, entry)
            if not doomed and here in sent:
                if directory:
                    walk(below, here, scope and scope.enter(entry, reader(below)), False)
            elif scope is not None and scope.excludes(entry, directory, doomed=doomed):
                whole = False
            elif not directory or walk(below, here, scope and scope.enter(entry, reader(below)), True):
                found.add(here)
            else:
                whole = False
        return whole

    scope = top(filters, Side.RECEIVER, dest, reader(b"/"))
    walk(dest, b"", scope and scope.enter(b"", reader(dest)), False)
    return found
