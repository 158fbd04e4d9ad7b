"""The demo city as ``make run`` makes it: in its own size, of which the tests have a fifth."""

import pytest
from django.apps import apps
from django.core.management import call_command

from services.catalog.layer import registry


@pytest.mark.django_db
def test_the_demo_city_can_be_made_in_its_own_size() -> None:
    small = {layer.key: layer.rows().count() for layer in registry}
    call_command("demo", reset=True, verbosity=0)
    whole = {layer.key: layer.rows().count() for layer in registry}
    assert all(whole[key] >= rows for key, rows in small.items())
    assert sum(whole.values()) > 3 * sum(small.values())
    empty = [
        model.__name__
        for app in apps.get_app_configs()
        if app.name.startswith("layers.")
        for model in app.get_models()
        if not model._default_manager.exists()
    ]
    assert empty == []
