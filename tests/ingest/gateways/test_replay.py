"""The Beijing series, sent as twelve monitors through HJ 212 into the real gateway, gives the daily means of the file.

Three days of it by default, among them one that lacks half its hours and one on which PM2.5 and PM10 contradict each
other. ``REPLAY_DAYS=2016-11-03,2016-11-04`` takes others, ``REPLAY_DAYS=all`` the four years: 420,768 packets,
of which a device may send 20 a second, so half an hour at the least.
"""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from django.conf import settings

from ingest.protocols.hj212.packets import Packet
from ingest.protocols.hj212.replies import DEVICE_TIME, qn
from tests.ingest.gateways.conftest import PASSWORD, Gateway, Talker, now

pytestmark = pytest.mark.django_db
CHINA = ZoneInfo("Asia/Shanghai")
SERIES = "air/uci_prsa_beijing_12stations_2013_2017.parquet"
USUAL = "2013-07-02,2014-02-24,2014-02-25"
AT_ONCE = 100
"""Packets of a device under way: half of what the gateway takes before it slows a device down."""
COLUMNS = {
    "PM2.5": ("a34004", "µg/m³", 1.0), "PM10": ("a34002", "µg/m³", 1.0), "SO2": ("a21026", "µg/m³", 1.0),
    "NO2": ("a21004", "µg/m³", 1.0), "CO": ("a21005", "µg/m³", 0.001), "O3": ("a05024", "µg/m³", 1.0),
    "TEMP": ("a01001", "℃", 1.0), "PRES": ("a01006", "hPa", 0.1), "WSPM": ("a01007", "m/s", 1.0),
    "degrees": ("a01008", "°", 1.0),
}  # fmt: skip
"""Column → factor, the unit that the file and so the device has, and what the stored unit is of it."""
WINDS = (
    "N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW",
)  # fmt: skip


@pytest.fixture(scope="module")
def series(shared_data: Path) -> pd.DataFrame:
    """The hours of the days asked for, with the time in China and the wind in degrees."""
    hours = pd.read_parquet(shared_data / SERIES)
    hours["at"] = pd.to_datetime(hours[["year", "month", "day", "hour"]])
    hours["date"] = hours["at"].dt.strftime("%Y-%m-%d")
    hours["degrees"] = hours["wd"].map({name: 22.5 * n for n, name in enumerate(WINDS)})
    days = os.environ.get("REPLAY_DAYS", USUAL)
    chosen = hours if days == "all" else hours[hours["date"].isin(days.split(","))]
    assert chosen["station"].nunique() == 12 and len(chosen) % 288 == 0
    return chosen


def packet(mn: str, hour: Any) -> Packet:
    """The hour packet of a station; what was not measured is not in it."""
    values = [
        f"{code}-Avg={value:.10g},{code}-Flag=N"
        for column, (code, _unit, _scale) in COLUMNS.items()
        if not np.isnan(value := hour[column])
    ]
    time = hour["at"].to_pydatetime().replace(tzinfo=CHINA)
    cp = ";".join([f"DataTime={time.astimezone(DEVICE_TIME):%Y%m%d%H%M%S}", *values])
    return Packet(mn, "2061", "22", qn(time), PASSWORD, 9, 2025, cp=cp)


def acknowledgements(talker: Talker, number: int, within: float = 60.0) -> int:
    """How many of so many packets are acknowledged; that the gateway also sets the clock is no matter."""
    until, found = monotonic() + within, 0
    while found < number and (left := until - monotonic()) > 0:
        answers = talker.answers(number - found, left)
        if not answers:
            break
        found += sum(answer.cn == "9014" for answer in answers)
    return found


def make_known(talker: Talker, first: Packet) -> None:
    """Send a packet until it is acknowledged: a gateway reads new devices every few seconds."""
    for _time in range(60):
        talker.send(first)
        if acknowledgements(talker, 1, within=1.0):
            return
    raise AssertionError(f"{first.mn} never becomes known")


