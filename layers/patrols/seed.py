"""Officers of the demo city with the visits of the last weeks; one of them is the demo account of an inspector."""

from datetime import timedelta

from layers.patrols.models import Officer, Visit
from services.catalog.demo import DemoCity

DUTIES = ("监督员", "监督员", "执法员", "安全监督科科长")
PURPOSES = {Visit.Purpose.ROUTINE: 7, Visit.Purpose.SPECIAL: 2, Visit.Purpose.RECHECK: 2, Visit.Purpose.OTHER: 1}


def seed(city: DemoCity) -> None:
    """Two or more in every county, last seen at a site of theirs."""
    sites = city.features("projects.Project")
    officers, visits = [], []
    for n in range(max(2 * len(city.counties), city.count(20, bench=200))):
        county = city.counties[n % len(city.counties)]
        own = [site for site in sites if site["place"].county == county.code] or sites
        key, last = city.new_id(), city.pick(own)
        seen = city.moment(-30, -4)
        officers.append({
            "id": key, "code": f"JD{n + 1:04}", "name": city.person(), "region": county.code,
            "state": Officer.State.OFF,
            "geom": city.near(last["place"], 60).geom, "unit": f"{county.name}建设工程质量安全监督站",
            "duty": DUTIES[n % len(DUTIES)], "account": "demo-inspector" if n == 0 else "", "speed": 0.0,
            "heading": city.random.randrange(0, 360, 5), "located_at": seen,
        })  # fmt: skip
        for back in range(city.random.randint(2, 6)):
            site = last if back == 0 else city.pick(own)
            visits.append({
                "officer": key, "project": site["id"], "arrived_at": seen - timedelta(hours=26 * back),
                "purpose": city.pick(PURPOSES), "distance": float(city.random.randint(5, 120)),
                "accuracy": float(city.random.randint(4, 25)), "note": "",
            })  # fmt: skip
    city.load(Officer, officers)
    city.load(Visit, visits)
