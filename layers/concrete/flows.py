"""What happens to a batch: the plant registers it, its charges come in, are judged at once, warned of and told.

A charge is stored, judged, warned of and told of in one transaction: what is answered for is there, once, with its
alarm. The row of the batch is locked meanwhile, so that charges of one batch come one after the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from layers.concrete import rules
from layers.concrete.models import Batch, Charge, Formula, MixerTruck, MixingPlant, Weighing
from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.alarms.models import Episode
from services.alarms.raising import end_warning, raise_warning
from services.audit import trail
from services.catalog.layer import registry
from services.limits.models import Limit
from services.live.outbox import Told, tell

TOPIC = "charges"
"""Under which live events tell of a charge."""
SKEW = timedelta(minutes=5)
"""By how much the clock of a plant may be wrong (F14)."""
MOST_REVISIONS = 20
UNITED = 2
"""Charges from which on there is a cumulative deviation."""


@dataclass(frozen=True)
class Cycle:
    """One mixing cycle as the control system of a plant tells of it; ``digest`` tells its content apart."""

    number: str
    sequence: int
    at: datetime
    volume: float
    weights: tuple[rules.Weighed, ...]
    digest: str
    seconds: float | None = None
    grade: str = ""
    plate: str = ""
    ticket: str = ""
    last: bool = False


class Taken(NamedTuple):
    """What became of a cycle: ``stored``, ``known`` (sent before), or ``differs`` (the first one is kept, F18)."""

    charge: Charge
    state: str


class Unregistered(Conflict):
    """Production of a batch that nobody registered before."""


def batches(principal: Principal, action: str = "view") -> QuerySet[Batch]:
    """The batches within reach: of the plants and of the projects on which the principal may act."""
    plants = gate.restrict(principal, registry.by_key[rules.PLANTS], action).values("pk")
    projects = gate.restrict(principal, registry.by_key["projects"], action).values("pk")
    return Batch.objects.filter(Q(plant__in=plants) | Q(project__in=projects)).select_related("plant", "project")


def fetch(principal: Principal, pk: UUID) -> Batch:
    """One of them; NotFound where it is not there or foreign."""
    found = batches(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这个生产批次。"))
    return found


@transaction.atomic
def register(plant: MixingPlant, sender: str, values: Mapping[str, Any], project: str = "") -> tuple[Batch, bool]:
    """Register a batch for a plant; the same order again gives the batch it has. Invalid for bad values.

    ``project`` is the code of the project that is supplied.
    """
    order = values.get("order", "")
    # One after the other: the same order sent twice at once is one batch.
    MixingPlant.objects.select_for_update(of=("self",)).get(pk=plant.pk)
    there = Batch.objects.filter(plant=plant, order=order).first() if order else None
    if there is not None:
        return there, False
    batch = Batch(plant=plant, **values)
    if project:
        batch.project = registry.by_key["projects"].rows().filter(code=project).first()  # type: ignore[assignment]
        if batch.project is None:
            raise Invalid(_("填写的内容有误。"), {"project": [_("没有编号为“%s”的工程。") % project]})
    try:
        batch.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    batch.save()
    changes = {name: [None, str(value)] for name, value in values.items()} | {"number": [None, batch.number]}
    trail.note(None, sender, "add batch", layer=rules.PLANTS, object_id=plant.pk, changes=changes)
    return batch, True


def receive(
    plant: MixingPlant, number: str, cycles: Sequence[Cycle], now: datetime | None = None
) -> tuple[Batch, list[Taken]]:
    """Take in charges of a batch of a plant, all or none of them.

    Unregistered where the batch is not, or was only after the charge; it is warned of. Invalid for what cannot be.
    """
    now = now or timezone.now()
    try:
        with transaction.atomic():
            return _received(plant, number, cycles, now)
    except Unregistered as error:
        with transaction.atomic():
            _over(plant, now)
            raise_warning(
                "concrete-unregistered", _subject(number, f"{timezone.localdate(now)}"), feature=plant.pk, at=now,
                text=gettext_noop("收到未登记批次“%(batch)s”的投料数据，已拒收"), given={"batch": number[:40]},
            )  # fmt: skip
        raise Unregistered(error.message) from error
    except IntegrityError as error:
        raise Conflict(_("同一盘号正由另一个请求写入，请重发。")) from error


def _received(plant: MixingPlant, number: str, cycles: Sequence[Cycle], now: datetime) -> tuple[Batch, list[Taken]]:
    batch = Batch.objects.select_for_update(of=("self",)).filter(plant=plant, number=number).first()
    if batch is None:
        raise Unregistered(_("批次“%s”没有登记，请先登记生产信息。") % number[:40])
    there = {row.number: row for row in Charge.objects.filter(plant=plant, number__in=[c.number for c in cycles])}
    fresh = [cycle for cycle in cycles if cycle.number not in there]
    _possible(batch, fresh, now)
    made = _stored(batch, plant, fresh)
    if made:
        in_force = tables(plant, [charge.charged_at for charge in made])
        totals = _totals(batch, in_force)
        _follow(batch, totals, ended=any(cycle.last for cycle in fresh))
        _warn(batch, made, totals, in_force)
        for layer, feature in ((rules.PLANTS, plant.pk), ("projects", batch.project_id)):
            if feature is not None:
                tell(None, TOPIC, [Told(layer, feature, _told(batch, charge)) for charge in made])
    mine = {charge.number: charge for charge in made}
    taken = []
    for cycle in cycles:
        known = there.get(cycle.number)
        taken.append(Taken(mine[cycle.number], "stored") if known is None else _again(known, batch, cycle, now))
    return batch, taken


def _possible(batch: Batch, cycles: Iterable[Cycle], now: datetime) -> None:
    """Raise where a cycle cannot be one of this batch."""
    taken = set(
        Charge.objects.filter(batch=batch, sequence__in=[c.sequence for c in cycles]).values_list("sequence", flat=True)
    )
    numbers: set[str] = set()
    for cycle in cycles:
        if cycle.at < batch.registered_at - SKEW:
            raise Unregistered(_("批次“%s”在投料之后才登记，该盘数据不予接收。") % batch.number)
        if cycle.at > now + SKEW:
            raise Invalid(_("数据有误。"), {"at": [_("盘号 %s 的投料时间晚于现在，请校准时钟。") % cycle.number]})
        if cycle.sequence in taken or cycle.number in numbers:
            raise Invalid(_("数据有误。"), {"sequence": [_("盘次 %d 重复。") % cycle.sequence]})
        taken.add(cycle.sequence)
        numbers.add(cycle.number)


def _stored(batch: Batch, plant: MixingPlant, cycles: Iterable[Cycle]) -> list[Charge]:
    made, weighings = [], []
    ordered = sorted(cycles, key=lambda cycle: cycle.sequence)
    in_force = tables(plant, [cycle.at for cycle in ordered])
    plates = {cycle.plate for cycle in ordered if cycle.plate}
    trucks = dict(MixerTruck.objects.filter(plant=plant, code__in=plates).values_list("code", "pk")) if plates else {}
    for cycle in ordered:
        table = in_force[cycle.at]
        charge = Charge(
            plant=plant, batch=batch, number=cycle.number, serial=f"{batch.number}-{cycle.sequence:03}",
            sequence=cycle.sequence, charged_at=cycle.at, volume=cycle.volume, seconds=cycle.seconds,
            seconds_least=table.seconds, grade=cycle.grade, truck_id=trucks.get(cycle.plate), plate=cycle.plate,
            ticket=cycle.ticket, digest=cycle.digest,
        )  # fmt: skip
        for place, weight in enumerate(cycle.weights, 1):
            found = table.weight("charge", weight.material, weight.target, weight.actual, cycle.volume)
            if not found.within:
                charge.faults.append({"what": "charge", "bin": weight.bin})
            weighings.append(Weighing(
                charge=charge, place=place, bin=weight.bin, material=weight.material, target=weight.target,
                actual=weight.actual, deviation=found.deviation, limit=found.limit, within=found.within,
                total_limit=table.tolerance(rules.TOTAL, weight.material),
            ))  # fmt: skip
        if not table.time(cycle.seconds, cycle.volume):
            charge.faults.append({"what": "time"})
        if cycle.grade and cycle.grade != batch.grade:
            charge.faults.append({"what": "grade"})
        charge.verdict = Charge.Verdict.OUT if charge.faults else Charge.Verdict.WITHIN
        made.append(charge)
    Charge.objects.bulk_create(made)
    Weighing.objects.bulk_create(weighings)
    return made


def _again(known: Charge, batch: Batch, cycle: Cycle, now: datetime) -> Taken:
    """A number that was sent before: the first content is kept, another one is put beside it."""
    if known.digest == cycle.digest and known.batch_id == batch.pk:
        return Taken(known, "known")
    seen = {row["digest"] for row in known.revisions}
    if cycle.digest not in seen and len(known.revisions) < MOST_REVISIONS:
        known.revisions.append({
            "digest": cycle.digest, "at": now.isoformat(), "batch": batch.number, "sequence": cycle.sequence,
            "weights": [[w.bin, w.target, w.actual] for w in cycle.weights],
        })  # fmt: skip
        known.save(update_fields=["revisions"])
    return Taken(known, "differs")


def tables(plant: MixingPlant, moments: Iterable[datetime]) -> dict[datetime, rules.Table]:
    """Moment → what was in force then, read in two queries."""
    limits = [row.row for row in Limit.objects.filter(factor__in=rules.CODES)]
    formulas = list(Formula.objects.order_by("valid_from"))
    return {
        at: rules.Table(
            limits, {f.subject: f.expression for f in formulas if f.valid_from <= at}, at, plant.region_id or ""
        )
        for at in set(moments)
    }


def set_formula(principal: Principal, subject: str, expression: str, citation: str) -> Formula:
    """Judge by another formula from now on; Refused for no administrator, Invalid for what cannot be computed."""
    if not principal.is_admin:
        raise Refused(_("只有系统管理员可以修改判定公式。"))
    row = Formula(subject=subject, expression=expression.strip(), citation=citation.strip())
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    with transaction.atomic():
        row.save()
        trail.note(
            principal.id, principal.name, "change formula", layer="formula", object_id=row.pk,
            address=principal.address, changes={subject: [None, row.expression]},
        )  # fmt: skip
    return row


class Total(NamedTuple):
    """What a bin gave to a batch so far, judged."""

    bin: str
    found: rules.Judged
    target: float
    actual: float


def _totals(batch: Batch, in_force: Mapping[datetime, rules.Table]) -> list[Total]:
    """The cumulative deviations of a batch, by what was in force at the newest of these moments."""
    table = in_force[max(in_force)]
    rows = Weighing.objects.filter(charge__batch=batch).values("bin", "material").order_by("bin")
    return [
        Total(row["bin"], table.weight("total", row["material"], row["wanted"], row["given"], row["of"]),
              row["wanted"], row["given"])
        for row in rows.annotate(wanted=Sum("target"), given=Sum("actual"), of=Sum("charge__volume"), n=Count("place"))
        if row["n"] >= UNITED
    ]  # fmt: skip


def _follow(batch: Batch, totals: Iterable[Total], ended: bool) -> None:
    """Bring the batch's own state up to what is stored of it."""
    sums = Charge.objects.filter(batch=batch).aggregate(
        made=Sum("volume"), at=Max("charged_at"), out=Count("pk", filter=Q(verdict=Charge.Verdict.OUT))
    )
    batch.made, batch.made_at = sums["made"], sums["at"]
    if batch.state != Batch.State.FINISHED:
        batch.state = Batch.State.FINISHED if ended else Batch.State.PRODUCING
    quality = Batch.Quality.CHARGE if sums["out"] else Batch.Quality.WITHIN
    batch.quality = Batch.Quality.TOTAL if any(not total.found.within for total in totals) else quality
    batch.save(update_fields=["made", "made_at", "state", "quality"])


