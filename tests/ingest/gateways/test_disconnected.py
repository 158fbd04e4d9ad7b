"""LN-357: a camera that disconnects raises an alarm with time and device, however it disconnects, and only then.

The product's own processes on a database of their own: gateway, telemetry, alarms; and the simulator that speaks to
the gateway from outside.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from django.conf import settings

from ingest.protocols.gb28181 import bodies
from ingest.protocols.gb28181.bodies import Channel
from services.limits.rows import ZONE
from tests.conftest import Server, connect
from tests.ingest.gateways.boxes import Process, free_port, gateway, until
from tests.ingest.gateways.cameras import Camera, forget, presence, register

pytestmark = pytest.mark.django_db
CAMERAS = "select id, code, name from video_camera where state = 'online' order by code desc"


class Found(NamedTuple):
    """An alarm."""

    rule: str
    number: str
    name: str
    how: str
    began: datetime
    ended: datetime | None


class City:
    """The processes, and what they left in the database."""

    def __init__(self, server: Server) -> None:
        self.server, self.port = server, free_port()
        self.gateway: Process = gateway(server, f"gb28181:{self.port}")
        self.given = {"ZHUTU_PGDATABASE": server.database}
        log = settings.LOCAL / f"{server.database}_city.log"
        self.programs = [
            Process([sys.executable, "manage.py", name], log, self.given) for name in ("telemetry", "alarms")
        ]

    def start_gateway(self) -> None:
        """Until it answers."""
        self.gateway.start(lambda: Camera(self.port, "51170200441320999999").call_once())

    def once(self, *names: str) -> None:
        """One round of programs, beside each other."""
        environment = os.environ | self.given
        running = [
            subprocess.Popen([sys.executable, "manage.py", name, "--once"], cwd=settings.ROOT, env=environment)
            for name in names
        ]
        assert [each.wait(180) for each in running] == [0] * len(names)

    def alarms(self, number: str) -> list[Found]:
        """The alarms of a device, the oldest first."""
        rows = self.server.sql(
            """
            select r.key, d.number, i.title, e.subject, e.began_at, e.ended_at from alarms_episode e
            join alarms_rule r on r.id = e.rule_id join telemetry_device d on d.id = e.device_id
            join catalog_featureindex i on i.id = e.feature_id where d.number = %s order by e.raised_at, e.id
            """,
            number,
        )
        return [Found(*row) for row in rows]

    def camera(self, number: str) -> tuple[Any, ...]:
        """(state, last heard) as the map and the panel show them."""
        return self.server.sql("select state, seen_at from video_camera where code = %s", number)[0]

    def faults(self, number: str) -> list[tuple[Any, ...]]:
        """(begin, end) of the times without connection in the camera's own records that began today."""
        return self.server.sql(
            """
            select f.began_at, f.ended_at from video_fault f join video_camera c on c.id = f.camera_id
            where c.code = %s and f.kind = 'offline' and f.began_at > now() - interval '1 day' order by f.began_at
            """,
            number,
        )

    def pass_time(self, minutes: int) -> None:
        """As if everything that was heard, and since when somebody listens, were so much longer ago."""
        for change in (
            "update telemetry_presence set seen_at = seen_at - %(ago)s, connected_at = connected_at - %(ago)s",
            "update telemetry_listening set since = since - %(ago)s",
        ):
            with connect(self.server.database) as link:
                link.execute(change, {"ago": timedelta(minutes=minutes)})


@pytest.fixture(scope="module")
def city(server: Server) -> Iterator[City]:
    """The gateway listens; nobody else was ever heard, so that each alarm is of these tests."""
    server.sql("update alarms_rule set enabled = false where key not in ('camera-silent', 'recorder-silent')")
    found = City(server)
    found.start_gateway()
    yield found
    found.gateway.end()
    server.sql("truncate alarms_episode cascade")
    server.sql("update alarms_rule set enabled = true")
    forget(server)


@pytest.fixture
def working(city: City) -> Iterator[City]:
    """Telemetry and alarms run, too."""
    for program in city.programs:
        program.start(lambda: True)
    yield city
    for program in city.programs:
        program.kill()


