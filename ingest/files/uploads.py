"""Uploads kept under a name of ours: recognised by ending and content, counted, hashed."""

import hashlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from ingest.files import delimited
from ingest.files.source import Source, SourceRow
from services.access.errors import Invalid, TooLarge
from services.files.names import shown_name

MAX_BYTES = 500 * 1024 * 1024
CHUNK = 1 << 20

FORMATS = ("geojson", "json", "gpkg", "zip", "kml", "kmz", "csv", "xlsx")
_PACKED = ("zip", "kmz", "xlsx")


def format_of(name: str) -> str:
    """The format that a name's ending says; raises Invalid naming those that can be read."""
    ending = shown_name(name).rpartition(".")[2].lower()
    ending = {"txt": "csv", "tsv": "csv"}.get(ending, ending)
    if ending not in FORMATS:
        raise Invalid(
            _("不能导入“%(name)s”。可导入：GeoJSON、GeoPackage、Shapefile（zip）、KML、KMZ、CSV、Excel（.xlsx）。")
            % {"name": shown_name(name)},
            {"file": [_("可用的扩展名：%s。") % "、".join(FORMATS)]},
        )
    return ending


def keep(upload: Any, key: UUID, ending: str) -> tuple[Path, int, str]:
    """Write an upload's bytes below MEDIA_ROOT; returns the path, the size and the SHA-256. ``upload`` is read."""
    folder = Path(settings.MEDIA_ROOT) / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    path = folder / f"{key}.{ending}"
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as file:
            while chunk := upload.read(CHUNK):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise TooLarge(_("文件超过 %(most)d MB。请拆分后分次导入。") % {"most": MAX_BYTES >> 20})
                digest.update(chunk)
                file.write(chunk)
        if size == 0:
            raise Invalid(_("文件是空的。"))
        check_start(path, ending)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, size, digest.hexdigest()


def sources(path: Path) -> list[Source]:
    """The tables or layers of a kept file."""
    return _reader(path).sources(path)


def rows(path: Path, name: str) -> Iterator[SourceRow]:
    """The rows of one of them."""
    return _reader(path).rows(path, name)


def _reader(path: Path) -> Any:
    if path.suffix == ".csv":
        return delimited
    # GDAL and openpyxl cost 150 MB and seconds at start: only who imports a file of theirs pays.
    return import_module("ingest.files.workbooks" if path.suffix == ".xlsx" else "ingest.files.vectors")


def check_start(path: Path, ending: str) -> None:
    """A packed file under another ending, or the other way round, is told apart before a reader trips over it."""
    with path.open("rb") as file:
        packed = file.read(2) == b"PK"
    if packed != (ending in _PACKED):
        raise Invalid(_("文件内容与扩展名 .%(ending)s 不符。请从原软件重新导出。") % {"ending": ending})
