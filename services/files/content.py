"""What a file is by its first bytes; its name and what a browser says of it count for nothing."""

import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

from django.utils.translation import gettext as _
from PIL import Image, UnidentifiedImageError

from services.access.errors import Invalid
from services.files.models import Attachment

PHOTO, SOUND, FILM, DOCUMENT = Attachment.Kind
MOST_PIXELS = 60_000_000
"""Of a photo: a phone's largest is about 50 million, and decoding costs four bytes a pixel."""
HEAD = 64

_OOXML = "application/vnd.openxmlformats-officedocument."
_OFFICE = {"word/": "wordprocessingml.document", "xl/": "spreadsheetml.sheet", "ppt/": "presentationml.presentation"}


class Content(NamedTuple):
    """A kind of file that is kept."""

    kind: Attachment.Kind
    media_type: str


def content_of(path: Path) -> Content:
    """The kind of a file that may be kept; Invalid for any other and for a photo that cannot be read."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    found = _by_start(head) or (_office(path) if head.startswith(b"PK\x03\x04") else None)
    if found is None:
        raise Invalid(
            _("不支持此类文件。可上传图片、录音、视频、PDF 和 Office 文档。"),
            {"file": [_("按文件内容识别，与扩展名无关。")]},
        )
    if found.kind == PHOTO:
        _check_photo(path)
    return found


def _by_start(head: bytes) -> Content | None:
    """By the numbers that the formats' own specifications put first."""
    if head.startswith(b"RIFF"):
        return {b"WAVE": Content(SOUND, "audio/wav"), b"WEBP": Content(PHOTO, "image/webp")}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return Content(SOUND, "audio/mp4") if head[8:11] == b"M4A" else Content(FILM, "video/mp4")
    # MPEG audio: eleven set bits, then a layer that is not the reserved one.
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06:
        return Content(SOUND, "audio/mpeg")
    return next((content for start, content in _STARTS.items() if head.startswith(start)), None)


_STARTS = {
    b"\xff\xd8\xff": Content(PHOTO, "image/jpeg"),
    b"\x89PNG\r\n\x1a\n": Content(PHOTO, "image/png"),
    b"ID3": Content(SOUND, "audio/mpeg"),
    b"OggS": Content(SOUND, "audio/ogg"),
    b"#!AMR": Content(SOUND, "audio/amr"),
    b"\x1a\x45\xdf\xa3": Content(FILM, "video/webm"),
    b"%PDF-": Content(DOCUMENT, "application/pdf"),
}


def _office(path: Path) -> Content | None:
    """An Office document is a packed folder with a list of contents; only the list is read, nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as pack:
            names = pack.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "[Content_Types].xml" not in names:
        return None
    for folder, kind in _OFFICE.items():
        if any(name.startswith(folder) for name in names):
            return Content(DOCUMENT, _OOXML + kind)
    return None


def _check_photo(path: Path) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                image.verify()
    except Image.DecompressionBombError as error:
        most = {"most": MOST_PIXELS // 10_000}
        raise Invalid(_("图片像素过多，请缩小后再传。"), {"file": [_("最多 %(most)d 万像素。") % most]}) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise Invalid(_("图片已损坏，无法读取。"), {"file": [_("请重新导出或拍摄。")]}) from error
