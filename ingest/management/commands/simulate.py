"""``manage.py simulate``: devices that are not there send to the gateways."""

import asyncio
import signal
from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from ingest.gateways import jt808
from ingest.gateways.hj212 import PORT
from ingest.simulators import city, connected, fleet, past
from ingest.simulators.hj212 import Fault, Told
from services.telemetry import partitions
from services.telemetry.devices import measured_layers
from services.telemetry.features import columns
from services.telemetry.models import Device
from services.telemetry.units import FACTORS

REPORT = 10.0
EXISTING = 3
"""Features at which the existing system measures."""
DUST = "a34002"
"""PM10: what every dust monitor measures."""
UNITS = {code: factor.unit for code, factor in FACTORS.items() if factor.confusable}


class Command(BaseCommand):
    """Play every registered device whose password is that of the demo city, until SIGTERM."""

    help = "Play the demo city's HJ 212 devices and JT/T 808 vehicles: they connect, measure, send, fail and fill gaps."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many, how often, where to."""
        parser.add_argument("--password", default="demo12", help="of the devices to play")
        parser.add_argument(
            "--register", type=int, default=0, help="first register so many monitors that have no device"
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
        parser.add_argument("--to", default="", metavar="LAYER", help="layer whose features they drive to")
        parser.add_argument("--history", type=float, default=0, help="hours of their past that they send first")
        parser.add_argument("--past", type=int, default=0, help="hours that monitors registered now have behind them")
        parser.add_argument("--jt808-port", type=int, default=jt808.PORT)
        parser.add_argument(
            "--existing-port", type=int, default=0, help="where an existing system is to be pulled from"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Play."""
        new = register(options["register"], options["password"], options["interval"])
        if new and options["past"]:
            partitions.ahead()
            past.write(partitions.raw(), new, timezone.now(), options["past"], options["interval"])
        rows = Device.objects.filter(protocol="hj212", state="active", secret=options["password"]).order_by("id")
        numbers = {
            number: span if base == Device.Base.MINUTE else 0
            for number, base, span in rows.values_list("number", "base", "minute_span")[: options["most"]]
        }
        if options["existing_port"]:
            self.stdout.write(f"an existing system at {connected.start(options['existing_port'], EXISTING)} features")
        told = Told()
        faults = () if options["steady"] else options["fault"]
        devices = city.instruments(numbers, options["password"], options["interval"], told, faults=faults)
        trucks = fleet.fleet(
            options["trucks"], options["to"], min(10.0, options["interval"]), told,
            history=timedelta(hours=options["history"]), faulty=not options["steady"],
        )  # fmt: skip
        self.stdout.write(f"{len(devices)} devices, {len(trucks)} vehicles")
        with suppress(asyncio.CancelledError):
            asyncio.run(self._live(told, options["host"], {options["port"]: devices, options["jt808_port"]: trucks}))

    async def _live(self, told: Told, host: str, devices: dict[int, list[Any]]) -> None:
        living = asyncio.gather(*(city.live(some, host, port) for port, some in devices.items()))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, living.cancel)
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


def register(number: int, password: str, interval: float) -> dict[int, str]:
    """Make devices for features of the dust layers that have none: their code is the device's number (MN).

    Returns device → number of those that were made.
    """
    before = set(Device.objects.values_list("pk", flat=True))
    wanted = number - Device.objects.filter(secret=password).count()
    bound = Device.objects.filter(feature__isnull=False).values("feature")
    for layer in measured_layers():
        if DUST not in columns(layer):
            continue
        rows = layer.rows().exclude(pk__in=bound).exclude(code="").order_by("pk")
        Device.objects.bulk_create(
            [
                Device(
                    protocol=Device.Protocol.HJ212, number=row.code, name=row.name[:100], feature=row.pk,
                    state=Device.State.ACTIVE, secret=password, interval=max(1, round(interval)),
                    units=UNITS, approved_at=timezone.now(),
                )
                for row in rows.only("code", "name")[: max(0, wanted)]
            ],
            ignore_conflicts=True,
        )  # fmt: skip
    made = Device.objects.filter(secret=password).exclude(pk__in=before)
    return dict(made.values_list("pk", "number"))
