"""Texts that break careless code: as identifiers, and as names of columns."""

from typing import Final

_SQL = (
    "'; DROP TABLE customers; --", '" OR ""="', "1 OR 1=1", "') UNION SELECT * FROM users --", "admin'--", "1; EXEC xp_cmdshell('dir')",
    '"; SELECT pg_sleep(10); --', "x' AND 1=CONVERT(int, @@version)--", "${jndi:ldap://x/a}", "'||(SELECT 1)||'", "NULL", "null", "None",
    "nan", "NaN", "inf", "-inf", "true", "True", "undefined", "<NA>", "N/A", "#N/A", "NaT",
)  # fmt: skip
_HTML = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</table><b>x", "&lt;b&gt;", "&#x27;", "javascript:alert(1)", "<svg/onload=x>",
    "{{7*7}}", "{% for x in y %}", "${7*7}", "<!--", "]]>", "<?xml version='1.0'?>", '" autofocus onfocus="x', "%3Cscript%3E", "{0}", "{x!r}", "%s%n%d",
)  # fmt: skip
_FORMULAS = (
    "=1+1", "=cmd|'/c calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "'=1+1", "\t=1+1", "=1,2;3", "a,b", 'a"b', 'a""b', "a;b", "a|b",
    '"', "'", '""', ",", ";",
)  # fmt: skip
_PATHS = (
    "../../etc/passwd", "..\\..\\windows", "/dev/null", "C:\\x", "~root", "a/b", "a\\b", ".", "..", "con", "nul", "customer_id=7", "*", "?", "[a-z]", "file:///x",
    "$HOME", "`id`", "$(id)", "a&&b", "|cat", "-rf", "--help", "%2e%2e%2f",
)  # fmt: skip
_NUMBERS = (
    "007", "7.0", "7e0", "+7", "-7", "0x7", "७", "７", "1_000", "1,000", "1e999", "-0", "00", "9" * 30, "18446744073709551616", "9223372036854775808", "٣",
    "²", "½", "Ⅷ",
)  # fmt: skip
_LETTERS = (
    "а", "a", "ａ", "Ａ", "K", "K", "é", "e\u0301", "ß", "SS", "ı", "I", "İ", "ﬁ", "fi", "Ω", "Ω", "𝒶", "🦄", "👩‍👩‍👧", "🇬🇧", "\u202eevil", "\u200b",
    "a\u200bb", "\ufeffa", "\u00ada", "\u2028", "a\u2029b", "\u0000a", "a\u0000", "a\u0007", "a\u001b[31m", "a\x7f", "a\x85b", "a\u00a0b", "购买", "客户",
    "ﷺ", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍", "\ud7ff", "\ue000", "\ufffd", "\uffff", "a\rb", "a\nb", "a\r\nb", "a\tb", "a\x0bb", "a\x0cb", "a\x1cb", "a\x1eb",
)  # fmt: skip
_LONG = (
    "x" * 1_000,
    "é" * 5_000,
    "<" * 3_000,
    "a@" * 2_000,
    "1" * 4_000,
    "((((" * 500,
    "a." * 2_000,
    "A " * 999 + "A",
    "x" * 100_000,
)
_KEYS = (
    "__proto__", "__class__", "constructor", "customer_id", "timestamp", "index", "level_0", "count", "sum", "values", "columns", "dtype", "T", "self",
    "__index_level_0__", "pandas", "ARROW:schema", "part-000000.parquet", "manifest.json", "redacted", "no action", "erased", "hash", "decision_id",
)  # fmt: skip
_MIXED = tuple(f"{a}{b}{c}" for a in ("'", "<", "=", "\\") for b in ("a", "7", "é") for c in ('"', ">", "\t", "%"))

HOSTILE: Final = tuple(
    dict.fromkeys(
        t for t in (*_SQL, *_HTML, *_FORMULAS, *_PATHS, *_NUMBERS, *_LETTERS, *_LONG, *_KEYS, *_MIXED) if t.strip()
    )
)
