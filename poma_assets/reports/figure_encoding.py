"""Makes figures in one style and turns them into text: PNG data URI, Markdown image, themed inline SVG.

Matplotlib is imported when the first figure is made, because importing it takes half a second. Figures are
plain ``Figure`` objects without pyplot, so nothing is kept in a global registry and nothing leaks.
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from poma_assets.reports.palette import GRID, INK, MUTED, THEME_VARIABLES

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 6.4
"""Width of a figure in inches: 640 px at 100 dpi."""

_COLOURS = 128

_STYLE: Any = {
    # A "$" in a sample's or gene set's name is a dollar sign, not mathematics.
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "poma",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.dpi": 100.0,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the style of the reports; needed while a figure is made and while it is encoded."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> tuple[Figure, Axes]:
    """Return an empty figure (constrained layout) with one pair of axes; call it within `figure_style`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def legend_above(
    axes: Axes,
    handles: Sequence[Artist] | None = None,
    labels: Sequence[str] | None = None,
    *,
    marker_scale: float = 1.0,
) -> None:
    """Write the legend above the plot over the whole width of the figure; the default is that of the axes."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    if handles is None or labels is None:
        handles, labels = axes.get_legend_handles_labels()
    widest = max((len(label) for label in labels), default=0)
    columns = max(1, min(len(labels), 5, int(95 / (widest + 6))))
    figure.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=columns,
        handlelength=1.4,
        markerscale=marker_scale,
        handletextpad=0.4,
        columnspacing=1.2,
        borderaxespad=0.1,
    )


def message_figure(sentence: str) -> Figure:
    """Return a low figure that only says why there is nothing to draw."""
    from matplotlib.figure import Figure

    with figure_style():
        figure = Figure(figsize=(WIDTH_IN, 0.7))
        figure.text(0.02, 0.5, sentence, va="center", color=MUTED, wrap=True)
    figure.set_label(sentence)
    return figure


def message_of(figure: Figure) -> str | None:
    """Return the sentence of a `message_figure`; ``None`` for a figure with content."""
    return str(figure.get_label()) or None


def png_bytes(figure: Figure, *, dpi: int = 150) -> bytes:
    """Return the figure as a PNG file on white paper, in 128 colours: a quarter of the bytes, and nobody sees it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    buffer = io.BytesIO()
    with figure_style():
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    with Image.open(buffer) as drawn:
        few = drawn.convert("RGB").quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


def png_data_uri(figure: Figure, *, dpi: int = 150) -> str:
    """Return the figure as ``data:image/png;base64,...``, 1.5 times its nominal size for sharp screens."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(figure, dpi=dpi)).decode("ascii")


def markdown_image(figure: Figure, alt: str) -> str:
    """Return Markdown that shows the figure, for Dagster's metadata.

    Parameters
    ----------
    figure
        The figure; a `message_figure` gives its sentence.
    alt
        What the figure shows, for readers who do not see it.
    """
    sentence = message_of(figure)
    if sentence is not None:
        return re.sub(r"([\\`*_{}\[\]()<>#!|])", r"\\\1", sentence)
    plain = re.sub(r"[\[\]\\<>`\r\n]", " ", alt)
    return f"![{plain}]({png_data_uri(figure, dpi=100)})"


def inline_svg(figure: Figure, alt: str) -> str:
    """Return the figure as an ``<svg>`` element that takes its text colours and font from the page.

    Markup is only touched inside tags: matplotlib escapes ``<`` in texts, so names cannot look like tags.
    A `message_figure` gives a paragraph with its sentence.
    """
    sentence = message_of(figure)
    if sentence is not None:
        return f'<p class="missing">{html.escape(sentence)}</p>'
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with figure_style():
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    width_in, height_in = figure.get_size_inches()
    opening = (
        f'<svg class="figure" role="img" aria-label="{html.escape(alt, quote=True)}" '
        f'viewBox="0 0 {width_in * 72:g} {height_in * 72:g}" style="max-width:{width_in * 100:.0f}px">'
    )
    text = re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1)
    return re.sub(r"<[^>]*>", _themed_tag, text)


def _themed_tag(match: re.Match[str]) -> str:
    tag = match.group(0)
    if tag.startswith("<image"):
        return tag
    if tag.startswith("<text"):
        tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    for colour, variable in THEME_VARIABLES.items():
        tag = tag.replace(colour, f"var({variable})")
    return tag
