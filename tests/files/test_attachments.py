"""Attachments: what is kept, what is refused, who sees it, and that rows and bytes belong together."""

import io
import os
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from PIL import Image

from layers.environment.models import Monitor
from services.access.errors import Invalid, NotFound, Refused, TooLarge
from services.access.principal import Principal
from services.accounts.models import User
from services.audit.models import Entry
from services.catalog.layer import registry
from services.files import attachments, store
from services.files.errors import NoSpace
from services.files.models import Attachment

pytestmark = pytest.mark.django_db
LAYER = registry.by_key["monitors"]


def photo(size: tuple[int, int] = (8, 6), kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 80, 20)).save(out, kind)
    return out.getvalue()


def office(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as pack:
        for name in names:
            pack.writestr(name, "x")
    return out.getvalue()


SOUND = b"RIFF" + (36 + 8000).to_bytes(4, "little") + b"WAVEfmt " + bytes(8020)


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def monitor(who: dict[str, Principal]) -> Monitor:
    found = Monitor.objects.filter(region__code__startswith="511702").first()
    assert found is not None
    return found


def bytes_on_disk(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "content", "kind", "media_type"),
    [
        ("a.jpg", photo(), "photo", "image/jpeg"),
        ("renamed.exe", photo(kind="PNG"), "photo", "image/png"),
        ("a.webp", photo(kind="WEBP"), "photo", "image/webp"),
        ("录音.wav", SOUND, "sound", "audio/wav"),
        ("a.mp3", b"\xff\xfb\x90\x64" + bytes(400), "sound", "audio/mpeg"),
        ("a.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(99), "film", "video/mp4"),
        ("a.pdf", b"%PDF-1.7\n", "document", "application/pdf"),
        (
            "a.xlsx", office("[Content_Types].xml", "xl/workbook.xml"), "document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
    ],
)  # fmt: skip
def test_a_file_is_what_its_content_says(
    who: dict[str, Principal], monitor: Monitor, media: Path, name: str, content: bytes, kind: str, media_type: str
) -> None:
    kept = attachments.add(who["owner"], LAYER, monitor.pk, name, [content])
    assert (kept.kind, kept.media_type, kept.size, kept.name) == (kind, media_type, len(content), name)
    found, path = attachments.opened(who["owner"], kept.pk)
    assert path.read_bytes() == content
    assert found == kept
    assert bytes_on_disk(media) == [path]
    assert Entry.objects.filter(action="add file", object_id=str(monitor.pk), changes__file=name).count() == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"<html>", b"MZ\x90\x00", b"plain text",
        photo()[:40], office("a.txt"), b"PK\x03\x04broken", b"GIF89a/*" + bytes(60),
    ],
)  # fmt: skip
def test_what_is_no_known_kind_leaves_nothing_behind(
    who: dict[str, Principal], monitor: Monitor, media: Path, content: bytes
) -> None:
    with pytest.raises(Invalid):
        attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [content])
    assert not Attachment.objects.exists()
    assert bytes_on_disk(media) == []


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(
    who: dict[str, Principal], monitor: Monitor, media: Path
) -> None:
    """F57: sixty thousand pixels square in a few bytes."""
    bomb = bytearray(photo(kind="PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    with pytest.raises(Invalid, match="像素"):
        attachments.add(who["owner"], LAYER, monitor.pk, "a.png", [bytes(bomb)])
    assert bytes_on_disk(media) == []


def test_a_file_beyond_the_limit_is_refused_while_it_arrives(
    who: dict[str, Principal], monitor: Monitor, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 1000)

    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(400)

    with pytest.raises(TooLarge):
        attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", endless())
    assert bytes_on_disk(media) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"), ("a\u202egpj.exe", "a gpj.exe"), ("x" * 300, None), ("\x00\n", "?"),
        ("照片😀.jpg", "照片😀.jpg"),
    ],
)  # fmt: skip
def test_a_name_is_only_shown(
    who: dict[str, Principal], monitor: Monitor, media: Path, given: str, shown: str | None
) -> None:
    """F58."""
    kept = attachments.add(who["owner"], LAYER, monitor.pk, given, [photo()])
    assert len(kept.name) <= 200
    assert shown is None or kept.name == shown
    (path,) = bytes_on_disk(media)
    assert path == store.path_of(kept.pk)


