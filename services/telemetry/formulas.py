"""How values of a span become one, as SQL: the same text for hours out of readings and for days out of hours.

Every query takes ``%(begin)s`` and ``%(end)s`` and joins the temporary table ``bucket (device, base, expected)``: the
devices to compute. Its source, in which ``{factors}`` stands for a condition on ``r.factor``, gives device, factor, at,
expected, value, low, high, total, good (counts in a mean) and counted (its total counts) of that span of time.
"""

from services.telemetry.spans import Span

READINGS = """
select r.device, r.factor, r.at, b.expected, r.value, r.low, r.high, r.total,
    r.quality = 0 and r.value is not null as good, r.quality = 0 as counted
from telemetry_reading r join bucket b on b.device = r.device and b.base = r.span
where r.at >= %(begin)s and r.at < %(end)s and {factors}"""


_AVERAGED = "r.factor <> all(%(weighted)s) and r.factor <> all(%(counters)s) and r.factor <> all(%(states)s)"
EVERYWHERE = """
select r.device, r.factor, r.span, r.at, r.value, r.low, r.high, r.total,
    r.quality = 0 and r.value is not null as good, r.quality = 0 as counted
from telemetry_reading r where r.at >= %(begin)s and r.at < %(end)s and {factors}"""
"""The same of all devices and all spans: nearly every reading is wanted when an hour is over, and one by one they are
found slower. What is made of it goes through ``wanted``."""


def wanted(query: str) -> str:
    """Of what was computed of everything only the devices to compute, from the span that each is based on."""
    return f"""
select c.device, c.factor, b.expected, c.mean, c.low, c.high, c.total, c.n_valid
from ({query}) c join bucket b on b.device = c.device and b.base = c.span"""  # noqa: S608


def rollups(span: Span, expected: str = "b.expected") -> str:
    """The source for a longer span: the roll-ups of a shorter one, of which only valid ones count."""
    return f"""
select r.device, r.factor, r.at, {expected} as expected, r.mean as value, r.low, r.high, r.total,
    r.valid as good, true as counted
from telemetry_rollup r join bucket b on b.device = r.device
where r.span = {int(span)} and r.at >= %(begin)s and r.at < %(end)s and {{factors}}"""  # noqa: S608


def put(span: Span, query: str, reach: str = "true") -> str:
    """Write computed rows; one that comes out as it was is not touched.

    ``revised`` tells that the value changed after it had been computed for the whole span.
    """
    names = ("mean", "low", "high", "total", "n_valid", "n_expected", "valid")
    old, new = (", ".join(f"{row}.{name}" for name in names) for row in ("old", "excluded"))
    changed = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"""
insert into telemetry_rollup as old (device, factor, span, at, {", ".join(names)})
select device, factor, {int(span)}, %(at)s, mean, low, high, total, least(n_valid, 32767), least(expected, 32767),
    n_valid * %(per)s >= %(least)s * expected
from ({query}) as computed where {reach}
on conflict (device, factor, span, at) do update set {changed}, computed_at = clock_timestamp(),
    revised = old.revised or old.computed_at >= %(over)s
where ({old}) is distinct from ({new})"""  # noqa: S608


def plain(source: str, by: str = "expected") -> str:
    """Arithmetic means, and energy means of levels: 10·lg(1/n·Σ10^(L/10)) (HJ 906-2017; only valid values).

    A level is taken as 1000 dB at most: an absurd one must not overflow and hold up all others.
    """
    # Sum and number cost half of what avg() does, and what a row gives is worked out once for all aggregates.
    return f"""
select device, factor, {by}, case when factor = any(%(energy)s) then 10 * log(sum(power) / nullif(count(v), 0))
        else sum(v) / nullif(count(v), 0) end as mean,
    min(coalesce(lowest, v)) as low, max(coalesce(highest, v)) as high, sum(total) as total, count(v) as n_valid
from (
    select device, factor, {by}, case when good then value end as v, case when good then low end as lowest,
        case when good then high end as highest, case when counted then total end as total,
        case when good and factor = any(%(energy)s) then power(10::float8, least(value, 1000) / 10) end as power
    from ({source.format(factors=_AVERAGED)}) as s
) as t group by device, factor, {by}"""  # noqa: S608


