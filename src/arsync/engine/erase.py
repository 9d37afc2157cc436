"""Deleting single entries, as a limit, a dry run and backups have it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from arsync.config import CopyConfig
from arsync.engine.backup import Backups
from arsync.engine.doomed import Doomed, keep
from arsync.engine.limit import Limit
from arsync.engine.tree import Node
from arsync.events import BACKED_UP, DELETED, KEPT, Failure, Item, Kind, Totals
from arsync.fs.plain import PlainOps, drive


class Eraser:
    """Deletes at once, in the parent, and counts. ``backups``: where -b keeps what is deleted."""

    def __init__(self, config: CopyConfig, totals: Totals, limit: Limit, backups: Backups | None) -> None:
        self._dry_run = config.dry_run
        self._totals = totals
        self._backups = backups
        self._ops = PlainOps()
        self.limit = limit

    def files(self, node: Node, names: Iterable[bytes], kinds: bytes) -> tuple[list[Item], list[Failure]]:
        """Delete entries of ``node`` that are no directories; returns what to tell."""
        items: list[Item] = []
        failures: list[Failure] = []
        assert node.dst is not None
        try:
            with node.dst.pinned() as fd:
                for name, kind in zip(names, kinds):
                    if self._file(node, fd, name, items, failures):
                        self.limit.deleted()
                        self._totals.deleted[kind] += 1
                        items.append(Item(node.path + name, kind, DELETED))
        except OSError as error:
            keep(node)
            failures.append(Failure("delete in directory", node.path[:-1] or b".", error.errno or 0))
        return items, failures

    def _file(self, node: Node, fd: int, name: bytes, items: list[Item], failures: list[Failure]) -> bool:
        if self.limit.reached():
            keep(node)
            return False
        try:
            if self._backups is not None and self._backups.keeps_deleted(name):
                self._move(node, fd, name, items)
            elif not self._dry_run:
                os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            keep(node)
            failures.append(Failure("delete", node.path + name, error.errno or 0))
            return False
        return True

    def _move(self, node: Node, fd: int, name: bytes, items: list[Item]) -> None:
        """Keep the entry under its backup's name."""
        assert self._backups is not None
        if self._dry_run:
            backup = self._backups.shown(node.path, name)
        else:
            backup = drive(self._backups.move(self._ops, fd, node.path, name))
        items.append(Item(node.path + name, Kind.FILE, BACKED_UP, backup))

    def directory(self, doomed: Doomed, stopped: bool) -> tuple[list[Item], list[Failure]]:
        """Remove an emptied directory, and tell what became of it as rsync does: of a directory inside of another it
        says twice that it is not empty. ``stopped``: it stays, as nothing more is begun."""
        path = doomed.path[:-1]
        kept = Item(path, Kind.DIRECTORY, KEPT)
        items = [kept] if doomed.keep else []
        failures: list[Failure] = []
        gone = False
        if (doomed.nested or not doomed.keep) and not stopped and not self.limit.reached():
            gone = self._dry_run or self._rmdir(doomed, items, kept, failures)
        if gone:
            items.append(Item(path, Kind.DIRECTORY, DELETED))
            self.limit.deleted()
            self._totals.deleted[Kind.DIRECTORY] += 1
        if doomed.keep or not gone:
            assert doomed.parent is not None
            keep(doomed.parent)
        return items, failures

    def _rmdir(self, doomed: Doomed, items: list[Item], kept: Item, failures: list[Failure]) -> bool:
        assert doomed.parent is not None
        assert doomed.parent.dst is not None
        try:
            with doomed.parent.dst.pinned() as fd:
                os.rmdir(doomed.name, dir_fd=fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                items.append(kept)
            else:
                failures.append(Failure("delete directory", doomed.path[:-1], error.errno or 0))
            return False
        return True
