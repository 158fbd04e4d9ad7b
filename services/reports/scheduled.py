"""Custom reports that make themselves: when one is due, its edition in the rights of its owner, telling of it."""

import time as clock
from collections.abc import Mapping, Set
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from gis.models import Region
from services.access.errors import AccessError
from services.access.principal import Principal, principals
from services.accounts.models import User
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.notify.outbox import notify
from services.reports import figures, reach, sheets
from services.reports.inputs import inputs
from services.reports.models import CUSTOM, Custom, Due, Edition
from services.reports.periods import over
from services.telemetry.reports import Period, Sheet, period

AT_ONCE = 400
"""Periods of one report that are asked for in one go."""
LONGEST = timedelta(days=367)
"""Of a period."""


def ended(moment: datetime) -> list[Due]:
    """Of every report that makes itself the periods whose hour has come; call it in a transaction."""
    wanted: list[Due] = []
    # Who changes a report just now is not waited for: it has its turn at the next look.
    for custom in Custom.objects.exclude(repeat="").filter(upto__isnull=False).select_for_update(skip_locked=True):
        assert custom.upto is not None
        found: list[Due] = []
        time = period(custom.repeat, custom.upto)
        while len(found) < AT_ONCE and over(time, moment, timedelta(hours=custom.hour)):
            found.append(
                Due(
                    report=custom.key, kind=time.kind, first=time.first, reason=Edition.Reason.PERIOD, not_before=moment
                )
            )
            time = time.after
        if found:
            Custom.objects.filter(pk=custom.pk).update(upto=time.first)
            wanted += found
    return wanted


def late(touched: Mapping[date, Set[UUID]], moment: datetime, not_before: datetime) -> list[Due]:
    """What is to be made again of the editions about features whose data of a day over changed.

    All of them say so. A report that still makes itself in the same rhythm, and is put together as it was then, is made
    again by itself; of others people are offered to have it done.
    """
    if not touched:
        return []
    everywhere = sorted(set().union(*touched.values()))
    rows = Edition.objects.filter(
        custom__isnull=False, newest=True, first__lte=max(touched), first__gt=min(touched) - LONGEST,
        features__overlap=everywhere,
    )  # fmt: skip
    found: list[Edition] = []
    for row in rows.select_related("custom").defer("sheets"):
        own, time = set(row.features), row.time
        if any(time.first <= day < time.end and own & some for day, some in touched.items()):
            found.append(row)
    Edition.objects.filter(pk__in=[row.pk for row in found], late_at=None).update(late_at=moment)
    return [again(row, not_before) for row in found if by_itself(row)]


def by_itself(row: Edition) -> bool:
    """Whether late data have an edition made again without anybody's asking."""
    custom = row.custom
    return custom is None or (custom.repeat == row.kind and custom.updated_at <= row.made_at)


def again(row: Edition, not_before: datetime) -> Due:
    """What has the next version of an edition made."""
    return Due(report=row.report, kind=row.kind, first=row.first, reason=Edition.Reason.LATE, not_before=not_before)


def edition(due: Due) -> Edition | None:
    """Make a due edition and tell its readers, in one transaction; None where there is none to make.

    Of a period of which there is one only late data make another, beside it and where it comes out otherwise; a version
    that was deleted does not come back. What its owner may not see, or no report can hold, will not be otherwise in a
    minute: the owner is told, once.
    """
    custom = Custom.objects.filter(pk=UUID(due.report.removeprefix(CUSTOM))).first()
    key: dict[str, Any] = {"report": due.report, "kind": due.kind, "first": due.first, "region": "", "feature": None}
    before = Edition.objects.filter(**key, newest=True).defer("sheets").first()
    if custom is None or (before is not None) != (due.reason == Edition.Reason.LATE):
        return None
    owner = principals([custom.owner_id]).get(custom.owner_id)
    if owner is None:
        return None
    asked = period(due.kind, due.first)
    try:
        made = _made(custom, owner, asked, key, before)
    except AccessError:
        _failed(custom, owner, asked)
        return None
    if made is not None:
        _tell(custom, made)
    return made


