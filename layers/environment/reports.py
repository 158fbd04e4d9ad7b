"""The weekly dust ranking of sites, the ledger of exceedances, how units answer orders to remedy them,
and what stands in areas under control."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Min
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from layers.environment import flows
from layers.environment.models import Monitor, RemediationOrder
from layers.environment.rules import DUST_SCORE, GOOD_PM10, PM10, PM25, TSP, dust_score, good_pm10
from services.access import gate
from services.access.principal import Principal
from services.alarms import actions as alarms
from services.alarms.listing import UNFINISHED
from services.alarms.models import Episode
from services.catalog.layer import registry
from services.catalog.models import Feature, FeatureIndex
from services.indicators.declared import Declared
from services.indicators.models import Indicator
from services.indicators.numbers import Number
from services.limits.ledger import Judged, Ledger
from services.limits.statistics import statistics
from services.telemetry.models import Presence
from services.telemetry.reports import Heading, Line, Period, Report, Sheet, register
from services.telemetry.spans import Span

FRESH = "2 hours"
"""How old a value may be that counts as the air of now."""
CLASS = "2"
"""Of GB 3095: where people live and work."""
PARTICLES = {PM10: "pm10", PM25: "pm25", TSP: "tsp"}
"""Dust by its codes, and the columns that show it."""
JUDGED = (
    *(Judged(code, Span.DAY, "GB 3095", 1440) for code in ("a34002", "a34004", "a21026", "a21004", "a21005")),
    *(Judged(code, Span.HOUR, "GB 3095", 60) for code in ("a21026", "a21004", "a21005", "a05024")),
    Judged("a34002", Span.HOUR, "DB13/2934", 60),
    Judged("a34001", Span.HOUR, "DB61/1078", 60),
    Judged("LA", Span.DAYTIME, "GB 12523", 20),
    Judged("LA", Span.NIGHT, "GB 12523", 20),
)


@register
class DustRanking(Report):
    """Sites ranked by the dust of their monitors in a week, best first, with the parts of the score."""

    key = "dust-ranking"
    layer = "monitors"
    title = gettext_lazy("工地扬尘周排名")
    about = gettext_lazy("每周按各工地监测点的PM10小时均值评分，分数高者在前。")
    kinds = ("week",)
    looks_back = True

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        now, before = _scored(principal, time), _scored(principal, time.before)
        earlier = {site: place for place, site in enumerate(before, 1)}
        lines = []
        for place, (site, row) in enumerate(now.items(), 1):
            change = earlier[site] - place if site in earlier else None
            lines.append(Line(
                [place, row["name"], _moved(change), row["points"], row["mean"], row["over"], row["share"] * 100,
                 *row["score"], sum(row["score"])],
                (row["layer"], site), marked=row["share"] < DUST_SCORE.enough,
            ))  # fmt: skip
        headings = [
            Heading(_("名次"), digits=0), Heading(_("工地")), Heading(_("比上周")), Heading(_("监测点数"), digits=0),
            Heading(_("PM10均值"), "µg/m³", 0), Heading(_("超标小时"), "h", 0), Heading(_("有效率"), "%", 1),
            Heading(_("浓度分"), digits=1), Heading(_("超标分"), digits=1), Heading(_("数据分"), digits=1),
            Heading(_("总分"), digits=1),
        ]  # fmt: skip
        return Sheet(headings, lines, notes=_notes(time))


@register
class DustStatistics(Report):
    """What each monitor measured of dust over a time, with its extremes and the hours over the limit."""

    key = "dust-statistics"
    layer = "monitors"
    title = gettext_lazy("扬尘监测统计")
    about = gettext_lazy("各监测点PM10、PM2.5、TSP的有效数、最小、最大、平均、百分位、昼夜均值和超标小时。")
    kinds = ("day", "week", "month")
    free = True

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        sites = site_names(principal)
        lines = []
        for code in PARTICLES:
            name = str(registry.by_key["monitors"].field[PARTICLES[code]].label)
            for each in statistics(principal, self.of, code, time.begins_at, time.ends_at, CLASS):
                lines.append(Line([
                    sites.get(each.feature.pk, "—"), each.feature.title, name, each.readings, each.expected, each.hours,
                    None if each.share is None else 100 * each.share, each.least, each.greatest, each.mean,
                    each.percentile, each.by_day, each.by_night, each.over, each.limit,
                ], (each.feature.layer, each.feature.pk), marked=(each.share or 0.0) < DUST_SCORE.enough))  # fmt: skip
        lines.sort(key=lambda line: (line.cells[0] == "—", line.cells[:2]))
        unit = "µg/m³"
        headings = [
            Heading(_("工地")), Heading(_("监测点")), Heading(_("监测因子")), Heading(_("有效数据"), digits=0),
            Heading(_("应有数据"), digits=0), Heading(_("有效小时"), "h", 0), Heading(_("有效率"), "%", 1),
            Heading(_("最小"), unit, 0), Heading(_("最大"), unit, 0), Heading(_("平均"), unit, 1),
            Heading(_("95百分位"), unit, 1), Heading(_("昼间均值"), unit, 1), Heading(_("夜间均值"), unit, 1),
            Heading(_("超标小时"), "h", 0), Heading(_("限值"), unit, 0),
        ]  # fmt: skip
        return Sheet(headings, lines, notes=statistics_notes())


@register
class MonitorExceedances(Ledger):
    """The ledger of days, nights and hours on which a monitor was over the limit in force."""

    key = "dust-exceedances"
    layer = "monitors"
    title = gettext_lazy("扬尘噪声超标台账")
    about = gettext_lazy("日均值、昼间、夜间和小时均值超过当时施行限值的记录。")
    kinds = ("day", "week", "month")

    judged = JUDGED

    def grade(self, principal: Principal) -> Callable[[FeatureIndex], str]:
        return lambda feature: CLASS


@register
class Remediation(Report):
    """Orders of a time by the unit that they went to: how many, how many in time, and how long it took."""

    key = "remediation"
    layer = "remediation_orders"
    title = gettext_lazy("治理整改统计")
    about = gettext_lazy("按责任单位统计期内签发的整改单：按期回复、超期、退回、办结和平均用时。")
    kinds = ("month", "week", "year")

    def sheet(self, principal: Principal, time: Period, feature: Feature | None) -> Sheet:
        now = timezone.now()
        rows = flows.orders(principal).filter(issued_at__gte=time.begins_at, issued_at__lt=time.ends_at)
        found: dict[tuple[str, UUID], list[RemediationOrder]] = {}
        for order in rows.exclude(state=RemediationOrder.State.WITHDRAWN):
            found.setdefault((order.unit.name, order.unit_id), []).append(order)
        lines = [
            Line([name, *_answered(some, now)], ("enterprises", unit))
            for (name, unit), some in sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0][0]))
        ]
        everything = [order for some in found.values() for order in some]
        headings = [
            Heading(_("责任单位")), Heading(_("签发"), digits=0), Heading(_("按期回复"), digits=0),
            Heading(_("超期"), digits=0), Heading(_("按期率"), "%", 1), Heading(_("退回"), digits=0),
            Heading(_("已办结"), digits=0), Heading(_("平均回复用时"), "h", 1), Heading(_("平均办结用时"), "h", 1),
        ]  # fmt: skip
        notes = [
            _("按期率为按期回复数除以已到期或已回复数；未到期且未回复的不计。"),
            _("用时自签发起算：回复取首次回复，办结取复查通过。已撤销的整改单不计。"),
        ]
        summary = [Line([_("合计"), *_answered(everything, now)])] if lines else []
        return Sheet(headings, lines, summary, notes)


def site_names(principal: Principal) -> dict[UUID, str]:
    """Monitor → the name of its site, for the monitors and sites that a principal sees."""
    layers = registry.by_key
    monitors = gate.restrict(principal, layers["monitors"]).filter(project__isnull=False)
    sites = dict(gate.restrict(principal, layers["projects"]).values_list("pk", "name"))
    return {pk: sites[site] for pk, site in monitors.values_list("pk", "project") if site in sites}


def statistics_notes() -> list[str]:
    """How the figures about dust come about."""
    return [
        _("只统计有效小时；最小、最大取其中的逐条数据，平均按逐条数据等权，95百分位取小时均值。"),
        _("昼间为06:00至22:00，夜间为22:00至次日06:00。"),
        _("超标小时按当时施行的限值判定：先地方标准，后GB 3095；国标无小时限值的颗粒物，以日均限值作参考。"),
        _("有效率低于 %(share)d%% 的监测点以斜线标出，数字仅供参考。") % {"share": round(100 * DUST_SCORE.enough)},
    ]


def _answered(orders: list[RemediationOrder], now: datetime) -> list[Any]:
    late = sum(flows.overdue(order, now) for order in orders)
    timely = sum(order.replied_at is not None and not flows.overdue(order, now) for order in orders)
    replied = [order.replied_at - order.issued_at for order in orders if order.replied_at]
    closed = [order.closed_at - order.issued_at for order in orders if order.closed_at]
    return [
        len(orders), timely, late, 100 * timely / (timely + late) if timely + late else None,
        sum(order.returns for order in orders), len(closed), _mean_hours(replied), _mean_hours(closed),
    ]  # fmt: skip


def _mean_hours(spans: list[timedelta]) -> float | None:
    return sum(span.total_seconds() for span in spans) / len(spans) / 3600 if spans else None


def _scored(principal: Principal, time: Period) -> dict[Any, dict[str, Any]]:
    """Site → its week, best first; a monitor without a project is a site of its own."""
    layer = registry.by_key["monitors"]
    monitors = dict(gate.restrict(principal, layer).values_list("pk", "project"))
    names = dict(gate.restrict(principal, layer).values_list("pk", "name"))
    projects = registry.by_key["projects"]
    sites = dict(gate.restrict(principal, projects).filter(pk__in=set(monitors.values())).values_list("pk", "name"))
    with connection.cursor() as cursor:
        cursor.execute(_WEEK, {
            "features": list(monitors), "begin": time.begins_at, "end": time.ends_at, "hour": int(Span.HOUR),
            "since": [since for since, _value, _source in GOOD_PM10],
            "good": [value for _since, value, _source in GOOD_PM10],
        })  # fmt: skip
        rows = cursor.fetchall()
    hours = max(1.0, (min(time.ends_at, timezone.now()) - time.begins_at).total_seconds() // 3600)
    found: dict[Any, dict[str, Any]] = {}
    for feature, number, total, over in rows:
        project = monitors[feature]
        # Whoever may not see the project sees the point alone.
        site = project if project in sites else feature
        row = found.setdefault(site, {
            "name": sites.get(site) or names[feature], "layer": "projects" if site in sites else "monitors",
            "points": 0, "number": 0, "total": 0.0, "over": 0,
        })  # fmt: skip
        row["points"] += 1
        row["number"] += number
        row["total"] += total or 0.0
        row["over"] += over
    for row in found.values():
        row["share"] = min(1.0, row["number"] / (hours * row["points"]))
        row["mean"] = row["total"] / row["number"] if row["number"] else None
        row["score"] = dust_score(row["mean"], row["over"] / row["number"] if row["number"] else None, row["share"])
    return dict(sorted(found.items(), key=lambda pair: (-sum(pair[1]["score"]), pair[1]["name"])))


def _moved(change: int | None) -> str:
    if change is None:
        return _("新上榜")
    return "—" if not change else f"↑ {change}" if change > 0 else f"↓ {-change}"


def _notes(time: Period) -> list[str]:
    rule = DUST_SCORE
    return [
        _("总分100分，由三部分相加，分数高者名次在前；同分按名称。"),
        _("浓度分（%(most)d分）：有效小时PM10均值 %(best)d µg/m³ 及以下满分，%(worst)d µg/m³ 及以上0分，其间按直线计。")
        % {"most": rule.concentration, "best": rule.best, "worst": rule.worst},
        _("超标分（%(most)d分）：乘以未超过 %(good)d µg/m³ 的有效小时占比（HJ 633 良级上限，按监测日期取值）。")
        % {"most": rule.exceedance, "good": good_pm10(time.first)},
        _("数据分（%(most)d分）：乘以有效小时占全周应有小时的比例。") % {"most": rule.validity},
        _("有效率低于 %(share)d%% 的工地以斜线标出，名次仅供参考。") % {"share": round(100 * rule.enough)},
    ]


_WEEK = """
select d.feature, count(*) filter (where r.valid), sum(r.mean) filter (where r.valid),
    count(*) filter (where r.valid and r.mean > coalesce((
        select g.value from unnest(%(since)s::date[], %(good)s::float8[]) g (since, value)
        where g.since <= (r.at at time zone 'Asia/Shanghai')::date order by g.since desc limit 1
    ), (%(good)s::float8[])[1]))
