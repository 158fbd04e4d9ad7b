"""The editions that a person may read: the list, one of them, its other versions."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from services.access.errors import NotFound, Refused
from services.access.principal import Principal
from services.reports import scopes
from services.reports.models import Edition
from services.telemetry.reports import KINDS, REPORTS

SIZE = 50


@dataclass(frozen=True)
class Page:
    """One page of a list, the latest period first."""

    rows: list[Edition]
    total: int
    page: int
    pages: int


def listing(
    principal: Principal, *, report: str = "", kind: str = "", text: str = "", first: date | None = None,
    last: date | None = None, page: int = 1,
) -> Page:  # fmt: skip
    """The newest versions within reach, narrowed; ``first`` and ``last`` are days on which a period begins."""
    rows = scopes.readable(principal).filter(newest=True).defer("sheets")
    if report in REPORTS:
        rows = rows.filter(report=report)
    if kind in KINDS:
        rows = rows.filter(kind=kind)
    for word in text.split()[:4]:
        rows = rows.filter(subject__icontains=word)
    if first:
        rows = rows.filter(first__gte=first)
    if last:
        rows = rows.filter(first__lte=last)
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    page = min(max(1, page), pages)
    ordered = rows.order_by("-first", "report", "subject", "pk")
    return Page(list(ordered[(page - 1) * SIZE : page * SIZE]), total, page, pages)


def latest(principal: Principal, number: int = 6) -> list[Edition]:
    """The editions that were made last."""
    rows = scopes.readable(principal).filter(newest=True).defer("sheets")
    return list(rows.order_by("-made_at", "pk")[:number])


def fetch(principal: Principal, pk: UUID, action: str = "view") -> Edition:
    """One edition; NotFound for a foreign one, Refused for one that may only be looked at."""
    found = scopes.readable(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这份报表。"))
    if action != "view" and not scopes.readable(principal, action).filter(pk=pk).exists():
        raise Refused(_("需要对该报表数据的导出权限。"))
    return found


def versions(edition: Edition) -> list[Edition]:
    """All versions of the same report, period and subject, the newest first."""
    return list(_same(edition).defer("sheets").order_by("-version"))


def before(edition: Edition) -> Edition | None:
    """The version that this one took the place of."""
    return _same(edition).filter(version__lt=edition.version).order_by("-version").first()


def of(principal: Principal, report: str, kind: str, first: date, subject: Q) -> Edition | None:
    """The newest version of a period, where it is within reach."""
    rows = scopes.readable(principal).filter(subject, report=report, kind=kind, first=first, newest=True)
    return rows.defer("sheets").order_by("region").first()


def _same(edition: Edition) -> QuerySet[Edition]:
    key: dict[str, Any] = {name: getattr(edition, name) for name in ("report", "kind", "first", "region", "feature")}
    return Edition.objects.filter(**key)
