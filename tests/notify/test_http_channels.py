"""SMS gateway and group robots, against a real HTTPS server."""

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from services.accounts.models import User
from services.notify import outbound, outbox, receipts
from services.notify.channels.robots import cut, signature
from services.notify.errors import Refused, Unreachable
from services.notify.models import Channel, Delivery, Destination
from tests.notify.conftest import SECRETS, allow, channel
from tests.notify.receivers import Web, says

pytestmark = pytest.mark.django_db


@pytest.fixture
def wecom(web: Web, pair: tuple[Path, Path], db: None) -> Channel:
    allow(web.port, pair[1])
    return channel("wecom", url=f"{web.url}/cgi-bin/webhook/send", key="WECOM_KEY")


@pytest.fixture
def dingtalk(web: Web, pair: tuple[Path, Path], db: None) -> Channel:
    allow(web.port, pair[1])
    return channel("dingtalk", url=f"{web.url}/robot/send", token="DING_TOKEN", secret="DING_SECRET", format="markdown")


def test_an_sms_is_signed_and_its_text_cannot_change_the_json(sms: Channel, web: Web, owner: User) -> None:
    outbox.notify([owner], "alarm", {"title": 'a", "phones": ["13900139000"], "x": "{mobile}'}, "red")
    outbox.deliver()
    (call,) = web.calls
    row = Delivery.objects.get()
    assert call.json["phones"] == ["13800138000"]
    assert call.json["ref"] == {"id": str(row.pk), "n": 1}
    assert set(call.json) == {"phones", "content", "ref"}
    signed = f"{call.headers['X-Timestamp']}\n".encode() + call.body
    expected = hmac.new(SECRETS["SMS_KEY"].encode(), signed, hashlib.sha256).hexdigest()
    assert call.headers["X-Signature"] == expected
    assert call.headers["Idempotency-Key"] == str(row.pk)
    assert (row.state, row.receipt) == ("sent", "m-1")


def test_what_was_filled_in_is_not_filled_in_again(sms: Channel, web: Web, owner: User) -> None:
    outbox.notify([owner], "alarm", {"title": "x", "text": "{mobile} {id} {text}"}, "red")
    outbox.deliver()
    assert "{mobile} {id} {text}" in web.calls[0].json["content"]


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (says({"code": "0", "data": [{"msgid": 5}]}), "sent"),
        (says({"code": 7}), "failed"),
        (says(b"<html>"), "failed"),
        (says({}, 403), "failed"),
        (says({}, 302, Location="https://localhost/elsewhere"), "failed"),
        (says({}, 429), "queued"),
        (says({}, 500), "queued"),
        (says(b"x" * (outbound.BYTES + 1)), "queued"),
    ],
)
def test_an_answer_decides_what_becomes_of_it(sms: Channel, web: Web, owner: User, reply: Any, state: str) -> None:
    web.replies = [reply]
    outbox.notify([owner], "alarm", {"title": "x"}, "red")
    outbox.deliver()
    assert Delivery.objects.get().state == state
    assert len(web.calls) == 1