from telemetry_device d join telemetry_rollup r on r.device = d.id
join telemetry_factor f on f.id = r.factor and f.code = 'a34002'
where d.feature = any(%(features)s) and r.span = %(hour)s and r.at >= %(begin)s and r.at < %(end)s
group by d.feature"""


def standing(principal: Principal, keys: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Area → what of it a principal may see: monitors, sites, cameras, alarms and orders, in three queries."""
    empty = {
        "monitors": 0, "online": 0, "off_duty": 0, "pm10": None, "worst": None, "sites": 0, "cameras": 0,
        "cameras_online": 0, "alarms": 0, "orders": 0, "overdue": 0,
    }  # fmt: skip
    found = {key: dict(empty) for key in keys}
    if not keys:
        return found
    given = list(keys)
    seen, parameters = _sql(_reach(principal))
    for area, monitors, online, resting, pm10, worst, sites, cameras, watching in _ask(
        _STANDING.format(seen=seen, fresh=FRESH), [*parameters, given]
    ):
        found[area] |= {
            "monitors": monitors, "online": online, "off_duty": resting, "pm10": pm10, "worst": worst,
            "sites": sites, "cameras": cameras, "cameras_online": watching,
        }  # fmt: skip
    seen, parameters = _sql(alarms.episodes(principal).filter(state__in=UNFINISHED).order_by(), "id", "feature_id")
    for area, number in _ask(_ALARMS.format(seen=seen), [*parameters, given]):
        found[area]["alarms"] = number
    seen, parameters = _sql(
        flows.orders(principal).filter(state__in=RemediationOrder.OPEN).select_related(None).order_by(),
        "id", "monitor_id", "state", "due_at",
    )  # fmt: skip
    for area, number, late in _ask(
        _ORDERS.format(seen=seen), [*parameters, list(RemediationOrder.WAITING), timezone.now(), given]
    ):
        found[area] |= {"orders": number, "overdue": late}
    return found


