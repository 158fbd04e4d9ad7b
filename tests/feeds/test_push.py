"""Pushing: who may, what is stored, what the sender hears, what is refused."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ingest.feeds import pushing
from ingest.simulators import existing
from layers.sewage.models import SewagePlant
from services.access.errors import Invalid
from services.access.principal import Principal
from services.feeds import sources
from services.feeds.models import Run, Source
from services.telemetry.models import Device
from tests.feeds.conftest import BEGIN, FACTORS, STATIONS, stored

pytestmark = pytest.mark.django_db

MAPPING = {"device": "stationCode", "time": "monitorTime", "flag": "status", "good": "0", "factors": FACTORS}


def rows(count: int = 5) -> list[dict[str, Any]]:
    return [existing.row(station, BEGIN + timedelta(minutes=n)) for n in range(count) for station in STATIONS]


class Pushed:
    """A push source with its token, and a way to send to it."""

    def __init__(self, admin: Principal, **values: Any) -> None:
        given = {"name": "推送", "mode": "push", "list_path": "data", "mapping": MAPPING, **values}
        self.source = sources.save(admin, None, given)
        self.token = sources.new_token(admin, self.source.pk)
        sources.switch(admin, self.source.pk, True)

    def send(self, body: bytes | Any, token: str | None = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps({"data": body}).encode()
        said = {"Authorization": f"Bearer {self.token if token is None else token}"} | headers
        return Client().post(f"/feeds/{self.source.pk}", data, content_type="application/json", headers=said)


@pytest.fixture
def pushed(admin: Principal, plants: dict[str, SewagePlant]) -> Pushed:
    """With its stations bound."""
    made = Pushed(admin)
    for code in STATIONS:
        number = made.source.number(code)
        Device.objects.create(protocol="feed", number=number, feature=plants[code].pk, state="active")
    return made


def test_a_batch_is_stored_and_sent_again_changes_nothing(pushed: Pushed) -> None:
    answer = pushed.send(rows())
    assert answer.status_code == 200, answer.content
    assert answer.json()["counts"] == {"rows": 10, "values": 40, "new": 40, "refused": 0}
    before = stored(pushed.source)
    assert len(before) == 10
    again = pushed.send(rows())
    assert (again.status_code, again.json()["counts"]["same"]) == (200, 40)
    assert stored(pushed.source) == before
    pushed.source.refresh_from_db()
    assert pushed.source.state == "ok"
    assert list(pushed.source.runs.values_list("cause", "state")) == [("push", "done")] * 2


@pytest.mark.parametrize("token", ["", "wrong", "令牌".encode().decode("latin-1")])
def test_without_the_token_nothing_is_read_and_the_attempt_is_counted(pushed: Pushed, token: str) -> None:
    answer = pushed.send(rows(), token=token)
    assert answer.status_code == 401
    assert "application/problem+json" in answer.headers["Content-Type"]
    assert stored(pushed.source) == {}
    pushed.source.refresh_from_db()
    assert pushed.source.refusals == 1
    assert not Run.objects.exists()


def test_a_source_that_is_not_there_or_pulls_answers_like_a_wrong_token(
    pushed: Pushed, settle: Callable[..., Source]
) -> None:
    wrong = pushed.send(rows(), token="wrong").json()
    for pk in (999_999, settle().pk):
        answer = Client().post(
            f"/feeds/{pk}", b"{}", content_type="application/json", headers={"Authorization": f"Bearer {pushed.token}"}
        )
        assert (answer.status_code, answer.json()) == (401, wrong)


def test_a_token_may_come_in_a_header_of_our_own_and_a_new_one_ends_the_old(pushed: Pushed, admin: Principal) -> None:
    answer = Client().post(
        f"/feeds/{pushed.source.pk}", json.dumps({"data": rows(1)}), content_type="application/json",
        headers={"X-Feed-Token": pushed.token},
    )  # fmt: skip
    assert answer.status_code == 200
    fresh = sources.new_token(admin, pushed.source.pk)
    assert pushed.send(rows()).status_code == 401
    assert pushed.send(rows(), token=fresh).status_code == 200


def test_a_source_without_a_token_cannot_be_switched_on(admin: Principal) -> None:
    """DZ-338: an interface without authorisation is refused."""
    source = sources.save(admin, None, {"name": "无令牌", "mode": "push", "mapping": MAPPING})
    with pytest.raises(Invalid, match="推送令牌"):
        sources.switch(admin, source.pk, True)


def test_a_source_that_is_off_says_so_to_who_has_the_token(pushed: Pushed, admin: Principal) -> None:
    sources.switch(admin, pushed.source.pk, False)
    assert pushed.send(rows()).status_code == 403
    assert pushed.send(rows(), token="wrong").status_code == 401
    assert stored(pushed.source) == {}


def test_wrong_rows_are_named_and_the_others_are_stored(pushed: Pushed) -> None:
    sent = rows()
    sent[1]["monitorTime"] = "昨天"
    sent[3] = {"stationCode": "FEED-1", "monitorTime": sent[3]["monitorTime"], "cod": "n/a"}
    sent.append({**sent[0], "stationCode": "NOBODY"})
    answer = pushed.send(sent).json()
    assert answer["state"] == "partly"
    assert answer["counts"]["refused"] == 2
    assert {(problem["row"], problem["field"]) for problem in answer["problems"]} == {
        (2, "monitorTime"), (4, "cod"), (11, "stationCode"),
    }  # fmt: skip
    assert len(stored(pushed.source)) == 8, "the fourth row says nothing of a minute of which the third said something"
    assert sources.stations(pushed.source).filter(number__endswith=":NOBODY", state="pending").exists()


def test_with_the_policy_all_nothing_of_a_batch_with_a_wrong_row_is_stored(pushed: Pushed, admin: Principal) -> None:
    sources.save(admin, pushed.source.pk, {"policy": "all"})
    sent = rows()
    sent[1]["monitorTime"] = "昨天"
    answer = pushed.send(sent)
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"row 2": ["monitorTime: “昨天”不是时间。"]}
    assert stored(pushed.source) == {}
    assert Run.objects.get().state == "failed"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "JSON"),
        (b"[1, 2]", 400, "data"),
        (b'{"data": [1]}', 400, "data"),
        (b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "JSON"),
        (b'{"data": [' + b"1" * 10_000 + b"]}", 400, ""),
        (b'{"rows": []}', 400, "data"),
        (b"\xff\xff\xff\xff", 400, "GB 18030"),
        (b'{"data": "' + b"x" * 6_000_000 + b'"}', 413, ""),
    ],
    ids=["nothing", "a list", "a number", "deep", "a long number", "another name", "no text", "too much"],
)  # fmt: skip
def test_a_body_that_is_none_is_refused_with_its_reason(pushed: Pushed, body: bytes, status: int, said: str) -> None:
    answer = pushed.send(body)
    assert answer.status_code == status, answer.content[:200]
    assert said in answer.json()["detail"]
    assert stored(pushed.source) == {}


def test_packed_bodies_are_unpacked_and_bombs_are_not(pushed: Pushed) -> None:
    """F58: a bomb stops at the limit."""
    good = gzip.compress(json.dumps({"data": rows()}).encode())
    assert pushed.send(good, **{"Content-Encoding": "gzip"}).status_code == 200
    bomb = gzip.compress(b'{"data": "' + b"0" * 80_000_000)
    answer = pushed.send(bomb, **{"Content-Encoding": "gzip"})
    assert (answer.status_code, "超过 5 MB" in answer.json()["detail"]) == (400, True)
    for data, encoding in ((good[:-20], "gzip"), (b"nothing", "gzip"), (good, "br")):
        assert pushed.send(data, **{"Content-Encoding": encoding}).status_code == 400


XML = "<?xml version='1.0' encoding='UTF-8'?>{}<list><row><c>FEED-1</c><t>2026-11-27 10:00:00</t><v>{}</v></row></list>"


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE list [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE list [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE list SYSTEM "http://127.0.0.1:1/x.dtd">',
        "<!DOCTYPE list>",
    ],
)
def test_xml_with_a_document_type_is_not_read(admin: Principal, declared: str) -> None:
    """No entities: neither bombs nor files nor other hosts."""
    mapping = {"device": "c", "time": "t", "factors": [["v", "w01018", "mg/L"]]}
    made = Pushed(admin, format="xml", list_path="row", mapping=mapping)
    answer = made.send(XML.format(declared, "&a;" if "ENTITY" in declared else "3").encode())
    assert (answer.status_code, "实体" in answer.json()["detail"]) == (400, True)
    assert made.send(XML.format("", "3").encode()).status_code == 200


def test_who_sends_too_often_is_told_so(pushed: Pushed) -> None:
    """F21."""
    now = timezone.now()
    runs = [Run(source=pushed.source, cause="push", state="done", started_at=now) for _n in range(pushing.A_MINUTE)]
    Run.objects.bulk_create(runs)
    assert pushed.send(rows()).status_code == 429
    Run.objects.update(started_at=now - timedelta(minutes=2))
    assert pushed.send(rows()).status_code == 200


def test_there_is_only_post(pushed: Pushed) -> None:
    assert Client().get(f"/feeds/{pushed.source.pk}").status_code == 405


def test_a_person_s_token_opens_no_source_and_a_source_s_token_no_person_s_door(
    pushed: Pushed, token: Callable[[str], dict[str, str]]
) -> None:
    assert pushed.send(rows(), **token("admin")).status_code == 401
    answer = Client().get("/ogc/collections?f=json", headers={"Authorization": f"Bearer {pushed.token}"})
    assert answer.status_code == 401


def test_devices_of_other_protocols_do_not_answer_to_a_source(pushed: Pushed) -> None:
    """A station is the source's own: no sender reaches a device that is not."""
    foreign = Device.objects.create(protocol="hj212", number=pushed.source.number("X"), state="active")
    devices_before = foreign.pk
    pushed.send([{**rows(1)[0], "stationCode": "X"}])
    assert not stored(pushed.source).keys() & {("X", BEGIN)}
    assert Device.objects.get(protocol="feed", number=pushed.source.number("X")).pk != devices_before
