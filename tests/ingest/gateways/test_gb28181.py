"""The gateway of GB/T 28181 as cameras and recorders meet it: who gets in, who is there, and who left."""

import time
from collections.abc import Iterator

import pytest

from ingest.gateways.nonces import LIFE, MOST, Nonces
from ingest.protocols.gb28181 import bodies, messages
from ingest.protocols.gb28181.bodies import Channel
from tests.conftest import Server
from tests.ingest.gateways.boxes import Process, free_port, gateway, until
from tests.ingest.gateways.cameras import Camera, forget, number_of, presence, register
from tests.ingest.protocols.gb28181_samples import NOON

# The gateway has a database of its own, copied from the one that this mark has made.
pytestmark = pytest.mark.django_db
NAMES = ("entry", "guessed", "replay", "count", "calm", "udp", "tcp", "again", "moved", "alarm", "killed", "silent")
CAMERAS = {name: number_of(number) for number, name in enumerate(NAMES, 900_001)}
RECORDER, FIRST, SECOND, STRANGER = number_of(1, 118), number_of(910_001), number_of(910_002), number_of(910_003)


class Running:
    """The process and where it listens."""

    def __init__(self, server: Server) -> None:
        self.server, self.port = server, free_port()
        self.process: Process = gateway(server, f"gb28181:{self.port}", ZHUTU_GATEWAY_TRUSTED="127.0.0.1")

    def start(self) -> None:
        """Until it answers over UDP."""
        self.process.start(lambda: Camera(self.port, CAMERAS["calm"]).call_once())

    def camera(self, name: str, *, tcp: bool = False, address: str = "127.0.0.1") -> Camera:
        """A device with this name, or this number."""
        return Camera(self.port, CAMERAS.get(name, name), tcp=tcp, address=address)


@pytest.fixture(scope="module")
def running(server: Server) -> Iterator[Running]:
    for number in CAMERAS.values():
        register(server, number)
    register(server, RECORDER)
    for number in (FIRST, SECOND):
        register(server, number, password="", behind=RECORDER)
    register(server, number_of(900_100), password="")
    found = Running(server)
    found.start()
    yield found
    assert found.process.end() == 0, "a gateway that is asked to end does so in good order"
    forget(server)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_device_registers_with_its_password_and_is_there(running: Running, tcp: bool) -> None:
    name = "tcp" if tcp else "udp"
    camera = running.camera(name, tcp=tcp)
    assert camera.say(bodies.keepalive(1, camera.number)) == 403, "nothing counts before it has registered"
    camera.close()
    camera = running.camera(name, tcp=tcp)
    camera.send(camera.request("REGISTER", expires="3600", authorization=camera.proof(camera.nonce())))
    answer = camera.receive()
    assert answer is not None and (answer.status, answer.header("expires")) == (200, "3600")
    assert answer.header("date")[:4].isdigit(), "the device is told the time"
    assert camera.say(bodies.keepalive(2, camera.number)) == 200
    assert until(lambda: presence(running.server, camera.number)[0])
    assert camera.say(bodies.keepalive(3, CAMERAS["calm"])) == 400, "it speaks for itself alone"
    assert camera.say(b"<html/>") == 400
    assert camera.call(camera.request("OPTIONS")) == 200
    assert camera.call(camera.request("INVITE")) == 405
    assert running.camera(name, address="127.0.0.9").say(bodies.keepalive(4, camera.number)) == 403
    # Leaving: with a word, and by hanging up.
    if tcp:
        camera.close()
    else:
        assert camera.register(0) == 200
        assert camera.say(bodies.keepalive(5, camera.number)) == 403
    gone = (False, "closed" if tcp else "logout")
    assert until(lambda: presence(running.server, camera.number)[:2] == gone, 40)
    assert presence(running.server, camera.number)[4] == 1
    back = running.camera(name, tcp=tcp)
    assert back.register() == 200
    assert until(lambda: presence(running.server, camera.number)[::4] == (True, 0)), "its outage is over"
    assert presence(running.server, camera.number)[1] == ""
    back.register(0)


def test_a_connection_that_comes_again_soon_has_not_left(running: Running) -> None:
    first = running.camera("again", tcp=True)
    assert first.register() == 200
    first.close()
    second = running.camera("again", tcp=True)
    assert second.say(bodies.keepalive(1, second.number)) == 200, "the registration outlives the connection"
    time.sleep(18)
    assert second.say(bodies.keepalive(2, second.number)) == 200
    assert presence(running.server, second.number)[:2] == (True, "")


