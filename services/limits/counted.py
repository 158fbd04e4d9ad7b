"""What statistics say of limits: how many valid means were over the one in force, in every layer with a ledger."""

from collections import defaultdict
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from services.access import gate
from services.limits.ledger import Ledger
from services.stats.figures import Division, Figure, Number, Tally
from services.stats.frames import Window, begin
from services.stats.measures import Measure, register
from services.stats.scopes import Asked
from services.telemetry.models import Factor
from services.telemetry.reports import REPORTS
from services.telemetry.spans import ZONE, Span


@register
class Exceedances(Measure):
    """Of each ledger how often a limit was exceeded; None where nothing was measured that could exceed it."""

    def figures(self, asked: Asked) -> list[Figure]:
        if asked.principal.is_public or not asked.devices:
            return []
        ledgers = [
            report for report in REPORTS.values()
            if isinstance(report, Ledger) and gate.may(asked.principal, report.of, asked.action)
        ]  # fmt: skip
        windows = [asked.frame.window, asked.frame.before]
        windows += [asked.frame.last_year] if asked.frame.last_year else []
        measured = _measured(asked, ledgers, windows)
        names = {factor.code: str(factor) for factor in Factor.objects.all()}
        return [
            _figure(asked, ledger, measured[ledger.layer], windows, names)
            for ledger in ledgers
            if any(measured[ledger.layer].values())
        ]


def _measured(asked: Asked, ledgers: list[Ledger], windows: list[Window]) -> dict[str, dict[int, list[UUID]]]:
    """Layer → time → the features there with a valid value in it of what is judged."""
    found: dict[str, dict[int, list[UUID]]] = {ledger.layer: defaultdict(list) for ledger in ledgers}
    if not ledgers:
        return found
    given: dict[str, Any] = {
        "devices": asked.devices, "day": int(Span.DAY), "layers": list(found),
        "codes": sorted({each.factor for ledger in ledgers for each in ledger.judged}),
    }  # fmt: skip
    for n, window in enumerate(windows):
        given |= {f"begin_{n}": window.begins_at, f"end_{n}": window.ends_at}
    with connection.cursor() as cursor:
        # A branch for each time, so that each reads the months it lies in only.
        cursor.execute(" union all ".join(_MEASURED.format(n=n) for n in range(len(windows))), given)
        for layer, n, features in cursor.fetchall():
            found[layer][n] = features
    return found


def _figure(
    asked: Asked, ledger: Ledger, measured: dict[int, list[UUID]], windows: list[Window], names: dict[str, str]
) -> Figure:
    found = [
        ledger.found(asked.principal, window.begins_at, window.ends_at, measured[n], None) if measured[n] else None
        for n, window in enumerate(windows)
    ]
    frame = asked.frame
    now = found[0] or []
    days: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for each in now:
        days[each.judged.factor][begin(each.at.astimezone(ZONE).date(), frame.step)] += 1

    def trend(factors: list[str]) -> list[int | None]:
        return [
            None if frame.to_come(bucket) else sum(days[factor].get(bucket, 0) for factor in factors)
            for bucket in frame.buckets
        ]

    tallies = [
        Tally(code, names.get(code, code), sum(days[code].values()), trend([code])) for code in sorted(days)
    ]  # fmt: skip
    whole: list[Number | None] = [*trend(list(days))]
    values = [None if some is None else len(some) for some in found]
    return Figure(
        f"exceedances.{ledger.layer}", _("%s超标") % ledger.of.title, _("按施行限值判定的有效均值"), _("监测数据"),
        values[0], values[1], values[2] if len(values) > 2 else None, whole, listed=False,
        divisions=[Division("factor", _("监测因子"), tallies)],
    )  # fmt: skip


# Whether a device has a valid day at all is looked up factor by factor and ends at the first: the key of the roll-ups
# leads from device and factor to the time, while all that a device ever measured would take seconds to pass over.
_MEASURED = """
select i.layer, {n}, array_agg(distinct d.feature)
from telemetry_device d
join catalog_featureindex i on i.id = d.feature and i.layer = any(%(layers)s)
cross join lateral (
    select from telemetry_factor f join telemetry_rollup r on r.device = d.id and r.factor = f.id
    where f.code = any(%(codes)s) and r.span = %(day)s and r.at >= %(begin_{n})s and r.at < %(end_{n})s
        and r.n_valid > 0 limit 1
) measured
where d.id = any(%(devices)s)
group by i.layer"""
