"""Requests to other systems: places filled in, authorised, to listed hosts only, without redirects, within limits."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_noop as _

from ingest.feeds.formats import LARGEST, unpacked
from ingest.feeds.moments import written
from services.catalog.sealed import CannotOpen, opened
from services.feeds import bodies
from services.feeds.checks import lines
from services.feeds.faults import Fault
from services.feeds.models import Source
from services.notify import outbound
from services.notify.errors import Refused, Retry, Unreachable
from services.notify.outbound import Answer

Places = Mapping[str, str]
LONGEST_WAIT = 3600.0
"""Seconds for which a Retry-After is heeded."""
AGENT = "Zhutu"
ACCEPTED = {"json": "application/json", "csv": "text/csv", "xml": "application/xml, text/xml"}
NUMBERS = ("page", "offset", "size")
"""Places that stand for numbers: alone in a text of a JSON body they are filled in as such."""


def fetch(source: Source, places: Places, follow: str = "") -> bytes:
    """The content of an answer, unpacked; ``follow`` is an address within the same host that an answer named.

    Raises Fault, which says what an administrator can do about it.
    """
    url, body, headers = request(source, places, follow)
    host = urlsplit(url).netloc
    try:
        answer = outbound.exchange(
            source.method, url, body, headers,
            most=LARGEST, patience=source.timeout, deadline=source.timeout, plain=True,
        )  # fmt: skip
    except Unreachable as error:
        raise Fault(_("%(host)s 在 %(seconds)d 秒内没有应答完毕：%(detail)s"),
                    host=host, seconds=source.timeout, detail=error) from error  # fmt: skip
    except Retry as error:
        raise Fault(_("内容超过 %(most)d MB。请缩小每页行数或时间范围。"), most=LARGEST >> 20) from error
    except Refused as error:
        raise Fault(_("不允许调用 %(host)s：%(detail)s"), host=host, detail=error) from error
    _accept(answer, host)
    return unpacked(answer.body, answer.headers.get("content-encoding", ""))


def request(source: Source, places: Places, follow: str = "") -> tuple[str, bytes | None, dict[str, str]]:
    """Address, body and headers of a request."""
    query = {name: _filled(value, places) for name, value in lines(source.parameters).items()}
    headers = lines(source.headers) | {
        "Accept": ACCEPTED[source.format], "Accept-Encoding": "gzip", "User-Agent": AGENT,
    }  # fmt: skip
    _authorise(source, query, headers)
    body = None
    if source.method == Source.Method.POST:
        # Secrets go in last: what looks like a place in one of them is part of it.
        filled = _structure(json.loads(source.body or "{}"), places)
        body = json.dumps(bodies.put_in(filled, _body_secrets(source)), ensure_ascii=False).encode()
        headers.setdefault("Content-Type", "application/json")
    url = source.url
    if follow:
        url, query = _within(source.url, follow), _only_authorised(source, query)
    joint = "&" if "?" in url else "?"
    return (f"{url}{joint}{urlencode(query)}" if query else url), body, headers


def _accept(answer: Answer, host: str) -> None:
    """Raise Fault for any status but a good one."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status in (401, 403):
        raise Fault(_("%(host)s 拒绝授权（%(status)d）。请检查授权方式和密钥。"), host=host, status=status)
    if 300 <= status < 400:
        text = _("%(host)s 要求转到别的地址（%(status)d），平台不跟随。请改填实际地址。")
        raise Fault(text, host=host, status=status)
    wait = answer.headers.get("retry-after", "")
    pause = min(float(wait), LONGEST_WAIT) if wait.isascii() and wait.isdecimal() else None
    raise Fault(_("%(host)s 应答状态 %(status)d。"), host=host, status=status, wait=pause)


def _authorise(source: Source, query: dict[str, str], headers: dict[str, str]) -> None:
    try:
        secret = opened(source.secret)
    except CannotOpen:
        raise Fault(_("密钥无法读取：平台的主密钥已更换。请重新填写密钥。")) from None
    match source.auth:
        case Source.Auth.BASIC:
            pair = base64.b64encode(f"{source.auth_user}:{secret}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        case Source.Auth.BEARER:
            headers["Authorization"] = f"Bearer {_line(secret)}"
        case Source.Auth.KEY:
            _put(source, source.auth_label, secret, query, headers)
        case Source.Auth.SIGN:
            at = written(datetime.now(UTC), source.sign_moment, ZoneInfo(source.zone))
            nonce = secrets.token_hex(8)
            values = {"user": source.auth_user, "time": at, "nonce": nonce, "secret": secret}
            digest = hashlib.new(source.sign_digest, _filled(source.sign_pattern, values).encode()).hexdigest()
            _put(source, source.sign_user, source.auth_user, query, headers)
            _put(source, source.sign_time, at, query, headers)
            if "{nonce}" in source.sign_pattern:
                _put(source, "nonce", nonce, query, headers)
            _put(source, source.auth_label, digest.upper() if source.sign_upper else digest, query, headers)


def _body_secrets(source: Source) -> bodies.Secrets:
    try:
        return bodies.secrets_of(source)
    except CannotOpen:
        raise Fault(_("正文中的密钥无法读取：平台的主密钥已更换。请重新填写正文中的密钥。")) from None


def _put(source: Source, name: str, value: str, query: dict[str, str], headers: dict[str, str]) -> None:
    if source.auth_place == Source.Place.QUERY:
        query[name] = value
    else:
        headers[name] = _line(value)


def _line(value: str) -> str:
    """A value of a header; what would begin another one, or is no Latin text, is refused."""
    if not value.isprintable() or not value.isascii():
        raise Fault(_("密钥含有请求头中不允许的字符。"))
    return value


def _only_authorised(source: Source, query: dict[str, str]) -> dict[str, str]:
    """Of the query what authorises: the address that an answer named brings the rest."""
    names = {source.auth_label, source.sign_user, source.sign_time, "nonce"}
    wanted = source.auth_place == Source.Place.QUERY and source.auth in (Source.Auth.KEY, Source.Auth.SIGN)
    return {name: value for name, value in query.items() if wanted and name in names}


def _within(url: str, follow: str) -> str:
    """The next page's address; Fault where it leads to another host, which would be handed the secret."""
    there = urljoin(url, follow)
    try:
        same = outbound.split(there, plain=True)[:2] == outbound.split(url, plain=True)[:2]
        same = same and urlsplit(there).scheme == urlsplit(url).scheme
    except Refused:
        same = False
    if not same:
        raise Fault(_("下一页的地址指向别的主机：%(url)s"), url=there)
    return there.partition("#")[0]


def _structure(pattern: Any, places: Places) -> Any:
    """A JSON pattern with its texts filled in: as values, so that none can change the structure."""
    if isinstance(pattern, dict):
        return {name: _structure(value, places) for name, value in pattern.items()}
    if isinstance(pattern, list):
        return [_structure(value, places) for value in pattern]
    if not isinstance(pattern, str):
        return pattern
    for name in NUMBERS:
        if pattern == f"{{{name}}}":
            return int(places.get(name, "0"))
    return _filled(pattern, places)


def _filled(text: str, places: Places) -> str:
    """A text with its places filled in, each once: what is filled in is not read for places again."""
    found, rest = [], text
    while rest:
        before, brace, after = rest.partition("{")
        name, closing, tail = after.partition("}")
        found.append(before)
        if brace and closing and name in places:
            found.append(places[name])
            rest = tail
        else:
            found.append(brace)
            rest = after
    return "".join(found)
