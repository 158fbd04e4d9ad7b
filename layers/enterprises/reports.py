"""Scores of integrity, computed from the records in force, never from a stored number.

Two times say which score is meant: ``day``, on which points count, and ``known``, up to when publishing and withdrawing
are heeded. The score of a past moment takes both from that moment; an assessment takes the last day of its period and
the moment at which it is made.

Ten thousand enterprises with six records each are scored, ranked, sorted and paged in one statement of 50 ms: the
records are added up once in a hash, the rules are a handful. One enterprise reads its own by the partial index
``credit_in_force`` (docs/integrity.md has the plan).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from layers.enterprises.models import CreditAssessment, CreditEntry, Enterprise
from services.access import gate
from services.access.principal import Principal
from services.catalog.layer import Layer, registry

_TYPE = "array_position(%(kinds)s::text[], s.kind)"
SORTS = {
    "rank": f"{_TYPE}, s.rank nulls last, s.score desc, s.name", "kind": f"{_TYPE}, s.score desc, s.name",
    "-kind": f"{_TYPE} desc, s.score desc, s.name",
    **{name: f"s.{name}, s.name" for name in ("score", "gained", "lost", "name")},
    **{f"-{name}": f"s.{name} desc, s.name" for name in ("score", "gained", "lost", "name")},
}  # fmt: skip
"""How a list may be sorted; by rank and by type the types stand apart."""
CURVE = timedelta(days=730)


class Score(NamedTuple):
    """The score of an enterprise on a day, or as it was assessed; ``rank`` among those of its type, if it has one."""

    enterprise: UUID
    name: str
    code: str
    kind: str
    state: str
    region: str
    rule: str
    base: Decimal
    gained: Decimal
    lost: Decimal
    entries: int
    score: Decimal
    grade: str
    rank: int | None
    ranked: int | None
    version: int | None = None
    assessment: UUID | None = None

    @property
    def kind_label(self) -> str:
        return str(Enterprise.Kind(self.kind).label)


@dataclass(frozen=True)
class Asked:
    """Which scores are wanted: of those that a principal sees, narrowed."""

    text: str = ""
    kind: str = ""
    grade: str = ""
    region: str = ""
    sort: str = "rank"
    day: date | None = None
    """None for now."""
    period: tuple[str, date] | None = None
    """An assessment, by its kind and first day, instead of a day."""


class Share(NamedTuple):
    """How many enterprises of a type have a grade, and their mean score."""

    kind: str
    grade: str
    number: int
    mean: Decimal


def layer() -> Layer:
    """The layer of the enterprises."""
    return registry.by_key["enterprises"]


def moment(day: date | None, now: datetime | None = None) -> tuple[date, datetime]:
    """The day and what was known on it: now, or the end of a day that is over."""
    now = now or timezone.now()
    today = timezone.localdate(now)
    if day is None or day >= today:
        return today, now
    after = datetime(day.year, day.month, day.day) + timedelta(days=1)
    return day, timezone.make_aware(after) - timedelta(microseconds=1)


def scores(principal: Principal, asked: Asked, offset: int = 0, limit: int | None = None) -> tuple[list[Score], int]:
    """A part of the scores wanted, and how many there are, in two statements; ranks are among all of a type."""
    given = _given(principal, asked) | {"offset": offset, "limit": limit}
    order = SORTS.get(asked.sort, SORTS["rank"])
    with connection.cursor() as cursor:
        cursor.execute(f"{_source(asked)} {_CHOSEN.format(order=order)}", given)
        rows = cursor.fetchall()
    return [Score(*row[1:]) for row in rows], rows[0][0] if rows else 0


def shares(principal: Principal, asked: Asked) -> list[Share]:
    """The scores wanted by type and grade."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_source(asked)} {_SHARES}", _given(principal, asked))
        return [Share(*row) for row in cursor.fetchall()]


