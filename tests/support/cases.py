"""Copies of every kind, as data: what is copied, over what, and how. tests/faults has each of their steps fail."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from arsync.config import AltDest, Append, CopyMethod, DeleteWhen
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink

T = 10**18

#: user::rwx, user 1234: r--, group::r-x, mask::r-x, other::--- as the kernel keeps it.
ACL = bytes.fromhex("02000000 01000700ffffffff 02000400d2040000 04000500ffffffff 10000500ffffffff 20000000ffffffff")
ATTRIBUTES = {b"user.one": b"1", b"user.two": b"2" * 300, b"system.posix_acl_access": ACL}


def _file(text: bytes, size: int = 10, **how: Any) -> File:
    return File(text * size, mtime_ns=T, **how)


def under(entries: dict[bytes, Entry]) -> Dir:
    """The entries, and others that have nothing to do with them, before, behind and below."""
    others: dict[bytes, Entry] = {b"0": _file(b"first"), b"z": _file(b"last"), b"d": Dir({b"f": _file(b"f")}, 0o750, T)}
    return Dir(others | entries, mtime_ns=T)


class Case(NamedTuple):
    """A copy: what is copied, over what, and how."""

    new: dict[bytes, Entry]
    old: dict[bytes, Entry] | None = None  # None: there is no destination
    options: dict[str, Any] = {}  # noqa: RUF012
    beside: dict[bytes, Entry] | None = None  # what stands in "beside", and is only read
    alone: bool = False  # without the entries that have nothing to do with it


_OLD = {b"f": File(b"old" * 5), b"l": File(b"old" * 999), b"m": File(b"old" * 9999)}
_NEW = {b"f": _file(b"new", mode=0o4751), b"l": _file(b"large", 2000), b"m": _file(b"m", 18_000)}
CASES = {
    "new": Case(_NEW | {b".h": _file(b"hidden")}),
    "new, other owners": Case({b"f": _file(b"new", mode=0o6751, owner=(1234, 1235))}, {}),
    "links and specials": Case(
        {b"s": Symlink(b"target", T), b"p": Fifo(0o640, T), b"c": Device(0o20644, os.makedev(1, 3))}
    ),
    "replaced": Case(_NEW, _OLD),
    "replaced specials": Case(
        {b"s": Symlink(b"target", T), b"p": Fifo(0o640, T), b"c": Device(0o20644, os.makedev(1, 3))},
        {b"s": Symlink(b"old"), b"p": Symlink(b"old"), b"c": Device(0o20600, os.makedev(1, 5))},
    ),
    "other kinds": Case(
        {
            b"a": _file(b"file"),
            b"b": Symlink(b"link", T),
            b"c": Dir({b"in": _file(b"in")}, mtime_ns=T),
            b"e": Dir({}, mtime_ns=T),
        },
        {b"a": Symlink(b"old"), b"b": File(b"old"), b"c": File(b"precious"), b"e": Symlink(b"precious")},
    ),
    "empty directories make way": Case({b"a": _file(b"file"), b"b": Symlink(b"link", T)}, {b"a": Dir(), b"b": Dir()}),
    "in place": Case(_NEW, _OLD, {"inplace": True}),
    "hard links": Case(
        {b"a": _file(b"linked"), b"b": Hardlink(b"a"), b"d2": Dir({b"c": Hardlink(b"a")}, mtime_ns=T)},
        {b"b": File(b"old b"), b"d2": Dir({b"c": File(b"old c")})},
        {"hard_links": True},
    ),
    "attributes": Case(
        {
            b"f": _file(b"f", xattrs=ATTRIBUTES),
            b"n": _file(b"n", xattrs=ATTRIBUTES),
            b"x": Dir({}, mtime_ns=T, xattrs=ATTRIBUTES),
            b"s": Symlink(b"target", T),
        },
        {b"f": File(b"old", xattrs={b"user.one": b"0", b"user.gone": b"0"})},
        {"acls": True, "xattrs": True},
    ),
    "metadata only": Case(
        {
            b"f": File(b"same", 0o2751, T, (1234, 1235), {b"user.one": b"1"}),
            b"m": Dir({}, 0o2750, T, (1234, 1235)),
            b"p": Fifo(0o640, T),
        },
        {b"f": File(b"same", 0o600, T, xattrs={b"user.two": b"2"}), b"m": Dir(), b"p": Fifo(0o600)},
        {"xattrs": True},
    ),
    "checksum": Case(
        {b"f": _file(b"abc"), b"same": _file(b"x")}, {b"f": _file(b"abd"), b"same": _file(b"x")}, {"checksum": True}
    ),
    "sparse": Case({b"f": Sparse(40_000, ((20_000, b"data"),), T)}, {b"f": File(b"old" * 9_999)}, {"sparse": True}),
    "sparse in place": Case(
        {b"f": Sparse(40_000, ((20_000, b"data"),), T)},
        {b"f": File(b"old" * 9_999)},
        {"sparse": True, "inplace": True},
    ),
    "backups": Case(_NEW | {b"c": Dir({}, mtime_ns=T)}, _OLD | {b"c": File(b"precious")}, {"backup": True}),
    "backups elsewhere": Case(_NEW, _OLD, {"backup": True, "backup_dir": b".backups"}),
    "backups in place": Case(_NEW, _OLD, {"backup": True, "inplace": True}),
    "delayed updates": Case(_NEW, _OLD, {"delay_updates": True, "fsync": True}),
    "parts are kept": Case(_NEW, _OLD, {"partial": True, "partial_dir": b".parts", "fsync": True}),
    "preallocated": Case(_NEW, _OLD, {"preallocate": True}),
    "sources removed": Case(_NEW, _OLD, {"remove_source_files": True}),
    "deletion": Case(
        {b"f": _file(b"new"), b"m": Dir({}, mtime_ns=T), b"k": _file(b"kind")},
        {
            b"f": File(b"old"),
            b"m": Dir({b"x": File(b"x"), b"y": Dir({b"z": File(b"z")})}),
            b"k": Dir({b"v": File(b"v")}),
        },
        {"delete": DeleteWhen.DURING},
    ),
    "deletion afterwards": Case(
        {b"f": _file(b"new")}, {b"f": File(b"old"), b"x": File(b"x")}, {"delete": DeleteWhen.AFTER}
    ),
    "symlinks followed": Case({b"s": Symlink(b"0", T), b"t": Symlink(b"d", T)}, {}, {"copy_links": True}),
    "fake super": Case({b"f": _file(b"f", owner=(1234, 1235)), b"p": Fifo(0o640, T)}, {}, {"fake_super": True}),
    "access times": Case(_NEW, _OLD, {"atimes": 1}),
    "copy_file_range": Case(_NEW, {}, {"copy_method": CopyMethod.COPY_FILE_RANGE}),
    "mmap": Case(_NEW, {}, {"copy_method": CopyMethod.MMAP}),
    "read and write": Case(_NEW, {}, {"copy_method": CopyMethod.READ_WRITE}),
    "appended": Case(
        {b"f": _file(b"begin and end"), b"l": _file(b"large", 2000), b"e": _file(b"empty")},
        {b"f": File(b"begin and endb"), b"l": File(b"large" * 300), b"e": File()},
        {"append": Append.APPEND, "inplace": True},
    ),
    "appended, looked at": Case(
        {b"f": _file(b"begin and end"), b"l": _file(b"large", 2000), b"o": _file(b"other")},
        {b"f": File(b"begin and endb"), b"l": File(b"large" * 300), b"o": File(b"old")},
        {"append": Append.VERIFY, "inplace": True},
    ),
    "read back": Case(_NEW, _OLD, {"verify": True}),
    "read back, sparse": Case(
        {b"f": Sparse(40_000, ((20_000, b"data"),), T)}, {b"f": File(b"old")}, {"sparse": True, "verify": True}
    ),
    "linked with another tree": Case(
        _NEW | {b"s": Symlink(b"target", T), b"d2": Dir({b"g": _file(b"g")}, mtime_ns=T)},
        {b"m": File(b"old")},
        {"alt_dest": AltDest.LINK, "alt_dirs": (b"../beside",)},
        {b"f": _file(b"new", mode=0o4751), b"s": Symlink(b"target", T), b"m": _file(b"m", 18_000)}
        | {b"d2": Dir({b"g": _file(b"g")}, mtime_ns=T), b"l": _file(b"large", 2000, mode=0o600)},
    ),
    "copied from another tree": Case(
        _NEW,
        {b"m": File(b"old")},
        {"alt_dest": AltDest.COPY, "alt_dirs": (b"../beside",)},
        {b"f": _file(b"new", mode=0o4751), b"m": _file(b"m", 18_000), b"l": _file(b"large", 2000, mode=0o600)},
    ),
    "compared with another tree": Case(
        _NEW,
        {},
        {"alt_dest": AltDest.COMPARE, "alt_dirs": (b"../beside",)},
        {b"f": _file(b"new", mode=0o4751), b"m": _file(b"m", 18_000)},
    ),
    "temporary files elsewhere": Case(_NEW, _OLD, {"temp_dir": b"../beside"}, {}),
    "parts are kept elsewhere": Case(_NEW, _OLD, {"partial": True, "partial_dir": b"parts/"}, {}),
    "deletion first": Case(
        {b"f": _file(b"new")}, {b"f": File(b"old"), b"x": Dir({b"y": File(b"y")})}, {"delete": DeleteWhen.BEFORE}
    ),
    "deletion, delayed": Case(
        {b"f": _file(b"new")}, {b"f": File(b"old"), b"x": Dir({b"y": File(b"y")})}, {"delete": DeleteWhen.DELAY}
    ),
    "deletion, with backups": Case(
        {b"f": _file(b"new")},
        {b"f": File(b"old"), b"x": File(b"x"), b"y": Dir({b"y": File(b"y")})},
        {"delete": DeleteWhen.DURING, "backup": True, "backup_dir": b".backups"}
        | {"filters": (("filter", b"P .backups"),)},
    ),
    "an empty source": Case({}, {b"f": File(b"old")}, {"delete": DeleteWhen.DURING}, alone=True),
    "symlinks kept": Case(
        {b"k": Dir({b"x": _file(b"x"), b"y": Symlink(b"target", T)}, mtime_ns=T)},
        {b"k": Symlink(b"real", T), b"real": Dir({b"x": File(b"old")})},
        {"keep_dirlinks": True},
    ),
    "merge files": Case(
        {b"m": Dir({b".rules": File(b"- *.o\n", mtime_ns=T), b"a.o": File(b"o"), b"a.c": _file(b"c")}, mtime_ns=T)},
        {b"m": Dir({b".rules": File(b"- *.o\n"), b"b.o": File(b"protected"), b"b.c": File(b"old")})},
        {"filters": (("filter", b": .rules"),), "delete": DeleteWhen.DURING},
    ),
    "merge files, deletion first": Case(
        {b"m": Dir({b"a.c": _file(b"c")}, mtime_ns=T)},
        {b".rules": File(b"P .rules\nP *.o\n"), b"b.o": File(b"protected"), b"b.c": File(b"old")},
        {"filters": (("filter", b": .rules"),), "delete": DeleteWhen.BEFORE},
    ),
    "merge files, deletion afterwards": Case(
        {b"m": Dir({b"a.c": _file(b"c")}, mtime_ns=T)},
        {b".rules": File(b"P .rules\nP *.o\n"), b"b.o": File(b"protected"), b"b.c": File(b"old")},
        {"filters": (("filter", b": .rules"),), "delete": DeleteWhen.AFTER},
    ),
    "merge files on the way": Case(
        {
            b".rules": File(b"- *.o\n", mtime_ns=T),
            b"m": Dir({b"n": Dir({b"a.c": _file(b"c")}, mtime_ns=T)}, mtime_ns=T),
        },
        {
            b".rules": File(b"- *.o\n"),
            b"m": Dir({b".rules": File(b"- *.x\n"), b"n": Dir({b"b.o": File(b"protected"), b"b.c": File(b"old")})}),
        },
        {"filters": (("filter", b": .rules"),), "delete": DeleteWhen.DURING, "relative": True, "implied_dirs": False}
        | {"files_from": b"beside/list"},
        {b"list": File(b"m/n/\n")},
    ),
    "empty directories pruned": Case(
        {b"e": Dir({b"e": Dir()}), b"f": Dir({b"f": Dir({b"f": _file(b"f")}, mtime_ns=T)}, mtime_ns=T)},
        {},
        {"prune_empty_dirs": True},
    ),
    "hard links of specials": Case(
        {b"p": Fifo(0o640, T), b"q": Hardlink(b"p"), b"s": Symlink(b"t", T), b"t": Hardlink(b"s")},
        {b"q": File(b"old"), b"t": Symlink(b"old")},
        {"hard_links": True},
    ),
    "default ACLs": Case(
        {b"x": Dir({b"f": _file(b"f")}, mtime_ns=T, xattrs={b"system.posix_acl_default": ACL})},
        {b"x": Dir({b"f": File(b"old", xattrs=ATTRIBUTES)}, xattrs={b"system.posix_acl_access": ACL})},
        {"acls": True},
    ),
    "fake super, over old ones": Case(
        {b"f": _file(b"f", owner=(1234, 1235), xattrs={b"user.one": b"1"}), b"c": Device(0o20644, os.makedev(1, 3))},
        {b"f": File(b"old"), b"c": File(b"old")},
        {"fake_super": True, "xattrs": 1},
    ),
    "synchronized": Case(_NEW, _OLD, {"syncfs": True, "fsync": True}),
    "files of a list": Case(
        _NEW | {b"d2": Dir({b"g": _file(b"g")}, mtime_ns=T)},
        _OLD,
        {"files_from": b"beside/list"} | {"relative": True},
        {b"list": File(b"f\nd2/g\nd/f\nl\nz\n0\n")},
    ),
    "missing ones of a list deleted": Case(
        _NEW,
        _OLD | {b"gone": File(b"gone"), b"d": Dir({b"e": Dir({b"x": File(b"x")}), b"y": Symlink(b"y")})},
        {"files_from": b"beside/list", "relative": True, "delete_missing_args": True, "force": True},
        {b"list": File(b"f\ngone\nd/e\nd/y\nd/none\n")},
    ),
    "directories as they stand": Case(
        {b"k": Dir({b"x": _file(b"x"), b"n": Dir({b"y": _file(b"y")}, mtime_ns=T)}, mtime_ns=T)},
        {b"k": Symlink(b"./real", T), b"real": Dir({b"x": File(b"old")})},
        {"files_from": b"beside/list", "relative": True, "implied_dirs": False, "fsync": True},
        {b"list": File(b"k/x\nk/n/y\n")},
    ),
    "backups of all kinds": Case(
        {b"s": Symlink(b"target", T), b"p": Symlink(b"target", T), b"c": _file(b"c"), b"e": Dir({}, mtime_ns=T)},
        {
            b"s": Symlink(b"old"),
            b"p": Fifo(0o640),
            b"c": Device(0o20640, os.makedev(1, 5)),
            b"e": File(b"e", 0o6751, owner=(1234, 1235), xattrs=ATTRIBUTES),
            b"x": Dir({b"s": Symlink(b"x")}),
        },
        {"backup": True, "backup_dir": b".backups", "acls": True, "xattrs": True, "delete": DeleteWhen.DURING}
        | {"filters": (("filter", b"P .backups"),)},
    ),
    "older backups": Case(
        _NEW | {b"s": Symlink(b"target", T)},
        _OLD | {b"s": Symlink(b"old"), b"f~": File(b"older"), b"l~": File(b"older"), b"s~": Symlink(b"older")},
        {"backup": True},
    ),
    "updates with backups, delayed": Case(_NEW, _OLD, {"delay_updates": True, "backup": True}),
    "symlinks that lead out": Case(
        {b"s": Symlink(b"../beside/f", T), b"t": Symlink(b"../beside/g", T), b"u": Symlink(b"0", T)},
        {b"s": Symlink(b"old")},
        {"copy_unsafe_links": True, "copy_dirlinks": True},
        {b"f": _file(b"f"), b"g": Dir({b"h": _file(b"h")}, mtime_ns=T)},
    ),
    "symlinks that lead nowhere": Case(
        {b"s": Symlink(b"target", T), b"u": Symlink(b"/unsafe", T)},
        {b"s": Symlink(b"old")},
        {"munge_links": True, "keep_dirlinks": True},
    ),
    "locked": Case(_NEW, _OLD, {"lock": b""}),
    "checksums told": Case(_NEW, _OLD, {"out_format": b"%C %n", "itemize": 1}),
    "few may be deleted": Case(
        {b"f": _file(b"new")},
        {b"f": File(b"old"), b"x": Dir({b"y": File(b"y")})},
        {"delete": DeleteWhen.DURING, "max_delete": "9", "delete_guard": True},
    ),
    "dry": Case(
        _NEW | {b"e": Dir({b"f": _file(b"f")}, mtime_ns=T)},
        _OLD | {b"x": Dir({b"y": File(b"y")}), b"e": File(b"e")},
        {"dry_run": True, "delete": DeleteWhen.DURING, "backup": True, "checksum": True, "itemize": 1},
    ),
    "without recursion": Case(
        _NEW | {b"e": Dir({b"f": _file(b"f")}, mtime_ns=T)}, _OLD, {"recursive": False, "dirs": True}
    ),
    "an access time left alone": Case(_NEW, {}, {"open_noatime": True, "atimes": 1, "omit_dir_times": True}),
    "existing ones": Case(
        _NEW | {b"e": Dir({b"f": _file(b"f")}, mtime_ns=T)},
        _OLD,
        {"existing": True, "ignore_times": True},
    ),
}
