"""The process that gives the statistics of a period: of one feature, of a region, or of all that the principal sees."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from services.access.errors import Invalid
from services.access.principal import Principal
from services.stats.figures import Figure, Number, Total
from services.stats.frames import KINDS, Window, frame
from services.stats.periods import statistics
from services.stats.scopes import Asked, scope

INPUTS = ("feature", "region", "period", "date", "until", "kinds")


def check(principal: Principal, inputs: Mapping[str, Any]) -> tuple[Asked, list[str] | None]:
    """The inputs as they are meant; raises NotFound for a foreign feature, Invalid."""
    if unknown := sorted(set(inputs) - set(INPUTS)):
        raise _wrong(unknown[0], _("没有此输入；可用：%s。") % ", ".join(INPUTS))
    for name in INPUTS[:5]:
        if name in inputs and not isinstance(inputs[name], str):
            raise _wrong(name, _("应为文本。"))
    if "feature" in inputs and "region" in inputs:
        raise _wrong("region", _("feature 与 region 只能给出一个。"))
    kinds = inputs.get("kinds")
    if kinds is not None and not (isinstance(kinds, list) and all(isinstance(key, str) for key in kinds)):
        raise _wrong("kinds", _("应为统计项标识的列表。"))
    shown = frame(inputs.get("period", "month"), _day(inputs, "date"), _day(inputs, "until"))
    place = scope(principal, inputs.get("feature", ""), inputs.get("region", ""))
    return Asked(principal, place, shown), kinds


def execute(principal: Principal, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with the rights of whoever asks; a missing number is null, zero was counted."""
    asked, kinds = check(principal, inputs)
    made, shown = statistics(asked, kinds), asked.frame
    return {
        "scope": {
            "title": asked.scope.title,
            "feature": str(asked.scope.feature.pk) if asked.scope.feature else None,
            "layer": asked.scope.layer.key if asked.scope.layer else None,
            "region": asked.scope.region.code if asked.scope.region else None,
        },
        "period": {"kind": shown.time.kind, "running": shown.running, "step": shown.step, **_days(shown.window)},
        "before": _days(shown.before),
        "lastYear": _days(shown.last_year) if shown.last_year else None,
        "buckets": [_days(shown.part(bucket)) for bucket in shown.buckets],
        "figures": [_figure(figure) for figure in made.figures],
    }


def described(name: str) -> dict[str, Any]:
    """The process as pygeoapi describes it."""
    text: dict[str, Any] = {"type": "string"}
    day, keys = text | {"format": "date"}, {"type": "array", "items": text}
    given = {
        "feature": (_("要素标识"), text | {"format": "uuid"}), "region": (_("区划代码"), text),
        "period": (_("统计周期"), text | {"enum": list(KINDS), "default": "month"}), "date": (_("日期"), day),
        "until": (_("结束日期"), day), "kinds": (_("统计项"), keys),
    }  # fmt: skip
    return {
        "version": "1.0.0",
        "id": name,
        "title": _("时段统计"),
        "description": _(
            "按周、月、季、年或自定时段，统计一个要素及其下属、一个行政区或全部数据：数量、与上期及去年同期的比较、分类、合计与趋势。"
        ),
        "keywords": [],
        "jobControlOptions": ["sync-execute", "async-execute"],
        "outputTransmission": ["value"],
        "links": [],
        "inputs": {
            name: {"title": title, "schema": schema, "minOccurs": 0, "maxOccurs": 1}
            for name, (title, schema) in given.items()
        },
        "outputs": {
            "figures": {"title": _("统计结果"), "schema": {"type": "array", "items": {"type": "object"}}},
            "buckets": {"title": _("趋势的各时段"), "schema": {"type": "array", "items": {"type": "object"}}},
        },
        "example": {"inputs": {"region": "511702", "period": "week", "date": "2026-11-27"}},
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "kind": figure.key, "title": figure.title, "about": figure.about, "group": figure.group, "unit": figure.unit,
        "value": _plain(figure.value), "before": _plain(figure.before), "lastYear": _plain(figure.last_year),
        "change": figure.change, "changeOfYear": figure.change_of_year, "trend": list(map(_plain, figure.trend)),
        "divisions": [
            {
                "field": division.name, "title": division.label,
                "values": [
                    {"value": tally.value, "title": tally.label, "count": tally.count, "trend": tally.trend}
                    for tally in division.tallies
                ],
            }
            for division in figure.divisions
        ],
        "flags": [{"field": flag.name, "title": flag.label, "count": flag.count} for flag in figure.flags],
        "quantities": [_total(total) for total in figure.totals],
    }  # fmt: skip


def _total(total: Total) -> dict[str, Any]:
    return {
        "field": total.name, "title": total.label, "unit": total.unit, "statistic": total.statistic,
        "value": _plain(total.value), "before": _plain(total.before), "lastYear": _plain(total.last_year),
        "change": total.change, "changeOfYear": total.change_of_year, "trend": list(map(_plain, total.trend)),
    }  # fmt: skip


def _days(window: Window) -> dict[str, str]:
    return {"first": str(window.first), "last": str(window.last)}


def _plain(value: Number | None) -> int | float | None:
    return value if value is None or isinstance(value, int) else float(value)


def _day(inputs: Mapping[str, Any], name: str) -> date | None:
    text = inputs.get(name)
    if text is None:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not 1990 <= found.year <= 2200:
        raise _wrong(name, _("应为日期，如 2026-11-27。"))
    return found


def _wrong(name: str, reason: str) -> Invalid:
    return Invalid(_("输入“%(name)s”有误：%(reason)s") % {"name": name[:60], "reason": reason}, {name[:60]: [reason]})
