"""From a box on a site to another system, through real processes; and a sender that is killed in the middle."""

import http.client
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.catalog.sealed import seal
from services.subscriptions.events import new_secret
from services.telemetry import tokens
from tests.alarms.conftest import evaluator, only_rule, without_alarms
from tests.conftest import HOME, Server
from tests.ingest.gateways.boxes import Process, free_port, gateway, listens, register
from tests.notify.receivers import Web
from tests.subscriptions.conftest import sender

pytestmark = pytest.mark.django_db
TOKEN = "the-token-of-the-box-" + "0123456789" * 2
RULE = "subscribed"


@dataclass
class Site:
    """A box at a monitor that sends once an hour, its gateway, and the other system."""

    server: Server
    web: Web
    port: int
    gateway: Process

    def sends(self, at: datetime, value: float) -> None:
        """A reading comes in and is answered for."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        body = json.dumps({"device": "HOURLY", "time": at.isoformat(), "values": {"a34002": value}})
        link.request("POST", "/readings", body, {"Authorization": f"Bearer {TOKEN}"})
        assert link.getresponse().status == 200
        link.close()


@pytest.fixture
def site(server: Server, web: Web, pair: tuple[Path, Path]) -> Iterator[Site]:
    others = only_rule(server, RULE, level="red")
    register(server, "http", "HOURLY", tokens.digest(TOKEN))
    server.sql(
        'update telemetry_device set "interval" = 3600, feature = (select id from environment_monitor'
        " where region_id like %s order by id limit 1) where number = 'HOURLY'",
        f"{HOME}%",
    )
    server.sql(
        "insert into notify_destination (host, port, internal, authority, note) values ('localhost', %s, true, %s, '')",
        web.port, pair[1].read_text(),
    )  # fmt: skip
    server.sql(
        "insert into subscriptions_subscription (name, note, enabled, url, level, layers, acts, language, secret,"
        " failures, trouble, user_id) select 'other', '', true, %s, 'blue', '{}', '{raised,commented}', 'zh-hans', %s,"
        " 0, '', id from accounts_user where username = 'owner'",
        f"{web.url}/alarms", seal(new_secret(), "subscriptions_subscription.secret"),
    )  # fmt: skip
    port = free_port()
    door = gateway(server, f"http:{port}")
    door.start(lambda: listens(port))
    yield Site(server, web, port, door)
    door.kill()
    server.sql("delete from subscriptions_delivery; delete from subscriptions_subscription")
    without_alarms(server, RULE, others)
    server.sql("delete from telemetry_device where number = 'HOURLY'; delete from notify_destination")


@pytest.mark.covers("LN-395")
def test_an_alarm_between_two_periods_arrives_at_once_from_the_site_to_the_other_system(site: Site) -> None:
    """The box sends hourly; a value over the limit twenty minutes after the hour waits for no period on its way."""
    processes = [evaluator(site.server), sender(site.server)]
    try:
        hour = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
        site.sends(hour, 40.0)
        site.sends(hour + timedelta(minutes=20), 95.0)
        site.web.wait(1)
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
    told = site.web.calls[0].json["data"]["properties"]
    assert (told["device"], told["value"], told["level"]) == ("HOURLY", 95.0, "red")
    assert datetime.fromisoformat(told["began_at"]) == hour + timedelta(minutes=20)
    ((number, at),) = site.server.sql(
        "select count(*), max(r.at) from telemetry_reading r join telemetry_device d on d.id = r.device"
        " where d.number = 'HOURLY'"
    )
    assert (number, at) == (2, hour + timedelta(minutes=20)), "no later reading was needed"


def test_f03_a_sender_that_is_killed_in_the_middle_loses_nothing_and_repeats_by_the_same_id(site: Site) -> None:
    """The other side has an event and is about to answer when kill -9 comes; two senders then share the rest."""
    ((episode,),) = site.server.sql(
        "insert into alarms_episode (rule_id, device_id, feature_id, subject, level, state, began_at, last_at, count,"
        " late, withdrawn, disposition) select r.id, d.id, d.feature, '', 'red', 'open', now(), now(), 1, false, false,"
        " '' from alarms_rule r, telemetry_device d where r.name = %s and d.number = 'HOURLY' returning id",
        RULE,
    )

    def slow(handler: Any) -> None:
        time.sleep(120)

    site.web.replies = [slow]
    site.server.sql(
        "insert into alarms_act (episode_id, kind, level, text) select %s, 'commented', 'red', g.n::text"
        " from generate_series(0, 29) g (n) order by g.n",
        episode,
    )
    first = sender(site.server)
    try:
        site.web.wait(1)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    both = [sender(site.server), sender(site.server)]
    try:
        site.web.wait(31)
        time.sleep(2)
    finally:
        for process in both:
            process.kill()
            process.wait(10)
    texts = [call.json["data"]["properties"]["text"] for call in site.web.calls]
    assert texts == ["0", *(str(n) for n in range(30))], "in order, only what was in the air twice"
    assert site.web.calls[0].headers["webhook-id"] == site.web.calls[1].headers["webhook-id"]
    states = site.server.sql("select distinct state from subscriptions_delivery")
    assert states == [("delivered",)]
