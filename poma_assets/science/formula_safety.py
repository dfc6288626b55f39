"""What a formula may say: names, operators and calls of known functions, and no more of them than a design can have.

The library that reads formulas runs what stands in parentheses and braces as Python, some of it already while reading
(``formulaic``, notes of ``stateful_eval``). A contrasts file that came with somebody's data must not run programs, so
everything that is not on the list here is refused before the library looks at it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from poma_assets.science.errors import DesignError
from poma_assets.science.formula_problems import unknown_function

FUNCTIONS = frozenset(
    {
        "C",
        "numeric",
        "log2_dose",
        "log",
        "log2",
        "log10",
        "exp",
        "exp2",
        "scale",
        "center",
        "poly",
        "bs",
        "cr",
        "cc",
        "I",
    }
)
"""Functions that a formula may call, beside ``contr.treatment`` and its like."""

_CODINGS = frozenset({"treatment", "sum", "helmert", "poly", "diff", "SAS"})
_OF_A_SIZE = frozenset({"poly", "bs", "cr", "cc"})
_LARGEST_SIZE = 20
_LARGEST_NUMBER = 1e15
_LARGEST_EXPONENT = 10
_LONGEST = 2000
_MOST_TERMS = 1000
_MOST_COLUMNS = 20_000
_NODES = (
    *(ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.UnaryOp),
    *(ast.UAdd, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Attribute),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE),
)
_ALIAS = "_formulaic_{}"
_NAMES = re.compile(r"`([^`]+)`|\b([^\W\d]\w*)\b")
_NO_READING = (SyntaxError, ValueError, LookupError, AttributeError, TypeError, RecursionError, MemoryError)


def refuse_unsafe(formula: str, *, where: str) -> None:
    """Refuse a formula that would run a program, take for ever, or be larger than any design.

    Raises
    ------
    DesignError
        Naming the part that is not allowed. What cannot be read at all passes: the library says why.
    """
    if len(formula) > _LONGEST:
        raise DesignError("the formula is longer than any design", where=where, found=f"{len(formula):,} characters")
    for expression in _python_parts(formula):
        for called in _unknown_calls(expression):
            raise unknown_function(formula, called, where) or _refused(formula, f"{called}(...)", where)
        problem = _problem(expression)
        if problem is not None:
            raise _refused(formula, problem, where)
    if _n_terms(formula) > _MOST_TERMS:
        raise DesignError(
            "the formula has more terms than any design",
            where=where,
            found=repr(formula),
            expected=f"at most {_MOST_TERMS:,} terms when '*' and '^' are multiplied out",
            fix="Name the interactions that are meant, joined by ':'",
        )


def refuse_too_many_columns(terms: Iterable[Any], table: pd.DataFrame, *, formula: str, where: str) -> None:
    """Refuse a design matrix of more columns than any study has samples, before it fills the memory.

    Parameters
    ----------
    terms
        Terms as the library reads them.
    table
        One row per sample.

    Raises
    ------
    DesignError
        The levels that the terms multiply are too many.
    """
    levels = {str(column): int(table[column].nunique()) for column in table.columns}
    total = 0
    for term in terms:
        columns = 1
        for factor in term.factors:
            columns *= max([1, *(levels.get(name, 1) for name in _names(str(factor.expr)))])
        total += columns
        if total > _MOST_COLUMNS:
            raise DesignError(
                "the formula has more coefficients than any design",
                where=where,
                found=f"more than {_MOST_COLUMNS:,} in {formula!r}",
                expected="far fewer coefficients than samples",
                fix="Leave out interactions of columns with many levels",
            )


def _names(expression: str) -> set[str]:
    return {expression, *(quoted or plain for quoted, plain in _NAMES.findall(expression))}


def _refused(formula: str, part: str, where: str) -> DesignError:
    return DesignError(
        f"the formula may not say {part!r}",
        where=where,
        found=repr(formula),
        expected="names of columns joined by + : * - ^, and functions such as C(x), log2(x), scale(x) or poly(x, 2)",
        fix="Compute what you need as a column of the sample sheet, and name that column",
    )


def _python_parts(formula: str) -> Iterator[str]:
    """What the library would run: calls, subscripts and what stands in braces, as written and as it rewrites it."""
    from formulaic.errors import FormulaicError
    from formulaic.parser.algos.sanitize_tokens import sanitize_python_code
    from formulaic.parser.algos.tokenize import tokenize
    from formulaic.parser.types import Token

    try:
        for token in tokenize(formula):
            if token.kind is Token.Kind.PYTHON:
                yield token.token
                # Names in backticks come back by a replacement of text, which must not make a program of a quotation.
                yield sanitize_python_code(token.token)
    except (FormulaicError, *_NO_READING):
        return


def _tree(expression: str) -> ast.AST | None:
    """The expression as the library will parse it; None if it cannot, and so runs nothing."""
    from formulaic.utils.code import sanitize_variable_names

    try:
        tree: ast.AST = ast.parse(sanitize_variable_names(expression, {}, {}, template=_ALIAS), mode="eval")
    except _NO_READING:
        return None
    return tree


def _unknown_calls(expression: str) -> Iterator[str]:
    tree = _tree(expression)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in FUNCTIONS:
            yield node.func.id


def _problem(expression: str) -> str | None:
    """The first part of an expression that is not allowed, as written."""
    tree = _tree(expression)
    return next((ast.unparse(node) for node in ast.walk(tree) if not _is_allowed(node)), None) if tree else None


def _is_allowed(node: ast.AST) -> bool:
    if not isinstance(node, _NODES):
        return False
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "contr" and not node.attr.startswith("_")
    if isinstance(node, ast.Name):
        return not node.id.startswith("__")
    if isinstance(node, ast.Call):
        return _is_allowed_call(node)
    if isinstance(node, ast.BinOp):
        return _is_allowed_operation(node)
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, str) or _is_small(node, _LARGEST_NUMBER)
    return True


def _is_allowed_call(node: ast.Call) -> bool:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in _CODINGS
    if not isinstance(node.func, ast.Name):
        return False
    if node.func.id not in _OF_A_SIZE:
        return True
    sizes = [part for value in [*node.args[1:], *node.keywords] for part in ast.walk(value)]
    if any(isinstance(part, (ast.BinOp, ast.Call)) for part in sizes):
        return False
    return all(_is_small(part, _LARGEST_SIZE) for part in sizes if isinstance(part, ast.Constant))


def _is_allowed_operation(node: ast.BinOp) -> bool:
    """Numbers only, and no powers of powers: ``9**9**9`` has more digits than fit anywhere."""
    if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in (node.left, node.right)):
        return False
    if not isinstance(node.op, ast.Pow):
        return True
    powers = [part for part in ast.walk(node) if isinstance(part, ast.Pow)]
    return len(powers) == 1 and isinstance(node.right, ast.Constant) and _is_small(node.right, _LARGEST_EXPONENT)


def _is_small(node: ast.Constant, largest: float) -> bool:
    return node.value is None or (isinstance(node.value, (int, float)) and abs(node.value) <= largest)


def _n_terms(formula: str) -> int:
    """At most how many terms the formula has when all is multiplied out; 0 if it cannot be read."""
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser

    try:
        return _most_terms(DefaultFormulaParser().get_ast(formula, context={}))
    except RecursionError:
        return _MOST_TERMS + 1
    except (FormulaicError, *_NO_READING):
        return 0


def _most_terms(node: Any) -> int:
    if not hasattr(node, "operator"):
        return 1
    parts = [_most_terms(part) for part in node.args]
    if not parts:
        return 1
    symbol, first, last = node.operator.symbol, parts[0], parts[-1]
    if symbol in ("**", "^"):
        digits = str(getattr(node.args[-1], "token", ""))
        exponent = min(int(digits[:4]), _MOST_TERMS) if digits.isdecimal() else 1
        terms = first ** min(exponent, 64) if first > 1 else exponent
    elif symbol == ":":
        terms = first * last
    elif symbol in ("*", "/", "in") and len(parts) == 2:
        terms = first * last + first + last
    else:
        terms = sum(parts)
    return min(terms, _MOST_TERMS + 1)