def test_the_same_bytes_twice_are_one_file(who: dict[str, Principal], monitor: Monitor, media: Path) -> None:
    first = attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo()])
    assert attachments.add(who["owner"], LAYER, monitor.pk, "b.jpg", [photo()]) == first
    assert Attachment.objects.count() == len(bytes_on_disk(media)) == 1
    at = timezone.now() - timedelta(hours=2)
    sent, new = attachments.receive(monitor.pk, 7, "s.jpg", at, [photo()])
    assert (new, sent.late, sent.device) == (True, True, 7)
    assert attachments.receive(monitor.pk, 7, "s.jpg", at, [photo()]) == (sent, False)
    assert Attachment.objects.count() == len(bytes_on_disk(media)) == 2


def test_a_full_disk_keeps_neither_row_nor_file(
    who: dict[str, Principal], monitor: Monitor, tmp_path: Path, settings: Any
) -> None:
    """F08."""
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=64k tmpfs {small} 2>/dev/null"):
        pytest.skip("mounting a small disk needs root and the right to mount")
    settings.MEDIA_ROOT = small
    try:
        with pytest.raises(NoSpace):
            attachments.add(who["owner"], LAYER, monitor.pk, "a.wav", [SOUND] * 20)
        assert not Attachment.objects.exists()
        assert bytes_on_disk(small) == []
        attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo()])
    finally:
        os.system(f"umount {small}")


def test_rights_follow_the_feature(who: dict[str, Principal], monitor: Monitor) -> None:
    kept = attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo()])
    assert list(attachments.of(who["inspector"], LAYER, monitor.pk)) == [kept]
    with pytest.raises(Refused):
        attachments.add(who["inspector"], LAYER, monitor.pk, "b.jpg", [photo((9, 9))])
    with pytest.raises(Refused):
        attachments.remove(who["inspector"], kept.pk)
    for name in ("neighbour", "stranger", "public"):
        for act in (
            lambda p: attachments.of(p, LAYER, monitor.pk),
            lambda p: attachments.opened(p, kept.pk),
            lambda p: attachments.add(p, LAYER, monitor.pk, "b.jpg", [photo((9, 9))]),
            lambda p: attachments.remove(p, kept.pk),
        ):
            with pytest.raises(NotFound):
                act(who[name])
    assert Attachment.objects.count() == 1


def test_what_a_device_sent_stays(who: dict[str, Principal], monitor: Monitor) -> None:
    sent, _new = attachments.receive(monitor.pk, 7, "s.jpg", timezone.now(), [photo()])
    with pytest.raises(Refused):
        attachments.remove(who["admin"], sent.pk)
    with pytest.raises(Invalid):
        attachments.receive(monitor.pk, 7, "s.jpg", timezone.now() + timedelta(hours=1), [photo()])


@pytest.mark.django_db(transaction=False)
def test_removal_takes_the_bytes_once_the_row_is_gone(
    who: dict[str, Principal], monitor: Monitor, media: Path, django_capture_on_commit_callbacks: Any
) -> None:
    kept = attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo()])
    with django_capture_on_commit_callbacks(execute=True):
        attachments.remove(who["owner"], kept.pk)
    assert bytes_on_disk(media) == []
    assert Entry.objects.filter(action="remove file", object_id=str(monitor.pk)).count() == 1


