"""Every fault of device input that must be survived, and every invariant, has a test that names it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.ROOT
FAULTS = [f"F{number:02}" for number in range(1, 37)]
INVARIANTS = ["I1", "I2", "I3", "I4"]
NAMED = re.compile(r"(?<![a-z0-9])([fi]\d{1,2})(?![a-z0-9])")


def named() -> Iterator[tuple[str, str]]:
    """(Fault or invariant, test) for each that a test names in its name, its docstring or what it asserts."""
    for path in [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "layers").rglob("tests.py")]:
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                texts = [node.name.replace("_", " "), ast.get_docstring(node) or ""]
                texts += [ast.unparse(each.msg) for each in ast.walk(node) if isinstance(each, ast.Assert) and each.msg]
                for found in NAMED.finditer(" ".join(texts).lower()):
                    yield found[1].upper(), f"{path.relative_to(ROOT)}::{node.name}"


@pytest.mark.parametrize("key", FAULTS + INVARIANTS)
def test_a_test_names_it(key: str) -> None:
    assert [test for name, test in named() if name == key]
