"""What the parent and its workers say to each other.

A message is one packet of a SOCK_SEQPACKET socket: a marshalled tuple (both ends are the same interpreter), with the
directory descriptors that it speaks of attached (SCM_RIGHTS). A worker thus never opens a directory by path: what
the parent held when it listed the directory is what the worker works in.
"""

from __future__ import annotations

import array
import marshal
import select
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

#: Names in one slice at the most: large enough that messages are cheap, small enough that a huge flat directory
#: feeds every worker and that a slice of the longest names (255 bytes each) fits a packet.
SLICE_NAMES = 256

#: Bytes of names and paths in one batch at the most, well under the default socket buffer of 208 KiB.
BATCH_BYTES = 96 << 10

#: Bytes of one packet at the most: half of the default socket buffer.
_PACKET = 104 << 10
_MORE, _LAST = b"+", b"."
_FDS_ROOM = socket.CMSG_SPACE(4 * 253)

# Flags of a slice.
FRESH = 1  # the destination directory was just made: nothing in it can exist
LEADER = 2  # hard-linked entries: copy them, do not report them first
LINK = 4  # make each entry a hard link to its leader
REPLACED = 128  # LINK in a dry run: the leader would be another file than the one that stands there
LATE = 8  # the end of the run: what waited for it is put in place, and its source removed
DELETE = 16  # remove the entries, whose kinds are events.Kind
CLEARED = 32  # the directory in the way of the entry was emptied, or would have been but for a dry run
STUCK = 64  # it could not be

# How the parent saw an entry's type; a worker checks it again on what it opened.
REGULAR = 0
OTHER = 1
FOLLOWED = 2  # a symlink whose referent is copied (-L and its like), which is no directory


# Which side of a copy makes its callers wait, as the traversal saw it.
SOURCE_WAITS = 1
DEST_WAITS = 2


class Slice(NamedTuple):
    """Entries of one directory, in order."""

    id: int
    flags: int
    prefix: bytes  # the directory's path as people know it, with a slash at its end, or empty
    src: int  # index of the source directory in the packet's descriptors
    dst: int  # the same of the destination directory; -1 in a dry run where it does not exist
    names: tuple[bytes, ...]
    kinds: bytes  # REGULAR, OTHER or FOLLOWED for each name; under DELETE its Kind
    #: under LINK: for each name the index of its leader's directory, the leader's name there, and its path
    leaders: tuple[tuple[int, bytes, bytes], ...] = ()
    #: the names at the destination, where they are not the same (a file copied to another name)
    dst_names: tuple[bytes, ...] = ()
    #: under LATE: for each name whether it is staged, and the size and mtime (ns) of its source when it was read
    stamps: tuple[tuple[int, int, int], ...] = ()
    #: the corresponding directories of the alternative trees (--link-dest and its like), those that exist, in order
    alts: tuple[int, ...] = ()
    #: as in attributes.py, where merge files of these directories say something else than the command line; or nothing
    attribute_rules: tuple[tuple[bytes, ...], ...] = ()


class Batch(NamedTuple):
    """Work for one worker."""

    id: int
    waiting: int  # SOURCE_WAITS, DEST_WAITS
    directories: int  # how many descriptors come with it
    slices: tuple[tuple[Any, ...], ...]  # each a Slice


class SliceResult(NamedTuple):
    """What became of a slice's entries."""

    id: int
    handled: int  # entries from the front that were dealt with; the others were given back
    #: index, kind, changes, target, and where the run shows it the fields of events.Status: only what is to be shown
    items: list[tuple[Any, ...]]
    failures: list[tuple[str, int, int, str, bool, bool]]  # as events.Failure, with the index for the path
    #: entries with several links, under -H: index, device, inode, links, whether something of its kind stands at the
    #: destination or in an alternative tree; where that is known to need nothing but links, its own device and inode
    candidates: list[tuple[int, int, int, int, bool, tuple[int, int] | None]]
    #: under LEADER: the entries whose destination is now as their source, which neither failed nor were left alone
    done: tuple[int, ...] = ()
    #: entries that are to be looked at again at the end of the run: index, and a stamp as in Slice
    late: list[tuple[int, int, int, int]] | tuple[()] = ()
    #: entries in whose way a directory stands that is not empty and may be deleted (--delete, --force)
    blocked: tuple[int, ...] = ()


