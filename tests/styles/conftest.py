"""One style of every kind, and MapLibre's own style library as the judge."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styles import Categorized, Fill, Graduated, Heat, Icon, Line, Style

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "node_modules" / "@maplibre" / "maplibre-gl-style-spec"

STYLES: dict[str, Style] = {
    "icon": Icon("camera", "#206bc4", label="name"),
    "line": Line("#2fb344", width=3, dash=(2, 1), label="name"),
    "fill": Fill("#2fb344", outline="#0b6b2b", opacity=0.5, extrude="height", label="name"),
    "hatch": Fill("#7d8899", hatch=True),
    "heat": Heat("weight", radius=20, full=5),
    "sites": Categorized(
        "state",
        {
            "active": Icon("site-active", "#2fb344"),
            "rectify": Icon("site-rectify", "#f59f00"),
            "suspended": Icon("site-suspended", "#d63939"),
            "completed": Icon("site-completed", "#206bc4"),
            "planned": Icon("site-planned", "#7b8798"),
        },
        label="name",
    ),
    "colours": Categorized("state", {"a": "#2fb344", "b": "#f59f00", True: "#d63939"}),
    "lines": Categorized("kind", {"a": Line("#2fb344"), "b": "#206bc4", "c": "#f5c518"}, label="name"),
    "fills": Categorized("kind", {"a": Fill("#2fb344"), "b": "#206bc4"}, default=Fill("#808080", opacity=0.1)),
    "pm10": Graduated("pm10", breaks=(50, 150, 250, 350), unit="µg/m³", label="name"),
    "flow": Graduated("flow", breaks=(0.5, 1.25), symbol=Line(width=4), label="name"),
    "risk": Graduated("risk", breaks=(1, 2, 3), symbol=Fill(extrude="height")),
    "level": Graduated("level", breaks=(1,), colors=("#123456", "#abcdef"), symbol=Icon("outfall")),
}


@pytest.fixture(params=STYLES, ids=str)
def style(request: pytest.FixtureRequest) -> Style:
    """Every kind of style in turn."""
    return STYLES[request.param]


@pytest.fixture(scope="session")
def style_library() -> Callable[[str, Any], Any]:
    """Runs a JavaScript expression over ``spec`` (MapLibre's style library) and ``input``."""
    node = shutil.which("node")
    if node is None or not SPEC.exists():
        pytest.skip("needs Node and the npm packages (npm ci)")

    def run(expression: str, value: Any) -> Any:
        script = (
            "import * as spec from '@maplibre/maplibre-gl-style-spec';"
            "import {readFileSync} from 'node:fs';"
            "const input = JSON.parse(readFileSync(0));"
            f"process.stdout.write(JSON.stringify({expression}));"
        )
        done = subprocess.run(
            [node, "--input-type=module", "-e", script],
            input=json.dumps(value), capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
