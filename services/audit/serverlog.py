"""What the log of the database server tells of sessions and statements: lines of its JSON format as plain values."""

import json
import re
from collections.abc import Iterable, Iterator, MutableMapping
from datetime import datetime
from typing import Any, NamedTuple

from services.audit.models import Kind

LOCAL = "local"
"""The address of who comes over the socket of the machine."""
_STATEMENT = re.compile(r"^(?:statement|execute [^:]*): (.*)$", re.S)
_TEMPORARY = re.compile(r"\s*(?:/\*.*?\*/\s*)?create\s+(?:local\s+|global\s+)?temp(?:orary)?\s", re.I | re.S)
# As telemetry.partitions makes a month that data arrive for, whichever program takes them in.
_MONTH = re.compile(
    r'create table "(\w+)_\d{6}" \(like "\1" including all\)$'
    r'|alter table "(\w+)" attach partition "\2_\d{6}" for values '
)
# Nothing of one database alone: it counts wherever it is said.
_CLUSTER = re.compile(r"\s*(?:create|alter|drop)\s+(?:role|user|group|system)\b", re.I)
_IDENTITY = re.compile(r'^(?:connection authenticated: identity=|no match in usermap .* authenticated as )"(.*?)"')
_REFUSED = "audit entries are never changed or deleted"
MOST_IDENTITIES = 2_000


class Event(NamedTuple):
    """Something that may be abnormal; ``identity`` is whom the server took the other end for, of the system's users."""

    kind: Kind
    at: datetime
    role: str
    database: str
    address: str
    program: str
    pid: int
    identity: str
    statement: str
    detail: str


def events(lines: Iterable[bytes], database: str, identities: MutableMapping[int, str]) -> Iterator[Event]:
    """The events of a database, and those of the whole server; ``identities`` remembers who is behind a session."""
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("backend_type") == "client backend":
            found = _event(said, database, identities)
            if found is not None:
                yield found


def _event(said: dict[str, Any], database: str, identities: MutableMapping[int, str]) -> Event | None:
    message, pid = str(said.get("message", "")), int(said.get("pid", 0))
    if known := _IDENTITY.match(message):
        if len(identities) > MOST_IDENTITIES:
            identities.clear()
        identities[pid] = known[1]
        return None
    here = said.get("dbname") == database
    statement, detail = "", ""
    if str(said.get("state_code", "")).startswith("28") and said.get("error_severity") == "FATAL":
        kind, detail = Kind.LOGIN, message
    elif message.startswith("connection authorized:"):
        if not here or said.get("user") is None:
            return None
        kind = Kind.SESSION
    elif message == _REFUSED and here:
        kind, statement, detail = Kind.TAMPER, str(said.get("statement", "")), message
    elif (asked := _STATEMENT.match(message)) and (here or _CLUSTER.match(asked[1])):
        ours = _program(said, message).startswith("zhutu ")
        if _TEMPORARY.match(asked[1]) or (ours and _MONTH.match(asked[1])):
            return None
        kind, statement = Kind.DDL, asked[1]
    else:
        return None
    return Event(
        kind, _moment(str(said["timestamp"])), str(said.get("user", "")), str(said.get("dbname", "")),
        _address(said), _program(said, message), pid, identities.get(pid, ""), statement, detail,
    )  # fmt: skip


def _moment(text: str) -> datetime:
    """As ``2026-11-28 14:30:15.123 CST`` or with any other zone: the server is told to write UTC."""
    return datetime.fromisoformat(text.rpartition(" ")[0] + "+00:00")


def _address(said: dict[str, Any]) -> str:
    host = str(said.get("remote_host") or LOCAL)
    return LOCAL if host == "[local]" else host


def _program(said: dict[str, Any], message: str) -> str:
    found = re.search(r"\bapplication_name=(.*?)(?: SSL enabled| GSS |$)", message)
    name = found[1] if found else str(said.get("application_name") or "")
    return "" if name == "[unknown]" else name