@pytest.mark.covers("LN-357")
def test_a_camera_that_is_disconnected_raises_an_alarm_with_time_and_device(working: City) -> None:
    server = working.server
    # Whatever other tests left: one reads English, all others Chinese.
    server.sql("delete from notify_contact")
    server.sql(
        "insert into notify_contact (user_id, mobile, email, language, ways) select id, '', '', 'en', '{}'"
        " from accounts_user where username = 'commander'"
    )
    roles = ["supervisor", "commander"]
    server.sql("update alarms_rule set roles = %s where key = 'camera-silent'", roles)
    # The simulator takes the first ones, and every second one speaks TCP.
    playing = server.sql(
        "select code, name from video_camera where state in ('online', 'offline') and geom is not null"
        " order by code limit 2"
    )
    (other, _name), (number, name) = playing
    command = [
        sys.executable, "manage.py", "simulate", "--ipc", "2", "--gb28181-port", str(working.port), "--steady",
        "--password", "sim-28181", "--outage", number,
    ]  # fmt: skip
    simulator = Process(command, settings.LOCAL / f"{server.database}_cameras.log", working.given)
    simulator.start(lambda: True)
    assert until(lambda: len(played(server)) == 2, 180)
    assert played(server) == playing
    try:
        assert until(lambda: presence(server, number)[0] and presence(server, other)[0], 60)
        assert until(lambda: working.camera(number) == ("online", presence(server, number)[3]))
        for round_number, how in enumerate(("logout", "closed"), 1):
            simulator.process.send_signal(signal.SIGUSR1)  # type: ignore[union-attr]
            assert until(lambda n=round_number: len(working.alarms(number)) == n, 60), f"{how} raises an alarm"
            alarm = working.alarms(number)[-1]
            assert alarm[:3] == ("camera-silent", number, name) and alarm.ended is None
            assert alarm.how == how
            assert until(lambda: working.camera(number)[0] == "offline")
            assert until(lambda a=alarm: (a.began, None) in working.faults(number)), "and its record of faults has it"
            told(server, alarm)
            simulator.process.send_signal(signal.SIGUSR1)  # type: ignore[union-attr]
            assert until(lambda: working.alarms(number)[-1].ended is not None, 60), "coming back ends it"
            assert until(lambda: working.camera(number)[0] == "online")
            assert until(lambda a=alarm: [e for b, e in working.faults(number) if b == a.began] != [None])
        assert working.alarms(other) == [] and working.camera(other)[0] == "online"
    finally:
        simulator.end()


def played(server: Server) -> list[tuple[str, str]]:
    """(number, name) of the simulated cameras."""
    query = (
        "select d.number, c.name from telemetry_device d join video_camera c on c.id = d.feature"
        " where d.protocol = 'gb28181' and d.state = 'active' order by d.number"
    )
    return server.sql(query)  # type: ignore[return-value]


def told(server: Server, alarm: Found) -> None:
    """People read the device and the time in their language, and the live map is told of both."""
    at = alarm.began.astimezone(ZONE)
    found = server.sql(
        "select u.username, m.subject, m.body from notify_message m join accounts_user u on u.id = m.user_id"
        " where m.body like %s order by m.id desc",
        f"%{at:%H:%M}%{alarm.number}%",
    )
    texts = {user: (subject, body) for user, subject, body in reversed(found)}
    assert "commander" in texts and len(texts) > 1
    for user, (subject, body) in texts.items():
        assert alarm.name in subject and alarm.number in body, user
        assert ("Camera offline" in subject and "Offline since" in body) == (user == "commander")
        assert ("摄像机离线" in subject and "起离线" in body) == (user != "commander")
    events = server.sql("select payload from live_event where topic = 'alarms' order by id desc limit 20")
    raised = [payload for (payload,) in events if payload.get("kind") == "raised"]
    assert ["摄像机离线", alarm.name] in [payload["title"] for payload in raised]
    assert alarm.began in [datetime.fromisoformat(payload["began"]) for payload in raised]