def test_f36_a_nonce_is_of_one_use_and_of_one_address(running: Running) -> None:
    camera = running.camera("replay")
    captured = camera.request("REGISTER", expires="3600", authorization=camera.proof(camera.nonce()))
    assert camera.call(captured) == 200
    # UDP brings the same datagram again: it gets the same answer, and nothing happens.
    assert camera.call(captured) == 200
    for other in (running.camera("replay"), running.camera("replay", address="127.0.0.4")):
        assert other.call(captured) == 401, "a captured registration is worth nothing"
    assert running.camera("replay", tcp=True).call(captured) == 401
    again = camera.request("REGISTER", expires="3600", authorization=captured.header("authorization"))
    assert camera.call(again) == 401, "its nonce is used up"
    foreign = running.camera("replay", address="127.0.0.4").nonce()
    assert camera.call(camera.request("REGISTER", expires="60", authorization=camera.proof(foreign))) == 401
    for made_up in ("0123456789abcdef", "0" * 32):
        assert camera.call(camera.request("REGISTER", expires="60", authorization=camera.proof(made_up))) == 401
    assert camera.register(0) == 200


def test_f36_a_nonce_with_a_counter_takes_each_count_once(running: Running) -> None:
    camera = running.camera("count")
    nonce = camera.nonce()

    def use(count: int) -> int:
        proof = camera.proof(nonce, qop="auth", nc=f"{count:08x}", cnonce="c0ffee")
        return camera.call(camera.request("REGISTER", expires="3600", authorization=proof))

    assert [use(count) for count in (1, 1, 3, 2, 4)] == [200, 401, 200, 401, 200]
    camera.register(0)


def test_f36_nonces_are_random_live_a_minute_and_never_grow_without_bound() -> None:
    nonces = Nonces()
    first, second = nonces.issue("10.0.0.1", 0.0), nonces.issue("10.0.0.1", 0.0)
    assert first != second and len(bytes.fromhex(first)) == 16
    assert nonces.knows(first, "10.0.0.1", 0, LIFE - 1) and not nonces.knows(first, "10.0.0.1", 0, LIFE)
    assert not nonces.knows(first, "10.0.0.2", 0, 1.0)
    nonces.use(first, 0)
    assert not nonces.knows(first, "10.0.0.1", 0, 1.0) and not nonces.knows(first, "10.0.0.1", 7, 1.0)
    nonces.use(second, 2)
    assert [nonces.knows(second, "10.0.0.1", count, 1.0) for count in (0, 1, 2, 3)] == [False, False, False, True]
    for n in range(MOST + 500):
        nonces.issue(f"10.1.{n // 250 % 250}.{n % 250}", 2.0)
    assert len(nonces) == MOST and not nonces.knows(second, "10.0.0.1", 3, 3.0)
    nonces.issue("10.0.0.1", 1000.0)
    assert len(nonces) == 1


def test_f36_a_flood_of_registrations_is_not_answered_and_holds_up_nobody(running: Running) -> None:
    flood = running.camera("calm", address="127.0.0.5")
    for _ in range(600):
        flood.send(flood.request("REGISTER", expires="3600"))
    calm = running.camera("calm")
    assert calm.register() == 200 and calm.say(bodies.keepalive(1, calm.number)) == 200
    answered = 0
    while flood.receive(1) is not None:
        answered += 1
    assert 0 < answered < 200, "the address has used up what it may ask without proof"
    calm.register(0)


def test_expires_must_be_said_and_not_be_too_short(running: Running) -> None:
    camera = running.camera("entry")
    assert camera.call(camera.request("REGISTER")) == 400
    camera.send(camera.request("REGISTER", expires="5"))
    answer = camera.receive()
    assert answer is not None and (answer.status, answer.header("min-expires")) == (423, "60")


def test_f25_f26_strangers_wait_for_approval_and_wrong_passwords_are_refused(running: Running) -> None:
    sql = running.server.sql
    stranger = running.camera(number_of(920_001))
    assert stranger.register() == 403
    assert until(lambda: sql("select state from telemetry_device where number = %s", stranger.number)) == [("pending",)]
    assert running.camera(number_of(900_100)).register(password="x") == 403, "without a password nobody gets in"
    wrong = running.camera("34020000009990000001")
    assert wrong.call(wrong.request("REGISTER", expires="3600")) == 400
    assert sql("select 1 from telemetry_device where number = %s", wrong.number) == []
    guess = running.camera("guessed")
    assert [guess.register(password=f"guess {n}") for n in range(11)] == [403] * 11
    assert guess.register() == 403, "then nothing is compared for a while"
    reported = "select r.subject from alarms_report r join telemetry_device d on d.id = r.device where d.number = %s"
    assert until(lambda: ("password",) in sql(reported, guess.number))
    # One that is heard from another address: the newest is refused.
    here = running.camera("moved")
    assert here.register() == 200
    there = running.camera("moved", address="127.0.0.6")
    assert there.register() == 403 and there.register(0) == 403
    assert until(lambda: ("address",) in sql(reported, here.number))
    assert here.say(bodies.keepalive(1, here.number)) == 200
    here.register(0)


