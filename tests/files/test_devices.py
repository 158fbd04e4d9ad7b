"""Snapshots and recordings of devices: kept by the device while the platform is away, handed over once it is back."""

import asyncio
import io
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from ingest.management.commands import simulate
from ingest.simulators.witness import Witness, recording, snapshot
from layers.environment.models import Monitor
from services.access.principal import Principal
from services.accounts.models import User
from services.files.models import Attachment
from services.telemetry import tokens
from services.telemetry.models import Device
from tests.conftest import Server

AT = datetime(2026, 11, 27, 2, 30, 15, tzinfo=UTC)
REFUSING = "http://127.0.0.1:9"
"""Nothing listens there: the link is cut."""


def make(feature: object, state: str = "active") -> tuple[Device, str]:
    token, digest = tokens.new()
    number = f"BOX-{token[:8]}"
    return Device.objects.create(protocol="http", number=number, secret=digest, feature=feature, state=state), token


@pytest.fixture
def box(server: Server, tmp_path: Path) -> Iterator[Callable[[], Witness]]:
    """A site box whose link is cut, on a monitor of the server's own database."""
    token, digest = tokens.new()
    ((feature,),) = server.sql("select id from environment_monitor order by id limit 1")
    server.sql(
        "insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,"
        " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at, feature)"
        " values ('http', 'BOX', '', 'active', %s, '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now(), %s)",
        digest, feature,
    )  # fmt: skip
    # A restart forgets nothing: each call is the same box anew.
    yield lambda: Witness("BOX", token, REFUSING, tmp_path / "memory")
    server.sql(
        "delete from telemetry_presence p using telemetry_device d where d.id = p.device_id and d.number = 'BOX'"
    )
    server.sql("delete from telemetry_device where number = 'BOX'")
    server.sql("delete from files_attachment")


@pytest.mark.covers("DZ-095", "DZ-096")
def test_what_was_recorded_while_the_link_was_cut_arrives_afterwards_once(
    box: Callable[[], Witness], server: Server
) -> None:
    for minutes in range(3):
        box().note(AT + timedelta(minutes=minutes), 84.0 + minutes)
    assert box().send() == 0
    assert len(box().held()) == 6, "it goes on recording and forgets nothing"
    here = box()
    here.url = server.url
    first = here.held()[0]
    assert here._send(first), "taken, and the answer was lost: the box does not know"
    assert here.send() == 6
    assert here.held() == []
    rows = server.sql("select name, kind, taken_at, late, size from files_attachment order by taken_at, kind")
    assert [(name, kind, at) for name, kind, at, _late, _size in rows] == [
        (f"{AT + timedelta(minutes=m):%Y%m%dT%H%M%S%z}.{ending}", kind, AT + timedelta(minutes=m))
        for m in range(3)
        for ending, kind in (("jpg", "photo"), ("wav", "sound"))
    ]
    assert all(late for *_rest, late, _size in rows)


def test_a_picture_and_a_sound_can_be_opened() -> None:
    assert Image.open(io.BytesIO(snapshot(AT, 84))).size == (640, 360)
    with wave.open(io.BytesIO(recording(84))) as sound:
        assert sound.getnframes() == 2 * sound.getframerate()
    assert recording(60) != recording(84)


@pytest.fixture
def monitor(db: None) -> Monitor:
    found = Monitor.objects.first()
    assert found is not None
    return found


def send(number: str, token: str, body: bytes = b"", **query: str) -> int:
    given = {"name": "a.jpg", "taken_at": timezone.now().isoformat()} | query
    return (
        Client(SERVER_NAME="127.0.0.1", enforce_csrf_checks=True)
        .post(
            "/devices/files", body or snapshot(AT, 70), content_type="application/octet-stream",
            query_params=given, headers={"X-Device": number, "X-Device-Token": token},
        )
        .status_code
    )  # fmt: skip


