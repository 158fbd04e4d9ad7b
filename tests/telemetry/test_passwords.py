"""Passwords of HJ 212 devices: no dump of the database tells one, and none is lost when the database is upgraded."""

import io
import os
import subprocess
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from ingest.management.commands.simulate import with_password
from ingest.protocols.hj212.errors import Refused, shown
from ingest.protocols.hj212.frames import Stream, crc16
from ingest.protocols.hj212.packets import decode
from ingest.protocols.hj212.profile import Profile
from ingest.protocols.hj212.replies import Device as Addressee
from services.catalog.sealed import unseal
from services.telemetry.devices import PASSWORD_FOR
from services.telemetry.models import Device
from tests.conftest import Server

WORD = "Plain-4711"


def sql(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.django_db
def test_an_upgrade_seals_what_lay_in_plain_text_and_a_downgrade_opens_it() -> None:
    def migrate(to: str) -> None:
        sql("set constraints all immediate")
        MigrationExecutor(connection).migrate([("telemetry", to)])

    digest = "b" * 64
    migrate("0007_machines")
    for protocol, number, secret in (("hj212", "OLD", WORD), ("hj212", "OPEN", ""), ("http", "BOX", digest)):
        sql(
            "insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,"
            ' missing_flag, minute_span, "interval", base, back_days, sm4_key, created_at)'
            " values (%s, %s, '', 'active', %s, '{}', 'standard', 'start', 'N', 10, 60, 0, 30, '', now())",
            protocol, number, secret,
        )  # fmt: skip
    migrate("0008_sealed_passwords")
    kept = {
        n: (secret, password) for n, secret, password in sql("select number, secret, password from telemetry_device")
    }
    assert (kept["OPEN"], kept["BOX"]) == (("", ""), (digest, ""))
    secret, password = kept["OLD"]
    assert secret == "" and WORD not in password and unseal(password, PASSWORD_FOR) == WORD
    migrate("0007_machines")
    assert sql("select secret from telemetry_device where number in ('OLD', 'BOX') order by number") == [
        (digest,), (WORD,),
    ]  # fmt: skip
    ((_telemetry, newest),) = MigrationExecutor(connection).loader.graph.leaf_nodes("telemetry")
    migrate(newest)
    assert Device.objects.get(number="OLD").password == WORD


@pytest.mark.django_db
def test_nobody_writes_a_password_in_plain_text() -> None:
    device = Device.objects.create(protocol="hj212", number="S3", password=WORD)
    for column in ("password", "secret"):
        with pytest.raises(IntegrityError), transaction.atomic():
            sql(f"update telemetry_device set {column} = %s where id = %s", WORD, device.pk)
    out = io.StringIO()
    call_command("dumpdata", "telemetry.device", stdout=out)
    assert "S3" in out.getvalue() and WORD not in out.getvalue()
    assert with_password(WORD) == [device.pk], "the simulator finds its devices by opening the seals"


@pytest.mark.django_db
def test_a_backup_holds_no_password(server: Server) -> None:
    environment = os.environ | {"ZHUTU_PGDATABASE": server.database}
    script = (
        "from services.telemetry.models import Device;"
        f"Device.objects.create(protocol='hj212', number='BACKED-UP', password='{WORD}')"
    )
    subprocess.run(["python", "manage.py", "shell", "-v", "0", "-c", script], cwd=settings.ROOT, env=environment,
                   check=True)  # fmt: skip
    given = settings.DATABASES["default"]
    command = ["pg_dump", "-h", given["HOST"], "-U", given["USER"], server.database]
    if given["PORT"]:
        command[1:1] = ["-p", str(given["PORT"])]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "BACKED-UP" in dump and WORD not in dump


def test_f62_no_message_of_the_decoder_tells_a_password() -> None:
    texts = [
        f"QN=1;ST=39;CN=2011;PW={WORD};MN=A;Flag=9;PNUM=x;PNO=1;CP=&&&&",
        f"ST=39;CN=20;pw = {WORD};MN=A;Flag=9;CP=&&&&",
        f"PW={WORD}{'x' * 30};MN=A;ST=39;CN=2011;Flag=9;CP=&&&&",
        f"PW={WORD};MN=A;ST=39;CN=2011",
    ]
    for text in texts:
        data = text.encode()
        stream: Stream[Any] = Stream(lambda frame: decode(frame, Profile()))
        for wrong in (data, data + b"\x01"):
            found = stream.feed(b"##%04d%b%04X\r\n" % (len(wrong), wrong, crc16(wrong)))
            assert found and all(isinstance(each, Refused) and WORD[:5] not in str(each) for each in found)
        assert WORD[:5] not in shown(text) + shown(data)
    assert WORD not in repr(Addressee("A", WORD, "39"))
