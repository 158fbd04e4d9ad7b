"""Every visible string has an English text: the source is read, not a list."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.translation.template import templatize

ROOT: Path = settings.ROOT
CHINESE = re.compile("[一-鿿]")
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "trans", "translate"}
FOLDERS = ("gis", "styles", "services", "ingest", "layers", "command_center")


def in_python(path: Path) -> Iterator[str]:
    """The texts that Python source hands to gettext."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            for argument in node.args[:2]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def in_template(path: Path) -> Iterator[str]:
    """The texts that a template hands to gettext."""
    source = templatize(path.read_text(), origin=str(path))
    for call in re.finditer(r"""\b(?:_|n?gettext)\(u?('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""", source):
        yield ast.literal_eval(call[1])


def texts() -> list[tuple[str, str]]:
    """Every text with Chinese in it, with where it stands."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if "migrations" in path.parts or "dist" in path.parts or path.name == "tests.py":
                continue
            if path.suffix == ".py":
                found += [(text, path.name) for text in in_python(path)]
            elif path.suffix in (".html", ".json", ".txt") and "templates" in path.parts:
                found += [(text, path.name) for text in in_template(path)]
    return [(text, where) for text, where in dict.fromkeys(found) if CHINESE.search(text)]


def test_every_visible_text_has_its_english() -> None:
    assert len(texts()) > 300
    with translation.override("en"):
        missing = [f"{where}: {text}" for text, where in texts() if translation.gettext(text) == text]
    assert not missing, f"{len(missing)} texts without English:\n" + "\n".join(missing)


@pytest.mark.parametrize("language", ["en", "zh_Hans"])
def test_no_catalogue_holds_a_fuzzy_or_an_empty_text(language: str) -> None:
    for path in ROOT.glob(f"*/**/locale/{language}/LC_MESSAGES/django.po"):
        if "node_modules" in path.parts or ".local" in path.parts:
            continue
        text = path.read_text()
        assert "#, fuzzy" not in text, path
        assert not re.search(r'\nmsgid ".+"\nmsgstr ""\n(?!")', text), path


def test_text_shown_to_people_is_never_written_without_gettext() -> None:
    bare = []
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.html"):
            if "dist" in path.parts:
                continue
            text = re.sub(r"{% *blocktrans.*?{% *endblocktrans(?:late)? *%}", "", path.read_text(), flags=re.S)
            text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|<!--.*?-->", "", text, flags=re.S)
            if path.name not in {"500.html", "503.html"} and CHINESE.search(text):
                bare.append(str(path.relative_to(ROOT)))
    assert bare == []
