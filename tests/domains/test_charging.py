"""Charging of mixing plants through the real doors: registered before, stored once, judged, warned of, told of."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from ingest.simulators import mixing
from layers.concrete.models import Batch, Charge, Formula, Mix, MixerTruck, MixingPlant, Weighing
from layers.projects.models import Project
from services.access import actions
from services.access.errors import Invalid
from services.access.principal import Principal
from services.accounts.models import User
from services.alarms import actions as alarms
from services.alarms.models import Act, Episode, Rule
from services.audit.models import Entry
from services.catalog.layer import registry
from services.limits.models import Limit
from services.live import outbox
from services.notify.models import Message
from services.telemetry.models import Device, Presence
from services.telemetry.partitions import raw
from tests.conftest import HOME, SIBLING, client
from tests.domains.plants_clients import Sender, cycle, earlier, sender

pytestmark = pytest.mark.django_db
People = dict[str, Principal]
LAYER = registry.by_key["mixing_plants"]
BATCHES = LAYER.tab("batch")


@pytest.fixture
def home() -> Sender:
    """The client of a plant in the owner's county."""
    plant = MixingPlant.objects.filter(region__code__startswith=HOME).order_by("pk").first()
    assert plant is not None
    return sender(plant)


@pytest.fixture
def neighbour() -> Sender:
    """The client of a plant in the county beside it."""
    plant = MixingPlant.objects.filter(region__code__startswith=SIBLING).order_by("pk").first()
    assert plant is not None
    return sender(plant)


def standing(batch: Batch | str, key: str = "concrete-charge") -> list[Episode]:
    return list(Episode.objects.filter(rule__key=key, subject__startswith=str(batch)).order_by("subject"))


@pytest.mark.covers("DZ-252")
def test_every_batch_has_a_number_of_its_own_that_its_records_carry(home: Sender) -> None:
    first, second = home.register("RW1"), home.register("RW2")
    assert first.number != second.number
    day = timezone.localdate()
    assert first.number.startswith(f"{home.plant.code}-{day:%Y%m%d}-")
    assert int(second.number[-4:]) == int(first.number[-4:]) + 1
    assert home.register("RW1") == first, "the same order again is the same batch"
    answer = home.charge(first, cycle(1)).json()
    assert answer["charges"][0]["serial"] == f"{first.number}-001"
    assert Charge.objects.get(number="N1", plant=home.plant).serial.startswith(first.number)
    answer = home.charge(first, cycle(2, water=5.0)).json()
    assert answer["charges"][0]["verdict"] == "out"
    assert [episode.subject for episode in standing(first)] == [f"{first.number} 水秤"]


def test_a_batch_registered_on_the_desk_gets_its_number_from_the_system(home: Sender, who: People) -> None:
    project = Project.objects.exclude(supervision_number="").filter(region__code__startswith=HOME).first()
    assert project is not None
    values = {"grade": "C30", "volume": 30.0, "project": project.pk, "part": "承台", "mix_number": "SJ-C30-04"}
    made: Any = actions.add_record(who["owner"], LAYER, home.plant.pk, BATCHES, values)  # type: ignore[arg-type]
    assert made.number.startswith(home.plant.code)
    assert made.supervision_number == project.supervision_number
    with pytest.raises(Invalid) as wrong:
        actions.add_record(who["owner"], LAYER, home.plant.pk, BATCHES, values | {"number": "MINE"})  # type: ignore[arg-type]
    assert "number" in wrong.value.fields
    with pytest.raises(Invalid) as wrong:
        actions.add_record(who["owner"], LAYER, home.plant.pk, BATCHES, values | {"grade": "C50"})  # type: ignore[arg-type]
    assert "C30" in wrong.value.fields["grade"][0]


@pytest.mark.covers("DZ-253")
def test_what_is_not_registered_before_is_refused_and_warned_of(home: Sender) -> None:
    answer = home.charge("JBZ-NOBODY-0001", cycle(1))
    assert answer.status_code == 409
    assert "没有登记" in answer.json()["detail"]
    assert home.charge("JBZ-NOBODY-0001", cycle(1)).status_code == 409
    (episode,) = standing("JBZ-NOBODY-0001", "concrete-unregistered")
    assert (episode.feature_id, episode.count) == (home.plant.pk, 2)
    batch = home.register()
    late = home.charge(batch, cycle(1, at=timezone.now() - timedelta(minutes=6)))
    assert late.status_code == 409
    assert "之后才登记" in late.json()["detail"]
    assert not Charge.objects.filter(number="N1", plant=home.plant).exists()
    assert home.charge(batch, cycle(1)).status_code == 200


