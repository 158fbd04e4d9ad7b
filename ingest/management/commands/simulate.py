"""``manage.py simulate``: devices that are not there send to the gateways."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from ingest.gateways import gb28181, jt808
from ingest.gateways.hj212 import PORT
from ingest.simulators import cameras, city, connected, fleet, mixing, past, works
from ingest.simulators.hj212 import Fault, Told
from ingest.simulators.witness import Witness
from services.catalog.models import FeatureIndex
from services.telemetry import partitions, tokens
from services.telemetry.devices import measured_layers
from services.telemetry.features import columns
from services.telemetry.models import Device
from services.telemetry.units import FACTORS

REPORT = 10.0
EXISTING = 3
"""Features at which the existing system measures."""
BOX = "BOX-"
"""What the numbers of site boxes begin with."""
DUST = "a34002"
"""PM10: what every dust monitor measures."""
UNITS = {code: factor.unit for code, factor in FACTORS.items() if factor.confusable}


class Command(BaseCommand):
    """Play every registered device whose password is that of the demo city, until SIGTERM."""

    help = (
        "Play the demo city's HJ 212 devices, JT/T 808 terminals and GB/T 28181 cameras: they connect, measure, send, "
        "fail and fill gaps. SIGUSR1 disconnects a camera, and once more brings it back."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """How many, how often, where to."""
        parser.add_argument("--password", default="demo12", help="of the devices to play")
        parser.add_argument(
            "--register", type=int, default=0, help="first register so many monitors that have no device"
        )
        parser.add_argument(
            "--works", type=int, default=0, help="also play so many sewage works, registering their devices"
        )
        parser.add_argument("--most", type=int, default=10_000, help="devices at most")
        parser.add_argument("--interval", type=float, default=30.0, help="seconds between two packets of a device")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=PORT)
        parser.add_argument(
            "--fault", action="append", choices=get_args(Fault.__value__), help="of all devices; may be repeated"
        )
        parser.add_argument("--steady", action="store_true", help="without faults")
        parser.add_argument("--trucks", type=int, default=0, help="vehicles that drive about and speak JT/T 808")
        parser.add_argument("--walkers", type=int, default=0, help="people on sites whose terminals speak JT/T 808")
        parser.add_argument("--to", default="", metavar="LAYER", help="layer whose features they drive to")
        parser.add_argument("--history", type=float, default=0, help="hours of their past that they send first")
        parser.add_argument("--past", type=int, default=0, help="hours that devices registered now have behind them")
        parser.add_argument("--jt808-port", type=int, default=jt808.PORT)
        parser.add_argument("--ipc", type=int, default=0, help="cameras that speak GB/T 28181 for themselves")
        parser.add_argument("--nvr", type=int, default=0, help="recorders with some cameras behind each")
        parser.add_argument(
            "--outage", default="", metavar="NUMBER", help="which one SIGUSR1 disconnects; else the first"
        )
        parser.add_argument("--gb28181-port", type=int, default=gb28181.PORT)
        parser.add_argument(
            "--existing-port", type=int, default=0, help="where an existing system is to be pulled from"
        )
        parser.add_argument("--boxes", type=int, default=0, help="site boxes that hand over snapshots and recordings")
        parser.add_argument("--mixing", type=int, default=0, help="mixing plants that register batches and charge them")
        parser.add_argument("--charge-every", type=float, default=30.0, help="seconds between two charges of a plant")
        parser.add_argument("--faulty", type=int, default=25, help="every so manieth charge is out of tolerance")
        parser.add_argument("--web", default="http://127.0.0.1:8000", metavar="URL", help="where they hand them over")
        parser.add_argument("--memory", type=Path, default=settings.LOCAL / "witness", help="folder of what they keep")
        parser.add_argument("--every", type=float, default=600.0, help="seconds between two events of a box")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play."""
        faults = () if options["steady"] else options["fault"]
        points = works.points(options["works"], faults)
        new: dict[int, Any] = dict(register(options["register"], options["password"], options["interval"]))
        new |= works.register(points, options["password"], options["interval"])
        if new and options["past"]:
            partitions.ahead()
            past.write(partitions.raw(), new, timezone.now(), options["past"], options["interval"])
        rows = Device.objects.filter(pk__in=with_password(options["password"]), state="active").order_by("id")
        numbers = {
            number: span if base == Device.Base.MINUTE else 0
            for number, base, span in rows.exclude(number__in=[point.number for point in points]).values_list(
                "number", "base", "minute_span")[: options["most"]]
        }  # fmt: skip
        if options["existing_port"]:
            self.stdout.write(f"an existing system at {connected.start(options['existing_port'], EXISTING)} features")
        told = Told()
        devices = city.instruments(numbers, options["password"], options["interval"], told, faults=faults)
        devices += works.instruments(points, options["password"], options["interval"], told)
        trucks = fleet.fleet(
            options["trucks"], options["to"], min(10.0, options["interval"]), told,
            history=timedelta(hours=options["history"]), faulty=not options["steady"],
        )  # fmt: skip
        trucks += fleet.walkers(
            options["walkers"], min(10.0, options["interval"]), told, history=timedelta(hours=options["history"])
        )
        boxes = [
            Witness(number, token, options["web"].rstrip("/"), options["memory"] / number)
            for number, token in witnesses(options["boxes"], options["every"]).items()
        ]
        units = cameras.units(options["ipc"], options["nvr"], options["password"], told, steady=options["steady"])
        plants = mixing.plants(options["mixing"], options["web"].rstrip("/"), options["faulty"])
        self.stdout.write(
            f"{len(devices)} devices, {len(trucks)} terminals, {len(units)} cameras and recorders, {len(boxes)} boxes,"
            f" {len(plants)} mixing plants"
        )
        living: dict[int, list[Any]] = {
            options["port"]: devices, options["jt808_port"]: trucks, options["gb28181_port"]: units,
        }  # fmt: skip
        self.toggle = cameras.outage(units, options["outage"], self.stdout.write)
        others = [box.run(options["every"]) for box in boxes]
        others += [plant.run(options["charge_every"]) for plant in plants]
        with suppress(asyncio.CancelledError):
            asyncio.run(self._live(told, options["host"], living, others))

    async def _live(
        self, told: Told, host: str, devices: dict[int, list[Any]], others: list[Coroutine[Any, Any, None]]
    ) -> None:
        living = asyncio.gather(*(city.live(some, host, port) for port, some in devices.items()), *others)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, living.cancel)
        if self.toggle is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.toggle)
        reporting = asyncio.create_task(self._report(told))
        try:
            await living
        finally:
            reporting.cancel()

    async def _report(self, told: Told) -> None:
        while True:
            await asyncio.sleep(REPORT)
            waits, told.waits = sorted(told.waits), []
            slow = f", acknowledged within {waits[int(len(waits) * 0.95)]:.3f} s (95 %)" if waits else ""
            self.stdout.write(", ".join(f"{name} {n}" for name, n in sorted(told.counts.items())) + slow)


