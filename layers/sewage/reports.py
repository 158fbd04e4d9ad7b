"""Reports of sewage plants out of what their devices measured: operation, both ends, machines, all plants, ledger."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from layers.sewage.models import Equipment, SewagePlant
from layers.sewage.rules import DAY, FLOW, STANDARD, TEMPERATURE, Both, Part, mixed, within
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import registry
from services.catalog.models import Feature, FeatureIndex
from services.limits.ledger import Judged, Ledger
from services.limits.rows import Limit, limit_at
from services.limits.tables import limits
from services.telemetry import machines
from services.telemetry.devices import visible
from services.telemetry.reports import Heading, Line, Period, Report, Sheet, register
from services.telemetry.spans import ZONE, Span

LEVEL, ENERGY = "level", "energy"
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
KINDS = ("day", "month", "year")
PARTS = {"day": ("hour", "%H:00"), "month": ("day", "%m-%d"), "year": ("month", "%Y-%m")}
"""Kind of report → what a row of it is, and how that is written."""
LEAST_HOURS = 20
"""Valid hours of a day that is judged."""
LEAST_KNOWN = 0.75
"""Share of the time of which a machine's states must be known, or its line is marked."""


class Declared(Report):
    """What the reports of plants have in common."""

    layer = "sewage_plants"
    kinds = KINDS
    free = True


@register
class PlantReport(Declared):
    """A plant's water, quality, loads, level and energy by hour, day or month, with extremes, means and totals."""

    key = "sewage-plant"
    title = gettext_lazy("污水处理厂运行报表")
    about = gettext_lazy("流量、水质、负荷、液位和用电的日报、月报、年报和自选时段报表。")
    of_feature = True

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        if feature is None:
            return Sheet([], [])
        part, written = _rows_of(time)
        parts = measured(principal, [feature.pk], time.begins_at, time.ends_at, part)
        whole = whole_of(principal, [feature.pk], time.begins_at, time.ends_at).get(feature.pk, {})
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
class PlantSummary(Declared):
    """All plants over a period: level, flow, energy, and the states of their equipment now."""

    key = "sewage-summary"
    title = gettext_lazy("污水处理厂运行汇总表")
    about = gettext_lazy("各厂液位、流量、电能与设备运行、故障和动力情况。")

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        plants = list(gate.restrict(principal, self.of).order_by("name", "pk").values_list("pk", "name"))
        parts = whole_of(principal, [pk for pk, _name in plants], time.begins_at, time.ends_at)
        state = Equipment.State
        equipment = {
            row["plant"]: row
            for row in Equipment.objects.filter(plant__in=[pk for pk, _name in plants]).values("plant").annotate(
                all=Count("pk"), running=Count("pk", filter=Q(state=state.RUNNING)),
                standby=Count("pk", filter=Q(state=state.STANDBY)), fault=Count("pk", filter=Q(state=state.FAULT)),
                installed=Sum("power"), used=Sum("power", filter=Q(state=state.RUNNING)),
            )
        }  # fmt: skip
        lines = []
        for pk, name in plants:
            row, own = parts.get(pk, {}), equipment.get(pk, {})
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
class PlantExceedances(Declared, Ledger):
    """The ledger of days on which a plant's effluent was over its limit."""

    key = "sewage-exceedances"
    title = gettext_lazy("出水超标台账")
    about = gettext_lazy("出水日均值超过GB 18918相应级别限值的记录，氨氮按水温取限值。")
    judged = tuple(Judged(code, Span.DAY, STANDARD, 1440) for code in (*QUALITY, "w01017", "w01012"))

    def grade(self, principal: Principal) -> Callable[[FeatureIndex], str]:
        grades = dict(gate.restrict(principal, self.of).values_list("pk", "standard"))
        return lambda plant: grades.get(plant.pk, "")


@register
class EndsReport(Declared):
    """Inlet and outlet of a plant side by side: concentrations, removal, loads, and the outlet held to its limits."""

    key = "sewage-ends"
    title = gettext_lazy("进出水对比报表")
    about = gettext_lazy("进水、出水浓度与去除率，按流量计算的负荷与削减量，出水逐日达标情况。")
    of_feature = True

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        if not isinstance(feature, SewagePlant):
            return Sheet([], [])
        part, written = _rows_of(time)
        lines = [
            Line([at.astimezone(ZONE).strftime(written), *_compared(code, both)])
            for at, row in sorted(ends(principal, feature, time.begins_at, time.ends_at, part).items())
            for code, both in row.items()
        ]
        whole = ends(principal, feature, time.begins_at, time.ends_at, "").get(time.begins_at, {})
        headings = [
            Heading(_("时间")), Heading(_("污染物")),
            Heading(_("进水浓度"), "mg/L", 2), Heading(_("出水浓度"), "mg/L", 3),
            Heading(_("去除率"), "%", 1), Heading(_("进水负荷"), "kg", 1), Heading(_("出水负荷"), "kg", 2),
            Heading(_("削减量"), "kg", 1), Heading(_("出水限值"), "mg/L"), Heading(_("达标天数"), "d"),
        ]  # fmt: skip
        return Sheet(
            headings, lines, [Line([_("全时段"), *_compared(code, both)]) for code, both in whole.items()], notes()
        )