@pytest.mark.covers("DZ-268", "DZ-274")
def test_two_plants_are_stored_apart_though_they_number_alike(home: Sender, neighbour: Sender) -> None:
    batches = {each: each.register("SAME") for each in (home, neighbour)}
    for n in range(1, 6):
        for each in (home, neighbour):
            assert each.charge(batches[each], cycle(n)).status_code == 200
    for each in (home, neighbour):
        rows = Charge.objects.filter(batch=batches[each]).order_by("sequence")
        assert [row.number for row in rows] == ["N1", "N2", "N3", "N4", "N5"]
        assert {row.plant_id for row in rows} == {each.plant.pk}
        assert Weighing.objects.filter(charge__batch=batches[each]).count() == 30
        batches[each].refresh_from_db()
        assert (batches[each].made, batches[each].quality, batches[each].state) == (10.0, "within", "producing")
    foreign = neighbour.charge(batches[home], cycle(6))
    assert foreign.status_code == 409, "a token writes to its own plant alone"
    assert Charge.objects.filter(batch=batches[home]).count() == 5


def test_f15_the_same_packet_again_changes_nothing(home: Sender) -> None:
    batch = home.register()
    packet = cycle(1, water=3.0)
    first = home.charge(batch, packet).json()["charges"][0]
    assert (first["state"], first["verdict"]) == ("stored", "out")
    for _n in range(4):
        again = home.charge(batch, packet).json()["charges"][0]
        assert (again["state"], again["serial"]) == ("known", first["serial"])
    assert Charge.objects.filter(batch=batch).count() == 1
    (episode,) = standing(batch)
    assert episode.count == 1


def test_f18_another_content_under_a_number_is_kept_beside_the_first(home: Sender) -> None:
    batch = home.register()
    home.charge(batch, cycle(1))
    answer = home.charge(batch, cycle(1, cement=9.0)).json()["charges"][0]
    assert (answer["state"], answer["verdict"]) == ("differs", "within")
    charge = Charge.objects.get(batch=batch)
    assert len(charge.revisions) == 1
    assert charge.weighings.get(material="cement").deviation == 0.0
    assert standing(batch) == []


def test_f16_charges_out_of_order_give_the_same_batch(home: Sender, neighbour: Sender) -> None:
    shifted = [cycle(n, cement=(0.6, 1.9, 1.9, 0.2)[n - 1]) for n in range(1, 5)]
    found = []
    for each, order in ((home, (0, 1, 2, 3)), (neighbour, (3, 1, 0, 2))):
        batch = each.register()
        for n in order:
            assert each.charge(batch, shifted[n]).status_code == 200
        batch.refresh_from_db()
        found.append((batch.quality, batch.made, batch.made_at))
    assert found[0] == found[1]
    assert found[0][0] == "total"


