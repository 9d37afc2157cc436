"""Directories that a person names with an option, opened once: every worker gets their descriptors with its orders."""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

from arsync.config import CopyConfig
from arsync.errors import ExitCode, FatalError
from arsync.fs.operator_path import OperatorPaths


class Held(NamedTuple):
    """Descriptors; -1 for a directory that this run does not need, or that does not exist in a dry run."""

    top: int = -1  # the destination's top, which relative paths of options start from
    temp: int = -1  # --temp-dir
    lock: int = -1  # of --lock: workers only keep it open
    marked: int = -1  # the destination's top, which bears the mark of a run that has not ended


#: Of a run without such options.
NOTHING_HELD = Held()


def operator_paths(config: CopyConfig) -> OperatorPaths:
    """How the run treats paths that a person named beside its sources."""
    return OperatorPaths(config.insecure_links, config.confine_root)


def hold(config: CopyConfig, top: int) -> Held:
    """Open what the run needs; ``top`` stays the caller's. Raises FatalError where --temp-dir is not a directory, or
    --backup-dir can be none."""
    if config.backup_dir is not None:
        _check_backup_dir(config.backup_dir, top)
    if config.temp_dir is None:
        return Held(top if config.backup else -1)
    shown = os.fsdecode(config.temp_dir)
    try:
        if top == -1 and not config.temp_dir.startswith(b"/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return Held(top, operator_paths(config).directory(config.temp_dir, top))
    except FileNotFoundError as error:
        raise FatalError(f'the temp-dir "{shown}" does not exist: make it first', ExitCode.SYNTAX) from error
    except NotADirectoryError as error:
        code = ExitCode.SYNTAX if _stands(config.temp_dir, top) else ExitCode.FILE_IO
        raise FatalError(f'the temp-dir "{shown}" is not a directory: name one', code) from error
    except OSError as error:
        raise FatalError(f'cannot open the temp-dir "{shown}": {error.strerror}', ExitCode.FILE_IO) from error


def _check_backup_dir(path: bytes, top: int) -> None:
    """Before anything is copied: what stands there, if anything does, is a directory. Raises FatalError."""
    if top == -1 and not path.startswith(b"/"):
        return  # a dry run, and nothing stands there
    shown = os.fsdecode(path)
    try:
        found = os.stat(path, dir_fd=None if top == -1 else top)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FatalError(f'cannot look at the backup-dir "{shown}": {error.strerror}', ExitCode.FILE_IO) from error
    if not stat.S_ISDIR(found.st_mode):
        raise FatalError(f'the backup-dir "{shown}" is not a directory: name one', ExitCode.SYNTAX)


def _stands(path: bytes, top: int) -> bool:
    """Whether anything is there."""
    try:
        os.stat(path, dir_fd=None if top == -1 else top)
    except OSError:
        return False
    return True
