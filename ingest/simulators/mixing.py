"""Control systems of mixing plants: they register batches and send what they charge, as any plant's client does.

What is charged on demand out of tolerance, and what is not taken waits for the next attempt, in order.
"""

import asyncio
import http.client
import itertools
import json
import random
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.utils import timezone

from services.telemetry import tokens
from services.telemetry.devices import device_layers
from services.telemetry.models import Device

MIX = {
    "cement": 245.0, "fly_ash": 65.0, "slag": 75.0, "sand": 840.0, "stone": 1060.0, "water": 128.0, "admixture": 7.7,
}  # fmt: skip
"""kg/m³ of a plant that has no mix on file."""
BINS = {
    "cement": "1#水泥仓", "fly_ash": "3#粉煤灰仓", "slag": "4#矿粉仓", "mineral": "5#掺合料仓", "sand": "1#砂仓",
    "stone": "3#石仓", "water": "水秤", "admixture": "1#外加剂罐",
}  # fmt: skip
SPREAD = 0.25
"""Standard deviation of a weighing, in per cent."""
FAULTY = ("cement", "water", "admixture", "sand")
WAITING = 500
"""Charges that a plant keeps while the platform is away."""
PARTS = ("基础底板", "三层梁板", "剪力墙", "承台", "地下室外墙", "屋面板")
GRADES = ("C30", "C35", "C25")
CLIENT = "ERP-"
"""What the numbers of the clients begin with."""
REFUSED = (400, 409)
"""What is answered so is wrong: it is not sent again."""


class Filed(NamedTuple):
    """A mix on file: numbers of design and production, and kg/m³ of production."""

    design: str = ""
    production: str = ""
    parts: Mapping[str, float] = MIX


class Supply(NamedTuple):
    """Whom a plant supplies, the mixes on its file by grade, and its trucks."""

    projects: tuple[str, ...] = ()
    mixes: Mapping[str, Filed] = {}
    plates: tuple[str, ...] = ()


class Plant:
    """The control system of one plant: its device number and token, and the platform's address.

    Every ``faulty``th charge is out of tolerance, none with 0.
    """

    def __init__(self, number: str, token: str, url: str, supply: Supply, *, faulty: int = 25) -> None:
        self.number, self.token, self.url, self.supply, self.faulty = number, token, url, supply, faulty
        self.waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=WAITING)
        self.charged = 0
        self._chance = random.Random(number)
        self._mix = Filed()
        self._start = datetime.now(UTC)

    async def run(self, every: float) -> None:
        """Make batch after batch for ever, a charge about every so many seconds."""
        await asyncio.sleep(self._chance.uniform(0, every))
        for count in itertools.count(1):
            batch, cycles = None, self._chance.randint(6, 16)
            while batch is None:
                batch = await asyncio.to_thread(self.register, count, cycles * 2.0)
                if batch is None:
                    await asyncio.sleep(every)
            for sequence in range(1, cycles + 1):
                self.charge(batch, sequence, last=sequence == cycles)
                await asyncio.to_thread(self.send)
                await asyncio.sleep(every * self._chance.uniform(0.7, 1.3))

    def register(self, count: int, volume: float) -> str | None:
        """Register a batch; its number, or None while the platform does not answer."""
        grade = self._chance.choice([each for each in GRADES if each in self.supply.mixes] or GRADES)
        self._mix = self.supply.mixes.get(grade, Filed())
        body = {
            "order": f"RW{self._start:%y%m%d%H%M%S}-{count}", "grade": grade, "volume": volume, "line": 1,
            "slump": 180, "part": self._chance.choice(PARTS), "mix_number": self._mix.design,
            "production_number": self._mix.production, "registrar": "操作员",
            "project": self._chance.choice(self.supply.projects or ("",)),
        }  # fmt: skip
        status, answer = self._post("batches", body)
        return str(answer["number"]) if status in (200, 201) else None

    def charge(self, batch: str, sequence: int, *, last: bool = False, off: dict[str, float] | None = None) -> None:
        """Charge the mixer; ``off`` is by how many per cent which materials are off."""
        self.charged += 1
        errors = off or {}
        if not errors and self.faulty and self.charged % self.faulty == 0:
            errors = {self._chance.choice(FAULTY): self._chance.choice((-1, 1)) * self._chance.uniform(3.5, 8.0)}
        plate = self.supply.plates[sequence // 4 % len(self.supply.plates)] if self.supply.plates else ""
        self.waiting.append((batch, {
            "number": f"{batch}/{sequence}", "sequence": sequence, "at": datetime.now(UTC).isoformat(), "volume": 2.0,
            "seconds": self._chance.randint(36, 55), "truck": plate, "ticket": f"{batch[-8:]}-{sequence // 4 + 1}",
            "last": last, "materials": [
                {"bin": BINS[material], "material": material, "target": round(kg * 2, 2),
                 "actual": round(kg * 2 * (1 + (errors.get(material) or self._drift()) / 100), 2)}
                for material, kg in self._mix.parts.items()
            ],
        }))  # fmt: skip

    def send(self) -> int:
        """Hand over what waits until the platform does not answer; returns how many charges it has taken."""
        taken = 0
        while self.waiting:
            batch, cycle = self.waiting[0]
            status, _answer = self._post("charges", {"batch": batch, "charges": [cycle]})
            if status != 200 and status not in REFUSED:
                break
            self.waiting.popleft()
            taken += status == 200
        return taken

    def _drift(self) -> float:
        """Of a weighing that is as it should be."""
        return max(-0.8, min(0.8, self._chance.gauss(0, SPREAD)))

    def _post(self, door: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 where there is none."""
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's own
            f"{self.url}/devices/{door}", json.dumps(body).encode(), method="POST",
            headers={"X-Device": self.number, "X-Device-Token": self.token, "Content-Type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, {}
        except (OSError, ValueError, http.client.HTTPException):
            return 0, {}


def plants(number: int, url: str, faulty: int) -> list[Plant]:
    """So many plants, the first of the layers that have devices of their own kind, each with a new token.

    Their tokens are known to nobody but this process, so each start makes them anew.
    """
    found = []
    for layer in device_layers():
        if not getattr(layer.model, "has_devices", False):
            continue
        for row in layer.rows().exclude(code="").order_by("pk")[:number]:
            token, digest = tokens.new()
            name = f"{CLIENT}{row.code}"[:32]
            values = {
                "secret": digest, "feature": row.pk, "state": Device.State.ACTIVE, "name": row.name[:100],
                "interval": 300,
            }  # fmt: skip
            Device.objects.update_or_create(
                protocol=Device.Protocol.HTTP, number=name, defaults=values,
                create_defaults=values | {"approved_at": timezone.now()},
            )  # fmt: skip
            found.append(Plant(name, token, url, _supply(row), faulty=faulty))
    return found


def _supply(plant: Any) -> Supply:
    """What the plant has on file, read as its own control system knows it."""
    design: dict[str, str] = {}
    filed: dict[str, Filed] = {}
    for row in plant.mixes.order_by("kind", "valid_from"):
        if row.kind == "design":
            design[row.grade] = row.number
        else:
            filed[row.grade] = Filed(design.get(row.grade, ""), row.number, row.parts)
    codes = plant.batches.exclude(project__code="").order_by().values_list("project__code", flat=True).distinct()
    return Supply(tuple(codes[:5]), filed, tuple(plant.trucks.order_by("code").values_list("code", flat=True)[:4]))
