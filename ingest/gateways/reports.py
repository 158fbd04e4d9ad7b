"""What devices report over GB/T 28181: that they are there, which of their cameras are, and what is wrong."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import psycopg

from ingest.gateways.requests import Request
from ingest.gateways.sessions import Session
from ingest.protocols.gb28181 import bodies, messages, numbers
from ingest.protocols.gb28181.bodies import Alarm, Catalog, Channel, Keepalive, Status
from ingest.protocols.gb28181.errors import BodyError
from ingest.protocols.gb28181.messages import Message
from services.alarms.irregular import report
from services.telemetry import presence
from services.telemetry.devices import Admitted
from services.telemetry.presence import Leave

if TYPE_CHECKING:
    from ingest.gateways.gb28181 import Gateway

log = logging.getLogger(__name__)

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what we compare with
MOST_CHANNELS = 10_000
"""Channels of one device whose state is remembered."""


class Reports:
    """Takes what devices say, and writes down who is gone."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.address = ("", 0)
        """Ours, as we name it to devices."""
        self._leaving: dict[int, Leave] = {}
        """Who is gone and not written down yet."""
        self._sn = secrets.randbelow(1_000_000)

    def take(self, session: Session, request: Request) -> None:
        """Read the document of a registered device and answer it. Raises BodyError."""
        body = bodies.parse(request.message.body)
        if isinstance(body, Alarm):
            self.heard(session)
            self._alarm(session, body, request)
            return
        if isinstance(body, Keepalive) and body.device != session.known.number:
            raise BodyError("number", f"{session.known.number} sends a keepalive of {body.device[:20]!r}")
        self.heard(session)
        if isinstance(body, Keepalive):
            self.gateway.counts["keepalives"] += 1
            self._tell(session, {number: Channel(number, "", False) for number in body.faulty})
        elif isinstance(body, Catalog):
            self._catalog(session, body)
        elif isinstance(body, Status):
            self._tell(session, {body.device: Channel(body.device, "", body.is_on)})
        else:
            self.gateway.counts[f"{body.root} {body.command[:20]}"] += 1
        request.answer(200, "OK")

    def heard(self, session: Session) -> None:
        """A device is there, and with it those of its cameras that it last said are."""
        session.heard = monotonic()
        self._is_there(session.known, session.host)
        for number, is_on in session.channels.items():
            if is_on and (child := self._behind(session, number)) is not None:
                self._is_there(child, session.host)

    def gone(self, known: Admitted, session: Session | None, how: str = "") -> None:
        """A device left, and takes those behind it along; with ``how`` it is written down."""
        directory = self.gateway.directory
        children = [self._behind(session, number) for number in session.channels] if session is not None else []
        directory.gone([known, *(child for child in children if child is not None)])
        if how:
            self._leaving[known.id] = Leave(how, datetime.now(UTC))

    def ask(self, session: Session, now: float) -> None:
        """Ask a device for its channels, where it may have some and the time has come."""
        if not numbers.parse(session.known.number).has_cameras or not session.wants_question(now):
            return
        session.asked = now
        session.parts.expire(now)
        self._sn += 1
        self._send(session, bodies.query("Catalog", self._sn, session.known.number))

    async def write(self) -> None:
        """Write down who is gone; what fails is tried again."""
        if not self._leaving:
            return
        gone, self._leaving = self._leaving, {}
        try:
            await self.gateway.directory.ask(partial(presence.left, gone=gone))
        except psycopg.Error as error:
            log.warning("who left is not written down yet: %s", error)
            self._leaving = gone | self._leaving

    def _is_there(self, known: Admitted, host: str) -> None:
        self._leaving.pop(known.id, None)
        self.gateway.directory.heard(known, host)

    def _behind(self, session: Session, number: str) -> Admitted | None:
        """A camera for which this device may speak."""
        child = self.gateway.directory.get(number)
        return child if child is not None and child.behind_id == session.known.id else None

    def _catalog(self, session: Session, part: Catalog) -> None:
        told = {channel.number: channel for channel in part.channels}
        self._tell(session, told)
        whole = session.parts.add(part, monotonic())
        if whole is not None:
            self.gateway.counts["catalogues"] += 1
            # What a whole catalogue does not name any more is not there.
            missing = session.channels.keys() - whole.keys()
            self._tell(session, {number: Channel(number, "", False) for number in missing})

    def _tell(self, session: Session, told: Mapping[str, Channel]) -> None:
        """What a device says of cameras behind it."""
        off: list[Admitted] = []
        for number, channel in told.items():
            if number == session.known.number or not _is_camera(number):
                continue
            child = self.gateway.directory.get(number)
            if child is not None and child.behind_id != session.known.id:
                self.gateway.counts["foreign channels"] += 1
                continue
            if child is None:
                self.gateway.directory.behind(session.known, number, channel.name)
            if channel.is_on is None or (number not in session.channels and len(session.channels) >= MOST_CHANNELS):
                continue
            session.channels[number] = channel.is_on
            if child is not None and channel.is_on:
                self._is_there(child, session.host)
            elif child is not None:
                off.append(child)
        self.gateway.directory.gone(off)
        now = datetime.now(UTC)
        for child in off:
            self._leaving.setdefault(child.id, Leave(presence.REPORTED, now))

    def _alarm(self, session: Session, alarm: Alarm, request: Request) -> None:
        """An alarm is answered once it is kept; one that concerns no device's own state is only answered."""
        gateway, child = self.gateway, self._behind(session, alarm.device)

        def done(problem: Exception | None = None) -> None:
            if problem is not None:
                request.unavailable(problem)
                return
            gateway.counts["alarms"] += 1
            request.answer(200, "OK")
            self._send(session, bodies.alarm_taken(alarm.sn, alarm.device or session.known.number))

        subject = "video-lost" if alarm.is_video_lost else alarm.subject
        if alarm.is_video_lost and child is not None:
            self._tell(session, {alarm.device: Channel(alarm.device, "", False)})
            done()
        elif subject:
            request.hold()
            device = (child or session.known).id
            gateway.writer.put(partial(report, device=device, subject=subject, text=alarm.text), done)
        else:
            done()

    def _send(self, session: Session, body: bytes) -> None:
        """A MESSAGE of ours to a device."""
        if session.send is None:
            return
        gateway, number = self.gateway, session.known.number
        host, port = _own(session.host) if self.address[0] in EVERYWHERE else self.address[0], self.address[1]
        via = f"SIP/2.0/{session.transport} {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(8)}"
        self._sn += 1
        headers = (
            ("via", via), ("from", f"<sip:{gateway.number}@{gateway.realm}>;tag={secrets.token_hex(6)}"),
            ("to", f"<sip:{number}@{gateway.realm}>"), ("call-id", secrets.token_hex(12)),
            ("cseq", f"{self._sn % 2**31} MESSAGE"), ("max-forwards", "70"), ("content-type", messages.XML),
        )  # fmt: skip
        uri = f"sip:{number}@{session.host}:{session.port}"
        session.send(messages.encode(Message("MESSAGE", uri, headers, body)))


def _own(peer: str) -> str:
    """Our address as a peer sees it; nothing is sent for that."""
    with socket.socket(socket.AF_INET6 if ":" in peer else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))
        return str(probe.getsockname()[0])


def _is_camera(number: str) -> bool:
    try:
        return numbers.parse(number).is_camera
    except BodyError:
        return False