@register
class EquipmentReport(Declared):
    """What each machine of a plant did over a period: hours by state, starts, faults, availability."""

    key = "sewage-equipment"
    title = gettext_lazy("设备运行情况报表")
    about = gettext_lazy("各设备运行、待机、检修、故障时间，启动与故障次数，可用率和利用率。")
    of_feature = True

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        if feature is None:
            return Sheet([], [])
        passed = max(0.0, (min(time.ends_at, timezone.now()) - time.begins_at).total_seconds())
        works = machines.works([feature.pk], time.begins_at, time.ends_at)
        lines, done = [], []
        for machine in Equipment.objects.filter(plant=feature.pk):
            work = works.get((feature.pk, machine.signal), machines.Work())
            done.append(work)
            known = min(1.0, work.known / passed) if passed else 0.0
            lines.append(Line([
                machine.number, machine.title, machine.signal or "—", machine.power, *_work(work), 100 * known,
                machine.get_state_display(),
            ], marked=known < LEAST_KNOWN))  # fmt: skip
        headings = [
            Heading(pgettext("equipment", "设备编号")), Heading(_("设备名称")), Heading(_("状态信号")),
            Heading(_("功率"), "kW", 1),
            Heading(_("运行时间"), "h", 1), Heading(_("待机时间"), "h", 1), Heading(_("检修时间"), "h", 1),
            Heading(_("故障时间"), "h", 1), Heading(_("启动次数"), digits=0), Heading(_("故障次数"), digits=0),
            Heading(_("可用率"), "%", 1), Heading(_("利用率"), "%", 1), Heading(_("平均故障间隔"), "h", 1),
            Heading(_("数据覆盖"), "%", 1), Heading(_("当前状态")),
        ]  # fmt: skip
        everything = machines.together(done)
        summary = [Line([_("合计"), None, None, None, *_work(everything), None, None])] if everything.known else []
        remarks = [
            _("状态来自数采仪（HJ 212 设备状态 RS）：1、5为运行，0为待机，2、3为检修，4为故障。"),
            _("可用率 =（运行 + 待机）÷（运行 + 待机 + 检修 + 故障）；利用率 = 运行 ÷ 同一分母。"),
            _("平均故障间隔 = 运行时间 ÷ 故障次数。"),
            _("状态保持到下一次上报，最长15分钟；更久没有上报的时间不计入任何一项，由数据覆盖反映。"),
            _("数据覆盖不足%(share)d%%的设备以斜线标出。") % {"share": 100 * LEAST_KNOWN},
        ]
        return Sheet(headings, lines, summary, remarks)


def ends(
    principal: Principal, plant: SewagePlant, begin: datetime, end: datetime, part: str
) -> dict[datetime, dict[str, Both]]:
    """Begin of each part (``hour``, ``day``, ``month``; of the whole time where empty) → factor → both ends.

    Several inlets are one mixture. Where nobody measures what flows in, it is what flows out.
    """
    rows = gate.restrict(principal, registry.by_key["inlets"]).filter(plant=plant.pk)
    inlets = list(rows.values_list("pk", flat=True))
    features = [plant.pk, *inlets]
    days = _judged(principal, plant, begin, end)
    found: dict[datetime, dict[str, Both]] = {}
    parts = measured(principal, features, begin, end, part or None)
    for at in sorted({at for _feature, at in parts}):
        out = parts.get((plant.pk, at), {})
        entering = [row for inlet in inlets if (row := parts.get((inlet, at)))]
        volume = out[FLOW].volume if FLOW in out else None
        for code in QUALITY:
            influent, load = mixed(entering, code, volume)
            leaving = out.get(code)
            if influent is None and (leaving is None or leaving.mean is None):
                continue
            own = [each for day, each in days.get(code, {}).items() if within(day, at, part)]
            found.setdefault(at, {})[code] = Both(
                influent, leaving.mean if leaving else None, load, leaving.load if leaving else None, len(own),
                sum(not limit.exceeded(value) for value, limit in own), own[-1][1] if own else None,
            )  # fmt: skip
    return found


