"""What becomes of a batch of rows, and what every way of taking them in has in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_noop as _

from ingest.feeds import formats
from services.access.principal import Holding, Principal
from services.accounts.roles import Role
from services.feeds.faults import Fault, other
from services.feeds.models import Source

type Rows = Sequence[dict[str, Any]]
type Shown = dict[str, Any]
"""One converted row for a preview: ``{"number": …, "cells": {label: text}, "doubts": […], "state": …}``."""


@dataclass
class Outcome:
    """Counts and problems; a problem is a row's number, the field there, and why."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    """Numbers of the rows of which nothing is written."""

    def refuse(self, number: int, name: str, text: str | dict[str, Any], **values: Any) -> None:
        """A row is left out."""
        self.refused.add(number)
        self.doubt(number, name, text, **values)

    def doubt(self, number: int, name: str, text: str | dict[str, Any], **values: Any) -> None:
        """Something a person should know of a row."""
        kept = Fault(text, **values).kept if isinstance(text, str) else text
        self.problems.append((number, name[:100], kept))

    def say(self, number: int, problems: dict[str, list[str]]) -> None:
        """What another engine says against a row."""
        for name, messages in problems.items():
            for message in messages:
                self.refuse(number, name, other(message))

    def __iadd__(self, more: "Outcome") -> "Outcome":
        self.counts += more.counts
        self.problems += more.problems
        self.refused |= more.refused
        return self


class Intake(ABC):
    """A way in for the rows of one source, within the caller's transaction."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.mapping: dict[str, Any] = source.mapping
        # What a source writes is audited under its name; it may do what the administrator who settled it may.
        self.principal = Principal(None, f"feed: {source.name}"[:150], (Holding(Role.ADMIN),))

    @abstractmethod
    def write(self, rows: Rows, first: int = 1) -> Outcome:
        """Write what is right of some rows, the first of which has this number; Fault where none can be read."""

    @abstractmethod
    def preview(self, rows: Rows) -> tuple[list[Shown], Outcome]:
        """How rows would be taken in; nothing is written."""

    def taken_back(self) -> None:
        """What was written last is rolled back: do what is to stay all the same."""
        return

    def require(self, rows: Rows, paths: Sequence[str]) -> None:
        """Fault where no row has a value at one of the paths: the other side renamed it, or sends something else."""
        gone = [path for path in paths if path and not formats.first_row(list(rows), path)]
        if rows and gone:
            raise Fault(
                _("数据中没有字段 %(gone)s，对方可能更改了字段；现有字段：%(there)s。"),
                gone="、".join(gone), there="、".join(sorted(formats.known_paths(list(rows)))),
            )  # fmt: skip


def text_of(value: Any) -> str:
    """A scalar as text, trimmed; empty for what is none."""
    if value is None or value is formats.MISSING or isinstance(value, dict | list):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
