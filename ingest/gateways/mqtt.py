"""Site boxes that speak MQTT: the messages that a broker keeps for us, acknowledged to it only after the commit.

A box publishes to ``zhutu/<number>/readings`` with QoS 1, under its number and token; the broker's access list allows
it no other topic. What it must know comes back on ``zhutu/<number>/problems``. A box that nobody knows yet publishes
to ``zhutu-new/<number>`` with the password of enrolment and so gets on the list of devices to approve.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.gateways.committer import Message
from ingest.gateways.gateway import Gateway as Base
from ingest.protocols.boxes import BadBody, parse, readings
from services.telemetry import tokens

log = logging.getLogger(__name__)

PORT = 9883
"""Where the broker listens."""
NAME, ENROLMENT = "zhutu-gateway", "zhutu-new"
"""Names at the broker: ours, and that of boxes which have none yet."""
IN_FLIGHT = 1_000
"""Messages that the broker hands out before the first of them is acknowledged."""
KEPT = 0xFFFFFFFF
"""Seconds for which the broker keeps our session: for ever."""
PASSWORDS_AGAIN = 3.0
_MEANT = frozenset(":/+#\r\n")
"""Characters that mean something in a topic or a file of passwords."""


class Gateway(Base):
    """The consumer of all boxes' messages."""

    protocol = "mqtt"
    port = PORT

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.folder: Path = settings.MQTT_FOLDER
        self._session = 0
        """Counts connections to the broker: a message can be acknowledged only over the one that brought it."""
        self._connected = self._stopping = False
        self._client: Client | None = None
        self._writing: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> None:
        """Let the broker know who may come, then take what it keeps for us and what comes.

        A broker that reads its passwords again forgets what a session without a connection may read, where its password
        is not as before, and drops without a word what comes for it. So ours stays the same, and where the broker knows
        it already nothing is written before we are connected.
        """
        password = self._own_password()
        if not self._may_enter():
            self._write_passwords()
        self._writing = asyncio.create_task(self._keep_passwords())
        loop = asyncio.get_running_loop()
        client = Client(CallbackAPIVersion.VERSION2, NAME, protocol=MQTTv5, manual_ack=True)
        client.username_pw_set(NAME, password)
        client.reconnect_delay_set(1, 5)

        # paho calls these in its own thread.
        def connected(
            client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
        ) -> None:
            if reason.is_failure:
                log.warning("the broker does not let us in: %s", reason)
                return
            loop.call_soon_threadsafe(self._begin)
            client.subscribe([("zhutu/+/readings", 1), (f"{ENROLMENT}/+", 1)])

        def disconnected(
            _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
        ) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before us
                loop.call_soon_threadsafe(self._end, str(reason))

        def came(_client: Client, _data: Any, message: MQTTMessage) -> None:
            loop.call_soon_threadsafe(self._message, message)

        client.on_connect, client.on_disconnect, client.on_message = connected, disconnected, came
        given = Properties(PacketTypes.CONNECT)
        given.SessionExpiryInterval, given.ReceiveMaximum = KEPT, IN_FLIGHT
        client.connect_async(host, port, keepalive=30, clean_start=False, properties=given)
        client.loop_start()
        self._client = client

    async def stop(self) -> None:
        """Take nothing more: the broker keeps it."""
        self._stopping = True

    async def close(self) -> None:
        """Leave the broker."""
        if self._writing is not None:
            self._writing.cancel()
        if self._client is not None:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    def __len__(self) -> int:
        return int(self._connected)

    def _begin(self) -> None:
        self._session += 1
        self._connected = True
        self.counts["connections"] += 1

    def _end(self, reason: str) -> None:
        self._connected = False
        if not self._stopping:
            log.warning("the broker is gone: %s", reason)

    def _message(self, message: MQTTMessage) -> None:
        if self._stopping:
            return None
        self.counts["messages"] += 1
        done = partial(self._acknowledge, self._session, message)
        parts = message.topic.split("/")
        number = parts[1]
        known = self.directory.get(number) if parts[0] != ENROLMENT else None
        if known is None:
            self.directory.unknown(number, "")
            return done()
        try:
            body = parse(bytes(message.payload))
            if body.device not in ("", number):
                raise BadBody("device", body.device, number)
            found = readings(body, known.units)
        except BadBody as error:
            # It would be as bad the next time: it must not hold up the others (F27).
            self.counts["refused body"] += 1
            self._tell(number, {"title": str(error), "field": error.field, "allowed": error.allowed})
            return done()
        self.directory.heard(known)
        received = datetime.now(UTC)
        rows = [row for record in found for row in self.directory.rows(known, record, received, body.late)]

        def refused(error: Exception) -> None:
            log.error("readings of %s are refused by the database: %s", number, error)
            self._tell(number, {"title": "the database refuses these readings"})
            done()

        self.committer.put(Message(rows, done, refused))
        return None

    def _acknowledge(self, session: int, message: MQTTMessage) -> None:
        # After another connection the broker counts anew, and sends again what is not acknowledged.
        if self._client is not None and session == self._session and self._connected:
            self._client.ack(message.mid, message.qos)

    def _tell(self, number: str, problem: dict[str, Any]) -> None:
        if self._client is not None:
            self._client.publish(f"zhutu/{number}/problems", json.dumps(problem, ensure_ascii=False))

    def _own_password(self) -> str:
        """Ours, made once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (kept := self.folder / "gateway").exists():
            _write(kept, tokens.new()[0])
        return kept.read_text().strip()

    def _may_enter(self) -> bool:
        """Whether the broker has our password already."""
        file = self.folder / "passwords"
        return file.exists() and self._line(NAME, "gateway") in file.read_text().splitlines()

    def _line(self, name: str, kept: str) -> str:
        """A name of the broker with the digest of the password in a file, which is made once: each has its own salt."""
        digest = self.folder / f"{kept}.digest"
        if not digest.exists():
            _write(digest, tokens.broker_digest((self.folder / kept).read_text().strip()))
        return f"{name}:{digest.read_text().strip()}"

    async def _keep_passwords(self) -> None:
        while True:
            await asyncio.sleep(PASSWORDS_AGAIN)
            try:
                self._write_passwords()
            except OSError as error:
                log.warning("the broker's password file was not written: %s", error)

    def _write_passwords(self) -> None:
        """The names that the broker lets in: ours, that of enrolment and the active devices."""
        lines = [self._line(NAME, "gateway")]
        if (self.folder / "enrolment").exists():
            lines.append(self._line(ENROLMENT, "enrolment"))
        names = {NAME, ENROLMENT}
        lines += sorted(
            f"{device.number}:{device.secret}"
            for device in self.directory
            if device.secret.startswith("$7$")
            and device.number not in names
            and not set(device.number) & set(":\r\n/+#")
        )
        text, file = "\n".join(lines) + "\n", self.folder / "passwords"
        if file.exists() and file.read_text() == text:
            return
        _write(file, text)
        with contextlib.suppress(OSError, ValueError):  # no broker yet: it reads the file when it starts
            broker = int((self.folder / "broker.pid").read_text())
            if Path(f"/proc/{broker}/comm").read_text().strip() == "mosquitto":
                os.kill(broker, signal.SIGHUP)


def _write(file: Path, text: str) -> None:
    """A whole new file that nobody else may read, or the one that was."""
    new = file.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    if os.geteuid() == 0:
        # The broker works as the owner of the folder.
        owner = file.parent.stat()
        os.chown(new, owner.st_uid, owner.st_gid)
    new.replace(file)
