"""Day, month and year of a sewage plant out of what its devices measured, and the summary of all plants."""

from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from layers.sewage.models import Equipment
from layers.sewage.rules import STANDARD
from services.access import gate
from services.access.principal import Principal
from services.catalog.models import Feature
from services.limits import ledger
from services.limits.ledger import Judged
from services.telemetry.devices import visible
from services.telemetry.reports import Heading, Line, Period, Report, Sheet, register
from services.telemetry.spans import ZONE, Span

FLOW, LEVEL, ENERGY = "w00000", "level", "energy"
QUALITY = ("w01018", "w21003", "w21001", "w21011")
"""COD, ammonia, nitrogen, phosphorus: concentrations with a load."""
PLAIN = ("w01001", "w01010", LEVEL)
NAMES = {
    "w01018": gettext_lazy("化学需氧量"), "w21003": gettext_lazy("氨氮"), "w21001": gettext_lazy("总氮"),
    "w21011": gettext_lazy("总磷"), "w01001": gettext_lazy("pH值"), "w01010": gettext_lazy("水温"),
    LEVEL: gettext_lazy("液位"),
}  # fmt: skip
DIGITS = {"w01018": 1, "w21003": 2, "w21001": 2, "w21011": 3, "w01001": 2, "w01010": 1, LEVEL: 2}
UNITS = {"w01001": "", "w01010": "℃", LEVEL: "m"}
PARTS = {"day": ("hour", "%H:00"), "month": ("day", "%m-%d"), "year": ("month", "%Y-%m")}
"""Kind of report → what a row of it is, and how that is written."""


class Part(NamedTuple):
    """One factor over a part of the time; the mean is weighted by flow where there is flow, the load in kg."""

    mean: float | None
    low: float | None
    high: float | None
    volume: float | None
    load: float | None
    total: float | None


@register
class PlantReport(Report):
    """A plant's water, quality, loads, level and energy by hour, day or month, with extremes, means and totals."""

    key = "sewage-plant"
    layer = "sewage_plants"
    title = gettext_lazy("污水处理厂运行报表")
    about = gettext_lazy("流量、水质、负荷、液位和用电的日报、月报和年报。")
    kinds = ("day", "month", "year")
    of_feature = True

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        if feature is None:
            return Sheet([], [])
        part, written = PARTS[time.kind]
        parts = _parts(principal, [feature.pk], time, part)
        whole = next(iter(_parts(principal, [feature.pk], time, time.kind).values()), {})
        headings = [
            Heading(_("时间")), Heading(_("处理水量"), "m³", 0), Heading(_("平均流量"), "m³/h", 1),
            *(each for code in QUALITY for each in (
                Heading(str(NAMES[code]), "mg/L", DIGITS[code]), Heading(_("%s负荷") % NAMES[code], "kg", 1))),
            *(Heading(str(NAMES[code]), UNITS[code], DIGITS[code]) for code in PLAIN),
            Heading(_("用电量"), "kWh", 1), Heading(_("吨水电耗"), "kWh/m³", 3),
        ]  # fmt: skip
        lines = [
            Line([at.astimezone(ZONE).strftime(written), *_row(row)]) for (_plant, at), row in sorted(parts.items())
        ]
        notes = [
            _("浓度为按流量加权的平均值 Σ(C·Q)/ΣQ；没有流量时为算术平均。负荷 = Σ(小时浓度 × 小时水量)。"),
            _("只统计有效小时；水量取设备累计量，没有累计量时为平均流量 × 1小时。"),
            _("最大、最小为时段内逐条数据的最大、最小值；累计只对水量、负荷和用电量。"),
        ]
        return Sheet(headings, lines, _summary(whole) if whole else [], notes)


@register
class PlantSummary(Report):
    """All plants over a period: level, flow, energy, and the states of their equipment now."""

    key = "sewage-summary"
    layer = "sewage_plants"
    title = gettext_lazy("污水处理厂运行汇总表")
    about = gettext_lazy("各厂液位、流量、电能与设备运行、故障和动力情况。")
    kinds = ("day", "month", "year")

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        plants = list(gate.restrict(principal, self.of).order_by("name", "pk").values_list("pk", "name"))
        parts = {
            plant: row for (plant, _at), row in _parts(principal, [pk for pk, _n in plants], time, time.kind).items()
        }
        state = Equipment.State
        machines = {
            row["plant"]: row
            for row in Equipment.objects.filter(plant__in=[pk for pk, _name in plants]).values("plant").annotate(
                all=Count("pk"), running=Count("pk", filter=Q(state=state.RUNNING)),
                standby=Count("pk", filter=Q(state=state.STANDBY)), fault=Count("pk", filter=Q(state=state.FAULT)),
                installed=Sum("power"), used=Sum("power", filter=Q(state=state.RUNNING)),
            )
        }  # fmt: skip
        lines = []
        for pk, name in plants:
            row, own = parts.get(pk, {}), machines.get(pk, {})
            flow, energy = row.get(FLOW), row.get(ENERGY)
            level = row.get(LEVEL)
            lines.append(Line([
                name, level.mean if level else None, level.high if level else None, _hourly(flow),
                flow.volume if flow else None, energy.total if energy else None, own.get("running", 0),
                own.get("standby", 0), own.get("fault", 0), own.get("installed"), own.get("used"),
            ], ("sewage_plants", pk), marked=not row))  # fmt: skip
        headings = [
            Heading(_("污水处理厂")), Heading(_("平均液位"), "m", 2), Heading(_("最高液位"), "m", 2),
            Heading(_("平均流量"), "m³/h", 1), Heading(_("处理水量"), "m³", 0), Heading(_("用电量"), "kWh", 1),
            Heading(_("运行设备"), digits=0), Heading(_("备用设备"), digits=0), Heading(_("故障设备"), digits=0),
            Heading(_("装机功率"), "kW", 1), Heading(_("运行功率"), "kW", 1),
        ]  # fmt: skip
        sums: list[Any] = [_("合计"), None, None, None]
        for place in range(4, len(headings)):
            values = [line.cells[place] for line in lines if line.cells[place] is not None]
            sums.append(sum(values) if values else None)
        notes = [_("设备状态为当前状态；斜线表示该时段没有监测数据。")]
        return Sheet(headings, lines, [Line(sums)] if lines else [], notes)


