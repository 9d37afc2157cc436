"""Kernels and file systems that have less: the same tree comes of it, and every call fails once on that way, too.

By default some calls fail; ARSYNC_FAULTS=all has each fail in every way.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from arsync.config import IoEngine
from arsync.fs import syscalls
from faults.place import Place, assert_well, attempt
from support.cases import CASES
from support.faults import ERRNOS, Faults, Step
from support.snapshot import differences

EVERYTHING = bool(os.environ.get("ARSYNC_FAULTS"))

pytestmark = pytest.mark.needs_root


def _refuses(number: int) -> Callable[..., NoReturn]:
    def refuse(*_: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refuse


def _without_exchange(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(syscalls, "exchange", _refuses(errno.EINVAL))  # vfat, NFS


def _without_openat2(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(syscalls, "openat2", _refuses(errno.ENOSYS))  # before Linux 5.6, and some seccomp filters


def _without_empty_path(patch: pytest.MonkeyPatch) -> None:
    linkat = syscalls.linkat

    def refusing(old_dir: int, old: bytes, new_dir: int, new: bytes, flags: int) -> None:
        if not old:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        linkat(old_dir, old, new_dir, new, flags)

    # Without CAP_DAC_READ_SEARCH, before Linux 6.10.
    patch.setattr(syscalls, "linkat", refusing)
    patch.setattr(syscalls, "give_name", _refuses(errno.ENOENT))


def _without_unnamed_files(patch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(name: bytes, flags: int, *how: Any, **also: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))  # vfat, NFS
        return real(name, flags, *how, **also)

    patch.setattr(os, "open", refusing)


def _without_links(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(syscalls, "linkat", _refuses(errno.EPERM))  # vfat
    patch.setattr(os, "link", _refuses(errno.EPERM))
    _without_unnamed_files(patch)


LESS = {
    "exchange": (_without_exchange, ("other kinds", "backups", "backups of all kinds", "deletion")),
    "openat2": (_without_openat2, ("backups elsewhere", "backups of all kinds", "deletion, with backups")),
    "empty path": (_without_empty_path, ("new", "attributes", "hard links", "delayed updates")),
    "unnamed files": (_without_unnamed_files, ("new", "replaced", "sparse", "fake super", "read back")),
    "links": (_without_links, ("backups", "backups of all kinds", "older backups")),
}


def _ways(steps: list[Step], first: int) -> Iterator[tuple[int, int]]:
    """Which call fails, and how."""
    for at, step in enumerate(steps):
        ways = ERRNOS[step.call]
        if EVERYTHING:
            yield from ((at, number) for number in ways)
        elif (at + first) % 7 == 0:
            yield at, ways[at // 7 % len(ways)]


@pytest.mark.parametrize(("less", "name"), [(less, name) for less, (_, names) in LESS.items() for name in names])
def test_every_call_fails_once(here: bytes, monkeypatch: pytest.MonkeyPatch, less: str, name: str) -> None:
    place = Place(here, CASES[name], IoEngine.PLAIN)
    assert_well(*place.run(monkeypatch, Faults()))
    wanted = place.new()
    place.renew()
    place.backups_are_copies |= less == "links"
    LESS[less][0](monkeypatch)
    none = Faults()
    assert_well(*place.run(monkeypatch, none))
    assert not differences(wanted, place.new())
    found: list[str] = []
    for at, number in _ways(none.steps, len(less) + len(name)):
        found += attempt(place, monkeypatch, wanted, at, number)
    assert not found, f"{len(found)} problems\n" + "\n".join(found[:60])
