"""Lists of episodes: filters, stable pages, counts by level, and rows for export."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.models import code_prefix
from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.alarms.actions import episodes
from services.alarms.models import URGENCY, Act, Episode, Level
from services.catalog.layer import registry
from services.limits.rows import ZONE

SIZE = 50
MOST_EXPORTED = 50_000
UNDONE = "undone"
"""The state filter for everything that is not closed or found false."""
FINISHED = "done"
"""The one for what is."""
UNFINISHED = (*Episode.UNDONE, Episode.State.HANDLED)
SEVERAL = {UNDONE: UNFINISHED, FINISHED: Episode.DONE}


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; empty is everything."""

    level: str = ""
    state: str = ""
    layer: str = ""
    module: str = ""
    """The label of an app: of the domain that is measured, or of whoever warns."""
    platform: bool = False
    """Only what is about the platform itself."""
    gone: bool = False
    """Only of features that are no more."""
    rule: str = ""
    region: str = ""
    overdue: bool = False
    """Only those that passed a deadline at some time."""
    only: bool = False
    """Of the region itself, without those below it."""
    begin: date | None = None
    end: date | None = None
    q: str = ""
    feature: UUID | None = None
    late: bool = False
    assignee: UUID | None = None

    def narrow(self, rows: QuerySet[Episode]) -> QuerySet[Episode]:
        """The rows that pass."""
        if self.level:
            rows = rows.filter(level=self.level)
        if self.state in SEVERAL:
            rows = rows.filter(state__in=SEVERAL[self.state])
        elif self.state:
            rows = rows.filter(state=self.state)
        if self.layer:
            rows = rows.filter(rule__layer=self.layer)
        if self.module:
            rows = rows.filter(of_module(self.module))
        if self.platform:
            rows = rows.filter(feature=None, device=None)
        if self.overdue:
            rows = rows.filter(pk__in=Act.objects.filter(kind=Act.Kind.OVERDUE).values("episode"))
        if self.gone:
            rows = rows.filter(feature_id__isnull=False, feature__region_code__isnull=True)
        if self.rule:
            rows = rows.filter(rule=int(self.rule))
        if self.region and self.only:
            rows = rows.filter(feature__region_code=self.region)
        elif self.region:
            rows = rows.filter(feature__region_code__startswith=code_prefix(self.region))
        if self.begin:
            rows = rows.filter(began_at__gte=_moment(self.begin))
        if self.end:
            rows = rows.filter(began_at__lt=_moment(self.end + timedelta(days=1)))
        if self.q:
            rows = rows.filter(Q(feature__title__icontains=self.q) | Q(feature__code__icontains=self.q))
        if self.feature:
            rows = rows.filter(feature=self.feature)
        if self.assignee:
            rows = rows.filter(assignee=self.assignee)
        return rows.filter(late=True) if self.late else rows

    @property
    def any(self) -> bool:
        """Whether it narrows anything."""
        return self != Filters()


def of_module(label: str) -> Q:
    """The condition on episodes that they come from a module: it declared their rule, or its layers are measured."""
    layers = [layer.key for layer in registry if layer.model._meta.app_label == label]
    return Q(rule__module=label) | Q(rule__module="", rule__layer__in=layers)


def filters(query: Mapping[str, str], me: UUID | None = None) -> Filters:
    """The filters of a query, ``mine=1`` being what was given to ``me``; Invalid names what cannot be."""
    given: dict[str, Any] = {}
    wrong: dict[str, list[str]] = {}
    choices = {"level": Level.values, "state": [*SEVERAL, *Episode.State.values]}
    for name in ("level", "state", "layer", "module", "rule", "region", "q"):
        text = query.get(name, "").strip()[:100]
        if text and name in choices and text not in choices[name]:
            wrong[name] = [", ".join(choices[name])]
        elif text and name in ("rule", "region") and not (text.isdecimal() and len(text) < 13):
            wrong[name] = [_("应为数字。")]
        given[name] = text
    for name in ("begin", "end"):
        if text := query.get(name, ""):
            try:
                given[name] = date.fromisoformat(text)
            except ValueError:
                wrong[name] = [_("应为日期，如 2026-11-27。")]
    if text := query.get("feature", ""):
        try:
            given["feature"] = UUID(text)
        except ValueError:
            wrong["feature"] = [_("应为标识。")]
    for name in ("late", "platform", "gone", "overdue", "only"):
        given[name] = query.get(name) == "1"
    given["assignee"] = me if query.get("mine") == "1" else None
    if wrong:
        raise Invalid(_("筛选条件有误。"), wrong)
    return Filters(**given)


