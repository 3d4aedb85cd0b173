"""A notebook as one HTML page that needs nothing else: alt texts kept, no script, no network, still
pictures for widgets.
"""

from __future__ import annotations

import base64
import copy
import html
import io
import mimetypes
import re
from pathlib import Path

from tutorial_lib.errors import InputError
from tutorial_workshop.page.display import folded, image_tag, inline_html

WIDGET = "application/vnd.jupyter.widget-view+json"
_MATH = re.compile(
    r"(?P<code>```.*?```|`[^`\n]*`)"
    r"|\$\$(?P<block>.+?)\$\$"
    r"|(?<![\\$\w])\$(?P<inline>[^\s$`](?:[^$\n`]*[^\s$`\\])?)\$(?![\d$])",
    re.S,
)
# what matplotlib knows by another name
_MATHTEXT = {
    r"\lvert": "|",
    r"\rvert": "|",
    r"\dfrac": r"\frac",
    r"\tfrac": r"\frac",
}


def _formula(tex: str, block: bool) -> str:
    """A formula as an inline SVG picture with its TeX as alt text; plain TeX where matplotlib
    cannot set it.
    """
    from matplotlib import mathtext, rc_context
    from matplotlib.font_manager import FontProperties

    tex = " ".join(tex.split())
    shown = tex
    for ours, theirs in _MATHTEXT.items():
        shown = shown.replace(ours, theirs)
    words = lambda match: r"\mathrm{" + match[1].replace(" ", r"\ ") + "}"  # noqa: E731
    shown = re.sub(r"\\text\{([^{}]*)\}", words, shown)
    buffer = io.BytesIO()
    style = {"svg.hashsalt": "formula", "mathtext.fontset": "dejavusans"}
    font = FontProperties(size=13 if block else 12)
    try:
        with rc_context(style | {"savefig.transparent": True}):
            mathtext.math_to_image(f"${shown}$", buffer, prop=font, dpi=72, format="svg")
    except (ValueError, RecursionError):  # braces nested hundreds deep
        return f"<code>{html.escape(tex)}</code>"
    svg = re.sub(rb"<metadata>.*?</metadata>", b"", buffer.getvalue(), flags=re.S)
    kind = "math math-block" if block else "math"
    return image_tag(svg, tex, "image/svg+xml", f'class="{kind}"')


def _math(source: str) -> str:
    """Markdown with its formulas drawn; code is left alone."""

    def draw(match: re.Match) -> str:
        if match["code"]:
            return match["code"]
        return _formula(match["block"] or match["inline"], block=bool(match["block"]))

    return _MATH.sub(draw, source)


def _picture(path: str, alt: str, folder: Path) -> str:
    """An image tag with the file inside it; the alt text alone where the image lies on the network
    or is missing.
    """
    if path.startswith("data:"):
        return f'<img src="{path}" alt="{html.escape(alt)}">'
    file = folder / path
    try:
        content = None if re.match(r"[a-z]+:|//", path) else file.read_bytes()
    except (OSError, ValueError):  # missing, not readable, a folder, or no path at all
        content = None
    if content is None:
        return f"<span>{html.escape(alt)}</span>"
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return image_tag(content, alt, kind)


def _markdown(source: str, folder: Path) -> str:
    """Markdown ready for a page without network: formulas drawn, local images inside, remote ones
    replaced by their alt text.
    """
    source = re.sub(
        r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)", lambda m: _picture(m[2], m[1], folder), source
    )

    def image(match: re.Match) -> str:
        path = re.search(r"""\bsrc=["']([^"']+)""", match[0])
        alt = re.search(r"""\balt=["']([^"']*)""", match[0])
        return _picture(path[1], html.unescape(alt[1]) if alt else "", folder) if path else match[0]

    return _math(re.sub(r"<img\b[^>]*>", image, source))


def _output(output) -> None:
    """Make one output speak for itself: pictures with their alt text, widgets by their still
    version.
    """
    data = output.get("data", {})
    data.pop("application/javascript", None)
    if WIDGET in data:
        del data[WIDGET]
        still = "<p>[Controls: open the notebook and run it to use them.]</p>"
        if "text/html" not in data:
            output["data"] = {"text/html": still}
    for kind in ("image/png", "image/jpeg", "image/svg+xml"):
        if kind not in data or "text/html" in data:
            continue
        about = output.get("metadata", {}).get(kind)
        alt = str(about.get("alt") or "") if isinstance(about, dict) else ""
        text = "".join(data[kind])
        content = text.encode() if kind.endswith("xml") else base64.b64decode(text)
        picture = image_tag(content, alt or "Figure without a description", kind)
        output["data"] = {"text/html": f"<figure>{picture}</figure>"}


