"""What the platform warns administrators of about itself."""

from django.utils.translation import gettext, gettext_noop

from services.alarms.kinds import WarningKind
from services.alarms.models import Level

BLOCKING, ERRORS, DATABASE, SERVER_LOG = "database-block", "log-errors", "database-audit", "server-log"


def by_rule(subject: str) -> str:
    """A finding's rule, account, role and address, the rule in the language of the reader."""
    rule, *rest = subject.rsplit(" ", 3)
    return " ".join([gettext(rule), *rest])


WARNINGS = (
    WarningKind(
        BLOCKING, gettext_noop("数据阻塞"), level=Level.ORANGE.value, unit="s",
        advice=gettext_noop("在“会话与阻塞”页核对阻塞的会话和用户，与其联系；必要时终止该会话，其未提交的修改会撤销。"),
    ),
    WarningKind(
        ERRORS, gettext_noop("日志错误突增"), level=Level.YELLOW.value,
        advice=gettext_noop("在“日志分析”页查看该程序的错误和原因。"),
    ),
    WarningKind(
        DATABASE, gettext_noop("数据库异常操作"), level=Level.YELLOW.value,
        advice=gettext_noop("在“数据库审计”页核对账号、来源和语句，确认是否为授权操作。"),
        said=by_rule,
    ),
    WarningKind(
        SERVER_LOG, gettext_noop("数据库日志无法读取"), level=Level.ORANGE.value,
        advice=gettext_noop("检查日志目录及其权限：读不到时，登录失败、直接连接和结构变更不会被发现。"),
    ),
)  # fmt: skip
