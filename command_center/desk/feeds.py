"""Data interfaces on the desk, for administrators: the list, the page of one, its form with a trial, and its runs."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from command_center.desk.doors import fragment, signed_in, visitor
from command_center.desk.feed_forms import SourceForm, Table, mapping_of
from command_center.templatetags.feeds import clock
from ingest.feeds.trial import Trial, trial
from services.access.errors import Invalid
from services.access.principal import Principal
from services.audit.models import Entry
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex
from services.feeds import checks, sources
from services.feeds.models import Run, Source
from services.telemetry.models import Device

PAGE = 30
SAMPLE = 200_000
"""Characters of a sample that somebody pastes."""
STATIONS = 100


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """All interfaces with how they are."""
    principal = _administrator(request)
    rows = list(sources.visible(principal))
    latest = {run.source_id: run for run in Run.objects.filter(pk__in=_latest(rows)).defer("problems")}
    counted = [row.state for row in rows]
    context = {
        "lines": [(row, STATES[row.state](), _into(row), latest.get(row.pk)) for row in rows],
        "figures": [
            (_("全部接口"), len(rows), ""),
            (_("正常"), counted.count("ok"), "ok"),
            (_("出错重试"), counted.count("failing"), "bad" if "failing" in counted else ""),
            (_("数据中断"), counted.count("stale"), "bad" if "stale" in counted else ""),
            (_("等待首批数据"), counted.count("waiting"), ""),
            (_("未启用"), counted.count("off"), ""),
        ],
        "now": timezone.now(),
    }
    return render(request, "desk/feeds.html", context)


@never_cache
@signed_in
def one(request: HttpRequest, pk: int, token: str = "") -> HttpResponse:
    """An interface: its state, its runs, its stations, what was done to it."""
    principal = _administrator(request)
    source = sources.fetch(principal, pk)
    runs = sources.runs(principal, source)
    if state := request.GET.get("state", ""):
        runs = runs.filter(state__in=["partly", "failed", "broken"] if state == "bad" else [state])
    found = Paginator(runs, PAGE).get_page(request.GET.get("page"))
    stations = list(sources.stations(source).select_related("presence")[:STATIONS])
    titles = {row.pk: row for row in FeatureIndex.objects.filter(pk__in=[s.feature for s in stations if s.feature])}
    context = {
        "source": source, "tone": STATES[source.state](), "into": _into(source), "runs": found, "chosen": state,
        "stations": [(s, s.number.partition(":")[2], titles.get(s.feature)) for s in stations],
        "waiting": sum(s.state == Device.State.PENDING for s in stations),
        "changes": [(entry, _deed(entry.action), _changed(entry)) for entry in sources.history(source)],
        "token": token, "push_url": request.build_absolute_uri(reverse("feed-push", args=[pk])),
        "since": source.position.get("since", ""), "now": timezone.now(),
    }  # fmt: skip
    return render(request, "desk/feed.html", context)


@signed_in
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form; POST saves, or with ``trial`` fetches once, or reads the sample, and shows what that would give."""
    principal = _administrator(request)
    source = sources.fetch(principal, pk) if pk is not None else Source()
    if request.method != "POST":
        return _form(request, SourceForm(None, source), source, pk, None)
    form = SourceForm(request.POST, sources.fetch(principal, pk) if pk is not None else Source())
    right = form.is_valid()
    values = form.values | {"mapping": mapping_of(request.POST, request.POST.get("target", ""))}
    drafted = sources.draft(principal, pk, values, form.typed)
    if "trial" in request.POST or "part" in request.POST:
        found = _tried(request, drafted, form) if "trial" in request.POST else None
        return _form(request, form, drafted, pk, found)
    if right:
        try:
            saved = sources.save(principal, pk, values, form.typed)
        except Invalid as error:
            for name, texts in error.fields.items():
                for text in texts:
                    form.add_error(_place(form, name), text)
        else:
            messages.success(request, _("接口设置已保存。"))
            return HttpResponseRedirect(reverse("desk-feed", args=[saved.pk]))
    return _form(request, form, drafted, pk, None, status=422)


@require_POST
@signed_in
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch an interface on or off."""
    try:
        source = sources.switch(_administrator(request), pk, request.POST.get("on") == "1")
    except Invalid as error:
        said = [text for texts in error.fields.values() for text in texts] or [error.message]
        messages.error(request, _("不能启用：%s") % " ".join(said))
        return HttpResponseRedirect(reverse("desk-feed", args=[pk]))
    messages.success(request, _("“%s”已启用。") % source if source.enabled else _("“%s”已停用。") % source)
    back = reverse("desk-feeds") if request.POST.get("next") == "list" else reverse("desk-feed", args=[pk])
    return HttpResponseRedirect(back)


@require_POST
@never_cache
@signed_in
def new_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Issue a token for pushing; it is on the page that answers and nowhere else."""
    return one(request, pk, token=sources.new_token(_administrator(request), pk))


@require_POST
@signed_in
def pull(request: HttpRequest, pk: int) -> HttpResponse:
    """Have it pulled at once."""
    sources.pull_now(_administrator(request), pk)
    messages.success(request, _("已安排提取，稍后刷新查看结果。"))
    return HttpResponseRedirect(reverse("desk-feed", args=[pk]))