def _subject(number: str, part: str = "") -> str:
    """What tells a warning apart at its plant: the batch first, so that a batch finds all of its own."""
    return f"{number[:50]} {part}".strip()


def warned(batch: Batch) -> QuerySet[Episode]:
    """The warnings of a batch, whoever may see them: ask ``services.alarms.actions`` for those of a principal."""
    return Episode.objects.filter(feature=batch.plant_id).filter(
        Q(subject=batch.number) | Q(subject__startswith=f"{batch.number} ")
    )


def _warn(
    batch: Batch, made: Iterable[Charge], totals: Iterable[Total], in_force: Mapping[datetime, rules.Table]
) -> None:
    """Warn of what is not as it must be, and take back what is so again."""
    standing = set(warned(batch).filter(ended_at=None).values_list("rule__key", "subject"))
    feature = batch.plant_id

    def said(key: str, part: str, wrong: bool, at: datetime, **what: Any) -> None:
        subject = _subject(batch.number, part)
        if wrong:
            raise_warning(key, subject, feature=feature, at=at, **what)
            standing.add((key, subject))
        elif (key, subject) in standing:
            end_warning(key, subject, feature=feature, at=at)
            standing.discard((key, subject))

    rows: dict[UUID, list[Weighing]] = {}
    for weighing in Weighing.objects.filter(charge__in=[charge.pk for charge in made]).order_by("place"):
        rows.setdefault(weighing.charge_id, []).append(weighing)
    for charge in made:
        at, table = charge.charged_at, in_force[charge.charged_at]
        base = {"batch": batch.number, "sequence": charge.sequence}
        for row in rows.get(charge.pk, []):
            found = rules.Judged(row.deviation, row.limit, row.within)
            said(
                "concrete-charge", row.bin, not row.within, at, level=table.level(found), text=CHARGED,
                given=base | _weights(row.bin, found, row.target, row.actual), limit=row.limit,
                value=None if row.deviation is None else abs(row.deviation),
            )  # fmt: skip
        short = {"what": "time"} in charge.faults
        said(
            "concrete-time", "", short, at, value=charge.seconds, limit=charge.seconds_least,
            text=gettext_noop("批次 %(batch)s 第 %(sequence)d 盘搅拌 %(seconds)s s，应不少于 %(least)s s"),
            given=base | {"seconds": _figure(charge.seconds), "least": _figure(charge.seconds_least)},
        )  # fmt: skip
        said(
            "concrete-grade", "", {"what": "grade"} in charge.faults, at,
            text=gettext_noop("批次 %(batch)s 登记为 %(grade)s，第 %(sequence)d 盘按 %(made)s 生产"),
            given=base | {"grade": batch.grade, "made": charge.grade},
        )  # fmt: skip
    latest = max(in_force)
    for total in totals:
        level = in_force[latest].level(total.found)
        said(
            "concrete-total", total.bin, not total.found.within, latest, level=level if level == "red" else None,
            text=TOTALLED, limit=total.found.limit,
            given={"batch": batch.number} | _weights(total.bin, total.found, total.target, total.actual),
            value=None if total.found.deviation is None else abs(total.found.deviation),
        )  # fmt: skip