def _reach(principal: Principal) -> Any:
    wanted = [registry.by_key[key] for key in ("monitors", "projects", "cameras")]
    return gate.restrict_index(principal, wanted).order_by()


def _sql(rows: Any, *columns: str) -> tuple[str, tuple[Any, ...]]:
    sql, parameters = rows.values(*(columns or ("id", "layer", "state", "geom"))).query.sql_with_params()
    return sql, tuple(parameters)


def _ask(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


_STANDING = """
with seen as ({seen})
select a.id, count(*) filter (where s.layer = 'monitors'),
    count(*) filter (where s.layer = 'monitors' and m.state = 'online'),
    count(*) filter (where s.layer = 'monitors' and m.off_duty and coalesce(m.off_duty_until > now(), true)),
    avg(m.pm10) filter (where m.measured_at > now() - interval '{fresh}'),
    max(m.pm10) filter (where m.measured_at > now() - interval '{fresh}'),
    count(*) filter (where s.layer = 'projects'), count(*) filter (where s.layer = 'cameras'),
    count(*) filter (where s.layer = 'cameras' and s.state = 'online')
from seen s join environment_controlarea a on ST_Covers(a.geom, s.geom)
left join environment_monitor m on m.id = s.id
where a.id = any(%s) group by a.id"""
_ALARMS = """
with seen as ({seen})
select a.id, count(*) from seen s join environment_monitor m on m.id = s.feature_id
join environment_controlarea a on ST_Covers(a.geom, m.geom) where a.id = any(%s) group by a.id"""
_ORDERS = """
with seen as ({seen})
select a.id, count(*), count(*) filter (where s.state = any(%s) and s.due_at < %s)
from seen s join environment_monitor m on m.id = s.monitor_id
join environment_controlarea a on ST_Covers(a.geom, m.geom) where a.id = any(%s) group by a.id"""


def monitor_alarms(now: datetime) -> Mapping[UUID, float | None]:
    """Project → how many alarms of its monitors are not closed."""
    rows = Episode.objects.filter(state__in=UNFINISHED, withdrawn=False, device__isnull=False)
    counted = dict(rows.values_list("feature").annotate(n=Count("pk")).order_by())
    found: dict[UUID, float | None] = {}
    for monitor, project in Monitor.objects.filter(pk__in=counted, project__isnull=False).values_list("pk", "project"):
        if project is not None:
            found[project] = (found.get(project) or 0.0) + counted[monitor]
    return found


def days_silent(now: datetime) -> Mapping[UUID, float | None]:
    """Project → for how many days its monitors have sent nothing: the longest of them."""
    seen = dict(Presence.objects.exclude(seen_at=None).values_list("device__feature", "seen_at"))
    found: dict[UUID, float | None] = {}
    rows = Monitor.objects.filter(pk__in=[key for key in seen if key], project__isnull=False)
    for monitor, project in rows.values_list("pk", "project"):
        days = max(0.0, (now - seen[monitor]) / timedelta(days=1))
        if project is not None:
            found[project] = round(max(found.get(project) or 0.0, days), 1)
    return found


def order_days(now: datetime) -> Mapping[UUID, float | None]:
    """Project → days until the nearest order to remedy that waits for an answer is due; negative beyond it."""
    rows = RemediationOrder.objects.filter(state__in=RemediationOrder.WAITING, monitor__project__isnull=False)
    nearest = rows.values_list("monitor__project").annotate(due=Min("due_at")).order_by()
    return {project: round((due - now) / timedelta(days=1), 1) for project, due in nearest if project}


def orders_late(now: datetime) -> Mapping[UUID, float | None]:
    """Project → how many orders to remedy wait for an answer beyond their day."""
    rows = RemediationOrder.objects.filter(
        state__in=RemediationOrder.WAITING, due_at__lt=now, monitor__project__isnull=False
    )
    counted = rows.values_list("monitor__project").annotate(n=Count("pk")).order_by()
    return {project: float(n) for project, n in counted if project}


NUMBERS = (
    Number("monitor_alarms", gettext_lazy("监测点未办结告警数"), "projects", monitor_alarms),
    Number("days_silent", gettext_lazy("监测点未上报天数"), "projects", days_silent, otherwise=None),
    Number("order_days", gettext_lazy("距最近整改期限天数"), "projects", order_days, otherwise=None),
    Number("orders_late", gettext_lazy("逾期未回复的整改单数"), "projects", orders_late),
)
INDICATORS = (
    Declared(
        "monitor-alarms", gettext_noop("扬尘噪声告警未办结数"), "projects", "monitor_alarms", 0, 3,
        "督促工地确认并处置告警。", "约谈施工单位，必要时责令停工整改。",
        "Have the site acknowledge and handle its alarms.",
        "Summon the contractor; order work to stop where needed.",
        "本平台初始值", gettext_noop("条"), Indicator.Kind.ECOLOGY.value,
    ),
    Declared(
        "days-silent", gettext_noop("扬尘噪声数据中断天数"), "projects", "days_silent", 0.5, 2,
        "联系运营单位检查设备供电和网络。", "责令限期恢复监测，期间加密现场巡查。",
        "Have the operator check power and network of the device.",
        "Order monitoring to be restored; inspect more often until then.",
        "本平台初始值", gettext_noop("天"), Indicator.Kind.ECOLOGY.value,
    ),
    Declared(
        "order-due", gettext_noop("整改单到期"), "projects", "order_days", 2, 0.5,
        "提醒责任单位按期回复整改单。", "催办责任单位，核实整改进展。",
        "Remind the unit in charge to answer in time.", "Urge the unit; check how far it is.",
        "本平台初始值", gettext_noop("天"), Indicator.Kind.DUE.value, downward=True,
    ),
    Declared(
        "orders-late", gettext_noop("逾期未回复整改单数"), "projects", "orders_late", 0, 1,
        "催办责任单位回复整改单。", "上报主管部门并记入诚信评价。",
        "Urge the unit in charge to answer.", "Report to the bureau and enter it in the credit record.",
        "本平台初始值", gettext_noop("份"), Indicator.Kind.MANAGEMENT.value,
    ),
)  # fmt: skip
