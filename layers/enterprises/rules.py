"""The unified social credit code (GB 32100-2015), and the standard of integrity with which the platform begins.

Whose conduct is worth how many points an office decides: the figures here are the platform's own to start from, each
with the source that makes the conduct good or bad. Good conduct counts three years, bad from six months to three years
(建筑市场信用管理暂行办法, 建市〔2017〕241号, article 10, how long each may be shown).
"""

from calendar import monthrange
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of a code; I, O, S, V and Z are left out because they look like digits."""


def check_character(body: str) -> str:
    """The 18th character for the first 17 (GB 32100-2015 §4.2): weights are powers of three modulo 31."""
    total = sum(ALPHABET.index(character) * pow(3, place, 31) for place, character in enumerate(body[:17]))
    return ALPHABET[-total % 31]


def is_credit_code(code: str) -> bool:
    """Whether a text is a well-formed unified social credit code."""
    return len(code) == 18 and set(code) <= set(ALPHABET) and check_character(code) == code[17]


def validate_credit_code(code: str) -> None:
    """Raise ValidationError unless the code is well formed."""
    if not is_credit_code(code):
        raise ValidationError(
            _("统一社会信用代码应为18位，不含字母I、O、S、V、Z，且末位校验码正确（GB 32100-2015）。"),
            code="credit_code",
        )


def counts_until(first: date, months: int) -> date:
    """The last day on which points count that count for so many months from a day on."""
    whole = first.year * 12 + first.month - 1 + months
    year, month = divmod(whole, 12)
    day = min(first.day, monthrange(year, month + 1)[1])
    return date(year, month + 1, day) - timedelta(days=1)


BEGIN = date(2018, 1, 1)
"""The day from which 建市〔2017〕241号 holds."""
PERIOD = "《建筑市场信用管理暂行办法》（建市〔2017〕241号）第十条"

RULE: dict[str, Any] = {
    "version": "2018", "valid_from": BEGIN, "citation": f"{PERIOD}；分值与分级为平台预置，由主管部门修订",
    "base": Decimal(100), "least": Decimal(0), "most": Decimal(200),
    "a_from": Decimal(105), "b_from": Decimal(95), "c_from": Decimal(80),
}  # fmt: skip


class Item(NamedTuple):
    """An item of the standard as it is declared."""

    code: str
    kind: str
    topic: str
    title: str
    points: str
    months: int
    citation: str
    enterprise_kind: str = ""


_LABOUR = "《保障农民工工资支付条例》（国务院令第724号）"
_SAFETY = "《建设工程安全生产管理条例》（国务院令第393号）"
_QUALITY = "《建设工程质量管理条例》（国务院令第279号）"
_TESTING = "《建设工程质量检测管理办法》（住房和城乡建设部令第57号）"
_AWARDS = f"{PERIOD}第（二）项"

ITEMS = (
    Item("J101", "reward", "honour", "获得国家级工程质量奖", "10", 36, _AWARDS, "construction"),
    Item("J102", "reward", "honour", "获得省级优质工程奖", "6", 36, _AWARDS, "construction"),
    Item("J103", "reward", "honour", "获得市级优质工程奖", "4", 36, _AWARDS, "construction"),
    Item("J104", "reward", "site", "获评省级安全生产文明施工标准化工地", "5", 36, _AWARDS, "construction"),
    Item("J105", "reward", "site", "获评市级安全生产文明施工标准化工地", "3", 36, _AWARDS, "construction"),
    Item("J201", "reward", "honour", "所监理工程获得省级以上质量奖", "4", 36, _AWARDS, "supervision"),
    Item("J301", "reward", "quality", "检测能力验证结果为满意", "2", 12, _AWARDS, "testing"),
    Item("J401", "reward", "site", "获评绿色搅拌站", "3", 36, _AWARDS, "concrete"),
    Item("J901", "reward", "honour", "参与抢险救灾受到县级以上政府表彰", "2", 36, _AWARDS),
    Item("J902", "reward", "market", "受到住房城乡建设主管部门通报表扬", "1", 36, _AWARDS),
    Item("K101", "penalty", "quality", "未按专项施工方案组织危险性较大工程施工", "5", 24,
         "《危险性较大的分部分项工程安全管理规定》（住房和城乡建设部令第37号）", "construction"),
    Item("K102", "penalty", "quality", "施工关键岗位人员未按规定到岗履职", "2", 12, _SAFETY, "construction"),
    Item("K103", "penalty", "site", "扬尘污染防治措施不落实受到处罚", "2", 12,
         "《中华人民共和国大气污染防治法》第六十九条、第一百一十五条", "construction"),
    Item("K104", "penalty", "market", "转包、违法分包或者挂靠", "15", 36,
         "《建筑工程施工发包与承包违法行为认定查处管理办法》（建市规〔2019〕1号）", "construction"),
    Item("K105", "penalty", "quality", "对施工承担责任的一般生产安全事故", "20", 36,
         "《生产安全事故报告和调查处理条例》（国务院令第493号）", "construction"),
    Item("K201", "penalty", "quality", "发现安全事故隐患未要求整改或者未报告", "5", 24, f"{_SAFETY}第五十七条",
         "supervision"),
    Item("K202", "penalty", "quality", "监理人员未按规定到岗或者旁站", "2", 12, _QUALITY, "supervision"),
    Item("K301", "penalty", "quality", "出具虚假检测报告", "15", 36, _TESTING, "testing"),
    Item("K302", "penalty", "quality", "未按标准检测或者记录不可追溯", "4", 24, _TESTING, "testing"),
    Item("K401", "penalty", "quality", "预拌混凝土出厂质量不合格", "6", 24, _QUALITY, "concrete"),
    Item("K501", "penalty", "market", "未落实工程质量安全首要责任", "5", 24,
         "《关于落实建设单位工程质量首要责任的通知》（建质规〔2020〕9号）", "developer"),
    Item("K901", "penalty", "labour", "拖欠农民工工资", "8", 36, _LABOUR),
    Item("K902", "penalty", "labour", "未落实用工实名制管理", "2", 6, _LABOUR),
    Item("K903", "penalty", "quality", "逾期未完成质量安全问题整改", "3", 12, f"{_QUALITY}；{_SAFETY}"),
    Item("K904", "penalty", "market", "在资质申请或者招标投标中提供虚假材料", "10", 36,
         "《建筑业企业资质管理规定》（住房和城乡建设部令第22号）；《中华人民共和国招标投标法》"),
    Item("K905", "penalty", "market", "串通投标", "15", 36, "《中华人民共和国招标投标法》第五十三条"),
)  # fmt: skip
