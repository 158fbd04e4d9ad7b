"""Latest values in the columns of features: which, in which unit, and that nothing else changes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from layers.environment.models import Monitor
from layers.sewage.models import SewagePlant
from services.access.principal import Principal
from services.catalog import versions
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.panels.panel import panel
from services.telemetry import devices, features, partitions
from services.telemetry.factors import FACTORS
from services.telemetry.models import Device
from services.telemetry.store import Store
from tests.telemetry.conftest import reading

pytestmark = pytest.mark.django_db


def bound(feature: Any, **profile: Any) -> Device:
    return Device.objects.create(
        protocol="hj212", number=str(feature.pk)[-30:], feature=feature.pk, state=Device.State.ACTIVE, **profile
    )


def test_columns_name_standard_factors_in_units_that_convert() -> None:
    units = {row.code: row.unit for row in FACTORS}
    found = {
        (code, field.unit) for layer in devices.measured_layers() for code, field in features.columns(layer).items()
    }
    assert ("a34002", "µg/m³") in found
    assert ("w00000", "m³/h") in found
    for code, unit in found:
        assert units[code] == unit or (units[code], unit) in features.SCALES


def test_the_newest_good_values_are_shown_with_their_time_and_nothing_else_changes() -> None:
    monitor, other = Monitor.objects.all()[:2]
    device, now = bound(monitor), timezone.now()
    untouched = Monitor.objects.values().get(pk=other.pk)
    pm25 = monitor.pm25
    layer = registry.of(Monitor)
    assert layer is not None
    version, index = versions.version(layer), FeatureIndex.objects.values().get(pk=monitor.pk)
    Store(partitions.raw()).write([
        reading(device.pk, now - timedelta(minutes=2), 77.0), reading(device.pk, now - timedelta(minutes=1), 88.0),
        reading(device.pk, now, 0.0, factor="LA"),
        reading(device.pk, now, 999.0, factor="a34001", flag="D", quality="flag"),
    ])  # fmt: skip
    assert features.write(since=now - timedelta(minutes=5)) == 1
    after = Monitor.objects.get(pk=monitor.pk)
    assert (after.pm10, after.noise, after.tsp, after.pm25) == (88.0, 0.0, None, pm25)
    assert after.measured_at == now
    assert after.updated_at == monitor.updated_at
    assert Monitor.objects.values().get(pk=other.pk) == untouched
    assert FeatureIndex.objects.values().get(pk=monitor.pk) == index
    assert versions.version(layer) > version
    assert features.write() == 0


def test_an_edit_by_a_person_is_still_noted() -> None:
    monitor = Monitor.objects.first()
    assert monitor is not None
    before = monitor.updated_at
    monitor.name = "改名"
    monitor.save()
    assert Monitor.objects.get(pk=monitor.pk).updated_at > before


def test_a_flow_is_shown_in_the_unit_of_its_column() -> None:
    plant = SewagePlant.objects.first()
    assert plant is not None
    device, now = bound(plant), timezone.now()
    Store(partitions.raw()).write([reading(device.pk, now, 100.0, factor="w00000")])
    features.write()
    assert SewagePlant.objects.get(pk=plant.pk).flow == pytest.approx(360.0)


@pytest.mark.covers("LN-215")
def test_a_gas_value_of_a_device_appears_on_the_page_of_its_monitor(who: dict[str, Principal]) -> None:
    monitor = Monitor.objects.filter(region__code__startswith="511702").first()
    assert monitor is not None
    device, now, layer = bound(monitor), timezone.now(), registry.of(Monitor)
    assert layer is not None
    sent = {"a21026": 61.0, "a21004": 72.0, "a05024": 83.0, "a21005": 4.5}
    Store(partitions.raw()).write([reading(device.pk, now, value, factor=code) for code, value in sent.items()])
    features.write(since=now - timedelta(minutes=1))
    shown = {value.label: value.text for value in panel(who["owner"], layer, monitor.pk).values}
    for code, value in sent.items():
        described = layer.field[features.columns(layer)[code].name]
        assert shown[described.label] == described.display(value)
        assert described.unit in shown[described.label]


@pytest.mark.parametrize(
    ("state", "while_heard", "when_silent"),
    [("offline", "online", "offline"), ("online", "online", "offline"), ("fault", "fault", "fault")],
)
def test_a_device_that_is_heard_or_not_sets_only_those_two_states(
    state: str, while_heard: str, when_silent: str
) -> None:
    monitor = Monitor.objects.first()
    assert monitor is not None
    Monitor.objects.filter(pk=monitor.pk).update(state=state)
    device, now, link = bound(monitor), timezone.now(), partitions.raw()
    devices.heard(link, {device.pk: (now - timedelta(minutes=10), "10.0.0.1")})
    features.write(since=now - timedelta(minutes=30))
    assert Monitor.objects.get(pk=monitor.pk).state == while_heard
    assert devices.mark_silent(link, now) == [device.pk]
    features.write(since=now)
    assert Monitor.objects.get(pk=monitor.pk).state == when_silent


def test_one_update_a_layer_whatever_the_number_of_devices(django_assert_max_num_queries: Any) -> None:
    now = timezone.now()
    found = [bound(monitor) for monitor in Monitor.objects.all()]
    Store(partitions.raw()).write([reading(device.pk, now, 1.0) for device in found])
    with connection.cursor() as cursor:
        cursor.execute("create temp table writes (n int)")
        cursor.execute(
            "create function pg_temp.count_writes() returns trigger language plpgsql as"
            " $$begin insert into writes values (1); return null; end$$"
        )
        cursor.execute(
            "create trigger counting after update on environment_monitor for each statement"
            " execute function pg_temp.count_writes()"
        )
        assert features.write() >= len(found)
        cursor.execute("select count(*) from writes")
        assert cursor.fetchone() == (2,)
