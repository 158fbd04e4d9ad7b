"""The pages of batches and charges: who sees them, what they find, and that more rows make no more queries."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from layers.concrete.models import Batch, Formula, Mix, MixingPlant
from layers.concrete.reports import charges, comparison, runs
from layers.projects.models import Project
from services.access import principal as principals
from services.accounts.models import Membership, User
from services.accounts.roles import Role
from services.audit.models import Entry
from tests.conftest import HOME, SIBLING, client
from tests.domains.plants_clients import Sender, cycle, sender

pytestmark = pytest.mark.django_db


@pytest.fixture
def home() -> Sender:
    """The client of a plant in the owner's county."""
    plant = MixingPlant.objects.filter(region__code__startswith=HOME).order_by("pk").first()
    assert plant is not None
    return sender(plant)


@pytest.fixture
def batch(home: Sender) -> Batch:
    """A batch with two charges, the second out of tolerance, for no project."""
    found = home.register("RW-PAGE", mix_number="SJ-PAGE", supervision_number="BJ-PAGE-7", part="测试部位")
    home.charge(found, cycle(1), cycle(2, water=5.0))
    found.refresh_from_db()
    return found


def page(user: str, path: str, **query: str) -> Any:
    return client(user).get(path, query)


def text(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return str(body.decode())


@pytest.mark.covers("DZ-251")
def test_a_production_record_holds_four_fields_and_is_found_by_each(batch: Batch) -> None:
    serial = batch.charges.get(sequence=2).serial
    for name, value in (
        ("q", serial), ("q", batch.number), ("supervision", "BJ-PAGE-7"), ("mix", "SJ-PAGE"), ("grade", "C30"),
    ):  # fmt: skip
        shown = text(page("owner", "/desk/production", **{name: value}))
        assert batch.number in shown, (name, value)
    for name, value in (("q", "NONE"), ("supervision", "BJ-OTHER"), ("mix", "SJ-OTHER"), ("grade", "C60")):
        assert batch.number not in text(page("owner", "/desk/production", **{name: value})), (name, value)
    shown = text(page("owner", f"/desk/batches/{batch.pk}"))
    for part in (serial, "BJ-PAGE-7", "SJ-PAGE", "C30"):
        assert part in shown


@pytest.mark.covers("DZ-270")
def test_a_batch_opens_with_charges_alarms_and_quality(batch: Batch) -> None:
    shown = text(page("owner", f"/desk/batches/{batch.pk}"))
    assert "有盘次不合格" in shown or "累计偏差超限" in shown
    assert shown.count('class="verdict is-out"') >= 1
    assert "投料偏差超限" in shown
    assert "+5.00" in shown
    part = client("owner").get(f"/desk/batches/{batch.pk}", headers={"HX-Request": "true"})
    assert "<html" not in text(part)
    assert batch.charges.get(sequence=1).serial in text(part)


def test_the_panel_of_a_plant_follows_what_it_charges(home: Sender, batch: Batch) -> None:
    panel = text(page("owner", f"/desk/mixing_plants/{home.plant.pk}"))
    assert f"/desk/mixing_plants/{home.plant.pk}/charges" in panel
    shown = text(page("owner", f"/desk/mixing_plants/{home.plant.pk}/charges"))
    assert f"charge-{home.plant.pk} from:body" in shown
    assert [f"{batch.number}-{n:03}" in shown for n in (1, 2)] == [True, True]
    assert "水秤超差" in shown
    listed = text(page("owner", f"/desk/mixing_plants/{home.plant.pk}/tab/batch"))
    assert f"/desk/batches/{batch.pk}" in listed


@pytest.mark.covers("DZ-271")
def test_a_project_lists_its_batches_and_each_opens_its_charges(home: Sender, batch: Batch) -> None:
    project = Project.objects.filter(region__code__startswith=SIBLING).order_by("pk").first()
    assert project is not None
    Batch.objects.filter(pk=batch.pk).update(project=project)
    tab = f"/desk/projects/{project.pk}/batches"
    assert tab in text(page("neighbour", f"/desk/projects/{project.pk}"))
    shown = text(page("neighbour", tab))
    assert f"/desk/batches/{batch.pk}" in shown
    opened = text(page("neighbour", f"/desk/batches/{batch.pk}"))
    assert batch.charges.get(sequence=1).serial in opened
    assert f"/desk/mixing_plants/{home.plant.pk}" not in opened, "the plant itself is of another county"
    assert "投料偏差超限" not in opened, "its alarms follow the plant"
    assert batch.number in text(page("neighbour", "/desk/production", project=str(project.pk)))


@pytest.mark.covers("DZ-254")
def test_three_mixes_stand_side_by_side_with_the_deviation_of_each_material(home: Sender) -> None:
    shared = {"plant": home.plant, "grade": "C30", "valid_from": timezone.localdate()}
    Mix.objects.create(kind="design", number="SJ-3", cement=240.0, sand=760.0, water=180.0, **shared)
    Mix.objects.create(kind="production", number="SC-3", cement=245.0, sand=800.0, water=168.0, **shared)
    made = home.register("RW-3", mix_number="SJ-3", production_number="SC-3")
    home.charge(made, cycle(1, cement=1.0), cycle(2, cement=2.0))
    made.refresh_from_db()
    shown = charges(made)
    lines = {line.material: line for line in comparison(made, shown)}
    cement = lines["水泥"]
    assert (cement.design, cement.production, cement.actual) == (240.0, 245.0, 248.675)
    assert cement.shift == pytest.approx(2.083333)
    assert cement.found is not None
    assert (cement.found.deviation, cement.found.limit, cement.found.within) == (1.5, 1.0, False)
    assert lines["矿渣粉"].design is None
    assert lines["细骨料"].found is not None
    assert lines["细骨料"].found.within
    body = text(page("owner", f"/desk/batches/{made.pk}"))
    assert "+1.50" in body
    assert "248.7" in body
    (run,) = [run for run in runs(shown) if run.bin == "1#水泥仓"]
    assert [round(value, 3) for _charge, value in run.points] == [1.0, 1.5]
    assert run.over


def test_others_find_neither_batch_nor_charge(home: Sender, batch: Batch) -> None:
    plant = home.plant.pk
    for user in ("neighbour", "stranger"):
        for path in (f"/desk/batches/{batch.pk}", f"/desk/batches/{batch.pk}/export",
                     f"/desk/mixing_plants/{plant}/charges", f"/desk/projects/{plant}/batches"):  # fmt: skip
            assert page(user, path).status_code == 404, (user, path)
        for path in ("/desk/production", "/desk/production/export"):
            assert batch.number not in text(page(user, path, format="csv")), (user, path)
        assert page(user, "/desk/production", plant=str(plant)).status_code == 404
    nobody = Client(SERVER_NAME="127.0.0.1")
    for path in ("/desk/production", "/desk/production/rules", f"/desk/batches/{batch.pk}",
                 f"/desk/mixing_plants/{plant}/charges", "/desk/production/export"):  # fmt: skip
        answer = nobody.get(path)
        assert answer.status_code == 401, path
    assert nobody.post("/devices/charges", {}, content_type="application/json").status_code == 401
    assert nobody.post("/devices/batches", {}, content_type="application/json").status_code == 401


def test_the_plant_sees_its_own_and_no_other(home: Sender, batch: Batch) -> None:
    user = User.objects.create_user("plant-operator", password="x")
    Membership.objects.create(user=user, role=Role.OPERATOR, organisation_id=home.plant.enterprise_id)
    principals.forget()
    assert batch.number in text(page("plant-operator", "/desk/production"))
    other = Batch.objects.exclude(plant__enterprise=home.plant.enterprise_id).first()
    assert other is not None
    assert page("plant-operator", f"/desk/batches/{other.pk}").status_code == 404
    assert page("plant-operator", f"/desk/mixing_plants/{home.plant.pk}/tab/batch/add").status_code == 200


def test_exports_hold_what_the_pages_show(batch: Batch) -> None:
    rows = text(page("owner", f"/desk/batches/{batch.pk}/export", format="csv")).splitlines()
    assert len(rows) == 1 + 12
    assert any("水秤" in row and "5.0" in row and "不合格" in row for row in rows)
    listed = text(page("owner", "/desk/production/export", format="csv", q=batch.number))
    assert listed.count(batch.number) == 1
    assert page("owner", "/desk/production/export", format="pdf").status_code == 400
    assert page("inspector", f"/desk/batches/{batch.pk}/export", format="csv").status_code == 403
    assert Entry.objects.filter(action="export", user_name="owner").count() == 2


def test_only_administrators_change_a_formula(batch: Batch) -> None:
    given = {"subject": "charge", "expression": "deviation <= limit * 0.5", "citation": "本市要求"}
    assert client("owner").post("/desk/production/rules/formula", given).status_code == 403
    for wrong in ("deviation <", "moon > 1.0", "deviation + limit"):
        answer = client("admin").post("/desk/production/rules/formula", given | {"expression": wrong})
        assert answer.status_code == 422, wrong
    before = Formula.objects.count()
    assert client("admin").post("/desk/production/rules/formula", given).status_code == 302
    assert Formula.objects.count() == before + 1
    shown = text(page("owner", "/desk/production/rules"))
    assert "deviation &lt;= limit * 0.5" in shown
    assert "/desk/limits/" not in shown
    assert "/desk/limits/" in text(page("admin", "/desk/production/rules"))


def test_more_batches_and_charges_make_no_more_queries(
    home: Sender, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine rights would be read again in between.
    monkeypatch.setattr(principals, "KEPT_SECONDS", 1e6)
    project = Project.objects.filter(region__code__startswith=HOME).order_by("pk").first()
    assert project is not None
    doors = (
        "/desk/production", f"/desk/batches/{batch.pk}", f"/desk/mixing_plants/{home.plant.pk}/charges",
        f"/desk/projects/{project.pk}/batches",
    )  # fmt: skip
    browser = client("owner")

    def counted() -> list[int]:
        found = []
        for door in doors:
            browser.get(door)
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(door).status_code == 200
            found.append(len(queries))
        return found

    Batch.objects.filter(pk=batch.pk).update(project=project)
    before = counted()
    for n in range(3, 9):
        home.charge(batch, cycle(n, cement=3.0))
    for n in range(5):
        more = home.register(f"RW-MORE-{n}", project=project.code)
        home.charge(more, cycle(1, f"M{n}"))
    assert counted() == before
