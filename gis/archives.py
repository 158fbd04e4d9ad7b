"""Zip files from outside: unpacked under names of our own, within limits that are counted and not believed."""

import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from django.utils.translation import gettext as _

from gis.errors import VectorError, VectorTooLarge

MAX_BYTES = 500 * 1024 * 1024
MAX_MEMBERS = 1000
MAX_RATIO = 100
_CHUNK = 1 << 20
_NESTED = {".zip", ".kmz", ".rar", ".7z", ".gz", ".bz2", ".xz", ".tar", ".tgz"}
_ENCRYPTED, _UTF8_NAME = 0x1, 0x800


@dataclass(frozen=True, slots=True)
class Member:
    """An unpacked file: where it lies now, and what the archive called it."""

    path: Path
    name: PurePosixPath


def unpack(archive: Path, folder: Path, suffixes: frozenset[str]) -> list[Member]:
    """The members with one of these suffixes, unpacked into a private folder as ``0001.shp`` and so on.

    Files of one stem and folder get one number, so that the parts of a Shapefile stay together.

    Raises
    ------
    VectorError
        Not a zip, damaged, encrypted, nested, or with a path or link that leads elsewhere.
    VectorTooLarge
        More than 1000 files, 500 MB, or a hundredfold compression; by what is declared and by what comes out.
    """
    try:
        with ZipFile(archive) as opened:
            members = [(info, _name(info)) for info in opened.infolist() if not info.is_dir()]
            _check(members, archive.stat().st_size)
            return _extract(opened, members, folder, suffixes)
    except (BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, VectorError):
            raise
        raise VectorError(_("压缩包已损坏或不是 zip。请重新压缩后上传。"), "bad-zip") from error


def _name(info: ZipInfo) -> PurePosixPath:
    """The member's name, Chinese names of old Windows archivers included."""
    # ``orig_filename``: ZipInfo cuts the other one at a NUL.
    name = info.orig_filename
    if not info.flag_bits & _UTF8_NAME:
        raw = name.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    path = PurePosixPath(name.replace("\\", "/"))
    if (
        "\0" in name
        or path.is_absolute()
        or ".." in path.parts
        or ":" in name
        or stat.S_ISLNK(info.external_attr >> 16)
    ):
        raise VectorError(
            _("压缩包中的“%(name)s”指向包外。请只打包数据文件本身。") % {"name": name[:100]}, "unsafe-path"
        )
    return path


def _check(members: list[tuple[ZipInfo, PurePosixPath]], packed: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise VectorTooLarge(
            _("压缩包内文件超过 %(limit)d 个。请分批上传。") % {"limit": MAX_MEMBERS}, "too-many-files"
        )
    declared = sum(info.file_size for info, _path in members)
    if declared > MAX_BYTES:
        raise _too_large()
    if declared > MAX_RATIO * max(packed, 1):
        raise VectorTooLarge(
            _("压缩包的压缩比超过 %(limit)d 倍，不予解压。请分批上传。") % {"limit": MAX_RATIO}, "ratio"
        )
    for info, path in members:
        if info.flag_bits & _ENCRYPTED:
            raise VectorError(_("压缩包已加密。请去掉密码后上传。"), "encrypted")
        if path.suffix.lower() in _NESTED:
            raise VectorError(
                _("压缩包里还有压缩包“%(name)s”。请解开后重新打包。") % {"name": path.name[:100]}, "nested"
            )


def _extract(
    opened: ZipFile, members: list[tuple[ZipInfo, PurePosixPath]], folder: Path, suffixes: frozenset[str]
) -> list[Member]:
    numbers: dict[PurePosixPath, int] = {}
    unpacked: list[Member] = []
    room = MAX_BYTES
    for info, path in members:
        suffix = path.suffix.lower()
        if suffix not in suffixes or path.name.startswith("._"):
            continue
        number = numbers.setdefault(path.with_suffix(""), len(numbers) + 1)
        target = folder / f"{number:04}{suffix}"
        if target.exists():
            raise VectorError(_("压缩包里有两个同名文件“%(name)s”。") % {"name": path.name[:100]}, "duplicate")
        with opened.open(info) as source, target.open("xb") as sink:
            while chunk := source.read(_CHUNK):
                room -= len(chunk)
                if room < 0:
                    raise _too_large()
                sink.write(chunk)
        unpacked.append(Member(target, path))
    return unpacked


def _too_large() -> VectorTooLarge:
    return VectorTooLarge(_("解压后超过 %(limit)d MB。请分批上传。") % {"limit": MAX_BYTES >> 20}, "too-large")
