"""The declaration of officers."""

from layers.patrols.models import Officer
from services.catalog.layer import registry


def test_every_status_has_a_symbol_of_its_own() -> None:
    layer = registry.of(Officer)
    assert layer is not None
    assert set(layer.style.symbols) == set(Officer.State.values)
