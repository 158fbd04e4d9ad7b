"""The blacklist of those engaged in labour: listed, found wherever they are to be registered, decided on, lifted.

Whoever writes people, by form, import, interface or admin page, is asked through ``People.objections``. What is found
is kept as a hit that stands until somebody refuses, or admits with a reason where the rules of the enterprise allow it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from layers.people.models import BlacklistEntry, BlacklistHit, BlacklistRule, Person
from layers.people.rules import LISTED
from services.access import gate
from services.access.errors import Conflict, Invalid, NotFound, Refused
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms.raising import end_warning, raise_warning
from services.audit import trail
from services.catalog.layer import Layer, registry

SUBJECT, HANDLING = BlacklistEntry.Subject, BlacklistHit.Handling
ASKED = ("id_number", "enterprise_id", "project_id", "team", "state")
"""What of a person says who is engaged where: a change of anything else asks nothing."""


def layer() -> Layer:
    """The layer of the people."""
    return registry.by_key["people"]


def firms() -> Layer:
    """The layer of the enterprises."""
    return registry.by_key["enterprises"]


def may_read(principal: Principal) -> bool:
    """Whether a principal sees the blacklist: whoever registers or supervises people, wherever they do."""
    return not principal.is_public and (may_list(principal) or gate.may(principal, layer(), "export"))


def may_list(principal: Principal) -> bool:
    """Whether a principal puts others on it."""
    return gate.may(principal, layer(), "create")


def entries(principal: Principal) -> QuerySet[BlacklistEntry]:
    """All of them, whoever listed them: the blacklist is shared. NotFound for who has nothing to do with it."""
    if not may_read(principal):
        raise NotFound(_("没有这个页面。"))
    return BlacklistEntry.objects.select_related("enterprise", "project", "on_behalf")


def fetch(principal: Principal, pk: UUID) -> BlacklistEntry:
    """One of them."""
    found = entries(principal).filter(pk=pk).first()
    if found is None:
        raise NotFound(_("没有这条黑名单。"))
    return found


def own_firms(principal: Principal) -> list[UUID]:
    """The enterprises to which a principal belongs."""
    return [holding.organisation for holding in principal.holdings if holding.organisation is not None]


@transaction.atomic
def enlist(principal: Principal, values: Mapping[str, Any], now: datetime | None = None) -> BlacklistEntry:
    """Put somebody on the blacklist; every project sees it at once. Refused without the right, Invalid otherwise."""
    now = now or timezone.now()
    if not may_list(principal):
        raise Refused(_("需要登记人员的权限。"))
    entry = BlacklistEntry(**values, listed_by_id=principal.id, listed_at=now)
    wrong: dict[str, list[str]] = {}
    for name, of in (("enterprise", firms()), ("project", registry.by_key["projects"])):
        key = getattr(entry, f"{name}_id")
        # Teams and enterprises are named across the regions of who lists them: that is what the list is for.
        seen = of.rows() if name == "enterprise" else gate.restrict(principal, of)
        if key is not None and not seen.filter(pk=key).exists():
            wrong[name] = [_("没有所指的%s。") % of.singular]
    if entry.subject == SUBJECT.PERSON and not entry.id_number:
        wrong["id_number"] = [_("请填写身份证号，进场时以此比对。")]
    elif entry.subject != SUBJECT.PERSON:
        entry.id_number = ""
        if entry.enterprise_id is None:
            wrong["enterprise"] = [_("请选择单位，进场时以此比对。")]
    if wrong:
        raise Invalid(_("填写的内容有误。"), wrong)
    if entry.subject == SUBJECT.ENTERPRISE:
        entry.name = str(entry.enterprise)
    mine = own_firms(principal)
    entry.on_behalf_id = mine[0] if mine else None
    entry.region = next((holding.region for holding in principal.holdings if holding.by_region), "")
    try:
        entry.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    entry.save()
    _audit(principal, "blacklist", entry, {"name": [None, entry.name], "reason": [None, entry.reason]})
    return entry


def may_lift(principal: Principal, entry: BlacklistEntry) -> bool:
    """Whoever listed it, their enterprise, the authority over that enterprise, or over the region of who listed it."""
    if not may_list(principal) or entry.lifted_at is not None:
        return False
    if principal.is_admin or entry.on_behalf_id in own_firms(principal):
        return True
    if entry.on_behalf_id is not None:
        return gate.restrict(principal, firms(), "change").filter(pk=entry.on_behalf_id).exists()
    return any(
        holding.by_region and gate.granted(layer(), holding.role, "change") and entry.region.startswith(holding.region)
        for holding in principal.holdings
    )


@transaction.atomic
def lift(principal: Principal, pk: UUID, reason: str, now: datetime | None = None) -> BlacklistEntry:
    """Take somebody off the blacklist, with the reason; the entry stays to be read."""
    fetch(principal, pk)
    entry = BlacklistEntry.objects.select_for_update(of=("self",)).get(pk=pk)
    if entry.lifted_at is not None:
        raise Conflict(_("该黑名单已经解除。"))
    if not may_lift(principal, entry):
        raise Refused(_("只有列入单位、其主管部门或系统管理员可以解除。"))
    if not reason.strip():
        raise Invalid(_("请填写解除原因。"), {"reason": [_("请填写解除原因。")]})
    entry.lifted_at, entry.lifted_by, entry.lifted_why = now or timezone.now(), _who(principal), reason.strip()[:300]
    entry.save()
    _audit(principal, "lift blacklist", entry, {"reason": [None, entry.lifted_why]})
    return entry


def digest(person: Person) -> str:
    """Whose registration it is, without the number: decisions are found by it."""
    return salted_hmac("people.blacklist", person.id_number or f"name:{person.name}", algorithm="sha256").hexdigest()


def opposed(rows: Sequence[Person]) -> dict[int, list[BlacklistEntry]]:
    """Place → the entries that hold of a person about to be written and on which nobody has decided for there.

    Two queries for any number of rows, a third where rows are changed, a fourth where somebody is found.
    """
    asked = [place for place in _engaged(rows) if rows[place].state != Person.State.LEFT]
    numbers = {rows[place].id_number for place in asked} - {""}
    units = {rows[place].enterprise_id for place in asked}
    found = BlacklistEntry.objects.in_force().filter(
        Q(subject=SUBJECT.PERSON, id_number__in=numbers) | ~Q(subject=SUBJECT.PERSON) & Q(enterprise__in=units)
    )
    listed = list(found)
    if not listed:
        return {}
    met = {place: some for place in asked if (some := [entry for entry in listed if _is(rows[place], entry)])}
    decided = BlacklistHit.objects.filter(entry__in=listed, handling=HANDLING.ADMITTED)
    admitted = {
        (entry, whose, _text(project), _text(unit))
        for entry, whose, project, unit in decided.values_list("entry", "digest", "project", "enterprise")
    }
    open_ = {
        place: [
            entry for entry in some
            if (entry.pk, digest(rows[place]), *_where(rows[place])) not in admitted
        ]
        for place, some in met.items()
    }  # fmt: skip
    return {place: some for place, some in open_.items() if some}


def objections(rows: Sequence[Person]) -> dict[int, dict[str, list[str]]]:
    """The same as sentences beside the field by which each was found."""
    fields = {SUBJECT.PERSON: "id_number", SUBJECT.TEAM: "team", SUBJECT.ENTERPRISE: "enterprise"}
    found: dict[int, dict[str, list[str]]] = {}
    for place, some in opposed(rows).items():
        for entry in some:
            said = _("%(subject)s“%(name)s”在黑名单中（%(authority)s，%(day)s：%(reason)s）。") % {
                "subject": entry.get_subject_display(), "name": entry.name, "authority": entry.authority,
                "day": f"{entry.valid_from}", "reason": entry.reason,
            }  # fmt: skip
            said += _("请在“进场检测”中决定不予进场，或者说明理由后进场。")
            found.setdefault(place, {}).setdefault(fields[SUBJECT(entry.subject)], []).append(said)
    return found


@transaction.atomic
def keep(who: UUID | None, name: str, person: Person, now: datetime | None = None) -> list[BlacklistHit]:
    """Keep that somebody on the blacklist was to be registered, and warn those who watch the project."""
    now = now or timezone.now()
    hits = []
    for entry in opposed([person]).get(0, []):
        key = {
            "entry": entry, "digest": digest(person), "project_id": person.project_id,
            "enterprise_id": person.enterprise_id, "handling": HANDLING.PENDING,
        }  # fmt: skip
        hit, new = BlacklistHit.objects.get_or_create(**key, defaults={
            "name": person.name, "id_masked": _masked(person.id_number), "user_id": who, "person": name, "at": now,
        })  # fmt: skip
        if not new:
            BlacklistHit.objects.filter(pk=hit.pk).update(times=F("times") + 1, at=now)
        if person.project_id is not None:
            raise_warning(
                LISTED, f"{hit.pk}", feature=person.project_id, at=now,
                text=gettext_noop("%(name)s（%(number)s）在黑名单中：%(reason)s（%(authority)s）"),
                given={
                    "name": hit.name, "number": hit.id_masked or "—", "reason": entry.reason,
                    "authority": entry.authority,
                },
            )  # fmt: skip
        hits.append(hit)
    return hits


def hits(principal: Principal) -> QuerySet[BlacklistHit]:
    """What was found at enterprises within reach, and what the principal met with."""
    if not may_read(principal):
        raise NotFound(_("没有这个页面。"))
    rows = BlacklistHit.objects.select_related("entry", "enterprise", "project")
    if gate.condition(principal, firms()) is None:
        return rows
    return rows.filter(Q(user=principal.id) | Q(enterprise__in=gate.restrict(principal, firms()).values("pk")))


def rule_of(hit: BlacklistHit, day: date | None = None) -> BlacklistRule | None:
    """How the enterprise that runs the project, else that of the person, handles it: None where it has not said."""
    day = day or timezone.localdate()
    project: Any = hit.project
    unit = (project.contractor_id if project is not None else None) or hit.enterprise_id
    rows = BlacklistRule.objects.filter(Q(valid_to=None) | Q(valid_to__gt=day), enterprise=unit, valid_from__lte=day)
    return rows.order_by("-valid_from").first()


@transaction.atomic
def settle(
    principal: Principal, pks: Iterable[UUID], handling: str, reason: str, now: datetime | None = None
) -> list[BlacklistHit]:
    """Refuse or admit, with the reason; all of them, or none.

    Refused where the rules of the enterprise let nobody in who is listed, Conflict where it was decided already.
    """
    now = now or timezone.now()
    if handling not in (HANDLING.REFUSED, HANDLING.ADMITTED):
        raise NotFound(_("没有这个操作。"))
    if not may_list(principal):
        raise Refused(_("需要登记人员的权限。"))
    if not reason.strip():
        raise Invalid(_("请说明处理理由。"), {"reason": [_("请说明处理理由。")]})
    wanted = set(pks)
    found = list(hits(principal).select_for_update(of=("self",)).filter(pk__in=wanted))
    if len(found) != len(wanted) or not found:
        raise NotFound(_("没有这条检测记录。"))
    for hit in found:
        if hit.handling != HANDLING.PENDING:
            raise Conflict(_("该检测记录已经处理。"))
        rule = rule_of(hit)
        if handling == HANDLING.ADMITTED and rule is not None and rule.handling == BlacklistRule.Handling.REFUSE:
            raise Refused(_("按企业规定不得进场：%s") % rule.citation)
        hit.handling, hit.reason, hit.settled_by, hit.settled_at = handling, reason.strip()[:300], _who(principal), now
        hit.save()
        if hit.project_id is not None:
            end_warning(LISTED, f"{hit.pk}", feature=hit.project_id, at=now)
        told = {"name": [None, hit.name], "reason": [None, hit.reason]}
        _audit(principal, f"{handling} blacklisted", hit.entry, told)
    return found


@transaction.atomic
def set_rule(principal: Principal, enterprise: UUID, handling: str, citation: str, day: date) -> BlacklistRule:
    """Say how an enterprise handles who is listed, from a day on; what held until then ends with it."""
    gate.fetch(principal, firms(), enterprise)
    governs = gate.restrict(principal, firms(), "change").filter(pk=enterprise).exists()
    if not (may_list(principal) and (governs or enterprise in own_firms(principal))):
        raise Refused(_("只有该企业的账号或其主管部门可以制定。"))
    BlacklistRule.objects.filter(enterprise=enterprise, valid_from=day).delete()
    BlacklistRule.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=day), enterprise=enterprise, valid_from__lt=day
    ).update(valid_to=day)  # fmt: skip
    row = BlacklistRule(enterprise_id=enterprise, handling=handling, citation=citation.strip(), valid_from=day)
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(_("填写的内容有误。"), error.message_dict) from error
    row.save()
    trail.note(
        principal.id, principal.name, "blacklist rule", layer=firms().key, object_id=enterprise,
        changes={"handling": [None, handling], "from": [None, f"{day}"]}, address=principal.address,
    )  # fmt: skip
    return row


def _engaged(rows: Sequence[Person]) -> list[int]:
    """The places of new rows, and of those in which something changes that says who is engaged where."""
    kept = {row.pk for row in rows if not row._state.adding}
    before = {row["pk"]: row for row in Person.objects.filter(pk__in=kept).values("pk", *ASKED)} if kept else {}
    return [
        place
        for place, row in enumerate(rows)
        if row.pk not in before or any(_text(getattr(row, name)) != _text(before[row.pk][name]) for name in ASKED)
    ]


def _is(person: Person, entry: BlacklistEntry) -> bool:
    if entry.subject == SUBJECT.PERSON:
        return bool(person.id_number) and person.id_number == entry.id_number
    if _text(person.enterprise_id) != _text(entry.enterprise_id):
        return False
    return entry.subject == SUBJECT.ENTERPRISE or (bool(person.team) and person.team.strip() == entry.name.strip())


def _where(person: Person) -> tuple[str, str]:
    return _text(person.project_id), _text(person.enterprise_id)


def _text(value: Any) -> str:
    """Rows that are not validated yet may hold keys as texts."""
    return "" if value is None else str(value)


def _masked(number: str) -> str:
    return f"{number[:3]}{'*' * 11}{number[-4:]}" if number else ""


def _who(principal: Principal) -> str:
    user = User.objects.filter(pk=principal.id).first() if principal.id else None
    return str(user or principal.name)[:60]


def _audit(principal: Principal, action: str, entry: BlacklistEntry, changes: dict[str, Any]) -> None:
    trail.note(
        principal.id, principal.name, action, layer="blacklist", object_id=entry.pk, changes=changes,
        address=principal.address,
    )  # fmt: skip
