"""The sections of the manual page that are prose, as :func:`arsync.cli.reference.roff.section` reads them."""

from __future__ import annotations

DESCRIPTION = """
`arsync` copies files and directories from *SRC* to *DEST* on this machine, with the options, the output and the exit
codes of `rsync`(1). Files that already have the same size and modification time in *DEST* are left alone.

*SRC*`/` copies the contents of *SRC*; *SRC* without the slash copies *SRC* itself into *DEST*. With a single argument,
the source is listed.

A file gets its name only when it is complete, with all its metadata. After a crash, a kill or a full disk, each name
has either the old file or the new one.

One worker process runs on each CPU. When storage is slow, each of them keeps many files in flight.
"""

OPTIONS = """
Options act in the order in which they are given. They have the same meaning as in `rsync`(1), which describes them at
length.
"""

FILTER_RULES = """
`--filter`, `--exclude` and `--include` add to one list of rules. The first rule that matches an entry decides; an entry
that no rule matches is copied. arsync does not look into a directory that is left out.

In a pattern, `*` matches anything but a slash, `**` anything at all, `?` any character but a slash, and `[a-z]` one
character of a set. A slash at the beginning anchors the pattern at the top of the tree; a slash at the end makes it
match directories only.

`- `*PATTERN*
    Leave out what matches. With `--delete`, do not delete it either.

`+ `*PATTERN*
    Do not leave out what matches.

`P `*PATTERN*, `R `*PATTERN*
    Protect what matches from being deleted; let it be deleted.

`H `*PATTERN*, `S `*PATTERN*
    Hide what matches in the source; show it.

`. `*FILE*
    Read rules from *FILE*.

`: `*NAME*
    Read rules from the file *NAME* in each directory; they apply to it and everything below. `-F` is short for
    `--filter=': /.rsync-filter'`.

`!`
    Forget the rules before this one.
"""

ENVIRONMENT = """
`RSYNC_PARTIAL_DIR`
    The directory for `--partial-dir`, if only `--partial` or `-P` is given.

`CVSIGNORE`, `HOME`
    With `-C`: more patterns; the directory of `.cvsignore`.
"""

FILES = """
`.rsync-filter`
    Filter rules of a directory, with `-F`.

`.cvsignore`, `~/.cvsignore`
    Patterns to leave out, with `-C`.

`.`*NAME*`.+`*XXXXXX*
    The new version of *NAME* while it is being written. If a run is killed, the next one removes it. A new file has no
    name at all until it is complete, if the file system supports that.

`user.arsync.unfinished.`*XXX*
    An attribute of *DEST* by which the next run recognizes the temporary files of a killed one. It is removed when a
    run ends.

`.~tmp~`
    A directory for files that `--delay-updates` has not put in place yet.
"""

EXAMPLES = """
Make *backup* the same as *project*, and print what changes:

    arsync -ai --delete project/ backup

First see what that would do:

    arsync -ain --delete project/ backup

Keep all metadata, and verify what was written:

    arsync -aHAXS --verify project/ backup

Make a snapshot that shares unchanged files with the previous one:

    arsync -a --link-dest=../monday project/ snapshots/tuesday

Leave out object files and Git's directory:

    arsync -a --exclude='*.o' --exclude=/.git/ project/ copy
"""

SEE_ALSO = """
`rsync`(1), `cp`(1), `copy_file_range`(2), `io_uring`(7)
"""
