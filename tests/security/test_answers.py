"""Every page's headers, and what the source may not hold."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from services.accounts.models import User

pytestmark = pytest.mark.django_db
ROOT: Path = settings.ROOT
FOLDERS = ("gis", "styles", "services", "ingest", "layers", "command_center")
SOURCES = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
PAGES = (
    "/desk", "/desk/projects", "/desk/tokens", "/desk/notices", "/desk/notices/preferences", "/desk/search?q=x",
    "/ogc/?f=html", "/ogc/collections?f=html",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_page_allows_only_our_own_scripts_and_no_frame(page: str) -> None:
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(username="owner"))
    response = browser.get(page)
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self' 'nonce-" in policy
    assert "unsafe-eval" not in policy
    assert "unsafe-inline" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    body = response.content.decode()
    assert not re.search(r"\son\w+\s*=", body), "an inline event handler"
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//(?!127\.0\.0\.1/)""", body), "an address outside"


def test_error_pages_show_no_trace_of_the_inside() -> None:
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(username="owner"))
    for address in ("/desk/no_such_layer", "/desk/projects?state=flying", "/nowhere"):
        response = browser.get(address, headers={"Accept": "text/html"})
        assert 400 <= response.status_code < 500, address
        assert "Traceback" not in response.content.decode()
        assert str(ROOT) not in response.content.decode()


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bRawSQL\(",
        r"\.extra\(",
        r"\*\*request\.(GET|POST)",
        r"\beval\(",
        r"\bexec\(",
        r"pickle\.loads",
        r"yaml\.load\(",
    ],
)
def test_the_source_holds_nothing_of(pattern: str) -> None:
    found = [str(p.relative_to(ROOT)) for p in SOURCES if re.search(pattern, p.read_text())]
    assert found == []


def test_templates_mark_nothing_safe() -> None:
    templates = [p for folder in FOLDERS for p in (ROOT / folder).glob("**/templates/**/*") if p.is_file()]
    assert templates
    assert [p.name for p in templates if re.search(r"\|\s*safe\b|{%\s*autoescape off", p.read_text())] == []


def test_what_is_marked_safe_says_why() -> None:
    for path in SOURCES:
        for line in path.read_text().splitlines():
            if "mark_safe(" in line and "import" not in line:
                assert "noqa: S308" in line, f"{path}: {line.strip()}"
