"""The demo city is repeatable and lies inside its counties; the scaffold writes a domain that passes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.gis.geos import Point
from django.core.management import call_command
from django.core.management.base import CommandError

from command_center.management.commands.demo import ACCOUNTS, PREFIX
from command_center.management.commands.newdomain import refuse
from gis.models import Region
from services.accounts.models import User
from services.catalog.demo import DemoCity, seeds
from services.catalog.layer import registry
from services.catalog.models import FeatureIndex


@pytest.mark.django_db
def test_the_same_seed_gives_the_same_city() -> None:
    first, second = DemoCity("511700"), DemoCity("511700")
    other = DemoCity("511700", seed=1)
    for city in (first, second, other):
        city.begin("x")
    assert first.places(50) == second.places(50) != other.places(50)
    assert [first.new_id() for _n in range(9)] == [second.new_id() for _n in range(9)]
    assert first.walk(first.places(1)[0], 3) == second.walk(second.places(1)[0], 3)


@pytest.mark.django_db
def test_places_lie_in_the_county_they_name_and_every_county_has_some() -> None:
    city = DemoCity("511700")
    shapes = {county.code: county.geom for county in city.counties}
    places = city.places(300)
    assert {place.region[:6] for place in places} == set(shapes)
    assert all(shapes[place.region[:6]].covers(Point(place.lon, place.lat, srid=4490)) for place in places)
    names = dict(Region.objects.values_list("code", "name"))
    assert all(names[place.region[:6]] == place.county for place in places)


@pytest.mark.django_db
def test_every_seeded_layer_has_features_in_every_county_and_a_second_run_adds_none() -> None:
    counties = {county.code for county in DemoCity("511700").counties}
    before = FeatureIndex.objects.count()
    for label in seeds():
        for layer in registry:
            if layer.domain == label:
                codes = FeatureIndex.objects.filter(layer=layer.key).values_list("region_code", flat=True)
                assert {code[:6] for code in codes} == counties, layer.key
    call_command("demo", verbosity=0)
    assert FeatureIndex.objects.count() == before


@pytest.mark.django_db
def test_what_a_domain_points_at_is_seeded_before_it() -> None:
    order = list(seeds())
    assert order.index("enterprises") < order.index("projects") < order.index("people")
    assert order.index("projects") < order.index("video")


@pytest.mark.django_db
def test_demo_accounts_have_one_password_in_a_private_file() -> None:
    assert ACCOUNTS.stat().st_mode & 0o777 == 0o600
    first = ACCOUNTS.read_text().splitlines()[0]
    users = User.objects.filter(username__startswith=PREFIX)
    assert users.count() == 8
    assert all(user.check_password(first.split("：")[-1].split(": ")[-1].strip()) for user in users)
    assert not [user for user in users if user.memberships.count() != 1]


@pytest.mark.parametrize(
    ("name", "feature", "title"),
    [
        ("cameras", "Camera2", "摄像机"),
        ("projects", "Crane", "塔吊"),
        ("crane", "Crane", "塔吊"),
        ("Cranes", "Crane", "塔吊"),
        ("tower-cranes", "Crane", "塔吊"),
        ("../cranes", "Crane", "塔吊"),
        ("cranes", "crane", "塔吊"),
        ("cranes", "Camera", "塔吊"),
        ("cranes", "Crane", "Crane"),
        ("cranes", "Crane", '塔吊"); import os'),
    ],
)
def test_the_scaffold_refuses_names_that_cannot_be(name: str, feature: str, title: str) -> None:
    with pytest.raises(CommandError):
        refuse(name, feature, title)


def test_the_scaffold_writes_a_domain_that_passes(tmp_path: Path) -> None:
    root = tmp_path / "project"
    ignored = shutil.ignore_patterns(".local", ".git", "node_modules", "__pycache__", "dist", ".*_cache")
    shutil.copytree(settings.ROOT, root, ignore=ignored)
    (root / ".local").mkdir()

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=root, env=dict(os.environ), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("manage.py", "newdomain", "tower_cranes", "--feature", "TowerCrane", "--title", "附着式塔式起重机及附属设施")
    run("manage.py", "makemigrations", "--check", "--dry-run", "tower_cranes")
    run("-m", "ruff", "check", "layers/tower_cranes")
    run("-m", "ruff", "format", "--check", "layers/tower_cranes")
    tests = "tests/contract/test_declarations.py", "layers/tower_cranes"
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", "tower_cranes")
