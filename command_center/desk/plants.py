"""A sewage plant at work: its process as a picture, both ends compared, curves, and its machines."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from command_center.desk import curves, figures
from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.times import Period, period
from layers.sewage.models import Equipment, Inlet, SewagePlant
from layers.sewage.reports import DIGITS, ENERGY, LEVEL, NAMES, QUALITY, ends, measured, notes
from layers.sewage.rules import COLD, DAY, FLOW, FULL, STANDARD, TEMPERATURE, Both, Part
from services.access import gate
from services.access.errors import Invalid, NotFound
from services.access.principal import Principal
from services.alarms.actions import episodes
from services.alarms.listing import UNFINISHED
from services.catalog.layer import registry
from services.limits.rows import Limit, limit_at
from services.limits.tables import limits
from services.telemetry import machines, states
from services.telemetry.devices import visible
from services.telemetry.history import history
from services.telemetry.machines import Spell, Work
from services.telemetry.models import Device
from services.telemetry.reports import readable
from services.telemetry.spans import ZONE, Span

RANGES = {"1h": "hour", "24h": "hour", "7d": "hour", "30d": "day", "1y": "month"}
"""Length of time → what a point of the comparison is."""
SPANS = {"1h": None, "24h": Span.HOUR, "7d": Span.HOUR, "30d": Span.DAY, "1y": Span.MONTH}
"""Length of time → what a point of a curve is; None for readings."""
FIELDS = {"w01018": "cod", "w21003": "ammonia", "w21001": "nitrogen", "w21011": "phosphorus", "w01001": "ph"}
NEAR = 0.9
"""Share of a limit from which a value is near it."""
STRIP = timedelta(hours=24)
KINDS = {
    states.STOPPED: "standby", states.RUNNING: "running", states.CALIBRATING: "repair",
    states.MAINTAINED: "repair", states.FAILED: "fault", states.FLUSHING: "running",
}  # fmt: skip


class Held(NamedTuple):
    """A value of the effluent beside its limit; ``share`` of the limit in whole per cent."""

    label: str
    value: float | None
    digits: int
    unit: str
    limit: str
    share: int
    kind: str


class Machine(NamedTuple):
    """A machine with what it did in the time, and its last day as a line of pieces (left, width, kind, label)."""

    row: Equipment
    work: Work
    strip: list[tuple[str, str, str, str]]

    @property
    def hours(self) -> tuple[float, float]:
        """Of running and of faults."""
        return self.work.running / 3600, self.work.fault / 3600

    @property
    def available(self) -> float | None:
        """In per cent."""
        share = self.work.available
        return None if share is None else 100 * share


@signed_in
def page(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The page, or the part of it that htmx asks for again: what is now, or what was over ``range`` of ``factor``."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    if layer.model is not SewagePlant:
        raise NotFound(_("这个图层没有运行监视画面。"))
    plant = gate.fetch(principal, layer, pk)
    assert isinstance(plant, SewagePlant)
    time = period(request.GET, "24h")
    if time.name not in RANGES:
        raise Invalid(_("没有这个时间范围。"), {"range": [", ".join(RANGES)]})
    code = request.GET.get("factor", QUALITY[0])
    if code not in QUALITY:
        raise Invalid(_("没有因子%s。") % code, {"factor": [", ".join(QUALITY)]})
    context: dict[str, Any] = {
        "layer": layer, "plant": plant, "now": timezone.now(),
        "state_color": figures.state_colors(layer).get(plant.state),
    }  # fmt: skip
    if fragment(request, "process-now"):
        return render(request, "desk/process_now.html", context | _now(principal, plant))
    then = {
        "ranges": time.ranges(*RANGES), "factor": code, "factors": [(each, NAMES[each]) for each in QUALITY],
        **_then(principal, plant, time, code),
    }  # fmt: skip
    if fragment(request, "process-then"):
        return render(request, "desk/process_then.html", context | then)
    reports = [report for report in readable(principal) if report.layer == layer.key]
    return render(request, "desk/process.html", context | then | _now(principal, plant) | {"reports": reports})


def _now(principal: Principal, plant: SewagePlant) -> dict[str, Any]:
    """What the devices say now, and what has come together today."""
    now = timezone.now()
    midnight = now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    inlets = list(gate.restrict(principal, registry.by_key["inlets"]).filter(plant=plant.pk).order_by("code"))
    rows = list(Equipment.objects.filter(plant=plant.pk))
    today = measured(principal, [plant.pk], midnight, now, None).get((plant.pk, midnight), {})
    flow, used = today.get(FLOW), today.get(ENERGY)
    volume = flow.volume if flow else None
    energy = used.total if used else None
    stages = [(stage, stage.label, [row for row in rows if row.stage == stage]) for stage in Equipment.Stage]
    devices = visible(principal).filter(feature__in=[plant.pk, *(inlet.pk for inlet in inlets)])
    online = devices.filter(state=Device.State.ACTIVE, presence__online=True).count()
    return {
        "inlets": [(inlet, _values(inlet)) for inlet in inlets], "effluent": _held(plant, now),
        "stages": {stage.value: (label, some) for stage, label, some in stages},
        "fill": None if plant.level is None else round(100 * min(1.0, max(0.0, plant.level / FULL))),
        "volume": volume, "energy": energy, "per": energy / volume if energy is not None and volume else None,
        "load": 100 * volume / plant.capacity if volume is not None and plant.capacity else None,
        "running": sum(row.state == Equipment.State.RUNNING for row in rows), "machines_all": len(rows),
        "failed": sum(row.state == Equipment.State.FAULT for row in rows),
        "devices": devices.count(), "online": online,
        "alarms": episodes(principal).filter(feature=plant.pk, state__in=UNFINISHED).count(),
        "cold": plant.temperature is not None and plant.temperature <= COLD,
    }  # fmt: skip


def _values(inlet: Inlet) -> list[tuple[Any, float | None, int, str]]:
    """Label, value, digits and unit of what is measured at an inlet."""
    return [
        (NAMES[code], getattr(inlet, field), DIGITS[code], "" if field == "ph" else "mg/L")
        for code, field in FIELDS.items()
    ]


def _held(plant: SewagePlant, now: datetime) -> list[Held]:
    """The effluent beside the limits of daily means: a reading over one is no exceedance yet, but soon will be."""
    rows = limits(STANDARD)
    given = {} if plant.temperature is None else {TEMPERATURE: plant.temperature}
    found = []
    for code, field in FIELDS.items():
        value = getattr(plant, field)
        limit = limit_at(rows, code, now, minutes=DAY, grade=plant.standard, given=given)
        found.append(_beside(code, "" if field == "ph" else "mg/L", value, limit))
    return found


def _beside(code: str, unit: str, value: float | None, limit: Limit | None) -> Held:
    label, digits = str(NAMES[code]), DIGITS[code]
    if value is None or limit is None or limit.value is None:
        text = f"{limit.value:g}" if limit and limit.value is not None else "—"
        return Held(label, value, digits, unit, text, 0, "none")
    if limit.low is not None:
        kind = "bad" if limit.exceeded(value) else "ok"
        share = round(100 * (value - limit.low) / (limit.value - limit.low))
        return Held(label, value, digits, unit, f"{limit.low:g}–{limit.value:g}", min(100, max(0, share)), kind)
    share = value / limit.value
    kind = "bad" if limit.exceeded(value) else "warn" if share >= NEAR else "ok"
    return Held(label, value, digits, unit, f"{limit.value:g}", min(100, round(100 * share)), kind)


def _then(principal: Principal, plant: SewagePlant, time: Period, code: str) -> dict[str, Any]:
    """Both ends, curves and machines over a time."""
    part = RANGES[time.name]
    begin = _begin(time.begin, part)
    inlets = list(
        gate.restrict(principal, registry.by_key["inlets"]).filter(plant=plant.pk).values_list("pk", flat=True)
    )
    rows = ends(principal, plant, begin, time.end, part)
    whole = next(iter(ends(principal, plant, begin, time.end, "").values()), {})
    held = {} if plant.temperature is None else {TEMPERATURE: plant.temperature}
    table = limits(STANDARD)
    allowed = {
        each: (each in whole and whole[each].limit)
        or limit_at(table, each, time.end, minutes=DAY, grade=plant.standard, given=held)
        for each in QUALITY
    }
    parts = measured(principal, [plant.pk], begin, time.end, part)
    work = machines.works([plant.pk], begin, time.end)
    begin_strip = time.end - STRIP
    spells = machines.spells(plant.pk, begin_strip, time.end)
    return {
        "time": time,
        "both": [(NAMES[each], DIGITS[each], each == code, whole.get(each), allowed[each]) for each in QUALITY],
        "any_both": bool(whole), "notes": notes(),
        "compared": json.dumps(_compared(rows, code, allowed[code] or None), ensure_ascii=False) if rows else "",
        "charts": [
            json.dumps(chart, ensure_ascii=False) for chart in _charts(principal, plant, inlets, time, parts)
        ],
        "machines": [
            Machine(row, work.get((plant.pk, row.signal), Work()), _strip(spells.get(row.signal, ()), begin_strip))
            for row in Equipment.objects.filter(plant=plant.pk)
        ],
    }  # fmt: skip


def _begin(at: datetime, part: str) -> datetime:
    """The begin of the hour, day or month in China in which a moment lies: parts are shown whole."""
    local = at.astimezone(ZONE).replace(minute=0, second=0, microsecond=0)
    if part == "hour":
        return local
    return local.replace(hour=0) if part == "day" else local.replace(hour=0, day=1)


def _compared(rows: Mapping[datetime, Mapping[str, Both]], code: str, limit: Limit | None) -> dict[str, Any]:
    lines = (("entering", _("进水")), ("leaving", _("出水")))
    return {
        "unit": "mg/L", "limit": limit.value if limit else None, "limitName": _("出水限值"),
        "series": [
            {"name": name, "digits": DIGITS[code], "points": [
                (curves.milliseconds(at), _rounded(getattr(row[code], end), DIGITS[code]))
                for at, row in rows.items() if code in row
            ]}
            for end, name in lines
        ],
    }  # fmt: skip


def _charts(
    principal: Principal, plant: SewagePlant, inlets: Iterable[UUID], time: Period,
    parts: Mapping[tuple[UUID, datetime], Mapping[str, Part]],
) -> list[dict[str, Any]]:  # fmt: skip
    """Flow at both ends, level, and the energy of each part of the time; what nobody measures is left out."""
    flows = [(_("进水流量"), inlet) for inlet in inlets] + [(_("出水流量"), plant.pk)]
    energy = [(at, row[ENERGY].total) for (_feature, at), row in sorted(parts.items()) if ENERGY in row]
    bars = {
        "unit": "kWh", "kind": "bar",
        "series": [{"name": _("用电量"), "digits": 1, "points": [
            (curves.milliseconds(at), _rounded(total, 1)) for at, total in energy]}],
    }  # fmt: skip
    found = [
        {"unit": "m³/h", "series": [
            line for name, feature in flows for line in _lines(principal, feature, FLOW, time, name, 3.6, 1)]},
        {"unit": "m", "series": _lines(principal, plant.pk, LEVEL, time, _("液位"), 1.0, 2)},
        {"unit": "kW", "series": _lines(principal, plant.pk, "power", time, _("用电功率"), 1.0, 1)},
        bars if energy else {"series": []},
    ]  # fmt: skip
    return [chart for chart in found if chart["series"]]


def _lines(
    principal: Principal, feature: UUID, code: str, time: Period, name: str, scale: float, digits: int
) -> list[dict[str, Any]]:
    try:
        found = history(
            principal, feature, [code], _begin(time.begin, RANGES[time.name]), time.end, span=SPANS[time.name]
        )
    except NotFound:
        return []
    return [
        {"name": name, "digits": digits, "points": [
            (at, None if value is None else _rounded(value * scale, digits)) for at, value in curves.points(curve)]}
        for curve in found
    ]  # fmt: skip


def _strip(spells: Iterable[Spell], begin: datetime) -> list[tuple[str, str, str, str]]:
    """The pieces of a line of STRIP's length, in per cent of it."""
    labels = dict(Equipment.State.choices)
    found = []
    for spell in spells:
        left, right = ((at - begin) / STRIP * 100 for at in (spell.begin, spell.end))
        kind = KINDS[spell.state]
        when = " – ".join(f"{at.astimezone(ZONE):%H:%M}" for at in (spell.begin, spell.end))
        found.append((f"{left:.3f}", f"{max(0.15, right - left):.3f}", kind, f"{labels[kind]} {when}"))
    return found


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
