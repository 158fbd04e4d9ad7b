"""The time that a page shows: a length up to now, or a begin and an end in China's time, from its address."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.access.errors import Invalid
from services.telemetry.spans import ZONE

RANGES: Mapping[str, tuple[object, timedelta]] = {
    "1h": (gettext_lazy("1小时"), timedelta(hours=1)),
    "24h": (gettext_lazy("24小时"), timedelta(hours=24)),
    "7d": (gettext_lazy("7天"), timedelta(days=7)),
    "30d": (gettext_lazy("30天"), timedelta(days=30)),
    "1y": (gettext_lazy("1年"), timedelta(days=365)),
}
LONGEST = timedelta(days=3660)


class Period(NamedTuple):
    """A time, its name in RANGES where it ends now, and both ends as the page's fields hold them."""

    begin: datetime
    end: datetime
    name: str

    @property
    def written(self) -> tuple[str, str]:
        return tuple(f"{each.astimezone(ZONE):%Y-%m-%dT%H:%M}" for each in (self.begin, self.end))  # type: ignore[return-value]

    def ranges(self, *names: str) -> list[tuple[str, object, bool]]:
        """Lengths to choose from, as (name, label, whether it is this one)."""
        return [(name, RANGES[name][0], name == self.name) for name in names or RANGES]


def period(query: QueryDict, usual: str, now: datetime | None = None) -> Period:
    """``from`` and ``to`` where they are given, else ``range``, else the usual length; Invalid for what is none."""
    now = now or timezone.now()
    if query.get("from") or query.get("to"):
        begin, end = _moment(query, "from", last=False), _moment(query, "to", last=True) or now
        if begin is None:
            raise Invalid(_("请填写开始时间。"), {"from": [_("必填")]})
        if begin >= end:
            raise Invalid(_("结束时间应晚于开始时间。"), {"to": [_("应晚于开始时间。")]})
        if end - begin > LONGEST:
            raise Invalid(_("时间范围过长，请缩短时间范围。"), {"to": [_("最长10年。")]})
        return Period(begin, end, "")
    name = query.get("range", usual)
    if name not in RANGES:
        raise Invalid(_("没有这个时间范围。"), {"range": [", ".join(RANGES)]})
    return Period(now - RANGES[name][1], now, name)


def day_of(text: str, name: str) -> date | None:
    """A day of an address, None where there is none; Invalid for what is no day."""
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not 1990 <= found.year <= 2200:
        raise Invalid(_("时间格式有误。"), {name: [_("格式：2026-01-31")]})
    return found


def _moment(query: QueryDict, name: str, *, last: bool) -> datetime | None:
    """A moment, or a day: its begin, and for an end the begin of the day after it."""
    text = query.get(name, "")
    if not text:
        return None
    found: datetime | date | None
    try:
        found = parse_date(text) if len(text) == 10 else parse_datetime(text)
    except ValueError:
        found = None
    if found is None:
        raise Invalid(_("时间格式有误。"), {name: [_("格式：2026-01-31 或 2026-01-31T08:00")]})
    if not isinstance(found, datetime):
        begin = datetime(found.year, found.month, found.day, tzinfo=ZONE)
        return begin + timedelta(days=1) if last else begin
    return found if found.tzinfo else found.replace(tzinfo=ZONE)
