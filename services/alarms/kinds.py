"""Kinds of warnings: what a module may warn of, declared beside the module; each becomes a rule that the office edits.

A domain declares them as ``WARNINGS`` in its ``rules``, any other app in a file ``warnings``. What is made by hand,
such as an indicator, writes its kind with ``keep``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps

from services.alarms.declared import SINCE, WATCHERS
from services.alarms.models import Level, Rule

TEMPLATE = "warning"


@dataclass(frozen=True)
class WarningKind:
    """What a module may warn of; ``name`` and ``advice`` are Chinese texts with a translation.

    Without a layer it is about the platform itself: administrators alone see and handle it.
    """

    key: str
    name: str
    layer: str = ""
    level: str = Level.YELLOW.value
    roles: tuple[str, ...] = WATCHERS
    advice: str = ""
    unit: str = ""
    """Of value and limit."""
    downward: bool = False
    """Whether lower is worse."""
    citation: str = ""
    enabled: bool = True
    valid_from: date = SINCE
    said: Callable[[str], str] = str
    """A subject as people read it, in the current language; by itself it is read as it is kept."""


def declared() -> Iterator[tuple[str, WarningKind]]:
    """The label of the app and the kind, of all that is declared."""
    for app in apps.get_app_configs():
        name = f"{app.name}.{'rules' if app.name.startswith('layers.') else 'warnings'}"
        if app.name.split(".")[0] in OURS and find_spec(name) is not None:
            for kind in getattr(import_module(name), "WARNINGS", ()):
                yield app.label, kind


@cache
def _sayings() -> dict[str, Callable[[str], str]]:
    return {kind.key: kind.said for _module, kind in declared()}


def said(key: str, subject: str) -> str:
    """What a warning of a kind is about, in words."""
    return _sayings().get(key, str)(subject)


OURS = ("services", "layers", "ingest", "command_center")


def write(using: str = "default") -> None:
    """Add the kinds that are not there; ValueError where two are declared under one key."""
    seen: dict[str, str] = {}
    for module, kind in declared():
        if kind.key in seen:
            raise ValueError(f"{kind.key!r} is declared by {seen[kind.key]} and by {module}; choose another key")
        seen[kind.key] = module
    there = set(Rule.objects.using(using).filter(key__in=seen).values_list("key", flat=True))
    for module, kind in declared():
        if kind.key not in there:
            _rule(module, kind).save(using=using)


def keep(module: str, kind: WarningKind) -> Rule:
    """The rule of a kind that was made or changed by hand; who is told and by when stays as the office has set it."""
    found = Rule.objects.filter(key=kind.key).first()
    if found is None:
        found = _rule(module, kind)
    for name in ("name", "layer", "unit", "downward", "enabled", "level", "advice", "citation"):
        setattr(found, name, getattr(kind, name))
    found.save()
    return found


def _rule(module: str, kind: WarningKind) -> Rule:
    return Rule(
        key=kind.key, name=kind.name, kind=Rule.Kind.MODULE, module=module, layer=kind.layer, level=kind.level,
        roles=list(kind.roles), advice=kind.advice, unit=kind.unit, downward=kind.downward, citation=kind.citation,
        enabled=kind.enabled, valid_from=kind.valid_from, template=TEMPLATE, condition="",
    )  # fmt: skip
