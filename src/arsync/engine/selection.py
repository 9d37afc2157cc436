"""Which entries of the source take part in a run: filter rules and --prune-empty-dirs, asked while listing.

A run without such options has no Selection, and its traversal asks nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from arsync.config import CopyConfig
from arsync.engine.filtering import chosen, outside, read_nothing, reader
from arsync.engine.held import operator_paths
from arsync.engine.linkmodes import LinkModes
from arsync.engine.listing import Found
from arsync.engine.prune import Ask, Pruner
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.filters import Filters, Scope, Side, top
from arsync.filters.filters import read_file
from arsync.filters.place import RuleSet, xattr_matcher
from arsync.fs.directory import DirectoryFd

#: The pseudo-option by which a worker is told the content of a rule file: its path, a NUL byte and the content.
_CONTENT = "content"


class Selection:
    """The filter rules of one run, on both sides, and what they leave of a directory. Raises UsageError."""

    def __init__(self, config: CopyConfig) -> None:
        self.paths = operator_paths(config)
        self._contents: dict[bytes, bytes | None] = {
            path: content
            for path, _, content in (value.partition(b"\0") for kind, value in config.filters if kind == _CONTENT)
        }
        options = [option for option in config.filters if option[0] != _CONTENT]
        self.filters = Filters.parse(
            options,
            delete_excluded=config.delete_excluded,
            from0=config.from0,
            read=self._read_once,
            home=os.environb.get(b"HOME"),
            cvsignore=os.environb.get(b"CVSIGNORE"),
        )
        self._dest = config.dest
        self._within = config.one_file_system > 0
        #: rules where arguments begin: in directories whose contents they mean, and in those that they go through
        self._tops: dict[DirectoryFd, Scope] = {}
        self._ways: dict[DirectoryFd, Scope] = {}
        self._pruner = Pruner(LinkModes(config), self.paths) if config.prune_empty_dirs else None

    def _read_once(self, path: bytes) -> bytes | None:
        if path not in self._contents:
            self._contents[path] = self._read(path)
        return self._contents[path]

    def _read(self, path: bytes) -> bytes | None:
        """The content of a file that an option names, ``-`` being the standard input. Raises OSError."""
        if path == b"-":
            return read_file(path)
        try:
            # --confine-root is about other paths.
            opened = self.paths._replace(confine_root=None).file(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        with open(opened, "rb") as file:
            return file.read()

    def of_source(self, root: bytes) -> Scope | None:
        """The rules for the arguments whose directory is ``root``."""
        return top(self.filters, Side.SENDER, os.path.abspath(root), outside(self.paths))

    def of_destination(self) -> Scope | None:
        """The rules that protect entries of the destination."""
        return top(self.filters, Side.RECEIVER, os.path.abspath(self._dest), outside(self.paths))

    def admits(
        self,
        base: bytes,
        parts: tuple[bytes, ...],
        way: list[DirectoryFd],
        directory: bool,
        failures: list[Failure],
    ) -> bool:
        """Whether an argument takes part, of which ``parts`` stand at the destination: it begins in ``base``, which is
        the first of ``way``, and goes on through the others. ``failures`` gets what is not said elsewhere."""
        scope = self.of_source(base)
        if not parts:
            if scope is not None:
                with way[0].pinned() as fd:
                    self._tops[way[0]] = scope.enter(b"", reader(fd, self.paths))
            return True
        spare = self.of_destination() if self._pruner is not None else None
        for part, inner in zip((b"", *parts), way):
            if part:
                with inner.pinned() as fd:
                    scope = None if scope is None else scope.enter(part, reader(fd, self.paths))
                spare = None if spare is None else spare.enter(part, read_nothing)
            if scope is not None:
                self._ways[inner] = scope
        if scope is not None and scope.excludes(parts[-1], directory):
            return False
        if not directory or self._pruner is None:
            return True
        with way[-1].pinned() as fd:
            return self._pruner.bears(Ask(fd, parts[-1], b"/".join(parts) + b"/", scope, spare), failures)

    def _enter(self, node: Node, source: DirectoryFd, fd: int) -> Scope | None:
        """The rules in a source directory of ``node``, which is open as ``fd``; remembered for what is below."""
        if node.parent is None:
            scope = self._tops.get(source)
        elif source.parent is None:
            scope = self._ways.get(source)
        else:
            scope = node.parent.scopes.get(source.parent, self._ways.get(source.parent))
            if scope is not None:
                scope = scope.enter(source.name, reader(fd, self.paths))
        if scope is not None:
            node.scopes = {**node.scopes, source: scope}
        return scope

    def _spare(self, node: Node) -> Scope | None:
        """The global rules that keep empty directories of ``node`` from being pruned."""
        if self._pruner is None:
            return None
        if node.parent is None:
            node.spare = node.spare or self.of_destination()
        else:
            above = node.parent.spare or self._spare(node.parent)
            node.spare = None if above is None else above.enter(node.path[len(node.parent.path) : -1], read_nothing)
        return node.spare

    def choose(self, node: Node, source: DirectoryFd, fd: int, found: Found, failures: list[Failure]) -> Found:
        """What the rules leave of the listing of a source directory of ``node``, which is open as ``fd``."""
        scope, spare = self._enter(node, source, fd), self._spare(node)
        found = chosen(found, scope)
        if self._pruner is not None and found.directories:
            bears, within = self._pruner.bears, self._within
            kept = [
                name
                for name in found.directories
                if bears(Ask(fd, name, node.path + name + b"/", scope, spare, node.follows), failures, within=within)
            ]
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


def xattrs_left_alone(config: CopyConfig) -> Callable[[bytes], bool] | None:
    """The same in a worker, which has its configuration from :meth:`Selection.for_workers`."""
    return Selection(config).xattr_rules()