def test_three_missed_keepalives_raise_an_alarm_and_our_own_absence_does_not(city: City) -> None:
    ((pk, number, name),) = city.server.sql(CAMERAS + " limit 1")
    register(city.server, number, feature=pk)
    camera = Camera(city.port, number)
    assert until(lambda: camera.register() == 200, 20)
    assert camera.say(bodies.keepalive(1, number)) == 200
    seen = "select p.seen_at from telemetry_presence p join telemetry_device d on d.id = p.device_id where number = %s"
    assert until(lambda: city.server.sql(seen, number))
    # The gateway dies, and nobody starts it again for ten minutes.
    city.gateway.kill()
    city.pass_time(10)
    city.server.sql("update telemetry_listening set at = at - interval '10 minutes'")
    city.once("telemetry", "alarms")
    assert city.alarms(number) == [] and city.camera(number)[0] == "online", "we were away, and not the camera"
    city.start_gateway()
    city.pass_time(1)
    city.once("telemetry", "alarms")
    assert city.alarms(number) == [] and city.camera(number)[0] == "online", "after a start it has three intervals"
    city.pass_time(3)
    ((at,),) = city.server.sql(seen, number)
    city.once("telemetry", "alarms")
    assert city.alarms(number) == [Found("camera-silent", number, name, "", at, None)]
    # Silence is looked for after the columns are written: they follow with the next round.
    city.once("telemetry")
    assert city.camera(number)[0] == "offline" and (at, None) in city.faults(number)
    # It says something again, without having to register: that was kept.
    assert camera.say(bodies.keepalive(2, number)) == 200
    assert until(lambda: city.server.sql(seen, number) > [(at,)])
    city.once("telemetry", "alarms")
    assert city.alarms(number)[0].ended is not None and city.camera(number)[0] == "online"


def test_behind_a_recorder_one_camera_raises_its_own_alarm_and_all_together_only_the_recorders(city: City) -> None:
    server = city.server
    ((recorder_pk, recorder_number),) = server.sql("select id, code from video_recorder order by code limit 1")
    chosen = server.sql(CAMERAS + " offset 1 limit 3")
    register(server, recorder_number, feature=recorder_pk)
    for pk, number, _name in chosen:
        register(server, number, feature=pk, password="", behind=recorder_number)
    recorder = Camera(city.port, recorder_number)
    assert until(lambda: recorder.register() == 200, 20)
    first, *rest = [number for _pk, number, _name in chosen]

    def answer(off: str = "") -> None:
        assert until(lambda: recorder.receive(0.2) or recorder.asked, 75)
        asked = bodies.parse(recorder.asked.pop().body)
        channels = tuple(Channel(number, name, number != off) for _pk, number, name in chosen)
        assert recorder.say(bodies.catalog(asked.sn, recorder_number, len(channels), channels)) == 200

    answer()
    online = (
        "select count(*) from telemetry_presence p join telemetry_device d on d.id = p.device_id"
        " where d.behind_id is not null and p.online"
    )
    assert until(lambda: server.sql(online) == [(3,)])
    answer(off=first)
    assert until(lambda: server.sql(online) == [(2,)])
    city.once("telemetry", "alarms")
    (alarm,) = city.alarms(first)
    assert (alarm.rule, alarm.how, alarm.ended) == ("camera-silent", "reported", None)
    assert [city.alarms(number) for number in rest] == [[], []]
    # The recorder goes, and nobody can say how its cameras are: one alarm, its own.
    assert recorder.register(0) == 200
    assert until(lambda: server.sql(online) == [(0,)])
    city.once("telemetry", "alarms")
    (of_recorder,) = city.alarms(recorder_number)
    assert (of_recorder.rule, of_recorder.how) == ("recorder-silent", "logout")
    assert [city.alarms(number) for number in rest] == [[], []]
    assert [city.camera(number)[0] for number in rest] == ["offline", "offline"]
    # It comes back with all of them.
    assert recorder.register() == 200
    answer()
    assert until(lambda: server.sql(online) == [(3,)])
    city.once("telemetry", "alarms")
    assert [city.alarms(number)[0].ended is None for number in (first, recorder_number)] == [False, False]
    assert [city.camera(number)[0] for number in (first, *rest)] == ["online"] * 3
    recorder.close()