def test_f14_a_clock_that_is_ahead_is_refused_by_name(home: Sender) -> None:
    batch = home.register()
    answer = home.charge(batch, cycle(1, at=timezone.now() + timedelta(minutes=6)))
    assert answer.status_code == 400
    assert "校准时钟" in answer.json()["errors"]["at"][0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"volume": 0}, "volume"), ({"volume": -1}, "volume"), ({"sequence": True}, "sequence"), ({"at": "昨天"}, "at"),
        ({"at": "2026-11-28T08:00:00"}, "at"), ({"number": ""}, "number"), ({"grade": "C33"}, "grade"),
        ({"materials": []}, "materials"), ({"seconds": "45"}, "seconds"),
        ({"materials": [{"material": "gold", "target": 1, "actual": 1}]}, "materials[0].material"),
        ({"materials": [{"material": "water", "target": 1, "actual": float("inf")}]}, "materials[0].actual"),
        ({"materials": [{"material": "water", "target": 1, "actual": 1}] * 2}, "materials"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_whole_and_named(home: Sender, change: dict[str, Any], field: str) -> None:
    batch = home.register()
    answer = home.charge(batch, cycle(1), cycle(2) | change)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [f"charges[1].{field}"]
    assert not Charge.objects.filter(batch=batch).exists()


def test_who_cannot_prove_itself_is_not_heard_and_waits_for_approval(home: Sender) -> None:
    batch = home.register()
    assert home.post("charges", {}, **{"X-Device-Token": "wrong"}).status_code == 401
    assert home.post("charges", {}, **{"X-Device": "NEW-CLIENT"}).status_code == 401
    assert Device.objects.get(number="NEW-CLIENT").state == "pending"
    assert home.post("charges", b"no json").status_code == 400
    Device.objects.filter(pk=home.device.pk).update(state="blocked")
    assert home.charge(batch, cycle(1)).status_code == 401
    Device.objects.filter(pk=home.device.pk).update(state="active", feature=MixerTruck.objects.first().pk)  # type: ignore[union-attr]
    assert home.charge(batch, cycle(1)).status_code == 403
    assert not Charge.objects.filter(batch=batch).exists()


def test_a_plant_that_sends_is_online(home: Sender) -> None:
    home.register()
    assert Presence.objects.get(device=home.device).online


@pytest.mark.covers("DZ-269", "DZ-255", "FJ-339", "FJ-430")
def test_a_charge_out_of_tolerance_raises_an_alarm_for_its_batch_at_once(home: Sender, who: People) -> None:
    batch = home.register()
    assert home.charge(batch, cycle(1, cement=2.0, sand=-3.0, water=1.0)).json()["charges"][0]["verdict"] == "within"
    assert standing(batch) == []
    answer = home.charge(batch, cycle(2, cement=2.1, water=-4.0)).json()["charges"][0]
    assert [fault["bin"] for fault in answer["faults"]] == ["1#水泥仓", "水秤"]
    cement, water = standing(batch)
    assert (cement.level, water.level) == ("yellow", "red")
    assert (cement.value, cement.limit, cement.feature_id) == (2.1, 2.0, home.plant.pk)
    act = Act.objects.get(episode=cement, kind="raised")
    said = f"批次 {batch.number} 第 2 盘 1#水泥仓：目标 490 kg，实际 500.29 kg，偏差 +2.10 %，允许 ±2 %"
    assert act.text % act.given == said
    with translation.override("en"):
        assert "charge 2" in translation.gettext(act.text) % act.given
    assert alarms.episodes(who["owner"]).filter(pk=cement.pk).exists()
    assert not alarms.episodes(who["neighbour"]).filter(pk=cement.pk).exists()
    assert Message.objects.filter(user=User.objects.get(username="owner")).exists()
    home.charge(batch, cycle(3))
    cement.refresh_from_db()
    assert cement.ended_at is not None, "the next charge was right again; what people have to do stays"


@pytest.mark.covers("DZ-255")
def test_the_mixing_time_is_judged(home: Sender) -> None:
    batch = home.register()
    assert home.charge(batch, cycle(1, seconds=30)).json()["charges"][0]["verdict"] == "within"
    answer = home.charge(batch, cycle(2, seconds=29)).json()["charges"][0]
    assert answer["faults"] == [{"what": "time"}]
    (episode,) = standing(batch, "concrete-time")
    assert (episode.value, episode.limit) == (29.0, 30.0)
    assert home.charge(batch, cycle(3, seconds=None)).json()["charges"][0]["verdict"] == "within"


def test_deviations_that_add_up_are_warned_of_though_every_charge_is_right(home: Sender) -> None:
    batch = home.register()
    for n in range(1, 4):
        home.charge(batch, cycle(n, cement=1.5))
    assert standing(batch) == []
    (episode,) = standing(batch, "concrete-total")
    assert (episode.value, episode.limit, episode.level) == (1.5, 1.0, "orange")
    batch.refresh_from_db()
    assert batch.quality == "total"
    for n in range(4, 7):
        home.charge(batch, cycle(n, cement=-1.5))
    episode.refresh_from_db()
    batch.refresh_from_db()
    assert (episode.ended_at is not None, batch.quality) == (True, "within")


def test_another_grade_than_registered_is_an_alarm(home: Sender) -> None:
    batch = home.register(grade="C30")
    assert home.charge(batch, cycle(1, grade="C30")).json()["charges"][0]["verdict"] == "within"
    home.charge(batch, cycle(2, grade="C25"))
    (episode,) = standing(batch, "concrete-grade")
    assert episode.level == "red"


@pytest.mark.covers("FJ-342")
def test_a_changed_rule_holds_for_the_next_data(home: Sender) -> None:
    batch = home.register()
    home.charge(batch, cycle(1, water=1.5))
    assert len(standing(batch)) == 1
    Limit.objects.filter(factor="charge", stage="水").update(value=2.0)
    assert home.charge(batch, cycle(2, water=1.5)).json()["charges"][0]["verdict"] == "within"
    first = Charge.objects.get(batch=batch, sequence=1)
    assert (first.verdict, first.weighings.get(material="water").limit) == ("out", 1.0), "judged as it was then"
    Formula.objects.create(subject="charge", expression="deviation < limit", citation="本市要求")
    assert home.charge(batch, cycle(3, water=2.0)).json()["charges"][0]["verdict"] == "out"
    Limit.objects.filter(factor="charge", stage="水").update(valid_to=date(2026, 1, 1))
    assert home.charge(batch, cycle(4, water=9.0)).json()["charges"][0]["verdict"] == "within", "no limit, no fault"
    Rule.objects.filter(key="concrete-charge").update(enabled=False)
    before = Episode.objects.filter(rule__key="concrete-charge").count()
    assert home.charge(batch, cycle(5, cement=9.0)).json()["charges"][0]["verdict"] == "out"
    assert Episode.objects.filter(rule__key="concrete-charge").count() == before


def test_the_live_stream_tells_of_a_charge(home: Sender) -> None:
    project = Project.objects.exclude(code="").order_by("pk").first()
    assert project is not None
    batch = home.register(project=project.code)
    cursor = outbox.now(raw()).cursor
    home.charge(batch, cycle(1))
    told = outbox.read(raw(), cursor).told["charges"]
    assert {(row.layer, row.feature) for row in told} == {
        ("mixing_plants", home.plant.pk), ("projects", project.pk),
    }  # fmt: skip
    assert told[0].payload["batch"] == str(batch.pk)


def test_a_charge_makes_the_same_queries_however_many_there_were(home: Sender) -> None:
    batch = home.register()
    counts = []
    for n in range(1, 8):
        with CaptureQueriesContext(connection) as queries:
            home.charge(batch, cycle(n))
        counts.append(len(queries))
    assert len(set(counts[1:])) == 1, counts


def test_a_registration_is_audited_and_wants_what_it_needs(home: Sender) -> None:
    batch = home.register("RW9", line=2, slump=180)
    entry = Entry.objects.filter(object_id=str(home.plant.pk), action="add batch").order_by("-pk").first()
    assert entry is not None
    assert (entry.user_name, entry.changes["number"][1]) == (f"device: {home.device.number}", batch.number)
    for change, name in (({"order": ""}, "order"), ({"volume": 0}, "volume"), ({"grade": "X"}, "grade"),
                         ({"project": "NONE"}, "project")):  # fmt: skip
        answer = home.post("batches", {"order": "RW10", "volume": 24, "grade": "C30"} | change)
        assert answer.status_code == 400, change
        assert name in answer.json()["errors"]


def test_a_mix_is_the_one_of_the_day(home: Sender) -> None:
    today = timezone.localdate()
    for since, cement in ((today - timedelta(days=9), 240.0), (today, 250.0), (today + timedelta(days=1), 260.0)):
        Mix.objects.create(
            plant=home.plant, kind="design", number="SJ-NEW", grade="C30", valid_from=since, cement=cement
        )
    batch = home.register(mix_number="SJ-NEW")
    found = batch.mix("design")
    assert found is not None
    assert found.cement == 250.0
    found = earlier(batch, 3 * 1440).mix("design")
    assert found is not None
    assert found.cement == 240.0
    assert client("owner").get(f"/desk/mixing_plants/{home.plant.pk}/tab/mix").status_code == 200


def test_the_plants_of_the_demo_city_charge_what_they_have_on_file() -> None:
    played = mixing.plants(2, "http://127.0.0.1:9", 0)
    assert len(played) == 2
    for plant in played:
        device = Device.objects.get(protocol="http", number=plant.number)
        assert MixingPlant.objects.filter(pk=device.feature).exists()
        filed = plant.supply.mixes["C30"]
        mix = Mix.objects.get(plant=device.feature, kind="production", number=filed.production)
        assert filed.parts == mix.parts
        assert plant.supply.projects
        plant.charge("NOWHERE", 1)
        assert plant.send() == 0, "nothing listens there"
        assert len(plant.waiting) == 1
    again = mixing.plants(2, "http://127.0.0.1:9", 0)
    assert [plant.number for plant in again] == [plant.number for plant in played]