def replay(gateway: Gateway, hours: pd.DataFrame) -> int:
    """Send all of it, a device a station; how many packets were acknowledged."""
    units = json.dumps({code: unit for code, unit, _scale in COLUMNS.values()})
    back = (now().date() - hours["at"].min().date()).days + 2
    talkers: dict[str, tuple[Talker, list[Any]]] = {}
    for station, mine in hours.groupby("station"):
        mn = f"BJ{station}"[:24]
        gateway.register(mn)
        gateway.server.sql(
            "update telemetry_device set units = %s, base = 2, back_days = %s where number = %s", units, back, mn
        )
        talkers[mn] = (Talker(gateway.port), mine.sort_values("at").to_dict("records"))
    for mn, (talker, mine) in talkers.items():
        make_known(talker, packet(mn, mine[0]))
    acknowledged = 0
    longest = max(len(mine) for _talker, mine in talkers.values())
    for start in range(0, longest, AT_ONCE):
        for mn, (talker, mine) in talkers.items():
            talker.send(*(packet(mn, hour) for hour in mine[start : start + AT_ONCE]))
        for talker, mine in talkers.values():
            acknowledged += acknowledgements(talker, len(mine[start : start + AT_ONCE]))
    for talker, _mine in talkers.values():
        talker.socket.close()
    return acknowledged


def expected(hours: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float | None, int]]:
    """(Station, date, factor) → daily mean and number of hours, worked out by pandas on the file alone."""
    hours = hours.copy()
    # Fine dust that exceeds the coarse one by more than a fifth is marked and counts nowhere, nor does the coarse.
    at_odds = hours["PM2.5"] > 1.2 * hours["PM10"]
    hours.loc[at_odds, ["PM2.5", "PM10"]] = np.nan
    found: dict[tuple[str, str, str], tuple[float | None, int]] = {}
    for (station, date), day in hours.groupby(["station", "date"]):
        for column, (code, _unit, scale) in COLUMNS.items():
            values = day[column].dropna()
            if column != "degrees" and len(values):
                found[station, date, code] = (values.mean() * scale, len(values))
        wind = day.dropna(subset=["degrees"])
        if len(wind):
            weights = wind["WSPM"].fillna(0)
            angle = np.radians(wind["degrees"])
            x, y = ((weights * turn(angle)).sum() / weights.sum() for turn in (np.sin, np.cos))
            found[station, date, "a01008"] = (
                float(np.degrees(np.arctan2(x, y)) % 360) if np.hypot(x, y) > 1e-9 else None, len(wind)
            )  # fmt: skip
    return found


def test_the_daily_means_of_beijing_come_out_of_the_gateway(running: Gateway, series: pd.DataFrame) -> None:
    if running.process is None or running.process.poll() is not None:
        running.start()
    assert replay(running, series) == len(series), "every packet is acknowledged"
    environment = os.environ | {"ZHUTU_PGDATABASE": running.server.database}
    command = [sys.executable, "manage.py", "telemetry", "--once"]
    subprocess.run(command, cwd=settings.ROOT, env=environment, check=True, timeout=3600, capture_output=True)
    rows = running.server.sql(
        """
        select d.number, r.at, f.code, r.mean, r.n_valid, r.valid from telemetry_rollup r
        join telemetry_device d on d.id = r.device join telemetry_factor f on f.id = r.factor
        where d.number like 'BJ%%' and r.span = 3
        """
    )
    computed = {
        (number.removeprefix("BJ"), f"{at.astimezone(CHINA):%Y-%m-%d}", code): (mean, n_valid, valid)
        for number, at, code, mean, n_valid, valid in rows
    }
    wanted = expected(series)
    # Where every hour of a factor was marked there is a day without a mean; pandas has no such day.
    assert {key for key, (_mean, n_valid, _valid) in computed.items() if n_valid} == set(wanted)
    for key, (mean, hours) in wanted.items():
        got, n_valid, valid = computed[key]
        assert n_valid == hours, key
        assert valid == (hours >= 20), f"{key}: a day needs 20 hours (GB 3095)"
        if mean is None:
            assert got is None, key
        elif key[2] == "a01008":
            turned = abs(got - mean) % 360
            assert min(turned, 360 - turned) < 1e-6, key
        else:
            assert got == pytest.approx(mean, rel=1e-9, abs=1e-9), key
    assert any(not valid for _mean, _n, valid in computed.values()) or "REPLAY_DAYS" in os.environ


def test_the_series_is_the_one_that_is_described(series: pd.DataFrame) -> None:
    assert isinstance(series["at"].iloc[0].to_pydatetime(), datetime)
    assert not series.duplicated(["station", "at"]).any()
    assert set(series["wd"].dropna()) <= set(WINDS)
