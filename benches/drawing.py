"""Pictures of curves, as SVG that is the same for the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "arsync", "font.family": "sans-serif", "font.size": 11}

from matplotlib import pyplot  # noqa: E402 (the backend is chosen first)

#: What each picture's horizontal axis is.
_AXES = {
    "workers": "workers",
    "depth": "--queue-depth",
    "latency": "milliseconds that each operation takes",
}
_COLOURS = {"arsync": "#d9480f", "rsync": "#1971c2", "cp": "#2f9e44"}


def draw(found: dict[str, Any], where: Path) -> Iterator[Path]:
    """Draw each curve that was measured into ``where``."""
    for name, curves in found["curves"].items():
        figure, axes = pyplot.subplots(figsize=(7.2, 3.8), layout="constrained")
        for curve, points in curves.items():
            tool, _, rest = curve.partition(", ")
            axes.plot(
                *zip(*points),
                label=curve,
                color=_COLOURS[tool],
                linestyle="--" if rest in ("ext4", "to 1 ms") else "-",
                marker="o" if tool == "arsync" or name == "latency" else None,
            )
        ticks = sorted({x for points in curves.values() for x, _ in points})
        axes.set_xscale("log")
        if name == "latency":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(xlabel=_AXES[name], ylabel="files a second")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", fontsize=9)
        picture = where / f"{name}.svg"
        figure.savefig(picture, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
        yield picture
