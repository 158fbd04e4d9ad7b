"""The editions that a person may read: the list, one of them, its other versions."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import Conflict, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.reports import custom, reach, scopes
from services.reports.models import CUSTOM, Custom, Due, Edition
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
    rows = _kept(principal)
    if report in REPORTS or report.startswith(CUSTOM):
        rows = rows.filter(report=report)
    if kind in KINDS:
        rows = rows.filter(kind=kind)
    for word in text.split()[:4]:
        rows = rows.filter(Q(subject__icontains=word) | Q(custom__name__icontains=word))
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
    return list(_kept(principal).order_by("-made_at", "pk")[:number])


def of_custom(principal: Principal, report: Custom, number: int = 12) -> list[Edition]:
    """The latest editions of a custom report."""
    return list(_kept(principal).filter(custom=report).order_by("-first", "-made_at")[:number])


def title(edition: Edition) -> str:
    """What the report is called."""
    return edition.custom.name if edition.custom is not None else str(REPORTS[edition.report].title)


def layer_of(edition: Edition) -> Layer:
    """The layer of the features that it is about."""
    return registry.by_key[edition.custom.layer if edition.custom is not None else REPORTS[edition.report].layer]


def fetch(principal: Principal, pk: UUID, action: str = "view") -> Edition:
    """One edition; NotFound for a foreign one, Refused for one that may only be looked at."""
    found = scopes.readable(principal).filter(pk=pk).select_related("custom").first()
    if found is None:
        raise NotFound(_("没有这份报表。"))
    if found.custom is not None and not reach.reaches(principal, found):
        raise Refused(_("该报表含有您权限以外的数据。请打开报表本身，查看您权限内的部分。"))
    if action != "view" and not may(principal, found, action):
        raise Refused(_("需要对该报表数据的导出权限。"))
    return found


def may(principal: Principal, edition: Edition, action: str) -> bool:
    """Whether an edition that somebody may read may also be taken along (``export``)."""
    if edition.custom is not None:
        return reach.reaches(principal, edition, action)
    return scopes.readable(principal, action).filter(pk=edition.pk).exists()


def may_delete(principal: Principal, edition: Edition) -> bool:
    """Whether a principal may delete it: an administrator, and of a custom report also its owner."""
    return principal.is_admin or (edition.custom is not None and custom.may_change(principal, edition.custom))


@transaction.atomic
def delete(principal: Principal, pk: UUID) -> Edition:
    """Delete one version; the one before it takes its place. NotFound for a foreign one, Refused for another's."""
    edition = scopes.readable(principal).filter(pk=pk).select_related("custom").first()
    if edition is None:
        raise NotFound(_("没有这份报表。"))
    if not may_delete(principal, edition):
        raise Refused(_("只有报表的创建人和管理员可以删除已生成的报表。"))
    # All versions in one order: whoever makes the next one, or deletes another, waits.
    list(_same(edition).select_for_update().order_by("pk").values_list("pk", flat=True))
    if not Edition.objects.filter(pk=pk).exists():
        raise NotFound(_("没有这份报表。"))
    newest = Edition.objects.filter(pk=pk, newest=True).exists()
    trail.note(
        principal.id, principal.name, "delete edition", layer=layer_of(edition).key, object_id=edition.pk,
        address=principal.address,
        changes={
            "report": [title(edition), None], "time": [edition.time.label, None], "subject": [edition.subject, None],
            "version": [edition.version, None], "digest": [edition.digest, None],
        },
    )  # fmt: skip
    Edition.objects.filter(pk=pk).delete()
    if newest:
        last = _same(edition).order_by("-version").values_list("pk", flat=True).first()
        Edition.objects.filter(pk__in=[last]).update(newest=True)
    return edition


def may_renew(principal: Principal, edition: Edition) -> bool:
    """Whether to offer a principal a new version: late data came, and none is being made."""
    return (
        edition.newest and edition.late_at is not None and edition.custom is not None
        and may_delete(principal, edition) and not waiting(edition)
    )  # fmt: skip


def waiting(edition: Edition) -> bool:
    """Whether another version of it is due."""
    return Due.objects.filter(**_key(edition)).exists()


@transaction.atomic
def renew(principal: Principal, pk: UUID) -> Edition:
    """Have the next version made of an edition whose data came late; Refused or Conflict where that is not offered."""
    edition = fetch(principal, pk)
    if not may_delete(principal, edition):
        raise Refused(_("只有报表的创建人和管理员可以重新生成报表。"))
    if not may_renew(principal, edition):
        raise Conflict(_("没有需要重新生成的内容，或已在生成。"))
    Due.objects.get_or_create(**_key(edition), defaults={"reason": Edition.Reason.LATE, "not_before": timezone.now()})
    trail.note(
        principal.id, principal.name, "renew edition", layer=layer_of(edition).key, object_id=edition.pk,
        address=principal.address, changes={"report": title(edition), "time": edition.time.label},
    )  # fmt: skip
    return edition


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


def _kept(principal: Principal) -> QuerySet[Edition]:
    return scopes.readable(principal).filter(newest=True).select_related("custom").defer("sheets")


def _same(edition: Edition) -> QuerySet[Edition]:
    return Edition.objects.filter(**_key(edition))


def _key(edition: Edition) -> dict[str, Any]:
    """What all versions have in common."""
    return {name: getattr(edition, name) for name in ("report", "kind", "first", "region", "feature")}
