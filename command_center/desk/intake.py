"""Files in, and the jobs that work on them: upload, settings with preview, run, report, undo."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.outputs import attachment
from gis.datums import Datum
from ingest.files import imports
from ingest.files.preview import preview
from ingest.files.reports import report_file
from ingest.models import Import
from services.access import gate
from services.access.errors import AccessError, Invalid, TooLarge
from services.access.principal import Principal
from services.operations import jobs as work
from services.operations.models import Job

RECENT = 20
SRIDS = (4490, 4326, 3857, *range(4513, 4555))
"""CRSs offered by name; a file that states another one is read in that."""


@signed_in
def upload(request: HttpRequest, key: str) -> HttpResponse:
    """Choose a file for a layer; the imports so far stand below."""
    principal = visitor(request)
    layer = gate.layer_for(principal, key, "import")
    context: dict[str, Any] = {"layer": layer, "past": imports.history(principal, layer)[:RECENT]}
    if request.method == "POST":
        file = request.FILES.get("file")
        try:
            if file is None:
                raise Invalid(_("请选择文件。"))
            item = imports.start(principal, layer, file, file.name or "")
        except (Invalid, TooLarge) as error:
            context["refusal"] = [error.message, *_sentences(error)]
            return render(request, "desk/import.html", context, status=422)
        return HttpResponseRedirect(f"/desk/imports/{item.pk}")
    return render(request, "desk/import.html", context)


@signed_in
def settings(request: HttpRequest, pk: UUID) -> HttpResponse:
    """An import: its settings with a preview while it is open, its outcome once it has run."""
    principal = visitor(request)
    item = imports.mine(principal, pk)
    layer = imports.layer_of(principal, item)
    if item.state in (Import.State.RUNNING, Import.State.DONE, Import.State.UNDONE):
        return render(request, "desk/imported.html", {"item": item, "layer": layer})
    refusal: list[str] = []
    if request.method == "POST":
        try:
            if request.POST.get("source") not in (None, item.source):
                item = imports.choose(principal, item, request.POST["source"])
            else:
                item = _configure(principal, item, request)
                if "run" in request.POST:
                    return HttpResponseRedirect(f"/desk/jobs/{imports.submit(principal, item).pk}")
        except AccessError as error:
            refusal = [error.message, *_sentences(error)]
            item = imports.mine(principal, pk)
    shown = preview(principal, item)
    names = [match.field.name for match in shown.matches]
    context = {
        "item": item,
        "layer": layer,
        "preview": shown,
        "samples": [(row, [row.values.get(name, "") for name in names]) for row in shown.rows],
        "refusal": refusal,
        "srids": SRIDS,
        "datums": Datum.choices,
        "policies": Import.Policy.choices,
        "place": [*item.place.get("columns", []), "", ""][:2],
    }
    return render(request, "desk/matching.html", context, status=422 if refusal else 200)


@require_POST
@signed_in
def undo(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take an import back, as a job."""
    principal = visitor(request)
    item = imports.mine(principal, pk)
    imports.layer_of(principal, item)
    job = work.submit("undo-import", _("撤销导入 %s") % item.name, principal, {"import": str(item.pk)})
    return HttpResponseRedirect(f"/desk/jobs/{job.pk}")


@require_POST
@signed_in
def discard(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Forget an import that wrote nothing."""
    principal = visitor(request)
    item = imports.mine(principal, pk)
    imports.discard(principal, item)
    messages.success(request, _("已放弃这次导入。"))
    return HttpResponseRedirect(f"/desk/{item.layer}/import")


@signed_in
def report(request: HttpRequest, pk: UUID) -> StreamingHttpResponse:
    """The problems of an import as a file."""
    made = report_file(imports.mine(visitor(request), pk), request.GET.get("format", "xlsx"))
    response = StreamingHttpResponse(made.chunks, content_type=made.content_type)
    response.headers["Content-Disposition"] = attachment(made.filename)
    return response


@signed_in
def jobs(request: HttpRequest) -> HttpResponse:
    """The user's long work, the latest first; an administrator sees everybody's."""
    principal = visitor(request)
    rows = Job.objects.select_related("user")
    rows = rows if principal.is_admin else rows.filter(user_id=principal.id)
    return render(request, "desk/jobs.html", {"jobs": rows[:50]})


@signed_in
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One job with its progress; the page asks again until it is done."""
    row = work.mine(visitor(request), pk)
    item = Import.objects.filter(pk=row.inputs["import"]).first() if row.inputs.get("import") else None
    context = {"job": row, "item": item, "open": row.state in (Job.State.ACCEPTED, Job.State.RUNNING)}
    return render(request, "desk/progress.html" if fragment(request) else "desk/job.html", context)


@require_POST
@signed_in
def dismiss(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Cancel a job."""
    work.dismiss(visitor(request), pk)
    return HttpResponseRedirect(f"/desk/jobs/{pk}")


def _configure(principal: Principal, item: Import, request: HttpRequest) -> Import:
    """Settle the import as the form says."""
    sent = request.POST
    kind = sent.get("place", "")
    columns = {"point": [sent.get("x", ""), sent.get("y", "")], "wkt": [sent.get("wkt", "")]}.get(kind, [])
    crs = sent.get("crs", "")
    return imports.configure(
        principal, item,
        srid=int(crs) if crs.isdigit() else 0,
        datum=crs if crs in Datum.values else "",
        place={"kind": kind, "columns": columns} if kind else {},
        mapping={name[4:]: sent[name] for name in sent if name.startswith("map.")},
        constants={name[6:]: sent[name] for name in sent if name.startswith("const.")},
        policy=sent.get("policy"),
        repair="repair" in sent,
    )  # fmt: skip


def _sentences(error: AccessError) -> list[str]:
    """What an error says of single settings."""
    return [f"{name}：{'；'.join(texts)}" for name, texts in getattr(error, "fields", {}).items()]
