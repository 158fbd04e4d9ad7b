"""Rows of an existing system as readings: stations are devices, names are factors, units are converted."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from ingest.feeds.formats import MISSING, at
from ingest.feeds.moments import BadMoment, moment
from ingest.feeds.outcome import Intake, Outcome, Rows, Shown, text_of
from ingest.protocols import boxes
from ingest.protocols.readings import Reading
from services.feeds.faults import other
from services.feeds.models import Source
from services.telemetry import devices, partitions
from services.telemetry.models import Device, Factor
from services.telemetry.spans import QUALITIES, SPANS, Quality
from services.telemetry.store import Row, Store

LONGEST = 28
"""Characters of a station's number: before it stands ours of the source."""
ADMITTED = 50
"""Unknown stations of one batch that are put on the list of devices to approve."""
FEED = Device.Protocol.FEED.value
REFUSED = {
    "clock": _("%(n)d 个值的时间超出允许范围（晚于现在5分钟以上，或早于设备的可补传天数），已隔离。"),
    "factor": _("%(n)d 个值的因子编码无法识别，已隔离。"),
    "device": _("%(n)d 个值的监测点刚刚被删除。"),
}


class Taken(NamedTuple):
    """What one row gave."""

    number: int
    station: str
    at: datetime
    readings: list[Reading]


