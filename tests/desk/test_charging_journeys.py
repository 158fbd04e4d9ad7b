"""Charging seen in a real browser, sent by simulated plants from outside; and connections that are killed meanwhile."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from ingest.simulators.mixing import Filed, Plant, Supply
from services.telemetry import tokens
from tests.conftest import HOME, SIBLING, Live, Server, copied, served
from tests.desk.conftest import PHONE, Desk

pytestmark = pytest.mark.django_db
KILLS = 12
EACH = 25


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[Server]:
    """A server on a database of its own: what is charged and warned of here is no other test's business."""
    with copied(django_db_blocker, "mixing") as database, served(database) as found:
        yield found


def joined(server: Server, region: str, number: str) -> tuple[Plant, str]:
    """The client of a plant of a county, and the plant's key."""
    token, digest = tokens.new()
    rows = server.sql(
        "select id, code from concrete_mixingplant where region_id like %s order by id limit 1", f"{region}%"
    )
    ((key, _code),) = rows
    server.sql(
        "insert into telemetry_device (protocol, number, name, state, secret, units, crc_mode, datatime_is,"
        " missing_flag, minute_span, interval, base, back_days, sm4_key, created_at, feature)"
        " values ('http', %s, '', 'active', %s, '{}', 'standard', 'start', 'N', 10, 300, 0, 30, '', now(), %s)",
        number, digest, key,
    )  # fmt: skip
    projects = server.sql(
        "select code from projects_project where region_id like %s and code <> '' order by id limit 1", f"{region}%"
    )
    plates = server.sql("select code from concrete_mixertruck where plant_id = %s order by code limit 2", key)
    names = ("cement", "fly_ash", "slag", "sand", "stone", "water", "admixture")
    ((*kilograms,),) = server.sql(
        f"select {', '.join(names)} from concrete_mix where plant_id = %s and number = 'SC-C30-04'",
        key,
    )
    filed = Filed("SJ-C30-04", "SC-C30-04", dict(zip(names, kilograms, strict=True)))
    supply = Supply((projects[0][0],), {"C30": filed}, tuple(plate for (plate,) in plates))
    return Plant(number, token, server.url, supply, faulty=0), str(key)


def registered(plant: Plant, count: int, volume: float = 24.0) -> str:
    number = None
    for _attempt in range(60):
        number = plant.register(count, volume)
        if number is not None:
            return number
    raise AssertionError("the platform did not register the batch")


@pytest.mark.covers("DZ-268", "DZ-269")
def test_a_new_charge_and_its_alarm_show_at_once(desk: Callable[..., Desk], server: Server, live: Live) -> None:
    plant, key = joined(server, HOME, "ERP-LIVE")
    batch = registered(plant, 1)
    plant.charge(batch, 1)
    assert plant.send() == 1
    ((pk,),) = server.sql("select id::text from concrete_batch where number = %s", batch)
    panel = desk("owner")
    panel.enter(f"/desk/mixing_plants/{key}")
    panel.page.click("#tab-charges")
    expect(panel.page.locator(".charge-feed li")).not_to_have_count(0)
    expect(panel.page.locator(".charge-feed li").first).to_contain_text(f"{batch}-001")
    page = desk("owner")
    page.enter(f"/desk/batches/{pk}")
    expect(page.page.locator(".charges tbody tr")).to_have_count(1)
    plant.charge(batch, 2, off={"water": 4.2})
    assert plant.send() == 1
    expect(panel.page.locator(".charge-feed li").first).to_contain_text(f"{batch}-002")
    expect(panel.page.locator(".charge-feed li").first).to_contain_text("不合格")
    expect(page.page.locator(".charges tbody tr")).to_have_count(2)
    expect(page.page.locator(".batch-alarms li")).to_contain_text(["投料偏差超限"])
    expect(page.page.locator("#toasts, .toasts, .warnings, body")).to_contain_text(["投料偏差超限"])
    assert panel.same()
    assert page.same()


def test_f04_charges_of_two_plants_are_there_once_though_connections_are_killed(server: Server) -> None:
    plants = [joined(server, region, f"ERP-KILL-{region}") for region in (HOME, SIBLING)]
    batches = [registered(plant, 2, 60.0) for plant, _key in plants]

    def sends(plant: Plant, batch: str) -> None:
        for sequence in range(1, EACH + 1):
            plant.charge(batch, sequence)
            plant.send()
        for _attempt in range(200):
            if not plant.waiting:
                break
            plant.send()

    running = [
        threading.Thread(target=sends, args=(plant, batch))
        for (plant, _key), batch in zip(plants, batches, strict=True)
    ]
    for thread in running:
        thread.start()
    for _kill in range(KILLS):
        running[0].join(0.4)
        server.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    for thread in running:
        thread.join(300)
    for (plant, key), batch in zip(plants, batches, strict=True):
        assert not plant.waiting
        rows = server.sql(
            "select c.sequence, count(w.place), min(c.plant_id::text) from concrete_charge c"
            " join concrete_batch b on b.id = c.batch_id left join concrete_weighing w on w.charge_id = c.id"
            " where b.number = %s group by c.id, c.sequence order by c.sequence",
            batch,
        )
        assert rows == [(n, 7, key) for n in range(1, EACH + 1)]
        ((made,),) = server.sql("select made from concrete_batch where number = %s", batch)
        assert made == 2.0 * EACH


@pytest.mark.covers("DZ-252")
def test_batches_registered_at_the_same_moment_have_unlike_numbers(server: Server) -> None:
    plant, _key = joined(server, HOME, "ERP-TWINS")
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(registered(plant, n))) for n in range(100, 112)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(found)) == len(threads)
    assert len({number[:-4] for number in found}) == 1, "of one plant and day"


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_can_be_read(desk: Callable[..., Desk], server: Server, theme: str, language: str) -> None:
    plant, key = joined(server, HOME, f"ERP-{theme}-{language}")
    batch = registered(plant, 1, 24.0)
    for sequence in range(1, 13):
        off = {4: {"water": 4.2}, 7: {"cement": -2.6}, 9: {"admixture": 1.4}}.get(sequence)
        plant.charge(batch, sequence, off=off, last=sequence == 12)
        plant.send()
    ((pk, project),) = server.sql("select id::text, project_id::text from concrete_batch where number = %s", batch)
    wide = desk("owner", theme, language, viewport={"width": 1920, "height": 1080})
    name = f"{theme}-{language}"
    for title, path in (("batch", f"/desk/batches/{pk}"), ("production", "/desk/production"),
                        ("rules", "/desk/production/rules")):  # fmt: skip
        wide.open(path)
        expect(wide.page.locator(".plain-head h1")).to_be_visible()
        wide.shot(f"concrete-{title}-{name}")
    for title, path, tab in (("plant", f"/desk/mixing_plants/{key}", "#tab-charges"),
                             ("plant-batches", f"/desk/mixing_plants/{key}", "#tab-batch"),
                             ("project", f"/desk/projects/{project}", "#tab-batches")):  # fmt: skip
        wide.open(path)
        wide.page.click(tab)
        expect(wide.page.locator("#tab-body .tab-content")).to_be_visible()
        wide.shot(f"concrete-{title}-{name}")
    phone = desk("owner", theme, language, **PHONE)
    for title, path in (("batch", f"/desk/batches/{pk}"), ("production", "/desk/production")):
        phone.open(path)
        phone.shot(f"concrete-{title}-phone-{name}")
        assert phone.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), title
