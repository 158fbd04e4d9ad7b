"""Real taxis driven once more: their file through JT/T 808 frames, a real gateway and PostGIS, judged by the file.

Two taxis and some days; ``ZHUTU_WHOLE_TRACKS=1`` replays the whole file.
"""

import os
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyproj import Geod

from ingest.protocols.jt808 import from_terminal
from ingest.protocols.jt808.messages import MessageId
from services.positions import legs
from tests.conftest import Server, connect
from tests.ingest.gateways.boxes import free_port
from tests.ingest.gateways.conftest import Gateway
from tests.ingest.gateways.terminals import Terminal, position

pytestmark = pytest.mark.django_db
CGCS2000 = Geod(a=6378137.0, rf=298.257222101)
TAXIS, POINTS, A_BATCH = 2, 4_000, 40
NEAR, STOP, GAP, FASTEST = 100.0, 180, 600, 50.0


@pytest.fixture(scope="module")
def taxis(shared_data: Path) -> dict[str, pd.DataFrame]:
    """Phone number → the points of one taxi in the order of time, one a second at most."""
    path = shared_data / "traj" / "cabspotting_sf_5taxis.parquet"
    if not path.is_file():
        pytest.skip(f"the tracks of taxis are not at {path}")
    whole = pd.read_parquet(path).sort_values(["taxi", "epoch"]).drop_duplicates(["taxi", "epoch"])
    found = {f"1370000{n:04}": points for n, (_taxi, points) in enumerate(whole.groupby("taxi"))}
    if os.environ.get("ZHUTU_WHOLE_TRACKS") == "1":
        return found
    return {phone: points.head(POINTS) for phone, points in list(found.items())[:TAXIS]}


@pytest.fixture(scope="module")
def replayed(server: Server, taxis: dict[str, pd.DataFrame]) -> Server:
    """The server's database after all taxis have driven."""
    for phone in taxis:
        server.sql(
            """
            insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,
                missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)
            values ('jt808', %s, '', 'active', '', '{}', 'standard', 'start', 'N', 10, 60, 0, 20000, '', now())
            """,
            phone,
        )
    gateway = Gateway(server, free_port(), "jt808")
    gateway.start()
    try:
        for phone, points in taxis.items():
            drive(gateway, phone, points)
    finally:
        assert gateway.process is not None
        gateway.process.terminate()
        gateway.process.wait(20)
    with connect(server.database) as link:
        legs.derive(link)
    return server


def drive(gateway: Gateway, phone: str, points: pd.DataFrame) -> None:
    """One taxi sends its points as back-fills, and waits until each is acknowledged."""
    terminal = Terminal(gateway.port, phone)
    terminal.enter()
    sent = 0
    for some in batched(points.itertuples(), A_BATCH):
        fixes = tuple(position(moment(row.epoch), row.lng, row.lat) for row in some)
        body = from_terminal.build_batch(from_terminal.Batch(True, fixes))
        frames = terminal.frames(MessageId.LOCATION_BATCH, body)
        terminal.socket.sendall(b"".join(frames))
        sent += len(frames)
    # The clock of 2008 is told the time once.
    assert len(terminal.answers(sent + 1, 300)) == sent + 1


def moment(epoch: int) -> datetime:
    return datetime.fromtimestamp(int(epoch), UTC)


def metres(one: Any, other: Any) -> float:
    return float(CGCS2000.inv(one.lng, one.lat, other.lng, other.lat)[2])