@require_POST
@signed_in
def rewind(request: HttpRequest, pk: int) -> HttpResponse:
    """Read again from a moment on."""
    text = request.POST.get("since", "")
    try:
        said = parse_datetime(text)
    except ValueError:
        said = None
    if text and said is None:
        raise Invalid(_("时间填写有误。"), {"since": ["2026-01-31T08:30"]})
    since = timezone.make_aware(said) if said is not None and timezone.is_naive(said) else said
    sources.rewind(_administrator(request), pk, since)
    messages.success(request, _("将重新提取；已有的数据不会重复。"))
    return HttpResponseRedirect(reverse("desk-feed", args=[pk]))


@signed_in
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """One run with the rows that were wrong."""
    found = sources.run(_administrator(request), pk)
    context = {"run": found, "source": found.source, "counts": _counts(found.counts)}
    return render(request, "desk/feed_run.html", context)


def _form(
    request: HttpRequest, form: SourceForm, source: Source, pk: int | None, found: Trial | None, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form, "source": source, "pk": pk, "table": Table(source, found), "trial": found,
        "sample": request.POST.get("sample", "")[:SAMPLE], "into": _into(source),
        "destinations": "/admin/notify/destination/",
    }  # fmt: skip
    part = fragment(request, "feed-fields")
    if part:
        # The records to choose from are those of the layer chosen last.
        form.fields["tab"].widget.attrs["hx-swap-oob"] = "true"
        context["part"] = True
    page = "desk/feed_fields.html" if part else "desk/feed_form.html"
    return render(request, page, context, status=200 if part else status)


def _tried(request: HttpRequest, source: Source, form: SourceForm) -> Trial:
    """The trial of what the form says; what keeps it from being made stands beside the fields and in the result."""
    sample = request.POST.get("sample", "")[:SAMPLE].strip()
    if sample or not source.pulls:
        return trial(source, sample.encode()) if sample else Trial(error=_("请粘贴一段对方将要推送的内容。"))
    wrong = checks.of_call(source)
    for name, texts in wrong.items():
        for text in texts:
            form.add_error(_place(form, name), text)
    if wrong:
        return Trial(error=" ".join(text for texts in wrong.values() for text in texts))
    return trial(source)


def _place(form: SourceForm, name: str) -> str | None:
    """The field of the form that shows an error of a source's field; None for above all."""
    name = {"every": "times"}.get(name, name)
    return name if name in form.fields else None


def _latest(rows: list[Source]) -> list[int]:
    """The number of each source's latest run."""
    latest = Run.objects.filter(source__in=rows).order_by("source_id", "-started_at").distinct("source_id")
    return list(latest.values_list("pk", flat=True))


def _into(source: Source) -> str:
    """Where the data go, in words."""
    layer = registry.get(source.layer)
    if source.target == Source.Target.READINGS or layer is None:
        return str(source.get_target_display())
    tab = checks.tab_of(source)
    return f"{layer.title} · {tab.title}" if tab is not None else layer.title


STATES = {
    "ok": lambda: (_("正常"), "--z-ok"),
    "failing": lambda: (_("出错重试"), "--danger"),
    "stale": lambda: (_("数据中断"), "--danger"),
    "waiting": lambda: (_("等待首批数据"), "--z-warn"),
    "off": lambda: (_("未启用"), "--z-muted"),
}
"""State → words and colour."""


def _counts(counts: dict[str, int]) -> list[tuple[str, int]]:
    words = {
        "rows": _("读到的行"), "values": _("数值"), "new": _("新增数值"), "same": _("已有且相同"),
        "replaced": _("替换无效值"), "revisions": _("与已有值不同"), "quarantined": _("隔离"), "created": _("新建"),
        "changed": _("更新"), "unchanged": _("未变化"), "repeated": _("同批重复"), "ignored": _("未对应的因子"),
        "doubtful": _("不参与统计"), "refused": _("未写入的行"),
    }  # fmt: skip
    return [(label, counts[name]) for name, label in words.items() if counts.get(name) or name in ("rows", "refused")]


def _deed(action: str) -> str:
    known = {
        "create feed": _("新建"), "change feed": _("修改设置"), "switch feed": _("启用或停用"),
        "new token": _("签发推送令牌"), "pull feed": _("手动提取"), "rewind feed": _("重新提取"),
    }  # fmt: skip
    return known.get(action, action)


def _changed(entry: Entry) -> list[tuple[str, str, str]]:
    """The changes of an entry by label; of a new interface none, as all is new."""
    if entry.action == "create feed":
        return []
    found = []
    names = {field.name: field for field in Source._meta.concrete_fields}
    others = {"since": _("从何时取起"), "token": _("推送令牌")}
    for name, pair in entry.changes.items():
        label = str(names[name].verbose_name) if name in names else others.get(name, name)
        choices = dict(names[name].flatchoices) if name in names else {}
        texts = [_text(value, choices) for value in pair] if name != "mapping" else ["…", "…"]
        if name == "since":
            texts = [clock(value) if value else "—" for value in pair]
        found.append((label, texts[0], texts[1]))
    return found


def _text(value: Any, choices: dict[Any, Any]) -> str:
    if value in (None, ""):
        return "—"
    if isinstance(value, bool):
        return _("是") if value else _("否")
    return str(choices.get(value, value))[:120]


def _administrator(request: HttpRequest) -> Principal:
    principal = visitor(request)
    sources.require(principal)
    return principal
