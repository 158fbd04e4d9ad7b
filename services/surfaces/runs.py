"""Runs: which are due, computing one, keeping it, revising it when late data change its hour.

A run is claimed for a time; whoever dies while computing leaves nothing half-written, and its claim runs out.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from time import monotonic, sleep
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.gis.geos import Point
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from gis.fields import STORAGE_SRID
from gis.models import Region
from services.surfaces import pollution, risk
from services.surfaces.layouts import digest
from services.surfaces.models import Cell, Input, Run, Surface
from services.telemetry import snapshot

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
"""How long whoever computes a run may take; then another takes it up."""
ATTEMPTS = 3
SETTLED = timedelta(seconds=60)
"""After its end an hour waits so long for its roll-ups."""
AT_ONCE = 100
"""Runs computed before the work looks for new marks again."""
FRESH = timedelta(hours=3)
"""How long ago an hour may have begun to be computed alone and at once; earlier ones are computed together."""
TOGETHER = timedelta(hours=24)
"""Hours computed together, at most."""
OPEN = (Run.State.WAITING, Run.State.RUNNING)


def plan(now: datetime | None = None) -> int:
    """Turn marks of hours that are over into runs to compute; returns how many there are now."""
    moment = now or timezone.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "delete from surfaces_mark where at <= %s returning factor, at",
                [moment - SETTLED - timedelta(hours=1)],
            )
            marked = {(factor, at) for factor, at in cursor.fetchall()}
        if not marked:
            return 0
        surfaces = list(Surface.objects.filter(active=True).prefetch_related("sources"))
        wanted: list[Run] = []
        for surface in surfaces:
            factors = risk.factors(surface) if surface.kind == Surface.Kind.RISK else {surface.factor_id}
            hours = {at for factor, at in marked if factor in factors}
            if hours:
                codes = snapshot.regions([f for f in factors if f is not None], sorted(hours))
                wanted += _wanted(surface, hours, codes)
        if not wanted:
            return 0
        # A run whose parameters are those of now is computed again; others stay as they were computed.
        Run.objects.bulk_create(
            wanted, update_conflicts=True, unique_fields=["surface", "region", "at", "digest"],
            update_fields=["state", "attempts", "lease_until"],
        )  # fmt: skip
    return len(wanted)


def regions(codes: Iterable[str]) -> list[Region]:
    """The product's city and counties that hold any of these region codes, with boundaries."""
    prefix = Region(code=settings.PRODUCT_REGION).prefix
    found = Region.objects.current().filter(
        level__in=(Region.Level.CITY, Region.Level.COUNTY), code__startswith=prefix, geom__isnull=False
    )
    known = [code for code in codes if code]
    return [r for r in found.plain() if any(code.startswith(r.prefix) for code in known)]


def request(
    surface: Surface, region: Region, at: datetime, changed: dict[str, Any] | None = None, *, again: bool = False
) -> Run:  # fmt: skip
    """A run of the surface with its own or changed parameters, waiting where it is new or asked for again."""
    parameters = surface.parameters | (changed or {})
    run, fresh = Run.objects.get_or_create(
        surface=surface, region=region, at=at, digest=digest(parameters),
        defaults={"parameters": parameters, "standard": parameters == surface.parameters},
    )  # fmt: skip
    if again and not fresh:
        Run.objects.filter(pk=run.pk).update(state=Run.State.WAITING, attempts=0, lease_until=None)
    return run


def work(most: int = AT_ONCE, rest: float = 0.0) -> int:
    """Compute what waits, the newest hour first; returns how many runs were computed.

    After hours of long ago it rests, ``rest`` times as long as they took: others need the machine, too.
    """
    done = 0
    while done < most and (some := claim_some()):
        began = monotonic()
        compute_all(some)
        done += len(some)
        if rest and _is_past(some[0], timezone.now()):
            sleep(rest * (monotonic() - began))
    return done


