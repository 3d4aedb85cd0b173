"""Putting things on the page: figures with alt text, and HTML that also reads well where only text
is shown.
"""

from __future__ import annotations

import base64
import html as _html
import io
import re
import sys

from tutorial_lib.errors import InputError

_SHORTEST = 20  # characters: shorter texts ("a plot", "see above") tell a reader nothing


def in_notebook() -> bool:
    """True in a Jupyter kernel (Jupyter, Colab, papermill); False in a terminal or a plain script."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def say(text: str, file=None) -> None:
    """Print, also where the encoding of ``file`` (default: stdout) lacks some of the letters.

    >>> say("naïve … done")
    naïve … done
    """
    file = file or sys.stdout
    encoding = getattr(file, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=file, flush=True)


def display_html(html: str, text: str, *, widget=None) -> None:
    """Show HTML in a notebook and its text version elsewhere.

    Args:
        html: what browsers draw. With ``widget`` it is the fallback for pages without a kernel
            (GitHub, nbviewer, HTML export).
        text: what a terminal, a screen reader in text mode, or a log shows.
        widget: an ipywidgets widget to draw instead of ``html`` wherever a kernel runs.
    """
    if not in_notebook():
        say(text)
        return
    from IPython.display import display

    bundle: dict[str, object] = {"text/plain": text, "text/html": html}
    if widget is not None:
        bundle["application/vnd.jupyter.widget-view+json"] = {
            "version_major": 2,
            "version_minor": 0,
            "model_id": widget.model_id,
        }
    display(bundle, raw=True)


def inline_html(text: str) -> str:
    """Escape a text for HTML, keeping ``backticks`` as code and ``**stars**`` as bold.

    >>> inline_html("use `k < 10` **always**")
    'use <code>k &lt; 10</code> <strong>always</strong>'
    """
    escaped = _html.escape(" ".join(str(text).split()), quote=False)
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", escaped)


def folded(summary: str, body_html: str, *, css_class: str = "") -> str:
    """A part that opens on click or Enter, in any browser and without a kernel. ``summary`` is
    text, ``body_html`` is HTML.
    """
    attribute = f' class="{css_class}"' if css_class else ""
    return f"<details{attribute}><summary>{inline_html(summary)}</summary>\n{body_html}\n</details>"


def png_bytes(fig, *, dpi: int = 110) -> bytes:
    """The figure as PNG, closed afterwards; the same figure gives the same bytes (no date, no
    version inside).

    Args:
        fig: matplotlib ``Figure``.
        dpi: dots per inch.
    """
    import matplotlib.pyplot as plt

    from tutorial_workshop.page.plots import literal_dollars

    literal_dollars(fig)
    plt.close(
        fig
        # first: an open figure would be drawn again at the end of the cell, or by another thread in the
        # middle of this
    )
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def image_html(
    data: bytes,
    alt: str,
    caption: str = "",
    *,
    css_class: str = "",
    kind: str = "image/png",
    style: str = "max-width: 100%",
) -> str:
    """A ``<figure>`` holding the picture itself (``kind``: its media type), its alt text, and a
    caption where there is one.
    """
    attribute = f' class="{css_class}"' if css_class else ""
    source = base64.b64encode(data).decode()
    below = f"<figcaption>{inline_html(caption)}</figcaption>" if caption else ""
    picture = f'<img src="data:{kind};base64,{source}" alt="{_html.escape(alt)}" style="{style}">'
    return f'<figure{attribute} style="margin: 0">{picture}{below}</figure>'


def require_text(value: str, argument: str, purpose: str) -> str:
    """Refuse a missing or too short text; returns it stripped."""
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if len(text) < _SHORTEST:
        raise InputError(
            f"{argument}={value!r} is too short: {purpose}, in at least {_SHORTEST} characters"
        )
    return text


def show(fig, *, alt: str = "", caption: str = "") -> None:
    """Show a matplotlib figure once, with its text alternative and its caption, and close it.

    Args:
        fig: matplotlib ``Figure`` (or an ``Axes``, whose figure is taken).
        alt: what a reader who cannot see the figure needs: the kind of chart and what it shows. At
            least 20 characters.
        caption: one sentence on how to read it, shown below. At least 20 characters.

    Raises:
        InputError: when ``alt`` or ``caption`` is missing or too short, or ``fig`` is no figure.
    """
    fig = getattr(fig, "figure", fig)
    if not hasattr(fig, "savefig"):
        raise InputError(
            f"show expects a matplotlib Figure, got {type(fig).__name__}; return `fig` from the"
            " plotting function"
        )
    alt = require_text(
        alt, "alt", "say in words what the figure shows, for readers who cannot see it"
    )
    caption = require_text(caption, "caption", "say in one sentence how to read the figure")
    png = png_bytes(fig)
    if not in_notebook():
        say(f"[figure: {alt}]\n{caption}")
        return
    from IPython.display import display

    bundle = {
        "text/plain": f"[figure: {alt}]\n{caption}",
        "image/png": base64.b64encode(png).decode(),
        "text/html": image_html(png, alt, caption),
    }
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})
