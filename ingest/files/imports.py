"""Importing a file into a layer, step by step: what the screen, the command and the tests call alike.

    item = start(principal, layer, upload, name)        the file is kept and recognised, fields and CRS are guessed
    item = choose(principal, item, "sheet 2")           where the file holds several tables or layers
    shown = preview(principal, item)                    columns, matches, sample rows converted, what is still needed
    item = configure(principal, item, datum="gcj02", mapping={"name": "名称"}, policy="skip", repair=True)
    job = submit(principal, item)                       or run(principal, item) at once, or run(…, dry_run=True)
    undo(principal, item)                               deletes exactly what the import wrote, or says why not
    discard(principal, item)                            forgets an import that wrote nothing

``preview`` stands in ingest.files.preview, ``undo`` in ingest.files.undo, the report as a file in ingest.files.reports.

``upload`` is anything with ``read(size)`` (Django's UploadedFile, an opened file). An ``Import`` row says all of it:
``state`` (uploaded, ready, running, done, failed, undone), ``sources`` (tables or layers in the file), ``source``,
``mapping`` {field: column}, ``constants`` {field: value for empty cells}, ``place`` {"kind": file|point|wkt|"",
"columns": […]}, ``srid`` or ``datum``, ``policy``, ``repair``, ``counts`` {read, written, refused, missing, repaired},
``report`` [[row, field, message]…] (the first thousand), ``notes`` [text…]. Every refusal is an AccessError.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from gis.datums import Datum
from ingest.files import plan, uploads
from ingest.files.plan import Plan, Problem
from ingest.files.source import SourceRow
from ingest.models import Import, ImportedRow
from services.access import gate
from services.access.bulk import create_many
from services.access.errors import Conflict, Invalid, NotFound
from services.access.principal import Principal
from services.catalog.ids import uuid7
from services.catalog.layer import Layer
from services.files.names import shown_name
from services.operations import jobs
from services.operations.models import Job

REPORTED = 1000
"""Problems kept in the report; an import that may have none stops there."""
PROGRESS_ROWS = 2000

Progress = Callable[[float, str], None]
State = Import.State


def start(principal: Principal, layer: Layer, upload: Any, name: str) -> Import:
    """Keep an uploaded file, look into it and guess how it is to be read; raises Invalid or TooLarge."""
    gate.require(principal, layer, "import")
    key, ending = uuid7(), uploads.format_of(name)
    path, size, digest = uploads.keep(upload, key, ending)
    try:
        found = [source for source in uploads.sources(path) if source.rows != 0]
        if not found:
            raise Invalid(_("文件里没有数据行。"))
        item = Import(
            id=key, layer=layer.key, user_id=principal.id, name=shown_name(name), format=ending,
            size=size, digest=digest, sources=[asdict(source) for source in found],
        )  # fmt: skip
        item.source = item.sources[0]["name"]
        plan.suggest(principal, layer, item)
        if before := Import.objects.filter(layer=layer.key, digest=digest, state=State.DONE).first():
            at = timezone.localtime(before.finished_at or before.created_at)
            item.notes = [_("同一个文件已于 %s 导入过此图层。") % f"{at:%Y-%m-%d %H:%M}"]
        item.save()
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return item


def mine(principal: Principal, pk: str | UUID) -> Import:
    """An import of the principal's own; an administrator sees all."""
    try:
        item = history(principal).filter(pk=UUID(str(pk))).first()
    except ValueError:
        item = None
    if item is None:
        raise NotFound(_("没有这次导入。"))
    return item


def history(principal: Principal, layer: Layer | None = None) -> QuerySet[Import]:
    """The principal's imports, the latest first; an administrator sees everybody's."""
    rows = Import.objects.select_related("user", "job")
    if not principal.is_admin:
        rows = rows.filter(user_id=principal.id or UUID(int=0))
    return rows if layer is None else rows.filter(layer=layer.key)


def layer_of(principal: Principal, item: Import) -> Layer:
    """The layer an import goes into; raises where the principal may no longer import there."""
    return gate.layer_for(principal, item.layer, "import")


def choose(principal: Principal, item: Import, source: str) -> Import:
    """Take another table or layer of the file; fields, place and CRS are guessed anew."""
    layer = layer_of(principal, item)
    _settable(item)
    item.source, item.state = source, State.UPLOADED
    plan.suggest(principal, layer, item)
    item.save()
    return item


def discard(principal: Principal, item: Import) -> None:
    """Forget an import that wrote nothing, and its file."""
    layer_of(principal, item)
    _settable(item)
    item.delete()
    item.path.unlink(missing_ok=True)