def witnesses(number: int, every: float) -> dict[str, str]:
    """Number → new token of so many site boxes, on the first features of the dust layers that have a device.

    Their tokens are known to nobody but this process, so each start makes them anew.
    """
    found = {}
    dusty = [layer.key for layer in measured_layers() if DUST in columns(layer)]
    served = Device.objects.filter(state="active", feature__isnull=False).exclude(number__startswith=BOX)
    places = FeatureIndex.objects.filter(layer__in=dusty, pk__in=served.values("feature")).order_by("pk")
    for place in places.only("pk", "code", "title")[:number]:
        token, digest = tokens.new()
        name = f"{BOX}{place.code}"[:32]
        values = {
            "secret": digest, "feature": place.pk, "state": Device.State.ACTIVE, "name": place.title[:100],
            "interval": min(3600, max(60, round(2 * every))),
        }  # fmt: skip
        Device.objects.update_or_create(
            protocol=Device.Protocol.HTTP,
            number=name,
            defaults=values,
            create_defaults=values | {"approved_at": timezone.now()},
        )
        found[name] = token
    return found


def register(number: int, password: str, interval: float) -> dict[int, str]:
    """Make devices for features of the dust layers that have none: their code is the device's number (MN).

    Returns device → number of those that were made.
    """
    before = set(with_password(password))
    wanted = number - len(before)
    bound = Device.objects.filter(feature__isnull=False).values("feature")
    for layer in measured_layers():
        if DUST not in columns(layer):
            continue
        rows = layer.rows().exclude(pk__in=bound).exclude(code="").order_by("pk")
        Device.objects.bulk_create(
            [
                Device(
                    protocol=Device.Protocol.HJ212, number=row.code, name=row.name[:100], feature=row.pk,
                    state=Device.State.ACTIVE, password=password, interval=max(1, round(interval)),
                    units=UNITS, approved_at=timezone.now(),
                )
                for row in rows.only("code", "name")[: max(0, wanted)]
            ],
            ignore_conflicts=True,
        )  # fmt: skip
    made = Device.objects.filter(pk__in=set(with_password(password)) - before)
    return dict(made.values_list("pk", "number"))


def with_password(password: str) -> list[int]:
    """The HJ 212 devices with this password: seals are opened one by one, for they cannot be searched."""
    rows = Device.objects.filter(protocol=Device.Protocol.HJ212).values_list("pk", "password")
    return [pk for pk, kept in rows if kept == password]
