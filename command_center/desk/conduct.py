"""A conduct of an enterprise on the desk: recorded by an item of the standard, its page, what may be done with it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from command_center.desk.credit import asked_period
from command_center.desk.doors import signed_in, visitor
from command_center.desk.steps import lines
from layers.enterprises import flows, reports
from layers.enterprises.models import CreditEntry, CreditItem
from services.access import gate
from services.access.errors import AccessError, Invalid, NotFound, Refused

SIZE = 50
INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}


class ConductForm(forms.Form):
    """What is recorded of a conduct; points and length are the item's."""

    item = forms.ChoiceField(label=gettext_lazy("评价条目"), widget=forms.Select(SELECT))
    decided_on = forms.DateField(
        label=gettext_lazy("认定日期"), widget=forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d")
    )
    decided_by = forms.CharField(label=gettext_lazy("认定机关"), max_length=100, widget=forms.TextInput(INPUT))
    document = forms.CharField(
        label=gettext_lazy("文书编号"), max_length=100, required=False, widget=forms.TextInput(INPUT)
    )
    project = forms.CharField(
        label=gettext_lazy("涉及工程"), max_length=200, required=False, widget=forms.TextInput(INPUT)
    )
    reason = forms.CharField(label=gettext_lazy("事由"), max_length=300, widget=forms.Textarea({**INPUT, "rows": 3}))

    def __init__(self, *args: Any, items: list[CreditItem], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: dict[str, list[tuple[str, str]]] = {}
        for row in items:
            sign = "+" if row.kind == CreditItem.Kind.REWARD else "−"
            said = _("%(item)s（%(points)s 分，%(months)d 个月）") % {
                "item": f"{row.code} {gettext(row.title)}", "points": f"{sign}{row.points.normalize():f}",
                "months": row.months,
            }  # fmt: skip
            groups.setdefault(str(row.get_kind_display()), []).append((str(row.pk), said))
        self.fields["item"].choices = [("", _("未选择")), *groups.items()]  # type: ignore[attr-defined]


@signed_in
def waiting(request: HttpRequest) -> HttpResponse:
    """The records within reach in a state, those that wait first."""
    principal = visitor(request)
    gate.require(principal, reports.layer(), "view")
    state = request.GET.get("state", "")
    states = dict(CreditEntry.State.choices)
    if state and state not in states:
        raise Invalid(_("没有这个筛选条件。"), {"state": [", ".join(states)]})
    rows = flows.entries(principal)
    rows = rows.filter(state=state) if state else rows.filter(state__in=["proposed", "objected"])
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    number = min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 7 else 1
    context = {
        "lines": list(rows.order_by("-decided_on", "-pk")[(number - 1) * SIZE : number * SIZE]), "total": total,
        "page": number, "pages": pages, "around": {"previous": number - 1, "next": number + 1}, "state": state,
        "states": list(states.items()), "today": timezone.localdate(),
    }  # fmt: skip
    return render(request, "desk/conducts.html", context)


@signed_in
def new(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Record a conduct of an enterprise, or as the enterprise apply for points."""
    principal = visitor(request)
    enterprise: Any = gate.fetch(principal, reports.layer(), pk)
    decides, own = flows.rights(principal, enterprise.pk)
    if not (decides or own):
        raise Refused(_("需要对企业添加记录的权限，或者是该企业的账号。"))
    today = timezone.localdate()
    items = list(flows.items(enterprise, today, kind="" if decides else CreditItem.Kind.REWARD))
    form = ConductForm(request.POST or None, items=items, initial={"decided_on": today})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            given = form.cleaned_data | {"item": int(form.cleaned_data["item"])}
            files = [(file.name or "", file.chunks()) for file in request.FILES.getlist("file")]
            try:
                entry = flows.record(principal, enterprise.pk, files=files, **given)
            except Invalid as error:
                for name, texts in error.fields.items():
                    form.add_error(name if name in form.fields else None, [str(text) for text in texts])
                if not error.fields:
                    form.add_error(None, error.message)
            else:
                messages.success(request, _("已登记，审核公布后计分。"))
                return HttpResponseRedirect(f"/desk/credit/entries/{entry.pk}")
    context = {"form": form, "enterprise": enterprise, "decides": decides, "most": flows.MOST_FILES}
    return render(request, "desk/conduct_new.html", context, status=status)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One entry: what it says, what was done about it, what may be done."""
    principal = visitor(request)
    entry = flows.fetch(principal, pk)
    today = timezone.localdate()
    context = {
        "entry": entry,
        "lines": lines(entry.steps.all(), entry.enterprise_id),
        "allowed": flows.allowed(principal, entry),
        "expired": entry.valid_until is not None and entry.valid_until < today,
        "most": flows.MOST_FILES,
    }
    return render(request, "desk/conduct.html", context)


@require_POST
@signed_in
def act(request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
    """Do one thing with an entry and show it again; what could not be done is said there."""
    principal = visitor(request)
    flows.fetch(principal, pk)
    files = [(file.name or "", file.chunks()) for file in request.FILES.getlist("file")]
    try:
        flows.act(principal, pk, name, request.POST.get("text", ""), files)
    except NotFound:
        raise
    except AccessError as error:
        told = [text for texts in getattr(error, "fields", {}).values() for text in texts]
        messages.error(request, " ".join([error.message, *told]))
    else:
        messages.success(request, _("已记录。"))
    return HttpResponseRedirect(f"/desk/credit/entries/{pk}")


@require_POST
@signed_in
def assess(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Assess an enterprise anew over a period that is over, as a further version."""
    principal = visitor(request)
    gate.fetch(principal, reports.layer(), pk)
    try:
        flows.assess(
            principal, asked_period(request.POST.get("period", "")), pk, reason=request.POST.get("reason", "")
        )  # fmt: skip
    except NotFound:
        raise
    except AccessError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("已重新考评，原版本保留。"))
    return HttpResponseRedirect(f"/desk/enterprises/{pk}#tab-credit")
