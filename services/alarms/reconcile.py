"""From runs to episodes: what folding found is compared with what is stored, and only the difference is written."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from django.db.models import Q

from services.alarms import telling
from services.alarms.folding import MOST_URGENT, Folded, Run
from services.alarms.models import Act, Episode, Rule
from services.alarms.places import Place, Rules

Key = tuple[int, int]
"""Rule and device."""


@dataclass
class Found:
    """Runs of a rule at a device from a moment on."""

    rule: Rule
    place: Place
    since: datetime
    runs: list[Run]


@dataclass
class Changes:
    """What one pass found, written at once."""

    link: psycopg.Connection
    rules: Rules
    now: datetime
    _live: list[Found] = field(default_factory=list)
    _late: list[Found] = field(default_factory=list)

    def live(self, rule: Rule, place: Place, since: datetime, folded: Folded) -> None:
        """Runs of values that came in time."""
        self._live.append(Found(rule, place, since, folded.runs))

    def late(self, rule: Rule, place: Place, folded: Folded) -> None:
        """Runs around values that came late."""
        if folded.runs:
            self._late.append(Found(rule, place, min(run.began_at for run in folded.runs), folded.runs))

    def write(self) -> None:
        """Raise, worsen, extend, end and withdraw episodes, and tell people."""
        stored = self._stored([*self._live, *self._late])
        for found in self._live:
            self._compare(found, stored[found.rule.pk, found.place.device])
        for found in self._late:
            for run in found.runs:
                self._note_late(found, run, stored[found.rule.pk, found.place.device])

    def _stored(self, found: list[Found]) -> dict[Key, list[Episode]]:
        """The episodes that the runs may continue, in the order of time."""
        stored: dict[Key, list[Episode]] = defaultdict(list)
        if not found:
            return stored
        earliest = min(each.since for each in found)
        rows = (
            Episode.objects.filter(
                Q(ended_at=None) | Q(ended_at__gte=earliest) | Q(last_at__gte=earliest),
                rule__in={each.rule.pk for each in found},
                device__in={each.place.device for each in found},
                withdrawn=False,
            )
            .select_for_update(of=("self",))
            .select_related("rule", "factor")
            .order_by("began_at")
        )
        for row in rows:
            stored[row.rule_id, row.device_id or 0].append(row)
        return stored

    def _compare(self, found: Found, stored: list[Episode]) -> None:
        live = [e for e in stored if not e.late]
        rest = [e for e in live if e.ended_at is None or e.ended_at >= found.since or e.last_at >= found.since]
        matched: list[tuple[Run, Episode | None]] = []
        for run in found.runs:
            same = next((e for e in rest if overlap(e, run)), None)
            if same is not None:
                rest.remove(same)
            matched.append((run, same))
        # Withdrawn and ended ones make room first: only one may be open.
        for episode in rest:
            if episode.began_at >= found.since:
                self._withdraw(episode)
        for run, same in matched:
            if same is None:
                stored.append(self._raise(found, run))
            else:
                self._update(same, run)

    def _raise(self, found: Found, run: Run) -> Episode:
        episode = _episode(found, run)
        episode.save(force_insert=True)
        telling.told_of(episode, Act.Kind.RAISED, found.place, value=run.value)
        if run.ended_at is not None:
            telling.told_of(episode, Act.Kind.ENDED, found.place)
        return episode

    def _update(self, episode: Episode, run: Run) -> None:
        before = (episode.level, episode.ended_at)
        worse = MOST_URGENT.index(run.level) < MOST_URGENT.index(episode.level)
        values = _values(run)
        if not worse:
            del values["level"]
        changed = [name for name, value in values.items() if getattr(episode, name) != value]
        if not changed:
            return
        for name in changed:
            setattr(episode, name, values[name])
        episode.save(update_fields=changed)
        if worse and before[0] != episode.level:
            telling.told_of(episode, Act.Kind.WORSENED, value=run.value)
        if before[1] is None and episode.ended_at is not None:
            telling.told_of(episode, Act.Kind.ENDED)

    def _withdraw(self, episode: Episode) -> None:
        """A reading that came out of order shows that this one was none, or belongs to the one before."""
        episode.withdrawn, episode.ended_at = True, episode.ended_at or episode.last_at
        episode.state = Episode.State.CLOSED
        episode.closed_at = self.now
        episode.save(update_fields=["withdrawn", "ended_at", "state", "closed_at"])
        telling.told_of(episode, Act.Kind.WITHDRAWN)

    def _note_late(self, found: Found, run: Run, stored: list[Episode]) -> None:
        """Late values never raise a live alarm: what they exceeded is noted."""
        same = next((e for e in stored if overlap(e, run)), None)
        if same is not None and not same.late:
            return
        if same is not None:
            values = _values(run, late=True)
            for name, value in values.items():
                setattr(same, name, value)
            same.save(update_fields=list(values))
            return
        episode = _episode(found, run)
        for name, value in _values(run, late=True).items():
            setattr(episode, name, value)
        episode.late, episode.state, episode.closed_at = True, Episode.State.CLOSED, self.now
        episode.save(force_insert=True)
        stored.append(episode)
        telling.told_of(episode, Act.Kind.LATE, found.place, value=run.peak)


def overlap(episode: Episode, run: Run) -> bool:
    """Whether a stored episode and a run share some time."""
    return episode.began_at <= run.until and run.began_at <= (episode.ended_at or episode.last_at)


def open_run(rule: Rule, place: Place) -> Run | None:
    """The episode that is open of a rule at a device, as folding goes on with it."""
    row = Episode.objects.filter(rule=rule, device=place.device, ended_at=None, late=False).first()
    if row is None:
        return None
    peak_at = row.peak_at or row.last_at
    return Run(
        row.began_at, row.last_at, row.value, row.peak, peak_at, row.level, row.limit, row.count, row.raised_at
    )  # fmt: skip


def _values(run: Run, late: bool = False) -> dict[str, object]:
    return {
        "level": run.level, "began_at": run.began_at, "last_at": run.last_at,
        "ended_at": run.until if late else run.ended_at, "value": run.value, "peak": run.peak,
        "peak_at": run.peak_at, "limit": run.limit, "count": run.count,
    }  # fmt: skip


def _episode(found: Found, run: Run) -> Episode:
    return Episode(
        rule=found.rule, device_id=found.place.device, feature_id=found.place.feature,
        factor_id=found.rule.factor_id, **_values(run),
    )  # fmt: skip


def runs_of(folded: Iterable[Folded]) -> int:
    """How many episodes there would have been."""
    return sum(len(each.runs) for each in folded)
