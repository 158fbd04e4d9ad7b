"""The rows of a standard as plain values, and changing them: an office's administrators do, and it is audited."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.limits import rows
from services.limits.models import Limit, Scale

EDITED = (
    "standard", "version", "factor", "minutes", "value", "low", "unit", "grade", "stage", "region", "period", "given",
    "given_most", "allowed", "over_background", "valid_from", "valid_to", "citation", "verified",
)  # fmt: skip


def limits(standard: str) -> list[rows.Limit]:
    """Every limit of a standard, of all versions."""
    return [row.row for row in Limit.objects.filter(standard=standard)]


def scales(standard: str) -> list[rows.Scale]:
    """Every scale of a standard, of all versions."""
    return [row.row for row in Scale.objects.filter(standard=standard)]


def edit(principal: Principal, pk: int | None, values: dict[str, Any]) -> Limit:
    """Change a limit, or add one where ``pk`` is None; Refused for who is no administrator, Invalid for bad values."""
    if not principal.is_admin:
        raise Refused(_("只有系统管理员可以修改标准限值。"))
    with transaction.atomic():
        row = Limit() if pk is None else Limit.objects.select_for_update().filter(pk=pk).first()
        if row is None:
            raise NotFound(_("没有这条限值。"))
        before = {name: getattr(row, name) for name in EDITED}
        for name in set(values) & set(EDITED):
            setattr(row, name, values[name])
        try:
            row.full_clean()
        except ValidationError as error:
            raise Invalid(_("填写的内容有误。"), error.message_dict) from error
        row.save()
        changes = {
            name: [_plain(before[name]), _plain(getattr(row, name))]
            for name in EDITED
            if pk is None or before[name] != getattr(row, name)
        }
        trail.note(
            principal.id, principal.name, "create limit" if pk is None else "change limit", layer="limit",
            object_id=row.pk, changes=changes, address=principal.address,
        )  # fmt: skip
    return row


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