def claim(pk: UUID | None = None, now: datetime | None = None) -> Run | None:
    """Take the newest run that waits, or whose holder is gone; one run alone where ``pk`` says which."""
    moment = now or timezone.now()
    free = _free(moment)
    if pk is not None:
        free &= Q(pk=pk)
    with transaction.atomic():
        run = _locked(free).order_by("-at", "pk").first()
        if run is None:
            return None
        if run.attempts >= ATTEMPTS:
            Run.objects.filter(pk=run.pk).update(state=Run.State.FAILED, lease_until=None)
            return claim(pk, now) if pk is None else None
        _hold(run, moment)
    return run


def claim_some(now: datetime | None = None) -> list[Run]:
    """Take the newest run that waits; where its hour is long over, earlier hours of the same surface with it."""
    moment = now or timezone.now()
    first = claim(now=moment)
    if first is None:
        return []
    if not _is_past(first, moment):
        return [first]
    alike = Q(surface=first.surface_id, region=first.region_id, digest=first.digest)
    with transaction.atomic():
        near = Q(at__gt=first.at - TOGETHER, attempts__lt=ATTEMPTS)
        others = list(_locked(_free(moment) & alike & near).order_by("-at"))
        for run in others:
            _hold(run, moment)
    return [first, *others]


def _locked(condition: Q) -> QuerySet[Run]:
    """Runs that nobody else is claiming, without what is heavy in them."""
    return (
        Run.objects.filter(condition).defer("values", "earlier").select_for_update(skip_locked=True, of=("self",))
    )  # fmt: skip


def _free(now: datetime) -> Q:
    # A lease that ends later than any may was given by a clock that has been set back since (F13).
    gone = Q(lease_until__lt=now) | Q(lease_until__gt=now + LEASE)
    return Q(state=Run.State.WAITING) | Q(state=Run.State.RUNNING) & gone


def _hold(run: Run, now: datetime) -> None:
    run.state, run.attempts, run.lease_until = Run.State.RUNNING, run.attempts + 1, now + LEASE
    run.save(update_fields=["state", "attempts", "lease_until"])


def _is_past(run: Run, now: datetime) -> bool:
    return run.at < now - FRESH


def compute(run: Run) -> Run:
    """Compute a claimed run and keep it in one transaction; a failure is noted and tried again a few times."""
    compute_all([run])
    run.refresh_from_db()
    return run


def compute_all(some: Sequence[Run]) -> None:
    """Compute claimed runs of one surface, region and set of parameters, each kept in a transaction of its own."""
    try:
        surface = Surface.objects.select_related("factor").get(pk=some[0].surface_id)
        region = Region.objects.get(pk=some[0].region_id)
        if surface.kind == Surface.Kind.RISK:
            for run in some:
                began = monotonic()
                _keep_risk(run, began, risk.make(region, run.at, run.parameters))
        else:
            _compute_pollution(surface, region, some)
    except Exception:
        if len(some) > 1:
            # One of them spoils the others: each alone, then.
            for run in some:
                compute_all([run])
            return
        (run,) = some
        log.exception("surface %s of %s at %s failed", run.surface_id, run.region_id, run.at)
        state = Run.State.FAILED if run.attempts >= ATTEMPTS else Run.State.WAITING
        Run.objects.filter(pk=run.pk, lease_until=run.lease_until).update(state=state, lease_until=None)


def _compute_pollution(surface: Surface, region: Region, some: Sequence[Run]) -> None:
    began = monotonic()
    stations = pollution.stations_of(surface, region, [run.at for run in some])
    changed: list[tuple[Run, str]] = []
    for run in some:
        key = digest([list(s) for s in stations[run.at]], run.parameters)
        if key == run.inputs_key and run.computed_at is not None:
            # What changed was another region's, or came out the same.
            _settle(run, Run.State.FEW if run.layout_id is None else Run.State.DONE)
        else:
            changed.append((run, key))
    if not changed:
        return
    made = pollution.make(region, [stations[run.at] for run, _key in changed], some[0].parameters)
    each = (monotonic() - began) / len(changed)
    for (run, key), found in zip(changed, made, strict=True):
        _keep(run, monotonic() - each, key, found)


