"""系统监控 in a browser: a block that is seen as it happens and ended with a click, and the chart of logs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.conftest import Server, connect
from tests.desk.conftest import Desk
from tests.ingest.gateways.boxes import until

pytestmark = pytest.mark.django_db
WAITING = "select count(*) from pg_locks where not granted and pid = %s"


def test_an_administrator_sees_a_block_as_it_happens_and_ends_it(desk: Callable[..., Desk], server: Server) -> None:
    mine = desk("admin", viewport={"width": 1920, "height": 1080})
    page = mine.open("/desk/system/sessions")
    name = "select set_config('application_name', 'zhutu web', false)"
    with (
        closing(connect(server.database)) as holder,
        closing(connect(server.database)) as waiter,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute(name)
        waiter.execute(name)
        waiter.execute("set statement_timeout = '90s'")
        holder.execute("begin")
        holder.execute("/*zhutu owner*/ update projects_project set name = name")
        waits = pool.submit(waiter.execute, "/*zhutu inspector*/ update projects_project set name = name")
        assert until(lambda: server.sql(WAITING, waiter.info.backend_pid)[0][0] > 0, 30)
        pid = holder.info.backend_pid
        row = page.locator(f'tr[data-session="{pid}"]')
        expect(row.locator(".problem")).to_contain_text("阻塞 1 个会话")
        expect(row).to_contain_text("owner")
        expect(row).to_contain_text("projects_project")
        expect(page.locator(f'tr[data-session="{waiter.info.backend_pid}"]')).to_contain_text("inspector")
        mine.shot("sessions-blocked")
        row.get_by_role("button", name="终止").click()
        mine.shot("sessions-end")
        page.get_by_role("button", name="终止会话").click()
        expect(page.locator("#toasts")).to_contain_text(f"已终止会话 {pid}")
        waits.result(60)
    said = "select user_name, changes->>'account' from audit_entry where action = 'end session' and object_id = %s"
    assert server.sql(said, str(pid)) == [("admin", "owner")]


def test_logs_are_drawn_and_an_entry_opens_with_its_cause(desk: Callable[..., Desk], server: Server) -> None:
    server.sql(
        "insert into operations_logentry"
        " (at, level, system, program, logger, account, address, request, message, cause)"
        " values (now(), 40, 'zhutu', 'web', 'x', 'owner', '10.1.2.3', 'GET /desk', 'it broke', 'ValueError: why')"
    )
    server.sql(
        "insert into operations_logcount values (date_bin('10 min', now(), '2000-01-01'), 'zhutu', 'web', 40, 1, 0)"
    )
    page = desk("admin").open("/desk/system/logs?range=1h")
    expect(page.locator(".log-chart canvas")).to_be_visible()
    page.get_by_text("it broke").first.click()
    expect(page.get_by_text("ValueError: why")).to_be_visible()
    page.locator("select[name=level]").select_option("50")
    expect(page.get_by_text("it broke")).to_have_count(0)
    server.sql("delete from operations_logentry; delete from operations_logcount")
