"""What the charges of a batch say together: its three mixes beside each other, and how deviations add up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from layers.concrete.flows import tables
from layers.concrete.models import Batch, Charge, Mix, Weighing
from layers.concrete.rules import MATERIALS, Judged, deviation


@dataclass
class Sum:
    """Weights of one material or bin, in kg, and the volume of the charges that have them, in m³."""

    target: float = 0.0
    actual: float = 0.0
    count: int = 0

    def add(self, row: Weighing) -> None:
        self.target, self.actual, self.count = self.target + row.target, self.actual + row.actual, self.count + 1


class MixLine(NamedTuple):
    """A material of a batch in kg/m³, as designed, as set for production and as it went in; None where it is not known.

    ``shift`` is production against design, ``found`` what went in against production, both in per cent.
    """

    material: str
    design: float | None
    production: float | None
    actual: float | None
    shift: float | None
    found: Judged | None


@dataclass
class Run:
    """How the deviation of a bin adds up over a batch: the charge, and per cent of all that was to go in so far."""

    bin: str
    points: list[tuple[Charge, float]] = field(default_factory=list)
    limit: float | None = None

    @property
    def over(self) -> bool:
        """Whether it ends beyond what is allowed of the sum."""
        return bool(len(self.points) > 1 and self.limit is not None and abs(self.points[-1][1]) > self.limit)


class Shown(NamedTuple):
    """A charge with its weighings by bin."""

    charge: Charge
    weights: dict[str, Weighing]


def charges(batch: Batch) -> list[Shown]:
    """The charges of a batch in order, with their weighings, in two queries."""
    rows = batch.charges.select_related("truck").order_by("sequence")
    weighings = Weighing.objects.filter(charge__batch=batch).order_by("charge_id", "place")
    by_charge = {key: {row.bin: row for row in some} for key, some in groupby(weighings, key=lambda row: row.charge_id)}
    return [Shown(row, by_charge.get(row.pk, {})) for row in rows]


def comparison(batch: Batch, shown: Iterable[Shown]) -> list[MixLine]:
    """The three mixes of a batch, material by material; production is what is on file, else what the targets say."""
    found = list(shown)
    volume = sum(each.charge.volume for each in found)
    sums: dict[str, Sum] = {}
    for each in found:
        for row in each.weights.values():
            sums.setdefault(row.material, Sum()).add(row)
    design, production = batch.mix(Mix.Kind.DESIGN), batch.mix(Mix.Kind.PRODUCTION)
    designed = design.parts if design else {}
    set_for = production.parts if production else {m: s.target / volume for m, s in sums.items() if volume}
    moment = batch.made_at or batch.registered_at
    table = tables(batch.plant, [moment])[moment]
    lines = []
    for material in MATERIALS:
        if material not in designed and material not in set_for and material not in sums:
            continue
        wanted, planned = set_for.get(material), designed.get(material)
        actual = round(sums[material].actual / volume, 4) if material in sums and volume else None
        judged = None
        if wanted is not None and actual is not None:
            judged = table.weight("total", material, wanted, actual, volume)
        shift = deviation(planned, wanted) if planned is not None and wanted is not None else None
        lines.append(MixLine(str(MATERIALS[material]), planned, wanted, actual, shift, judged))
    return lines


def runs(shown: Iterable[Shown]) -> list[Run]:
    """The cumulative deviation of each bin of a batch after each charge."""
    found: dict[str, Run] = {}
    sums: dict[str, Sum] = {}
    for each in shown:
        for name, row in each.weights.items():
            so_far = sums.setdefault(name, Sum())
            so_far.add(row)
            share = deviation(round(so_far.target, 6), round(so_far.actual, 6))
            run = found.setdefault(name, Run(name))
            run.limit = row.total_limit
            if share is not None:
                run.points.append((each.charge, share))
    return list(found.values())
