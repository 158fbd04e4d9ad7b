"""How many alarms there are and how far people are with them: by level, by module and by county, from one reading."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Avg, BooleanField, Count, ExpressionWrapper, F, Q
from django.db.models.functions import Substr
from django.utils.translation import gettext as _

from gis.models import Region
from services.access.principal import Principal
from services.alarms.actions import episodes
from services.alarms.listing import UNDONE, UNFINISHED, Filters
from services.alarms.models import Act, Episode, Level, Rule, module_title
from services.catalog.layer import registry

ALL = "all"
"""Of every state."""
COUNTY = 6
"""Digits of the code of a county."""


@dataclass
class Line:
    """What is counted together: its name, the filters of the list that holds exactly these, and how many by state."""

    title: str
    query: dict[str, str]
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def share(self) -> float | None:
        """How many are closed of those that were true, 0 to 1; None where there are none."""
        true = self.counts[ALL] - self.counts[Episode.State.FALSE]
        return self.counts[Episode.State.CLOSED] / true if true else None

    def add(self, state: str, n: int) -> None:
        """Count some of a state, and with them those that wait and all."""
        self.counts[state] += n
        self.counts[ALL] += n
        if state in UNFINISHED:
            self.counts[UNDONE] += n


@dataclass(frozen=True)
class Figures:
    """The same alarms counted in three ways, how long closing took on average, and how many passed a deadline."""

    total: Line
    levels: list[Line]
    modules: list[Line]
    regions: list[Line]
    took: timedelta | None
    overdue: int


def figures(principal: Principal, wanted: Filters) -> Figures:
    """The figures of the alarms within reach that pass a filter, in four queries however many there are."""
    rows = wanted.narrow(episodes(principal))
    groups = (
        rows.annotate(
            county=Substr("feature__region_code", 1, COUNTY),
            platform=ExpressionWrapper(Q(feature__isnull=True), output_field=BooleanField()),
        )
        .values_list("level", "state", "rule__module", "rule__layer", "county", "platform")
        .annotate(n=Count("pk"))
        .order_by()
    )
    total = Line(_("合计"), {})
    levels = {level.value: Line(str(level.label), {"level": level.value}) for level in Level}
    modules: dict[str, Line] = {}
    regions: dict[tuple[str | None, bool], Line] = {}
    for level, state, module, layer, county, platform, n in groups:
        label = module or module_of(layer)
        line = modules.setdefault(label, Line(module_title(label), {"module": label}))
        where = regions.setdefault((county, platform), _region(county, platform))
        for each in (total, levels[level], line, where):
            each.add(state, n)
    names = dict(Region.objects.filter(code__in=[code for code, _on in regions if code]).values_list("code", "name"))
    for (code, _platform), line in regions.items():
        line.title = names.get(code or "", line.title)
    took = rows.filter(state=Episode.State.CLOSED, late=False).aggregate(took=Avg(F("closed_at") - F("raised_at")))
    late = Act.objects.filter(kind=Act.Kind.OVERDUE, episode__in=rows.order_by().values("pk"))
    return Figures(
        total, list(levels.values()), _most_first(modules.values()), _most_first(regions.values()), took["took"],
        late.aggregate(n=Count("episode", distinct=True))["n"],
    )  # fmt: skip


def module_of(layer: str) -> str:
    """The label of the app to which a layer belongs."""
    found = registry.get(layer)
    return found.model._meta.app_label if found else ""


def modules() -> list[tuple[str, str]]:
    """The modules from which alarms may come, label and name: those that are measured, and those that warn."""
    found = {module or module_of(layer) for module, layer in Rule.objects.values_list("module", "layer").distinct()}
    return sorted(((label, module_title(label)) for label in found if label), key=lambda pair: pair[1])


def _region(code: str | None, platform: bool) -> Line:
    if platform:
        return Line(_("平台"), {"platform": "1"})
    if code is None:
        return Line(_("已删除的要素"), {"gone": "1"})
    whole = code.endswith("00")
    return Line(code, {"region": code, "only": "1"} if whole else {"region": code})


def _most_first(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (-line.counts[UNDONE], -line.counts[ALL], line.title))
