"""stdout beside rsync's: -v, -i, --stats, --out-format, --log-file, --list-only, --progress and their like."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable

import pytest

from support.commands import Result, arsync, rsync
from support.snapshot import snapshot
from support.trees import Device, Dir, Fifo, File, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

T = 1_600_000_000 * 10**9

NEW = Dir(
    {
        b"big": File(b"b" * 1_234_567, 0o600, T),
        b"f": File(b"hello\n", 0o4755, T),
        b"g": File(b"same\n", mtime_ns=T),
        b"l\n": Symlink(b"to\xff", T),
        b"n": Device(0o20644, os.makedev(1, 3)),
        b"p": Fifo(mtime_ns=T),
        b"t": File(b"touched", mtime_ns=T, owner=(65534, 12)),
        b"d": Dir({b"w": File(b"1", mtime_ns=T), b"e": Dir({b"x": File(mtime_ns=T)}, mtime_ns=T)}, mtime_ns=T),
    },
    mtime_ns=T,
)
OLD = Dir(
    {
        b"big": File(b"B" * 2_000, 0o600, T),
        b"f": File(b"hello\n", 0o644, T),
        b"g": File(b"same\n", mtime_ns=T),
        b"t": File(b"touched", mtime_ns=T + 5 * 10**9, owner=(65534, 12)),
        b"n": File(b"", mtime_ns=T),
        b"d": Dir({b"w": File(b"2", mtime_ns=T)}, mtime_ns=T),
    },
    mtime_ns=T + 10**9,
)

#: What counts a protocol's bytes, or time, or is arsync's own.
_ROUGH = [
    (re.compile(rb"sent .* bytes/sec$"), b"sent"),
    (re.compile(rb"speedup is \S+"), b"speedup"),
    (re.compile(rb"(File list generation time|Total bytes (sent|received)|Literal data): .*$"), rb"\1"),
    (re.compile(rb"data=\d+$"), b"data"),
    (re.compile(rb" \[\d+\] "), b" [] "),
    (re.compile(rb"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \["), b"["),
    (re.compile(rb"sent \d+ bytes  received \d+ bytes  total"), b"sent"),
]
_OWN = re.compile(
    rb"^(\[\] )?(this process|worker \d+): |: (new|size and time differ|size differs|time differs|contents differ|"
    rb"its target differs|its number differs)$"
)


def normal(text: bytes, here: bytes, name: bytes) -> list[bytes]:
    """The lines between the first and the last ones sorted, since rsync's processes take turns as they like, and all
    without what has no meaning."""
    lines = []
    for line in text.replace(b"created directory " + name, b"created directory DST").split(b"\n"):
        for pattern, plain in _ROUGH:
            line = pattern.sub(plain, line)
        if not _OWN.search(line):
            lines.append(line)
    end = lines.index(b"") if b"" in lines else len(lines)
    return sorted(lines[:end]) + lines[end:]


def both(here: bytes, *arguments: str, old: Dir | None = None) -> tuple[Result, Result]:
    """The same command line, in which DST is the destination."""
    if not os.path.exists(os.path.join(here, b"src")):
        create(os.path.join(here, b"src"), NEW)
    results = []
    for command in (rsync, arsync):
        name = command.__name__
        if old is not None:
            create(os.path.join(here, name.encode()), old)
        results.append(command(*(argument.replace("DST", name) for argument in arguments), cwd=here))
    return results[0], results[1]


def check(here: bytes, *arguments: str, old: Dir | None = None) -> None:
    theirs, ours = both(here, *arguments, old=old)
    assert ours.code == theirs.code
    assert normal(ours.out, here, b"arsync") == normal(theirs.out, here, b"rsync")


ALL = "%n|%L|%l|%M|%B|%U|%G|%i|%o|%f|%m|%a|%h|%u|%P|%%|%z|%10l|%-10l|%'l|%''l|%07l|%-9n|%12n|%'n|%5%|%"


@pytest.mark.parametrize("old", [None, OLD], ids=["new", "update"])
@pytest.mark.parametrize(
    "options",
    [
        *(["-a", *more.split()] for more in [
            "-v", "-vv", "-i", "-ii", "-vi", "-vvi", "-q -i", "-vq", "-n -v", "-n -i", "-n -vv", "--stats",
            "--stats -v", "--stats -h", "-iu", "-vvu", "-vv --existing --info=stats0", "-vv --ignore-existing",
            "--stats -hh", "--stats --no-h", "-vh", "-vhh", "-v --no-h", "--no-h -h --stats",
            "--info=name", "--info=name2", "-v --info=name0", "-vv --info=name0,nonreg", "-i --info=name0",
            "-v --info=none", "-v --info=flist0,stats0", "--info=stats1", "--info=stats2", "--info=NAME,skip,,del2",
            "--info=none --stats", "--info=flist", "-v --debug=none", "--debug=deltasum",
            "-n --info=all4,progress0,stats0",
            "-v8", "-v --outbuf=N", "-i --outbuf=line",
            "-vv --info=skip2 --ignore-existing", "-vvc --info=skip2 --ignore-existing", "-v --ignore-existing",
            "-vIc", "--stderr=client -v", "-nv --progress",
        ]),
        ["-r"], ["-rv"], ["-rii"], ["-rvv", "--info=nonreg0"], ["-v"], ["-lvv"], ["-rltv"],
        *(["-a", f"--out-format={form}", *more] for form, *more in [
            (ALL,), (ALL, "-ii"), (ALL, "-vv"), ("%i %n",), ("%i %n", "-vv"), ("%n%L", "-vv"), ("%n%L", "-ii"), ("",),
            ("x", "-q"), ("%i",), ("%o %n", "-v"), ("%-3",), ("%i %n", "--info=name0"), ("%i %n", "--info=name2", "-n"),
        ]),
    ],
    ids=" ".join,
)  # fmt: skip
def test_lines(here: bytes, options: list[str], old: Dir | None) -> None:
    check(here, *options, "src/", "DST/", old=old)


@pytest.mark.parametrize("source", ["src/", "src", "./src//", "../{here}/src/d", "src/./d", "src/f"])
def test_long_names(here: bytes, source: str) -> None:
    source = source.format(here=os.fsdecode(os.path.basename(here)))
    check(here, "-an", "--out-format=%f|%n", source, "DST/")
    check(here, "-an", "--out-format=%f|%n", os.path.join(os.fsdecode(here), "src"), "DST/")


@pytest.mark.parametrize(
    "choice",
    [[], ["--cc=md5"], ["--cc=sha1"], ["--cc=xxh64"], ["--cc=md5,sha1"], ["--cc=sha1,md5"], ["--cc=auto,auto"],
     ["--cc=auto,sha1"], ["--cc=SHA1,Auto"], ["--cc=none,md5"]],
)  # fmt: skip
def test_checksums(here: bytes, choice: list[str]) -> None:
    """Of what was copied, and with -c of all."""
    create(os.path.join(here, b"src"), NEW)
    theirs = rsync("-a", *choice, "--out-format=%C|%n", "src/", "rsync/", cwd=here)
    ours = arsync("-a", *choice, "--out-format=%C|%n", "src/", "arsync/", cwd=here)
    assert ours.out == theirs.out
    os.chmod(os.path.join(here, b"src/g"), 0o600)
    theirs = rsync("-ac", *choice, "--out-format=%C|%n|%i", "src/", "rsync/", cwd=here)
    ours = arsync("-ac", *choice, "--out-format=%C|%n|%i", "src/", "arsync/", cwd=here)
    assert ours.out == theirs.out
    assert b"|g|.f...p....." in ours.out


@pytest.mark.parametrize("choice", ["auto", "none", "xxh3,none", "sha1"])
@pytest.mark.parametrize("options", ["-a", "-an", "-aIn"])
def test_checksums_that_nobody_computes(here: bytes, choice: str, options: str) -> None:
    """In a dry run those of what would be copied are zeros."""
    check(here, options, f"--cc={choice}", "--out-format=%C|%n", "src/", "DST/", old=OLD)


@pytest.mark.parametrize(
    "options",
    ["-a", "-aq", "-av", "-avv", "-aii", "-a --stats", "-a --log-file-format=", "-a --log-file-format=%o_%n%L_%B",
     "-aii --log-file-format=%n", "-av --out-format=%n --log-file-format=%i|%n", "-a --info=none"],
)  # fmt: skip
@pytest.mark.parametrize("old", [None, OLD], ids=["new", "update"])
def test_log_file(here: bytes, options: str, old: Dir | None) -> None:
    theirs, ours = both(here, *options.split(), "--log-file=log.DST", "src/", "DST/", old=old)
    assert (ours.code, ours.err) == (theirs.code, theirs.err) == (0, b"")
    logs = []
    for name in (b"rsync", b"arsync"):
        with open(os.path.join(here, b"log." + name), "rb") as file:
            logs.append(normal(file.read(), here, name))
    assert logs[1] == logs[0]
    assert b"[] building file list" in logs[1]


@pytest.mark.parametrize("form", [None, "", "%n", "%i %n", "%o|%n", "%l"])
@pytest.mark.parametrize("more", ["", "-i", "-ii", "-v", "-q", "--info=none", "--info=del0", "--out-format=%n"])
def test_deletions_in_a_log_file(here: bytes, form: str | None, more: str) -> None:
    """They are in it whatever stdout shows, and as what they are where the format does not say it."""
    words = ["-a", "--delete", *more.split(), *([] if form is None else [f"--log-file-format={form}"])]
    doomed = Dir({b"gone": File(b"g", mtime_ns=T), b"old": Dir({b"in": File(b"", mtime_ns=T)}, mtime_ns=T)}, mtime_ns=T)
    theirs, ours = both(here, *words, "--log-file=log.DST", "src/", "DST/", old=doomed)
    assert sorted(normal(ours.out, here, b"arsync")) == sorted(normal(theirs.out, here, b"rsync"))
    logs = []
    for name in (b"rsync", b"arsync"):
        with open(os.path.join(here, b"log." + name), "rb") as file:
            logs.append(sorted(normal(file.read(), here, name)))
    assert logs[1] == logs[0]


def test_log_file_grows_and_names_errors(here: bytes) -> None:
    create(os.path.join(here, b"src"), NEW)
    for _ in range(2):
        assert arsync("-a", "--log-file=log", "src/f", "missing", "dst/", cwd=here).code == 23
    with open(os.path.join(here, b"log"), "rb") as file:
        lines = [line.split(b"] ", 1)[1] for line in file]
    assert lines.count(b"building file list\n") == 2
    assert sum(b'"missing" failed: No such file or directory' in line for line in lines) == 2
    assert lines[-1].endswith(b"(code 23)\n")


def test_log_file_says_why_a_run_ended(here: bytes) -> None:
    create(os.path.join(here, b"src"), NEW)
    assert arsync("-a", "--log-file=log", "src/", "src/f", cwd=here).code == 3
    with open(os.path.join(here, b"log"), "rb") as file:
        lines = file.read().splitlines()
    assert b"cannot overwrite non-directory" in lines[-2]
    assert lines[-1].endswith(b"(code 3)")


def test_log_file_that_cannot_be_opened(here: bytes) -> None:
    theirs, ours = both(here, "-ai", "--log-file=no/log", "src/f", "DST/")
    assert ours.out.replace(b"arsync", b"rsync") == theirs.out
    assert (ours.code, theirs.code) == (0, 0)
    assert b"failed to open log-file no/log: No such file or directory (2)" in ours.err


def test_log_file_through_a_symlink(here: bytes) -> None:
    """One's own is followed; somebody else's, which would choose what of ours grows, is not."""
    create(os.path.join(here, b"src"), NEW)
    log, real = os.path.join(here, b"log"), os.path.join(here, b"real")
    os.symlink(b"real", log)
    arsync("-a", "--log-file=log", "src/f", "dst/", cwd=here)
    size = os.stat(real).st_size
    assert size
    os.chown(log, 65534, 65534, follow_symlinks=False)
    result = arsync("-a", "--log-file=log", "src/g", "dst/", cwd=here)
    assert result.code == 0
    assert b"belongs to another user" in result.err
    assert os.stat(real).st_size == size


def test_log_file_that_cannot_be_written(here: bytes) -> None:
    create(os.path.join(here, b"src"), NEW)
    result = arsync("-a", "--log-file=/dev/full", "src/f", "dst/", cwd=here)
    assert result.code == 11
    assert b"write to the log file failed: No space left on device (28)" in result.err
    assert os.path.exists(os.path.join(here, b"dst/f"))


@pytest.mark.parametrize(
    "arguments",
    ["-r src/", "-a src", "-a src/ src/f", "-av src/", "-r --no-h src", "-rh src", "-rhh src/", "-a8 src/", "src/f",
     "-aq src/", "--list-only -a src/ DST", "-a --stats src/", "missing", "-ai src/", "-an src/d",
     "-a --out-format=%n src/d", "-ac src/", "-aH src/",
     "src/", "src", "--no-d src/", "-d src", "-hv src/", "-rR src/d",
     "--list-only src/ DST", "-rn --list-only -v src", "-n --list-only --stats src/d", "-nav src/"],
)  # fmt: skip
def test_list_only(here: bytes, arguments: str) -> None:
    check(here, *arguments.split())
    before = snapshot(os.path.join(here, b"src"))
    both(here, *arguments.split())
    assert os.listdir(here) == [b"src"]
    assert snapshot(os.path.join(here, b"src")) == before


@pytest.mark.parametrize("arguments", ["-U src/", "--no-h -rUU src"])
def test_list_access_times(here: bytes, arguments: str) -> None:
    """Without a symlink: whoever comes first reads it, and so changes what the other shows."""
    create(os.path.join(here, b"src"), NEW)
    os.unlink(os.path.join(here, b"src/l\n"))
    check(here, *arguments.split())


#: A line of progress: size, percent, rate, time, and what is behind the file.
_PROGRESS = re.compile(
    rb"\r *([\d,.KMG]+) +(\d+)% +[\d.]+[kMG]B/s +\d+:\d\d:\d\d(?:  | \(xfr#(\d+), (..)-chk=(\d+)/(\d+)\))"
)


def progress(text: bytes) -> tuple[list[bytes], list[tuple[bytes, ...]]]:
    """The other lines, and what is said of each file when it is complete."""
    found = [match.groups() for match in _PROGRESS.finditer(text) if match.group(3)]
    return [line for line in _PROGRESS.sub(b"", text).split(b"\n") if line.strip()], found


@pytest.mark.parametrize(
    "options", ["-a --progress", "-a --progress -h", "-a --info=name,progress --no-h", "-ai --progress"]
)
def test_progress(here: bytes, options: str) -> None:
    theirs, ours = both(here, *options.split(), "src/", "DST")
    lines, found = progress(ours.out.replace(b"arsync", b"rsync"))
    expected_lines, expected = progress(theirs.out)
    assert lines == expected_lines
    # How much of the list is known when a file is done differs from run to run.
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    assert found[-1][3:] == expected[-1][3:]
    assert len(found) == 6


@pytest.mark.parametrize(
    "options",
    ["-a --info=progress2", "-ai --info=progress2", "-a --info=progress2 --no-h", "-an --info=progress2",
     "-anv --info=progress2,stats0"],
)  # fmt: skip
def test_total_progress(here: bytes, options: str) -> None:
    theirs, ours = both(here, *options.split(), "src/", "DST")
    assert progress(ours.out.replace(b"arsync", b"rsync"))[0] == progress(theirs.out)[0]
    assert progress(ours.out)[1][-1][:3] == progress(theirs.out)[1][-1][:3]


@pytest.mark.parametrize("options", ["-an --progress", "-anP", "-anq --info=progress2", "-an --info=progress1"])
def test_no_progress_of_single_files_in_a_dry_run(here: bytes, options: str) -> None:
    check(here, *options.split(), "src/", "DST/")


@pytest.mark.parametrize("option", ["--info", "--debug"])
def test_flags(here: bytes, option: str) -> None:
    """The same names exist; what does not is an error; help lists them."""
    theirs, ours = both(here, f"{option}=help,whatever")
    names = re.compile(rb"^([A-Z]+) +[A-Z]", re.MULTILINE)
    assert set(names.findall(ours.out)) - {b"REASON"} == set(names.findall(theirs.out))
    for flags in ("bogus", "nam", "name1x", "name,x"):
        theirs, ours = both(here, "-a", f"{option}={flags}", "src/", "DST")
        assert ours.code == theirs.code == 1
        assert theirs.err.splitlines()[0] in ours.err


def test_reasons(here: bytes) -> None:
    create(os.path.join(here, b"src"), NEW)
    create(os.path.join(here, b"dst"), OLD)
    os.unlink(os.path.join(here, b"dst/n"))
    found = arsync("-a", "--info=reason", "src/", "dst/", cwd=here).lines
    assert found == [b"big: size differs", b"l\\#012: new", b"n: new", b"p: new", b"t: time differs", b"d/e/x: new"]
    assert arsync("-acn", "--info=reason", "src/d/w", "dst/d/", cwd=here).lines == [b"w: contents differ"]


def _many(here: bytes, count: int) -> bytes:
    path = os.path.join(here, b"src")
    shutil.rmtree(path, ignore_errors=True)
    create(path, Dir({b"%03d" % number: File(b"x") for number in range(count)}))
    create(os.path.join(here, b"dst"), Dir({b"%03d" % n: Dir({b"in": File()}) for n in range(count)}))
    return path


def test_many_errors_of_a_kind_are_summed(here: bytes) -> None:
    _many(here, 25)
    result = arsync("-a", "--log-file=log", "src/", "dst/", cwd=here)
    lines = result.err.splitlines()
    assert result.code == 23
    assert lines[-3] == b'arsync: 25 files: make way for failed: Directory not empty (39), first: "000"'
    assert lines[-2] == b"arsync: hint: a directory is in the way: --delete or --force lets arsync remove what is in it"
    assert len(lines) == 13
    with open(os.path.join(here, b"log"), "rb") as file:
        assert file.read().count(b"Directory not empty") == 25  # the log has them all


def test_few_errors_are_not(here: bytes) -> None:
    _many(here, 10)
    assert len(arsync("-a", "src/", "dst/", cwd=here).err.splitlines()) == 12


def test_options_without_effect_are_named(here: bytes) -> None:
    create(os.path.join(here, b"src"), NEW)
    say: Callable[..., list[bytes]] = lambda *how: arsync(*how, "src/d", "dst/", cwd=here).lines  # noqa: E731
    assert b"--compress has no effect on a local copy" in say("-avvz")
    assert not any(b"no effect" in line for line in say("-avz"))


def test_everything_on_stderr(here: bytes) -> None:
    theirs, ours = both(here, "-av", "--stderr=all", "src/", "DST")
    assert (ours.out, theirs.out) == (b"", b"")
    assert normal(ours.err, here, b"arsync") == normal(theirs.err, here, b"rsync")
