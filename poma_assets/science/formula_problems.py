"""What is wrong with a formula that cannot be read, in words of formulas instead of those of the library below."""

from __future__ import annotations

import re

from poma_assets.science.errors import DesignError

_HIGHLIGHT = re.compile(r"\x1b\[[0-9;]*m|[⧛⧚]")
_QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"")
_CALL = re.compile(r"[\w.]+\([^()]*\)|\{[^{}]*\}|\w+\[[^\[\]]*\]")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_JOIN = "Join terms by '+' (effects side by side), ':' (interaction) or '*' (both)"


def unreadable(formula: str, problem: Exception, where: str) -> DesignError:
    """Say what is wrong with a formula that could not be read or evaluated."""
    detail = " ".join(_HIGHLIGHT.sub("", str(problem)).split()).rstrip(".")
    what, fix = (
        _unbalanced(formula)
        or _r_factor(formula)
        or _misplaced_operator(_outline(formula))
        or _not_computed(detail)
        or (detail, "Write it as in the examples of docs/designs.md")
    )
    return DesignError(
        f"the formula cannot be read: {what}",
        where=where,
        found=repr(formula),
        expected="a formula such as '~ batch + treatment * sensitivity'",
        fix=fix,
    )


def unknown_function(formula: str, name: str, where: str) -> DesignError | None:
    """Say that what a formula calls is no function of formulas; None if ``name`` is not called."""
    if not re.search(rf"(?<![\w.`]){re.escape(name)}\s*\(", formula):
        return None
    return DesignError(
        f"the formula calls a function {name!r} that is not known",
        where=where,
        found=repr(formula),
        expected="C(x) for levels, numeric(x), log2_dose(x), log2(x), log10(x), log(x), exp(x), scale(x) or poly(x, 2)",
        fix="Write C(x) to make levels of a number" if name == "factor" else None,
    )


def _outline(formula: str) -> str:
    """The formula without what stands in quotes and in the parentheses of functions: ``~ C(a) + b`` is ``~ x + b``."""
    outline = _QUOTED.sub("x", formula.strip()).removeprefix("~").strip()
    while (shorter := _CALL.sub("x", outline)) != outline:
        outline = shorter
    return outline


def _unbalanced(formula: str) -> tuple[str, str] | None:
    plain = _QUOTED.sub("x", formula)
    for quote in "`'\"":
        if quote in plain:
            return f"a quote {quote} is opened and not closed", f"Write {quote} on both sides of the name"
    opened: list[str] = []
    for sign in plain:
        if sign in "([{":
            opened.append(sign)
        elif sign in _CLOSING and (not opened or opened.pop() != _CLOSING[sign]):
            return f"{sign!r} closes a parenthesis that is not open", f"Delete {sign!r}, or write '{_CLOSING[sign]}'"
    if opened:
        return f"the parenthesis {opened[-1]!r} is not closed", "Close it where the term ends"
    return None


def _r_factor(formula: str) -> tuple[str, str] | None:
    match = re.search(r"as\.(factor|numeric)\(([^()]*)\)", formula)
    if match is None:
        return None
    ours = "C" if match[1] == "factor" else "numeric"
    return f"as.{match[1]} is a function of R", f"Write {ours}({match[2]})"


def _misplaced_operator(outline: str) -> tuple[str, str] | None:
    delete = "Delete it, or write the missing term"
    if match := re.search(r"[+*:/^-]\s*$", outline):
        return f"it ends with {match[0].strip()!r}, and a term is missing", delete
    if match := re.match(r"[*:/^]", outline):
        return f"it begins with {match[0]!r}, and a term is missing", delete
    if match := re.search(r"\(\s*[*:/^]|[+*:/^-]\s*\)|\(\s*\)", outline):
        return f"within {match[0]!r} a term is missing", delete
    if re.search(r"(?:\^|\*\s*\*)\s*(?!\s|\d)", outline):
        return "after '^' or '**' a whole number must stand", _JOIN
    if match := re.search(r"[+*:/-]\s*[*:/]", outline.replace("**", "^")):
        return f"between the operators of {match[0]!r} a term is missing", delete
    if match := re.search(r"[^\w\s+*:/^().~-]|%", outline.replace("%in%", ":")):
        return f"{match[0]!r} is no operator of formulas", _JOIN
    if match := re.search(r"(\w+)\s+(\w+|\.)", outline):
        return (
            f"an operator is missing between {match[1]!r} and {match[2]!r}",
            f"{_JOIN}, or put backticks around a column name that holds blanks: `{match[1]} {match[2]}`",
        )
    if re.search(r"(?<!\w)\.(?!\w)", outline):
        return "'.' stands for all columns only in R", "Name the columns"
    if re.search(r"(?<![\w.^])(?!(?:0|1)(?![\w.]))\d+(?:\.\d+)?(?!\w)", outline):
        return "a number is no term, but for 0 and 1 (without and with an intercept)", "Delete it, or name a column"
    return None


def _not_computed(detail: str) -> tuple[str, str] | None:
    match = re.search(r"Unable to evaluate factor `(.*?)`", detail)
    if match is not None:
        fix = "Functions of numbers need a column of numbers; write a column of texts alone to compare its levels"
        if match[1].startswith("C("):
            fix = "C(x) knows contr.treatment, contr.sum, contr.helmert and contr.poly, and levels that the column has"
        return f"{match[1]} cannot be computed", fix
    if "syntax" in detail or "never closed" in detail:
        return "what stands in the parentheses of a function cannot be understood", "Write for example C(time_h)"
    return None
