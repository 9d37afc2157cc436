"""What the manual page says of an option beyond its line in --help; rsync's own page says the rest of its options."""

from __future__ import annotations

#: By the first name of an option.
MORE = {
    "--archive": """
        It keeps everything but hard links (`-H`), ACLs (`-A`), extended attributes (`-X`), access times (`-U`) and
        holes (`-S`).""",
    "--checksum": """
        Both files are on this machine, so they are compared byte by byte, without a hash.""",
    "--delete": """
        With an empty source this empties *DEST*, and arsync warns about it: see `--delete-guard`.""",
    "--max-delete": """
        What exceeds the limit stays, and the exit code is 25.""",
    "--delete-guard": """
        An empty source is often a disk that is not mounted.""",
    "--link-dest": """
        *DIR* is relative to *DEST*. A file that is the same in *DIR* becomes a hard link to the one there, so that
        each snapshot is a whole tree and takes only the space of what changed.""",
    "--lock": """
        For cron: if another run is still at work, this one ends at once with exit code 75 and names the process that
        has the lock. The lock is flock(2)'s, on the directory *DEST* or on *FILE*, which is created if need be and
        kept. It ends with the last process of the run, however that ends, so no stale lock is ever left. A directory
        on a network file system is locked on this machine only; a *FILE* there is locked on all machines.""",
    "--fsync": """
        This includes the file's name and any new directories that lead to it.""",
    "--syncfs": """
        This takes one call at the end for each file system that was written to, and is faster than `--fsync`.""",
    "--verify": """
        Each file is read back from the disk, not from the page cache, and compared with what was read from the source.
        A file that differs is copied once more. If it differs again, that is an error, and the old file stays.""",
    "--info": """
        *FLAGS* are names separated by commas, each with an optional level: `--info=name2,del`.""",
    "--progress": """
        On a terminal this is a display of entries done and found, bytes, rate, time left, and the large file that is
        being copied, or with `-v` what each worker does. Elsewhere it prints rsync's lines. SIGUSR1 makes any run print
        where it stands, with this option or without.""",
    "--progress-style": """
        `plain` prints rsync's lines on a terminal too, for programs that read it; `bar` draws even if stdout is not a
        terminal.""",
    "--json": """
        Each line of stdout is an object with a *type*: start, file, delete, error, progress, and finally summary with
        the exit code. stderr is the same as without this option.""",
    "--workers": """
        Each worker is a process on a CPU of its own. A small job needs none.""",
    "--io-engine": """
        `auto` adapts to the storage: many files in flight on io_uring if storage is slow, plain system calls if it is
        fast. `uring` uses io_uring for everything that it can do, `plain` for nothing. If io_uring is forbidden or
        missing, threads do the same work.""",
    "--queue-depth": """
        More may help if each operation takes long, as on a network file system.""",
    "--copy-method": """
        `reflink` shares the data with the source if the file system can, which takes no time and no space.""",
}
