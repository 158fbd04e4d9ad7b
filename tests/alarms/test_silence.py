"""Who left, who is only not heard, who is behind whom, and who listens at all: what silence raises and what not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from layers.video.models import Camera, Fault, Recorder, RecorderOutage
from services.alarms import sweeps
from services.alarms.models import Episode, Rule
from services.telemetry import devices, features, partitions, presence
from services.telemetry.models import Device, Listening, Outage
from services.telemetry.presence import CLOSED, LOGOUT, REPORTED, Leave
from tests.alarms.conftest import MINUTE, NOON, SECOND
from tests.conftest import HOME
from tests.ingest.gateways.cameras import number_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _only_rules_of_cameras() -> None:
    Rule.objects.exclude(key__in=("camera-silent", "recorder-silent")).update(enabled=False)


@pytest.fixture
def camera() -> Device:
    return made(1)


def made(serial: int, front: Device | None = None) -> Device:
    """A camera of the owner's county, heard at noon."""
    row = Camera.objects.create(code=number_of(800_000 + serial), name=f"塔吊{serial}", region_id=HOME, state="offline")
    return bound(row.pk, row.code, front)


def bound(feature: Any, number: str, front: Device | None = None) -> Device:
    device = Device.objects.create(
        protocol="gb28181", number=number, feature=feature, state="active", behind=front, approved_at=NOON - MINUTE
    )
    heard(NOON, device)
    return device


def heard(at: datetime, *some: Device) -> None:
    devices.heard(partitions.raw(), {device.pk: (at, "10.0.0.1") for device in some})


def left(at: datetime, how: str, *some: Device) -> None:
    presence.left(partitions.raw(), {device.pk: Leave(how, at) for device in some})


def alarms(device: Device) -> list[tuple[str, datetime, datetime | None]]:
    rows = Episode.objects.filter(device=device.pk).order_by("began_at")
    return list(rows.values_list("subject", "began_at", "ended_at"))


def state(device: Device) -> str:
    features.write(partitions.raw())
    return Camera.objects.get(pk=device.feature).state


def test_three_minutes_without_a_word_are_silence_and_not_before_three_of_its_own_rhythms(camera: Device) -> None:
    assert sweeps.silence(NOON + 3 * MINUTE - SECOND) == 0
    Device.objects.filter(pk=camera.pk).update(interval=120)
    assert sweeps.silence(NOON + 6 * MINUTE - SECOND) == 0, "it is heard every two minutes"
    assert sweeps.silence(NOON + 6 * MINUTE) == 1
    assert alarms(camera) == [("", NOON, None)]


@pytest.mark.parametrize("how", [LOGOUT, CLOSED, REPORTED])
def test_who_left_is_told_of_at_once_and_until_it_is_heard_again(camera: Device, how: str) -> None:
    assert state(camera) == "online" and Camera.objects.get(pk=camera.feature).seen_at == NOON
    gone = NOON + 10 * SECOND
    left(gone, how, camera)
    # What was heard before it left, and is written down only now, does not bring it back.
    heard(gone - SECOND, camera)
    assert sweeps.silence(gone + SECOND) == 1 and sweeps.silence(gone + 2 * SECOND) == 0
    assert alarms(camera) == [(how, gone, None)]
    assert state(camera) == "offline"
    (fault,) = Fault.objects.filter(camera=camera.feature)
    assert (fault.kind, fault.began_at, fault.ended_at) == ("offline", gone, None)
    back = gone + 5 * MINUTE
    heard(back, camera)
    assert sweeps.silence(back + SECOND) == 1
    assert alarms(camera) == [(how, gone, back)]
    assert state(camera) == "online"
    fault.refresh_from_db()
    assert fault.ended_at == back and Fault.objects.filter(camera=camera.feature).count() == 1
    assert Outage.objects.get(device=camera).ended_at == back


