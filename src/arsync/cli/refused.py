"""rsync's options that arsync does not have: each is refused by name, with what to do instead."""

from __future__ import annotations

_NOT_YET = "arsync does not have it yet; use rsync where you need it"
_REMOTE = "it is about copying between machines, and arsync copies on this one only; use rsync for that"

_LATER = """
--relative -R --no-implied-dirs --backup -b --backup-dir --suffix --append --append-verify --dirs -d --old-dirs
--old-d --mkpath --copy-links -L --copy-unsafe-links --safe-links --insecure-links --confine-root --munge-links
--copy-dirlinks -k --keep-dirlinks -K --executability -E --chmod --copy-devices --write-devices --drop-D --atimes -U
--open-noatime --crtimes -N --omit-dir-times -O --omit-link-times -J --super --fake-super --preallocate
--checksum-choice --cc --block-size -B --remove-source-files --del --delete --delete-before --delete-during
--delete-delay --delete-after --delete-excluded --ignore-missing-args --delete-missing-args --ignore-errors --force
--max-delete --max-size --min-size --max-alloc --partial --partial-dir --delay-updates --prune-empty-dirs -m
--usermap --groupmap --chown --timeout --modify-window -@ --temp-dir -T --fuzzy -y --compare-dest --copy-dest
--link-dest --compress -z --compress-choice --zc --compress-level --zl --compress-threads --zt --skip-compress
--cvs-exclude -C --filter -f -F --exclude --exclude-from --include --include-from --files-from --from0 -0
--outbuf --8-bit-output -8 --human-readable -h --progress -P --out-format --log-file --log-file-format --list-only
--bwlimit --stop-after --stop-at --fsync --iconv --checksum-seed --info --debug --stderr --inc-recursive --i-r
--no-inc-recursive --no-i-r --copy-as
"""

_ABOUT_MACHINES = """
--rsh -e --rsync-path --blocking-io --old-args --secluded-args -s --protect-args --trust-sender --address --port
--sockopts --contimeout --no-motd --remote-option -M --password-file --early-input --daemon --server --sender
--protocol --ipv4 -4 --ipv6 -6 --write-batch --only-write-batch --read-batch --config --dparam
"""

REASONS = dict.fromkeys(_LATER.split(), _NOT_YET) | dict.fromkeys(_ABOUT_MACHINES.split(), _REMOTE)


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