def _wanted(surface: Surface, hours: set[datetime], codes: list[str]) -> list[Run]:
    parameters = surface.parameters
    mark = digest(parameters)
    found = regions(codes)
    if surface.kind == Surface.Kind.RISK:
        # What happened in an hour weighs on the hours after it, too, where these are computed already.
        until = timedelta(hours=max((s["window_h"] for s in parameters["sources"]), default=1))
        later = Run.objects.filter(surface=surface, at__gt=min(hours), at__lt=max(hours) + until)
        known = set(later.values_list("at", flat=True))
        hours = hours | {at for at in known if any(hour < at < hour + until for hour in hours)}
    return [
        Run(surface=surface, region=region, at=at, digest=mark, parameters=parameters, state=Run.State.WAITING)
        for region in found
        for at in sorted(hours)
    ]


def _keep(run: Run, began: float, key: str, made: pollution.Made) -> None:
    estimates = dict(zip(made.used, made.estimates, strict=True))
    inputs = [
        Input(
            run=run, feature=s.feature, place=Point(s.lon, s.lat, srid=STORAGE_SRID), at=run.at, value=s.value,
            n_valid=s.n_valid, n_expected=s.n_expected, used=n in estimates, estimate=estimates.get(n),
        )
        for n, s in enumerate(made.stations)
    ]  # fmt: skip
    rmse, mae, bias = made.errors or (None, None, None)
    values = {
        "layout": made.layout, "values": made.values, "low": made.low, "high": made.high, "mean": made.mean,
        "rmse": rmse, "mae": mae, "bias": bias, "n_stations": len(made.stations), "n_used": len(made.used),
        "path": made.path, "inputs_key": key,
    }  # fmt: skip
    _replace(run, began, values, inputs, [], Run.State.FEW if made.values is None else Run.State.DONE)


def _keep_risk(run: Run, began: float, made: risk.Made) -> None:
    key = digest([[str(e.feature), e.source, str(e.at), e.magnitude] for e in made.events], run.parameters)
    if key == run.inputs_key and run.computed_at is not None:
        _settle(run, Run.State.DONE)
        return
    inputs = [
        Input(run=run, feature=e.feature, source=e.source, place=e.place, at=e.at, value=e.contribution)
        for e in made.events[: risk.MOST_KEPT]
    ]
    cells = [Cell(run=run, i=c.i, j=c.j, score=c.score, parts=c.parts, geom=c.geom) for c in made.cells]
    scores = [c.score for c in made.cells]
    values = {
        "n_stations": len({e.feature for e in made.events}), "n_used": len(made.events),
        "low": 0.0, "high": max(scores, default=0.0), "mean": sum(scores) / len(scores) if scores else 0.0,
        "path": "hexagons", "inputs_key": key,
    }  # fmt: skip
    _replace(run, began, values, inputs, cells, Run.State.DONE)


def _replace(
    run: Run, began: float, values: dict[str, Any], inputs: list[Input], cells: list[Cell], state: Run.State
) -> None:
    """Put the outcome in place of the last one, whose figures stay in ``earlier``."""
    with transaction.atomic():
        # Another may have taken the run up meanwhile: then what it found stands.
        held = Run.objects.select_for_update().filter(pk=run.pk, lease_until=run.lease_until).first()
        if held is None:
            return
        if held.computed_at is not None:
            told = {name: getattr(held, name) for name in ("revision", "n_used", "mean", "rmse", "state")}
            held.earlier = [*held.earlier, told | {"computed_at": held.computed_at.isoformat()}]
            held.revision = F("revision") + 1  # type: ignore[assignment]
        for name, value in values.items():
            setattr(held, name, value)
        held.state, held.lease_until, held.attempts, held.computed_at = state, None, 0, timezone.now()
        held.took_ms = round((monotonic() - began) * 1000)
        held.save()
        held.inputs.all().delete()
        held.hexagons.all().delete()
        Input.objects.bulk_create(inputs, batch_size=1000)
        Cell.objects.bulk_create(cells, batch_size=1000)


def _settle(run: Run, state: Run.State) -> None:
    Run.objects.filter(pk=run.pk, lease_until=run.lease_until).update(state=state, lease_until=None, attempts=0)
