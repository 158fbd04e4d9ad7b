"""Custom reports that make themselves: when one is due, its edition in the rights of its owner, telling of it."""

import time as clock
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext as _

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


def edition(due: Due) -> Edition | None:
    """Make a due edition and tell its readers, in one transaction; None where there is none to make.

    What its owner may not see, or no report can hold, will not be otherwise in a minute: the owner is told, once.
    """
    custom = Custom.objects.filter(pk=UUID(due.report.removeprefix(CUSTOM))).first()
    key: dict[str, Any] = {"report": due.report, "kind": due.kind, "first": due.first, "region": "", "feature": None}
    if custom is None or Edition.objects.filter(**key).exists():
        return None
    owner = principals([custom.owner_id]).get(custom.owner_id)
    if owner is None:
        return None
    asked = period(due.kind, due.first)
    try:
        made = _made(custom, owner, asked, key)
    except AccessError as error:
        _failed(custom, asked, error)
        return None
    _tell(custom, made)
    return made


def _made(custom: Custom, owner: Principal, asked: Period, key: dict[str, Any]) -> Edition:
    began = clock.monotonic()
    results: list[figures.Result] = []

    def once() -> Sheet:
        results.append(figures.run(owner, custom, asked))
        return results[-1].sheet

    kept = sheets.in_languages(once)
    features = sorted({pk for result in results for pk in result.keys})
    places = FeatureIndex.objects.filter(pk__in=features)
    return Edition.objects.create(
        **key, custom=custom, subject=_subject(custom), layers=[custom.layer], version=1,
        features=features, columns=[column.token for column in results[-1].columns],
        reason=Edition.Reason.PERIOD, sheets=kept, digest=sheets.digest(kept),
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
    with translation.override(settings.LANGUAGE_CODE):
        said = {"title": _("报表已自动生成"), "name": custom.name, "text": made.time.label, "time": made.made_at}
    live = f"/desk/reports/custom/{custom.pk}?period={made.kind}&date={made.first}"
    for people, link in ((whole, f"/desk/reports/editions/{made.pk}"), (own, live)):
        notify(people, "report-made", said, link=link, dedupe_key=f"report:{custom.pk}:{made.kind}:{made.first}")


def _failed(custom: Custom, asked: Period, error: AccessError) -> None:
    with translation.override(settings.LANGUAGE_CODE):
        said = {"title": _("报表未能自动生成"), "name": custom.name, "text": f"{asked.label}：{error.message}"}
    notify(
        [custom.owner], "report-failed", said, link=f"/desk/reports/custom/{custom.pk}/edit",
        dedupe_key=f"report-failed:{custom.pk}:{asked.kind}:{asked.first}",
    )  # fmt: skip
