"""A whole tree as something that can be compared: everything arsync promises to copy."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any

Snapshot = dict[bytes, dict[str, Any]]


def snapshot(top: bytes, *, times: bool = True, links: bool = True, holes: bool = False) -> Snapshot:
    """Every entry below ``top``, itself included as b"", with all its metadata."""
    found: Snapshot = {}
    groups: dict[tuple[int, int], list[bytes]] = {}
    _walk(top, b"", found, groups, times, holes)
    if links:
        for names in groups.values():
            for name in names:
                found[name]["linked with"] = tuple(sorted(names))
    return found


def _walk(
    path: bytes,
    name: bytes,
    found: Snapshot,
    groups: dict[tuple[int, int], list[bytes]],
    times: bool,
    holes: bool,
) -> None:
    st = os.lstat(path)
    entry: dict[str, Any] = {"type": stat.filemode(st.st_mode)[0], "owner": (st.st_uid, st.st_gid)}
    found[name] = entry
    if not stat.S_ISLNK(st.st_mode):
        entry["mode"] = oct(stat.S_IMODE(st.st_mode))
    if times:
        entry["mtime"] = st.st_mtime_ns
    entry["xattrs"] = {
        key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
    }
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as file:
            entry["content"] = (st.st_size, hashlib.sha256(file.read()).hexdigest()[:16])
        if holes:
            entry["blocks"] = st.st_blocks
    elif stat.S_ISLNK(st.st_mode):
        entry["target"] = os.readlink(path)
    elif stat.S_ISBLK(st.st_mode) or stat.S_ISCHR(st.st_mode):
        entry["device"] = st.st_rdev
    if stat.S_ISDIR(st.st_mode):
        for child in os.listdir(path):
            _walk(os.path.join(path, child), os.path.join(name, child), found, groups, times, holes)
    elif st.st_nlink > 1:
        groups.setdefault((st.st_dev, st.st_ino), []).append(name)


def differences(expected: Snapshot, actual: Snapshot) -> list[str]:
    """What differs, a line each; entries that should not be there too."""
    lines = []
    for name in sorted(expected.keys() | actual.keys()):
        if name not in actual:
            lines.append(f"{name!r}: missing")
        elif name not in expected:
            lines.append(f"{name!r}: should not be there")
        else:
            wanted, got = expected[name], actual[name]
            for key in sorted(wanted.keys() | got.keys()):
                if wanted.get(key) != got.get(key):
                    lines.append(f"{name!r}: {key}: {wanted.get(key)!r} became {got.get(key)!r}")
    return lines


def assert_same(expected: Snapshot, actual: Snapshot) -> None:
    """Fail with every difference."""
    lines = differences(expected, actual)
    assert not lines, "\n" + "\n".join(lines[:40])
