"""Dust of a site as curve and statistics: every figure is worked out again from the raw rows with pandas."""

import csv
import io
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import expect

from layers.environment.models import Monitor
from layers.projects.models import Project
from services.access.principal import Principal
from services.catalog.layer import registry
from services.limits.models import Limit
from services.limits.statistics import statistics
from services.telemetry import partitions
from services.telemetry.models import Device
from services.telemetry.rollups import compute
from services.telemetry.spans import ZONE
from services.telemetry.store import Row, Store
from tests.conftest import HOME, Live, Server, client, connect
from tests.desk.conftest import PHONE, Desk

pytestmark = pytest.mark.django_db
PM10 = "a34002"
HOURS = 50
LIMIT = 120
"""µg/m³ of PM10 in GB 3095-2026, class 2, until 2030."""


def raw(device: int, begin: datetime, seed: int, code: str = PM10) -> list[Row]:
    """Readings of a minute each over HOURS hours: zeros, gaps, flagged ones, one hour with too few."""
    random = np.random.default_rng(seed)
    rows = []
    for n in range(60 * HOURS):
        hour = n // 60
        if hour == 7 or (hour == 11 and n % 60 >= 30) or random.random() < 0.02:
            continue  # lost
        value = 0.0 if random.random() < 0.05 else float(np.round(random.gamma(4, 30), 1))
        flagged = random.random() < 0.03
        at = begin + timedelta(minutes=n)
        rows.append(Row(
            device, code, at, "real", value, None, None, None, "D" if flagged else "N", "flag" if flagged else "",
            at + timedelta(seconds=2),
        ))  # fmt: skip
    return rows


def reckoned(link: Any, device: int, begin: datetime, end: datetime) -> dict[str, Any]:
    """The same figures from the stored raw rows alone."""
    found = link.execute(
        "select r.at, r.value, r.quality from telemetry_reading r join telemetry_factor f on f.id = r.factor"
        " where r.device = %s and f.code = %s and r.span = 0 and r.at >= %s and r.at < %s",
        [device, PM10, begin, end],
    ).fetchall()
    frame = pd.DataFrame(found, columns=["at", "value", "quality"])
    frame["at"] = pd.to_datetime(frame["at"], utc=True).dt.tz_convert(ZONE.key)
    good = frame[frame["quality"] == 0].copy()
    good["hour"] = good["at"].dt.floor("h")
    hours = good.groupby("hour")["value"].agg(["mean", "count"])
    valid = hours[hours["count"] >= 45]
    kept = good[good["hour"].isin(valid.index)]
    day = kept["at"].dt.hour.between(6, 21)
    return {
        "readings": len(good), "hours": len(valid), "least": kept["value"].min(), "greatest": kept["value"].max(),
        "mean": kept["value"].mean(), "percentile": valid["mean"].quantile(0.95),
        "by_day": kept[day]["value"].mean(), "by_night": kept[~day]["value"].mean(),
        "over": int((valid["mean"] > LIMIT).sum()),
    }  # fmt: skip


def period() -> tuple[datetime, datetime]:
    begin = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS + 2)
    return begin, begin + timedelta(hours=HOURS)


def between(site: dict[str, Any]) -> str:
    """The time of a site as the page's address says it."""
    begin, end = (f"{site[name].astimezone(ZONE):%Y-%m-%dT%H:%M}" for name in ("begin", "end"))
    return f"from={begin}&to={end}"


@pytest.fixture
def site() -> dict[str, Any]:
    """A site at home with two monitors that sent for two days, and one monitor that sent nothing."""
    begin, end = period()
    project = Project.objects.create(code="P-DUST", name="统计工地", region_id=HOME)
    found: dict[str, Any] = {"project": project, "begin": begin, "end": end, "devices": {}}
    for n in range(3):
        monitor = Monitor.objects.create(code=f"DUST-{n}", name=f"统计点{n}", region_id=HOME, project=project)
        device = Device.objects.create(
            protocol="hj212", number=f"DUST-{n}", feature=monitor.pk, state="active", interval=60
        )
        if n < 2:
            Store(partitions.raw()).write(raw(device.pk, begin, n))
            found["devices"][monitor.pk] = device.pk
    compute(partitions.raw())
    return found


@pytest.mark.covers("LN-214")
def test_statistics_agree_with_the_raw_values(site: dict[str, Any], who: dict[str, Principal]) -> None:
    lines = statistics(who["owner"], registry.by_key["monitors"], PM10, site["begin"], site["end"], "2")
    mine = {line.feature.pk: line for line in lines if line.feature.pk in site["devices"]}
    assert set(mine) == set(site["devices"])
    for feature, device in site["devices"].items():
        line, expected = mine[feature], reckoned(partitions.raw(), device, site["begin"], site["end"])
        assert 0 < expected["over"] < expected["hours"] < HOURS, "the figures of this test say something"
        for name, value in expected.items():
            assert getattr(line, name) == pytest.approx(value), name
        assert (line.hours_all, line.limit) == (HOURS, LIMIT)
        assert line.least == 0.0 and line.share == pytest.approx(expected["hours"] / HOURS)
    page = client("owner").get(f"/desk/dust?site={site['project'].pk}&{between(site)}").content.decode()
    for feature in site["devices"]:
        row = page.split(f'data-feature="{feature}"')[1].split("</tr>")[0]
        assert f"<strong>{mine[feature].mean:.1f}</strong>" in row and f">{mine[feature].over}</span>" in row


