"""Every declaration, every domain folder: their shape."""

import ast
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.utils import translation

from services.catalog.layer import OPTIONS, Layer, registry
from services.catalog.models import Record

ROOT: Path = settings.ROOT
DOMAINS = sorted(path.parent for path in ROOT.glob("layers/*/__init__.py"))
FILES = {
    "__init__.py",
    "models.py",
    "layer.py",
    "rules.py",
    "flows.py",
    "reports.py",
    "events.py",
    "seed.py",
    "tests.py",
}
FOLDERS = {"migrations", "locale", "templates", "__pycache__"}
REQUIRED = {"__init__.py", "models.py", "layer.py", "seed.py"}

each_layer = pytest.mark.parametrize("layer", list(registry), ids=lambda layer: layer.key)
each_domain = pytest.mark.parametrize("domain", DOMAINS, ids=lambda path: path.name)


def test_start_up_checks_find_nothing() -> None:
    assert run_checks() == []


def test_a_layer_has_at_most_sixteen_options() -> None:
    declared = set(vars(Layer)["__annotations__"])
    assert declared == set(OPTIONS)
    assert len(OPTIONS) <= 16


@each_domain
def test_a_domain_holds_the_fixed_files_and_no_others(domain: Path) -> None:
    names = {path.name for path in domain.iterdir()}
    assert names >= REQUIRED
    assert names <= FILES | FOLDERS


def test_engines_name_no_domain() -> None:
    # People, projects and enterprises are ordinary words of prose; as code they would be strings or names.
    domains = {path.name for path in DOMAINS} | {layer.key for layer in registry}
    found = []
    for folder in ("services", "ingest"):
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
                name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
                if (text in domains) or (name in {layer.model.__name__ for layer in registry}):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno} {text or name}")
    assert found == []


@each_layer
def test_a_layer_describes_itself_in_both_languages(layer: Layer) -> None:
    with translation.override("en"):
        english = layer.description
        assert english.isascii()
        assert layer.title.isascii(), layer.title
    with translation.override("zh-hans"):
        assert re.search("[一-鿿]", layer.description), f"no Chinese for: {english}"
        assert re.search("[一-鿿]", layer.title)


@each_layer
def test_a_layer_has_a_group_and_records_or_topics(layer: Layer) -> None:
    assert str(layer.group)
    assert layer.tabs


def test_every_record_belongs_to_a_feature_and_is_shown_somewhere() -> None:
    from django.apps import apps

    shown = {tab.model for layer in registry for tab in layer.tabs if hasattr(tab, "model")}
    for model in apps.get_models():
        if issubclass(model, Record):
            assert model.of, f"{model.__name__} names no feature"
            assert model in shown or model.topic, f"no panel shows {model.__name__}"