def _made(
    custom: Custom, owner: Principal, asked: Period, key: dict[str, Any], before: Edition | None
) -> Edition | None:
    """The edition, with the next number after the one before; None where it says the same as that."""
    began = clock.monotonic()
    results: list[figures.Result] = []

    def once() -> Sheet:
        results.append(figures.run(owner, custom, asked))
        return results[-1].sheet

    kept = sheets.in_languages(once)
    content = sheets.digest(kept)
    if before is not None:
        same = before.digest == content
        Edition.objects.filter(pk=before.pk).update(**{"late_at": None} if same else {"newest": False})
        if same:
            return None
    features = sorted({pk for result in results for pk in result.keys})
    places = FeatureIndex.objects.filter(pk__in=features)
    return Edition.objects.create(
        **key, custom=custom, subject=_subject(custom), layers=[custom.layer],
        version=before.version + 1 if before else 1,
        features=features, columns=[column.token for column in results[-1].columns],
        reason=Edition.Reason.LATE if before else Edition.Reason.PERIOD, sheets=kept, digest=content,
        inputs=inputs(places, asked.begins_at, asked), program=settings.VERSION, made_at=timezone.now(),
        took_ms=round(1000 * (clock.monotonic() - began)),
    )  # fmt: skip


def _subject(custom: Custom) -> str:
    """The region or the thing that was chosen; empty where it is no single one."""
    if custom.choice == Custom.Choice.REGION:
        return Region.objects.filter(code=custom.region).values_list("name", flat=True).first() or ""
    if custom.choice == Custom.Choice.UNDER:
        return FeatureIndex.objects.filter(pk__in=[custom.under]).values_list("title", flat=True).first() or ""
    return ""


def _tell(custom: Custom, made: Edition) -> None:
    """Tell the owner and the recipients, each with a link to what they may read: the edition, or the report itself,
    which shows each their own rows. Who sees nothing of the layer is not told.
    """
    users = {user.pk: user for user in User.objects.filter(pk__in={custom.owner_id, *custom.recipients})}
    whole: list[User] = []
    own: list[User] = []
    for pk, principal in principals(users).items():
        if reach.reaches(principal, made):
            whole.append(users[pk])
        elif reach.sees(principal, registry.by_key[custom.layer]):
            own.append(users[pk])
    title = gettext_lazy("报表已自动生成") if made.version == 1 else gettext_lazy("补传数据后报表已重新生成")
    said = {"title": title, "name": custom.name, "text": made.time.label, "time": made.made_at}
    once = f"report:{custom.pk}:{made.kind}:{made.first}" + (f":{made.version}" if made.version > 1 else "")
    live = f"/desk/reports/custom/{custom.pk}?period={made.kind}&date={made.first}"
    for people, link in ((whole, f"/desk/reports/editions/{made.pk}"), (own, live)):
        notify(people, "report-made", said, link=link, dedupe_key=once)


def _failed(custom: Custom, owner: Principal, asked: Period) -> None:
    said = {
        "title": gettext_lazy("报表未能自动生成"), "name": custom.name,
        "text": lazy(partial(_why_not, custom, owner, asked), str)(),
    }  # fmt: skip
    notify(
        [custom.owner], "report-failed", said, link=f"/desk/reports/custom/{custom.pk}/edit",
        dedupe_key=f"report-failed:{custom.pk}:{asked.kind}:{asked.first}",
    )  # fmt: skip


def _why_not(custom: Custom, owner: Principal, asked: Period) -> str:
    """The period and why it cannot be made, in the language of whoever is told: so it is tried once more."""
    try:
        figures.run(owner, custom, asked)
    except AccessError as error:
        return _("%(period)s：%(why)s") % {"period": asked.label, "why": error.message}
    return asked.label
