"""The settings of a chart: what is counted, how it is grouped and drawn; read from what was sent, checked, kept."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from services.access.errors import Invalid
from services.charts.classes import MOST_CLASSES
from services.charts.colours import OWN, PALETTES, RAMPS
from services.charts.dimensions import Dimension
from services.charts.models import Product
from services.charts.sources import Source

Kind = Product.Kind
FORMS: dict[str, dict[str, Any]] = {
    Kind.STATISTICAL: {
        "bar": gettext_lazy("柱状图"), "hbar": gettext_lazy("条形图"), "stack": gettext_lazy("堆叠柱状图"),
        "share": gettext_lazy("百分比堆叠图"), "line": gettext_lazy("折线图"), "area": gettext_lazy("面积图"),
        "pie": gettext_lazy("饼图"), "ring": gettext_lazy("环形图"),
    },
    Kind.THEMATIC: {"fill": gettext_lazy("分级设色图"), "points": gettext_lazy("分级符号图")},
    Kind.CALENDAR: {"days": gettext_lazy("日历图")},
    Kind.HEAT: {"ground": gettext_lazy("地理热力图"), "matrix": gettext_lazy("矩阵热力图")},
    Kind.COMPARATIVE: {
        "side": gettext_lazy("并列柱状图"), "lines": gettext_lazy("对比折线图"), "mirror": gettext_lazy("左右对比图"),
    },
}  # fmt: skip
"""Kind → forms in which it is drawn, the usual one first."""
SORTS = {
    "natural": gettext_lazy("按自然顺序"), "down": gettext_lazy("按数值从大到小"), "up": gettext_lazy("按数值从小到大"),
}  # fmt: skip
TIMES = {
    "": gettext_lazy("全部时间"), "7": gettext_lazy("最近7天"), "30": gettext_lazy("最近30天"),
    "90": gettext_lazy("最近90天"), "365": gettext_lazy("最近365天"), "year": gettext_lazy("今年"),
    "before": gettext_lazy("去年"), "own": gettext_lazy("自定时间"),
}  # fmt: skip
METHODS = {
    "natural": gettext_lazy("自然间断点"), "quantile": gettext_lazy("分位数"), "equal": gettext_lazy("等间距"),
    "own": gettext_lazy("自定分级"),
}  # fmt: skip
LEGENDS = {
    "top": gettext_lazy("上方"), "right": gettext_lazy("右侧"), "bottom": gettext_lazy("下方"),
    "none": gettext_lazy("不显示"),
}  # fmt: skip
COMPARED = {"groups": gettext_lazy("分组之间"), "periods": gettext_lazy("时段之间")}
MOST_TOP = 200
MOST_PERIODS = 4
MOST_SERIES = 12
WORDS = {"title": 100, "subtitle": 160, "note": 300, "x_title": 40, "y_title": 40, "unit": 20}
"""Texts of a chart and how long each may be."""
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Spec:
    """Everything that is settled of a chart; tokens of fields are those of its source."""

    kind: str = Kind.STATISTICAL.value
    form: str = "bar"
    source: str = ""
    filters: dict[str, list[str]] = field(default_factory=dict)
    cql: str = ""
    clock: str = ""
    time: str = ""
    first: str = ""
    last: str = ""
    measure: str = "count"
    by: str = ""
    series: str = ""
    compared: str = "groups"
    chosen: list[str] = field(default_factory=list)
    periods: list[list[str]] = field(default_factory=list)
    sort: str = "natural"
    top: int = 20
    classes: int = 5
    method: str = "natural"
    breaks: list[float] = field(default_factory=list)
    ramp: str = "blue"
    backward: bool = False
    palette: str = "safe"
    colors: list[str] = field(default_factory=list)
    labels: bool = False
    legend: str = "top"
    title: str = ""
    subtitle: str = ""
    note: str = ""
    x_title: str = ""
    y_title: str = ""
    unit: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def span(self, today: date) -> tuple[date | None, date | None]:
        """The first and the last day of the time; None where it has no such end."""
        if self.time == "own":
            return day(self.first), day(self.last)
        if self.time in ("year", "before"):
            year = today.year - (self.time == "before")
            return date(year, 1, 1), date(year, 12, 31)
        return (today - timedelta(days=int(self.time) - 1), today) if self.time else (None, None)


def read(values: Mapping[str, Any]) -> Spec:
    """The settings of plain values, kept or sent: what has the wrong shape is as if it were not there."""
    known = Spec()
    found: dict[str, Any] = {}
    for each in fields(Spec):
        value, usual = values.get(each.name), getattr(known, each.name)
        if isinstance(usual, bool):
            found[each.name] = value in (True, "1", "on", "true")
        elif isinstance(usual, int):
            found[each.name] = int(str(value)) if str(value).isdecimal() and len(str(value)) < 6 else usual
        elif isinstance(usual, str):
            text = str(value).replace("\0", "").strip() if isinstance(value, str) else usual
            found[each.name] = text[: WORDS.get(each.name, 2_000)]
        else:
            found[each.name] = value if isinstance(value, type(usual)) else usual
    spec = Spec(**found)
    return replace(
        spec,
        filters={
            str(name): [str(text) for text in texts]
            for name, texts in spec.filters.items()
            if isinstance(texts, list)
        },
        chosen=[str(each) for each in spec.chosen][:MOST_SERIES],
        periods=[[str(end) for end in each][:2] for each in spec.periods if isinstance(each, list)][:MOST_PERIODS],
        breaks=sorted(number for each in spec.breaks if (number := _number(each)) is not None)[: MOST_CLASSES - 1],
        colors=[each for each in spec.colors if isinstance(each, str) and _COLOUR.fullmatch(each)][:MOST_SERIES],
        top=max(0, min(spec.top, MOST_TOP)),
        classes=max(2, min(spec.classes, MOST_CLASSES)),
    )  # fmt: skip


def groups(spec: Spec, source: Source) -> list[Dimension]:
    """The dimensions by which a chart of this kind and form can be grouped."""
    every = list(source.dimensions.values())
    match (spec.kind, spec.form):
        case (Kind.THEMATIC, "fill"):
            return [each for each in every if each.kind == "region"]
        case (Kind.THEMATIC, _other):
            return [each for each in every if each.kind in ("feature", "place", "region")]
        case (Kind.HEAT, "ground"):
            return [each for each in every if each.kind in ("feature", "place")]
        case (Kind.HEAT, "matrix"):
            return [each for each in every if each.kind not in ("feature", "place")]
        case (Kind.CALENDAR, _other):
            return [each for each in every if each.grain == "day"]
        case _other:
            return [each for each in every if each.kind != "place"]


def second(spec: Spec, source: Source) -> list[Dimension]:
    """The dimensions by which its groups can be divided, or set side by side; none where they cannot."""
    one_way = spec.kind in (Kind.THEMATIC, Kind.CALENDAR) or spec.form in ("ground", "pie", "ring")
    if one_way or (spec.kind == Kind.COMPARATIVE and spec.compared == "periods"):
        return []
    return [
        each for each in source.dimensions.values() if each.kind not in ("place", "feature") and each.token != spec.by
    ]


def needs_second(spec: Spec) -> bool:
    """Whether it says nothing without a second dimension."""
    return spec.form in ("stack", "share", "matrix") or (spec.kind == Kind.COMPARATIVE and spec.compared == "groups")


def fitted(spec: Spec, source: Source) -> Spec:
    """The settings with what does not fit kind or source replaced by what does, as a form shows it."""
    forms = FORMS.get(spec.kind) or FORMS[Kind.STATISTICAL]
    spec = replace(spec, kind=spec.kind if spec.kind in FORMS else Kind.STATISTICAL.value)
    spec = replace(spec, form=spec.form if spec.form in forms else next(iter(forms)))
    if spec.compared == "periods" and not source.clocks:
        spec = replace(spec, compared="groups")
    if spec.kind == Kind.COMPARATIVE and spec.compared == "periods":
        spec = replace(spec, time="")
    if spec.measure not in source.measures:
        spec = replace(spec, measure=next(iter(source.measures), ""))
    if spec.clock not in source.clocks:
        # When something was done says more than when it was written down.
        told = [name for name in source.clocks if name not in ("created_at", "updated_at")] or list(source.clocks)
        spec = replace(spec, clock=next(iter(told), ""), time=spec.time if told else "")
    possible = groups(spec, source)
    if spec.by not in {each.token for each in possible}:
        spec = replace(spec, by=_usual(spec, possible))
    others = second(spec, source)
    if spec.series not in {each.token for each in others}:
        wanted = others and needs_second(spec)
        spec = replace(spec, series=_usual_second(spec, others) if wanted else "", chosen=[])
    return spec


def check(spec: Spec, source: Source) -> None:
    """Raise Invalid where the settings cannot be drawn, naming the fields to be mended."""
    wrong: dict[str, list[str]] = {}
    choose = [_("请从列表中选择。")]
    if spec.form not in FORMS.get(spec.kind, {}):
        wrong["form"] = choose
    if spec.measure not in source.measures:
        wrong["measure"] = choose
    possible = {each.token for each in groups(spec, source)}
    if not possible:
        wrong["by"] = [_lacking(spec)]
    elif spec.by not in possible:
        wrong["by"] = choose
    if (spec.series or needs_second(spec)) and spec.series not in {each.token for each in second(spec, source)}:
        wrong["series"] = choose
    if (spec.time or spec.compared == "periods") and spec.clock not in source.clocks:
        wrong["clock"] = choose
    if spec.time not in TIMES:
        wrong["time"] = choose
    if spec.time == "own":
        wrong |= _wrong_days(spec.first, spec.last, "first", "last")
    if spec.kind == Kind.COMPARATIVE and spec.compared == "periods":
        if len(spec.periods) < 2:
            wrong["periods"] = [_("请至少填写两个时段。")]
        elif any(_wrong_days(each[0], each[-1], "first", "last") for each in spec.periods):
            wrong["periods"] = [_("每个时段都要有开始和结束日期，结束不早于开始。")]
    if spec.method == "own" and not spec.breaks and spec.kind in (Kind.THEMATIC, Kind.CALENDAR):
        wrong["breaks"] = [_("请填写分级界限，例如 10, 20, 50。")]
    for name, known in (
        ("sort", SORTS), ("method", METHODS), ("legend", LEGENDS), ("ramp", RAMPS), ("compared", COMPARED),
        ("palette", [*PALETTES, OWN]),
    ):  # fmt: skip
        if getattr(spec, name) not in known:
            wrong[name] = choose
    if wrong:
        raise Invalid(next(iter(wrong.values()))[0], wrong)


def day(text: str) -> date | None:
    """A day as a form writes it; None for anything else."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _lacking(spec: Spec) -> str:
    if spec.kind == Kind.CALENDAR:
        return _("该数据没有日期字段，不能做日历图。")
    if spec.kind == Kind.THEMATIC and spec.form == "fill":
        return _("该数据没有行政区，不能做分级设色图。")
    return _("该数据没有位置，不能在地图上表示。")


