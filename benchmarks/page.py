"""`python -m benchmarks page`: writes the kept figures into docs/performance.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from benchmarks import growth, profile
from benchmarks.measuring import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
_LATEST: Final = ROOT / "benchmarks" / "latest.json"


def main() -> int:
    """Writes the page anew."""
    PAGE.write_text(with_figures(PAGE.read_text("utf-8")), "utf-8")
    return 0


def with_figures(text: str) -> str:
    """The page with each marked part made from what was measured last."""
    parts = {"rows": _rows(), "growth": _growth()}
    profiles = _kept(profile.KEPT) or {}
    for name in profile.SUBJECTS:
        found = profiles.get(name)
        told = f"Not measured yet: `make profile BENCH={name}`."
        parts[f"profile {name}"] = profile.table(found) if found else told
    for name, body in parts.items():
        mark = re.escape(f"<!-- {name} -->")
        text = re.sub(rf"({mark}\n).*?(<!-- end -->)", _between(body), text, flags=re.DOTALL)
    return text


def _between(body: str) -> Any:  # noqa: ANN401 - a replacement of re.sub
    return lambda match: f"{match[1]}\n{body}\n\n{match[2]}"


def _rows() -> str:
    lines = [
        "| what | ours | beside | theirs | ratio | bound | |", "|---|---:|---|---:|---:|---:|---|",
    ]  # fmt: skip
    for row in _kept(_LATEST) or []:
        bound, met = row["bound"], ""
        if bound is not None:
            met = "met" if row["ratio"] <= bound else "**not met**"
        ours, theirs = f"{row['ours_s']:.2f} s", f"{row['peer_s']:.2f} s"
        if row.get("of") == "peak memory":
            ours, theirs = f"{row['peak_mib']:.0f} MiB", f"{row['peak_mib'] / row['ratio']:.0f} MiB"
        lines.append(
            f"| {row['name']} | {ours} | {row['peer']} | {theirs} | {row['ratio']:.2f} | "
            f"{'' if bound is None else format(bound, 'g')} | {met} |"
        )
    return "\n".join(lines)


def _growth() -> str:
    """The plot and its points; a sentence where nobody has measured them yet."""
    if not growth.PLOT.exists():
        return "Not measured yet: `make growth`."
    lines = [
        f"![Seconds and peak memory of a first load]({growth.PLOT.relative_to(PAGE.parent)})", "",
        "| dossiers | seconds | peak memory |", "|---:|---:|---:|",
    ]  # fmt: skip
    lines += [
        f"| {point['rows']:,} | {point['seconds']:.1f} | {point['peak_mib']} MiB |"
        for point in _kept(growth.KEPT) or []
    ]
    return "\n".join(lines)


def _kept(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text("utf-8")) if path.exists() else None
