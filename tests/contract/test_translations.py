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
IN_CONTEXT = {"pgettext", "pgettext_lazy"}
Text = tuple[str | None, str]
"""Its context, if any, and the Chinese."""
Entry = tuple[str | None, str, str | None]
"""Context, singular and plural in Chinese."""
FOLDERS = ("gis", "styles", "services", "ingest", "layers", "command_center")


def in_python(path: Path) -> Iterator[Text]:
    """The texts that Python source hands to gettext."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS | IN_CONTEXT:
            given = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
            given = [each for each in given if isinstance(each, str)]
            if node.func.id in CALLS:
                yield from ((None, text) for text in given)
            elif len(given) == 2:
                yield given[0], given[1]


def in_template(path: Path) -> Iterator[Text]:
    """The texts that a template hands to gettext."""
    source = templatize(path.read_text(), origin=str(path))
    quoted = r"""u?('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
    for call in re.finditer(rf"\b(?:_|n?gettext)\({quoted}", source):
        yield None, ast.literal_eval(call[1])
    for call in re.finditer(rf"\bn?pgettext\({quoted}, *{quoted}", source):
        yield ast.literal_eval(call[1]), ast.literal_eval(call[2])


def texts() -> list[tuple[str | None, str, str]]:
    """Every text with Chinese in it: its context, the text and where it stands."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if "migrations" in path.parts or "dist" in path.parts or path.name == "tests.py":
                continue
            if path.suffix == ".py":
                found += [(*text, path.name) for text in in_python(path)]
            elif path.suffix in (".html", ".json", ".txt") and "templates" in path.parts:
                found += [(*text, path.name) for text in in_template(path)]
    return [each for each in dict.fromkeys(found) if CHINESE.search(each[1])]


def catalogues(language: str) -> Iterator[Path]:
    """Our catalogues of a language, one in each package that has texts."""
    for path in sorted(ROOT.glob(f"*/**/locale/{language}/LC_MESSAGES/django.po")):
        if not {"node_modules", ".local"} & set(path.parts):
            yield path


def entries(path: Path) -> Iterator[tuple[Entry, tuple[str, ...]]]:
    """The texts of a catalogue with what they are in its language, in the singular and in each plural."""
    for block in path.read_text().split("\n\n"):
        parts = {
            name: "".join(ast.literal_eval(line) for line in lines.splitlines())
            for name, lines in re.findall(r'^(msg[a-z]+(?:_plural)?(?:\[\d\])?) ((?:".*"\n?)+)', block, re.M)
        }
        if parts.get("msgid"):
            said = (parts[name] for name in sorted(parts) if name.startswith("msgstr"))
            yield (parts.get("msgctxt"), parts["msgid"], parts.get("msgid_plural")), tuple(said)


def test_every_visible_text_has_its_english() -> None:
    assert len(texts()) > 300
    with translation.override("en"):
        missing = [
            f"{where}: {text}"
            for context, text, where in texts()
            if (translation.pgettext(context, text) if context else translation.gettext(text)) == text
        ]
    assert not missing, f"{len(missing)} texts without English:\n" + "\n".join(missing)


@pytest.mark.parametrize("language", ["en", "zh_Hans"])
def test_no_catalogue_holds_a_fuzzy_or_an_empty_text(language: str) -> None:
    for path in catalogues(language):
        text = path.read_text()
        assert "#, fuzzy" not in text, path
        assert not re.search(r'\nmsgid ".+"\nmsgstr ""\n(?!")', text), path


def test_a_text_has_one_english_in_all_catalogues() -> None:
    """All become one when the product runs: of two, one would never be seen. What differs in meaning has a context."""
    found: dict[Entry, dict[tuple[str, ...], list[str]]] = {}
    for path in catalogues("en"):
        for text, said in entries(path):
            found.setdefault(text, {}).setdefault(said, []).append(str(path.relative_to(ROOT).parents[3]))
    assert len(found) > 300
    torn = [f"{text}: {said}" for text, said in found.items() if len(said) > 1]
    assert not torn, f"{len(torn)} texts with more than one English:\n" + "\n".join(torn)


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
