"""The platform looks at itself: each look writes what it found and warns of it, both or neither."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from services.alarms.raising import end_others, end_warning, raise_warning
from services.alarms.words import word
from services.audit import watching
from services.audit.models import Alarmed, Finding, Reading
from services.operations import analysis, blocking
from services.operations.logs import OWN
from services.operations.models import Block, LogSystem, Rise
from services.operations.warnings import BLOCKING, DATABASE, ERRORS, SERVER_LOG

CALM = timedelta(minutes=30)
"""Without a further finding an abnormal operation is over."""
LONGEST = 300
"""Of a statement in a warning; the whole of it is in the record."""


@transaction.atomic
def blocks(now: datetime | None = None) -> int:
    """Sessions that keep others waiting; how many records began or ended."""
    began, ended = blocking.look(now)
    for block in began:
        raise_warning(
            BLOCKING, _block(block), at=block.began_at, value=round(block.longest, 1),
            text=gettext_noop("会话 %(pid)d（用户 %(who)s，程序 %(program)s）占用 %(tables)s，"
                "%(n)d 个会话在等待。语句：%(statement)s"),
            given={
                "pid": block.pid, "who": block.account or block.role, "program": block.program or "—",
                "tables": block.tables or "—", "n": len(block.waiting), "statement": block.statement[:LONGEST],
            },
        )  # fmt: skip
    for block in ended:
        end_warning(BLOCKING, _block(block), at=block.ended_at)
    return len(began) + len(ended)


@transaction.atomic
def errors(now: datetime | None = None) -> int:
    """Rises of errors in the logs; how many began or ended."""
    began, ended = analysis.look(now)
    for rise in began:
        own = rise.system == OWN
        raise_warning(
            ERRORS, _program(rise), at=rise.began_at, value=rise.peak, limit=round(rise.usual, 1),
            text=gettext_noop("程序 %(program)s 十分钟内有 %(n)d 条错误，平时为 %(usual)s 条。")
            if own
            else gettext_noop("系统“%(system)s”的程序 %(program)s 十分钟内有 %(n)d 条错误，"
                "平时为 %(usual)s 条。"),
            given={
                "program": rise.program, "n": rise.peak, "usual": f"{rise.usual:.1f}",
                **({} if own else {"system": system_name(rise.system)}),
            },
        )  # fmt: skip
    for rise in ended:
        end_warning(ERRORS, _program(rise), at=rise.ended_at)
    return len(began) + len(ended)


@transaction.atomic
def database(now: datetime | None = None) -> int:
    """Abnormal operations on the database; of how many was warned anew."""
    moment = now or timezone.now()
    watching.look(moment)
    fresh = watching.untold()
    for finding in fresh:
        raise_warning(
            DATABASE, _finding(finding), at=finding.at, level=finding.level,
            text=gettext_noop(
                "%(rule)s：账号 %(account)s，角色 %(role)s，来源 %(address)s，程序 %(program)s。%(what)s"
            )
            if finding.role
            else gettext_noop("%(rule)s：%(what)s。%(detail)s"),
            given=_said(finding),
        )  # fmt: skip
    Alarmed.objects.bulk_create(Alarmed(finding=finding) for finding in fresh)
    return len(fresh)


@transaction.atomic
def calm(now: datetime | None = None) -> int:
    """End the warnings of abnormal operations that did not come again, how many; warn of a log that is not read."""
    moment = now or timezone.now()
    reading = Reading.objects.filter(pk=1).first()
    if reading is not None and reading.problem:
        raise_warning(SERVER_LOG, at=moment, text="%(problem)s", given={"problem": reading.problem})
    else:
        end_warning(SERVER_LOG, at=moment)
    recent = watching.identified(Finding.objects.filter(at__gte=moment - CALM))
    still = {(_finding(finding), None) for finding in recent.defer("statement", "detail")}
    return end_others(DATABASE, still, at=moment)


def guards(now: datetime | None = None) -> int:
    """Whether somebody switched off what protects the records; how many findings there are anew."""
    return watching.check_guards(now)


def system_name(key: str) -> str:
    """The name of another system that writes logs, or its code where it is not registered any more."""
    return LogSystem.objects.filter(key=key).values_list("name", flat=True).first() or key


def _block(block: Block) -> str:
    return f"{block.pid} {block.session_at:%Y-%m-%d %H:%M:%S.%f} {block.work_at:%H:%M:%S.%f}"


def _program(rise: Rise) -> str:
    return f"{rise.system} {rise.program}"


def _finding(finding: Finding) -> str:
    return _subject(finding.rule, _who(finding), finding.role, finding.address)


def _who(finding: Finding) -> str:
    """As ``watching.identified`` found it."""
    return str(finding.who)  # type: ignore[attr-defined]


def _subject(*parts: str) -> str:
    """What is of one rule, account, role and address is one warning, however often it happens."""
    return " ".join(part or "—" for part in parts)[:100]


def _said(finding: Finding) -> dict[str, Any]:
    if not finding.role:
        # What the platform sees by itself is nobody's session: the detail is its own text.
        return {"rule": word(finding.rule), "what": finding.tables, "detail": word(finding.detail)}
    what = " ".join(filter(None, (finding.tables, finding.statement[:LONGEST], finding.detail)))
    return {
        "rule": word(finding.rule), "account": _who(finding) or "—", "role": finding.role,
        "address": finding.address or "—", "program": finding.program or "—", "what": what,
    }  # fmt: skip
