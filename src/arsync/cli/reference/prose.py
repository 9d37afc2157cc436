"""The sections of the manual page that are prose, as :func:`arsync.cli.reference.roff.section` reads them."""

from __future__ import annotations

DESCRIPTION = """
`arsync` copies files and directories from *SRC* to *DEST* on this machine, with the options, the output and the exit
codes of `rsync`(1). What is there already with the same size and modification time is left alone.

*SRC*`/` copies what is in *SRC*; *SRC* without the slash copies *SRC* itself into *DEST*. With one argument only, the
source is listed.

A file is complete, with all its metadata, before it gets its name. A crash, a kill or a full disk leaves the old file
or the new one, and nothing else under that name.

One worker process runs on each CPU. Where storage is slow, many files are in flight in each of them.
"""

OPTIONS = """
Options act in the order in which they are given, and have the meaning that `rsync`(1) gives them, where they are
described at length.
"""

FILTER_RULES = """
`--filter`, `--exclude` and `--include` make one list of rules. The first rule that matches an entry decides; what no
rule matches is copied. What is in a directory that is left out is not looked at.

In a pattern, `*` stands for anything but a slash, `**` for anything, `?` for one character but a slash, `[a-z]` for one
of a set. A slash at the beginning ties it to the top of what is copied, one at the end means directories only.

`- `*PATTERN*
    Leave out what matches, and with `--delete` do not delete it either.

`+ `*PATTERN*
    Do not leave out what matches.

`P `*PATTERN*, `R `*PATTERN*
    Protect what matches from being deleted; let it be deleted.

`H `*PATTERN*, `S `*PATTERN*
    Hide what matches in the source; show it.

`. `*FILE*
    Read rules from *FILE*.

`: `*NAME*
    Read rules from the file *NAME* in each directory; they hold in it and below. `-F` is short for
    `--filter=': /.rsync-filter'`.

`!`
    Forget the rules before this one.
"""

ENVIRONMENT = """
`RSYNC_PARTIAL_DIR`
    The directory of `--partial-dir` where only `--partial` or `-P` is given.

`CVSIGNORE`, `HOME`
    With `-C`: more patterns; the directory of `.cvsignore`.
"""

FILES = """
`.rsync-filter`
    Filter rules of a directory, with `-F`.

`.cvsignore`, `~/.cvsignore`
    Patterns to leave out, with `-C`.

`.`*NAME*`.+`*XXXXXX*
    A file that is to take the place of *NAME*, while it is written. The next run removes what a killed one left. A new
    file has no name at all until it is complete, where the file system can do that.

`user.arsync.unfinished.`*XXX*
    An attribute of *DEST* by which the next run knows the temporary files of a killed one. It is removed when a
    run ends.

`.~tmp~`
    A directory of files that `--delay-updates` has not put in place yet.
"""

EXAMPLES = """
Make *backup* the same as *project*, and say what changes:

    arsync -ai --delete project/ backup

First see what that would do:

    arsync -ain --delete project/ backup

Keep everything that a file can have, and read back what was written:

    arsync -aHAXS --verify project/ backup

Make a snapshot that shares what did not change with the one before:

    arsync -a --link-dest=../monday project/ snapshots/tuesday

Leave out object files and what Git keeps:

    arsync -a --exclude='*.o' --exclude=/.git/ project/ copy
"""

SEE_ALSO = """
`rsync`(1), `cp`(1), `copy_file_range`(2), `io_uring`(7)
"""
