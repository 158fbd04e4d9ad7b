"""The blacklist on the desk: the shared list, listing and lifting, what was met with and how it was handled."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Case, Count, Q, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.http import require_POST

from command_center.desk.doors import signed_in, visitor
from command_center.desk.forms import Reference, blanks
from layers.people import flows
from layers.people.models import BlacklistEntry, BlacklistHit, BlacklistRule
from services.access import gate
from services.access.errors import AccessError, Invalid, NotFound, Refused

SIZE = 50
INPUT, SELECT = {"class": "form-control"}, {"class": "form-select"}
FIELDS = (
    "subject", "name", "id_number", "enterprise", "project", "authority", "document", "valid_from", "valid_until",
    "reason",
)  # fmt: skip
STANDINGS = ("now", "lifted", "past", "all")


class Held(list[tuple[BlacklistHit, BlacklistRule | None]]):
    """What is held against a registration, each with the rule of the enterprise."""

    @property
    def may_admit(self) -> bool:
        return not any(rule and rule.handling == BlacklistRule.Handling.REFUSE for _hit, rule in self)


def held(hits: Iterable[BlacklistHit]) -> Held:
    """The hits with the rules that hold for them."""
    return Held((hit, flows.rule_of(hit)) for hit in hits)


def still(request: HttpRequest) -> Held:
    """The hits that a form has sent back and that nobody has decided on."""
    return held(flows.hits(visitor(request)).filter(pk__in=_keys(request), handling="pending"))


def settle(request: HttpRequest) -> bool:
    """Decide as a form says; whether the person was refused. AccessError where that is not possible."""
    handling = request.POST.get("settle", "")
    flows.settle(visitor(request), _keys(request), handling, request.POST.get("held-reason", ""))
    return handling == BlacklistHit.Handling.REFUSED


@signed_in
def page(request: HttpRequest) -> HttpResponse:
    """The list, the same for everybody who registers people."""
    principal = visitor(request)
    rows = flows.entries(principal)
    query = {name: request.GET.get(name, "").strip()[:100] for name in ("q", "subject", "standing")}
    query["standing"] = query["standing"] or "now"
    for name, allowed in (("subject", BlacklistEntry.Subject.values), ("standing", STANDINGS)):
        if query[name] and query[name] not in allowed:
            raise Invalid(_("没有这个筛选条件。"), {name: [", ".join(allowed)]})
    today = timezone.localdate()
    standing = {
        "now": Q(lifted_at=None) & (Q(valid_until=None) | Q(valid_until__gte=today)),
        "lifted": Q(lifted_at__isnull=False), "past": Q(lifted_at=None, valid_until__lt=today), "all": Q(),
    }  # fmt: skip
    rows = rows.filter(standing[query["standing"]])
    if query["subject"]:
        rows = rows.filter(subject=query["subject"])
    if query["q"]:
        text = query["q"]
        found = Q(name__icontains=text) | Q(reason__icontains=text) | Q(authority__icontains=text)
        # A whole number finds its entry; a part of one finds nothing, so that nobody is found by guessing.
        rows = rows.filter(found | Q(enterprise__name__icontains=text) | Q(id_number=text.upper()))
    total, number, pages = _paged(request, rows)
    rows = rows.annotate(n=Count("hits"))
    labels = {"now": pgettext("blacklist", "在册"), "lifted": _("已解除"), "past": _("已到期"), "all": _("全部")}
    context = {
        "lines": list(rows.order_by("-listed_at", "-pk")[(number - 1) * SIZE : number * SIZE]), "total": total,
        "page": number, "pages": pages, "around": {"previous": number - 1, "next": number + 1}, "query": query,
        "subjects": BlacklistEntry.Subject.choices, "standings": [(name, labels[name]) for name in STANDINGS],
        "may_list": flows.may_list(principal), "narrowed": bool(query["q"] or query["subject"]),
        "waiting": flows.hits(principal).filter(handling="pending").count(),
    }  # fmt: skip
    return render(request, "desk/blacklist.html", context)


class EntryForm(forms.ModelForm):
    """Somebody to be listed."""

    enterprise = Reference(BlacklistEntry._meta.get_field("enterprise").related_model, required=False)  # type: ignore[arg-type]
    project = Reference(BlacklistEntry._meta.get_field("project").related_model, required=False)  # type: ignore[arg-type]

    class Meta:
        model = BlacklistEntry
        fields = FIELDS
        widgets = {
            "subject": forms.Select(SELECT), "reason": forms.Textarea({**INPUT, "rows": 3}),
            **dict.fromkeys(("name", "authority", "document"), forms.TextInput(INPUT)),
            "id_number": forms.TextInput({**INPUT, "autocomplete": "off"}),
            **dict.fromkeys(("valid_from", "valid_until"), forms.DateInput({**INPUT, "type": "date"}, "%Y-%m-%d")),
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        blanks(self.fields)
        self.fields["name"].required = False  # an enterprise has one

    def _post_clean(self) -> None:
        """Nothing: the flow checks and writes the row, the form only reads what was sent."""


@signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Put somebody on the list."""
    principal = visitor(request)
    flows.entries(principal)
    if not flows.may_list(principal):
        raise Refused(_("需要登记人员的权限。"))
    form = EntryForm(request.POST or None, initial={"valid_from": timezone.localdate(), "subject": "person"})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = {name: form.cleaned_data[name] for name in FIELDS}
            for name in ("enterprise", "project"):
                values[f"{name}_id"] = values.pop(name)
            try:
                entry = flows.enlist(principal, values)
            except Invalid as error:
                for name, texts in error.fields.items():
                    form.add_error(name if name in form.fields else None, [str(text) for text in texts])
            else:
                messages.success(request, _("已列入黑名单，各项目立即可见。"))
                return HttpResponseRedirect(f"/desk/blacklist/{entry.pk}")
    shown = {name: _name(form, name) for name in ("enterprise", "project")}
    return render(request, "desk/blacklist_new.html", {"form": form, "shown": shown}, status=status)


