"""rsync's options that arsync does not have: each is refused by name, with what to do instead."""

from __future__ import annotations

_REMOTE = "it is about copying between machines, and arsync copies on this one only; use rsync for that"

_ABOUT_MACHINES = """
--contimeout --remote-option -M --password-file --early-input --daemon --server --sender --config --dparam
--write-batch --only-write-batch --read-batch
"""

_OTHERS = {
    "--crtimes": "Linux cannot set the time at which a file was made",
    "-N": "Linux cannot set the time at which a file was made",
    "--copy-as": "run arsync as that user instead: sudo -u USER arsync",
}

REASONS = dict.fromkeys(_ABOUT_MACHINES.split(), _REMOTE) | _OTHERS


def why_refused(option: str) -> str | None:
    """Why an option of rsync's is refused; None where rsync has no such option either."""
    if option in REASONS:
        return REASONS[option]
    if option.startswith("--no-"):
        for prefix in ("--", "-"):
            if (reason := REASONS.get(prefix + option[len("--no-") :])) is not None:
                return reason
    return None


def is_remote(argument: bytes) -> bool:
    """Whether rsync would take an argument for one on another machine: ``host:path``, ``rsync://...``.

    >>> is_remote(b"host:dir"), is_remote(b"./a:b"), is_remote(b"rsync://h/m")
    (True, False, True)
    """
    if argument.startswith(b"rsync://"):
        return True
    before, colon, _ = argument.partition(b":")
    return bool(colon) and b"/" not in before and bool(before)