CHARGED = gettext_noop(
    "批次 %(batch)s 第 %(sequence)d 盘 %(bin)s：目标 %(target)s kg，实际 %(actual)s kg，偏差 %(deviation)s，"
    "允许 %(limit)s"
)
TOTALLED = gettext_noop(
    "批次 %(batch)s 累计 %(bin)s：目标 %(target)s kg，实际 %(actual)s kg，偏差 %(deviation)s，允许 %(limit)s"
)


def _weights(bin_name: str, found: rules.Judged, target: float, actual: float) -> dict[str, str]:
    return {
        "bin": bin_name, "target": _figure(target), "actual": _figure(actual),
        "deviation": "—" if found.deviation is None else f"{found.deviation:+.2f} %",
        "limit": "—" if found.limit is None else f"±{found.limit:g} %",
    }  # fmt: skip


def _figure(value: float | None) -> str:
    return "—" if value is None else f"{round(value, 2):.10g}"


def _told(batch: Batch, charge: Charge) -> dict[str, Any]:
    return {
        "batch": str(batch.pk), "plant": str(batch.plant_id), "project": str(batch.project_id or ""),
        "number": batch.number, "serial": charge.serial, "verdict": charge.verdict,
    }  # fmt: skip


def _over(plant: MixingPlant, now: datetime) -> None:
    """Warnings of unregistered production are of one day each."""
    today = f" {timezone.localdate(now)}"
    rows = Episode.objects.filter(feature=plant.pk, rule__key="concrete-unregistered", ended_at=None)
    for subject in rows.exclude(subject__endswith=today).values_list("subject", flat=True):
        end_warning("concrete-unregistered", subject, feature=plant.pk, at=now)
