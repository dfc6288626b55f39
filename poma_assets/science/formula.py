"""Model formulas: design matrix with plain coefficient names, and weights from a named contrast.

Coefficients read ``treatment[pomalidomide]`` and ``treatment[pomalidomide]:sensitivity[sensitive]``. The
names that R's ``make.names`` gives them (``treatmentpomalidomide.sensitivitysensitive``) are understood as
well, so that ``make_contrasts_str`` of nf-core/differentialabundance works unchanged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from poma_assets.science.errors import DesignError
from poma_assets.science.formula_functions import OWN_FUNCTIONS
from poma_assets.science.formula_problems import unknown_function, unreadable
from poma_assets.science.formula_safety import refuse_too_many_columns, refuse_unsafe
from poma_assets.science.tables import listing, near_miss

if TYPE_CHECKING:
    import formulaic

INTERCEPT = "Intercept"
# What formulaic 1.2 raises beside its own errors: broken Python within C(...), stray brackets, functions of values that
# they are not made for. What it runs is on the list of formula_safety.
_LET_THROUGH = (SyntaxError, AttributeError, TypeError, ValueError, LookupError, ArithmeticError, RuntimeError)
_TREATMENT_CODED = re.compile(r"C\(`?([^`(),]+)`?(?:, *contr\.treatment(?:\([^)]*\))?)?\)")


@dataclass(frozen=True, eq=False)
class FormulaMatrix:
    """Design matrix of a formula.

    Attributes
    ----------
    matrix
        Samples x coefficients, floats, index ``sample_id``.
    factors
        For every coefficient the columns of the sheet that it is made of.
    slopes
        Coefficients that are changes for one unit of a number; a number that is 0 or 1 only counts as a group.
    """

    matrix: pd.DataFrame
    factors: dict[str, frozenset[str]]
    slopes: frozenset[str]


def formula_variables(formula: str, *, where: str) -> frozenset[str]:
    """Columns of the sheet that a formula needs.

    Raises
    ------
    DesignError
        The formula cannot be read, has a response, or random effects.
    """
    refuse_unsafe(formula, where=where)
    if "|" in formula:
        raise DesignError(
            "random effects are not supported",
            where=where,
            found=repr(formula),
            expected="fixed effects only",
            fix="Name the donor or batch as an ordinary term: '~ donor + treatment'",
        )
    if "~" in formula.strip().lstrip("~"):
        raise DesignError(
            "the formula has a response",
            where=where,
            found=repr(formula),
            expected="a formula that begins with '~', for example '~ batch + treatment'",
            fix="Delete what stands before '~'",
        )
    import formulaic  # Late: 0.3 s that only formula contrasts need to pay.

    try:
        terms = formulaic.Formula(formula)
        names = frozenset(str(name) for name in terms.required_variables)
        names |= frozenset[str]().union(*(_arguments(factor.expr) for term in terms for factor in term.factors))
    except (formulaic.errors.FormulaicError, *_LET_THROUGH) as problem:
        raise unreadable(formula, problem, where) from problem
    return names - set(OWN_FUNCTIONS)


def _arguments(expression: str) -> frozenset[str]:
    """Columns within ``scale(x)``, ``poly(x, 2)`` and such, of which formulaic 1.2 says that they need none."""
    try:
        call = ast.parse(expression, mode="eval").body
    except SyntaxError:
        return frozenset()
    if not isinstance(call, ast.Call) or not call.args:
        return frozenset()
    nodes = list(ast.walk(call.args[0]))
    functions = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name)) - functions


def formula_matrix(
    formula: str, table: pd.DataFrame, *, base_levels: Mapping[str, str] | None = None, where: str
) -> FormulaMatrix:
    """Build the design matrix of a formula with treatment coding.

    Parameters
    ----------
    formula
        Wilkinson formula as formulaic reads it. Texts are factors whose first level in alphabetical order is
        the base; ``dose_um`` and ``time_h`` are numbers, ``C(time_h)`` makes a factor of one, and
        ``numeric(x)`` numbers of a further column. ``log2_dose(dose_um)`` is log2 with the dose 0 placed one
        dilution step below the lowest dose.
    table
        One row per sample (index ``sample_id``), columns as in the sheet, nothing missing.
    base_levels
        Base level by column, where it is not to be the first.

    Raises
    ------
    DesignError
        The formula cannot be read or evaluated, asks for a column that is not in the sheet, or gives values
        that are no finite numbers, such as the logarithm of the dose 0.
    """
    import formulaic  # Late, as above.

    variables = formula_variables(formula, where=where)
    _require_columns(variables, table, formula, where)
    refuse_too_many_columns(formulaic.Formula(formula), table, formula=formula, where=where)
    data = _as_factors(table[sorted(variables)], base_levels or {})
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            fitted = formulaic.model_matrix(formula, data, context=OWN_FUNCTIONS, na_action="ignore")
    except (formulaic.errors.FormulaicError, *_LET_THROUGH) as problem:
        raise unreadable(formula, problem, where) from problem
    levels = {str(level): _level_name(level) for column in data for level in data[column].unique()}
    names = [_plain_name(str(name), levels) for name in fitted.columns]
    factors = {INTERCEPT: frozenset[str]()}
    of_numbers: set[str] = set()
    for term, positions in fitted.model_spec.term_indices.items():
        used = fitted.model_spec.term_variables[term]
        named = {str(name) for name in used}.union(*(_arguments(factor.expr) for factor in term.factors))
        columns = frozenset(named) & frozenset(map(str, table.columns))
        factors.update({names[position]: columns for position in positions})
        if any(_is_number(fitted.model_spec, factor.expr) for factor in term.factors):
            of_numbers.update(names[position] for position in positions)
    if not names:
        raise DesignError(
            "the formula has no term",
            where=where,
            found=repr(formula),
            expected="a formula such as '~ batch + treatment'; '~ 1' has the overall mean alone",
        )
    matrix = pd.DataFrame(np.asarray(fitted, dtype=float) + 0.0, index=table.index, columns=names)
    _require_finite(matrix, formula, where)
    slopes = frozenset(name for name in of_numbers if not matrix[name].isin([0.0, 1.0]).all())
    return FormulaMatrix(matrix, factors, slopes)


def _require_columns(variables: frozenset[str], table: pd.DataFrame, formula: str, where: str) -> None:
    unknown = sorted(variables - set(table.columns))
    if unknown:
        alike = near_miss(unknown[0], map(str, table.columns))
        raise unknown_function(formula, unknown[0], where) or DesignError(
            f"the formula names a column {unknown[0]!r} that the sample sheet has not",
            where=where,
            found=repr(formula),
            expected=f"columns among {listing(table.columns)}",
            fix=f"Did you mean {alike!r}?" if alike else None,
        )


def _is_number(spec: formulaic.ModelSpec, expression: str) -> bool:
    kind, _ = spec.encoder_state.get(expression, (None, None))
    return kind is not None and kind.value == "numerical"


def _require_finite(matrix: pd.DataFrame, formula: str, where: str) -> None:
    finite = np.isfinite(matrix.to_numpy())
    if finite.all():
        return
    column = str(matrix.columns[int(np.argmin(finite.all(axis=0)))])
    samples = matrix.index[~np.isfinite(matrix[column].to_numpy())]
    raise DesignError(
        f"{column} is no finite number for every sample",
        where=where,
        found=f"{matrix.loc[samples[0], column]:g} for {listing(samples)} in {formula!r}",
        expected="a number for each of the samples; the logarithm of 0 is none",
        fix="Write log2_dose(dose_um), which places the dose 0 one dilution step below the lowest, or "
        "log2(dose_um + 1), or leave these samples out by the subset",
    )


def parse_weights(
    text: str, coefficients: Sequence[str], *, where: str, bases: Sequence[str] = ()
) -> NDArray[np.float64]:
    """Read a contrast: numbers, one per coefficient, or an expression of coefficient names.

    Parameters
    ----------
    text
        ``0, 0, 1`` or for example ``(a + b) / 2 - c``.
    coefficients
        Names of the coefficients of the design, in order.
    bases
        Base levels, written as coefficients (``treatment[DMSO]``), to explain that they have none.

    Returns
    -------
    numpy.ndarray
        One weight per coefficient.

    Raises
    ------
    DesignError
        Wrong number of numbers, an unknown name, broken syntax, or weights that are all zero.
    """
    numbers = [part.strip() for part in text.split(",")]
    if all(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", part) for part in numbers):
        if len(numbers) != len(coefficients):
            raise DesignError(
                "the contrast has the wrong number of weights",
                where=where,
                found=f"{len(numbers)}: {text}",
                expected=f"{len(coefficients)}, for {listing(coefficients, 30)}",
            )
        weights = np.array([float(part) for part in numbers])
    else:
        weights = _Expression(text, coefficients, where, bases).read()
    if not np.isfinite(weights).all():
        raise DesignError("a weight of the contrast is no finite number", where=where, found=repr(text))
    if not weights.any():
        raise DesignError("all weights of the contrast are zero", where=where, found=repr(text))
    return weights + 0.0


class _Expression:
    """A linear expression of names: sums, signs, numeric factors and divisors, parentheses.

    Names may hold blanks and dashes; at each place the longest known name wins.
    """

    def __init__(self, text: str, coefficients: Sequence[str], where: str, bases: Sequence[str]) -> None:
        self.text, self.coefficients, self.where = text, coefficients, where
        self.bases = {alias: base for base in bases for alias in _aliases(base)}
        self.position = 0
        size = len(coefficients)
        units = list(np.eye(size))
        self.names: dict[str, NDArray[np.float64]] = {
            alias: units[index] for index, name in enumerate(coefficients) for alias in _aliases(name)
        }
        self.by_length = sorted(self.names, key=len, reverse=True)

    def read(self) -> NDArray[np.float64]:
        try:
            value = self._sum()
        except RecursionError:
            raise self._error("parentheses are nested too deeply") from None
        if self._rest():
            raise self._error("the contrast cannot be read")
        return value

    def _rest(self) -> str:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.text[self.position :]

    def _take(self, *signs: str) -> str | None:
        sign = self._rest()[:1]
        if sign and sign in signs:
            self.position += 1
            return sign
        return None

    def _sum(self) -> NDArray[np.float64]:
        value = -self._product() if self._take("-") else self._product()
        while sign := self._take("+", "-"):
            value = value + (1.0 if sign == "+" else -1.0) * self._product()
        return value

    def _product(self) -> NDArray[np.float64]:
        self._take("+")
        factor = self._number()
        if factor is not None:
            self._take("*")
            value = factor * self._atom()
        else:
            value = self._atom()
        while sign := self._take("*", "/"):
            number = self._number()
            if not number:
                raise self._error("after '*' or '/' a number other than zero is expected")
            value = value * number if sign == "*" else value / number
        return value

    def _number(self) -> float | None:
        match = re.match(r"(\d+\.?\d*|\.\d+)(?![\w.])", self._rest())
        if not match or any(self._rest().startswith(name) for name in self.by_length):
            return None
        self.position += match.end()
        return float(match[0])

    def _atom(self) -> NDArray[np.float64]:
        if self._take("("):
            value = self._sum()
            if not self._take(")"):
                raise self._error("a parenthesis is not closed")
            return value
        rest = self._rest()
        for name in self.by_length:
            if rest.startswith(name) and not re.match(r"[\w.\[:]", rest[len(name) :]):
                self.position += len(name)
                return self.names[name]
        if named := re.match(r"(?:\[[^\]]*\]|[^\s+*/()-])+", rest):
            for part in (named[0], *_parts(named[0])):
                if part in self.bases:
                    raise self._base_level(self.bases[part], named[0])
        raise self._error("the contrast names no coefficient here")

    def _base_level(self, base: str, named: str) -> DesignError:
        column, level = base.rstrip("]").split("[", 1)
        others = [name for name in self.coefficients if name.startswith(f"{column}[") and len(_parts(name)) == 1]
        example = next((name for name in others if name in self.text), others[0])
        other = example.rstrip("]").split("[", 1)[1]
        return DesignError(
            f"{base} has no coefficient of its own: {level} is the base level, with which the others are compared",
            where=self.where,
            found=f"{named!r} in {self.text!r}",
            expected=f"coefficients among {listing(self.coefficients, 30)}",
            fix=f"Leave {named} out: {example} alone is {other} minus {level}, and -{example} is {level} minus {other}",
        )

    def _error(self, what: str) -> DesignError:
        rest = self._rest() or "the end"
        alike = near_miss(rest, self.coefficients, cutoff=0.5)
        return DesignError(
            what,
            where=self.where,
            found=f"{rest!r} in {self.text!r}",
            expected=f"coefficients among {listing(self.coefficients, 30)}",
            fix=f"Did you mean {alike!r}?" if alike else None,
        )


def _aliases(name: str) -> set[str]:
    """The name itself, interactions in either order, and what R would call it."""
    orders = {name, ":".join(reversed(_parts(name)))}
    orders |= {re.sub(r"\[(\d+)\]", r"[\1.0]", order) for order in orders}
    flat = {re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]", r"\1", order) for order in orders}
    dotted = {re.sub(r"[^A-Za-z0-9._]", ".", order) for order in flat}
    if name == INTERCEPT:
        dotted |= {"(Intercept)", "X.Intercept."}
    return orders | flat | dotted


def _parts(name: str) -> list[str]:
    return re.split(r":(?![^\[]*\])", name)


def _level_name(level: object) -> str:
    """Levels of numeric columns in their shortest form: ``24``, not ``24.0``."""
    return format(level, ".15g") if isinstance(level, (int, float)) else str(level)


def _plain_name(name: str, levels: Mapping[str, str]) -> str:
    """``treatment[T.DMSO]`` and ``C(treatment)[T.DMSO]`` become ``treatment[DMSO]``."""
    name = _TREATMENT_CODED.sub(r"\1", name)

    def strip(match: re.Match[str]) -> str:
        return f"[{levels[match[1]]}]" if match[1] in levels else match[0]

    return re.sub(r"\[(?:T\.)?([^\]]*)\]", strip, name)


def _as_factors(table: pd.DataFrame, base_levels: Mapping[str, str]) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for column in map(str, table.columns):
        values = table[column]
        if not pd.api.types.is_numeric_dtype(values):
            levels = sorted(set(values))
            base = base_levels.get(column)
            if base is not None and base in levels:
                levels = [base, *(level for level in levels if level != base)]
            values = pd.Series(pd.Categorical(values, categories=levels), index=table.index)
        columns[column] = values
    return pd.DataFrame(columns, index=table.index)