def score_of(enterprise: Enterprise, day: date | None = None) -> Score | None:
    """The score of one enterprise now or on a past day; None where no rule held. Its rank is among all of its type."""
    on, known = moment(day)
    given = _times(on, known) | {"kind": enterprise.kind, "one": enterprise.pk}
    with connection.cursor() as cursor:
        cursor.execute(f"{RANKED} select {_COLUMNS} from ranked s where id = %(one)s", given)  # noqa: S608
        row = cursor.fetchone()
    return Score(*row) if row else None


def in_force(enterprise: UUID, day: date | None = None) -> list[CreditEntry]:
    """The records that make the score of an enterprise, by what they weigh."""
    on, known = moment(day)
    return list(
        CreditEntry.objects.raw(
            _IN_FORCE,
            _times(on, known) | {"one": enterprise},
        ).prefetch_related("item")
    )


def curve(enterprise: Enterprise, since: date | None = None) -> list[tuple[date, Decimal]]:
    """The score of an enterprise at the end of each day: what was known and in force then."""
    on, known = moment(None)
    given = _times(on, known) | {"one": enterprise.pk, "kind": enterprise.kind, "since": since or on - CURVE}
    with connection.cursor() as cursor:
        cursor.execute(_CURVE, given)
        return cursor.fetchall()


def refresh(enterprise: Enterprise | None = None, most: int | None = None) -> int:
    """Bring the column for maps, lists and interfaces in line with what is computed; returns how many changed.

    Of all enterprises ``most`` are written at once: each is indexed anew, three milliseconds apiece.
    """
    on, known = moment(None)
    given = _times(on, known) | {
        "kind": enterprise.kind if enterprise else "", "one": enterprise.pk if enterprise else None,
        "most": most,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"{RANKED} {_REFRESH}", given)
        return cursor.rowcount


def periods(principal: Principal) -> list[tuple[str, date, date]]:
    """The periods of which there are assessments of somebody in reach: kind, first and last day, the latest first."""
    rows: Any = gate.restrict(principal, layer()).values("pk")
    found = CreditAssessment.objects.filter(superseded_at=None)
    if gate.condition(principal, layer()) is not None:
        found = found.filter(enterprise__in=rows)
    return list(found.order_by("-last", "period").values_list("period", "first", "last").distinct())


def _given(principal: Principal, asked: Asked) -> dict[str, Any]:
    everyone = gate.condition(principal, layer()) is None
    mine: Collection[UUID] = [] if everyone else list(gate.restrict(principal, layer()).values_list("pk", flat=True))
    kind, first = asked.period or ("", None)
    return _times(*moment(asked.day)) | {
        "everyone": everyone, "mine": mine, "kind": asked.kind, "grade": asked.grade, "region": asked.region,
        "text": f"%{asked.text.replace('%', '').replace('_', '')}%", "period": kind, "first": first,
        "kinds": Enterprise.Kind.values,
    }  # fmt: skip


def _source(asked: Asked) -> str:
    return _ASSESSED if asked.period else RANKED


def _times(on: date, known: datetime) -> Mapping[str, Any]:
    return {"day": on, "known": known, "kinds": Enterprise.Kind.values}


_COUNTS = """c.published_at <= %(known)s and (c.withdrawn_at is null or c.withdrawn_at > %(known)s)
    and c.effective_from <= %(day)s and (c.valid_until is null or c.valid_until >= %(day)s)"""
