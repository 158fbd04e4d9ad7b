"""Secrets in lines of logs and in statements: what follows a telling name, a key, a hash, a password in an address."""

import re

HIDDEN = "***"
# Words are taken whole and never given back, so that the work grows with the length of the text alone.
_NAMES = (
    r"(?<![\w-])(?=[\w-]*?(?:passw(?:or)?d|passwd|pwd|secret|token|cookie|session[-_]?id|csrf\w*|api[-_]?key|"
    r"app[-_]?key|access[-_]?key|private[-_]?key|sm4[-_]?key|credential|authorization|密码|口令|令牌|密钥))[\w-]++"
)
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # What is kept of passwords, as it stands in statements.
    (re.compile(r"\b(?:argon2|pbkdf2_\w+|bcrypt\w*|scrypt)\$[^\s'\",]+"), HIDDEN),
    # A key in PEM, whole or cut off.
    (re.compile(r"-----BEGIN [A-Z ]*KEY-----.*?(?:-----END [A-Z ]*KEY-----|\Z)", re.S), HIDDEN),
    # Authorization: Bearer abc; "authorization": "Basic abc".
    (re.compile(r"\b(bearer|basic|digest)\s+[\w.~+/=:-]{6,}", re.I), rf"\1 {HIDDEN}"),
    # scheme://user:password@host
    (re.compile(r"(?<!\w)(\w++://[^\s:/@]*+):[^\s@/]++@"), rf"\1:{HIDDEN}@"),
    # alter role x password 'value'
    (re.compile(r"\b(password\s+)'(?:''|[^'])*'", re.I), rf"\1{HIDDEN}"),
    # name=value, "name": "value", name: value; a quoted value ends at its quote.
    (re.compile(rf"""({_NAMES}["']?\s*[=:：]\s*)(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s,;&"'}})\]]+)""", re.I),
     rf"\1{HIDDEN}"),
)  # fmt: skip


def masked(text: str) -> str:
    """A text without its secrets."""
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return text
