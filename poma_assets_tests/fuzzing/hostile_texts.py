"""Texts that break programs which trust their input: for the fuzzing of parsers, and for tests of pages and exports."""

from __future__ import annotations

MARKUP = (
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "<svg/onload=window.pwned=1>",
    "javascript:window.pwned=1",
    "[x](javascript:window.pwned=1)",
    "![x](https://example.invalid/x.png)",
    "{{ 7*7 }}{% raw %}",
    "${7*7}",
    "&lt;b&gt;",
)
"""What runs, or asks the network, where a name is taken for HTML, Markdown or a template."""

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "=1+1;=2", "\uff1d1+1")
"""What a spreadsheet runs."""

PATHS = (
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "C:\\x",
    "-rf",
    "--help",
    "~root",
    "$(id)",
    "`id`",
    "|id",
    "NUL",
)
"""What leads out of a folder, or is an option to a program."""

SQL = ("'; DROP TABLE samples; --", 'x" OR "1"="1', "%s", "{}", "%(x)s")
"""What ends a quoted text of SQL or is filled in."""

CHARACTERS = (
    "\x00",
    "\x1b[31mred\x1b[0m",
    "\x9b31m",
    "\u202edesrever\u202c",
    "\u2066\u2069",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\x0b",
    "\x0c",
    "\x85",
    "\x1c",
    "D\u041cS\u041e",
    "\uff21\uff22",
    "\u0301\u0301\u0301",
    "\U0001f9ec",
    "\udc80",
    "\u0130\u0131",
    "ﬁ",
    "µM",
    "μM",
)
"""What cannot be seen, looks like another character, or changes how the text around it is shown."""

NUMBERS = (
    *(
        "1e999",
        "-1e999",
        "nan",
        "inf",
        "-inf",
        "-0",
        "1e-999",
        "0x10",
        "1_000",
        "１２",
        "٣",
        "²",
        "1e308",
        "1.7976931e308",
    ),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "9" * 400,
        "9" * 5000,
    ),
    *("1,5", "1.5", ".", "+", "1e", "--1", "1e5", "0.5e1", "True", "NA", "NaN", "None", "", " ", "-", "00012", "1.0"),
)
"""What is a number for one reader and not for another, or too large for most."""

QUOTES = (
    '"',
    "'",
    '""',
    '"a',
    'a"b',
    "`",
    "\\",
    '"\n"',
    ",",
    ";",
    "\t",
    "\n",
    "\r",
    "\r\n",
    ":",
    "#",
    "=",
    "~",
    "|",
    "{",
    "[",
    "(",
)
"""What separates, quotes or opens."""

LONG = ("A" * 300, "A" * 5000, "9" * 100, "x " * 500, "=" * 200, "(" * 300, "[" * 300, "{" * 300, "- " * 300)
"""What is longer or deeper than expected."""

ALL = (*MARKUP, *FORMULAS, *PATHS, *SQL, *CHARACTERS, *NUMBERS, *QUOTES, *LONG)
"""All of them."""
