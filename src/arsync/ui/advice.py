"""What a person can do about failures: a line for each kind of them, at the end of stderr."""

from __future__ import annotations

import errno
import os

from arsync.events import Failure

_RIGHTS = "arsync may not do this as the user that runs it: use sudo, or leave these files out with --exclude"
_NOT_WRITABLE = "the user that runs arsync may not write there: use sudo, or another DEST"
_NOT_OWNER = "only the owner of a file, and root, can set this: use sudo, or leave out -p and -t (-a --no-p --no-t)"
_NO_PROC = "/proc is not mounted here, and arsync needs it: mount -t proc proc /proc"
_FULL = (
    "the destination is full (df -h, df -i): make room and run the same command again; what is complete need not be"
    " copied again"
)
_HOLDS = "a file system cannot hold this metadata: leave out the option that asks for it (-A, -X, -o, -g, -t, -H)"

_BY_ERRNO = {
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "the quota is used up: make room and run the same command again; see quota(1)",
    errno.EROFS: "the destination is mounted read-only: see findmnt(8); errors of the disk may have done that",
    errno.EIO: "the storage has failed: see dmesg(1); run the same command again when that is mended",
    errno.ENAMETOOLONG: "a file system allows no names as long as this, or as this with the --suffix of a backup",
    errno.ELOOP: "a symlink leads in a circle, or stands where a directory was: namei -l PATH shows it",
    errno.EFBIG: "the destination takes no files as large as these: see ulimit -f; FAT takes none of 4 GiB",
    errno.EMFILE: "arsync may not open enough files at once: raise the limit (ulimit -n 1024)",
    errno.ENFILE: "the machine has no more open files: raise fs.file-max, or run again when less is going on",
    errno.EOPNOTSUPP: _HOLDS,
    errno.ESTALE: "the server has lost a file or directory meanwhile: run the same command again",
    errno.ENOTEMPTY: "a directory is in the way: --delete or --force lets arsync remove what is in it",
    errno.EMLINK: "the destination allows fewer links to one file than the source has",
}

_NOT_THERE = "a SRC that is named is not there: check how it is spelt, and from which directory arsync is started"

#: Where what was being done says more than why it failed.
_BY_OPERATION = {
    "find": _NOT_THERE,
    "reach": _NOT_THERE,  # where it has a slash at its end
    "set owner of": "only root can give files to others: use sudo, or leave out -o and -g (-a --no-o --no-g)",
    "set permissions of": _NOT_OWNER,
    "set times of": _NOT_OWNER,
    "verify": "what was written is not what was read: suspect the disk, its cable or the memory; the old file stays",
}

#: What changes a directory of the destination.
_WRITING = {"create", "make directory", "rename into place"}


def advice(failure: Failure) -> str | None:
    """What can be done about one failure; None where there is nothing to say.

    >>> advice(Failure("set owner of", b"a", 1))
    'only root can give files to others: use sudo, or leave out -o and -g (-a --no-o --no-g)'
    """
    if failure.vanished or failure.warning:
        return None
    if failure.errno == errno.ENOENT and not os.path.isdir("/proc/self/fd"):
        return _NO_PROC
    if failure.operation in _BY_OPERATION and failure.errno in (0, errno.EPERM, errno.ENOENT):
        return _BY_OPERATION[failure.operation]
    if failure.operation in _WRITING and failure.errno in (errno.EACCES, errno.EPERM):
        return _NOT_WRITABLE
    return _BY_ERRNO.get(failure.errno)
