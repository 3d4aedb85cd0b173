"""Every slide in a real browser, from an empty folder: nothing spills, nothing is fetched,
everything can be read.
"""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SLIDES = Path(__file__).resolve().parents[2] / "slides"

MEASURE = """() => {
  const slide = document.querySelector('svg.bespoke-marp-active section'), frame = slide.getBoundingClientRect();
  const footer = slide.querySelector('footer').getBoundingClientRect();
  const content = [...slide.querySelectorAll('*')].filter(e => !e.closest('footer'));
  const texts = content.filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  const inside = r => r.left >= frame.left + 60 && r.right <= frame.right - 60 && r.top >= frame.top + 40 && r.bottom <= footer.top;
  const title = slide.querySelector('h1').getBoundingClientRect();
  return {
    title: slide.querySelector('h1').innerText, plain: !slide.classList.contains('title'),
    x: Math.round(title.left), y: Math.round(title.top),
    lines: Math.round(title.height / parseFloat(getComputedStyle(slide.querySelector('h1')).lineHeight)),
    spills: content.filter(e => !inside(e.getBoundingClientRect())).map(e => e.outerHTML.slice(0, 80)),
    wide: content.filter(e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
      .map(e => e.outerHTML.slice(0, 80)),
    over: slide.scrollHeight - slide.clientHeight, overx: slide.scrollWidth - slide.clientWidth,
    smallest: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize))),
    broken: [...slide.querySelectorAll('img')].filter(i => !i.complete || !i.naturalWidth || i.getBoundingClientRect().height < 200).length,
    rawmath: /\\$[^$]+\\$|\\\\[a-z]+\\{/.test(slide.innerText), holes: /\\{\\{/.test(slide.innerText),
    font: document.fonts.check('28px "Atkinson Hyperlegible Next"'),
  };
}"""


def walk(page):
    """Measurements of every slide, in order."""
    count = page.locator("svg.bespoke-marp-slide").count()
    for number in range(1, count + 1):
        page.evaluate("number => { location.hash = '#' + number }", number)
        page.wait_for_function(
            "number => document.querySelectorAll('svg.bespoke-marp-slide')[number -"
            " 1].classList.contains('bespoke-marp-active')",
            arg=number,
        )
        yield page.evaluate(MEASURE)


@pytest.mark.parametrize(
    "deck", sorted(SLIDES.glob("[0-9][0-9]_*.html")), ids=lambda deck: deck.stem
)
def test_walk_the_deck(deck, tmp_path, chromium):
    shutil.copy(deck, tmp_path)
    asked, errors = [], []
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.on(
        "request",
        lambda request: (
            asked.append(request.url) if not request.url.startswith(("file:", "data:")) else None
        ),
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / deck.name).as_uri())
    page.wait_for_function("document.fonts.ready.then(() => true)")
    slides = list(walk(page))
    assert asked == [] and errors == []
    assert len(slides) == deck.with_suffix(".md").read_text(encoding="utf-8").count("Minutes:")
    for slide in slides:
        assert slide["over"] <= 0 and slide["overx"] <= 0, f"overflow on {slide['title']!r}"
        assert slide["spills"] == [] and slide["wide"] == [], (
            f"outside its place on {slide['title']!r}: {slide['spills'] + slide['wide']}"
        )
        assert slide["smallest"] >= 20, (
            f"text of {slide['smallest']} px on {slide['title']!r} cannot be read from the back"
        )
        assert (
            slide["broken"] == 0 and not slide["rawmath"] and not slide["holes"] and slide["font"]
        ), slide["title"]
    assert (
        len({(slide["x"], slide["y"], slide["lines"]) for slide in slides if slide["plain"]}) == 1
    ), "the title jumps between slides"