@dataclass(frozen=True)
class Page:
    """Some episodes, the newest first; ``older`` is the id after which the next page begins."""

    rows: list[Episode]
    older: UUID | None
    counts: dict[str, int]
    open: int
    done: int
    """How many of the same filter without its state wait for somebody, and how many do not any more."""
    total: int
    now: datetime


def page(principal: Principal, wanted: Filters, before: UUID | None = None, size: int = SIZE) -> Page:
    """A page of the episodes within reach; counts by level are those of the same filter without its level.

    Pages begin at an id, so that new alarms do not move them.
    """
    reach = episodes(principal)
    rows = _whole(wanted.narrow(reach)).order_by("-id")
    counted = replace(wanted, level="").narrow(reach).values_list("level").annotate(n=Count("pk")).order_by()
    counts = {**dict.fromkeys(Level.values, 0), **dict(counted)}
    whole = replace(wanted, state="").narrow(reach).aggregate(
        open=Count("pk", filter=Q(state__in=UNFINISHED)), done=Count("pk", filter=Q(state__in=Episode.DONE))
    )  # fmt: skip
    total = counts[wanted.level] if wanted.level else sum(counts.values())
    found = list((rows.filter(pk__lt=before) if before else rows)[: size + 1])
    older = found[size - 1].pk if len(found) > size else None
    return Page(found[:size], older, counts, whole["open"], whole["done"], total, timezone.now())


def undone(principal: Principal) -> dict[str, int]:
    """Level → how many alarms wait for somebody, the most urgent first."""
    rows = episodes(principal).filter(state__in=UNFINISHED)
    found = dict(rows.values_list("level").annotate(n=Count("pk")).order_by())
    return {level: found.get(level, 0) for level in Level.values}


def levels(principal: Principal, features: Collection[UUID]) -> dict[UUID, str]:
    """Feature → the most urgent level of its alarms that are not done; for maps."""
    rows = episodes(principal).filter(state__in=UNFINISHED, feature__in=features)
    found: dict[UUID, str] = {}
    for feature, level in rows.order_by().values_list("feature", "level").distinct():
        found[feature] = min(level, found.get(feature, level), key=lambda each: URGENCY[each])
    return found


def of_feature(principal: Principal, feature: UUID, most: int = 20) -> list[Episode]:
    """The newest episodes of a feature."""
    return list(_whole(episodes(principal).filter(feature=feature)).order_by("-id")[:most])


HEADINGS = (
    "level", "state", "rule", "source", "subject", "feature", "code", "region", "factor", "value", "peak", "limit",
    "unit", "count", "began_at", "last_at", "ended_at", "raised_at", "acknowledged_at", "handled_at", "closed_at",
    "assignee", "disposition", "measure", "rectify_by", "late",
)  # fmt: skip


def headings() -> list[str]:
    """The first row of an export in the current language."""
    named = {"source": _("模块"), "feature": _("名称"), "code": _("编号"), "region": _("行政区"), "unit": _("单位")}
    return [str(named.get(name) or _verbose(name)) for name in HEADINGS]


def export(principal: Principal, wanted: Filters) -> Iterator[list[Any]]:
    """The rows of a list for those who may export its features, times in China without a zone."""
    rows = wanted.narrow(episodes(principal))
    if not principal.is_admin:
        rows = rows.filter(feature__in=gate.restrict_index(principal, action="export").values("pk"))
    for row in _whole(rows).order_by("-id")[:MOST_EXPORTED].iterator(1000):
        place, factor = row.feature, row.factor
        special = {
            "level": row.get_level_display(), "state": row.get_state_display(), "rule": str(row.rule),
            "source": row.rule.source, "subject": row.irregularity,
            "feature": place.title if place else "", "code": place.code if place else "",
            "region": place.region_code if place else "", "factor": str(factor) if factor else "",
            "unit": row.unit, "assignee": str(row.assignee) if row.assignee else "",
            "disposition": row.get_disposition_display(), "late": _("是") if row.late else _("否"),
        }  # fmt: skip
        yield [special[name] if name in special else _plain(getattr(row, name)) for name in HEADINGS]


def _whole(rows: QuerySet[Episode]) -> QuerySet[Episode]:
    return rows.select_related("rule", "factor", "feature", "assignee")


def _verbose(name: str) -> Any:
    return getattr(Episode._meta.get_field(name), "verbose_name", name)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(ZONE).replace(tzinfo=None, microsecond=0)
    return value