def test_the_command_names_what_does_not_belong_together(
    who: dict[str, Principal], monitor: Monitor, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo()])
    lone = store.path_of(kept.pk).with_name("0" * 32)
    lone.write_bytes(b"left behind")
    call_command("files", tidy=True)
    assert lone.exists(), "it may belong to an upload under way"
    os.utime(lone, (0, 0))
    call_command("files", tidy=True)
    assert not lone.exists()
    store.path_of(kept.pk).unlink()
    with pytest.raises(CommandError):
        call_command("files")
    assert str(kept.pk) in capsys.readouterr().out


@pytest.fixture
def clients() -> dict[str, Client]:
    found = {}
    for name in ("owner", "inspector", "neighbour", "stranger", "public"):
        found[name] = Client(SERVER_NAME="127.0.0.1")
        if name != "public":
            found[name].force_login(User.objects.get(username=name))
    return found


def test_files_are_added_shown_wound_and_removed_on_the_desk(clients: dict[str, Client], monitor: Monitor) -> None:
    tab = f"/desk/monitors/{monitor.pk}/files"
    sent = [
        SimpleUploadedFile("现场.jpg", photo()),
        SimpleUploadedFile("夜间.wav", SOUND),
        SimpleUploadedFile("x.svg", b"<svg/>"),
    ]
    shown = clients["owner"].post(tab, {"file": sent}).content.decode()
    assert "现场.jpg" in shown
    assert "夜间.wav" in shown
    assert shown.count('class="file"') == 2
    assert "x.svg" in shown.partition("</div></div>")[0], "the one that cannot be kept is named"
    sound = Attachment.objects.get(kind="sound")
    part = clients["inspector"].get(f"/desk/files/{sound.pk}", headers={"Range": "bytes=8-11"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"WAVE")
    assert part.headers["Content-Range"] == f"bytes 8-11/{len(SOUND)}"
    tail = clients["inspector"].get(f"/desk/files/{sound.pk}", headers={"Range": "bytes=-4"})
    assert b"".join(tail.streaming_content) == SOUND[-4:]
    beyond = clients["inspector"].get(f"/desk/files/{sound.pk}", headers={"Range": "bytes=999999-"})
    assert beyond.status_code == 416
    whole = clients["inspector"].get(f"/desk/files/{sound.pk}")
    assert b"".join(whole.streaming_content) == SOUND
    assert whole.headers["Content-Type"] == "audio/wav"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    left = clients["owner"].post(f"/desk/files/{sound.pk}/remove").content.decode()
    assert "夜间.wav" not in left
    assert "现场.jpg" in left


@pytest.mark.parametrize("name", ["neighbour", "stranger", "public"])
def test_a_foreigner_opens_and_removes_nothing(clients: dict[str, Client], monitor: Monitor, name: str) -> None:
    """F43."""
    clients["owner"].post(f"/desk/monitors/{monitor.pk}/files", {"file": SimpleUploadedFile("a.jpg", photo())})
    kept = Attachment.objects.get()
    refused = (302, 401) if name == "public" else (404,)
    assert clients[name].get(f"/desk/files/{kept.pk}").status_code in refused
    assert clients[name].post(f"/desk/files/{kept.pk}/remove").status_code in refused
    sent = {"file": SimpleUploadedFile("b.jpg", photo((9, 9)))}
    assert clients[name].post(f"/desk/monitors/{monitor.pk}/files", sent).status_code in refused
    assert Attachment.objects.count() == 1


def test_the_tab_asks_as_often_for_many_files_as_for_one(
    clients: dict[str, Client], who: dict[str, Principal], monitor: Monitor
) -> None:
    from django.test.utils import CaptureQueriesContext

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert clients["owner"].get(f"/desk/monitors/{monitor.pk}/files").status_code == 200
        return len(queries)

    attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo()])
    asked()
    one = asked()
    for n in range(2, 8):
        attachments.add(who["owner"], LAYER, monitor.pk, "a.jpg", [photo((n, 3))])
    assert asked() == one
