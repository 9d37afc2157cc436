"""A directory's own metadata, set when everything in it is done: making entries changes its times."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from arsync.config import CopyConfig
from arsync.engine.attributes import acl_and_xattr, set_all
from arsync.engine.compare import same_time
from arsync.engine.dirchanges import DirectoryChanges
from arsync.engine.held import operator_paths
from arsync.engine.tree import Node
from arsync.events import XATTR, Failure
from arsync.fs.acl import default_perms
from arsync.fs.metadata import NOTHING, AttributeSet, Preserve, difference
from arsync.fs.plain import PlainOps, drive
from arsync.fs.protocol import StatResult

if TYPE_CHECKING:
    from arsync.engine.syncing import FileSystems


class Finisher:
    """Sets the metadata of settled directories. Its method may run in a thread: it touches only its node."""

    def __init__(
        self, config: CopyConfig, preserve: Preserve, changes: DirectoryChanges, attributes_wanted: bool
    ) -> None:
        self._config = config
        self._preserve = preserve
        self._changes = changes
        self._attributes_wanted = attributes_wanted
        self._ops = PlainOps()
        self._staging = b""
        self.file_systems: FileSystems | None = None
        if config.syncfs and not config.dry_run:
            from arsync.engine.syncing import FileSystems

            self.file_systems = FileSystems(config)
        if config.delay_updates:
            from arsync.engine.staging import staging_path

            self._staging = staging_path(config)

    def finish(self, node: Node) -> list[Failure]:
        """Set owner, mode, attributes and times of a directory, and close it. Returns what failed."""
        failures: list[Failure] = []
        if self._staging and node.dst is not None:
            with suppress(OSError), node.dst.pinned() as fd:  # what is left of it does no harm
                from arsync.engine.staging import remove_staging

                remove_staging(operator_paths(self._config), fd, self._staging)
        if self.file_systems is not None and node.dst is not None:
            try:
                self.file_systems.note(node.dst, node.path[:-1] or b".")
            except OSError as error:
                failures.append(Failure("bring to the disk", node.path[:-1] or b".", error.errno or 0))
        if node.st is not None and node.dst is not None and not self._config.dry_run:
            try:
                with node.dst.pinned() as fd:
                    failures += self._set(node, fd)
            except OSError as error:
                failures.append(Failure("set metadata of", node.path[:-1] or b".", error.errno or 0))
        if node.parent is not None:  # the top's directories belong to the run
            for directory in (*node.sources, node.dst, *node.alts):
                if directory is not None and directory.parent is not None:  # others cannot be opened again
                    directory.close()
        return failures

    def _set(self, node: Node, fd: int) -> list[Failure]:
        st, preserve = node.st, self._preserve
        assert st is not None
        now: StatResult = os.fstat(fd)
        if preserve.fake:
            from arsync.fs.fakesuper import as_stored

            now = as_stored(fd, now)
        # Without -p an existing directory keeps the mode it had, which may have been widened to work in it.
        mode = preserve.source_mode(st) & 0o7777 if preserve.perms else self._mode_without_perms(node, fd, now)
        attributes: AttributeSet | None = None
        if self._attributes_wanted and node.sources:
            attributes = self._changes.attributes(node)
        change = difference(preserve, st, mode, now)
        if preserve.dir_times and (
            node.existing is None
            or not same_time(st.st_mtime_ns, now.st_mtime_ns, preserve.window)
            # with attributes, times agree to the nanosecond
            or (attributes is not None and acl_and_xattr(attributes, 0, XATTR))
        ):
            change = change._replace(mtime_ns=st.st_mtime_ns, atime_ns=now.st_atime_ns)
        if change == NOTHING and (attributes is None or attributes.new == attributes.old):
            return []
        return [
            Failure(operation, node.path[:-1] or b".", error.errno or 0)
            for operation, error in drive(set_all(self._ops, fd, change, attributes, preserve.fake))
        ]

    def _mode_without_perms(self, node: Node, fd: int, now: StatResult) -> int:
        if node.existing is not None:
            return node.existing.st_mode & 0o7777
        assert node.st is not None
        perms = 0o777 & ~self._preserve.who.umask
        if node.parent is None:
            perms = default_perms(b"/proc/self/fd/%d/.." % fd, perms)
        elif node.parent.dst is not None:
            with node.parent.dst.pinned() as parent:
                perms = default_perms(parent, perms)
        return self._preserve.source_mode(node.st) & perms | now.st_mode & 0o7000
