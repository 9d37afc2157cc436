"""arsync many times a second: a process that has everything imported forks a child for each run, which is the console
script from there on."""

from __future__ import annotations

import marshal
import os
import struct
import subprocess
import sys
from types import TracebackType

from support.commands import Result, handed_on

_HEAD = struct.Struct("<I")

#: Reads (arguments, directory, as nobody, seconds, file for stdout, for stderr) and answers with the exit code (-1:
#: it took too long) and whether a second answer follows. Everything is imported before the rights are given up.
_SERVER = """
import marshal, os, pkgutil, importlib, select, signal, struct, sys
sys.modules["ssl"] = None
import asyncio, ctypes, difflib, encodings.idna, random, traceback
import arsync
for module in pkgutil.walk_packages(arsync.__path__, "arsync."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import liburing, xattr.lib
from arsync.fs.binding import load
load()  # nobody may not be allowed to read where it is
from arsync.cli.main import main

def child(arguments, cwd, nobody, _seconds, out, err):
    os.setsid()
    for number, name in ((0, b"/dev/null"), (1, out), (2, err)):
        fd = os.open(name, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if number else 0), 0o600)
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(cwd)
    if nobody:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/self belongs to nobody now
    sys.argv[1:] = [os.fsdecode(argument) for argument in arguments]
    main()

requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
while head := requests.read(4):
    request = marshal.loads(requests.read(struct.unpack("<I", head)[0]))
    pid = os.fork()
    if not pid:
        try:
            requests.close()
            answers.close()
            child(*request)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(99)
    process = os.pidfd_open(pid)
    late = not select.select([process], [], [], request[3])[0]
    if late:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(process)
    answers.write(struct.pack("<i", -1000 if late else code))
    answers.flush()
"""


class Forked:
    """Runs arsync; a context manager."""

    def __enter__(self) -> Forked:
        environment = {"PATH": os.environ.get("PATH", os.defpath)} | handed_on()
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"LC_ALL": "C.UTF-8"},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def run(self, *arguments: bytes | str, cwd: bytes, notes: bytes, nobody: bool = False, timeout: int = 30) -> Result:
        """Run arsync in ``cwd``; the files ``notes``.out and .err hold what it says. Raises TimeoutError."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        out, err = notes + b".out", notes + b".err"
        request = marshal.dumps((tuple(map(os.fsencode, arguments)), cwd, nobody, timeout, out, err))
        self._server.stdin.write(_HEAD.pack(len(request)) + request)
        self._server.stdin.flush()
        (code,) = struct.unpack("<i", self._server.stdout.read(4))
        if code == -1000:
            raise TimeoutError(f"arsync did not end within {timeout} s")
        with open(out, "rb") as file, open(err, "rb") as errors:
            return Result(code, file.read(), errors.read())
