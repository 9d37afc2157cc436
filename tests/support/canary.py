"""An area outside of both trees that nobody may touch: whatever is done to it, or read of it, is found out."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterator
from typing import Any

from support.trees import Dir, Fifo, File, Hardlink, Symlink, create

#: What the secret file holds. Where it turns up in a copy, something outside was read.
TOKEN = b"the secret of the canary, which is nowhere else"

_OLD = 10**18

_TREE = Dir(
    {
        b"secret": File(TOKEN, 0o600, _OLD, xattrs={b"user.canary": b"1"}),
        b"f": File(TOKEN + b" f", 0o644, _OLD),
        b"g": File(TOKEN + b" g", 0o755, _OLD),
        b"d": Dir({b"f": File(TOKEN + b" d/f", 0o600, _OLD), b"g": File(TOKEN, 0o600, _OLD)}, 0o750, _OLD),
        b"e": Dir({}, 0o755, _OLD),
        b"linked": Hardlink(b"g"),
        b"link": Symlink(b"secret", _OLD),
        b"fifo": Fifo(0o600, _OLD),
        b".rsync-filter": File(b"- " + TOKEN + b"\n", 0o600, _OLD),
    },
    0o755,
    _OLD,
)

_OPENED, _EVERYTHING = 0x20, 0xFFF  # IN_OPEN, IN_ALL_EVENTS
_EVENT = struct.Struct("iIII")


class Canary:
    """The area at ``top``. :meth:`problems` says what was done to it since it was made, or last asked."""

    def __init__(self, top: bytes) -> None:
        self.top = top
        create(top, _TREE)
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.islink(path):
                    os.utime(path, ns=(_OLD - 1, _OLD))  # so old that reading sets another, where that is done at all
        self._paths = sorted(_paths(top))
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watched: dict[int, bytes] = {}
        for path in self._paths:
            if stat.S_ISDIR(os.lstat(path).st_mode):
                self._watched[self._libc.inotify_add_watch(self._watch, path, _EVERYTHING)] = path
        self._states = self._look()
        self._events()

    def close(self) -> None:
        """Stop watching."""
        os.close(self._watch)

    def problems(self, *, may_be_read: bool = False) -> list[str]:
        """What was done; ``may_be_read``: an option says that symlinks are followed to it."""
        events = self._events()
        found = [f"{name!r} was opened or changed ({mask:#x})" for name, mask in events if not may_be_read]
        states = self._look()
        for path in sorted(self._states.keys() | states.keys()):
            before, after = self._states.get(path), states.get(path)
            if before is None or after is None:
                found.append(f"{path!r} " + ("is new" if before is None else "is gone"))
                continue
            for key in before:
                if before[key] != after[key] and not (key == "atime" and may_be_read):
                    found.append(f"{path!r}: {key} was {before[key]!r} and is {after[key]!r}")
        self._states = states
        self._events()
        return found

    def _look(self) -> dict[bytes, dict[str, Any]]:
        """All of it, without changing access times: nothing is opened."""
        found = {}
        for path in _paths(self.top):
            st = os.lstat(path)
            found[path] = {
                "mode": oct(st.st_mode), "owner": (st.st_uid, st.st_gid), "inode": st.st_ino, "links": st.st_nlink,
                "size": st.st_size, "mtime": st.st_mtime_ns, "ctime": st.st_ctime_ns,
                "xattrs": sorted(os.listxattr(path, follow_symlinks=False)),
            }  # fmt: skip
            if not stat.S_ISDIR(st.st_mode):  # looking through a directory is reading it
                found[path]["atime"] = st.st_atime_ns
        return found

    def _events(self) -> list[tuple[bytes, int]]:
        found = []
        while True:
            try:
                data = os.read(self._watch, 1 << 16)
            except BlockingIOError:
                return found
            while data:
                watch, mask, _, length = _EVENT.unpack_from(data)
                name = data[_EVENT.size : _EVENT.size + length].rstrip(b"\0")
                found.append((os.path.join(self._watched.get(watch, b"?"), name), mask))
                data = data[_EVENT.size + length :]


def _paths(top: bytes) -> Iterator[bytes]:
    yield top
    for directory, directories, names in os.walk(top):
        for name in (*directories, *names):
            yield os.path.join(directory, name)


def leaks(*trees: bytes) -> list[str]:
    """Where the secret turned up below these directories, or in these files; no symlink is followed."""
    found = []
    for tree in trees:
        paths = _paths(tree) if os.path.lexists(tree) else iter(())
        for path in paths:
            st = os.lstat(path)
            if stat.S_ISREG(st.st_mode) and st.st_size:
                with open(path, "rb") as file:
                    if TOKEN in file.read(1 << 20):
                        found.append(f"{path!r} holds the secret")
    return found
