"""A project or an area over a week, a month, a year or days of one's own: totals and a trend of exactly that."""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.utils import timezone

from layers.environment.models import Monitor
from layers.projects.models import Project
from services.access.principal import Principal
from services.reports import custom
from services.telemetry.spans import ZONE
from tests.conftest import HOME, SIBLING, client
from tests.reports.conftest import DAY, send
from tests.reports.test_custom import PLAIN

pytestmark = pytest.mark.django_db
PLACED: dict[str, Any] = {"layer": "monitors", "by": "time", "columns": ["@time", "a34002:mean", "a34002:high"]}


@pytest.fixture
def site(monitor: Callable[..., Monitor]) -> Project:
    """A site with two monitors that sent on two days of November and one of October; others beside it sent, too."""
    site = Project.objects.create(code="RP-TREND", name="趋势工地", region_id=HOME)
    ours, bare, far = monitor("甲", project=site), monitor("散"), monitor("远", region_id=SIBLING)
    for days, value in ((-20, 30.0), (0, 50.0), (1, 70.0)):
        begin = DAY + timedelta(days=days, hours=8)
        send(ours, {"a34002": [value, value + 20]}, begin)
        send(bare, {"a34002": [400.0, 400.0]}, begin)
        send(far, {"a34002": [900.0, 900.0]}, begin)
    return site


@pytest.mark.parametrize(
    ("period", "most", "mean", "high"),
    [("week", 7, 70.0, 90.0), ("month", 30, 70.0, 90.0), ("year", 12, 60.0, 90.0), ("free", 2, 70.0, 90.0)],
)
def test_a_project_by_any_period_has_its_totals_and_its_trend(
    who: dict[str, Principal], site: Project, period: str, most: int, mean: float, high: float
) -> None:
    asked = PLAIN | PLACED | {"choice": "under", "along": "project", "under": site.pk, "period": period}
    asked |= {"part": "month" if period == "year" else "day"}
    asked |= {"first": date(2026, 11, 10), "last": date(2026, 11, 11)} if period == "free" else {}
    today = timezone.now().astimezone(ZONE).date()
    # What is still to come of a month or a year has no points.
    come = {"month": (today - date(2026, 10, 31)).days, "year": today.month + 12 * (today.year - 2026)}.get(
        period, most
    )
    assert _shown(who, asked) == (min(most, come), [mean, high])


def test_an_area_has_what_lies_in_it(who: dict[str, Principal], site: Project) -> None:
    asked = PLAIN | PLACED | {"choice": "region", "region": HOME, "period": "week", "part": "day"}
    points, (mean, high) = _shown(who, asked)
    assert (points, mean, high) == (7, pytest.approx((70 + 400) / 2), 400.0), "the site and its neighbour, nothing far"
    assert _shown(who, asked | {"region": SIBLING})[1] == [900.0, 900.0]


def _shown(who: dict[str, Principal], asked: dict[str, Any]) -> tuple[int, list[float]]:
    """How many points the trend has, and the figures of the last line, which stands for all of the time."""
    saved = custom.save(who["commander"], asked)
    page = client("commander").get(f"/desk/reports/custom/{saved.pk}?date=2026-11-10").content.decode()
    charts = [json.loads(unescape(held)) for held in re.findall(r'data-curve="([^"]*)"', page)]
    (chart,) = charts
    (last,) = re.findall(r"<tfoot>.*?</tfoot>", page, re.S) or [page[page.index("总体") :]]
    figures = [float(cell.replace(",", "")) for cell in re.findall(r"<td[^>]*>\s*([\d.,]+)\s*</td>", last)]
    return len(chart["series"][0]["points"]), figures[:2]
