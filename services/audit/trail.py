"""Writing the audit trail."""

from typing import Any
from uuid import UUID

from services.audit.models import Entry


def note(
    user_id: UUID | None,
    user_name: str,
    action: str,
    *,
    layer: str = "",
    object_id: object = "",
    changes: dict[str, Any] | None = None,
    address: str | None = None,
    result: str = "ok",
) -> None:
    """Write one entry, in the caller's transaction: what is rolled back was not done."""
    Entry.objects.create(
        user_id=user_id, user_name=user_name, action=action, layer=layer, object_id=str(object_id),
        changes=changes or {}, address=address, result=result,
    )  # fmt: skip
