"""Lines come in the order of the traversal, whatever the order in which things happen."""

from __future__ import annotations

from typing import Any

from arsync.engine.order import Order
from arsync.engine.places import HELD_FOR_LINKS, Place
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


def _line(name: bytes) -> list[Item]:
    return [Item(name, Kind.FILE, NEW)]


def test_what_is_behind_a_place_waits_for_it() -> None:
    """Of entries with several links: each has its line in its place, and what is linked to it right behind."""
    shown: Any = Lines()
    places = {b"b": Place(), b"d": Place()}
    order = Order(shown, False, lambda work, found: [places[work.names[index]] for index, *_ in found])
    work, after = _work(order, b"a", b"b", b"c", b"d"), _work(order, b"e")
    order.add(1, _line(b"e"), [], after)
    candidates = [(index, 0, 0, 2, False) for index in (1, 3)]
    order.add(0, [*_line(b"a"), *_line(b"c")], [], work, candidates, [0, 2])
    assert shown.paths == [b"a"]
    assert order.complete()
    order.waiting.fill(places[b"d"], 0, _line(b"d"))
    at = places[b"b"].extend(1)
    order.waiting.fill(places[b"b"], 0, _line(b"b"))
    assert (shown.paths, order.held() > 0) == ([b"a"], True)
    order.waiting.fill(places[b"b"], at, _line(b"link to b"))
    assert (shown.paths, order.held()) == ([b"a", b"b", b"link to b", b"c", b"d", b"e"], 0)


def test_a_place_that_nobody_works_on_does_not_hold_up_for_ever() -> None:
    """It may be that of a file whose other links are not met before the end; its line then comes when it is done."""
    shown: Any = Lines()
    order = Order(shown, False, lambda *_: [place])
    place = Place()
    place.tentative = True
    order.add(0, [], [], _work(order, b"linked"), [(0, 0, 0, 2, False)], [])
    for number in range(HELD_FOR_LINKS):
        order.add(number + 1, _line(b"%d" % number), [], _work(order, b"x"))
    assert len(shown.paths) in range(HELD_FOR_LINKS // 2, HELD_FOR_LINKS + 1)
    order.add(HELD_FOR_LINKS + 1, _line(b"last"), [], _work(order, b"x"))
    assert (shown.paths[-1], order.held()) == (b"last", 0)
    order.waiting.fill(place, 0, _line(b"linked"))
    assert shown.paths[-1] == b"linked"


def test_lines_of_links_come_later_and_in_their_order() -> None:
    shown: Any = Lines()
    order = Order(shown, False, lambda *_: [])
    for turn in ((2, 1, 9), (1, 2, 5), (1, 1, 8), (1, 1, 7)):
        order.waiting.later(turn, _line(b"%d%d%d" % turn))
    order.add(0, _line(b"a"), [], _work(order, b"a"))
    assert shown.paths == [b"a"]
    order.flush()
    assert shown.paths == [b"a", b"117", b"118", b"125", b"219"]


def test_what_is_added_meanwhile_comes_behind() -> None:
    """Work that cannot even be sent is answered while the entries that it is about are met."""
    shown: Any = Lines()
    order = Order(shown, False, lambda work, _: answer())
    first, second = _work(order, b"a", b"b"), _work(order, b"c")

    def answer() -> list[None]:
        order.add(1, _line(b"c"), [], second)
        assert not order.complete()
        return [None]

    order.add(0, _line(b"a"), [], first, [(1, 0, 0, 2, False)], [0])
    assert shown.paths == [b"a", b"c"]
    assert order.complete()
