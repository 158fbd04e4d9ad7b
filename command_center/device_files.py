"""The door by which devices hand over snapshots and recordings: one file a request, repeated until it is answered."""

from collections.abc import Iterator
from datetime import datetime

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from services.access.errors import Invalid, LogInNeeded, TooLarge
from services.files import attachments
from services.files.store import MOST_BYTES
from services.telemetry import tokens
from services.telemetry.models import Device

CHUNK = 1 << 18


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Keep the body as a file of the device's feature: 201 where it is new, 200 where it is there already.

    ``X-Device`` and ``X-Device-Token`` say who sends, ``name`` and ``taken_at`` (ISO 8601 with offset) in the query
    what. The answer comes after the commit; a file that was sent twice is kept once.
    """
    device = _device(request)
    try:
        taken_at = datetime.fromisoformat(request.GET.get("taken_at", ""))
    except ValueError:
        taken_at = datetime.min
    if timezone.is_naive(taken_at):
        raise Invalid(
            _("拍摄时间无效。"), {"taken_at": [_("应为带时区的 ISO 8601 时间，如 2026-11-27T08:30:00+08:00。")]}
        )
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        raise TooLarge(_("文件超过 %d MB。") % (MOST_BYTES >> 20))
    assert device.feature is not None
    kept, new = attachments.receive(device.feature, device.pk, request.GET.get("name", ""), taken_at, _chunks(request))
    return JsonResponse({"id": str(kept.pk), "sha256": kept.sha256, "late": kept.late}, status=201 if new else 200)


def _device(request: HttpRequest) -> Device:
    """The active device with this number and token; whichever of the two is wrong, the answer is the same."""
    number, token = request.headers.get("X-Device", ""), request.headers.get("X-Device-Token", "")
    found = Device.objects.filter(
        protocol=Device.Protocol.HTTP, number=number, state=Device.State.ACTIVE, feature__isnull=False
    ).first()
    if not tokens.fits(token, found.secret if found else "") or found is None:
        raise LogInNeeded(_("设备编号或令牌无效，或设备未启用。"))
    return found


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    while chunk := request.read(CHUNK):
        yield chunk