def test_only_an_active_device_with_its_own_token_is_let_in(monitor: Monitor, tmp_path: Path, settings: object) -> None:
    """F25."""
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]
    mine, token = make(monitor.pk)
    _other, other_token = make(monitor.pk)
    blocked, blocked_token = make(monitor.pk, "blocked")
    lone, lone_token = make(None)
    for number, given in (
        (mine.number, other_token), (mine.number, ""), (mine.number, mine.secret), ("", token), ("NOBODY", token),
        (blocked.number, blocked_token), (lone.number, lone_token),
    ):  # fmt: skip
        assert send(number, given) == 401
    assert not Attachment.objects.exists()
    assert send(mine.number, token) == 201
    assert Attachment.objects.get().device == mine.pk


@pytest.mark.covers("DZ-096")
def test_what_a_box_sent_is_opened_on_the_desk(tmp_path: Path, settings: object, who: dict[str, Principal]) -> None:
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]
    monitor = Monitor.objects.filter(region__code__startswith="511702").first()
    assert monitor is not None
    device, token = make(monitor.pk)
    at = timezone.now() - timedelta(hours=3)
    for name, body in (("outage.jpg", snapshot(at, 84)), ("outage.wav", recording(84))):
        assert send(device.number, token, body, name=name, taken_at=at.isoformat()) == 201
    desk = Client(SERVER_NAME="127.0.0.1")
    desk.force_login(User.objects.get(username="owner"))
    tab = desk.get(f"/desk/monitors/{monitor.pk}/files").content.decode()
    assert f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" in tab
    for kind, body in (("photo", snapshot(at, 84)), ("sound", recording(84))):
        shown = desk.get(f"/desk/files/{Attachment.objects.get(kind=kind).pk}")
        assert b"".join(shown.streaming_content) == body


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"taken_at": ""}, b""), ({"taken_at": "2026-11-27T08:00:00"}, b""), ({"taken_at": "yesterday"}, b""),
        ({"taken_at": "2099-01-01T00:00:00+08:00"}, b""), ({}, b"<html>"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    monitor: Monitor, tmp_path: Path, settings: object, query: dict[str, str], body: bytes
) -> None:
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]
    device, token = make(monitor.pk)
    assert send(device.number, token, body, **query) == 400
    assert not Attachment.objects.exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_boxes_of_the_demo_city_are_registered_anew_with_each_start_and_hand_over_what_they_saw(
    tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    """``simulate --boxes``: its files are on the monitor's tab, those of before the start as filled in later."""
    settings.MEDIA_ROOT = tmp_path / "media"  # type: ignore[attr-defined]
    monitor = Monitor.objects.filter(region__code__startswith="511702").order_by("pk").first()
    assert monitor is not None
    Device.objects.all().delete()
    Device.objects.create(protocol="hj212", number="SPEAKS", feature=monitor.pk, state="active")
    ((number, first),) = simulate.witnesses(1, 600).items()
    ((again, token),) = simulate.witnesses(1, 600).items()
    assert (number, again) == (f"BOX-{monitor.code}",) * 2 and first != token
    device = Device.objects.get(number=number)
    assert (device.feature, device.state) == (monitor.pk, "active")
    assert device.approved_at is not None
    assert send(number, first) == 401 and send(number, token) == 201
    box = Witness(number, token, REFUSING, tmp_path / "memory")

    def hand_over(path: Path) -> bool:
        at = datetime.strptime(path.stem, "%Y%m%dT%H%M%S%z")
        return send(number, token, path.read_bytes(), name=path.name, taken_at=at.isoformat()) in (200, 201)

    async def live() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(box.run(3600), 0.5)

    # Its link is cut until here: a loop has a connection of its own, and sees nothing of this test's transaction.
    asyncio.run(live())
    assert len(box.held()) == 4
    monkeypatch.setattr(box, "_send", hand_over)
    assert (box.send(), box.held()) == (4, [])
    kept = Attachment.objects.filter(device=device.pk, late=True)
    assert sorted(kept.values_list("kind", flat=True)) == ["photo", "photo", "sound", "sound"]
