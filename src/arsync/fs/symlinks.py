"""What symlinks say, without following any: whether they lead out of a transfer, and how they are made unusable."""

from __future__ import annotations

#: What ``--munge-links`` puts before a target: a symlink that cannot be followed, and from which it comes back.
MUNGED = b"/rsyncd-munged/"


def is_unsafe(target: bytes, directory: bytes) -> bool:
    """Tell whether a symlink leads out of a tree, as rsync judges it (--safe-links): by its text alone.

    Nothing is looked up. An absolute target is unsafe, and so is one with ``..`` behind a name.

    Args:
        target: what the symlink says
        directory: where it stands below the top of the tree; empty for the top

    Examples:
        >>> from arsync.fs import is_unsafe
        >>> is_unsafe(b"../../etc/passwd", b"docs"), is_unsafe(b"../notes.txt", b"docs")
        (True, False)
        >>> is_unsafe(b"/etc/passwd", b"a/b"), is_unsafe(b"../x", b""), is_unsafe(b"x/../y", b"a"), is_unsafe(b"", b"a")
        (True, True, True, True)
        >>> is_unsafe(b"x", b""), is_unsafe(b"../../x", b"a/b/"), is_unsafe(b"./..", b"a")
        (False, False, False)
    """
    if not target or target.startswith(b"/"):
        return True
    depth = sum(part not in (b"", b".") for part in directory.split(b"/"))
    named = False
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
            if named or depth < 0:
                return True
        elif part not in (b"", b"."):
            named = True
    return False


def unmunged(target: bytes) -> bytes:
    """The target as it was before it was munged; one that was not stays.

    >>> unmunged(b"/rsyncd-munged/../x"), unmunged(b"x")
    (b'../x', b'x')
    """
    return target.removeprefix(MUNGED)
