"""What was measured, against what, and whether the bar holds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One figure. With a peer the bar is the least ratio, without one it is the most the figure may be."""

    name: str
    figure: float
    unit: str
    peer: str = ""
    peer_figure: float | None = None
    bar: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.figure / self.peer_figure if self.peer_figure else None

    @property
    def holds(self) -> bool | None:
        """None where there is no bar."""
        if self.bar is None:
            return None
        return self.figure <= self.bar if self.ratio is None else self.ratio >= self.bar


def write(results: Sequence[Result], path: Path) -> None:
    """Add one JSON object a line."""
    with path.open("a", encoding="utf-8") as lines:
        for r in results:
            row = {
                "name": r.name, "figure": _rounded(r.figure), "unit": r.unit, "peer": r.peer or None,
                "peer_figure": _rounded(r.peer_figure), "ratio": _rounded(r.ratio), "bar": r.bar, "holds": r.holds,
            }  # fmt: skip
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def table(results: Sequence[Result]) -> str:
    """The figures as a Markdown table, which a terminal shows as well."""
    rows = [("name", "figure", "unit", "peer", "its figure", "ratio", "bar", "holds")]
    for r in results:
        bar = "" if r.bar is None else f"≥ {r.bar:g}×" if r.ratio is not None else f"≤ {r.bar:g}"
        ratio = "" if r.ratio is None else f"{r.ratio:.2f}"
        holds = {None: "", True: "yes", False: "NO"}[r.holds]
        rows.append((r.name, _number(r.figure), r.unit, r.peer, _number(r.peer_figure), ratio, bar, holds))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return (
        "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
