"""The files of a feature: listed in its panel, added, opened, removed."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from services.access import gate
from services.access.errors import AccessError
from services.catalog.layer import Layer
from services.files import attachments
from services.files.models import Attachment

SHOWN = 200
CHUNK = 1 << 16
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")


@signed_in
def page(request: HttpRequest, key: str, pk: UUID) -> HttpResponse:
    """The tab with the files; files sent to it are kept, each with a sentence where it cannot be."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key)
    refused = []
    if request.method == "POST":
        gate.fetch(principal, layer, pk, "change")
        for file in request.FILES.getlist("file"):
            try:
                attachments.add(
                    principal, layer, pk, file.name or "", file.chunks(), request.POST.get("note", "").strip()
                )
            except AccessError as error:
                refused.append((file.name, error.message))
    return _tab(request, layer, pk, refused)


@signed_in
def content(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The bytes of a file, whole or one range of them so that recordings can be wound; ``save=1`` to keep it."""
    found, path = attachments.opened(visitor(request), pk)
    response = _part(request, found, path) or FileResponse(path.open("rb"))
    # As a document of its own it may run nothing and reach nothing, whatever is inside.
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'"
    response.headers["Content-Type"] = found.media_type
    response.headers["Accept-Ranges"] = "bytes"
    saved = "save" in request.GET or found.kind == Attachment.Kind.DOCUMENT
    response.headers["Content-Disposition"] = (
        f"{'attachment' if saved else 'inline'}; filename=\"{found.pk}\"; filename*=UTF-8''{quote(found.name, safe='')}"
    )
    return response


@require_POST
@signed_in
def remove(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take a file away and show those that remain."""
    layer, feature = attachments.remove(visitor(request), pk)
    return _tab(request, layer, feature, [])


def _tab(request: HttpRequest, layer: Layer, pk: UUID, refused: list[tuple[str | None, str]]) -> HttpResponse:
    principal = visitor(request)
    rows = attachments.of(principal, layer, pk)
    context = {
        "layer": layer, "pk": pk, "files": list(rows[:SHOWN]), "total": rows.count(), "refused": refused,
        "may_add": gate.restrict(principal, layer, "change").filter(pk=pk).exists(),
        "limit": attachments.store.MOST_BYTES >> 20,
    }  # fmt: skip
    return render(request, "desk/files.html", context)


def _part(request: HttpRequest, found: Attachment, path: Path) -> HttpResponseBase | None:
    """The one range that is asked for (RFC 9110 §14.2), 416 where there are no such bytes, else None."""
    asked = _RANGE.match(request.headers.get("Range", ""))
    if asked is None or not any(asked.groups()):
        return None
    first, last = asked.groups()
    begin = int(first) if first else max(0, found.size - int(last))
    end = min(int(last) if first and last else found.size - 1, found.size - 1)
    if begin > end:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{found.size}"})
    response = StreamingHttpResponse(_read(path, begin, end - begin + 1), status=206)
    response.headers["Content-Range"] = f"bytes {begin}-{end}/{found.size}"
    response.headers["Content-Length"] = str(end - begin + 1)
    return response


def _read(path: Path, begin: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(begin)
        while length > 0 and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
