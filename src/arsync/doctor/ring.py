"""Whether io_uring can be used here, and who refuses it."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

from arsync.doctor.findings import WORKS, Finding, said
from arsync.fs import binding
from arsync.fs.syscalls import raw_syscall

#: The system calls, whose numbers are the same on every architecture.
_CALLS = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}

#: What they answer to arguments that mean nothing, where they may be called at all.
_ALLOWED = frozenset({0, errno.EFAULT, errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP})

_SYSCTL = "/proc/sys/kernel/io_uring_disabled"

#: struct io_uring_setup's refusals that are a matter of limits.
_LIMITS = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)

#: What can be done about it; a security module's rules and an old kernel are beyond advice.
_ADVICE = {
    "binding": "pip installs liburing on x86-64 with glibc",
    "sysctl": "`sysctl kernel.io_uring_disabled=0` allows it",
    "seccomp": "its profile would have to allow " + ", ".join(_CALLS),
    "limits": "`ulimit` raises them",
}

#: How a killed child is told from an errno.
_KILLED = -1


def examine_ring() -> dict[str, Any]:
    """``works``, ``why``, ``refused_by``, each call, and which operations have an opcode here."""
    answers = {name: _answer(number) for name, number in _CALLS.items()}
    calls = {name: _finding(answer) for name, answer in answers.items()}
    by, why = _refused(answers)
    opcodes: dict[str, bool] = {}
    if by is None:
        by, why, opcodes = _set_up()
    if by in _ADVICE:
        why += f"; {_ADVICE[by]}"
    return {
        "works": by is None,
        "why": why,
        "refused_by": by,
        "calls": {name: finding._asdict() for name, finding in calls.items()},
        "opcodes": opcodes,
    }


def _answer(number: int) -> int:
    """The errno with which a system call refuses arguments that mean nothing. In a process of its own, because a
    seccomp filter may kill who makes it."""
    pid = os.fork()
    if not pid:
        try:
            os._exit(raw_syscall(number, -1 if number != _CALLS["io_uring_setup"] else 1, 0, 0, 0))
        finally:
            os._exit(errno.EIO)
    status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else _KILLED


def _finding(answer: int) -> Finding:
    if answer in _ALLOWED:
        return WORKS
    if answer == _KILLED:
        return Finding(False, f"who makes this call is killed ({signal.SIGSYS.name})")
    return Finding(False, said(answer))


def _refused(answers: dict[str, int]) -> tuple[str | None, str]:
    """Who refuses the system calls, and how that shows; None where nobody does."""
    setup = answers["io_uring_setup"]
    others = [name for name, answer in answers.items() if answer not in _ALLOWED and name != "io_uring_setup"]
    if setup in _ALLOWED and not others:
        return None, ""
    if setup in _ALLOWED or setup == _KILLED:
        return "seccomp", "a seccomp filter (a container's, most likely) refuses " + ", ".join(
            name for name, answer in answers.items() if answer not in _ALLOWED
        )
    filtered, disabled = _seccomp_mode() == "2", _sysctl()
    if setup == errno.EPERM and (disabled == "2" or (disabled == "1" and os.geteuid() != 0)):
        who = "everybody" if disabled == "2" else "ordinary users"
        return "sysctl", f"kernel.io_uring_disabled={disabled} forbids it to {who}"
    if filtered and (setup == errno.EPERM or disabled is not None or len(others) == len(answers) - 1):
        return "seccomp", "a seccomp filter (a container's, most likely) refuses it"
    if setup == errno.ENOSYS:
        return "kernel", "this kernel has no io_uring (it came with Linux 5.1, and can be left out)"
    return "security module", "neither a seccomp filter nor a sysctl refuses it: most likely a security module does"


def _sysctl() -> str | None:
    """The setting; None before Linux 6.6, and where the kernel has no io_uring."""
    try:
        with open(_SYSCTL) as file:
            return file.read().strip()
    except OSError:
        return None


def _seccomp_mode() -> str:
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("Seccomp:"):
                    return line.split()[1]
    except OSError:
        return ""
    return ""


def _set_up() -> tuple[str | None, str, dict[str, bool]]:
    """Make a ring: who refuses it, why, and the operations that it has."""
    library = binding.load()
    if isinstance(library, binding.Refusal):
        return "binding", library.reason, {}
    from arsync.fs.setup import FEWEST_ENTRIES, set_up
    from arsync.fs.uring_base import OPCODES

    ring = set_up(FEWEST_ENTRIES)
    if isinstance(ring, binding.Refusal):
        if ring in [binding.refusal(number) for number in _LIMITS]:
            return "limits", ring.reason, {}
        kernel = ring == binding.refusal(errno.EINVAL)
        return ("kernel" if kernel else "binding"), ring.reason, {}
    try:
        supported = ring.supports(set(OPCODES.values()))
    finally:
        ring.close()
    return None, "", {method: opcode in supported for method, opcode in OPCODES.items()}
