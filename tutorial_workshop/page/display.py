"""Putting things on the page: figures with alt text, and HTML that also reads well where only text
is shown.
"""

from __future__ import annotations

import base64
import html as _html
import io
import re
import sys
from collections.abc import Iterable, Sequence

from tutorial_lib.errors import InputError

_SHORTEST = 20  # characters: shorter texts ("a plot", "see above") tell a reader nothing


def in_notebook() -> bool:
    """True in a Jupyter kernel (also Colab, papermill); False in a terminal or a plain script."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def print_text(text: str) -> None:
    """Print, also where the encoding of standard output lacks some of the letters.

    >>> print_text("naïve … done")
    naïve … done
    """
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def display_html(html: str, text: str, *, widget=None) -> None:
    """Show HTML in a notebook and its text version elsewhere.

    Args:
        html: what browsers draw. With ``widget`` it is the fallback for pages without a kernel
            (GitHub, nbviewer, HTML export).
        text: what a terminal, a screen reader in text mode, or a log shows.
        widget: an ipywidgets widget to draw instead of ``html`` wherever a kernel runs.
    """
    if not in_notebook():
        print_text(text)
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


def folded(summary: str, body_html: str) -> str:
    """A part that opens on click or Enter, in any browser and without a kernel. ``summary`` is
    text, ``body_html`` is HTML.
    """
    return f"<details><summary>{inline_html(summary)}</summary>\n{body_html}\n</details>"


def html_table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], align: Sequence[str]
) -> str:
    """A table as HTML, its first column the names of the rows.

    Args:
        caption: shown above; ``backticks`` and ``**stars**`` work.
        header: one text per column.
        rows: one text per column each.
        align: ``"left"`` or ``"right"`` for each column.
    """

    def line(tags: Sequence[str], texts: Sequence[str]) -> str:
        cells = zip(tags, texts, align, strict=True)
        return "".join(
            f'<{tag} style="text-align: {side}">{_html.escape(text)}</{tag[:2]}>'
            for tag, text, side in cells
        )

    head = line(['th scope="col"'] * len(header), header)
    tags = ['th scope="row"', *["td"] * (len(header) - 1)]
    body = "".join(f"<tr>{line(tags, row)}</tr>\n" for row in rows)
    # a narrow table does not squeeze its caption, and a long caption does not stretch its table
    room = "display: inline-block; width: max-content; max-width: min(46rem, 85vw)"
    title = f'<span style="{room}">{inline_html(caption)}</span>'
    title = f'<caption style="text-align: left">{title}</caption>'
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"


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
    # closed before it is drawn: an open figure would be drawn again at the end of the cell, or by
    # another thread in the middle of this
    plt.close(fig)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def image_tag(data: bytes, alt: str, kind: str = "image/png", attributes: str = "") -> str:
    """An ``<img>`` with the picture inside it.

    Args:
        data: the picture.
        alt: its alt text.
        kind: its media type.
        attributes: more of them, such as ``style="..."``.
    """
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img src="{source}" alt="{_html.escape(alt)}" {attributes}>'.replace(" >", ">")


def image_html(
    data: bytes,
    alt: str,
    caption: str = "",
    *,
    kind: str = "image/png",
    style: str = "max-width: 100%",
) -> str:
    """A ``<figure>`` with the picture inside it, its alt text, and a caption where there is one."""
    below = f"<figcaption>{inline_html(caption)}</figcaption>" if caption else ""
    picture = image_tag(data, alt, kind, f'style="{style}"')
    return f'<figure style="margin: 0">{picture}{below}</figure>'


def require_text(value: str | None, argument: str, purpose: str) -> str:
    """Refuse a missing or too short text; returns it stripped."""
    text = " ".join((value or "").split())
    if len(text) < _SHORTEST:
        raise InputError(
            f"{argument}={value!r} is too short: {purpose}, in at least {_SHORTEST} characters"
        )
    return text


def required_texts(alt: str | None, caption: str | None, what: str) -> tuple[str, str]:
    """Alt text and caption of a figure or drawing, refused where they say too little."""
    seen = f"say in words what the {what} shows, for readers who cannot see it"
    read = f"say in one sentence how to read the {what}"
    return require_text(alt, "alt", seen), require_text(caption, "caption", read)


def show(fig, *, alt: str = "", caption: str = "") -> None:
    """Show a matplotlib figure once, with its text alternative and its caption, and close it.

    Args:
        fig: matplotlib ``Figure``, or an ``Axes``, whose figure is taken.
        alt: what a reader who cannot see the figure needs: the kind of chart and what it shows. At
            least 20 characters.
        caption: one sentence on how to read it, shown below. At least 20 characters.

    Raises:
        InputError: when ``alt`` or ``caption`` is missing or too short, or ``fig`` is not a figure.
    """
    fig = getattr(fig, "figure", fig)
    if not hasattr(fig, "savefig"):
        raise InputError(
            f"show expects a matplotlib Figure, got {type(fig).__name__}; return `fig` from the"
            " plotting function"
        )
    alt, caption = required_texts(alt, caption, "figure")
    png = png_bytes(fig)
    text = f"[figure: {alt}]\n{caption}"
    if not in_notebook():
        print_text(text)
        return
    from IPython.display import display

    bundle = {
        "text/plain": text,
        "image/png": base64.b64encode(png).decode(),
        "text/html": image_html(png, alt, caption),
    }
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})
