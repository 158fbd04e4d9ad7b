"""The database audit at work: reads the server's log, judges by the rules in force, and writes findings."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from services.audit import guards
from services.audit.masking import masked
from services.audit.models import Finding, Kind, Reading, Rule, Severity
from services.audit.serverlog import Event, events

ZONE = ZoneInfo("Asia/Shanghai")
MOST = 4_000_000
"""Bytes of the log that are read at once."""
KEPT_DAYS = 30
"""For which the server's own files stay; the findings stay for good."""
_URGENCY = {level: n for n, level in enumerate(Severity.values)}
_identities: dict[int, str] = {}


def look(now: datetime | None = None) -> int:
    """Read what the server has logged since, and write what is abnormal; how many findings there are anew."""
    folder = settings.SERVER_LOG
    with transaction.atomic():
        reading, _new = Reading.objects.select_for_update().get_or_create(pk=1)
        reading.problem = ""
        try:
            lines = _lines(folder, reading)
        except OSError as error:
            lines, reading.problem = [], f"{folder}: {error.strerror or error}"[:300]
        reading.read_at = now or timezone.now()
        found = judged(events(lines, connection.settings_dict["NAME"], _identities))
        Finding.objects.bulk_create(found)
        reading.save()
    return len(found)


def judged(happened: Iterable[Event]) -> list[Finding]:
    """The findings that some events make, by the strictest rule that is in force for each."""
    logins: dict[tuple[str, str, str, datetime], list[Event]] = defaultdict(list)
    others = []
    for event in happened:
        if event.kind == Kind.LOGIN:
            minute = event.at.replace(second=0, microsecond=0)
            logins[event.role, event.address, event.program, minute].append(event)
        else:
            others.append((event, 1))
    # Whoever tries a thousand passwords makes one finding a minute and look, not a thousand.
    others += [(some[-1], len(some)) for some in logins.values()]
    rules = list(Rule.objects.filter(enabled=True))
    found = []
    for event, n in sorted(others, key=lambda pair: pair[0].at):
        rule = strictest(rules, event, n)
        if rule is not None:
            found.append(
                Finding(
                    at=event.at, kind=event.kind, level=rule.level, rule=rule.name, account=event.identity[:150],
                    role=event.role[:63], database=event.database[:63], address=event.address[:45],
                    program=event.program[:63], pid=event.pid, rows=n if event.kind == Kind.LOGIN else None,
                    statement=masked(event.statement)[:4000], detail=event.detail[:500],
                )
            )  # fmt: skip
    return found


def strictest(rules: Iterable[Rule], event: Event, n: int) -> Rule | None:
    """The most urgent rule by which an event that happened so often is abnormal, if any."""
    there = event.at.astimezone(ZONE)
    found = [
        rule
        for rule in rules
        if rule.kind == event.kind
        and rule.enabled
        and rule.valid_from <= there.date()
        and (rule.valid_to is None or there.date() < rule.valid_to)
        and n >= rule.least
        and _within(rule, there.hour)
        and not _normal(rule, event)
    ]
    return min(found, key=lambda rule: (_URGENCY[rule.level], -rule.least), default=None)


def check_guards(now: datetime | None = None) -> int:
    """Write a finding where somebody switched protection off, once a day for each; how many there are anew."""
    moment = now or timezone.now()
    off = guards.weakened()
    if not off:
        return 0
    day = moment.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    told = set(Finding.objects.filter(kind=Kind.TAMPER, at__gte=day).values_list("tables", flat=True))
    rule = Rule.objects.filter(kind=Kind.TAMPER, enabled=True).order_by("-valid_from").first()
    fresh = [name for name in off if name not in told]
    if rule is None:
        return 0
    Finding.objects.bulk_create(
        Finding(
            at=moment, kind=Kind.TAMPER, level=rule.level, rule=rule.name, tables=name[:200],
            database=connection.settings_dict["NAME"], detail=gettext_noop("保护触发器被停用或删除。"),
        )
        for name in fresh
    )  # fmt: skip
    return len(fresh)


def identified(rows: QuerySet[Finding]) -> QuerySet[Finding]:
    """Findings with ``who``: their account, else whom the server took for the other end of their session.

    A trigger knows only the role; the server's log says who came in under it, as the finding of that session.
    """
    sessions = Finding.objects.filter(
        kind=Kind.SESSION, pid=OuterRef("pid"), database=OuterRef("database"), at__lte=OuterRef("at")
    )  # fmt: skip
    account = Subquery(sessions.order_by("-at").values("account")[:1])
    return rows.annotate(who=Coalesce(NullIf("account", Value("")), account, Value("")))


def untold() -> list[Finding]:
    """Findings of which nobody was told, the oldest first; what is older than a day is left to the screen."""
    since = timezone.now() - timedelta(days=1)
    rows = Finding.objects.filter(recorded_at__gte=since, alarmed=None)
    return list(identified(rows).order_by("at", "id")[:200])


def _lines(folder: Path | None, reading: Reading) -> list[bytes]:
    """The whole lines after the place up to which was read; the place moves on."""
    if folder is None:
        raise OSError(0, _("未设置数据库日志的位置（ZHUTU_SERVER_LOG）。"))
    _discard(folder)
    files = sorted(folder.glob("*.json"))
    if not files:
        raise OSError(0, _("数据库服务器没有写 JSON 格式的日志。"))
    if not reading.file:
        # The first time: what was before the platform watched is not judged.
        reading.file, reading.offset = files[-1].name, files[-1].stat().st_size
        return []
    found: list[bytes] = []
    for path in files:
        if path.name < reading.file:
            continue
        if path.name > reading.file:
            reading.file, reading.offset = path.name, 0
        with path.open("rb") as file:
            file.seek(reading.offset)
            data = file.read(MOST)
        whole = data[: data.rfind(b"\n") + 1]
        reading.offset += len(whole)
        found += whole.splitlines()
        if len(data) == MOST:
            break
    return found


def _discard(folder: Path) -> None:
    """Take away the oldest of the server's files, each day's with its two endings."""
    days = sorted({path.stem for path in folder.iterdir()})
    for day in days[:-KEPT_DAYS]:
        for path in folder.glob(f"{day}.*"):
            path.unlink(missing_ok=True)


def _within(rule: Rule, hour: int) -> bool:
    if rule.hour_from is None or rule.hour_to is None:
        return True
    if rule.hour_from < rule.hour_to:
        return rule.hour_from <= hour < rule.hour_to
    return hour >= rule.hour_from or hour < rule.hour_to


def _normal(rule: Rule, event: Event) -> bool:
    """Whether all that a rule names as normal is so: program, role and address."""
    named = (
        (rule.programs, any(fnmatchcase(event.program, pattern) for pattern in rule.programs)),
        (rule.roles, event.role in rule.roles),
        (rule.addresses, event.address in rule.addresses),
    )
    return any(names for names, _is in named) and all(fits for names, fits in named if names)