def _without_repeats(cells: list) -> list:
    """The cells without the folded texts that repeat a widget's still version just above."""

    def repeats(cell, before) -> bool:
        folded = "folded-text" in cell.metadata.get("tags", [])
        return folded and any(
            WIDGET in output.get("data", {}) for output in before.get("outputs", [])
        )

    return [
        cell for cell, before in zip(cells, [{}, *cells], strict=False) if not repeats(cell, before)
    ]


def _open(path: Path):
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError) as error:
        raise InputError(
            f"cannot read a notebook from {path}: {type(error).__name__}; expected an .ipynb file"
        ) from None


def _title(notebook) -> str:
    headings = (
        re.search(r"^# (.+)$", cell.source, re.M)
        for cell in notebook.cells
        if cell.cell_type == "markdown"
    )
    return next((re.sub(r"[*`]", "", match[1]).strip() for match in headings if match), "Notebook")


def still_notebook(notebook, folder: Path):
    """A copy of an nbformat notebook for pages without kernel, script and network.

    Args:
        notebook: executed or not.
        folder: where relative image paths start.

    Returns:
        The same cells: formulas and local images inside, widgets as their still version, pictures
        with their alt text as HTML.
    """
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.cells = _without_repeats(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _markdown(cell.source, folder)
        for output in cell.get("outputs", []):
            _output(output)
    return notebook


FOLDED = {
    "setup": "Set-up",
    "injected-parameters": "Run with these parameters",
    "hide-input": "Show the code",
}


def _folded_code(notebook):
    """The notebook with the code of cells tagged as in `FOLDED`, which is not the lesson, before
    them, below a line that opens it, one line for neighbours that put out nothing; the exporter
    leaves out their own input.
    """
    from nbformat.v4 import new_markdown_cell

    cells: list = []
    source, before = "", ""
    for cell in notebook.cells:
        names = [FOLDED[tag] for tag in cell.metadata.get("tags", ()) if tag in FOLDED]
        name = names[0] if cell.cell_type == "code" and names else ""
        if name:
            if name == before and not cells[-1].get("outputs"):
                source += f"\n\n{cell.source}"
                del cells[-2:]
            else:
                source = cell.source
            code = f"<pre><code>{html.escape(source)}</code></pre>"
            # a blank line would end the HTML of a Markdown cell
            cells.append(new_markdown_cell(folded(name, code.replace("\n\n", "\n&#8203;\n"))))
        cells.append(cell)
        before = name
    notebook.cells = cells
    return notebook


def export_html(notebook, folder: str | Path | None = None, lang: str = "en") -> str:
    """A notebook, executed or not, as one self-contained HTML page.

    Args:
        notebook: path of an .ipynb file, or an nbformat notebook.
        folder: where relative image paths start (default: the file's folder, else the current one).
        lang: language of the page, as in ``<html lang="en">``.

    Returns:
        The page: title and language set, alt texts kept, styles inside, no script and no network
        request.

    Raises:
        InputError: no such file, or no notebook in it; nbconvert is not installed.
    """
    try:
        from nbconvert import HTMLExporter
        from pygments.formatters import HtmlFormatter
    except ImportError as error:
        raise InputError(
            f"export_html needs nbconvert ({error}); install it with: pip install nbconvert"
        ) from None
    if isinstance(notebook, (str, Path)):
        folder, notebook = folder or Path(notebook).parent, _open(Path(notebook))
    notebook = _folded_code(still_notebook(notebook, Path(folder or ".")))
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        config={"TagRemovePreprocessor": {"enabled": True, "remove_input_tags": set(FOLDED)}},
    )
    body, _ = exporter.from_notebook_node(notebook)
    body = re.sub(r"<script\b.*?</script>|<link\b[^>]*>", "", body, flags=re.S)
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    style = Path(__file__).with_name("export.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="{lang}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{inline_html(_title(notebook))}</title>
<style>{colours}
{style}</style></head>
<body><main>
{body}
</main></body></html>
"""
