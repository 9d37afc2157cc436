"""Messages between parent and workers: whole or not at all, with their descriptors."""

from __future__ import annotations

import array
import marshal
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from arsync.engine.process import SocketChannel
from arsync.engine.wire import BatchResult, Connection, connection_pair


@pytest.fixture
def pair() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = connection_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_message_and_descriptors(pair: tuple[Connection, Connection]) -> None:
    ours, theirs = pair
    first, second = os.pipe()
    ours.send((1, b"\xff", ("nested", None)), [first, second])
    message, fds = theirs.receive() or ((), [])
    assert message == (1, b"\xff", ("nested", None))
    assert [os.fstat(fd).st_ino for fd in fds] == [os.fstat(first).st_ino, os.fstat(second).st_ino]
    assert all(not os.get_inheritable(fd) for fd in fds)
    for fd in (first, second, *fds):
        os.close(fd)


@pytest.mark.parametrize("size", [0, 104 << 10, (104 << 10) + 1, 1 << 20])
def test_any_size_stays_whole(pair: tuple[Connection, Connection], size: int) -> None:
    """A message larger than the socket's buffer waits for room once it has begun: nothing comes in between."""
    ours, theirs = pair
    sent = [(number, b"y" * size) for number in range(3)]
    received: list[object] = []

    def read() -> None:
        while (message := theirs.receive()) is not None:
            received.append(message[0])

    reader = threading.Thread(target=read)
    reader.start()
    for message in sent:
        while True:
            try:
                ours.send(message)
                break
            except BlockingIOError:
                continue  # nothing of it was sent
    ours.end()
    reader.join()
    assert received == sent


@pytest.mark.timeout(60)
def test_both_ends_may_have_much_to_say_at_once(pair: tuple[Connection, Connection]) -> None:
    """Neither has room before the other reads: the parent takes in what comes, and hears it afterwards, in order."""
    ours, theirs = pair
    answers = [(number, b"a" * (1 << 20)) for number in range(3)]
    heard: list[object] = []

    def work() -> None:
        heard.append((theirs.receive() or ((), []))[0])
        for answer in answers:
            theirs.send(answer)
        heard.append((theirs.receive() or ((), []))[0])
        theirs.close()

    worker = threading.Thread(target=work)
    worker.start()
    sent = [(number, b"s" * (1 << 20)) for number in range(2)]
    for message in sent:
        while True:
            try:
                ours.send(message)
                break
            except BlockingIOError:
                continue  # nothing of it was sent
    worker.join()
    assert heard == sent
    assert ours.pending
    assert [(ours.receive() or ((), []))[0] for _ in answers] == answers
    assert ours.receive() is None


def test_long_answers_of_several_threads_stay_whole(pair: tuple[Connection, Connection]) -> None:
    """Each is several packets, and none of another comes in between."""
    ours, theirs = pair
    channel = SocketChannel(theirs)
    answers = [BatchResult(number, [(bytes([number]) * (300 << 10),)], (), 0) for number in range(40)]
    threads = [threading.Thread(target=lambda part=part: [*map(channel.send, answers[part::4])]) for part in range(4)]
    for thread in threads:
        thread.start()
    got = []
    while len(got) < len(answers):
        with suppress(BlockingIOError):
            got.append(BatchResult(*(ours.receive() or ((),))[0]))
    for thread in threads:
        thread.join()
    assert sorted(got) == answers


def test_the_other_end_goes_while_a_message_waits_for_room(pair: tuple[Connection, Connection]) -> None:
    """What it had said is heard."""
    ours, theirs = pair
    theirs.send((1, b"a"))
    threading.Timer(0.2, theirs.close).start()
    with pytest.raises(ConnectionError):
        ours.send((2, b"s" * (1 << 20)))
    assert (ours.receive() or ((), []))[0] == (1, b"a")
    assert ours.receive() is None


def test_descriptors_come_with_a_message_that_comes_in_parts(pair: tuple[Connection, Connection]) -> None:
    """They are attached to its first packet, and the receiver may find no second one yet."""
    ours, theirs = pair
    first, second = os.pipe()
    data = marshal.dumps((1, b"y" * (150 << 10)))
    descriptors = array.array("i", [first, second])
    ours._channel.sendmsg([b"+", data[: 104 << 10]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    with pytest.raises(BlockingIOError):
        theirs.receive(socket.MSG_DONTWAIT)
    ours._channel.sendmsg([b".", data[104 << 10 :]])
    message, fds = theirs.receive(socket.MSG_DONTWAIT) or ((), [])
    assert message == (1, b"y" * (150 << 10))
    assert len(fds) == 2
    for fd in (first, second, *fds):
        os.close(fd)


def test_no_room_sends_nothing(pair: tuple[Connection, Connection]) -> None:
    ours, theirs = pair
    sent = 0
    while True:
        try:
            ours.send((sent, b"z" * 5000))
        except BlockingIOError:
            break
        sent += 1
    ours.end()
    got = []
    while (message := theirs.receive()) is not None:
        got.append(message[0][0])
    assert got == list(range(sent))
