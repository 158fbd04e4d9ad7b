"""Several workers, and workers that are killed: rows that are really committed, processes that really die."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from services.accounts.models import User
from services.notify import outbox
from services.notify.models import Channel, Contact, Delivery, Message
from tests.notify.conftest import Aside, sms_channel
from tests.notify.receivers import Web, says

pytestmark = pytest.mark.django_db


def written(web: Web, own: Path, count: int) -> None:
    """A gateway and so many messages to it."""
    sms_channel(web, own)
    user = User.objects.get(username="owner")
    Contact.objects.create(user=user, mobile="13800138000")
    for number in range(count):
        outbox.notify([user], "alarm", {"title": f"n{number}"}, "red", dedupe_key=f"n{number}")


def worker() -> subprocess.Popen[bytes]:
    """The sweep as a process of its own."""
    environment = os.environ | {"ZHUTU_PGDATABASE": str(connection.settings_dict["NAME"])}
    return subprocess.Popen(
        [sys.executable, "manage.py", "notify", "--once"], cwd=settings.ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def keys(web: Web) -> Counter[str]:
    """How often each delivery was handed over."""
    return Counter(call.headers["Idempotency-Key"] for call in web.calls)


def test_f03_a_worker_killed_between_send_and_note_loses_nothing(
    web: Web, pair: tuple[Path, Path], aside: Aside
) -> None:
    """The gateway has taken the third message when kill -9 comes: that one may be repeated, under its own key."""
    aside(written, web, pair[1], 6)
    killed = threading.Event()

    def take_and_hold(handler: Any) -> None:
        killed.wait(60)
        says({"code": 0, "data": [{"msgid": "held"}]})(handler)

    usual = web.usual
    web.replies = [usual, usual, take_and_hold]
    first = worker()
    web.wait(3)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait(30) == -signal.SIGKILL
    killed.set()
    held = web.calls[2].headers["Idempotency-Key"]
    row = Delivery.objects.get(pk=held)
    assert (row.state, row.attempts) == ("queued", 1)
    assert row.tried_at is not None and row.next_try_at - row.tried_at == outbox.LEASE
    assert outbox.LEASE.total_seconds() <= 120
    assert Delivery.objects.filter(state="sent").count() == 2

    # Within the lease nobody else takes it; the others go on.
    assert aside(outbox.deliver) == 3
    assert keys(web)[held] == 1
    assert Delivery.objects.filter(state="sent").count() == 5

    aside(Delivery.objects.filter(pk=held).update, next_try_at=timezone.now())
    assert aside(outbox.deliver) == 1
    assert Delivery.objects.filter(state="sent").count() == 6
    counted = keys(web)
    assert counted.pop(held) == 2
    assert set(counted.values()) == {1}
    assert len(counted) == 5


def test_f03_kills_at_any_moment_leave_each_message_sent(web: Web, pair: tuple[Path, Path], aside: Aside) -> None:
    aside(written, web, pair[1], 30)
    usual = web.usual

    def slowly(handler: Any) -> None:
        time.sleep(0.05)
        usual(handler)

    web.usual = slowly
    kills = 0
    for more in (2, 7, 3):
        before = len(web.calls)
        process = worker()
        web.wait(before + more)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        kills += 1
        aside(Delivery.objects.filter(state="queued").update, next_try_at=timezone.now())
    aside(outbox.deliver)
    assert Delivery.objects.filter(state="sent").count() == 30
    counted = keys(web)
    assert len(counted) == 30
    assert sum(counted.values()) <= 30 + kills


def test_two_workers_hand_nothing_over_twice(web: Web, pair: tuple[Path, Path], aside: Aside) -> None:
    aside(written, web, pair[1], 60)
    with ThreadPoolExecutor(4) as threads:
        tried = list(threads.map(_deliver, range(4)))
    assert sum(tried) == 60
    assert min(tried) > 0
    assert len(keys(web)) == len(web.calls) == 60
    assert Delivery.objects.filter(state="sent").count() == 60


def test_two_workers_keep_a_robot_s_rate_together(web: Web, pair: tuple[Path, Path], aside: Aside) -> None:
    from tests.notify.conftest import allow, channel

    def robot() -> None:
        allow(web.port, pair[1])
        group = channel("wecom", url=f"{web.url}/send", key="WECOM_KEY")
        for number in range(40):
            outbox.notify([group], "alarm", {"title": str(number)}, "red")

    aside(robot)
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(_deliver, range(4))) == 20
    assert len(web.calls) == 20
    assert Channel.objects.get().rests_until > timezone.now()  # type: ignore[operator]


def test_the_same_key_from_two_sides_at_once_gives_one_message(web: Web, aside: Aside) -> None:
    user = User.objects.get(username="owner")
    barrier = threading.Barrier(6)

    def raise_alarm(_n: int) -> int:
        barrier.wait(30)
        try:
            return len(outbox.notify([user], "alarm", {"title": "x"}, "red", dedupe_key="episode"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(raise_alarm, range(6))) == [0, 0, 0, 0, 0, 1]
    assert Message.objects.count() == 1


def _deliver(_n: int) -> int:
    try:
        return outbox.deliver()
    finally:
        connections.close_all()
