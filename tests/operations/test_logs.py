"""Logs: counted by system, level and time, without secrets; rises of errors against what is usual; old months."""

from datetime import UTC, datetime, timedelta

import pytest

from services.alarms.models import Episode
from services.audit.masking import masked
from services.operations import analysis, keeping, logs, watched
from services.operations.models import LogCount, LogEntry, LogLevel, LogSystem, Policy, Rise
from services.operations.warnings import ERRORS
from services.telemetry.partitions import raw

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)


def entry(at: datetime, level: int = LogLevel.ERROR, message: str = "it failed", **given: str) -> logs.Entry:
    values = {"system": logs.OWN, "program": "web", "logger": "test"} | given
    return logs.Entry(at=at, level=level, message=message, **values)  # type: ignore[arg-type]


def write(*entries: logs.Entry) -> None:
    logs.store(raw(), entries)


SECRETS = [
    ("login password=Hunter-2 failed", "Hunter-2"),
    ('{"token": "a\\"bc d", "n": 1}', "bc d"),
    ("Authorization: Bearer abcdef123456", "abcdef123456"),
    ("postgres://zhutu:s3cr3t@db/zhutu", "s3cr3t"),
    ("GET /feeds/3?api_key=zz991&page=2", "zz991"),
    ("设备密码：geheim7", "geheim7"),
    ("sm4_key='0123456789abcdef'", "0123456789abcdef"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "MIIEvQ"),
    ("insert into accounts_user values (7, 'argon2$argon2id$v=19$m=8$c2FsdA$aGFzaA')", "aGFzaA"),
    ("alter role zhutu password 'geheim''7'", "geheim"),
    ("X-Feed-Token: 7Fqq1", "7Fqq1"),
    ("Cookie: sessionid=k2j3h4", "k2j3h4"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_no_secret_reaches_the_table(text: str, secret: str) -> None:
    write(entry(NOON, message=text, cause=f"ValueError: {text}", request=f"GET /x {text}"))
    found = LogEntry.objects.get()
    assert secret not in f"{found.message}{found.cause}{found.request}"
    assert "***" in found.message


@pytest.mark.parametrize("part", ["x", "token", "token-", "a://", 'token="', "password '", "-----BEGIN ", "a:"])
def test_a_long_text_of_anything_is_masked_in_no_time(part: str) -> None:
    """Not measured: with work that grew with the square of the length this would take many minutes."""
    found = masked(f"{part * 300_000} password=Hunter-2")
    assert found.endswith("password=***") and "Hunter" not in found


def test_what_is_no_secret_stays() -> None:
    for text in (
        "5 tokens were read",
        'password authentication failed for user "x"',
        "GET /desk?page=2",
        "键盘 key: a",
    ):
        assert masked(text) == text or text.startswith("键盘")


def test_entries_are_counted_by_system_program_level_and_time() -> None:
    write(*[entry(NOON + timedelta(minutes=n)) for n in range(25)], entry(NOON, LogLevel.INFO))
    write(entry(NOON, system="oa", program="mail", level=LogLevel.WARNING))
    logs.store(raw(), [], {(NOON, logs.OWN, "web", 40): 7})
    whole = analysis.Choice(NOON, NOON + timedelta(hours=1))
    found = {(line.system, line.program): line for line in analysis.lines(whole)}
    assert found[logs.OWN, "web"].counts == {20: 1, 40: 32} and found[logs.OWN, "web"].lost == 7
    assert found["oa", "mail"].counts == {30: 1} and found["oa", "mail"].total == 1
    by_time = analysis.series(analysis.Choice(NOON, NOON + timedelta(hours=1), system=logs.OWN), logs.STEP)
    assert [n for _at, n in sorted(by_time[40].items())] == [17, 10, 5] and by_time[20] == {NOON: 1}
    assert analysis.series(whole, timedelta(hours=1))[40] == {NOON: 32}
    narrow = analysis.Choice(NOON, NOON + timedelta(hours=1), level=LogLevel.WARNING, text="IT fail")
    assert narrow.entries().count() == 26 and narrow.entries()[0].at == NOON + timedelta(minutes=24)


def test_a_rise_of_errors_begins_and_ends_by_the_policy_in_force() -> None:
    now = logs.step_of(NOON)
    # Three errors in ten minutes are usual.
    write(*[entry(now - n * logs.STEP) for n in range(12, 7 * 24 * 6) for _each in range(3)])
    assert analysis.usual(now, 7)[logs.OWN, "web"] == pytest.approx(3.0, abs=0.1)
    write(*[entry(now + timedelta(seconds=n)) for n in range(8)])
    assert analysis.look(now + timedelta(minutes=1)) == ([], []), "eight are neither ten nor three times as many"
    write(entry(now + timedelta(seconds=70)))
    write(*[entry(now + timedelta(seconds=70), program="alarms") for n in range(9)])
    assert analysis.look(now + timedelta(minutes=2)) == ([], []), "nine of another are too few"
    write(*[entry(now + timedelta(minutes=3)) for n in range(20)])
    began, ended = analysis.look(now + timedelta(minutes=4))
    assert [(rise.program, rise.peak, rise.began_at, ended) for rise in began] == [("web", 29, now, [])]
    assert began[0].usual == pytest.approx(3.0, abs=0.1)
    write(*[entry(now + timedelta(minutes=8)) for n in range(11)])
    assert analysis.look(now + timedelta(minutes=9)) == ([], []), "it is one rise"
    assert Rise.objects.get().peak == 40
    assert list(analysis.rises(analysis.Choice(now - timedelta(hours=1), now + timedelta(hours=1)))) == began
    _none, over = analysis.look(now + timedelta(minutes=25))
    assert [rise.pk for rise in over] == [began[0].pk] and Rise.objects.get().ended_at == now + timedelta(minutes=20)
    Policy.objects.create(valid_from=NOON.date(), rise_least=5, rise_factor=1, citation="test")
    write(*[entry(now + timedelta(minutes=31)) for n in range(6)])
    assert [rise.peak for rise in analysis.look(now + timedelta(minutes=32))[0]] == [6], "as the office says since"


def test_a_rise_warns_administrators_until_it_is_over() -> None:
    now = logs.step_of(NOON)
    write(*[entry(now, system="oa", program="mail") for _n in range(15)])
    LogSystem.objects.create(key="oa", name="办公系统")
    assert watched.errors(now + timedelta(minutes=1)) == 1 and watched.errors(now + timedelta(minutes=2)) == 0
    warning = Episode.objects.get(rule__key=ERRORS)
    [raised] = warning.acts.all()
    assert raised.text % raised.given == "系统“办公系统”的程序 mail 十分钟内有 15 条错误，平时为 0.0 条。"
    assert (warning.value, warning.limit, warning.ended_at) == (15, 0, None)
    assert warning.told.filter(user__username="admin").exists()
    assert watched.errors(now + timedelta(minutes=30)) == 1
    assert Episode.objects.get(rule__key=ERRORS).ended_at is not None


def test_old_months_go_as_the_policy_says() -> None:
    link = raw()
    old = NOON - timedelta(days=300)
    keeping.partitions.make(link, keeping.partitions.month_of(old), logs.TABLES)
    write(entry(old), entry(NOON))
    keeping.housekeeping(NOON)
    assert [each.at for each in LogEntry.objects.all()] == [NOON]
    assert LogCount.objects.count() == 2, "counts stay longer"


def test_an_entry_that_text_cannot_hold_is_stored_all_the_same() -> None:
    write(entry(NOON, message="a\x00b \ud800 c" + "x" * 9_000, cause="y" * 30_000 + "the end"))
    found = LogEntry.objects.get()
    assert found.message.startswith("ab ? c") and len(found.message) == logs.LONGEST_MESSAGE
    assert found.cause.endswith("the end")