def test_nobody_is_silent_while_nobody_listens(camera: Device) -> None:
    link, now = partitions.raw(), datetime.now(NOON.tzinfo)
    heard(now - 20 * MINUTE, camera)
    since = Listening.objects.create(protocol="gb28181", since=now - 60 * MINUTE, at=now - 20 * MINUTE)
    assert sweeps.silence(now) == 0 and devices.mark_silent(link, now) == [], "the gateway is away"
    presence.listens(link, "gb28181", anew=False)
    since.refresh_from_db()
    assert since.since > now - MINUTE, "after a pause it listens anew"
    assert sweeps.silence(now + 2 * MINUTE) == 0
    # The clock of the test runs ahead of that of the database: the gateway goes on listening.
    Listening.objects.update(at=now + 4 * MINUTE)
    assert devices.mark_silent(link, now + 2 * MINUTE) == []
    assert sweeps.silence(now + 4 * MINUTE) == 1 and devices.mark_silent(link, now + 4 * MINUTE) == [camera.pk]
    Listening.objects.update(since=now - 60 * MINUTE, at=now)
    presence.listens(link, "gb28181", anew=False)
    assert Listening.objects.get().since == now - 60 * MINUTE
    presence.listens(link, "gb28181", anew=True)
    assert Listening.objects.get().since > now - MINUTE, "a start is a beginning"


def test_of_a_recorder_and_its_cameras_that_are_gone_together_the_recorder_alone_is_told_of() -> None:
    place = Recorder.objects.create(code=number_of(800_001, 118), name="录像机", region_id=HOME)
    front = bound(place.pk, place.code)
    first, second = made(1, front), made(2, front)
    # It says that one of its cameras is off.
    heard(NOON + MINUTE, front, second)
    left(NOON + MINUTE, REPORTED, first)
    assert sweeps.silence(NOON + MINUTE) == 1
    assert alarms(first) == [(REPORTED, NOON + MINUTE, None)] and alarms(second) == []
    # It logs out itself.
    gone = NOON + 2 * MINUTE
    left(gone, LOGOUT, front)
    assert sweeps.silence(NOON + 30 * MINUTE) == 1
    assert (alarms(front), alarms(second)) == ([(LOGOUT, gone, None)], [])
    assert (state(first), state(second)) == ("offline", "offline")
    assert Recorder.objects.get(pk=place.pk).state == "offline"
    assert RecorderOutage.objects.get(recorder=place).began_at == gone
    # Back, it has not said yet how its cameras are: they have their three minutes from then on.
    back = NOON + 40 * MINUTE
    heard(back, front)
    assert sweeps.silence(back + MINUTE) == 1, "the alarm of the recorder ends, no other begins"
    assert alarms(front) == [(LOGOUT, gone, back)] and alarms(second) == []
    heard(back + 2 * MINUTE, front, first)
    assert sweeps.silence(back + 4 * MINUTE) == 2
    assert alarms(first) == [(REPORTED, NOON + MINUTE, back + 2 * MINUTE)]
    assert alarms(second) == [("", NOON + MINUTE, None)], "it is not named any more, and was heard last then"


def test_what_is_retired_raises_no_alarm_and_keeps_its_state(camera: Device) -> None:
    Camera.objects.filter(pk=camera.feature).update(state="retired")
    left(NOON + MINUTE, LOGOUT, camera)
    assert sweeps.silence(NOON + 30 * MINUTE) == 0
    assert state(camera) == "retired"


def test_a_fault_that_somebody_wrote_down_is_not_doubled_and_ends_with_the_outage(camera: Device) -> None:
    noted = Fault.objects.create(camera_id=camera.feature, kind="offline", began_at=NOON, note="已报修")
    picture = Fault.objects.create(camera_id=camera.feature, kind="picture", began_at=NOON)
    left(NOON + MINUTE, CLOSED, camera)
    assert state(camera) == "offline"
    heard(NOON + 10 * MINUTE, camera)
    assert state(camera) == "online"
    found = dict(Fault.objects.filter(camera=camera.feature).values_list("pk", "ended_at"))
    assert found == {noted.pk: NOON + 10 * MINUTE, picture.pk: None}


def test_registrations_are_kept_until_they_end_or_the_device_logs_out(camera: Device) -> None:
    link = partitions.raw()
    where = presence.Registered(camera.pk, "10.0.0.1", 5060, "udp", NOON + timedelta(hours=1))
    presence.register(link, where._replace(port=1))
    presence.register(link, where)
    assert presence.registered(link, "gb28181", NOON) == [where]
    assert presence.registered(link, "gb28181", NOON + timedelta(hours=1)) == []
    assert presence.registered(link, "hj212", NOON) == []
    presence.log_out(link, camera.pk, NOON + MINUTE)
    assert presence.registered(link, "gb28181", NOON) == []
    assert state(camera) == "offline"
