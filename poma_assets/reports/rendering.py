"""From values to HTML: the Jinja environment, numbers as people read them.

Names come from the sheets of users and are hostile until escaped: autoescape is on in every template, an
undefined variable is an error, and the only markup that is trusted is made by this package (figures, style
sheet, script).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd

from poma_assets.reports.figure_encoding import inline_svg
from poma_assets.reports.palette import status_mark, verdict_mark

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from matplotlib.figure import Figure

MISSING = "–"
SCRIPT_PARTS = ("core", "blocks", "scatter", "tables", "genes", "gene_view", "page")
"""Files ``templates/report_*.js`` in the order in which they are joined."""


def is_missing(value: object) -> bool:
    """Tell whether a cell is empty: ``None``, NaN, ``NaT`` or ``pandas.NA``."""
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def text(value: object) -> str:
    """Return a cell as text, a dash if it is empty; no needless decimals, times by the second."""
    if is_missing(value) or value == "":
        return MISSING
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def number(value: object, digits: int = 2) -> str:
    """Return a number with a fixed number of decimals and a true minus sign, a dash if it is empty."""
    if is_missing(value):
        return MISSING
    number_ = float(value)  # type: ignore[arg-type]
    if math.isinf(number_):
        return "∞" if number_ > 0 else "−∞"
    rounded = f"{number_:,.{digits}f}"
    if float(rounded.replace(",", "")) == 0:
        rounded = rounded.lstrip("-")
    return rounded.replace("-", "−")


def count(value: object) -> str:
    """Return a whole number with thousands separated, a dash if it is empty."""
    return number(value, 0)


def p_value(value: object) -> str:
    """Return a p value with two significant digits, a dash if it is empty."""
    if is_missing(value):
        return MISSING
    p = float(value)  # type: ignore[arg-type]
    return f"{p:.2g}".replace("e-0", "e-").replace("-", "−") if p < 0.001 else f"{p:.3f}"


def flat_parameters(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return nested parameters as sorted pairs of a dotted name and a text; lists on one line."""
    pairs: list[tuple[str, str]] = []
    for key, value in sorted(parameters.items(), key=lambda item: str(item[0])):
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            pairs += flat_parameters(value, f"{name}.")
        elif isinstance(value, (list, tuple)):
            pairs.append((name, ", ".join(text(item) for item in value) or MISSING))
        else:
            pairs.append((name, text(value)))
    return pairs


def plural(amount: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 sample``, ``2 samples``."""
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listing(items: list[str]) -> str:
    """Join words as in a sentence: ``a, b and c``."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def json_text(value: Any) -> str:
    """Return a value as JSON; the template escapes it like any text, so it may stand in an attribute."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def svg(figure: Figure, alt: str) -> Markup:
    """Return a figure as inline SVG, or its sentence if there is nothing to draw."""
    from markupsafe import Markup

    return Markup(inline_svg(figure, alt))


def template_text(name: str) -> str:
    """Return a file of ``templates/``."""
    return files("poma_assets.reports").joinpath("templates", name).read_text(encoding="utf-8")


def page_script() -> str:
    """Return the whole script of a page."""
    return "\n".join(template_text(f"report_{part}.js") for part in SCRIPT_PARTS)


def script_hash(script: str) -> str:
    """Return the hash by which the page's content security policy admits its one script."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


@cache
def environment() -> Environment:
    """Return the Jinja environment of the reports: autoescape on, undefined variables are errors."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    script = page_script()
    made = Environment(
        autoescape=True,
        loader=FunctionLoader(template_text),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(text=text, number=number, count_=count, p_value=p_value, json_text=json_text)
    made.globals.update(
        verdict_mark=verdict_mark,
        status_mark=status_mark,
        plural=plural,
        is_missing=is_missing,
        style=Markup(template_text("report.css")),
        script=Markup(script),
        script_hash=script_hash(script),
    )
    return made
