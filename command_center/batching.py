"""The doors of mixing plants: their control systems register batches and send charges, each for its own plant alone.

One request holds what belongs together and is stored whole or not at all; the answer comes after the commit, and what
is sent again changes nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from command_center.device_files import sender
from command_center.middleware import address_of
from layers.concrete import flows
from layers.concrete.models import Grade, MixingPlant
from layers.concrete.rules import MATERIALS, Weighed
from services.access.errors import Invalid, LogInNeeded, Refused, TooLarge, TooMany
from services.access.shared_allowances import SharedAllowances
from services.telemetry.devices import admit, heard
from services.telemetry.models import Device
from services.telemetry.partitions import raw

MOST_BYTES = 1 << 20
MOST_CYCLES, MOST_WEIGHTS = 200, 40
"""Of one request, and of one cycle: what a plant kept through an outage goes in several requests."""
MOST_KG = 100_000.0
PLANTS = SharedAllowances("batching", 5.0, 120.0)
ADDRESSES = SharedAllowances("batching addresses", 20.0, 400.0)
FAILURES = SharedAllowances("batching failures", 0.2, 20.0)
"""As at the door of files: of a device, of an address, and of wrong tokens from one address."""
JSON = {"ensure_ascii": False}
TEXTS = {"part": 100, "grade": 4, "mix_number": 50, "production_number": 50, "registrar": 60, "supervision_number": 50}
"""What a registration may say, with the longest text."""


@csrf_exempt
@require_POST
def register(request: HttpRequest) -> HttpResponse:
    """Register a batch before it is produced: 201 with its number, 200 where its order has one already."""
    plant, device = _plant(request)
    body = _body(request)
    given: dict[str, Any] = {name: _text(body, name, most) for name, most in TEXTS.items() if body.get(name)}
    given["order"] = _text(body, "order", 50, needed=True)
    given["volume"] = _volume(body, 100_000.0)
    if body.get("slump") is not None:
        given["slump"] = _number(body, "slump", 300.0)
    if body.get("line") is not None:
        given["line"] = _whole(body, "line", 99)
    batch, new = flows.register(plant, f"device: {device.number}", given, _text(body, "project", 64))
    return JsonResponse(
        {"number": batch.number, "registered_at": batch.registered_at.isoformat()}, status=201 if new else 200,
        json_dumps_params=JSON,
    )  # fmt: skip


@csrf_exempt
@require_POST
def charge(request: HttpRequest) -> HttpResponse:
    """Take in charges of one batch: 200 once they are stored, with how each was judged.

    409 where the batch is not registered, 400 naming the field where something cannot be: nothing of it was stored.
    """
    plant, _device = _plant(request)
    body = _body(request)
    number = _text(body, "batch", 32, needed=True)
    rows = body.get("charges")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_CYCLES:
        raise _wrong("charges", _("应为 1 至 %d 盘的列表。") % MOST_CYCLES)
    cycles = [_cycle(row, f"charges[{place}].") for place, row in enumerate(rows)]
    if len({cycle.number for cycle in cycles}) < len(cycles):
        raise _wrong("charges", _("同一盘号出现多次。"))
    batch, taken = flows.receive(plant, number, cycles)
    answers = [
        {"number": each.charge.number, "serial": each.charge.serial, "state": each.state,
         "verdict": each.charge.verdict, "faults": each.charge.faults}
        for each in taken
    ]  # fmt: skip
    return JsonResponse(
        {"batch": batch.number, "quality": batch.quality, "charges": answers}, json_dumps_params=JSON
    )  # fmt: skip


def _plant(request: HttpRequest) -> tuple[MixingPlant, Device]:
    """The plant to which the device that sends is bound; a number nobody knows waits for approval from now on."""
    address = address_of(request)
    if wait := ADDRESSES.spend(address) or FAILURES.look(address):
        raise TooMany(_("来自该地址的请求过多，请稍后重试。"), retry_after=wait)
    try:
        device = sender(request)
    except LogInNeeded:
        FAILURES.spend(address)
        number = request.headers.get("X-Device", "")
        if not Device.objects.filter(protocol=Device.Protocol.HTTP, number=number, state=Device.State.ACTIVE).exists():
            admit(raw(), Device.Protocol.HTTP, number, address)
        raise
    # Only now, when it has proved itself: nobody can use up the allowance of another.
    if wait := PLANTS.spend(str(device.pk)):
        raise TooMany(_("该设备上传过于频繁，请稍后重试。"), retry_after=wait)
    plant = MixingPlant.objects.filter(pk=device.feature).first()
    if plant is None:
        raise Refused(_("该设备没有绑定搅拌站。"))
    heard(raw(), {device.pk: (timezone.now(), address)})
    return plant, device


def _body(request: HttpRequest) -> Mapping[str, Any]:
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        raise TooLarge(_("请求超过 %d MB。") % (MOST_BYTES >> 20))
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Invalid(_("请求正文不是 JSON。")) from None
    if not isinstance(body, dict):
        raise Invalid(_("请求正文应为 JSON 对象。"))
    return body


def _cycle(row: Any, where: str) -> flows.Cycle:
    if not isinstance(row, dict):
        raise _wrong(where.rstrip("."), _("应为 JSON 对象。"))
    weights = row.get("materials")
    if not isinstance(weights, list) or not 1 <= len(weights) <= MOST_WEIGHTS:
        raise _wrong(f"{where}materials", _("应为 1 至 %d 个料仓的列表。") % MOST_WEIGHTS)
    found = tuple(_weighed(each, f"{where}materials[{place}].") for place, each in enumerate(weights))
    if len({each.bin for each in found}) < len(found):
        raise _wrong(f"{where}materials", _("同一料仓出现多次。"))
    grade = _text(row, "grade", 4, where)
    if grade and grade not in Grade.values:
        raise _wrong(f"{where}grade", _("可选：%s。") % "、".join(Grade.values))
    volume = _volume(row, 100.0, where)
    return flows.Cycle(
        number=_text(row, "number", 40, where, needed=True), sequence=_whole(row, "sequence", 9999, where),
        at=_moment(row, where), volume=volume, weights=found, grade=grade,
        seconds=None if row.get("seconds") is None else _number(row, "seconds", 36_000.0, where),
        plate=_text(row, "truck", 16, where), ticket=_text(row, "ticket", 40, where), last=row.get("last") is True,
        digest=hashlib.sha256(json.dumps(row, sort_keys=True, ensure_ascii=False).encode()).hexdigest(),
    )  # fmt: skip


def _weighed(row: Any, where: str) -> Weighed:
    if not isinstance(row, dict):
        raise _wrong(where.rstrip("."), _("应为 JSON 对象。"))
    material = _text(row, "material", 10, where, needed=True)
    if material not in MATERIALS:
        raise _wrong(f"{where}material", _("可选：%s。") % "、".join(MATERIALS))
    return Weighed(
        _text(row, "bin", 40, where) or str(MATERIALS[material]), material, _number(row, "target", MOST_KG, where),
        _number(row, "actual", MOST_KG, where),
    )  # fmt: skip


def _text(row: Mapping[str, Any], name: str, most: int, where: str = "", *, needed: bool = False) -> str:
    value = row.get(name) or ""
    if not isinstance(value, str) or len(value) > most or not value.isprintable() or (needed and not value.strip()):
        raise _wrong(f"{where}{name}", _("应为最多 %d 个字的文本。") % most)
    return value.strip()


def _number(row: Mapping[str, Any], name: str, most: float, where: str = "") -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not 0 <= value <= most:
        raise _wrong(f"{where}{name}", _("应为 0 至 %g 的数。") % most)
    return float(value)


def _volume(row: Mapping[str, Any], most: float, where: str = "") -> float:
    if found := _number(row, "volume", most, where):
        return found
    raise _wrong(f"{where}volume", _("应大于零。"))


def _whole(row: Mapping[str, Any], name: str, most: int, where: str = "") -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _wrong(f"{where}{name}", _("应为 1 至 %d 的整数。") % most)
    return value


def _moment(row: Mapping[str, Any], where: str) -> datetime:
    try:
        found = datetime.fromisoformat(row.get("at") or "")
        if found.tzinfo is not None:
            return found
    except (TypeError, ValueError):
        pass
    raise _wrong(f"{where}at", _("应为带时区的 ISO 8601 时间，如 2026-11-27T08:30:00+08:00。"))


def _wrong(field: str, text: str) -> Invalid:
    return Invalid(_("数据有误。"), {field: [text]})
