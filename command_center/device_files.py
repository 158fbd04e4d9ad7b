"""The door by which devices hand over snapshots and recordings: one file a request, repeated until it is answered."""

from collections.abc import Iterator
from datetime import datetime

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from command_center.middleware import address_of
from services.access.errors import Invalid, LogInNeeded, TooLarge, TooMany
from services.access.shared_allowances import SharedAllowances
from services.files import attachments
from services.files.store import MOST_BYTES
from services.telemetry import tokens
from services.telemetry.devices import heard
from services.telemetry.models import Device
from services.telemetry.partitions import raw

CHUNK = 1 << 18
DEVICES = SharedAllowances("device files", 2.0, 60.0)
"""Files of one device: an event gives two, and after an outage it hands over what it kept, one after the other."""
ADDRESSES = SharedAllowances("device file addresses", 20.0, 400.0)
"""Requests of one address, behind which may be many devices."""
FAILURES = SharedAllowances("device file failures", 0.2, 20.0)
"""Wrong numbers and tokens of one address, before it is not even heard."""


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Keep the body as a file of the device's feature: 201 where it is new, 200 where it is there already.

    ``X-Device`` and ``X-Device-Token`` say who sends, ``name`` and ``taken_at`` (ISO 8601 with offset) in the query
    what. The answer comes after the commit; a file that was sent twice is kept once. 429 with ``Retry-After``:
    too many.
    """
    address = address_of(request)
    if wait := ADDRESSES.spend(address) or FAILURES.look(address):
        raise TooMany(_("来自该地址的请求过多，请稍后重试。"), retry_after=wait)
    try:
        device = sender(request)
    except LogInNeeded:
        FAILURES.spend(address)
        raise
    # Only now, when it has proved itself: nobody can use up the allowance of another.
    if wait := DEVICES.spend(str(device.pk)):
        raise TooMany(_("该设备上传过于频繁，请稍后重试。"), retry_after=wait)
    heard(raw(), {device.pk: (timezone.now(), address)})
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


def sender(request: HttpRequest) -> Device:
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
