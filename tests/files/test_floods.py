"""The door for files of devices: who floods it waits, and nobody else; who guesses tokens is not heard for a while."""

from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from command_center import device_files
from command_center.middleware import address_of
from ingest.simulators.witness import snapshot
from layers.environment.models import Monitor
from services.access.shared_allowances import SharedAllowances
from services.files.models import Attachment
from services.telemetry import tokens
from services.telemetry.models import Device, Presence
from tests.files.test_devices import make

pytestmark = pytest.mark.django_db
SLOW = 1 / 3600


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any) -> None:
    """Allowances of this test alone, that hardly fill up while it runs."""
    settings.MEDIA_ROOT = tmp_path
    of = tokens.new()[0]
    monkeypatch.setattr(device_files, "DEVICES", SharedAllowances(f"{of} devices", SLOW, 3))
    monkeypatch.setattr(device_files, "ADDRESSES", SharedAllowances(f"{of} addresses", SLOW, 12))
    monkeypatch.setattr(device_files, "FAILURES", SharedAllowances(f"{of} failures", SLOW, 4))


@pytest.fixture
def monitor() -> Monitor:
    found = Monitor.objects.first()
    assert found is not None
    return found


def send(device: Device, token: str, n: int, address: str = "10.0.0.1") -> HttpResponse:
    return Client(SERVER_NAME="127.0.0.1").post(
        "/devices/files", snapshot(timezone.now(), 60.0 + n), content_type="application/octet-stream",
        query_params={"name": f"{n}.jpg", "taken_at": timezone.now().isoformat()}, REMOTE_ADDR=address,
        headers={"X-Device": device.number, "X-Device-Token": token},
    )  # type: ignore[return-value]  # fmt: skip


def test_f21_one_device_floods_and_another_is_served(monitor: Monitor) -> None:
    (loud, token), (calm, other) = make(monitor.pk), make(monitor.pk)
    answers = [send(loud, token, n) for n in range(6)]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 3
    refused = answers[-1]
    assert 3000 < int(refused.headers["Retry-After"]) <= 3601
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert send(calm, other, 10).status_code == 201
    assert Attachment.objects.filter(device=loud.pk).count() == 3
    assert Attachment.objects.filter(device=calm.pk).count() == 1


def test_an_address_that_asks_too_often_waits_and_others_do_not(monitor: Monitor) -> None:
    boxes = [make(monitor.pk) for _n in range(5)]
    answers = [send(*boxes[n % 5], n).status_code for n in range(15)]
    assert answers == [201] * 12 + [429] * 3
    assert send(*boxes[0], 20, "10.0.0.2").status_code == 429, "its own allowance is used up"
    fresh = make(monitor.pk)
    assert send(*fresh, 21, "10.0.0.1").status_code == 429
    assert send(*fresh, 22, "10.0.0.2").status_code == 201


def test_who_guesses_tokens_is_not_heard_and_uses_up_nobody_elses_allowance(monitor: Monitor) -> None:
    device, token = make(monitor.pk)
    answers = [send(device, "guess", n, "10.0.0.9").status_code for n in range(6)]
    assert answers == [401] * 4 + [429] * 2
    assert send(device, token, 7, "10.0.0.9").status_code == 429, "not even the right token is tried from there"
    assert [send(device, token, n, "10.0.0.1").status_code for n in range(8, 11)] == [201] * 3


def test_a_device_that_hands_over_files_was_heard(monitor: Monitor) -> None:
    device, token = make(monitor.pk)
    send(device, token, 1, "10.0.0.7")
    presence = Presence.objects.get(device=device)
    assert (presence.online, presence.address) == (True, "10.0.0.7")


def test_behind_our_proxy_the_address_is_the_one_it_says_and_nobody_elses(monitor: Monitor, settings: Any) -> None:
    device, token = make(monitor.pk)
    request = RequestFactory().get("/", REMOTE_ADDR="10.9.9.9", headers={"X-Forwarded-For": "1.2.3.4, 10.0.0.5"})
    assert address_of(request) == "10.9.9.9", "without a proxy nobody is believed"
    settings.BEHIND_PROXY = True
    assert address_of(request) == "10.0.0.5"
    assert address_of(RequestFactory().get("/", REMOTE_ADDR="10.9.9.9")) == "10.9.9.9"
    assert send(device, token, 1, "10.0.0.1").status_code == 201
