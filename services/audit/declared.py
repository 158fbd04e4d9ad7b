"""What counts as abnormal on the database to begin with: rows that administrators change and nothing overwrites."""

from datetime import date
from typing import Any

from services.audit.models import Kind, Rule, Severity

SINCE = date(2026, 1, 1)
PLATFORM = "zhutu *"
"""The platform's own programs, as they name themselves to the database."""
DEPLOYMENT = ("zhutu migrate", "zhutu demo", "zhutu bench", "zhutu deploy")
KEEPERS = (
    "zhutu telemetry", "zhutu gateway", "zhutu alarms", "zhutu surfaces", "zhutu notify", "zhutu background",
    "zhutu watch", "zhutu loadregions", "zhutu simulator",
)  # fmt: skip
"""Programs that change many rows by themselves, and make and take away partitions."""
_CITATION = "辽宁省建设工程质量安全智能监管技术规程 7.0.2 第5款条文说明：提供数据库审计功能，发现异常行为及时告警"

RULES: tuple[dict[str, Any], ...] = (
    {"name": "登录失败", "kind": Kind.LOGIN, "level": Severity.YELLOW},
    {"name": "连续登录失败", "kind": Kind.LOGIN, "level": Severity.RED, "least": 5},
    {"name": "平台以外的程序连接数据库", "kind": Kind.SESSION, "level": Severity.YELLOW, "programs": [PLATFORM]},
    {
        "name": "夜间直接连接数据库", "kind": Kind.SESSION, "level": Severity.ORANGE, "programs": [PLATFORM],
        "hour_from": 22, "hour_to": 6,
    },
    {
        "name": "部署以外的结构变更", "kind": Kind.DDL, "level": Severity.RED, "programs": [*DEPLOYMENT, *KEEPERS],
    },
    {"name": "平台以外的程序插入数据", "kind": Kind.INSERT, "level": Severity.ORANGE, "programs": [PLATFORM]},
    {"name": "平台以外的程序修改数据", "kind": Kind.UPDATE, "level": Severity.ORANGE, "programs": [PLATFORM]},
    {"name": "平台以外的程序删除数据", "kind": Kind.DELETE, "level": Severity.RED, "programs": [PLATFORM]},
    {
        "name": "大批量修改", "kind": Kind.UPDATE, "level": Severity.YELLOW, "least": 1000,
        "programs": [*DEPLOYMENT, *KEEPERS, "zhutu worker"],
    },
    {
        "name": "大批量删除", "kind": Kind.DELETE, "level": Severity.ORANGE, "least": 500,
        "programs": [*DEPLOYMENT, *KEEPERS],
    },
    {"name": "清空数据表", "kind": Kind.TRUNCATE, "level": Severity.RED, "programs": ["zhutu migrate"]},
    {"name": "触动审计保护", "kind": Kind.TAMPER, "level": Severity.RED},
)  # fmt: skip


def write(using: str = "default") -> None:
    """Add the rows where there are none at all: what somebody changed or ended stays as it is."""
    rows = Rule.objects.using(using)
    if not rows.exists():
        rows.bulk_create(Rule(**rule, valid_from=SINCE, citation=_CITATION) for rule in RULES)
