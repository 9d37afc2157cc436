"""One io_uring: its queues and its end.

Submissions are written with one ``struct.pack_into`` each straight into the mapped queue and completions are read
straight from theirs; only set-up, submit, wait and exit are calls of liburing.

What an operation points to (paths, buffers, status areas) must live until its completion. It lives in the frame of the
suspended coroutine, and the ring holds that coroutine in :attr:`Ring.tasks` until the completion has arrived: closing
waits for what is in flight before anything is let go, and a ring that nobody closed is never let go, not even when the
interpreter ends.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
from collections.abc import Generator
from typing import Any

from arsync.fs import binding

IORING_ASYNC_CANCEL_ANY = 1 << 2

#: struct io_uring_sqe: opcode, flags, ioprio, fd, off, addr, len, op_flags, user_data; the rest zero.
SQE = struct.Struct("<BBHiQQiIQ24x")
_CQE = struct.Struct("<Qi4x")
_MASK32 = 0xFFFFFFFF

#: What io_uring_enter(2) answers where trying again helps, once completions have been taken or memory is free.
_AGAIN = frozenset({errno.EAGAIN, errno.EBUSY, errno.ENOMEM})


class Ring:
    """The queues of one io_uring. Belongs to the thread that made it; never used after a fork.

    Whoever submits writes an entry at :attr:`tail` (unless that equals :attr:`full`: see :meth:`make_room`), with the
    tail as its user data, advances the tail by one and suspends with that number; whoever drives puts the suspended
    coroutine under it in :attr:`tasks`.
    """

    def __init__(self, library: binding.Library, memory: Any) -> None:
        """Of a ``struct io_uring`` that has been set up; use :func:`arsync.fs.setup.set_up`."""
        c = library.ctypes
        self._library = library
        self._memory = memory
        self._address: int = c.addressof(memory)
        self._addressof = c.addressof
        self._from_buffer = c.c_char.from_buffer
        self._pid = os.getpid()
        self._thread = threading.get_ident()
        self.closed = False
        #: coroutines that wait, by the number they suspended with
        self.tasks: dict[Any, Any] = {}
        #: what may be resumed without a completion: (number, value)
        self.ready: list[tuple[Any, Any]] = []
        self._starved: list[tuple[Any, Any]] = []

        def u32(where: int) -> Any:
            return c.c_uint32.from_address(where)

        def pointer(offset: int) -> int:
            return int(c.c_uint64.from_address(self._address + offset).value)

        def mapped(offset: int, size: int) -> memoryview:
            return memoryview((c.c_char * size).from_address(pointer(offset))).cast("B")

        self.entries: int = u32(self._address + binding.SQ_RING_ENTRIES).value
        self.capacity: int = u32(self._address + binding.CQ_RING_ENTRIES).value
        self.mask = self.entries - 1
        self.sqes = mapped(binding.SQ_SQES, self.entries * SQE.size)
        self._sqe_tail = u32(self._address + binding.SQ_SQE_TAIL)
        self._sq_head = u32(pointer(binding.SQ_KHEAD))
        self._cqes = mapped(binding.CQ_CQES, self.capacity * _CQE.size)
        self._cq_head = u32(pointer(binding.CQ_KHEAD))
        self._cq_tail = u32(pointer(binding.CQ_KTAIL))
        #: number of the next submission, counted from 0 without wrapping
        self.tail = 0
        #: the tail at which nothing can be submitted now
        self.full = min(self.entries, self.capacity)
        self._reaped = 0
        #: what :meth:`reap` took last
        self.last: list[tuple[int, int]] = []
        self._unclaimed: dict[int, int] = {}
        # The kernel may be writing into memory that only the ring keeps alive, so it stays until it is closed: a
        # reference of nobody's, since those of a module are given up when the interpreter ends.
        c.pythonapi.Py_IncRef(c.py_object(self))

    def new_memory(self, size: int) -> tuple[int, Any]:
        """Zeroed memory for the kernel to fill: its address, and the ctypes array to keep and read."""
        memory = self._library.ctypes.create_string_buffer(size)
        return self._library.ctypes.addressof(memory), memory

    def address_of(self, buf: Any) -> tuple[int, Any]:
        """The address of a buffer's bytes, and what keeps them in place while it is held."""
        try:
            held = self._from_buffer(buf)
        except (TypeError, ValueError):
            # Read-only, or empty.
            return self._library.read_only(buf)
        return self._addressof(held), held

    def address_to_fill(self, buf: Any) -> tuple[int, Any]:
        """The same of a buffer that the kernel will write to; raises TypeError where it is read-only."""
        try:
            held = self._from_buffer(buf)
        except (TypeError, ValueError):
            if memoryview(buf).readonly:
                raise
            return self._library.read_only(buf)  # empty
        return self._addressof(held), held

    def configure(self, workers: int, cpus: frozenset[int]) -> None:
        """Bound the kernel's threads, and say where they may run. A kernel that cannot (before 5.15) does without."""
        c, held = self._library.ctypes, self._library.held
        if workers:
            # Without this the bound is min(entries, 4 x CPUs) of the first ring of the thread.
            most = (c.c_uint * 2)(workers, 0)  # held until the call ends: the kernel writes the old bounds into it
            held.io_uring_register_iowq_max_workers(self._address, c.addressof(most))
        if cpus:
            bits = sum(1 << cpu for cpu in cpus)
            cpu_set = bits.to_bytes((max(cpus) // 64 + 1) * 8, "little")
            held.io_uring_register_iowq_aff(self._address, len(cpu_set), c.cast(cpu_set, c.c_void_p))

    @property
    def in_flight(self) -> int:
        """Submissions, made or about to be, whose completions have not been reaped."""
        return self.tail - self._reaped

    def supports(self, opcodes: set[int]) -> set[int]:
        """Those of ``opcodes`` that this kernel has."""
        held = self._library.held
        probe = held.io_uring_get_probe_ring(self._address)
        if not probe:
            return set()
        try:
            return {opcode for opcode in opcodes if held.io_uring_opcode_supported(probe, opcode)}
        finally:
            held.io_uring_free_probe(probe)

    def submit(self) -> None:
        """Give the kernel what has been written, and take up what has completed; does not wait."""
        self.check()
        self._sqe_tail.value = self.tail & _MASK32
        self._entered(self._library.held.io_uring_submit_and_get_events(self._address))

    def wait(self, number: int) -> None:
        """Submit, and wait for ``number`` completions with the GIL released. May return early, after a signal."""
        self.check()
        self._sqe_tail.value = self.tail & _MASK32
        self._entered(self._library.released.io_uring_submit_and_wait(self._address, number))

    def _entered(self, result: int) -> None:
        self._set_full()
        if result >= 0 or result == -errno.EINTR:
            return
        if -result not in _AGAIN:
            raise OSError(-result, os.strerror(-result))
        if self._cq_tail.value == self._cq_head.value:
            time.sleep(0.001)  # the kernel is short of memory, and no completion of ours will free any

    def _set_full(self) -> None:
        # Two bounds: the kernel has taken the entry's place out of the queue, and its completion has a place.
        unsubmitted = (self.tail - self._sq_head.value) & _MASK32
        self.full = min(self.tail - unsubmitted + self.entries, self._reaped + self.capacity)

    def reap(self) -> list[tuple[int, int]]:
        """Take what has completed: (number, result), a negative result being an errno."""
        reaped = self._reaped
        count = (self._cq_tail.value - reaped) & _MASK32
        if not count:
            return []
        start = reaped & (self.capacity - 1)
        end = start + count
        cqes = self._cqes
        completed: list[tuple[int, int]] = list(_CQE.iter_unpack(cqes[start << 4 : end << 4]))
        if end > self.capacity:
            completed += _CQE.iter_unpack(cqes[: (end - self.capacity) << 4])
        self.last = completed  # first of all: a signal's handler may raise in here, and nothing must be lost
        self._reaped = reaped + count
        self._cq_head.value = self._reaped & _MASK32
        self._set_full()
        if self._starved:
            self.ready += self._starved
            self._starved.clear()
        return completed

    def reap_after(self, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """What has completed after ``taken``, where it is not known whether :meth:`reap` was broken off."""
        return self.reap() if self.last is taken else self.last

    def make_room(self) -> Generator[Any, Any, int]:
        """For a coroutine that finds the ring full: submits, suspends until there is room, returns the tail."""
        self.submit()
        while self.tail == self.full:
            place = object()
            self._starved.append((place, None))
            yield place
        return self.tail

    def check(self) -> None:
        """Raise RuntimeError where this ring must not be touched."""
        if self.closed:
            raise RuntimeError("the ring is closed")
        if os.getpid() != self._pid:
            raise RuntimeError("a ring cannot be used after a fork")
        if threading.get_ident() != self._thread:
            raise RuntimeError("a ring cannot be used in another thread")

    def drain(self) -> None:
        """Cancel what can be cancelled and wait for the rest, so that the kernel points to no memory of ours."""
        if not self.in_flight:
            return  # nothing is asked of a ring that failed its self-test: a filter may refuse that too
        self.submit()
        self._unclaimed.update(self.reap())
        c = self._library.ctypes
        # struct io_uring_sync_cancel_reg: any request, whoever it belongs to, and no waiting for those that run.
        request = c.create_string_buffer(struct.pack("<QiIqqB7x16x", 0, -1, IORING_ASYNC_CANCEL_ANY, 0, 0, 0), 64)
        pause = 0.0001
        while self.in_flight:
            self._library.released.io_uring_register_sync_cancel(self._address, c.addressof(request))
            self.submit()
            if found := self.reap():
                self._unclaimed.update(found)
            else:
                # Not a wait for the next completion: what was on its way to one of the kernel's threads is not found by
                # a cancel request, and may never end by itself. So it is asked again.
                time.sleep(pause)
                pause = min(2 * pause, 0.01)

    def unclaimed(self, number: int) -> int:
        """The result of an operation that completed while the ring was closed; -1 where there is none. For who has to
        undo it."""
        return self._unclaimed.pop(number, -1)

    def close(self) -> None:
        """Wait for what is in flight, then give the ring up. The coroutines that waited are closed unfinished.

        In a forked child this only lets go of the child's mapping and descriptor.
        """
        if self.closed:
            return
        if os.getpid() == self._pid:
            self.check()
            self._unclaimed.update(self.last)
            self.drain()
        self.closed = True
        self.sqes.release()
        self._cqes.release()
        self._library.held.io_uring_queue_exit(self._address)
        self._library.ctypes.pythonapi.Py_DecRef(self._library.ctypes.py_object(self))
        self.tasks.clear()
