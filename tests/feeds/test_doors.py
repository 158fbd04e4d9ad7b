"""What an existing system offers, door by door: CSV, XML, signed and paged answers, records and features."""

from collections.abc import Callable
from typing import Any

import pytest

from ingest.simulators import existing
from layers.base_maps.models import PointOfInterest
from layers.sewage.models import Equipment, SewagePlant
from services.access.principal import Principal
from services.audit.models import Entry
from services.feeds import sources
from services.feeds.models import Source
from tests.conftest import client
from tests.feeds.conftest import FACTORS, bind, expected, pull, stored

pytestmark = pytest.mark.django_db
Settle = Callable[..., Source]


def table_door(**more: Any) -> dict[str, Any]:
    factors = [[name, code, unit] for name, code, unit in FACTORS if name != "level"]
    return {
        "url": "/export/values.csv", "auth": "basic", "auth_user": existing.USER, "secret": existing.PASSWORD,
        "format": "csv", "list_path": "", "ok_path": "", "ok_value": "", "paging": "none", "parameters": "from={since}",
        "mapping": {
            "device": "站点编号", "time": "监测时间", "factor": "因子", "value": "数值", "flag": "状态", "good": "0",
            "factors": factors,
        },
        **more,
    }  # fmt: skip


def xml_door(**more: Any) -> dict[str, Any]:
    return {
        "url": "/service/values.xml", "auth": "key", "auth_label": "X-Api-Key", "secret": existing.KEY,
        "format": "xml", "list_path": "Body.Row", "ok_path": "", "ok_value": "", "paging": "none",
        "parameters": "since={since}",
        "mapping": {
            "device": "@id", "time": "Time", "factors": [["Cod", "w01018", "mg/L"], ["Flow", "w00000", "m³/h"]],
        },
        **more,
    }  # fmt: skip


@pytest.mark.covers("LN-387")
@pytest.mark.parametrize(
    "door",
    [
        table_door(),
        xml_door(),
        {"method": "POST", "parameters": "", "body": '{"from": "{since}", "page": "{page}", "size": "{size}"}'},
        {"url": "/api/linked", "list_path": "items", "ok_path": "", "paging": "next", "next_path": "links.next",
         "parameters": "", "cursor": "none"},
        {"url": "/api/changes", "list_path": "items", "ok_path": "", "paging": "none", "cursor": "token",
         "cursor_path": "position", "parameters": "after={token}", "auth": "none"},
    ],
    ids=["CSV, Basic", "XML, key", "POST", "next page named", "position"],
)  # fmt: skip
def test_every_door_gives_the_same_values(
    settle: Settle, admin: Principal, plants: dict[str, SewagePlant], door: dict[str, Any]
) -> None:
    """LN-387: the same data once in JSON, once in XML, once as text."""
    source = settle(**door)
    pull(source)
    bind(admin, source, plants)
    sources.rewind(admin, source.pk, None)
    run = pull(source)
    assert (run.state, run.said) == ("done", "")
    assert stored(source) == expected()
    assert stored(source, "w00000") == expected("flow", 1 / 3.6)
    again = pull(source)
    assert (again.state, again.counts.get("new", 0)) == ("done", 0)


@pytest.mark.covers("DZ-348")
def test_records_of_features_come_signed_and_are_changed_not_doubled(
    settle: Settle, plants: dict[str, SewagePlant]
) -> None:
    """DZ-348: the equipment file as in the existing system."""
    source = settle(
        name="设备台账", target="records", layer="sewage_plants", tab="equipment", url="/open/machines", auth="sign",
        auth_user=existing.APP, secret=existing.APP_SECRET, auth_place="query", auth_label="sign", sign_user="appId",
        sign_time="ts", sign_pattern="{user}{time}{secret}", sign_digest="md5", sign_upper=True, list_path="result",
        ok_value="200", cursor="none", parameters="page={page}", begin_at=None,
        mapping={"parent": "plant", "fields": {
            "number": "no", "title": "title", "maker": "maker", "power": "kw", "made_on": "made", "state": "state",
        }},
    )  # fmt: skip
    run = pull(source)
    assert (run.state, run.said, run.counts["created"]) == ("done", "", 6)
    rows = Equipment.objects.filter(plant=plants["FEED-1"]).values_list("number", "title", "maker", "power", "state")
    assert sorted(rows) == [
        ("B-1", "鼓风机", "蓝川环保", 75.0, "running"), ("P-1", "提升泵", "蓝川环保", 37.0, "running"),
        ("P-2", "提升泵", "蓝川环保", 37.0, "running"),
    ]  # fmt: skip
    Equipment.objects.filter(plant=plants["FEED-1"], number="B-1").update(power=70)
    run = pull(source)
    assert (run.counts.get("created", 0), run.counts["changed"], run.counts["unchanged"]) == (0, 1, 5)
    assert Equipment.objects.get(plant=plants["FEED-1"], number="B-1").power == 75
    shown = client("owner").get(f"/desk/sewage_plants/{plants['FEED-1'].pk}/tab/equipment").content.decode()
    assert all(text in shown for text in ("蓝川环保", "75.0 kW", "2019-05-20")), shown
    entry = Entry.objects.filter(action="change equipment").latest("pk")
    assert (entry.user_name, entry.changes) == ("feed: 设备台账", {"power": [70.0, 75.0]})


def test_features_with_their_places_come_and_are_found_again_by_their_code(settle: Settle) -> None:
    source = settle(
        name="泵站", target="features", layer="points_of_interest", url="/open/places", auth="key", auth_place="query",
        auth_label="key", secret=existing.KEY, list_path="list", ok_path="", cursor="none", paging="none",
        parameters="", begin_at=None, datum="wgs84",
        mapping={"fields": {"code": "id", "name": "title", "region": "area"}, "lon": "x", "lat": "y"},
    )  # fmt: skip
    assert pull(source).counts["created"] == 2
    found = PointOfInterest.objects.get(code="FEED-1-X")
    assert (found.name, found.region_id) == ("FEED-1 泵站", "511702")
    assert (found.geom.x, found.geom.y) == pytest.approx((107.46, 31.21), abs=1e-6)
    PointOfInterest.objects.filter(pk=found.pk).update(name="旧名")
    run = pull(source)
    assert (run.counts["changed"], run.counts["unchanged"]) == (1, 1)
    found.refresh_from_db()
    assert found.name == "FEED-1 泵站"
