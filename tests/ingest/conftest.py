"""Fixtures of the import tests: files kept in a folder of the test, and a short way through all the steps."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.files import imports
from ingest.models import Import
from services.access.principal import Principal
from services.catalog.layer import Layer, registry


@pytest.fixture(autouse=True)
def _kept_apart(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def places(db: None) -> Layer:
    """A point layer with few fields."""
    return registry.by_key["points_of_interest"]


@pytest.fixture
def boundaries(db: None) -> Layer:
    """A multipolygon layer."""
    return registry.by_key["boundaries"]


@pytest.fixture
def bring(who: dict[str, Principal]) -> Callable[..., Import]:
    """``bring(layer, name, content, mapping={…}, …)``: every step up to the run."""

    def steps(
        layer: Layer, name: str, content: bytes | Path, *, by: str = "admin", source: str | None = None,
        dry_run: bool = False, **settings: Any,
    ) -> Import:  # fmt: skip
        data = content.read_bytes() if isinstance(content, Path) else content
        item = imports.start(who[by], layer, io.BytesIO(data), name)
        if source is not None:
            item = imports.choose(who[by], item, source)
        settings["mapping"] = item.mapping | settings.get("mapping", {})
        item = imports.configure(who[by], item, **settings)
        return imports.run(who[by], item, dry_run=dry_run)

    return steps