@register
class PlantExceedances(Report):
    """The ledger of days on which a plant's effluent was over its limit."""

    key = "sewage-exceedances"
    layer = "sewage_plants"
    title = gettext_lazy("出水超标台账")
    about = gettext_lazy("出水日均值超过GB 18918相应级别限值的记录，氨氮按水温取限值。")
    kinds = ("day", "month", "year")

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        grades = dict(gate.restrict(principal, self.of).values_list("pk", "standard"))
        judged = [Judged(code, Span.DAY, STANDARD, 1440) for code in (*QUALITY, "w01017", "w01012")]
        found = ledger.exceedances(
            principal, self.of, judged, time.begins_at, time.ends_at, grade=lambda plant: grades.get(plant.pk, "")
        )
        return ledger.sheet(found, time)


def _hourly(flow: Part | None) -> float | None:
    """Mean flow in m³/h; it is stored in L/s."""
    return None if flow is None or flow.mean is None else flow.mean * 3.6


def _row(row: dict[str, Part]) -> list[float | None]:
    flow, energy = row.get(FLOW), row.get(ENERGY)
    volume, used = (flow.volume if flow else None), (energy.total if energy else None)
    cells = [volume, _hourly(flow)]
    for code in QUALITY:
        part = row.get(code)
        cells += [part.mean if part else None, part.load if part else None]
    cells += [part.mean if (part := row.get(code)) else None for code in PLAIN]
    return [*cells, used, used / volume if used is not None and volume else None]


def _summary(whole: dict[str, Part]) -> list[Line]:
    """Greatest and least reading, mean, and what adds up, of the whole time."""
    row = _row(whole)

    def extreme(name: str) -> list[float | None]:
        flow = getattr(whole.get(FLOW), name, None)
        cells: list[float | None] = [None, None if flow is None else flow * 3.6]
        for code in QUALITY:
            cells += [getattr(whole.get(code), name, None), None]
        return [*cells, *(getattr(whole.get(code), name, None) for code in PLAIN), None, None]

    adds = {0, *(3 + 2 * n for n in range(len(QUALITY))), len(row) - 2}
    return [
        Line([_("最大"), *extreme("high")]),
        Line([_("最小"), *extreme("low")]),
        Line([_("平均"), *(None if place in adds else value for place, value in enumerate(row))]),
        Line([_("累计"), *(value if place in adds else None for place, value in enumerate(row))]),
    ]


def _parts(principal: Principal, plants: list[Any], time: Period, part: str) -> dict[Any, dict[str, Part]]:
    """(Plant, begin of the part) → factor code → its values, in two queries."""
    devices = dict(visible(principal).filter(feature__in=plants).values_list("pk", "feature"))
    found: dict[Any, dict[str, Part]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, {
            "devices": list(devices), "features": list(devices.values()), "part": part, "hour": int(Span.HOUR),
            "codes": [FLOW, ENERGY, *QUALITY, *PLAIN], "begin": time.begins_at, "end": time.ends_at,
        })  # fmt: skip
        for feature, at, code, *values in cursor.fetchall():
            found.setdefault((feature, at), {})[code] = Part._make(values)
    return found


# Of several devices at a plant the one that sent a factor last is read.
_PARTS = """
with sending as (
    select distinct on (b.feature, l.factor) b.feature, l.factor, l.device, f.code
    from unnest(%(devices)s::int4[], %(features)s::uuid[]) b (device, feature)
    join telemetry_latest l on l.device = b.device
    join telemetry_factor f on f.id = l.factor and f.code = any(%(codes)s)
    order by b.feature, l.factor, l.at desc
), h as (
    select s.feature, s.code, r.at, case when r.valid then r.mean end as mean, case when r.valid then r.low end as low,
        case when r.valid then r.high end as high, r.total
    from sending s join telemetry_rollup r on r.device = s.device and r.factor = s.factor and r.span = %(hour)s
        and r.at >= %(begin)s and r.at < %(end)s
), q as (
    select feature, at, coalesce(total, mean * 3.6) as volume from h where code = 'w00000'
)
select h.feature, date_trunc(%(part)s, h.at, 'Asia/Shanghai'), h.code,
    case when h.code like 'w2%%' or h.code = 'w01018'
        then coalesce(sum(h.mean * q.volume) / nullif(sum(q.volume) filter (where h.mean is not null), 0), avg(h.mean))
        else avg(h.mean) end,
    min(h.low), max(h.high), sum(q.volume) filter (where h.code = 'w00000'),
    sum(h.mean * q.volume) filter (where h.code like 'w2%%' or h.code = 'w01018') / 1000, sum(h.total)
from h left join q on q.feature = h.feature and q.at = h.at group by 1, 2, 3"""
