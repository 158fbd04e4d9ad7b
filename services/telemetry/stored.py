"""What devices sent, reading by reading as it is stored: by page with the newest first, and all of it for files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid
from services.access.principal import Principal
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.telemetry.features import columns
from services.telemetry.models import Device, Factor, Latest, Reading
from services.telemetry.spans import Quality, Span

SIZE = 100
"""Readings of a page."""
PAGE = 2_000
SPANS = {"real": Span.REAL, "minute": Span.MINUTE, "hour": Span.HOUR, "day": Span.DAY}
"""What devices send."""
JUDGED = {"good": Q(quality=Quality.GOOD), "bad": ~Q(quality=Quality.GOOD), "late": Q(late=True)}
"""How readings may be narrowed: those that count, those that do not, those that were sent again afterwards."""


class Counts(NamedTuple):
    """How many readings a time holds, and how many of them count or came late."""

    total: int
    good: int
    late: int


@dataclass(frozen=True)
class Stored:
    """One page of readings, the newest first, with what the whole time holds."""

    rows: list[tuple[Factor, Reading]]
    counts: Counts
    total: int
    """Of what was asked for."""
    page: int
    pages: int


def sensors(principal: Principal, device: Device) -> list[Factor]:
    """The factors that a device ever sent, without those whose column of the feature the principal may not read."""
    hidden: set[str] = set()
    feature = FeatureIndex.objects.filter(pk=device.feature).only("layer").first() if device.feature else None
    layer = registry.get(feature.layer) if feature else None
    if layer is not None:
        readable = {field.name for field in gate.fields(principal, layer)}
        hidden = {code for code, field in columns(layer).items() if field.name not in readable}
    sent = Latest.objects.filter(device=device.pk).values("factor")
    return list(Factor.objects.filter(pk__in=sent).exclude(code__in=hidden).order_by("code"))


def stored(
    device: Device, factors: Sequence[Factor], begin: datetime, end: datetime, span: str = "", judged: str = "",
    page: int = 1,
) -> Stored:  # fmt: skip
    """A page of what a device sent from ``begin`` to before ``end``, in three queries whatever its length.

    ``span`` is one of SPANS and ``judged`` one of JUDGED, empty for all; Invalid for others.
    """
    known = {factor.pk: factor for factor in factors}
    everything = _rows(device, factors, begin, end)
    found = everything.aggregate(
        total=Count("at"), good=Count("at", filter=JUDGED["good"]), late=Count("at", filter=JUDGED["late"])
    )
    rows = _narrowed(everything, span, judged)
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    page = min(max(1, page), pages)
    shown = rows.order_by("-at", "factor", "span")[(page - 1) * SIZE : page * SIZE]
    return Stored([(known[row.factor_id], row) for row in shown], Counts(**found), total, page, pages)


def everything(
    device: Device, factors: Sequence[Factor], begin: datetime, end: datetime, span: str = "", judged: str = ""
) -> tuple[int, Iterator[tuple[Factor, Reading]]]:
    """How many readings there are, and each of them, factor by factor in the order of time: for files."""
    rows = _narrowed(_rows(device, factors, begin, end), span, judged)
    return rows.count(), _each(device, factors, begin, end, span, judged)


def _each(
    device: Device, factors: Sequence[Factor], begin: datetime, end: datetime, span: str, judged: str
) -> Iterator[tuple[Factor, Reading]]:
    for factor in factors:
        for name in [span] if span else SPANS:
            after = begin
            while True:
                rows = _narrowed(_rows(device, [factor], after, end), name, judged)
                page = list(rows.order_by("at")[:PAGE])
                yield from ((factor, reading) for reading in page)
                if len(page) < PAGE:
                    break
                after = page[-1].at + timedelta(microseconds=1)


def _rows(device: Device, factors: Sequence[Factor], begin: datetime, end: datetime) -> QuerySet[Reading]:
    return Reading.objects.filter(
        device=device.pk, factor__in=[factor.pk for factor in factors], at__gte=begin, at__lt=end
    )


def _narrowed(rows: QuerySet[Reading], span: str, judged: str) -> QuerySet[Reading]:
    if span and span not in SPANS:
        raise Invalid(_("没有这个时段。"), {"span": [", ".join(SPANS)]})
    if judged and judged not in JUDGED:
        raise Invalid(_("没有这个筛选条件。"), {"judged": [", ".join(JUDGED)]})
    if span:
        rows = rows.filter(span=SPANS[span])
    return rows.filter(JUDGED[judged]) if judged else rows