class Measured(Intake):
    """Rows with a station, a time and values: one column a factor, or one row a value."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.zone = ZoneInfo(source.zone)
        self.factors = {external: (code, unit) for external, code, unit in self.mapping.get("factors") or []}
        self.tall = bool(self.mapping.get("factor"))
        self.good = {word.strip().lower() for word in self.mapping.get("good", "").split(",") if word.strip()}
        self._store: Store | None = None
        self._told: set[str] = set()
        """Stations of which a run has said why their rows are left out."""
        self._strangers: list[str] = []

    def write(self, rows: Rows, first: int = 1) -> Outcome:
        """Store the readings of the stations that are approved; the rows of others are refused and they wait."""
        outcome = Outcome()
        taken = list(self.read(rows, outcome, first))
        received, link = timezone.now(), partitions.raw()
        known = self._stations({each.station for each in taken}, outcome, taken)
        found: list[Row] = []
        for each in taken:
            device = known.get(each.station)
            if device is not None:
                found += [Row(device, *reading, received, False) for reading in each.readings]
        outcome.counts["values"] += len(found)
        if not found:
            return outcome
        if self._store is None or self._store.connection is not link:
            self._store = Store(link)
        stored = self._store.write(found)
        if stored.refused["device"]:
            self._store.refresh()
            stored = self._store.write(found)
        outcome.counts.update(
            new=stored.new, same=stored.same, replaced=stored.replaced, revisions=stored.revisions,
            quarantined=sum(stored.refused.values()),
        )  # fmt: skip
        for reason, number in stored.refused.items():
            outcome.doubt(0, "", REFUSED[reason], n=number)
        host = self.source.url.partition("://")[2].partition("/")[0]
        devices.heard(link, {row.device: (received, host) for row in found})
        return outcome

    def read(self, rows: Rows, outcome: Outcome, first: int = 1) -> Iterator[Taken]:
        """The readings of rows, in stored units; what is wrong goes into the outcome."""
        names = [self.mapping.get(name, "") for name in ("device", "time", "factor", "value")]
        self.require(rows, names if self.tall else names[:2])
        if not self.tall:
            self._require_factors(rows)
        for number, row in enumerate(rows, first):
            outcome.counts["rows"] += 1
            station, moment_ = self._station(number, row, outcome), self._moment(number, row, outcome)
            if not station or moment_ is None:
                continue
            try:
                found = self._readings(number, row, moment_, outcome)
            except boxes.BadBody as error:
                outcome.refuse(number, error.field, other(error))
                continue
            if found:
                yield Taken(number, station, moment_, found)

    def preview(self, rows: Rows) -> tuple[list[Shown], Outcome]:
        """The rows with local times and values in stored units."""
        outcome = Outcome()
        codes = [code for code, _unit in self.factors.values()]
        factors = {factor.code: factor for factor in Factor.objects.filter(code__in=codes)}
        taken = list(self.read(rows, outcome))
        bound = self._bound({each.station for each in taken})
        shown = []
        for each in taken:
            local = timezone.localtime(each.at)
            cells = {gettext("监测点"): each.station, gettext("监测时间"): f"{local:%Y-%m-%d %H:%M:%S}"}
            for reading in each.readings:
                factor = factors.get(reading.factor)
                cells[str(factor or reading.factor)] = _value(reading, factor)
            doubts = [str(Quality(QUALITIES[r.quality]).label) for r in each.readings if r.quality]
            state = {"active": "known", None: "new"}.get(bound.get(each.station), "waiting")
            shown.append({"number": each.number, "cells": cells, "doubts": sorted(set(doubts)), "state": state})
        return shown, outcome

    def _require_factors(self, rows: Rows) -> None:
        """A name that no row of a whole batch has was renamed; one row may leave something out."""
        gone = [external for external in self.factors if all(at(row, external) is MISSING for row in rows)]
        if gone:
            self.require(rows, gone)

    def _station(self, number: int, row: dict[str, Any], outcome: Outcome) -> str:
        path = self.mapping.get("device", "")
        station = text_of(at(row, path)) if path else str(self.mapping.get("station", ""))
        if not station:
            outcome.refuse(number, path, _("没有监测点编号。"))
        elif len(station) > LONGEST or not station.isprintable():
            outcome.refuse(number, path, _("监测点编号“%(station)s”超过28个字符或含有不可见字符。"), station=station)
            return ""
        return station

    def _moment(self, number: int, row: dict[str, Any], outcome: Outcome) -> datetime | None:
        path = self.mapping["time"]
        value = at(row, path)
        try:
            return moment(None if value is MISSING else value, self.zone)
        except BadMoment:
            outcome.refuse(number, path, _("“%(value)s”不是时间。"), value="" if value is MISSING else value)
            return None

    def _readings(self, number: int, row: dict[str, Any], when: datetime, outcome: Outcome) -> list[Reading]:
        flag = self._flag(row)
        values: dict[str, dict[str, Any]] = {}
        places: dict[str, str] = {}
        for external, said in self._said(number, row, outcome):
            code, unit = self.factors[external]
            values[code] = {"value": said, "flag": flag} | ({"unit": unit} if unit else {})
            places[code] = external
        if not values:
            return []
        record = {"time": when.isoformat(), "span": self.source.span, "values": values}
        found = boxes.readings(boxes.Body("", (("", record),), late=False), {})[0]
        for reading in found:
            if reading.quality:
                outcome.counts["doubtful"] += 1
                label = str(Quality(QUALITIES[reading.quality]).label)
                outcome.doubt(
                    number, places.get(reading.factor, reading.factor),
                    _("值“%(value)s”不参与统计：%(why)s"), value=values[reading.factor]["value"], why=label,
                )  # fmt: skip
        return found

    def _said(self, number: int, row: dict[str, Any], outcome: Outcome) -> Iterator[tuple[str, Any]]:
        """External names of factors with what the row says; a name that it leaves out was not measured."""
        if not self.tall:
            for external in self.factors:
                value = at(row, external)
                if value is not MISSING:
                    yield external, None if isinstance(value, dict | list) else value
            return
        external = text_of(at(row, self.mapping["factor"]))
        value = at(row, self.mapping["value"])
        if external in self.factors and value is not MISSING:
            yield external, None if isinstance(value, dict | list) else value
        else:
            outcome.counts["ignored"] += 1

    def _flag(self, row: dict[str, Any]) -> str:
        """The device's mark as a letter of HJ 212: N for one of the good words, else its own letter or ``?``."""
        path = self.mapping.get("flag", "")
        said = text_of(at(row, path)) if path else ""
        if not said:
            return ""
        if self.good:
            return "N" if said.lower() in self.good else (said.upper() if said.upper() in boxes.FLAGS - {"N"} else "?")
        return said

    def _bound(self, stations: set[str]) -> dict[str, str]:
        """Station → the state of its device, where there is one."""
        rows = Device.objects.filter(protocol=FEED, number__in=[self.source.number(s) for s in stations])
        return {number.partition(":")[2]: state for number, state in rows.values_list("number", "state")}

    def _stations(self, stations: set[str], outcome: Outcome, taken: list[Taken]) -> dict[str, int]:
        """Station → device, for those that are approved; unknown ones are put on the list of devices to approve."""
        rows = list(
            Device.objects.filter(protocol=FEED, number__in=[self.source.number(s) for s in stations])
            .values_list("number", "pk", "state")
        )  # fmt: skip
        known = {number.partition(":")[2]: (pk, state) for number, pk, state in rows}
        self._strangers = sorted(stations - known.keys())[:ADMITTED]
        self._admit_strangers()
        active = {station: pk for station, (pk, state) in known.items() if state == Device.State.ACTIVE}
        for each in taken:
            if each.station in active:
                continue
            outcome.refused.add(each.number)
            if each.station not in self._told:
                self._told.add(each.station)
                blocked = each.station in known and known[each.station][1] == Device.State.BLOCKED
                text = _("监测点“%(station)s”已停用。") if blocked else _(
                    "监测点“%(station)s”尚未绑定，请在设备管理中审核；绑定后可重新提取。"
                )  # fmt: skip
                outcome.doubt(each.number, self.mapping.get("device", ""), text, station=each.station)
        return active

    def taken_back(self) -> None:
        """Stations that nobody knows wait for approval: else a batch that must be right as a whole never could be."""
        with transaction.atomic():
            self._admit_strangers()

    def _admit_strangers(self) -> None:
        """Put stations on the list of devices to approve, with the rhythm that the source says."""
        span = SPANS[self.source.span]
        for station in self._strangers:
            number = self.source.number(station)
            devices.admit(partitions.raw(), FEED, number, f"feed:{self.source.pk}")
            Device.objects.filter(protocol=FEED, number=number, name="", state=Device.State.PENDING).update(
                name=f"{self.source.name} {station}"[:100], interval=self.source.spacing,
                base=span if span <= Device.Base.HOUR else Device.Base.HOUR,
                minute_span=min(60, max(1, self.source.spacing // 60)),
            )  # fmt: skip


def _value(reading: Reading, factor: Factor | None) -> str:
    if reading.value is None:
        return "—"
    digits = factor.digits if factor is not None else 2
    return f"{reading.value:.{digits}f} {factor.unit if factor is not None else ''}".strip()
