"""A transaction held open that blocks another: who it is, what waits, that it ends, also by an administrator."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from services.access.errors import Conflict, NotFound
from services.access.principal import Principal
from services.alarms.models import Episode
from services.audit.models import Entry
from services.operations import blocking, watched
from services.operations.models import Block, Policy
from services.operations.warnings import BLOCKING
from services.operations.working import account_of, marked, working
from tests.conftest import connect
from tests.ingest.gateways.boxes import until

pytestmark = pytest.mark.django_db(transaction=False)
Sessions = Callable[[str], psycopg.Connection]
TABLE = "held_by_a_test"


@pytest.fixture
def sessions(db: None) -> Iterator[Sessions]:
    """``sessions("zhutu web")`` → a session of that name; a table that they may hold stands beside the test's own."""
    name, opened = str(connection.settings_dict["NAME"]), []

    def enter(program: str) -> psycopg.Connection:
        made = connect(name)
        made.execute(
            "select set_config('application_name', %s, false), set_config('statement_timeout', '60s', false)", [program]
        )
        opened.append(made)
        return made

    first = enter("zhutu pytest")
    first.execute(f"drop table if exists {TABLE}; create table {TABLE} (id int primary key, n int)")
    first.execute(f"insert into {TABLE} values (1, 0), (2, 0)")
    yield enter
    for each in opened[1:]:
        each.close()
    first.execute(f"drop table {TABLE}")
    first.close()


