"""Statistics of a city with a million records in five years, beside a bare count of the same rows by month."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.utils import timezone

from services.access.principal import principal_of
from services.accounts.models import User
from services.stats.frames import FREE, frame
from services.stats.periods import statistics
from services.stats.scopes import Asked, Scope
from tests.bench import data
from tests.bench.results import Result

RECORDS = 1_000_000
YEARS = 5
TIMES = 3
MARK = "bench"
FILLED = {
    "environment_fault": (
        "note", "began_at at time zone 'Asia/Shanghai'",
        """insert into environment_fault (monitor_id, kind, began_at, ended_at, note)
        select o.id, (array['offline','sensor','power','tamper'])[1 + g %% 4], at, at + interval '2 hours', %(mark)s
        {rows}""", "environment_monitor",
    ),
    "environment_calibration": (
        "done_by", "done_on",
        """insert into environment_calibration (monitor_id, done_on, factor, shown, reference, passed, done_by)
        select o.id, at::date, 'a34002', 1, 1, g %% 7 > 0, %(mark)s {rows}""", "environment_monitor",
    ),
    "concrete_batch": (
        "part", "made_at at time zone 'Asia/Shanghai'",
        """insert into concrete_batch (plant_id, number, made_at, registered_at, part, grade, mix_number, volume, made)
        select o.id, 'B' || g, at, at, %(mark)s, (array['C20','C30','C40'])[1 + g %% 3], '', 1 + g %% 100, 1 + g %% 100
        {rows}""", "concrete_mixingplant",
    ),
}  # fmt: skip
"""Table → the column with the mark of these rows, their time, how they are made, of which features."""


def run() -> list[Result]:
    """The whole city by month, year and five years, for whoever may see all of it and for a county's supervisor."""
    with connection.cursor() as cursor:
        _empty(cursor)
        began = time.perf_counter()
        for table in FILLED:
            _fill(cursor, table, RECORDS // len(FILLED) + 1)
        loaded = time.perf_counter() - began
        cursor.execute(f"vacuum analyze {', '.join(FILLED)}")
        try:
            return [*_measured(cursor), Result("loading of a million records", RECORDS / loaded, "rows/s")]
        finally:
            _empty(cursor)


def _measured(cursor: Any) -> list[Result]:
    data.commander(), data.supervisor()
    city, county = (principal_of(User.objects.get(username=f"bench_{who}")) for who in ("commander", "supervisor"))
    today = timezone.localdate()
    years = frame(FREE, today - timedelta(days=365 * YEARS), today)
    asked = {
        "the city, a month": (city, frame("month")), "the city, a year": (city, frame("year")),
        "a county, a month": (county, frame("month")), "a county, a year": (county, frame("year")),
        f"the city, {YEARS} years": (city, years),
    }  # fmt: skip
    work: dict[str, Callable[[], Any]] = {
        name: partial(lambda p, f: statistics(Asked(p, Scope(), f)), *given) for name, given in asked.items()
    }
    work["bare"] = partial(_counted, cursor)
    took = dict.fromkeys(work, float("inf"))
    for again in range(TIMES + 1):
        for name, do in work.items():  # in turns, so that the machine's drift cancels; the first time warms up
            began = time.perf_counter()
            do()
            took[name] = min(took[name], time.perf_counter() - began) if again else took[name]
    rate, bare = RECORDS / took[f"the city, {YEARS} years"], RECORDS / took["bare"]
    return [
        *(Result(f"statistics of {name}", took[name], "s") for name in asked),
        Result(f"its records of {YEARS} years", rate, "rows/s", "bare count by month", bare),
    ]


def _counted(cursor: Any) -> None:
    """What any exact count of these rows costs at least: they are read and put into months, without rights or parts."""
    for table, (_mark, at, _insert, _of) in FILLED.items():
        cursor.execute(f"select date_trunc('month', {at}), count(*) from {table} group by 1")
        cursor.fetchall()


def _fill(cursor: Any, table: str, number: int) -> None:
    """Rows in the order of their time, over all features and years."""
    _mark, _at, insert, of = FILLED[table]
    rows = f"""from (select array_agg(id) as ids from {of}) f
        cross join lateral (
            select g, f.ids[1 + g %% cardinality(f.ids)] as id,
                now() - make_interval(days => 365 * %(years)s) * (1 - g / %(number)s::float8) as at
            from generate_series(1, %(number)s) g
        ) o"""
    cursor.execute(insert.format(rows=rows), {"mark": MARK, "years": YEARS, "number": number})


def _empty(cursor: Any) -> None:
    for table, (mark, *_rest) in FILLED.items():
        cursor.execute(f"delete from {table} where {mark} = %s", [MARK])