def test_hours_are_judged_by_the_limit_in_force_then(site: dict[str, Any], who: dict[str, Principal]) -> None:
    """A stricter limit of the province from the second day on counts from then on only."""
    since = (site["begin"] + timedelta(hours=24)).astimezone(ZONE).date()
    Limit.objects.create(
        standard="DB51/TEST", version="1", factor=PM10, minutes=60, value=20, region="51", valid_from=since,
        citation="DB51/TEST", verified=True,
    )  # fmt: skip
    lines = statistics(who["owner"], registry.by_key["monitors"], PM10, site["begin"], site["end"], "2")
    for line in lines:
        device = site["devices"].get(line.feature.pk)
        if device is None:
            continue
        frame = pd.DataFrame(
            partitions.raw().execute(
                "select at, mean from telemetry_rollup r join telemetry_factor f on f.id = r.factor"
                " where device = %s and f.code = %s and span = 2 and valid", [device, PM10],
            ).fetchall(),
            columns=["at", "mean"],
        )  # fmt: skip
        days = pd.to_datetime(frame["at"], utc=True).dt.tz_convert(ZONE.key).dt.date
        assert line.over == int((frame["mean"] > np.where(days >= since, 20, LIMIT)).sum())
        assert (line.limit, line.citation) == (20, "DB51/TEST")


def test_a_report_and_files_say_the_same(site: dict[str, Any]) -> None:
    span = between(site)
    path = f"/desk/dust/export?site={site['project'].pk}&format=csv&{span}"
    answer: Any = client("owner").get(path)
    lines = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [line[1] for line in lines[1:]] == ["统计点0", "统计点1"]
    assert all(line[0] == "统计工地" and float(line[7]) == 0.0 for line in lines[1:])
    report = client("owner").get("/desk/reports/dust-statistics?period=week").content.decode()
    assert "统计点0" in report and "统计工地" in report
    assert client("inspector").get(path).status_code == 403
    for name in ("neighbour", "stranger"):
        assert client(name).get(path).status_code == 404, name
        assert "统计点0" not in client(name).get(f"/desk/dust?{span}").content.decode()


def test_more_monitors_need_no_more_queries(site: dict[str, Any]) -> None:
    owner = client("owner")
    owner.get("/desk/dust?range=30d")
    with CaptureQueriesContext(connection) as few:
        owner.get("/desk/dust?range=30d")
    begin = site["begin"]
    for n in range(4):
        monitor = Monitor.objects.create(code=f"MORE-{n}", name=f"MORE-{n}", region_id=HOME, project=site["project"])
        device = Device.objects.create(protocol="hj212", number=f"MORE-{n}", feature=monitor.pk, state="active")
        Store(partitions.raw()).write(raw(device.pk, begin, n)[:200])
    compute(partitions.raw())
    with CaptureQueriesContext(connection) as many:
        assert "MORE-3" in owner.get("/desk/dust?range=30d").content.decode()
    assert len(many) <= len(few)


@pytest.mark.covers("LN-214")
def test_the_dust_of_a_site_is_shown_as_a_curve_and_as_statistics(
    server: Server, live: Live, desk: Callable[..., Desk], monitor: str, registered: Callable[[str, str], int]
) -> None:
    begin, end = period()
    device = registered(monitor, "DUSTY")
    with connect(server.database) as link:
        Store(link).write(raw(device, begin, 3))
        compute(link)
        expected = reckoned(link, device, begin, end)
    project = server.sql("select project_id from environment_monitor where id = %s", monitor)[0][0]
    mine = desk("owner", viewport={"width": 1920, "height": 1080})
    page = mine.enter(f"/desk/dust?site={project}&range=7d")
    row = page.locator(f'tr[data-feature="{monitor}"]')
    expect(row.locator('[data-of="mean"]')).to_have_text(f"{expected['mean']:.1f}")
    expect(row.locator('[data-of="greatest"]')).to_have_text(f"{expected['greatest']:.0f}")
    expect(row.locator('[data-of="over"]')).to_have_text(str(expected["over"]))
    expect(page.locator(".curve canvas").first).to_be_visible()
    mine.shot("dust-light")
    dark = desk("owner", theme="dark", language="en", **PHONE)
    dark.enter(f"/desk/dust?site={project}&range=7d")
    dark.shot("dust-phone-dark-en")
