"""A trial: one request or a sample, read and converted as a run would, and nothing written."""

from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_noop as _

from ingest.feeds import calls, formats
from ingest.feeds.intakes import intake_of
from ingest.feeds.outcome import Shown, text_of
from ingest.feeds.walking import Walk
from services.access.errors import AccessError
from services.feeds.faults import Fault, said
from services.feeds.models import Source

SHOWN = 20
"""Rows that are converted for the eye."""
CUT = 2_000
"""Characters of the content that are shown."""


@dataclass
class Trial:
    """What a trial found."""

    error: str = ""
    """Why it ended early."""
    content: str = ""
    """The beginning of what came."""
    size: int = 0
    rows: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    """Path → a value that stands there."""
    lists: list[str] = field(default_factory=list)
    """Where lists of rows were found."""
    names: list[str] = field(default_factory=list)
    """The names that stand in the column of factors."""
    shown: list[Shown] = field(default_factory=list)
    problems: list[tuple[int, str, str]] = field(default_factory=list)


def trial(source: Source, sample: bytes | None = None) -> Trial:
    """Fetch once, or read a sample, and show what it would give; errors stand in the result."""
    found = Trial()
    try:
        content = sample if sample is not None else calls.fetch(source, Walk(source, timezone.now()).places)
        found.size, found.content = len(content), content.decode("utf-8", "replace")[:CUT]
        _read(found, content, source)
    except Fault as fault:
        found.error = str(fault)
    except AccessError as error:
        found.error = error.message
    return found


def _read(found: Trial, content: bytes, source: Source) -> None:
    if source.format != Source.Format.CSV:
        # Before the rows are found: where they are is what a person wants to know.
        found.lists = formats.lists(formats.document(content, source.format))
    page = formats.read(content, source)
    found.rows, found.fields = len(page.rows), formats.paths(page.rows[:200])
    if path := source.mapping.get("factor"):
        found.names = sorted({text_of(formats.at(row, path)) for row in page.rows} - {""})[:200]
    if not page.rows:
        raise Fault(_("应答中没有数据行。"))
    if not ready(source):
        return
    shown, outcome = intake_of(source).preview(page.rows[:SHOWN])
    found.shown = shown
    found.problems = [(row, name, said(kept)) for row, name, kept in outcome.problems]


def ready(source: Source) -> bool:
    """Whether fields are mapped far enough to convert rows."""
    mapping = source.mapping
    if source.target == Source.Target.READINGS:
        station = mapping.get("device") or mapping.get("station")
        return bool(station and mapping.get("time") and mapping.get("factors"))
    fields = mapping.get("fields") or {}
    return bool(mapping.get("parent") if source.target == Source.Target.RECORDS else fields.get("code"))
