"""Start-up checks: every name in a declaration exists; errors are numbered and list the valid names."""

from collections.abc import Iterator
from typing import Any

from django.contrib.gis.db.models import GeometryField
from django.core.checks import Error
from django.core.exceptions import FieldDoesNotExist

from services.catalog.describe import describe
from services.catalog.layer import OPTIONS, Layer, Tab, Topic, registry
from services.catalog.models import Feature, Record


def check_layers(**kwargs: Any) -> list[Error]:
    """All findings over all registered layers."""
    return [
        Error(f"{type(layer).__name__}: {message}", obj=type(layer), id=f"catalog.E{number:03d}")
        for layer in registry
        for number, message in _findings(layer)
    ]


def _findings(layer: Layer) -> Iterator[tuple[int, str]]:
    model = getattr(layer, "model", None)
    if not (isinstance(model, type) and issubclass(model, Feature)):
        yield 1, "model must be a Feature"
        return
    own = [name for name, value in vars(type(layer)).items() if not name.startswith("_") and not callable(value)]
    for name in own:
        if name not in OPTIONS:
            yield 2, f"unknown option {name!r}; the options are: {', '.join(OPTIONS)}"
    if not (type(layer).__doc__ or "").strip():
        yield 3, "a docstring is missing: it says what is shown and what the colour means"
    yield from _paths(layer)
    yield from _style(layer)
    yield from _tabs(layer)


def _paths(layer: Layer) -> Iterator[tuple[int, str]]:
    for option in ("panel", "columns", "filters", "search", "stats", "private"):
        for path in getattr(layer, option):
            yield from _path(layer, option, path)
    yield from _path(layer, "time", layer.time)
    for name in ("region", "organisation"):
        path = getattr(layer.scope, name)
        if path:
            yield from _path(layer, f"scope.{name}", path)
    try:
        if not isinstance(describe(layer.model, layer.geom).field, GeometryField):
            yield 5, f"geom={layer.geom!r} is not a geometry"
    except FieldDoesNotExist as error:
        yield 5, f"geom: {error}"


def _path(layer: Layer, option: str, path: str) -> Iterator[tuple[int, str]]:
    try:
        describe(layer.model, path)
    except FieldDoesNotExist as error:
        yield 4, f"{option}: {error}"


def _style(layer: Layer) -> Iterator[tuple[int, str]]:
    if layer.style is None:
        yield 6, "style is missing"
        return
    for name in layer.style.fields:
        if name not in layer.field:
            yield 6, f"style: no field {name!r}; the fields are: {', '.join(layer.field)}"


def _tabs(layer: Layer) -> Iterator[tuple[int, str]]:
    seen = set()
    for tab in layer.tabs:
        if tab.key in seen:
            yield 7, f"two tabs are called {tab.key!r}"
        seen.add(tab.key)
        if isinstance(tab, Topic):
            for path in tab.columns:
                yield from _path(layer, f"tab {tab.key}", path)
            continue
        if not (isinstance(tab, Tab) and issubclass(tab.model, Record)):
            yield 7, f"tab {tab!r} is neither a Tab of a Record nor a Topic"
            continue
        target = tab.of and tab.model._meta.get_field(tab.of).related_model
        if target is not layer.model:
            yield 8, f"{tab.model.__name__}.of must name its foreign key to {layer.model.__name__}, not {tab.of!r}"
        for path in tab.columns:
            try:
                describe(tab.model, path)
            except FieldDoesNotExist as error:
                yield 4, f"tab {tab.key}: {error}"
