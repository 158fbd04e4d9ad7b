"""One's own notices: listed, counted, marked as read. Nobody reaches another's."""

from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from services.access.errors import NotFound
from services.notify.models import Delivery, Message

PAGE = 50


def of(user_id: UUID | None, *, unread: bool = False, before: UUID | None = None) -> QuerySet[Message]:
    """The notices of a person, newest first, with how else each went out; ``before`` is an id: only older ones."""
    sent = Delivery.objects.select_related("channel").order_by("id")
    rows = _own(user_id).order_by("-id").prefetch_related(Prefetch("deliveries", sent))
    if unread:
        rows = rows.filter(read_at=None)
    return rows.filter(pk__lt=before) if before is not None else rows


def unread(user_id: UUID | None) -> int:
    """How many notices somebody has not read."""
    return _own(user_id).filter(read_at=None).count()


def newest(user_id: UUID | None) -> Message | None:
    """The newest notice that somebody has not read."""
    return _own(user_id).filter(read_at=None).order_by("-id").first()


def read(user_id: UUID | None, pk: UUID) -> Message:
    """Mark a notice as read and return it; NotFound where it is not there or another's."""
    row = _own(user_id).filter(pk=pk).first()
    if row is None:
        raise NotFound(_("没有这条消息。"))
    if row.read_at is None:
        row.read_at = timezone.now()
        row.save(update_fields=["read_at"])
    return row


def read_all(user_id: UUID | None) -> int:
    """Mark everything as read; how many notices."""
    return _own(user_id).filter(read_at=None).update(read_at=timezone.now())


def _own(user_id: UUID | None) -> QuerySet[Message]:
    """The notices of a user; of nobody none, though notices to groups have no user either."""
    return Message.objects.filter(user_id=user_id) if user_id is not None else Message.objects.none()
