"""Saved charts: who may see one, writing, copying, sharing, freezing and deleting it; every change is audited.

A chart gives nobody any rights: its figures are those of whoever looks. A frozen one shows everybody with whom it is
shared the figures its owner had, because its owner said so; who freezes must have the right to take the data along.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from gis.models import code_prefix
from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.accounts.roles import Role
from services.audit import trail
from services.charts import drawn, figures, sources
from services.charts import spec as specs
from services.charts.models import Product
from services.charts.spec import Spec

MOST_OWN = 300
LONGEST_NAME = 100


def visible(principal: Principal) -> QuerySet[Product]:
    """One's own charts and those that are shared with one; an administrator sees all."""
    rows = Product.objects.select_related("owner").defer("frozen")
    if principal.is_public:
        return rows.none()
    if principal.is_admin:
        return rows
    found = Q(owner=principal.id)
    for holding in principal.holdings:
        shared = ~Q(roles=[]) | ~Q(area="")
        place = Q(area="")
        if holding.region:
            above = [holding.region[:n] for n in range(1, len(holding.region) + 1)]
            place |= Q(area__in=above) | Q(area__startswith=holding.region)
        else:
            place = Q()
        found |= shared & (Q(roles=[]) | Q(roles__contains=[holding.role])) & place
    return rows.filter(found)


