"""A system that was there before: an HTTP server of another maker's, with the interfaces and the faults of such.

``python -m ingest.simulators.existing --port 9190 --station A --station B`` serves minute values of two stations, the
last two hours of them and on; ``--begin`` and ``--minutes`` fix which there are. Its doors, each authorised in its way:

    /api/values          JSON under data.items, pages, from a time on              Bearer token
    /api/changes         JSON, what comes after a position                         none
    /api/linked          JSON, each page names the next                            Bearer token
    /export/values.csv   GB 18030, one value a line                                Basic
    /service/values.xml  XML with a namespace                                      API key in X-Api-Key
    /open/machines       JSON in pages                                             signature in the query
    /open/places         JSON with longitude and latitude                          API key in the query

``PUT /faults`` makes it misbehave: {"slow": seconds, "fail": times, "status": 500, "hold_page": 3, "duplicates": true,
"disorder": true, "broken": true, "renamed": true, "huge": true, "bomb": true, "redirect": url, "html": true}. ``GET
/calls`` says what it was asked for, ``POST /push`` makes it push to an address.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import math
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

PORT = 9190
TOKEN, USER, PASSWORD, KEY, APP, APP_SECRET = "tok-5566", "reader", "pass-7788", "key-9900", "app-1", "sec-1122"
BEIJING = timezone(timedelta(hours=8))
TEXT = "%Y-%m-%d %H:%M:%S"
MACHINES = (("P-1", "提升泵", 37.0), ("P-2", "提升泵", 37.0), ("B-1", "鼓风机", 75.0))


class System:
    """What the system holds, and how it misbehaves."""

    def __init__(self, stations: list[str], begin: datetime | None = None, minutes: int = 0) -> None:
        self.stations = stations
        self.begin = (begin or datetime.now(UTC) - timedelta(hours=2)).replace(second=0, microsecond=0)
        self.minutes = minutes
        self.faults: dict[str, Any] = {}
        self.calls: list[str] = []
        self.lock = threading.Lock()

    def values(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """Rows from a time on, in its order, with whatever is wrong with them at the moment."""
        count = self.minutes or max(0, int((datetime.now(UTC) - self.begin).total_seconds() // 60))
        rows = [row(station, self.begin + timedelta(minutes=n)) for n in range(count) for station in self.stations]
        if since is not None:
            wanted = since.astimezone(BEIJING).strftime(TEXT)
            rows = [each for each in rows if each["monitorTime"] >= wanted]
        if self.faults.get("duplicates"):
            rows = [each for each in rows for _twice in range(2)]
        if self.faults.get("disorder"):
            rows = sorted(rows, key=lambda each: hashlib.sha256(repr(each).encode()).digest())
        if self.faults.get("broken"):
            spoil(rows)
        if self.faults.get("renamed"):
            rows = [{("codValue" if name == "cod" else name): value for name, value in each.items()} for each in rows]
        return rows

    def machines(self) -> list[dict[str, Any]]:
        """Equipment of each station."""
        return [
            {"plant": station, "no": number, "title": title, "kw": power, "maker": "蓝川环保", "made": "2019-05-20",
             "state": "运行"}
            for station in self.stations for number, title, power in MACHINES
        ]  # fmt: skip

    def places(self) -> list[dict[str, Any]]:
        """Places in WGS-84, of stations that nobody else knows."""
        return [
            {"id": f"{station}-X", "title": f"{station} 泵站", "x": 107.46 + n / 100, "y": 31.21, "area": "511702"}
            for n, station in enumerate(self.stations)
        ]


def row(station: str, at: datetime) -> dict[str, Any]:
    """What a station measured in a minute: the same each time it is asked for."""
    seed = int.from_bytes(hashlib.sha256(station.encode()).digest()[:2])
    wave = math.sin((at.timestamp() / 60 + seed) / 97)
    return {
        "stationCode": station, "monitorTime": at.astimezone(BEIJING).strftime(TEXT), "cod": f"{30 + 8 * wave:.1f}",
        "nh3n": round(2 + wave, 2), "flow": round(640 + 90 * wave, 1), "level": round(3.2 + 0.4 * wave, 2),
        "status": "0",
    }  # fmt: skip


def spoil(rows: list[dict[str, Any]]) -> None:
    """Some of the rows have no time, no station, words for numbers, impossible numbers, or marks."""
    for place, each in enumerate(rows):
        match place % 10:
            case 1:
                each["monitorTime"] = "昨天"
            case 3:
                each["stationCode"] = ""
            case 5:
                each["cod"] = "故障"
            case 7:
                each["cod"] = -9999
            case 9:
                each["status"] = "D"


class Door(BaseHTTPRequestHandler):
    """One request."""

    server: "Server"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Give data."""
        system, there = self.server.system, urlsplit(self.path)
        if there.path == "/calls":
            return self.say(200, system.calls)
        return self.give(there.path, dict(parse_qsl(there.query, keep_blank_values=True)))

    def do_PUT(self) -> None:
        """Misbehave from now on."""
        self.server.system.faults = json.loads(self.content() or b"{}")
        self.server.system.calls.clear()
        self.say(200, {})

    def do_POST(self) -> None:
        """Give data for a JSON body as for a query; or push."""
        body = json.loads(self.content() or b"{}")
        there = urlsplit(self.path)
        if there.path == "/push":
            return self.say(200, push(**body))
        return self.give(there.path, {**dict(parse_qsl(there.query)), **{n: str(v) for n, v in body.items()}})

    def give(self, path: str, query: dict[str, str]) -> None:
        """Answer one of the doors."""
        system = self.server.system
        with system.lock:
            system.calls.append(self.path)
            failing = int(system.faults.get("fail", 0)) > 0
            if failing:
                system.faults["fail"] -= 1
        if not self.authorised(path, query):
            return self.say(401, {"code": 401, "msg": "未授权"})
        if failing:
            return self.say(
                int(system.faults.get("status", 500)), {"code": 500, "msg": "内部错误"}, {"Retry-After": "120"}
            )
        if there := system.faults.get("redirect"):
            return self.say(302, {}, {"Location": there})
        if query.get("page") and query["page"] == str(system.faults.get("hold_page")):
            time.sleep(60)
        time.sleep(float(system.faults.get("slow", 0)))
        if system.faults.get("html"):
            return self.send(200, "<html>请登录</html>".encode(), "text/html")
        if system.faults.get("bomb"):
            return self.send(200, gzip.compress(b'{"data": "' + b"0" * 60_000_000), "application/json", gzipped=True)
        if system.faults.get("huge"):
            return self.send(200, b'{"data": "' + b"0" * 9_000_000 + b'"}', "application/json")
        return self.data(path, query)

    def data(self, path: str, query: dict[str, str]) -> None:
        """The data of a door."""
        system = self.server.system
        match path:
            case "/api/values":
                found = cut(system.values(when(query.get("from"))), query)
                return self.say(200, {"code": 0, "msg": "ok", "data": {"items": found}}, gzipped=True)
            case "/api/changes":
                first = int(query.get("after") or 0)
                found = system.values()[first : first + 50]
                return self.say(200, {"items": found, "position": str(first + len(found))})
            case "/api/linked":
                number, every = int(query.get("page") or 1), system.values()
                found = every[(number - 1) * 40 : number * 40]
                more = f"/api/linked?page={number + 1}" if number * 40 < len(every) else None
                return self.say(200, {"items": found, "links": {"next": more}})
            case "/export/values.csv":
                return self.send(200, table(system.values(when(query.get("from")))), "text/csv; charset=gbk")
            case "/service/values.xml":
                return self.send(200, document(system.values(when(query.get("since")))), "application/xml")
            case "/open/machines":
                return self.say(200, {"code": "200", "result": cut(system.machines(), query)})
            case "/open/places":
                return self.say(200, {"list": system.places()})
        return self.say(404, {"code": 404})

    def authorised(self, path: str, query: dict[str, str]) -> bool:
        """Whether the request proves itself as its door wants it."""
        given = self.headers.get("Authorization", "")
        match path:
            case "/api/values" | "/api/linked":
                return given == f"Bearer {TOKEN}"
            case "/export/values.csv":
                return given == "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            case "/service/values.xml":
                return self.headers.get("X-Api-Key") == KEY
            case "/open/places":
                return query.get("key") == KEY
            case "/open/machines":
                stamp = query.get("ts", "")
                signed = hashlib.md5(f"{APP}{stamp}{APP_SECRET}".encode()).hexdigest().upper()  # noqa: S324
                fresh = stamp.isdecimal() and abs(int(stamp) / 1000 - time.time()) < 300
                return query.get("appId") == APP and fresh and query.get("sign") == signed
        return True

    def content(self) -> bytes:
        """The body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None, gzipped: bool = False) -> None:
        """Answer with JSON."""
        data = json.dumps(body, ensure_ascii=False).encode()
        packed = gzipped and "gzip" in self.headers.get("Accept-Encoding", "")
        self.send(status, gzip.compress(data) if packed else data, "application/json", headers, packed)

    def send(
        self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None, gzipped: bool = False
    ) -> None:
        """Answer."""
        try:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
                self.send_header(name, value)
            if gzipped:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # whoever asked did not wait

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The server of one system."""

    daemon_threads = True

    def __init__(self, port: int, system: System) -> None:
        super().__init__(("127.0.0.1", port), Door)
        self.system = system


