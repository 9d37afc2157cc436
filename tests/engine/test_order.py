"""Lines come in the order of the traversal, whatever the order in which things happen."""

from __future__ import annotations

from typing import Any

from arsync.engine.order import Order
from arsync.engine.slices import SliceWork
from arsync.engine.tree import Node
from arsync.events import DELETED, NEW, Item, Kind


class Lines:
    """What was shown, in its order."""

    def __init__(self) -> None:
        self.paths: list[bytes] = []

    def item(self, item: Item) -> None:
        self.paths.append(item.path)


def _work(order: Order, *names: bytes) -> SliceWork:
    source: Any = None
    return SliceWork(Node(None, b"", lambda _: None), order.open(), source, names, bytes(len(names)), 0)


def _deleted(path: bytes) -> list[Item]:
    return [Item(path, Kind.FILE, DELETED)]


def test_what_makes_way_comes_before_what_it_makes_way_for() -> None:
    """And behind all that comes before its slice, although it is deleted while that is still at work."""
    shown: Any = Lines()
    order = Order(shown, False, lambda *_: None)
    first, second = _work(order, b"first"), _work(order, b"a", b"b", b"c")
    part = second.part(1, 2)
    order.expect_another(part.number or 0)
    with order.at(part):
        order.emit(_deleted(b"b/in"), [])
    assert shown.paths == []
    order.add(1, [Item(b"b", Kind.FILE, NEW)], [], part)
    order.add(1, [Item(name, Kind.FILE, NEW) for name in (b"a", b"c")], [], second)
    assert shown.paths == []
    order.add(0, [Item(b"first", Kind.FILE, NEW)], [], first)
    assert shown.paths == [b"first", b"a", b"c", b"b/in", b"b"]
    assert order.complete()


def test_what_has_no_place_is_shown_when_it_happens() -> None:
    shown: Any = Lines()
    order = Order(shown, False, lambda *_: None)
    order.open()
    work = _work(order, b"a")
    work.number = None
    with order.at(work):
        order.emit(_deleted(b"a/in"), [])
        assert shown.paths == []
    order.emit(_deleted(b"b"), [])
    assert shown.paths == [b"a/in", b"b"]
