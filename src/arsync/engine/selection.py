"""Which entries of the source take part in a run: filter rules and --prune-empty-dirs, asked while listing.

A run without such options has no Selection, and its traversal asks nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from arsync.config import CopyConfig, DeleteWhen
from arsync.engine.filtering import chosen, read_nothing, read_outside, reader
from arsync.engine.listing import Found
from arsync.engine.prune import Pruner
from arsync.engine.tree import Node
from arsync.filters import Filters, Scope, Side, top
from arsync.filters.filters import read_file
from arsync.filters.place import RuleSet, xattr_matcher
from arsync.fs.directory import DirectoryFd

#: The pseudo-option by which a worker is told the content of a rule file: its path, a NUL byte and the content.
_CONTENT = "content"


class Selection:
    """The filter rules of one run, on both sides, and what they leave of a directory. Raises UsageError."""

    def __init__(self, config: CopyConfig) -> None:
        self._contents: dict[bytes, bytes | None] = {
            path: content
            for path, _, content in (value.partition(b"\0") for kind, value in config.filters if kind == _CONTENT)
        }
        options = [option for option in config.filters if option[0] != _CONTENT]
        protects_backups = config.backup and config.backup_dir is None and not config.delete_excluded
        if protects_backups and config.delete is not DeleteWhen.NEVER:
            options.append(("filter", b"P *" + (config.suffix or b"~")))
        self.filters = Filters.parse(
            options,
            delete_excluded=config.delete_excluded,
            from0=config.from0,
            read=self._read_once,
            home=os.environb.get(b"HOME"),
            cvsignore=os.environb.get(b"CVSIGNORE"),
        )
        self._dest = config.dest
        self._pruner = Pruner() if config.prune_empty_dirs else None

    def _read_once(self, path: bytes) -> bytes | None:
        if path not in self._contents:
            self._contents[path] = read_file(path)
        return self._contents[path]

    def of_source(self, root: bytes) -> Scope | None:
        """The rules for the arguments whose directory is ``root``."""
        return top(self.filters, Side.SENDER, os.path.abspath(root), read_outside)

    def of_destination(self) -> Scope | None:
        """The rules that protect entries of the destination."""
        return top(self.filters, Side.RECEIVER, os.path.abspath(self._dest), read_outside)

    def hides(self, scope: Scope | None, name: bytes, directory: bool) -> bool:
        """Whether an argument is left out."""
        return scope is not None and scope.excludes(name, directory)

    def enter(self, node: Node, source: DirectoryFd, fd: int) -> Scope | None:
        """The rules in a source directory of ``node``, which is open as ``fd``; remembered for what is below."""
        assert node.parent is not None
        assert source.parent is not None
        scope = node.parent.scopes.get(source.parent)
        if scope is not None:
            scope = scope.enter(source.name, reader(fd))
            node.scopes = {**node.scopes, source: scope}
        return scope

    def spare(self, node: Node) -> Scope | None:
        """The global rules that keep empty directories of ``node`` from being pruned."""
        if self._pruner is None:
            return None
        if node.parent is None:
            if node.spare is None:
                node.spare = self.of_destination()
        elif node.parent.spare is not None:
            node.spare = node.parent.spare.enter(node.path[len(node.parent.path) : -1], read_nothing)
        return node.spare

    def choose(
        self, fd: int, found: Found, scope: Scope | None, spare: Scope | None, devices: frozenset[int] | None
    ) -> Found:
        """What the rules leave of a listing of the open directory ``fd``."""
        found = chosen(found, scope)
        if self._pruner is not None and found.directories:
            bears = self._pruner.bears
            kept = [name for name in found.directories if bears(fd, name, scope, spare, devices)]
            found = found._replace(directories=kept)
        return found

    def for_workers(self, config: CopyConfig) -> CopyConfig:
        """The configuration as workers need it: with the rules about extended attributes, and what was read for
        them, or without rules."""
        if not config.xattrs or not self.xattr_rules():
            return config._replace(filters=())
        read = [(_CONTENT, path + b"\0" + data) for path, data in self._contents.items() if data is not None]
        return config._replace(filters=(*config.filters, *read))

    def xattr_rules(self) -> Callable[[bytes], bool] | None:
        """What tells whether an extended attribute is left alone; None without such rules."""
        ruled = [rules for side in Side if (rules := RuleSet(self.filters.entries, side.value)).xattrs]
        matchers = [matcher for rules in ruled if (matcher := xattr_matcher(rules)) is not None]
        if not matchers:
            return None
        return lambda name: any(matcher.excludes(name) for matcher in matchers)


def selection_of(config: CopyConfig) -> Selection | None:
    """The selection that a run needs, None where it needs none. Raises UsageError."""
    protects = config.backup and config.delete is not DeleteWhen.NEVER
    return Selection(config) if config.filters or config.prune_empty_dirs or protects else None


def xattrs_left_alone(config: CopyConfig) -> Callable[[bytes], bool] | None:
    """The same in a worker, which has its configuration from :meth:`Selection.for_workers`."""
    return Selection(config).xattr_rules() if config.xattrs and config.filters else None