@signed_in
def one(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One entry, and where it was met with within reach."""
    principal = visitor(request)
    entry = flows.fetch(principal, pk)
    context = {
        "entry": entry, "may_lift": flows.may_lift(principal, entry),
        "hits": list(flows.hits(principal).filter(entry=entry)[:SIZE]), "all_hits": entry.hits.count(),
        "sees": gate.restrict(principal, flows.firms()).filter(pk=entry.enterprise_id).exists(),
    }  # fmt: skip
    return render(request, "desk/blacklisted.html", context)


@require_POST
@signed_in
def lift(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take an entry off the list."""
    try:
        flows.lift(visitor(request), pk, request.POST.get("reason", ""))
    except NotFound:
        raise
    except AccessError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("已解除。"))
    return HttpResponseRedirect(f"/desk/blacklist/{pk}")


@signed_in
def hits(request: HttpRequest) -> HttpResponse:
    """What was found when people were registered, those that wait first; POST decides on some of them."""
    principal = visitor(request)
    rows = flows.hits(principal)
    if request.method == "POST":
        try:
            settle(request)
        except NotFound:
            raise
        except AccessError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, _("已记录。"))
        return HttpResponseRedirect("/desk/blacklist/hits")
    handling = request.GET.get("handling", "")
    if handling and handling not in BlacklistHit.Handling.values:
        raise Invalid(_("没有这个筛选条件。"), {"handling": [", ".join(BlacklistHit.Handling.values)]})
    if handling:
        rows = rows.filter(handling=handling)
    total, number, pages = _paged(request, rows)
    waiting_first = Case(When(handling="pending", then=0), default=1)
    shown = list(rows.order_by(waiting_first, "-at", "-pk")[(number - 1) * SIZE : number * SIZE])
    context = {
        "lines": [(hit, flows.rule_of(hit) if hit.handling == "pending" else None) for hit in shown], "total": total,
        "page": number, "pages": pages, "around": {"previous": number - 1, "next": number + 1}, "handling": handling,
        "handlings": BlacklistHit.Handling.choices, "may_settle": flows.may_list(principal),
    }  # fmt: skip
    return render(request, "desk/blacklist_hits.html", context)


@signed_in
def rules(request: HttpRequest) -> HttpResponse:
    """How enterprises handle who is listed; POST says it anew from a day on."""
    principal = visitor(request)
    flows.entries(principal)
    if request.method == "POST":
        try:
            day = date.fromisoformat(request.POST.get("valid_from", ""))
            flows.set_rule(
                principal, UUID(request.POST.get("enterprise", "")), request.POST.get("handling", ""),
                request.POST.get("citation", ""), day,
            )  # fmt: skip
        except ValueError:
            messages.error(request, _("请选择企业并填写启用日期。"))
        except NotFound:
            raise
        except AccessError as error:
            told = [text for texts in getattr(error, "fields", {}).values() for text in texts]
            messages.error(request, " ".join([error.message, *told]))
        else:
            messages.success(request, _("已保存。"))
        return HttpResponseRedirect("/desk/blacklist/rules")
    mine = flows.own_firms(principal)
    reach = gate.restrict(principal, flows.firms()).values("pk")
    own: Any = gate.restrict(principal, flows.firms()).filter(pk__in=mine).first()
    context = {
        "lines": list(BlacklistRule.objects.filter(enterprise__in=reach).select_related("enterprise")),
        "handlings": BlacklistRule.Handling.choices, "today": timezone.localdate(),
        "may_set": flows.may_list(principal), "own": own,
    }  # fmt: skip
    return render(request, "desk/blacklist_rules.html", context)


def _paged(request: HttpRequest, rows: Any) -> tuple[int, int, int]:
    """How many rows, which page, of how many."""
    total = rows.count()
    pages = max(1, -(-total // SIZE))
    asked = request.GET.get("page", "1")
    return total, min(max(1, int(asked)), pages) if asked.isdecimal() and len(asked) < 7 else 1, pages


def _keys(request: HttpRequest) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("hit")]
    except ValueError:
        raise NotFound(_("没有这条检测记录。")) from None


def _name(form: EntryForm, name: str) -> str:
    """The name of what a reference points at, as it was sent."""
    field: Any = form.fields[name]
    try:
        row = field.model._default_manager.filter(pk=field.to_python(form[name].value())).first()
    except (forms.ValidationError, ValueError):
        row = None
    return str(row) if row is not None else ""