def cut(rows: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
    """A page of rows; never more than a hundred, whatever was asked for."""
    size = min(int(query.get("size") or 100), 100)
    first = (int(query.get("page") or 1) - 1) * size
    return rows[first : first + size]


def when(text: str | None) -> datetime | None:
    """A time as its doors take it."""
    return datetime.strptime(text, TEXT).replace(tzinfo=BEIJING) if text else None


def lines(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, Any, str]]:
    """One line a value."""
    for each in rows:
        for name in ("cod", "nh3n", "flow"):
            yield each["stationCode"], each["monitorTime"].replace("-", "/"), name, each.get(name), each["status"]


def table(rows: list[dict[str, Any]]) -> bytes:
    """CSV in GB 18030."""
    out = io.StringIO()
    csv.writer(out).writerows([("站点编号", "监测时间", "因子", "数值", "状态"), *lines(rows)])
    return out.getvalue().encode("gb18030")


def document(rows: list[dict[str, Any]]) -> bytes:
    """XML as such systems write it."""
    body = "".join(
        f'<v:Row id="{escape(each["stationCode"])}"><v:Time>{escape(each["monitorTime"])}</v:Time>'
        f"<v:Cod>{escape(str(each.get('cod')))}</v:Cod><v:Flow>{each['flow']}</v:Flow></v:Row>"
        for each in rows
    )
    head = '<?xml version="1.0" encoding="GBK"?><v:Envelope xmlns:v="urn:old:system"><v:Body>'
    return f"{head}{body}</v:Body></v:Envelope>".encode("gb18030")


def push(url: str, token: str, rows: list[dict[str, Any]] | None = None, body: str = "", **more: Any) -> dict[str, Any]:
    """Send rows, or a body as it is, to an address as another system's scheduler would; what was answered."""
    data = body.encode() if body else json.dumps({"data": rows or []}, ensure_ascii=False).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if more.get("gzip"):
        data, headers["Content-Encoding"] = gzip.compress(data), "gzip"
    request = urllib.request.Request(url, data, headers, method="POST")  # noqa: S310 - the operator's own address
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return {"status": answer.status, "answer": json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "answer": json.loads(error.read() or b"null")}


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="an existing system with interfaces of its own")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--station", action="append", default=[])
    parser.add_argument("--begin", type=datetime.fromisoformat, default=None)
    parser.add_argument("--minutes", type=int, default=0, help="of data; as many as have passed where not given")
    given = parser.parse_args()
    server = Server(given.port, System(given.station or ["A", "B"], given.begin, given.minutes))
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