def configure(
    principal: Principal,
    item: Import,
    *,
    srid: int | None = None,
    datum: str | None = None,
    place: Mapping[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    constants: Mapping[str, Any] | None = None,
    policy: str | None = None,
    repair: bool | None = None,
) -> Import:
    """Settle how the file is read; what is not given stays, ``srid=0`` and ``datum=""`` take back what was chosen.

    Raises Invalid naming the setting that does not hold.
    """
    layer = layer_of(principal, item)
    _settable(item)
    if srid is not None:
        item.srid = srid or None
    given: dict[str, Any] = {"datum": datum, "policy": policy, "repair": repair}
    for name, setting in (("place", place), ("mapping", mapping), ("constants", constants)):
        given[name] = None if setting is None else {k: v for k, v in setting.items() if v not in (None, "")}
    for name, value in given.items():
        if value is not None:
            setattr(item, name, value)
    for name, allowed in (("datum", ["", *Datum.values]), ("policy", Import.Policy.values)):
        if getattr(item, name) not in allowed:
            raise Invalid(_("设置有误。"), {name: [_("可选：%s。") % "、".join(filter(None, allowed))]})
    plan.check(principal, layer, item)
    item.state = State.READY
    item.save()
    return item


def submit(principal: Principal, item: Import) -> Job:
    """Run a configured import as a job."""
    layer = layer_of(principal, item)
    if item.state not in (State.READY, State.FAILED):
        raise Conflict(_("请先完成设置。"))
    title = _("导入 %(file)s 到 %(layer)s") % {"file": item.name, "layer": layer.title}
    item.job = jobs.submit("import-file", title[:200], principal, {"import": str(item.pk)})
    item.save(update_fields=["job"])
    return item.job


def run(principal: Principal, item: Import, *, progress: Progress | None = None, dry_run: bool = False) -> Import:
    """Write the rows in one transaction; with a problem and the policy "all", or on a dry run, nothing is written.

    ``progress`` is called with per cent and text; it may raise to cancel, and then nothing is written.
    """
    layer = layer_of(principal, item)
    before = item.state
    if not Import.objects.filter(pk=item.pk, state__in=(State.READY, State.FAILED)).update(state=State.RUNNING):
        raise Conflict(_("这次导入尚未完成设置，或已经执行。"))
    work = _Work(principal, layer, item, progress)
    try:
        with transaction.atomic():
            work.write()
            if dry_run or (work.refused and item.policy == Import.Policy.ALL):
                raise _TakenBack
        item.state = State.DONE
    except _TakenBack:
        item.state = before if dry_run else State.FAILED
    except BaseException:
        Import.objects.filter(pk=item.pk).update(state=State.FAILED)
        raise
    item.counts, item.report, item.notes = work.counts(kept=item.state == State.DONE), sorted(work.report), work.notes()
    item.finished_at = timezone.now()
    item.save()
    return item


class _TakenBack(Exception):
    """Everything written is rolled back."""


class _Work:
    """One run of an import: what was read, written and refused."""

    def __init__(self, principal: Principal, layer: Layer, item: Import, progress: Progress | None) -> None:
        self.principal, self.layer, self.item, self.progress = principal, layer, item, progress
        self.plan = Plan(principal, layer, item)
        self.read = self.written = 0
        self.refused: set[int] = set()
        self.report: list[tuple[int, str, str]] = []

    def write(self) -> None:
        self.written = create_many(
            self.principal, self.layer, self._rows(),
            created=self._remember, refused=self._refuse,
            note={"import": str(self.item.pk), "file": self.item.name, "sha256": self.item.digest},
        )  # fmt: skip

    def counts(self, kept: bool) -> dict[str, int]:
        counts = {"read": self.read, "written": self.written if kept else 0, "refused": len(self.refused)}
        if self.plan.placer is not None:
            counts |= {"missing": self.plan.placer.tally.missing, "repaired": len(self.plan.placer.tally.repaired)}
        return counts

    def notes(self) -> list[str]:
        """What a person should know besides the problems."""
        found = []
        if self.plan.placer is None:
            found.append(
                _("没有导入位置。") if self.layer.owns_geometry else _("该图层的位置取自关联对象，未导入图形。")
            )
        else:
            tally = self.plan.placer.tally
            if tally.missing:
                found.append(_("%d 行没有位置。") % tally.missing)
            if tally.flattened or " Z" in self.plan.source.geometry or " M" in self.plan.source.geometry:
                found.append(_("高程和测量值已去掉。"))
            found += [
                _("第 %(row)d 行的图形已修复，面积由 %(before).1f m² 变为 %(after).1f m²。")
                % {"row": number, "before": before, "after": after}
                for number, before, after in tally.repaired[:REPORTED]
            ]
        if len(self.report) >= REPORTED:
            found.append(_("问题较多，只列出前 %d 条。") % REPORTED)
        return found

    def _rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for ready in self.plan.rows(self._counted(uploads.rows(self.item.path, self.item.source))):
            if ready.problems:
                for problem in ready.problems:
                    self._report(problem)
            else:
                yield ready.number, ready.values

    def _counted(self, rows: Iterator[SourceRow]) -> Iterator[SourceRow]:
        total = self.plan.source.rows
        for row in rows:
            self.read += 1
            if self.progress and self.read % PROGRESS_ROWS == 0:
                self.progress(95 * self.read / total if total else 0, _("已读 %d 行") % self.read)
            yield row

    def _remember(self, done: list[tuple[int, UUID]]) -> None:
        ImportedRow.objects.bulk_create(
            [ImportedRow(origin=self.item, feature_id=key, number=number) for number, key in done]
        )

    def _refuse(self, number: int, problems: dict[str, list[str]]) -> None:
        for name, messages in problems.items():
            for message in messages:
                self._report(Problem(number, name, message))

    def _report(self, problem: Problem) -> None:
        self.refused.add(problem.row)
        if len(self.report) < REPORTED:
            self.report.append((problem.row, problem.field, problem.message.replace("\x00", "")))
        elif self.item.policy == Import.Policy.ALL:
            raise _TakenBack


def _settable(item: Import) -> None:
    if item.state not in (State.UPLOADED, State.READY, State.FAILED):
        raise Conflict(_("这次导入%s，不能再改设置。") % item.get_state_display())
