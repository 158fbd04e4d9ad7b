"""The bytes of attachments: written whole before a row names them, found by identifier only."""

import errno
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from services.access.errors import Invalid, TooLarge
from services.files.content import Content, content_of
from services.files.errors import NoSpace
from services.files.models import Attachment

MOST_BYTES = 200 << 20
ORPHAN_AGE = 3600
"""Seconds after which a file that no row names is what a broken upload left behind."""


class Kept(NamedTuple):
    """Bytes on the disk."""

    size: int
    sha256: str
    content: Content


def path_of(pk: UUID) -> Path:
    """Where the bytes of an attachment lie. Two digits of its random part spread them over 256 folders."""
    return _root() / pk.hex[-2:] / pk.hex


def keep(pk: UUID, chunks: Iterable[bytes]) -> Kept:
    """Write a file as the bytes of ``pk`` and say what it is.

    Raises TooLarge beyond ``MOST_BYTES``, Invalid for an empty file or one of no known kind, NoSpace where the disk is
    full. Nothing stays behind then.
    """
    path = path_of(pk)
    digest, size = hashlib.sha256(), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with path.open("xb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise TooLarge(_("文件超过 %d MB。") % (MOST_BYTES >> 20))
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if size == 0:
            raise Invalid(_("文件是空的。"), {"file": [_("请选择有内容的文件。")]})
        return Kept(size, digest.hexdigest(), content_of(path))
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(_("附件磁盘已满，文件未保存。请联系管理员，稍后重试。")) from error
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def drop(pk: UUID) -> None:
    """Remove the bytes of an attachment."""
    path_of(pk).unlink(missing_ok=True)


def orphans() -> Iterator[Path]:
    """Files that no row names and that are too old to belong to an upload under way."""
    old = time.time() - ORPHAN_AGE
    for folder in sorted(_root().glob("??")):
        found = {path.name: path for path in folder.iterdir() if path.stat().st_mtime < old}
        known = Attachment.objects.filter(pk__in=[UUID(hex=name) for name in found]).values_list("pk", flat=True)
        for pk in known:
            found.pop(pk.hex)
        yield from found.values()


def missing() -> Iterator[UUID]:
    """Attachments whose bytes are not there."""
    for pk, size in Attachment.objects.values_list("pk", "size").iterator():
        path = path_of(pk)
        if not path.is_file() or path.stat().st_size != size:
            yield pk


def _root() -> Path:
    return Path(settings.MEDIA_ROOT) / "files"
