"""Which entries of the source take part in a run: filter rules and --prune-empty-dirs, asked while listing.

A run without such options has no Selection, and its traversal asks nothing.
"""

from __future__ import annotations

import os

from arsync.config import CopyConfig
from arsync.engine.attributes import AttributeRules
from arsync.engine.filtering import chosen, outside, read_nothing, reader
from arsync.engine.held import operator_paths
from arsync.engine.linkmodes import LinkModes
from arsync.engine.listing import Found
from arsync.engine.prune import Ask, Pruner
from arsync.engine.tree import Node
from arsync.events import Failure
from arsync.filters import Filters, Scope, Side, top
from arsync.filters.filters import read_file
from arsync.filters.lists import Slot
from arsync.filters.place import RuleSet
from arsync.fs.directory import DirectoryFd


class Selection:
    """The filter rules of one run, on both sides, and what they leave of a directory. Raises UsageError."""

    def __init__(self, config: CopyConfig) -> None:
        self.paths = operator_paths(config)
        self._contents: dict[bytes, bytes | None] = {}
        self.filters = Filters.parse(
            config.filters,
            delete_excluded=config.delete_excluded,
            from0=config.from0,
            read=self._read_once,
            home=os.environb.get(b"HOME"),
            cvsignore=os.environb.get(b"CVSIGNORE"),
        )
        sender, receiver = (RuleSet(self.filters.entries, side.value).attribute_rules for side in Side)
        self._attribute_rules: AttributeRules = (sender, receiver)
        #: merge files in the tree may say something else about extended attributes
        self._merges = config.xattrs > 0 and any(isinstance(entry, Slot) for entry in self.filters.entries)
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
        """The configuration as workers need it: with no other rules than those about extended attributes."""
        if not config.xattrs:
            return config._replace(filters=())
        sides = zip(("sender", "receiver"), self._attribute_rules)
        return config._replace(filters=tuple((side, text) for side, rules in sides for text in rules))

    def attribute_rules(self, node: Node, source: DirectoryFd | None) -> AttributeRules | None:
        """The rules about extended attributes of what a source directory of ``node`` and its destination hold; None
        where they are the same as everywhere."""
        if not self._merges:
            return None
        sender, receiver = self._attribute_rules
        scope = None if source is None else node.scopes.get(source, self._ways.get(source))
        if scope is not None:
            sender = scope.attribute_rules
        if node.guard is not None:
            receiver = node.guard.attribute_rules
        return None if (sender, receiver) == self._attribute_rules else (sender, receiver)