def notes() -> list[str]:
    """How both ends are compared."""
    return [
        _("去除率 η =（C进 − C出）÷ C进 × 100%；浓度为按流量加权的平均值 Σ(C·Q)/ΣQ。"),
        _("负荷 = Σ(小时浓度 × 小时水量)；削减量 = 进水负荷 − 出水负荷；进水没有流量计时以出水水量计算。"),
        _("达标按GB 18918-2002表1的日均值判定：只判有效小时不少于20个的日子，水温不高于12 ℃时氨氮取括号内限值。"),
    ]


def _judged(
    principal: Principal, plant: SewagePlant, begin: datetime, end: datetime
) -> dict[str, dict[date, tuple[float, Limit]]]:
    """Factor → day → daily mean of the outlet and the limit of that day, in the order of days."""
    rows = limits(STANDARD)
    found: dict[str, dict[date, tuple[float, Limit]]] = {code: {} for code in QUALITY}
    for (_plant, at), row in sorted(measured(principal, [plant.pk], begin, end, "day").items()):
        water = row.get(TEMPERATURE)
        given = {} if water is None or water.mean is None else {TEMPERATURE: water.mean}
        for code in QUALITY:
            part = row.get(code)
            limit = limit_at(rows, code, at + timedelta(hours=12), minutes=DAY, grade=plant.standard, given=given)
            if part is not None and part.mean is not None and part.hours >= LEAST_HOURS and limit is not None:
                found[code][at.astimezone(ZONE).date()] = part.mean, limit
    return found


def _compared(code: str, both: Both) -> list[Any]:
    return [
        str(NAMES[code]), both.entering, both.leaving, both.removal_percent, both.load_in, both.load_out, both.removed,
        f"{both.limit.value:g}" if both.limit else "—", f"{both.kept} / {both.judged}" if both.judged else "—",
    ]  # fmt: skip


def _work(work: machines.Work) -> list[Any]:
    shares = [None if share is None else 100 * share for share in (work.available, work.used)]
    between = work.between_faults
    hours = [seconds / 3600 for seconds in (work.running, work.idle, work.service, work.fault)]
    if not work.known:
        return [None] * 9
    return [*hours, work.starts, work.faults, *shares, None if between is None else between / 3600]


def _rows_of(time: Period) -> tuple[str, str]:
    """What a row of a report over a time is, and how it is written."""
    if time.kind in PARTS:
        return PARTS[time.kind]
    days = (time.end - time.first).days
    return ("hour", "%m-%d %H:00") if days <= 2 else ("day", "%Y-%m-%d") if days <= 92 else ("month", "%Y-%m")


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


def measured(
    principal: Principal, plants: list[Any], begin: datetime, end: datetime, part: str | None
) -> dict[tuple[Any, datetime], dict[str, Part]]:
    """(Feature, begin of the part) → factor code → its values, in two queries."""
    devices = dict(visible(principal).filter(feature__in=plants).values_list("pk", "feature"))
    found: dict[tuple[Any, datetime], dict[str, Part]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, {
            "devices": list(devices), "features": list(devices.values()), "part": part, "hour": int(Span.HOUR),
            "codes": [FLOW, ENERGY, *QUALITY, *PLAIN], "begin": begin, "end": end,
        })  # fmt: skip
        for feature, at, code, *values in cursor.fetchall():
            found.setdefault((feature, at), {})[code] = Part._make(values)
    return found


def whole_of(principal: Principal, plants: list[Any], begin: datetime, end: datetime) -> dict[Any, dict[str, Part]]:
    """Feature → factor code → its values over the whole time."""
    return {feature: row for (feature, _at), row in measured(principal, plants, begin, end, None).items()}


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
select h.feature, coalesce(date_trunc(%(part)s, h.at, 'Asia/Shanghai'), %(begin)s), h.code,
    case when h.code like 'w2%%' or h.code = 'w01018'
        then coalesce(sum(h.mean * q.volume) / nullif(sum(q.volume) filter (where h.mean is not null), 0), avg(h.mean))
        else avg(h.mean) end,
    min(h.low), max(h.high), sum(q.volume) filter (where h.code = 'w00000'),
    sum(h.mean * q.volume) filter (where h.code like 'w2%%' or h.code = 'w01018') / 1000, sum(h.total),
    count(h.mean)::int
from h left join q on q.feature = h.feature and q.at = h.at group by 1, 2, 3"""