def _usual(spec: Spec, possible: list[Dimension]) -> str:
    """What one groups by first: counties on a map, weekdays in a matrix, a state or kind elsewhere."""
    wanted = {
        (Kind.THEMATIC, "fill"): ("grain", "county"), (Kind.HEAT, "matrix"): ("grain", "weekdays"),
    }.get((Kind(spec.kind), spec.form), ("kind", "category"))  # fmt: skip
    known = [each for each in possible if each.described is not None and each.described.choices]
    fits = [each for each in possible if getattr(each, wanted[0]) == wanted[1]]
    plain = [each for each in possible if each.grain in ("county", "month")]
    best = (known if wanted[0] == "kind" else []) or fits or plain or possible
    if spec.clock and (spec.kind == Kind.CALENDAR or spec.form == "matrix"):
        best = [each for each in best if each.field == spec.clock] or best
    return best[0].token if best else ""


def _usual_second(spec: Spec, others: list[Dimension]) -> str:
    if spec.form == "matrix":
        same = [each for each in others if each.field == spec.by.partition(":")[0]]
        hours = [each for each in same if each.grain == "hours"] or [each for each in same if each.grain == "months"]
        if hours:
            return hours[0].token
    usual = [each for each in others if each.grain == "county"] + [each for each in others if each.kind == "category"]
    return (usual or others)[0].token


def _wrong_days(first: str, last: str, one: str, other: str) -> dict[str, list[str]]:
    begin, end = day(first), day(last)
    if begin is None or end is None:
        return {one if begin is None else other: [_("请填写日期。")]}
    return {other: [_("结束日期不应早于开始日期。")]} if end < begin else {}


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
