"""``--delete-missing-args``: what a source argument names that does not exist is deleted at the destination."""

from __future__ import annotations

import os
from collections.abc import Iterable

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.delete import Deleter
from arsync.engine.extraneous import enter_guard
from arsync.engine.held import operator_paths
from arsync.engine.tree import Node
from arsync.fs.directory import DirectoryFd, DirectoryTable

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class MissingDeleter:
    """Deletes single entries of the destination as all else is deleted: filter rules, limits and backups count. A
    directory with something in it goes only with --force or --delete."""

    def __init__(self, config: CopyConfig, deleter: Deleter, table: DirectoryTable) -> None:
        self._whole = config.force or config.delete is not DeleteWhen.NEVER
        self._deleter = deleter
        self._table = table
        self._paths = operator_paths(config)

    def delete(self, node: Node, names: Iterable[bytes]) -> None:
        """Delete names in a directory of the destination."""
        self._deleter.remove(node, names, whole=self._whole)

    def delete_lost(self, top: Node, paths: Iterable[tuple[bytes, ...]]) -> None:
        """Delete what stands at paths below the top, on the way to which the source has no directories. Directories
        are opened one by one, and no symlink is followed."""
        for parts in sorted(set(paths)):
            way = [top]
            try:
                for name in parts[:-1]:
                    way.append(self._open(way[-1], name))
                self._deleter.remove(way[-1], [parts[-1]], whole=self._whole)
            except (FileNotFoundError, NotADirectoryError):
                pass  # what is not there need not be deleted
            except OSError as error:
                self._deleter.failed_at(b"/".join(parts), error)
            finally:
                for node in reversed(way[1:]):
                    node.release()

    def _open(self, parent: Node, name: bytes) -> Node:
        assert parent.dst is not None
        with parent.dst.pinned() as fd:
            opened = os.open(name, _OPEN, dir_fd=fd)
        node = Node(parent, parent.path + name + b"/", _close)
        node.dst = DirectoryFd(self._table, opened, parent.dst, name)
        enter_guard(node, self._paths)
        return node


def _close(node: Node) -> None:
    assert node.parent is not None
    if node.dst is not None:
        node.dst.close()
    node.parent.release()