@contextmanager
def asking(link: psycopg.Connection, sql: str) -> Iterator[Future[Any]]:
    """A question that waits while the block goes on."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(link.execute, sql)
        assert until(lambda: link.info.backend_pid in {each.pid for each in blocking.sessions() if each.blockers}, 20)
        yield future


def held(link: psycopg.Connection, account: str) -> None:
    """Begin a transaction as the platform does it for somebody, change a row, and leave it open."""
    with working(account):
        link.execute("begin")
        link.execute(marked(f"update {TABLE} set n = n + 1 where id = 1"))


@pytest.mark.covers("DZ-057")
def test_a_transaction_held_open_is_found_with_session_user_statement_table_and_who_waits(sessions: Sessions) -> None:
    Policy.objects.create(valid_from=timezone.localdate(), block_seconds=3, citation="test")
    holder, waiter, another = sessions("zhutu web"), sessions("zhutu worker"), sessions("zhutu background")
    held(holder, "owner")
    with working("inspector"):
        asked = marked(f"update {TABLE} set n = 5 where id = 1")
    with asking(waiter, asked) as first, asking(another, f"delete from {TABLE}") as second:
        now = timezone.now()
        assert blocking.look(now) == ([], []) and not Block.objects.exists(), "nobody has waited for three seconds"
        [began], ended = blocking.look(now + timedelta(seconds=5))
        assert ended == []
        assert (began.pid, began.account, began.program, began.role) == (
            holder.info.backend_pid, "owner", "zhutu web", "zhutu"
        )  # fmt: skip
        assert began.tables == TABLE and began.statement == f"update {TABLE} set n = n + 1 where id = 1"
        assert began.state == "idle in transaction" and began.longest >= 5
        waits = {each["pid"]: each for each in began.waiting}
        assert set(waits) == {waiter.info.backend_pid, another.info.backend_pid}, "who waits for a waiter waits for it"
        assert waits[waiter.info.backend_pid]["account"] == "inspector"
        assert waits[another.info.backend_pid]["statement"] == f"delete from {TABLE}"
        assert blocking.look(now + timedelta(seconds=6)) == ([], []), "it is one block"
        Block.objects.all().delete()
        assert watched.blocks(now + timedelta(seconds=7)) == 1
        warning = Episode.objects.get(rule__key=BLOCKING)
        assert warning.level == "orange" and warning.ended_at is None and warning.value and warning.value >= 7
        [raised] = warning.acts.all()
        said = raised.text % raised.given
        for part in (str(holder.info.backend_pid), "owner", "zhutu web", TABLE, "2 个会话", "set n = n + 1"):
            assert part in said
        assert {told.user.username for told in warning.told.all()} >= {"admin"}
        assert not warning.told.exclude(user__memberships__role="admin").exists()
        holder.execute("commit")
        first.result(20)
        second.result(20)
    assert watched.blocks(now + timedelta(seconds=9)) == 1
    assert Block.objects.get().ended_at == now + timedelta(seconds=9)
    assert Episode.objects.get(rule__key=BLOCKING).ended_at == now + timedelta(seconds=9)
    assert Block.objects.get().most == 2


def test_a_held_table_names_the_table_and_a_session_without_an_account_its_role(sessions: Sessions) -> None:
    holder, waiter = sessions("psql"), sessions("zhutu web")
    holder.execute(f"begin; /*zhutu admin*/ lock table {TABLE} in access exclusive mode")
    with asking(waiter, f"select * from {TABLE}") as future:
        [began], _ended = blocking.look(timezone.now() + timedelta(seconds=9))
        assert (began.account, began.program, began.tables) == ("", "psql", TABLE), "psql speaks for nobody"
        # Whoever waited gives up after a while; the transaction is still open.
        holder.execute("select 1")
        waiter.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            future.result(20)
    now = timezone.now() + timedelta(seconds=10)
    assert blocking.look(now) == ([], []), "it may come again within half a minute"
    assert [each.pk for each in blocking.look(now + timedelta(seconds=40))[1]] == [began.pk]
    holder.execute("rollback")


def test_an_administrator_ends_the_blocking_session_and_nobody_else(
    sessions: Sessions, who: dict[str, Principal]
) -> None:
    holder, waiter = sessions("zhutu web"), sessions("zhutu worker")
    held(holder, "owner")
    with asking(waiter, f"update {TABLE} set n = 5 where id = 1") as future:
        [began], _ended = blocking.look(timezone.now() + timedelta(seconds=9))
        for name in ("owner", "commander", "stranger", "public"):
            with pytest.raises(NotFound):
                blocking.end(who[name], began.pid, began.session_at)
            with pytest.raises(NotFound):
                blocking.blocks(who[name])
        with pytest.raises(Conflict):
            blocking.end(who["admin"], began.pid, began.session_at + timedelta(seconds=1))
        holder.execute("select 1")
        blocking.end(who["admin"], began.pid, began.session_at)
        future.result(20)
    with pytest.raises(psycopg.OperationalError):
        holder.execute("select 1")
    assert until(lambda: blocking.look(timezone.now())[1] != [], 20)
    assert Block.objects.get().ended_by == "admin"
    assert waiter.execute(f"select n from {TABLE} where id = 1").fetchone() == (5,), "what was held is undone"
    noted = Entry.objects.get(action="end session")
    assert (noted.user_name, noted.object_id) == ("admin", str(began.pid))
    assert noted.changes["account"] == "owner" and noted.changes["blocked"] == [waiter.info.backend_pid]


def test_the_account_is_said_with_the_question_and_costs_none(django_assert_num_queries: Any) -> None:
    query = "select current_query()"
    with working("li.ming+7@zhutu"), django_assert_num_queries(1), connection.cursor() as cursor:
        cursor.execute(query)
        (said,) = cursor.fetchone()
    assert account_of(said) == "li.ming+7@zhutu"
    with working("*/ drop table x; %s --"), connection.cursor() as cursor:
        cursor.execute("select %s", [7])
        assert cursor.fetchone() == (7,)
        cursor.execute(query)
        (said,) = cursor.fetchone()
    assert said.startswith("/*zhutu __") and said.count("*/") == 1
    with connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.fetchone() == (query,)


def test_a_foreign_role_that_blocks_is_seen(sessions: Sessions, machine: Any) -> None:
    """The product's role is no superuser: that it sees others is a matter of the set-up."""
    host = machine.environment["ZHUTU_PGHOST"]
    machine.sql(f"create table {TABLE} (id int)")
    began = time.monotonic()
    with psycopg.connect(host=host, user="postgres", dbname="zhutu", application_name="psql") as holder:
        holder.execute(f"lock table {TABLE}")
        seen = machine.sql(
            "select usename, query, state from pg_stat_activity where pid = %s and backend_type = 'client backend'",
            holder.info.backend_pid,
        )
        assert seen == [("postgres", f"lock table {TABLE}", "idle in transaction")], time.monotonic() - began
    machine.sql(f"drop table {TABLE}")