def test_a_gateway_that_dawdles_is_cut_off(sms: Channel, web: Web, owner: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(outbound, "DEADLINE", 1.0)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _second in range(300):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    web.replies = [drip]
    outbox.notify([owner], "alarm", {"title": "x"}, "red")
    outbox.deliver()
    row = Delivery.objects.get()
    assert row.state == "queued"
    assert "broke off" in row.error


def test_a_receipt_says_that_it_arrived(sms: Channel, web: Web, owner: User) -> None:
    for title in ("a", "b", "c"):
        outbox.notify([owner], "alarm", {"title": title}, "red")
    outbox.deliver()
    rows = {row.receipt: row for row in Delivery.objects.all()}
    early = outbox.notify([owner], "alarm", {"title": "d"}, "red")[0].deliveries.get()
    content = (
        '{"reports": [{"msgid": "m-1", "status": "DELIVRD"}, {"msgid": "m-2", "status": "REJECTD"}, "junk", {},'
        f' {{"msgid": "{early.pk}", "status": "DELIVRD"}}, {{"msgid": "unknown", "status": "DELIVRD"}}]}}'
    ).encode()
    assert receipts.take(sms.pk, "receipt-token-88", content) == 3
    assert receipts.take(sms.pk, "receipt-token-88", content) == 0
    for row in (*rows.values(), early):
        row.refresh_from_db()
    assert [rows[f"m-{n}"].state for n in (1, 2, 3)] == ["delivered", "failed", "sent"]
    assert early.state == "delivered"
    assert outbox.deliver() == 0


def test_wecom_gets_text_by_its_key(wecom: Channel, web: Web) -> None:
    (message,) = outbox.notify([wecom], "alarm", {"title": "扬尘超标", "value": 5}, "red", dedupe_key="e1")
    assert outbox.notify([wecom], "alarm", {"title": "扬尘超标"}, "red", dedupe_key="e1") == []
    assert message.user is None
    outbox.deliver()
    (call,) = web.calls
    assert call.path == f"/cgi-bin/webhook/send?key={SECRETS['WECOM_KEY']}"
    assert call.json["msgtype"] == "text"
    assert call.json["text"]["content"].startswith("扬尘超标\n")
    assert Delivery.objects.get().state == "sent"


def test_dingtalk_is_signed(dingtalk: Channel, web: Web) -> None:
    outbox.notify([dingtalk], "alarm", {"title": "[点此](https://evil.example) @all <b>"}, "orange")
    outbox.deliver()
    (call,) = web.calls
    query = {name: values[0] for name, values in parse_qs(urlsplit(call.path).query).items()}
    assert query["access_token"] == SECRETS["DING_TOKEN"]
    text = f"{query['timestamp']}\n{SECRETS['DING_SECRET']}".encode()
    key = SECRETS["DING_SECRET"].encode()
    assert query["sign"] == base64.b64encode(hmac.digest(key, text, "sha256")).decode() == signature(
        SECRETS["DING_SECRET"], query["timestamp"]
    )  # fmt: skip
    assert abs(int(query["timestamp"]) / 1000 - time.time()) < 3600
    assert not set("[]<>@") & set(call.json["markdown"]["text"])


@pytest.mark.parametrize(("code", "state"), [(45009, "queued"), (93000, "failed"), (None, "failed")])
def test_an_errcode_is_a_failure_though_the_status_is_200(wecom: Channel, web: Web, code: Any, state: str) -> None:
    web.replies = [says({"errcode": code, "errmsg": SECRETS["WECOM_KEY"]})]
    outbox.notify([wecom], "alarm", {"title": "x"}, "red")
    outbox.deliver()
    row = Delivery.objects.get()
    assert row.state == state
    assert SECRETS["WECOM_KEY"] not in row.error


def test_a_robot_gets_twenty_a_minute_and_the_rest_later(wecom: Channel, web: Web) -> None:
    for number in range(25):
        outbox.notify([wecom], "alarm", {"title": str(number)}, "blue")
    assert outbox.deliver() == 20
    wecom.refresh_from_db()
    assert wecom.rests_until is not None and wecom.rests_until > timezone.now()
    Delivery.objects.update(tried_at=timezone.now() - outbox.MINUTE)
    Channel.objects.update(rests_until=timezone.now())
    assert outbox.deliver() == 5
    titles = [call.json["text"]["content"].partition("\n")[0] for call in web.calls]
    assert sorted(titles, key=int) == [str(n) for n in range(25)]


def test_a_text_is_cut_between_characters() -> None:
    assert cut("筑图", 5) == "筑"
    assert cut("筑图", 6) == "筑图"


EVIL = [
    "http://localhost:{port}/", "https://127.0.0.1:{port}/", "https://0.0.0.0:{port}/", "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/", "https://2130706433:{port}/", "https://0177.0.0.1:{port}/",
    "https://0x7f.1:{port}/", "https://169.254.169.254/latest", "https://[fd00::1]/", "file:///etc/passwd",
    "gopher://localhost:{port}/", "https://user@localhost:{port}/", "https://localhost:{port}@evil.example/",
    "https://LOCALHOST.:{port}/", "https://localhost\\@evil.example:{port}/", "https://localhost:99999/",
    "https://localhost:{port}\r\nX: y/", "//localhost:{port}/", "https:///x", "",
]  # fmt: skip


@pytest.mark.parametrize("address", EVIL)
def test_f53_an_address_that_is_not_listed_opens_no_socket(web: Web, pair: tuple[Path, Path], address: str) -> None:
    allow(web.port, pair[1])
    with pytest.raises(Refused):
        outbound.post(address.format(port=web.port), b"{}", {})
    assert web.connections == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "169.254.169.254", "0.0.0.0", "10.0.0.1", "::1"])
def test_f53_a_listed_name_that_leads_inside_is_refused(web: Web, host: str) -> None:
    Destination.objects.create(host=host, port=web.port)
    with pytest.raises(Refused):
        outbound.post(f"https://{f'[{host}]' if ':' in host else host}:{web.port}/", b"{}", {})
    assert web.connections == 0


def test_f53_a_cloud_machine_s_own_address_is_refused_even_inside() -> None:
    Destination.objects.create(host="169.254.169.254", port=443, internal=True)
    with pytest.raises(Refused):
        outbound.post("https://169.254.169.254/latest/meta-data", b"{}", {})


def test_f53_a_redirect_is_not_followed(sms: Channel, web: Web) -> None:
    web.replies = [says({}, 307, Location=f"{web.url}/inside")]
    assert outbound.post(f"{web.url}/sms", b"{}", {}).status == 307
    assert len(web.calls) == 1


def test_a_server_with_another_certificate_gets_nothing(web: Web, sms: Channel) -> None:
    Destination.objects.update(authority="")
    with pytest.raises(Unreachable, match="trusted certificate"):
        outbound.post(f"{web.url}/sms", b"{}", {})
    assert web.calls == []


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "https://qyapi.weixin.qq.com/send", "key": "WECOM_KEY"},
        {"url": "{url}/send?key=abc", "key": "WECOM_KEY"},
        {"url": "{url}/send", "key": "693a91f6-7xxx-4bc4"},
        {"url": "{url}/send", "key": "WECOM_KEY", "format": "html"},
        {"url": "{url}/send", "key": "WECOM_KEY", "colour": "red"},
        {"url": "{url}/send", "key": 5},
        {"url": "{url}/send"},
    ],
)
def test_settings_that_cannot_work_or_hold_a_secret_are_refused_on_save(
    web: Web, pair: tuple[Path, Path], settings: dict[str, Any]
) -> None:
    allow(web.port, pair[1])
    settings = settings | {"url": settings["url"].format(url=web.url)}
    with pytest.raises(Exception, match="设置有误"):
        channel("wecom", **settings)


def test_settings_that_went_wrong_later_hold_the_message_back(wecom: Channel, web: Web, monkeypatch: Any) -> None:
    outbox.notify([wecom], "alarm", {"title": "x"}, "red")
    monkeypatch.delenv("ZHUTU_NOTIFY_WECOM_KEY")
    outbox.deliver()
    row = Delivery.objects.get()
    assert (row.state, row.error) == (
        "queued",
        "the secret WECOM_KEY is not set: neither with the channel nor as ZHUTU_NOTIFY_WECOM_KEY",
    )
