"""The rules and detectors that domains declare as ``ALARMS`` and ``DETECTORS``, deadlines and wordings: first rows."""

from dataclasses import asdict, dataclass
from datetime import date

from services.accounts.roles import Role
from services.alarms.models import Deadline, Detector, Level, Rule, Tier
from services.alarms.wordings import WORDINGS
from services.limits.declared import rules
from services.notify.models import Template
from services.telemetry import factors as standard_factors
from services.telemetry.models import Factor
from services.telemetry.spans import Span

SINCE = date(2020, 1, 1)
WATCHERS = (Role.SUPERVISOR.value, Role.CONTRACTOR.value, Role.OPERATOR.value)
"""Who is told at once: the supervisor in charge and the unit that is to blame."""


@dataclass(frozen=True)
class Alarm:
    """A rule as a domain declares it; ``factor`` is a code, empty for silence."""

    key: str
    name: str
    layer: str
    factor: str = ""
    kind: str = Rule.Kind.MEASURE.value
    span: int = Span.REAL.value
    window: int = 0
    standard: str = ""
    minutes: int | None = None
    grade: str = ""
    stage: str = ""
    threshold: float | None = None
    condition: str = "value > limit"
    clear: str = ""
    downward: bool = False
    level: str = Level.YELLOW.value
    red_when: str = ""
    orange_when: str = ""
    yellow_when: str = ""
    for_minutes: int = 0
    n_least: int = 1
    clear_minutes: int = 0
    period: str = ""
    region: str = ""
    roles: tuple[str, ...] = WATCHERS
    citation: str = ""
    valid_from: date = SINCE
    enabled: bool = True
    template: str = "alarm"


TIERS = (
    Tier(level=Level.RED, roles=[Role.COMMANDER.value], assign_role=Role.SUPERVISOR),
    Tier(level=Level.ORANGE, roles=[Role.COMMANDER.value], assign_role=Role.SUPERVISOR),
    Tier(level=Level.YELLOW),
    Tier(level=Level.BLUE, close_minutes=60),
)
"""What happens by itself at each level: for the office to change."""


@dataclass(frozen=True)
class Detection:
    """What is odd for a factor, as a domain declares it; ``models.Detector`` says what each number means."""

    factor: str
    flat_hours: int
    spike: float
    floor: float
    citation: str
    step: float = 0
    least: int = 10
    before_hours: int = 24
    valid_from: date = SINCE


DEADLINES = (
    (Level.RED, Deadline.Step.ACKNOWLEDGE, 15, (Role.COMMANDER,), ""),
    (Level.RED, Deadline.Step.HANDLE, 120, (Role.COMMANDER,), ""),
    (Level.ORANGE, Deadline.Step.ACKNOWLEDGE, 30, (Role.COMMANDER,), ""),
    (Level.ORANGE, Deadline.Step.HANDLE, 240, (Role.COMMANDER,), Level.RED),
    (Level.YELLOW, Deadline.Step.ACKNOWLEDGE, 120, (Role.SUPERVISOR,), ""),
    (Level.YELLOW, Deadline.Step.HANDLE, 1440, (Role.COMMANDER,), Level.ORANGE),
    (Level.BLUE, Deadline.Step.HANDLE, 4320, (Role.SUPERVISOR,), ""),
)
"""Level, step, minutes, who is told when they are over, and the level it is raised to: for the office to change."""


def write(using: str = "default") -> None:
    """Add what is not there; rows that somebody edited or switched off stay as they are."""
    # Apps are prepared in the order of their names: telemetry comes later.
    standard_factors.write(using)
    factors = dict(Factor.objects.using(using).values_list("code", "pk"))
    known = set(Rule.objects.using(using).values_list("key", flat=True))
    for alarm in rules("ALARMS"):
        if alarm.key not in known and (not alarm.factor or alarm.factor in factors):
            values = asdict(alarm)
            number = factors.get(values.pop("factor"))
            Rule.objects.using(using).create(**{**values, "roles": list(alarm.roles)}, factor_id=number)
    detected = set(Detector.objects.using(using).values_list("factor", "valid_from"))
    for row in rules("DETECTORS"):
        if row.factor in factors and (factors[row.factor], row.valid_from) not in detected:
            values = asdict(row)
            number = factors[values.pop("factor")]
            Detector.objects.using(using).create(**values, factor_id=number)
    if not Deadline.objects.using(using).exists():
        Deadline.objects.using(using).bulk_create(
            Deadline(level=level, step=step, minutes=minutes, roles=[r.value for r in roles], raise_to=raise_to)
            for level, step, minutes, roles, raise_to in DEADLINES
        )
    tiers = set(Tier.objects.using(using).values_list("level", flat=True))
    for tier in TIERS:
        if tier.level not in tiers:
            Tier.objects.using(using).create(
                level=tier.level, roles=tier.roles, assign_role=tier.assign_role, close_minutes=tier.close_minutes
            )
    there = set(Template.objects.using(using).values_list("key", "channel", "language"))
    for key, channel, language, subject, body in (*WORDINGS, *rules("WORDINGS")):
        if (key, channel, language) not in there:
            Template.objects.using(using).create(
                key=key, channel=channel, language=language, subject=subject, body=body
            )