class BatchResult(NamedTuple):
    """The answer to a batch."""

    id: int
    slices: list[tuple[Any, ...]]  # each a SliceResult
    counts: tuple[int, ...]  # what the batch adds to the totals, see counts.py
    fatal: int  # errno that makes going on pointless (a full disk), or 0


class Connection:
    """One end of a parent's or worker's socket. Owns the socket."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        # of a message whose last packet has not come
        self._parts: list[bytes] = []
        self._fds = array.array("i")
        self._taken_in: deque[tuple[Any, list[int]] | None] = deque()

    @property
    def pending(self) -> bool:
        """Whether there is something to receive that the socket no longer tells of."""
        return bool(self._taken_in)

    def fileno(self) -> int:
        """For an event loop."""
        return self._channel.fileno()

    def send(self, message: tuple[Any, ...], fds: Sequence[int] = ()) -> None:
        """Send one message. An error means that nothing was sent, or that the other end is gone; BlockingIOError,
        that there was no room. A message of several packets waits for room once its first has gone."""
        data = marshal.dumps(message)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        first = data[:_PACKET]
        self._channel.sendmsg([_LAST if len(first) == len(data) else _MORE, first], ancillary)
        for begin in range(_PACKET, len(data), _PACKET):
            last = begin + _PACKET >= len(data)
            self._send_rest([_LAST if last else _MORE, data[begin : begin + _PACKET]])

    def _send_rest(self, packet: list[bytes]) -> None:
        """Send what follows a packet that has gone: it must follow, even where the socket does not block. What comes
        meanwhile is taken in, since the other end may have no room either, and would never read this."""
        while True:
            try:
                self._channel.sendmsg(packet)
                return
            except BlockingIOError:
                self._wait_for_room()

    def _wait_for_room(self) -> None:
        ended = bool(self._taken_in) and self._taken_in[-1] is None
        poll = select.poll()
        poll.register(self._channel, select.POLLOUT if ended else select.POLLIN | select.POLLOUT)
        if poll.poll()[0][1] & select.POLLIN:
            try:
                self._taken_in.append(self._take())
            except BlockingIOError:
                return  # a part of one

    def receive(self, flags: int = 0) -> tuple[Any, list[int]] | None:
        """The next message and its descriptors, which are the caller's to close; None at the end of the stream.

        Raises BlockingIOError where there is none and the call must not wait. Descriptors that this process may not
        open are missing at the end of the list; compare with :attr:`Batch.directories`.
        """
        return self._taken_in.popleft() if self._taken_in else self._take(flags)

    def _take(self, flags: int = 0) -> tuple[Any, list[int]] | None:
        while True:
            data, ancillary, _, _ = self._channel.recvmsg(_PACKET + 1, _FDS_ROOM, flags | socket.MSG_CMSG_CLOEXEC)
            for level, kind, packed in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self._fds.frombytes(packed[: len(packed) - len(packed) % self._fds.itemsize])
            if not data:
                return None
            self._parts.append(data[1:])
            if data[:1] == _LAST:
                parts, self._parts = self._parts, []
                fds, self._fds = self._fds, array.array("i")
                return marshal.loads(b"".join(parts)), list(fds)

    def end(self) -> None:
        """Say that nothing follows; the other side can still be heard."""
        self._channel.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()


def connection_pair() -> tuple[Connection, Connection]:
    """The parent's end, which never blocks, and the worker's, which does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return Connection(ours), Connection(theirs)
