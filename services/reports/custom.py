"""Custom reports: who may see one, and writing one; every change is audited.

A report gives nobody any rights: what it shows are the rows and fields of whoever runs it.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer
from services.reports import people
from services.reports.columns import TIME, columns, relations
from services.reports.models import Custom, Due
from services.telemetry.devices import measured_layers
from services.telemetry.reports import FREE, period
from services.telemetry.spans import ZONE

EDITED = (
    "name", "about", "roles", "layer", "choice", "region", "along", "under", "features", "period", "first",
    "last", "by", "part", "columns", "sort", "repeat", "hour", "recipients",
)  # fmt: skip
MOST_OWN = 200
MOST_COLUMNS = 40
MOST_CHOSEN = 500
MOST_RECIPIENTS = 50
LONGEST = 3660
"""Days of a time that was chosen."""


def layers(principal: Principal) -> list[Layer]:
    """The layers with measured values that a principal may see."""
    return [layer for layer in measured_layers() if gate.may(principal, layer)]


def visible(principal: Principal) -> QuerySet[Custom]:
    """One's own reports and those that are shared with one's role or sent to one, of layers that one may see."""
    if principal.is_public:
        return Custom.objects.none()
    mine = Q(owner=principal.id) | Q(roles__overlap=sorted(principal.roles)) | Q(recipients__contains=[principal.id])
    rows = Custom.objects.filter(layer__in=[layer.key for layer in layers(principal)])
    return (rows if principal.is_admin else rows.filter(mine)).select_related("owner")


def fetch(principal: Principal, pk: UUID) -> Custom:
    """One of them; NotFound for any other."""
    found = visible(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这个报表。"))
    return found


def may_change(principal: Principal, custom: Custom) -> bool:
    """Whether a principal may change or delete a report: its owner, and an administrator."""
    return principal.is_admin or (principal.id is not None and custom.owner_id == principal.id)


def drafted(principal: Principal, values: Mapping[str, Any], custom: Custom | None = None) -> Custom:
    """A report with these values, checked and not saved; Invalid names what has to be mended."""
    draft = custom or Custom(owner_id=principal.id or UUID(int=0))
    for name in set(values) & set(EDITED):
        setattr(draft, name, values[name])
    wrong: dict[str, list[str]] = {}
    try:
        draft.full_clean(exclude=["owner"], validate_constraints=False)
    except ValidationError as error:
        wrong = {name: [str(text) for text in texts] for name, texts in error.message_dict.items()}
    layer = next((layer for layer in layers(principal) if layer.key == draft.layer), None)
    if layer is None:
        wrong["layer"] = [_("请从列表中选择。")]
    else:
        wrong |= _wrong(principal, layer, draft)
    if wrong:
        raise Invalid(_("填写的内容有误。"), wrong)
    return draft


@transaction.atomic
def save(principal: Principal, values: Mapping[str, Any], pk: UUID | None = None) -> Custom:
    """Write a new report, or change one; Refused for who is not its owner."""
    if pk is None:
        if Custom.objects.filter(owner=principal.id).count() >= MOST_OWN:
            raise Conflict(_("每人最多保存%d个报表，请先删除不用的。") % MOST_OWN)
        before: dict[str, Any] = dict.fromkeys(EDITED)
        row = Custom(owner_id=principal.id or UUID(int=0))
    else:
        row = _locked(principal, pk)
        before = {name: _plain(getattr(row, name)) for name in EDITED}
    row = drafted(principal, values, row)
    _arrange(row, before["repeat"])
    row.save()
    after = {name: _plain(getattr(row, name)) for name in EDITED}
    trail.note(
        principal.id, principal.name, "create report" if pk is None else "change report", layer=row.layer,
        object_id=row.pk, address=principal.address,
        changes={name: [before[name], after[name]] for name in EDITED if before[name] != after[name]},
    )  # fmt: skip
    return row


@transaction.atomic
def delete(principal: Principal, pk: UUID, with_editions: bool = False) -> None:
    """Delete a report; Refused for who is not its owner, Conflict where it has editions that are not to go with it."""
    row = _locked(principal, pk)
    kept = row.editions.count()
    if kept and not with_editions:
        raise Conflict(_("该报表已自动生成 %d 份，请确认一并删除。") % kept)
    trail.note(
        principal.id, principal.name, "delete report", layer=row.layer, object_id=row.pk, address=principal.address,
        changes={name: [_plain(getattr(row, name)), None] for name in EDITED} | {"editions": [kept, 0]},
    )  # fmt: skip
    Due.objects.filter(report=row.key).delete()
    row.delete()


def _locked(principal: Principal, pk: UUID) -> Custom:
    found = fetch(principal, pk)
    if not may_change(principal, found):
        raise Refused(_("只有创建人可以修改或删除报表。"))
    return Custom.objects.select_for_update().get(pk=pk)


def _arrange(row: Custom, before: str | None) -> None:
    """Have a report made from the period on that runs now, where it is to make itself in another rhythm than before."""
    if row.repeat == (before or ""):
        return
    row.upto = period(row.repeat, timezone.now().astimezone(ZONE).date()).first if row.repeat else None
    Due.objects.filter(report=row.key).delete()


def _wrong(principal: Principal, layer: Layer, draft: Custom) -> dict[str, list[str]]:
    """What the fields alone do not show to be wrong."""
    wrong: dict[str, list[str]] = {}
    if draft.choice == Custom.Choice.REGION and not draft.region:
        wrong["region"] = [_("请选择行政区。")]
    if draft.choice == Custom.Choice.REGION and not layer.scope.region:
        wrong["choice"] = [_("该图层不能按行政区选择。")]
    if draft.choice == Custom.Choice.UNDER:
        other = relations(principal, layer).get(draft.along, ("", None))[1]
        if other is None:
            wrong["along"] = [_("请从列表中选择。")]
        elif draft.under is None or not gate.restrict(principal, other).filter(pk=draft.under).exists():
            wrong["under"] = [_("请选择%s。") % other.singular]
    if draft.choice == Custom.Choice.CHOSEN:
        if not draft.features:
            wrong["features"] = [_("请选择要素。")]
        elif len(draft.features) > MOST_CHOSEN:
            wrong["features"] = [_("最多指定%d个要素。") % MOST_CHOSEN]
    if draft.period == FREE:
        wrong |= _wrong_time(draft.first, draft.last)
    wrong |= _wrong_rhythm(principal, layer, draft)
    tokens = draft.columns
    if not any(":" in token for token in tokens):
        wrong["columns"] = [_("请至少加入一项监测数据。")]
    elif len(tokens) > MOST_COLUMNS:
        wrong["columns"] = [_("最多%d列。") % MOST_COLUMNS]
    elif len(set(tokens)) < len(tokens):
        wrong["columns"] = [_("有重复的列。")]
    elif missing := set(tokens) - {column.token for column in columns(principal, layer, tokens)}:
        wrong["columns"] = [_("没有列%s。") % "、".join(sorted(missing))]
    elif draft.by == Custom.By.TIME and any(":" not in token and token != TIME for token in tokens):
        wrong["columns"] = [_("每个时段一行时，不能有要素的字段。")]
    elif draft.by == Custom.By.FEATURE and TIME in tokens:
        wrong["columns"] = [_("每个要素一行时，不能有时间列。")]
    if draft.sort and draft.sort.removeprefix("-") not in tokens:
        wrong["sort"] = [_("只能按报表中的列排序。")]
    return wrong


def _wrong_rhythm(principal: Principal, layer: Layer, draft: Custom) -> dict[str, list[str]]:
    wrong: dict[str, list[str]] = {}
    if draft.repeat and draft.period == FREE:
        wrong["repeat"] = [_("自定时间的报表没有下一期，不能自动生成。")]
    if len(draft.recipients) > MOST_RECIPIENTS:
        wrong["recipients"] = [_("最多%d个接收人。") % MOST_RECIPIENTS]
    elif draft.recipients:
        # Who was chosen before and has moved on since stays until taken out: they read no more than their rights.
        before = Custom.objects.filter(pk=draft.pk).values_list("recipients", flat=True).first() or []
        known = {*before, *(user.pk for user in people.recipients(principal, layer))}
        if set(draft.recipients) - known:
            wrong["recipients"] = [_("请从列表中选择。")]
    return wrong


def _wrong_time(first: date | None, last: date | None) -> dict[str, list[str]]:
    if first is None or last is None:
        return {"first" if first is None else "last": [_("必填")]}
    if last < first:
        return {"last": [_("结束日期不能早于开始日期。")]}
    if (last - first).days >= LONGEST:
        return {"last": [_("最长10年。")]}
    return {}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
