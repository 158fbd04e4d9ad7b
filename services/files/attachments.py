"""Attachments of features: who may see a feature sees its files, who may change it adds and removes them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access import gate
from services.access.errors import Invalid, NotFound, Refused
from services.access.principal import Principal
from services.audit import trail
from services.catalog.layer import Layer, registry
from services.files import store
from services.files.models import Attachment
from services.files.names import shown_name

AHEAD = timedelta(minutes=5)
"""How far ahead of ours the clock of a device may be."""
LATE = timedelta(minutes=10)
"""A file of a device that arrives longer after it was made comes from the device's own memory."""


def of(principal: Principal, layer: Layer, feature: UUID) -> QuerySet[Attachment]:
    """The files of a feature, those taken or added last first; NotFound where the principal does not see it."""
    gate.fetch(principal, layer, feature)
    return (
        Attachment.objects.filter(feature=feature)
        .select_related("added_by")
        .order_by(Coalesce("taken_at", "created_at").desc(), "-pk")
    )


def opened(principal: Principal, pk: UUID) -> tuple[Attachment, Path]:
    """A file that the principal may see, and its bytes."""
    found = Attachment.objects.filter(pk=pk).first()
    if found is None or not gate.restrict_index(principal).filter(pk=found.feature).exists():
        raise NotFound(_("没有这个附件。"))
    return found, store.path_of(found.pk)


def add(
    principal: Principal,
    layer: Layer,
    feature: UUID,
    name: str,
    chunks: Iterable[bytes],
    note: str = "",
    *,
    action: str = "change",
) -> Attachment:
    """Keep a file that a person gives; the same bytes again are the file that is there.

    ``action`` is the right that is asked for: a flow that has checked who may answer asks for ``view`` alone.
    """
    gate.fetch(principal, layer, feature, action)
    if len(note) > 300:
        raise Invalid(_("填写的内容有误。"), {"note": [_("最多 300 字。")]})
    given = Attachment(feature=feature, name=shown_name(name), added_by_id=principal.id, note=note)
    return _keep(given, chunks, principal, layer.key)[0]


def receive(
    feature: UUID, device: int, name: str, taken_at: datetime, chunks: Iterable[bytes]
) -> tuple[Attachment, bool]:
    """Keep a file that a device sends, and whether it is new; of files from its memory ``late`` is set.

    Raises Invalid where it claims to be made in the future.
    """
    now = timezone.now()
    if taken_at > now + AHEAD:
        raise Invalid(_("拍摄时间晚于当前时间。"), {"taken_at": [_("请校准设备时钟。")]})
    late = now - taken_at > LATE
    given = Attachment(feature=feature, name=shown_name(name), device=device, taken_at=taken_at, late=late)
    return _keep(given, chunks)


@transaction.atomic
def remove(principal: Principal, pk: UUID) -> tuple[Layer, UUID]:
    """Take a file away and return whose it was; what a device sent stays as evidence and is Refused."""
    found, _path = opened(principal, pk)
    feature = gate.restrict_index(principal, action="change").filter(pk=found.feature).first()
    if feature is None:
        raise Refused(_("需要对所属要素的修改权限。"))
    if found.device is not None:
        raise Refused(_("设备上报的文件是凭据，不能删除。"))
    removed = found.pk
    found.delete()
    _note(principal, "remove file", feature.layer, found)
    transaction.on_commit(lambda: store.drop(removed))
    return registry.by_key[feature.layer], feature.pk


def _keep(
    given: Attachment, chunks: Iterable[bytes], principal: Principal | None = None, layer: str = ""
) -> tuple[Attachment, bool]:
    """The bytes, then the row: a crash between the two leaves bytes that nobody names, never a row without bytes."""
    kept = store.keep(given.pk, chunks)
    given.kind, given.media_type = kept.content
    given.size, given.sha256 = kept.size, kept.sha256
    try:
        with transaction.atomic():
            given.save(force_insert=True)
            if principal is not None:
                _note(principal, "add file", layer, given)
    except IntegrityError:
        store.drop(given.pk)
        return Attachment.objects.get(feature=given.feature, sha256=given.sha256, taken_at=given.taken_at), False
    except BaseException:
        store.drop(given.pk)
        raise
    return given, True


def _note(principal: Principal, action: str, layer: str, file: Attachment) -> None:
    trail.note(
        principal.id, principal.name, action, layer=layer, object_id=file.feature,
        changes={"file": file.name, "sha256": file.sha256}, address=principal.address,
    )  # fmt: skip
