"""The database audit: what somebody does with psql is recorded with account and time, and administrators are warned."""

import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from services.accounts.models import User
from services.alarms.models import Episode
from services.audit import declared, guards, watching
from services.audit.models import Finding, Kind, Rule, Severity
from services.audit.serverlog import LOCAL, Event, events
from services.notify.models import Contact, Message
from services.operations import watched
from services.operations.warnings import SERVER_LOG
from services.operations.working import working
from services.telemetry.partitions import raw
from tests.conftest import Server, connect
from tests.ingest.gateways.boxes import until
from tests.operations.conftest import program, psql

pytestmark = pytest.mark.django_db
Found = Callable[..., list[tuple[Any, ...]]]
MIDDAY, MIDNIGHT = datetime(2026, 11, 27, 4, tzinfo=UTC), datetime(2026, 11, 27, 16, tzinfo=UTC)


@pytest.fixture(scope="module")
def watcher(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """``manage.py watch`` on the server's database, which has looked once."""
    with program("watch", "manage.py", "watch", ZHUTU_PGDATABASE=server.database) as process:
        assert until(lambda: server.sql("select 1 from audit_reading where file <> ''") != [], 90)
        yield process


@pytest.fixture
def found(server: Server, watcher: subprocess.Popen[bytes]) -> Found:
    """``found("ddl", "create table x%")`` → level, account, role, address, program and rows of what was recorded."""
    since = datetime.now(UTC)

    def ask(kind: str, statement: str = "%") -> list[tuple[Any, ...]]:
        query = (
            "select level, account, role, address, program, rows from audit_finding where kind = %s"
            " and statement like %s and at >= %s and (program <> '' or kind = 'login') order by at"
        )
        until(lambda: server.sql(query, kind, statement, since) != [], 30)
        return server.sql(query, kind, statement, since)

    return ask


@pytest.fixture
def restored(server: Server) -> Iterator[None]:
    """Whatever becomes of the test, nobody keeps what it did to the rights of all."""
    yield
    server.sql("drop table if exists backdoor")
    server.sql("update accounts_membership set named_only = false")


def me() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.covers("LN-403")
def test_what_somebody_does_with_psql_is_recorded_and_warned_of(server: Server, found: Found, restored: None) -> None:
    began = datetime.now(UTC)
    done = psql(server.database, "create table backdoor (id int)")
    assert done.returncode == 0, done.stderr
    [(level, account, role, address, by, _rows)] = found("ddl", "create table backdoor%")
    assert (level, account, role, address, by) == ("red", me(), "zhutu", LOCAL, "psql")
    [(level, account, role, address, by, _rows)] = found("session")[:1]
    assert (account, role, address, by) == (me(), "zhutu", LOCAL, "psql") and level in ("yellow", "orange")

    assert psql(server.database, "delete from accounts_named; update accounts_membership set named_only = true")
    [(level, _account, role, address, by, rows)] = found("update", "delete from accounts_named; update%")
    held = server.sql("select count(*) from accounts_membership")[0][0]
    assert (level, role, address, by, rows) == ("orange", "zhutu", LOCAL, "psql", held)
    [(at, statement, table)] = server.sql(
        "select at, statement, tables from audit_finding where kind = 'update' and program = 'psql' and at >= %s", began
    )
    assert at <= datetime.now(UTC) and statement.endswith("set named_only = true")
    assert table == "accounts_membership"

    changed = "update accounts_user set password = 'argon2$geheim7' where username = 'owner' and password = 'x'"
    assert psql(server.database, changed + "; update accounts_user set password = password").returncode == 0
    assert until(lambda: server.sql("select 1 from audit_finding where tables = 'accounts_user'") != [], 20)
    assert server.sql("select 1 from audit_finding where statement like '%%geheim7%%'") == []

    assert psql(server.database, "truncate accounts_named").returncode == 0
    [(level, _account, role, _address, by, _rows)] = found("truncate")
    assert (level, role, by) == ("red", "zhutu", "psql")

    refused = psql(server.database, "delete from audit_finding")
    assert "never changed or deleted" in refused.stderr
    [(level, account, *_rest)] = found("tamper", "delete from audit_finding%")
    assert (level, account) == ("red", me())

    for _each in range(6):
        assert psql(server.database, "select 1", PGUSER="nobody_7").returncode != 0
    assert until(lambda: sum(row[5] for row in found("login")) == 6, 30)
    assert {row[1:3] for row in found("login")} == {(me(), "nobody_7")}

    told = (
        "select e.level, a.text from alarms_episode e join alarms_rule r on r.id = e.rule_id"
        " join alarms_act a on a.episode_id = e.id where r.key = 'database-audit' and a.kind = 'raised' and"
        " e.subject like %s"
    )
    assert until(lambda: server.sql(told, "部署以外的结构变更 %") != [], 30)
    [level, _text] = server.sql(told, "部署以外的结构变更 %")[0]
    assert level == "red"
    changed = f"平台以外的程序修改数据 {me()} zhutu local"
    assert until(lambda: server.sql(told, changed) != [], 30), "of whom the trigger knew only the role"
    names = (
        "select u.username from alarms_told t join accounts_user u on u.id = t.user_id join alarms_episode e"
        " on e.id = t.episode_id join alarms_rule r on r.id = e.rule_id where r.key = 'database-audit'"
    )
    assert {name for (name,) in server.sql(names)} <= {"admin", "demo-admin"} and server.sql(names)


def test_who_switches_the_protection_off_is_found_though_it_is_off(server: Server, found: Found) -> None:
    psql(server.database, "alter table audit_finding disable trigger insert_only")
    [(level, account, *_rest)] = found("ddl", "alter table audit_finding%")
    assert (level, account) == ("red", me())
    query = "select level, detail from audit_finding where kind = 'tamper' and tables = 'audit_finding.insert_only'"
    assert until(lambda: server.sql(query) != [], 90)
    assert server.sql(query)[0][0] == "red"
    psql(server.database, "alter table audit_finding enable trigger insert_only")


def test_the_platform_at_its_own_work_is_not_abnormal(server: Server, found: Found) -> None:
    with connect(server.database) as link:
        link.execute("select set_config('application_name', 'zhutu telemetry', false)")
        link.execute("create temp table anything (id int)")
        link.execute("create table operations_logentry_209901 (like operations_logentry including all)")
        link.execute("drop table operations_logentry_209901")
    psql(server.database, "create table backdoor_2 (id int); drop table backdoor_2")
    assert found("ddl", "%backdoor_2%"), "what came later was read"
    assert server.sql("select statement from audit_finding where statement like '%%209901%%'") == []
    assert server.sql("select statement from audit_finding where statement like '%%anything%%'") == []


def test_a_mass_deletion_on_a_page_names_the_account_and_a_small_one_is_normal(db: None) -> None:
    raw().execute("select set_config('application_name', 'zhutu web', true)")
    Rule.objects.filter(name="大批量删除").update(least=60)
    with working("owner"), connection.cursor() as cursor:
        cursor.execute("create table layers_of_a_test (id int)")
        cursor.execute(
            "create trigger audit_delete after delete on layers_of_a_test referencing old table as touched"
            " for each statement execute function audit_touched()"
        )
        cursor.execute("insert into layers_of_a_test select generate_series(1, 200)")
        cursor.execute("delete from layers_of_a_test where id <= 49")
        assert not Finding.objects.exists()
        cursor.execute("delete from layers_of_a_test where id <= 99")
        assert not Finding.objects.exists(), "fifty in a statement, and so in the transaction"
        cursor.execute("delete from layers_of_a_test where id <= 150")
        cursor.execute("delete from layers_of_a_test")
    found = Finding.objects.get()
    assert (found.account, found.role, found.program, found.rows, found.level, found.tables) == (
        "owner", "zhutu", "zhutu web", 101, "orange", "layers_of_a_test"
    )  # fmt: skip
    assert found.statement == "delete from layers_of_a_test where id <= 150" and found.pid


def test_a_role_with_few_rights_is_seen_and_writes_no_finding_itself(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("create role few_rights; grant few_rights to current_user")
        cursor.execute("grant select, update on accounts_membership to few_rights")
        cursor.execute("set local application_name = 'report'; set local role few_rights; set local search_path = ''")
        cursor.execute("update public.accounts_membership set named_only = named_only where role = 'admin'")
        changed = cursor.rowcount
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            cursor.execute("select public.audit_note('ddl', 'x', 1, 0)")
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            cursor.execute("insert into public.audit_finding (at, kind, level, rule) values (now(), 'ddl', 'red', 'x')")
        cursor.execute("reset role; reset search_path")
    found = Finding.objects.get()
    assert (found.rows, found.program, found.tables) == (changed, "report", "accounts_membership") and changed


def test_findings_are_never_changed(db: None) -> None:
    Finding.objects.create(at=MIDDAY, kind=Kind.DDL, level=Severity.RED, rule="x")
    for change in (lambda: Finding.objects.update(level="blue"), lambda: Finding.objects.all().delete()):
        with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
            change()


def test_every_table_of_the_domains_and_of_the_accounts_is_protected(db: None) -> None:
    names = {model._meta.db_table for model in guards.guarded()}
    assert {"accounts_user", "accounts_membership", "projects_project", "environment_monitor"} <= names
    assert guards.weakened() == []
    with connection.cursor() as cursor:
        cursor.execute("alter table accounts_user disable trigger audit_delete")
        assert guards.weakened() == ["accounts_user.audit_delete"]
        assert (watching.check_guards(MIDDAY), watching.check_guards(MIDDAY)) == (1, 0)


def test_who_reads_english_is_warned_in_english(db: None, settings: Any, tmp_path: Any) -> None:
    settings.SERVER_LOG = tmp_path
    admin = User.objects.get(username="admin")
    Contact.objects.update_or_create(user=admin, defaults={"language": "en"})
    for rule in declared.RULES:
        Finding.objects.create(
            at=MIDDAY, kind=rule["kind"], level=rule["level"], rule=rule["name"], account="root", role="zhutu",
            address=LOCAL, program="psql", statement="drop table a",
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("alter table accounts_user disable trigger audit_delete")
    assert watching.check_guards(MIDDAY) == 1
    assert watched.database() == len(declared.RULES) + 1
    messages = Message.objects.filter(user=admin, link__startswith="/desk/alarms/")
    assert len(messages) == len(declared.RULES) + 1
    for message in messages:
        assert not re.search("[\u4e00-\u9fff]", message.subject + message.body), message.body
    assert any("A protecting trigger was switched off" in message.body for message in messages)
    episode = Episode.objects.get(subject=f"清空数据表 root zhutu {LOCAL}")
    assert episode.irregularity == episode.subject, "and in Chinese for whoever reads Chinese"
    assert "清空数据表：账号 root" in episode.acts.get(kind="raised").words


def event(kind: Kind, at: datetime = MIDDAY, **given: Any) -> Event:
    values = {
        "role": "zhutu", "database": "zhutu", "address": LOCAL, "program": "psql", "pid": 7, "identity": "root",
        "statement": "", "detail": "",
    } | given  # fmt: skip
    return Event(kind=kind, at=at, **values)


def test_rules_in_force_decide_and_the_strictest_counts(db: None) -> None:
    rules = list(Rule.objects.all())
    assert {rule.name for rule in rules} == {str(row["name"]) for row in declared.RULES}

    def name(*of: Any, n: int = 1, **given: Any) -> str | None:
        rule = watching.strictest(rules, event(*of, **given), n)
        return rule.name if rule else None

    assert name(Kind.SESSION) == "平台以外的程序连接数据库"
    assert name(Kind.SESSION, MIDNIGHT) == "夜间直接连接数据库"
    assert name(Kind.SESSION, MIDNIGHT, program="zhutu web") is None
    assert name(Kind.LOGIN) == "登录失败" and name(Kind.LOGIN, n=5) == "连续登录失败"
    assert name(Kind.DDL, program="zhutu web") == "部署以外的结构变更"
    assert name(Kind.DDL, program="zhutu migrate") is None
    session = Rule.objects.get(name="平台以外的程序连接数据库")
    session.roles = ["zhutu"]
    assert watching.strictest([session], event(Kind.SESSION, program="zhutu web", role="postgres"), 1) == session
    session.addresses = ["10.0.0.7"]
    assert watching.strictest([session], event(Kind.SESSION, program="zhutu web", address="10.0.0.9"), 1) == session
    assert watching.strictest([session], event(Kind.SESSION, program="zhutu web", address="10.0.0.7"), 1) is None
    session.valid_to = date(2026, 11, 27)
    assert watching.strictest([session], event(Kind.SESSION), 1) is None, "no longer in force"


def test_a_line_of_the_log_that_is_none_or_of_another_database_is_passed_over() -> None:
    line = (
        b'{"timestamp":"2026-11-27 04:00:00.123 UTC","user":"zhutu","dbname":"%s","pid":7,"remote_host":"[local]",'
        b'"error_severity":"LOG","message":"statement: %s","application_name":"psql","backend_type":"client backend"}'
    )
    lines = [b"{half", b"[]", line % (b"other", b"create table a ()"), line % (b"other", b"CREATE ROLE x"),
             line % (b"zhutu", b"drop table a"), line % (b"zhutu", b"create temporary table b ()")]  # fmt: skip
    assert [(each.kind, each.statement) for each in events(lines, "zhutu", {})] == [
        (Kind.DDL, "CREATE ROLE x"), (Kind.DDL, "drop table a")
    ]  # fmt: skip
    month = rb"create table \"telemetry_reading_202401\" (like \"telemetry_reading\" including all)"
    platform = (line % (b"zhutu", month)).replace(b'"psql"', b'"zhutu web"')
    assert (
        list(events([platform], "zhutu", {})) == [] and len(list(events([line % (b"zhutu", month)], "zhutu", {}))) == 1
    )


def test_a_log_that_cannot_be_read_is_said(db: None, settings: Any, tmp_path: Any) -> None:
    from services.audit.models import Reading

    for folder in (None, tmp_path / "nowhere", tmp_path):
        settings.SERVER_LOG = folder
        assert watching.look() == 0
        assert Reading.objects.get().problem, folder
        watched.calm()
    assert Episode.objects.get(rule__key=SERVER_LOG).ended_at is None
    (tmp_path / "2026-11-27.json").write_text("{}\n")
    assert watching.look() == 0 and Reading.objects.get().problem == ""
    watched.calm()
    assert Episode.objects.get(rule__key=SERVER_LOG).ended_at is not None
    for day in range(1, 36):
        (tmp_path / f"2026-10-{day:02}.json").touch()
    watching.look()
    assert len(list(tmp_path.iterdir())) == watching.KEPT_DAYS