def judged(points: pd.DataFrame) -> list[tuple[int, int, int, float]]:
    """(kind, begin, end, metres) of stops and trips, by the words of docs/vehicles.md and no line of SQL."""
    taken: list[Any] = []
    jumped: set[int] = set()
    skipped = 0
    for row in points.itertuples():
        if taken and metres(taken[-1], row) / max(1, row.epoch - taken[-1].epoch) > FASTEST:
            if skipped < 3:
                skipped += 1
                continue
            jumped.add(len(taken))
        skipped = 0
        taken.append(row)

    def is_gap(n: int) -> bool:
        return taken[n].epoch - taken[n - 1].epoch > GAP or n in jumped

    found: list[tuple[int, int, int, float]] = []
    i, begin = 0, 0
    """The fix that may begin a stop, and the one from which the trip runs."""

    def trip(first: int, last: int) -> None:
        if last > first:
            length = sum(metres(taken[n - 1], taken[n]) for n in range(first + 1, last + 1))
            found.append((0, taken[first].epoch, taken[last].epoch, length))

    while i < len(taken):
        j = i + 1
        while j < len(taken) and metres(taken[i], taken[j]) <= NEAR:
            j += 1
        if taken[j - 1].epoch - taken[i].epoch >= STOP:
            trip(begin, i)
            found.append((1, taken[i].epoch, taken[j - 1].epoch, 0.0))
            if j == len(taken):
                return found
            begin = j if is_gap(j) else j - 1
            i = j
        elif j == len(taken):
            break
        else:
            if is_gap(i + 1):
                trip(begin, i)
                begin = i + 1
            i += 1
    trip(begin, len(taken) - 1)
    return found


def test_every_point_of_the_file_is_stored_once_and_the_track_is_as_long(
    replayed: Server, taxis: dict[str, pd.DataFrame]
) -> None:
    for phone, points in taxis.items():
        ((count, length),) = replayed.sql(
            """
            select count(*), ST_Length(ST_MakeLine(p.geom order by p.at)::geography)
            from positions_position p join telemetry_device d on d.id = p.device where d.number = %s
            """,
            phone,
        )
        assert count == len(points)
        assert length == pytest.approx(CGCS2000.line_length(points.lng.tolist(), points.lat.tolist()), rel=1e-9)


def test_trips_and_stops_are_those_of_the_file(replayed: Server, taxis: dict[str, pd.DataFrame]) -> None:
    for phone, points in taxis.items():
        derived = replayed.sql(
            """
            select l.kind, extract(epoch from l.began_at)::int8, extract(epoch from l.ended_at)::int8, l.distance_m
            from positions_leg l join telemetry_device d on d.id = l.device
            where d.number = %s and (l.kind = 1 or l.fixes > 1) order by l.began_at, l.kind desc
            """,
            phone,
        )
        expected = sorted(judged(points), key=lambda leg: (leg[1], -leg[0]))
        assert [leg[:3] for leg in derived] == [leg[:3] for leg in expected]
        assert [leg[3] for leg in derived] == pytest.approx([leg[3] for leg in expected], rel=1e-9, abs=1e-6)
        assert len(expected) > 40


def test_the_mileage_of_every_day_is_that_of_the_file(replayed: Server, taxis: dict[str, pd.DataFrame]) -> None:
    for phone, points in taxis.items():
        trips = pd.DataFrame(judged(points), columns=["kind", "begin", "end", "m"]).query("kind == 0")
        china = pd.to_datetime(points.epoch, unit="s", utc=True).dt.tz_convert("Asia/Shanghai")
        first, last = china.iloc[0].date(), china.iloc[-1].date()
        ((device,),) = replayed.sql("select id from telemetry_device where number = %s", phone)
        with connect(replayed.database) as link:
            days = legs.daily([device], first, last, link)
        assert len(days) == (last - first).days + 1
        assert sum(day.metres for day in days) == pytest.approx(trips.m.sum(), rel=1e-6)
        begins = pd.to_datetime(trips.begin, unit="s", utc=True).dt.tz_convert("Asia/Shanghai").dt.date
        ends = pd.to_datetime(trips.end, unit="s", utc=True).dt.tz_convert("Asia/Shanghai").dt.date
        within = trips[begins == ends].m.groupby(begins).sum()
        crossing = set(begins[begins != ends]) | set(ends[begins != ends])
        for day in days:
            if day.day not in crossing:
                assert day.metres == pytest.approx(within.get(day.day, 0.0), rel=1e-9, abs=1e-6)
        assert any(day.metres > 10_000 for day in days)
