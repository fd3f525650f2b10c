"""`python -m benchmarks growth`: time and memory of a first load as it grows, as a plot.

Writes benchmarks/growth.json and docs/img/growth.svg.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks import ours, truth
from benchmarks.bench import Bench, bench
from benchmarks.measuring import ROOT, Measure, as_expected
from benchmarks.postgres import whole

SIZES: Final = (100_000, 1_000_000, 3_000_000, 10_000_000)
KEPT: Final = ROOT / "benchmarks" / "growth.json"
PLOT: Final = ROOT / "docs" / "img" / "growth.svg"


def main(*, scale: float, kept: Path | None = None, plot: Path | None = None) -> int:
    """Measures each size once, and draws them.

    Args:
        scale: 1 is full size; below it nothing of the project is written over.
        kept: Where the points go.
        plot: Where the plot goes: SVG.
    """
    points = []
    with bench(scale) as one:
        for full in SIZES:
            rows = one.rows(full)
            measure = _loaded(one, rows)
            point = {"rows": rows, "seconds": round(measure.seconds, 2),
                     "peak_mib": round(measure.peak_mib)}  # fmt: skip
            sys.stdout.write(f"{rows:>12,} rows  {point['seconds']:8.2f} s  "
                             f"{point['peak_mib']:6} MiB\n")  # fmt: skip
            sys.stdout.flush()
            points.append(point)
            one.office.drop(f"ho_so_{rows}")
    kept = kept or (KEPT if scale == 1 else None)
    plot = plot or (PLOT if scale == 1 else None)
    if kept is not None:
        kept.write_text(json.dumps(points, indent=2) + "\n", "utf-8")
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        plot.write_text(drawn(points), "utf-8")
    return 0


def _loaded(bench: Bench, rows: int) -> Measure:
    url = bench.office.url(bench.office.dossiers(rows, scale=bench.scale))
    with bench.scratch() as folder:
        done = ours.synced(bench, folder, url)
    return as_expected("the first load", done, whole(truth.of_office(url)))


def drawn(points: list[dict[str, Any]]) -> str:
    """The points as SVG: seconds and peak memory over rows, both axes logarithmic."""
    import altair as alt
    import vl_convert

    size: Any = alt.X("rows:Q", title="dossiers").scale(type="log").axis(format="~s")
    data = alt.Data(values=points)

    def one(name: str, title: str) -> alt.LayerChart:
        height = alt.Y(f"{name}:Q", title=title).scale(type="log", nice=True)
        base = alt.Chart(data, width=300, height=220).encode(x=size, y=height)
        label = base.mark_text(dy=-10).encode(text=alt.Text(f"{name}:Q", format=",.3~r"))
        return base.mark_line(point=True) + label

    both = one("seconds", "seconds") | one("peak_mib", "peak memory (MiB)")
    svg: str = vl_convert.vegalite_to_svg(both.to_json())
    return svg