_IN_FORCE = f"""
select c.* from enterprises_creditentry c where c.enterprise_id = %(one)s and {_COUNTS}
order by c.points desc, c.decided_on desc"""  # noqa: S608
_SIGNED = "case when c.kind = 'reward' then c.points else -c.points end"
_GRADE = "case when {0} >= r.a_from then 'A' when {0} >= r.b_from then 'B' when {0} >= r.c_from then 'C' else 'D' end"
RANKED = f"""
with rule as (
    select distinct on (k.kind) k.kind, r.* from unnest(%(kinds)s::text[]) k (kind)
    join enterprises_creditrule r on r.enterprise_kind in ('', k.kind)
        and r.valid_from <= %(day)s and (r.valid_to is null or r.valid_to > %(day)s)
    order by k.kind, r.enterprise_kind desc, r.valid_from desc
), points as (
    select c.enterprise_id, sum(c.points) filter (where c.kind = 'reward') as gained,
        sum(c.points) filter (where c.kind = 'penalty') as lost, count(*) as entries
    from enterprises_creditentry c where {_COUNTS} group by c.enterprise_id
), scored as (
    select e.id, e.name, e.code, e.kind, e.state, e.region_id, r.id as rule_id, r.version as rule, r.base,
        coalesce(p.gained, 0) as gained, coalesce(p.lost, 0) as lost, coalesce(p.entries, 0) as entries, r.a_from,
        r.b_from, r.c_from,
        least(r.most, greatest(r.least, r.base + coalesce(p.gained, 0) - coalesce(p.lost, 0))) as score
    from enterprises_enterprise e join rule r on r.kind = e.kind left join points p on p.enterprise_id = e.id
    where %(kind)s in ('', e.kind)
), ranked as (
    select r.*, {_GRADE.format("r.score")} as grade,
        case when r.state <> 'cancelled'
            then rank() over (partition by r.kind, r.state = 'cancelled' order by r.score desc) end as rank,
        case when r.state <> 'cancelled'
            then count(*) over (partition by r.kind, r.state = 'cancelled') end as ranked,
        null::int as version, null::uuid as assessment
    from scored r
)"""  # noqa: S608
"""Every enterprise of a type, or of all, with its score, grade and rank; those that are cancelled have no rank."""
_ASSESSED = """
with ranked as (
    select e.id, e.name, e.code, a.enterprise_kind as kind, e.state, e.region_id, a.rule_version as rule, a.base,
        a.gained, a.lost, jsonb_array_length(a.inputs) as entries, a.score, a.grade, a.rank, a.ranked, a.version,
        a.id as assessment
    from enterprises_creditassessment a join enterprises_enterprise e on e.id = a.enterprise_id
    where a.superseded_at is null and a.period = %(period)s and a.first = %(first)s
        and %(kind)s in ('', a.enterprise_kind)
)"""
_COLUMNS = """s.id, s.name, s.code, s.kind, s.state, coalesce(s.region_id, ''), s.rule, s.base, s.gained, s.lost,
    s.entries, s.score, s.grade, s.rank, s.ranked, s.version, s.assessment"""
_WANTED = """from ranked s where (%(everyone)s or s.id = any(%(mine)s)) and %(grade)s in ('', s.grade)
    and coalesce(s.region_id, '') like %(region)s || '%%'
    and (s.name ilike %(text)s or s.code ilike %(text)s)"""
_CHOSEN = f"""
select count(*) over () as total, {_COLUMNS} {_WANTED}
order by {{order}}, s.id offset %(offset)s limit %(limit)s"""
_SHARES = f"""
select s.kind, s.grade, count(*), avg(s.score) {_WANTED} group by s.kind, s.grade
order by array_position(%(kinds)s::text[], s.kind), s.grade"""
_CURVE = f"""
select d.day::date, least(r.most, greatest(r.least, r.base + coalesce(sum({_SIGNED}), 0))) as score
from generate_series(%(since)s::date, %(day)s::date, interval '1 day') d (day)
join lateral (
    select * from enterprises_creditrule r where r.enterprise_kind in ('', %(kind)s)
        and r.valid_from <= d.day and (r.valid_to is null or r.valid_to > d.day)
    order by r.enterprise_kind desc, r.valid_from desc limit 1
) r on true
cross join lateral (
    select least(%(known)s, (d.day::date + 1)::timestamp at time zone 'Asia/Shanghai') as known
) k
left join enterprises_creditentry c on c.enterprise_id = %(one)s
    and {_COUNTS.replace("%(known)s", "k.known").replace("%(day)s", "d.day::date")}
group by d.day, r.base, r.least, r.most order by d.day"""  # noqa: S608
_REFRESH = """
update enterprises_enterprise e set credit_score = s.score from (
    select r.id, r.score from ranked r join enterprises_enterprise o on o.id = r.id
    where (%(one)s::uuid is null or r.id = %(one)s) and o.credit_score is distinct from r.score::float8
    limit %(most)s
) s where e.id = s.id"""
