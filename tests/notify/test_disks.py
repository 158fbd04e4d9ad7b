"""F06: a disk that fills up is told of before it is full, and never stops those who tell."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from services.accounts.models import User
from services.notify import disks
from services.notify.models import Message
from tests.ingest.gateways.machine import small_disk

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.get_fixed_timezone(480))


def test_f06_administrators_hear_of_eighty_and_of_ninety_per_cent_once_a_day(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 20) as disk:
        if disk is None:
            pytest.skip("a file system of its own needs root and the right to mount")
        admin = User.objects.get(username="admin")

        def told() -> list[tuple[str, str]]:
            found = Message.objects.filter(user=admin, dedupe_key__startswith="disk:").order_by("pk")
            return [(message.level, message.body.split("%")[0][-2:]) for message in found]

        (disk / "half").write_bytes(bytes(10 << 20))
        assert disks.watch([disk], NOW) == 0
        (disk / "more").write_bytes(bytes(7 << 20))
        for minutes in range(3):
            disks.watch([disk], NOW + timedelta(minutes=minutes))
        assert told() == [("orange", "85")]
        (disk / "most").write_bytes(bytes(2 << 20))
        disks.watch([disk], NOW + timedelta(minutes=4))
        assert told() == [("orange", "85"), ("red", "95")]
        others = Message.objects.filter(dedupe_key__startswith="disk:").exclude(user__memberships__role="admin")
        assert not others.exists()
        for name in ("half", "most"):
            (disk / name).unlink()
        assert disks.watch([disk], NOW + timedelta(minutes=5)) == 0
        assert str(disk) in Message.objects.filter(user=admin).latest("pk").subject


def test_a_folder_that_is_not_there_is_passed_over(tmp_path: Path) -> None:
    assert disks.watch([tmp_path / "nowhere"], NOW) == 0