def weighted(source: str, by: str = "expected") -> str:
    """Means weighted by another factor of the same moment: Σ(C·Q)/ΣQ, and the direction of Σ(v·(sin φ, cos φ)).

    Weights are used as soon as there are valid ones above zero, else all values weigh the same. A direction whose
    vectors cancel out has no mean.
    """
    return f"""
with p as (
    select s.device, s.factor, s.{by}, s.value, s.low, s.high, s.total, s.good, s.counted,
        s.factor = any(%(directions)s) as turning, w.value as weight,
        case when s.factor = any(%(directions)s) then sind(s.value) end as sine,
        case when s.factor = any(%(directions)s) then cosd(s.value) end as cosine
    from ({source.format(factors="r.factor = any(%(weighted)s)")}) s join telemetry_factor f on f.id = s.factor
    left join ({source.format(factors="r.factor = any(%(weights)s)")}) w
        on (w.device, w.factor, w.at, w.{by}) = (s.device, f.weight_id, s.at, s.{by}) and w.good and w.value >= 0
), g as (
    select device, factor, {by}, turning, coalesce(sum(weight) filter (where good), 0) > 0 as weighs,
        sum(weight) filter (where good) as weights, sum(weight * value) filter (where good) as products,
        avg(value) filter (where good) as mean,
        avg(sine) filter (where good) as x, avg(cosine) filter (where good) as y,
        sum(weight * sine) filter (where good) / nullif(sum(weight) filter (where good), 0) as wx,
        sum(weight * cosine) filter (where good) / nullif(sum(weight) filter (where good), 0) as wy,
        min(coalesce(low, value)) filter (where good and not turning) as low,
        max(coalesce(high, value)) filter (where good and not turning) as high,
        sum(total) filter (where counted) as total, count(*) filter (where good) as n_valid
    from p group by device, factor, {by}, turning
)
select device, factor, {by}, case
        when not turning and weighs then products / weights
        when not turning then mean
        when weighs and sqrt(wx * wx + wy * wy) > 1e-9 then {_degrees("wx", "wy")}
        when not weighs and sqrt(x * x + y * y) > 1e-9 then {_degrees("x", "y")}
    end as mean, low, high, total, n_valid
from g"""  # noqa: S608


def counters(source: str) -> str:
    """What a counter rose by: the sum of its steps, the first from the reading before the span; a reset adds nothing.

    So the totals of consecutive spans add up to the whole. ``low`` and ``high`` are the counter's own readings.
    """
    return f"""
with s as materialized ({source.format(factors="r.factor = any(%(counters)s)")}), before as (
    select k.device, k.factor, k.expected, l.value
    from (select distinct device, factor, expected from s where good) k
    join bucket b using (device) cross join lateral (
        select value from telemetry_reading r
        where r.device = k.device and r.factor = k.factor and r.span = b.base and r.quality = 0 and r.value is not null
            and r.at < %(begin)s and r.at >= %(begin)s - interval '32 days'
        order by r.at desc limit 1
    ) l
), steps as (
    select device, factor, expected, value, true as inside,
        value - lag(value) over (partition by device, factor order by at nulls first) as step
    from (
        select device, factor, expected, at, value from s where good
        union all select device, factor, expected, null, value from before
    ) u
)
select device, factor, expected, null::float8 as mean, min(value) as low, max(value) as high,
    coalesce(sum(step) filter (where step > 0), 0) as total, count(*) as n_valid
from steps group by device, factor, expected"""  # noqa: S608


def sums(source: str) -> str:
    """What a counter rose by in a longer span: the sum of what it rose by in the shorter ones."""
    return f"""
select device, factor, expected, null::float8 as mean, min(low) as low, max(high) as high, sum(total) as total,
    count(*) filter (where good) as n_valid
from ({source.format(factors="r.factor = any(%(counters)s)")}) as s group by device, factor, expected"""  # noqa: S608


def _degrees(x: str, y: str) -> str:
    """A direction from 0 to under 360 out of its sine and cosine."""
    return f"case when atan2d({x}, {y}) < -1e-9 then atan2d({x}, {y}) + 360 else abs(atan2d({x}, {y})) end"


LDN = f"""
select d.device, d.factor, 2 as expected,
    10 * log((16 * power(10::float8, d.mean / 10) + 8 * power(10::float8, (n.mean + 10) / 10)) / 24) as mean,
    null::float8 as low, null::float8 as high, null::float8 as total, d.valid::int + n.valid::int as n_valid
from telemetry_rollup d join bucket b on b.device = d.device
join telemetry_rollup n on n.device = d.device and n.factor = d.factor and n.at = d.at
where d.at = %(at)s and d.span = {int(Span.DAYTIME)} and n.span = {int(Span.NIGHT)}
    and d.mean is not null and n.mean is not null"""  # noqa: S608
"""10·lg[(16·10^(Ld/10) + 8·10^((Ln+10)/10))/24]: 16 hours of day, 8 of night with 10 dB added (Ldn of HJ 212)."""
