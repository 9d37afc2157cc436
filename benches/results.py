"""What the cases found: rows of samples, and verdicts against the targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from measure import Sample


@dataclass
class Row:
    """One tool in one case."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    failure: str | None = None

    @property
    def wall(self) -> float:
        """Median wall time in seconds."""
        return median(sample.wall for sample in self.samples)

    @property
    def cpu(self) -> float:
        """Median CPU time in seconds."""
        return median(sample.cpu for sample in self.samples)

    @property
    def best(self) -> float:
        return min(sample.wall for sample in self.samples)

    @property
    def worst(self) -> float:
        return max(sample.wall for sample in self.samples)

    @property
    def memory(self) -> int:
        """The most memory of any run in bytes."""
        return max(sample.memory for sample in self.samples)

    @property
    def usable(self) -> bool:
        """Whether there are numbers to compare."""
        return self.failure is None and bool(self.samples)


@dataclass(frozen=True)
class Verdict:
    """A target, what came out, and whether that reaches it."""

    target: str
    outcome: str
    passed: bool


@dataclass
class Result:
    """One case."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str | None = None
    subject: str = ""
    """The row that the others are compared to."""

    def row(self, name: str) -> Row | None:
        """The row of a tool if it has numbers."""
        return next((row for row in self.rows if row.name == name and row.usable), None)

    def expect_cost(self, subject: str, rival: str, part: float) -> None:
        """``subject`` is to take at most this part longer than ``rival``."""
        mine, other = self.row(subject), self.row(rival)
        if mine is None or other is None:
            return
        more = mine.wall / other.wall - 1
        self.verdicts.append(
            Verdict(f"{subject}: at most {part:.0%} longer than {rival}", f"{more:+.1%}", more <= part)
        )

    def expect_faster(self, subject: str, rival: str, factor: float, strictly: bool = False) -> None:
        """``subject`` is to be at least ``factor`` times as fast as ``rival`` (a missing rival is no verdict)."""
        target = f"{subject}: {factor:g}x {rival}" if factor != 1 else f"{subject}: not slower than {rival}"
        if strictly:
            target = f"{subject}: faster than {rival}"
        mine, other = self.row(subject), self.row(rival)
        if mine is None:
            self.verdicts.append(Verdict(target, "it failed", False))
        elif other is not None:
            ratio = other.wall / mine.wall
            self.verdicts.append(Verdict(target, f"{ratio:.2f}x", ratio > factor if strictly else ratio >= factor))

    def expect_within(self, subject: str, rival: str, factor: float) -> None:
        """``subject`` is to take at most ``factor`` times the time of ``rival``."""
        target = f"{subject}: at most {factor:g} times {rival}"
        mine, other = self.row(subject), self.row(rival)
        if mine is None:
            self.verdicts.append(Verdict(target, "it failed", False))
        elif other is not None:
            ratio = mine.wall / other.wall
            self.verdicts.append(Verdict(target, f"{ratio:.2f} times", ratio <= factor))
