"""What of a directory that exists on both sides is to change: its metadata, ACLs and extended attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arsync.config import CopyConfig
from arsync.engine.attributes import Copied, acl_and_xattr, copied_attributes, read_source, read_wanted
from arsync.engine.compare import attribute_changes
from arsync.engine.tree import Node
from arsync.events import ACL, XATTR, Failure
from arsync.fs.metadata import AttributeSet, Preserve
from arsync.fs.plain import PlainOps, drive

if TYPE_CHECKING:
    from arsync.engine.selection import Selection


class DirectoryChanges:
    """Compares directories with one run's options. Its methods may run in threads: they only look."""

    def __init__(
        self, config: CopyConfig, preserve: Preserve, copied: Copied | None, selection: Selection | None = None
    ) -> None:
        """``copied``: which attributes are, where no merge file says something else; None: none of any directory."""
        self._config = config
        self._preserve = preserve
        self.copied = copied
        self._selection = selection
        self._ops = PlainOps()

    def of(self, node: Node, failures: list[Failure]) -> int:
        """The itemized flags of a directory that exists on both sides."""
        assert node.st is not None
        assert node.existing is not None
        changes = attribute_changes(self._preserve, node.st, node.existing)
        if self.copied is not None and node.sources and node.dst is not None:
            try:
                changes |= acl_and_xattr(self.attributes(node), ACL, XATTR)
            except OSError as error:
                failures.append(Failure("read attributes of", node.path[:-1] or b".", error.errno or 0))
        return changes

    def attributes(self, node: Node) -> AttributeSet:
        """The attributes of the node's source and destination."""
        assert node.dst is not None
        copied = self._copied_of(node)
        assert copied is not None
        with node.sources[0].pinned() as src, node.dst.pinned() as dst:
            return AttributeSet(
                drive(read_source(self._ops, src, copied.source, self._preserve)),
                drive(read_wanted(self._ops, dst, copied.dest, self._preserve.fake)),
            )

    def _copied_of(self, node: Node) -> Copied | None:
        """Which attributes of a directory are copied: the rules where it stands say it, not its own."""
        if self._selection is None or node.parent is None:
            return self.copied
        rules = self._selection.attribute_rules(node.parent, node.sources[0].parent)
        return self.copied if rules is None else copied_attributes(self._config, self._preserve, rules)
