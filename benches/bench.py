"""What all cases share: the settings, and the interleaved runs of several tools over fresh destinations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import tools
from measure import RunError, timed
from native import build_delayfs, build_floor
from results import Result, Row
from tools import Tool
from trees import difference
from volumes import have_memory, settle, volume

Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Bench:
    """The settings of one invocation."""

    arsync: list[str]
    scratch: Path
    directory: Path | None
    rounds: int
    quick: bool
    say: Callable[[str], None]
    at_hand: int = 0
    """Bytes of memory that are used and freed before each run, see ``have_memory``."""

    @property
    def cpus(self) -> int:
        """CPUs this process may use: as many workers are compared."""
        return len(os.sched_getaffinity(0))

    def scaled(self, number: int) -> int:
        """A number of files or bytes: a tenth of it with --quick."""
        return max(1, number // 10) if self.quick else number

    def volume(self, kind: str) -> AbstractContextManager[Path]:
        """A new file system."""
        return volume(kind, self.scratch, self.directory)

    def floor(self, *options: str) -> Tool:
        """The C floor with as many processes as arsync has workers."""
        return tools.floor(build_floor(self.scratch), self.cpus, *options)

    def delayfs(self) -> Path:
        """The program of the slow file system."""
        return build_delayfs(self.scratch)

    def output(self) -> Path:
        """Where the output of the tool that runs goes."""
        return self.scratch / "output"

    def run(self, row: Row, tool: Tool, source: Path, destination: Path, check: bool, memory: bool = False) -> None:
        """One timed run; a failure is remembered in the row, which is then left out of later rounds."""
        if row.failure is not None:
            return
        settle()
        if self.at_hand:
            have_memory(self.at_hand)
        try:
            sample = timed(tool.command(source, destination), self.output(), memory)
            if check and (found := difference(source, destination, tool.exact)):
                raise RunError(f"not a copy: {found}")
        except RunError as failure:
            row.failure = str(failure)
            self.say(f"    {tool.name}: {failure}")
            return
        row.samples.append(sample)
        self.say(f"    {tool.name}: {sample.wall:.3f} s")

    def fresh_copies(
        self,
        result: Result,
        kind: str,
        prepare: Prepare,
        compared: list[Tool],
        after: Prepare | None = None,
        check: bool = True,
    ) -> Result:
        """Each round makes a file system and the source in it, and lets each tool copy it to a new directory there.

        Nothing is deleted in between: ext4 looks at every inode deleted in the last minutes before it makes another,
        which makes whoever comes next many times slower. ``after`` may give back the space of a large copy; ``check``:
        whether a copy has to be the same as the source.
        """
        result.rows = [Row(tool.name) for tool in compared]
        for number in range(self.rounds):
            with self.volume_with(kind, prepare) as root:
                for index in _order(len(compared), number):
                    destination = root / f"dst{index}"
                    self.run(result.rows[index], compared[index], root / "src", destination, check and number == 0)
                    if after is not None and destination.exists():
                        after(destination)
        return result

    @contextmanager
    def volume_with(self, kind: str, prepare: Prepare) -> Iterator[Path]:
        """A new file system with the source tree in it, as ``src``."""
        with self.volume(kind) as root:
            prepare(root / "src")
            yield root

    def again(self, result: Result, kind: str, prepare: Prepare, compared: list[Tool]) -> Result:
        """One copy is made, untimed, and each round lets each tool find that there is nothing to do."""
        result.rows = [Row(tool.name) for tool in compared]
        with self.volume_with(kind, prepare) as root:
            timed(tools.CP.command(root / "src", root / "dst"), self.output())
            for number in range(self.rounds):
                for index in _order(len(compared), number):
                    self.run(result.rows[index], compared[index], root / "src", root / "dst", check=number == 0)
        return result


def _order(count: int, number: int) -> list[int]:
    """Each round begins with another tool, so that no place in the order is always the same one's."""
    return [(index + number) % count for index in range(count)]