def fetch(principal: Principal, pk: UUID) -> Product:
    """One of them; NotFound for any other."""
    found = visible(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这个图表。"))
    return found


def may_change(principal: Principal, product: Product) -> bool:
    """Whether somebody may change or delete a chart: its owner, and an administrator."""
    return principal.is_admin or (principal.id is not None and product.owner_id == principal.id)


def spec_of(product: Product) -> Spec:
    """The settings of a chart."""
    return specs.read(product.spec)


def drawing(principal: Principal, product: Product) -> drawn.Plain:
    """What a chart shows somebody: their own figures, or the frozen ones; the errors are those of ``figures.run``."""
    if product.frozen_at is not None:
        kept: Any = Product.objects.values_list("frozen", flat=True).get(pk=product.pk)
        made = kept.get(translation.get_language() or "") or kept[settings.LANGUAGE_CODE]
        return drawn.with_shapes(made | {"frozen": product.frozen_at.isoformat()})
    return draw(principal, spec_of(product), product.owner_id)


def draw(principal: Principal, spec: Spec, owner: UUID | None, action: str = "view") -> drawn.Plain:
    """What settings show somebody now."""
    return drawn.with_shapes(drawn.plain(principal, figures.run(principal, spec, owner, action)))


def lines(principal: Principal, product: Product) -> tuple[list[str], list[list[Any]]]:
    """The table of a chart to take along; Refused for who may not export what it counts."""
    layer = sources.layer_of(principal, product.source)
    if layer is not None:
        gate.require(principal, layer, "export")
    if product.frozen_at is not None:
        return drawn.table(drawing(principal, product))
    return drawn.table(drawn.plain(principal, figures.run(principal, spec_of(product), product.owner_id, "export")))


@transaction.atomic
def save(
    principal: Principal, name: str, spec: Spec, roles: list[str], area: str = "", pk: UUID | None = None
) -> Product:
    """Write a new chart, or change one; Refused for who is not its owner, Invalid names what has to be mended.

    A changed chart is no longer frozen: what was frozen is not what it says now.
    """
    before: Mapping[str, Any] = {}
    if pk is None:
        if Product.objects.filter(owner=principal.id).count() >= MOST_OWN:
            raise Conflict(_("每人最多保存%d个图表，请先删除不用的。") % MOST_OWN)
        row = Product(owner_id=principal.id or UUID(int=0))
    else:
        row = _locked(principal, pk)
        before = _said(row)
    wrong: dict[str, list[str]] = {}
    if not name.strip():
        wrong["name"] = [_("请填写图表名称。")]
    elif len(name.strip()) > LONGEST_NAME:
        wrong["name"] = [_("最多%d个字。") % LONGEST_NAME]
    known = {value for value, _label in Role.choices if value != Role.PUBLIC}
    if set(roles) - known:
        wrong["roles"] = [_("请从列表中选择。")]
    if area and not area.isdecimal():
        wrong["area"] = [_("请从列表中选择。")]
    if wrong:
        raise Invalid(next(iter(wrong.values()))[0], wrong)
    specs.check(spec, sources.source(principal, spec.source, row.owner_id))
    row.name, row.kind, row.source, row.spec = name.strip(), spec.kind, spec.source, spec.plain()
    row.roles, row.area = sorted(set(roles)), code_prefix(area) if area else ""
    row.frozen, row.frozen_at = None, None
    row.save()
    _note(principal, "create chart" if pk is None else "change chart", row, before, _said(row))
    return row


@transaction.atomic
def rename(principal: Principal, pk: UUID, name: str) -> Product:
    """Give a chart another name."""
    row = _locked(principal, pk)
    before = {"name": row.name}
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise Invalid(_("名称须为1至%d个字。") % LONGEST_NAME, {"name": [_("请填写图表名称。")]})
    row.name = name.strip()
    row.save(update_fields=["name", "updated_at"])
    _note(principal, "change chart", row, before, {"name": row.name})
    return row


def copy(principal: Principal, pk: UUID) -> Product:
    """A chart of one's own that is like another; NotFound where one has no rights to its source."""
    other = fetch(principal, pk)
    spec = spec_of(other)
    if spec.source.startswith(sources.TABLE) and other.owner_id != principal.id:
        raise Refused(_("该图表的数据是他人上传的表格，只能查看，不能复制。"))
    return save(principal, (_("%s 副本") % other.name)[:LONGEST_NAME], spec, [])


@transaction.atomic
def freeze(principal: Principal, pk: UUID) -> Product:
    """Keep the figures as they are now for the owner; everybody with whom the chart is shared sees these from now on.

    Refused for who may not take the data along. Figures are kept in every language.
    """
    row = _locked(principal, pk)
    if row.owner_id != principal.id:
        raise Refused(_("快照按创建人的权限生成，只有创建人可以生成。"))
    spec = spec_of(row)
    layer = sources.layer_of(principal, spec.source)
    if layer is not None:
        gate.require(principal, layer, "export")
    kept = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            kept[language] = drawn.plain(principal, figures.run(principal, spec, row.owner_id, "export"))
    row.frozen, row.frozen_at = kept, timezone.now()
    row.save(update_fields=["frozen", "frozen_at", "updated_at"])
    _note(principal, "freeze chart", row, {"frozen_at": None}, {"frozen_at": row.frozen_at.isoformat()})
    return row


@transaction.atomic
def thaw(principal: Principal, pk: UUID) -> Product:
    """Show everybody their own figures again."""
    row = _locked(principal, pk)
    before = {"frozen_at": row.frozen_at and row.frozen_at.isoformat()}
    row.frozen, row.frozen_at = None, None
    row.save(update_fields=["frozen", "frozen_at", "updated_at"])
    _note(principal, "thaw chart", row, before, {"frozen_at": None})
    return row


@transaction.atomic
def delete(principal: Principal, pk: UUID) -> None:
    """Delete a chart; Refused for who is not its owner."""
    row = _locked(principal, pk)
    _note(principal, "delete chart", row, _said(row), {})
    row.delete()


def _locked(principal: Principal, pk: UUID) -> Product:
    if not may_change(principal, fetch(principal, pk)):
        raise Refused(_("只有创建人可以修改或删除图表。"))
    return Product.objects.select_for_update().get(pk=pk)


def _said(row: Product) -> Mapping[str, Any]:
    return {"name": row.name, "roles": row.roles, "area": row.area, **row.spec}


def _note(principal: Principal, action: str, row: Product, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    layer = row.source.partition(":")[2].partition(":")[0] if not row.source.startswith(sources.TABLE) else ""
    trail.note(
        principal.id, principal.name, action, layer=layer, object_id=row.pk, address=principal.address,
        changes={
            name: [before.get(name), after.get(name)]
            for name in dict.fromkeys([*before, *after])
            if before.get(name) != after.get(name)
        },
    )  # fmt: skip
