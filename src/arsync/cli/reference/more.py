"""What the manual page says of an option beyond its line in --help; rsync's own page says the rest of its options."""

from __future__ import annotations

#: By the first name of an option.
MORE = {
    "--archive": """
        It keeps everything but hard links (`-H`), ACLs (`-A`), extended attributes (`-X`), access times (`-U`) and
        holes (`-S`).""",
    "--checksum": """
        Both files are on this machine, so they are compared byte by byte, and no hash is computed.""",
    "--delete": """
        With an empty source this empties *DEST*, and arsync warns of it: see `--delete-guard`.""",
    "--max-delete": """
        What is over it stays, and the exit code is 25.""",
    "--delete-guard": """
        An empty source is often a disk that is not mounted.""",
    "--link-dest": """
        *DIR* is relative to *DEST*. What stands in *DIR* with the same content and metadata becomes a hard link to it,
        so that each of many snapshots is a whole tree and costs only what changed.""",
    "--lock": """
        For cron: a run that would overlap the one before ends at once, with exit code 75 and the process that has the
        lock. It is a lock of *DEST*'s directory by flock(2), or of *FILE*, which is made where there is none and stays
        when the run has ended. The last process of a run ends its lock, however it ends, so that none is left over. A
        directory on a network file system is locked on this machine only; a *FILE* there is locked on all.""",
    "--fsync": """
        The name that it gets and new directories on the way to it are on the disk, too.""",
    "--syncfs": """
        It is one call at the end for each file system that was written to, which is faster than `--fsync`.""",
    "--verify": """
        Each file is read back past the page cache and compared with what was read from the source. What differs is
        copied again, once; then it is an error of that file, and the old file stays.""",
    "--info": """
        *FLAGS* are names with commas between them, each perhaps with a level: `--info=name2,del`.""",
    "--progress": """
        On a terminal it is drawn: how much is done, entries done and found, bytes, rate, time left, and the large file
        that is being copied, or with `-v` what each worker does. Elsewhere there are rsync's lines. SIGUSR1 makes a run
        say where it stands, with this option and without.""",
    "--progress-style": """
        `plain` writes rsync's lines on a terminal too, for programs that read it; `bar` draws where stdout is no
        terminal.""",
    "--json": """
        Each line of stdout is an object with a *type*: start, file, delete, error, progress, and at the end summary
        with the exit code. stderr is as without it.""",
    "--workers": """
        Each is a process on a CPU of its own. A small job needs none.""",
    "--io-engine": """
        `auto` follows what each worker finds: where files wait for storage, many are in flight on io_uring; where they
        do not, plain system calls are faster. `uring` sends all through io_uring that can go through it, `plain`
        nothing. Where io_uring is forbidden or missing, threads do the same work.""",
    "--queue-depth": """
        More helps where each operation takes long, as on a network file system.""",
    "--copy-method": """
        `reflink` shares the data with the source where the file system can, which takes no time and no space.""",
}