def test_f23_broken_messages_hold_up_nothing(running: Running) -> None:
    camera = running.camera("calm")
    for data in (
        b"\r\n\r\n",
        b"\0\0",
        b"MESSAGE",
        bytes(range(256)),
        b"REGISTER sip:a SIP/2.0\r\n\r\n",
        b"\xff" * 9000,
    ):
        camera.send(data)
    assert camera.register() == 200
    assert camera.say(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Notify>&x;</Notify>') == 400, "F52"
    assert camera.say(bodies.keepalive(1, camera.number)) == 200
    lost = running.camera("calm", tcp=True)
    lost.send(messages.encode(lost.request("MESSAGE")).replace(b"Content-Length: 0\r\n", b""))
    assert lost.receive(5) is None and lost.socket.recv(1) == b"", "behind a message without length nothing is found"
    camera.register(0)


def test_a_recorder_says_which_of_its_cameras_are_there(running: Running) -> None:
    server, recorder = running.server, running.camera(RECORDER)
    assert recorder.register() == 200
    names = {FIRST: "塔吊", SECOND: "大门", STRANGER: "料场", number_of(900_001): "别人的"}

    def answer(**off: bool) -> None:
        """Answer the question for the catalogue in two parts."""
        assert until(lambda: recorder.receive(0.2) or recorder.asked, 75), "it is asked for its channels"
        asked = bodies.parse(recorder.asked.pop().body)
        assert (asked.command, asked.device) == ("Catalog", RECORDER)
        channels = tuple(Channel(number, name, not off.get(f"n{number}", False)) for number, name in names.items())
        for part in (channels[:3], channels[3:]):
            assert recorder.say(bodies.catalog(asked.sn, RECORDER, len(channels), part)) == 200

    answer(**{f"n{SECOND}": True})
    assert until(lambda: presence(server, FIRST)[0] and presence(server, SECOND)[:2] == (False, "reported"))
    stranger = "select state, name, behind_id is not null from telemetry_device where number = %s"
    assert until(lambda: server.sql(stranger, STRANGER)) == [("pending", "料场", True)]
    assert presence(server, number_of(900_001))[0] is None, "nobody speaks for a camera that is not behind them"
    # A keepalive names what does not work; whatever else it last said holds on.
    assert recorder.say(bodies.keepalive(1, RECORDER, (FIRST,))) == 200
    assert until(lambda: presence(server, FIRST)[:2] == (False, "reported"))
    status = (
        f"<Response><CmdType>DeviceStatus</CmdType><SN>1</SN><DeviceID>{FIRST}</DeviceID><Online>ONLINE</Online>"
        f"</Response>"
    )
    assert recorder.say(status.encode()) == 200
    assert until(lambda: presence(server, FIRST)[0])
    assert recorder.say(bodies.alarm(4, FIRST, 2, 1, NOON)) == 200, "its picture is lost"
    assert until(lambda: presence(server, FIRST)[:2] == (False, "reported"))
    news = (
        f"<Notify><CmdType>Catalog</CmdType><SN>9</SN><DeviceID>{RECORDER}</DeviceID><SumNum>1</SumNum><DeviceList>"
        f"<Item><DeviceID>{FIRST}</DeviceID><Event>ON</Event></Item></DeviceList></Notify>"
    )
    assert recorder.say(news.encode()) == 200
    assert until(lambda: presence(server, FIRST)[0])
    # The recorder leaves, and those behind it with it.
    assert recorder.register(0) == 200
    assert until(lambda: presence(server, FIRST)[:2] == presence(server, RECORDER)[:2] == (False, "logout"))


def test_an_alarm_of_a_device_is_kept_before_it_is_answered(running: Running) -> None:
    camera = running.camera("alarm")
    assert camera.register() == 200
    assert camera.say(bodies.alarm(1, camera.number, 2, 4, NOON)) == 200
    kept = "select r.subject from alarms_report r join telemetry_device d on d.id = r.device where d.number = %s"
    assert running.server.sql(kept, camera.number) == [("too-hot",)]
    assert until(lambda: camera.receive(0.2) or camera.asked, 10)
    said = bodies.parse(camera.asked[0].body)
    assert (said.root, said.command, said.sn) == ("Response", "Alarm", "1")
    camera.register(0)


def test_f04_after_a_kill_the_registrations_hold_and_nobody_is_taken_for_silent(running: Running) -> None:
    sql = running.server.sql
    camera = running.camera("killed")
    assert camera.register() == 200 and camera.say(bodies.keepalive(1, camera.number)) == 200
    assert until(lambda: presence(running.server, camera.number)[0])
    running.process.kill()
    # Ten minutes pass in which nobody listens.
    sql("update telemetry_presence set seen_at = seen_at - interval '10 minutes'")
    sql("update telemetry_listening set at = at - interval '10 minutes', since = since - interval '1 day'")
    running.start()
    since = sql("select since > now() - interval '1 minute' from telemetry_listening where protocol = 'gb28181'")
    assert since == [(True,)]
    assert camera.say(bodies.keepalive(2, camera.number)) == 200, "it is known without registering again"
    camera.register(0)
