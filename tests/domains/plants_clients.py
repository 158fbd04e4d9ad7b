"""What the control system of a mixing plant sends, and a plant with its device and token."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from layers.concrete.models import Batch, MixingPlant
from services.telemetry import tokens
from services.telemetry.models import Device

TARGETS = {"cement": 490.0, "slag": 150.0, "sand": 1600.0, "stone": 2120.0, "water": 336.0, "admixture": 15.4}
BINS = {
    "cement": "1#水泥仓", "slag": "4#矿粉仓", "sand": "1#砂仓", "stone": "3#石仓", "water": "水秤",
    "admixture": "外加剂罐",
}  # fmt: skip


def cycle(sequence: int, number: str = "", at: datetime | None = None, **given: Any) -> dict[str, Any]:
    """One charge on target; a material in ``given`` is off by so many per cent."""
    weights = {name: given.pop(name, 0.0) for name in TARGETS}
    return {
        "number": number or f"N{sequence}", "sequence": sequence, "volume": 2.0, "seconds": 45,
        "at": (at or timezone.now()).isoformat(), "truck": "", "ticket": "CC01",
        "materials": [
            {"bin": BINS[name], "material": name, "target": target,
             "actual": round(target * (1 + weights[name] / 100), 4)}
            for name, target in TARGETS.items()
        ],
        **given,
    }  # fmt: skip


@dataclass(eq=False)
class Sender:
    """The client of one plant."""

    plant: MixingPlant
    device: Device
    token: str
    client: Client = field(default_factory=lambda: Client(SERVER_NAME="127.0.0.1"))

    def post(self, door: str, body: Any, **headers: str) -> HttpResponse:
        return self.client.post(
            f"/devices/{door}", body, content_type="application/json",
            headers={"X-Device": self.device.number, "X-Device-Token": self.token} | headers,
        )  # type: ignore[return-value]  # fmt: skip

    def register(self, order: str = "RW1", **given: Any) -> Batch:
        """A registered batch."""
        body = {"order": order, "volume": 24, "grade": "C30", "part": "二层梁板", **given}
        answer = self.post("batches", body)
        assert answer.status_code in (200, 201), answer.content.decode()
        return Batch.objects.get(number=answer.json()["number"])

    def charge(self, batch: Batch | str, *cycles: dict[str, Any]) -> HttpResponse:
        """Send charges."""
        return self.post("charges", {"batch": str(batch), "charges": list(cycles)})


def sender(plant: MixingPlant, number: str = "") -> Sender:
    """A device of the plant with a token."""
    token, digest = tokens.new()
    device = Device.objects.create(
        protocol="http", number=number or f"ERP-{plant.code}"[:32], secret=digest, feature=plant.pk, state="active"
    )
    return Sender(plant, device, token)


def earlier(batch: Batch, minutes: float) -> Batch:
    """The batch as if it had been registered before."""
    Batch.objects.filter(pk=batch.pk).update(registered_at=batch.registered_at - timedelta(minutes=minutes))
    batch.refresh_from_db()
    return batch
