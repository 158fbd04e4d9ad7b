"""Sealed secrets: nothing readable in the database, in texts or dumps; the right key opens for the right purpose."""

import json

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.forms import modelform_factory

from services.catalog.sealed import CannotOpen, Sealed, is_present, seal, unseal
from services.telemetry.devices import KEY_FOR
from services.telemetry.models import Device

KEY = "0123456789abcdef0123456789ABCDEF"
OLD, NEW = "the former secret of the installation", "the present secret of the installation"


def test_what_is_sealed_is_opened_for_its_purpose_alone() -> None:
    sealed = seal(KEY, "a")
    assert KEY not in sealed and unseal(sealed, "a") == KEY
    assert seal(KEY, "a") != sealed, "two seals of the same text tell nothing of each other"
    assert (seal("", "a"), unseal("", "a")) == ("", "")
    for wrong in (sealed[:-6] + "AAAAA=", sealed[:20], KEY, "sealed:", "sealed:00000000:xx"):
        with pytest.raises(CannotOpen):
            unseal(wrong, "a")
    with pytest.raises(CannotOpen):
        unseal(sealed, "b")


def test_a_secret_is_shown_to_nobody() -> None:
    sealed = Sealed(seal(KEY, "a"), "a")
    assert KEY not in f"{sealed} {sealed!r}"
    assert (str(sealed), repr(sealed), bool(sealed), sealed.open()) == ("***", "<Sealed ***>", True, KEY)
    assert sealed == KEY and sealed != "x" and sealed == Sealed(seal(KEY, "a"), "a")
    assert (str(Sealed("", "a")), bool(Sealed("", "a"))) == ("", False)


def raw(pk: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("select sm4_key from telemetry_device where id = %s", [pk])
        return str(cursor.fetchone()[0])


@pytest.mark.django_db
def test_a_field_holds_the_seal_and_no_output_the_key() -> None:
    device = Device.objects.create(protocol="hj212", number="S1", sm4_key=KEY)
    kept = raw(device.pk)
    assert kept.startswith("sealed:") and KEY not in kept and unseal(kept, KEY_FOR) == KEY
    device = Device.objects.get(pk=device.pk)
    assert device.sm4_key == KEY
    device.full_clean()
    device.name = "again"
    device.save()
    assert raw(device.pk) == kept, "a row that is saved again keeps its seal"
    assert KEY not in json.dumps(json.loads(serializers.serialize("json", [device])))
    assert KEY not in str(list(Device.objects.filter(pk=device.pk).values("sm4_key")))
    assert "sm4_key" not in modelform_factory(Device, fields="__all__")().fields
    for wrong in ("12", KEY + "0", "g" * 32):
        device.sm4_key = wrong
        with pytest.raises(ValidationError):
            device.full_clean()


@pytest.mark.django_db
def test_nobody_writes_or_finds_a_key_in_plain_text() -> None:
    device = Device.objects.create(protocol="hj212", number="S2")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("update telemetry_device set sm4_key = %s where id = %s", [KEY, device.pk])
    with pytest.raises(ValidationError):
        Device.objects.filter(sm4_key=KEY).exists()
    assert Device.objects.filter(sm4_key__isnull=False, pk=device.pk).exists()


@pytest.mark.django_db
def test_after_a_change_of_the_secret_everything_is_sealed_anew_or_nothing(settings: object) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []  # type: ignore[attr-defined]
    first, second = (Device.objects.create(protocol="hj212", number=f"S{n}", sm4_key=KEY) for n in range(2))
    settings.SECRET_KEY = NEW  # type: ignore[attr-defined]
    with pytest.raises(CannotOpen):
        Device.objects.get(pk=first.pk).sm4_key.open()
    with pytest.raises(CommandError, match="ZHUTU_OLD_SECRET_KEYS"):
        call_command("reseal")
    settings.SECRET_KEY_FALLBACKS = [OLD]  # type: ignore[attr-defined]
    assert Device.objects.get(pk=first.pk).sm4_key == KEY, "the former secret still opens"
    call_command("reseal")
    settings.SECRET_KEY_FALLBACKS = []  # type: ignore[attr-defined]
    for device in (first, second):
        assert is_present(raw(device.pk))
        assert Device.objects.get(pk=device.pk).sm4_key == KEY
