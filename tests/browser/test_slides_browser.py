"""Every slide in a real browser, from an empty folder: nothing spills, nothing is fetched."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SLIDES = Path(__file__).resolve().parents[2] / "slides"

MEASURE = """() => {
  const slide = document.querySelector('svg.bespoke-marp-active section');
  const box = e => e.getBoundingClientRect();
  const style = e => getComputedStyle(e);
  const frame = box(slide);
  const footer = box(slide.querySelector('footer'));
  const heading = slide.querySelector('h1');
  const title = box(heading);
  const content = [...slide.querySelectorAll('*')].filter(e => !e.closest('footer'));
  const texts = content.filter(
    e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  const inside = r => r.left >= frame.left + 60 && r.right <= frame.right - 60
    && r.top >= frame.top + 40 && r.bottom <= footer.top;
  const wide = e => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1
    && style(e).display !== 'inline';
  const broken = image => !image.complete || !image.naturalWidth || box(image).height < 200;
  return {
    title: heading.innerText,
    plain: !slide.classList.contains('title'),
    x: Math.round(title.left),
    y: Math.round(title.top),
    lines: Math.round(title.height / parseFloat(style(heading).lineHeight)),
    spills: content.filter(e => !inside(box(e))).map(e => e.outerHTML.slice(0, 80)),
    wide: content.filter(wide).map(e => e.outerHTML.slice(0, 80)),
    over: slide.scrollHeight - slide.clientHeight,
    overx: slide.scrollWidth - slide.clientWidth,
    smallest: Math.min(...texts.map(e => parseFloat(style(e).fontSize))),
    broken: [...slide.querySelectorAll('img')].filter(broken).length,
    rawmath: /\\$[^$]+\\$|\\\\[a-z]+\\{/.test(slide.innerText),
    holes: /\\{\\{/.test(slide.innerText),
    font: document.fonts.check('28px "Atkinson Hyperlegible Next"'),
  };
}"""
SHOWN = """number => {
  const slide = document.querySelectorAll('svg.bespoke-marp-slide')[number - 1];
  return slide.classList.contains('bespoke-marp-active');
}"""


def walk(page):
    """Measurements of every slide, in order."""
    count = page.locator("svg.bespoke-marp-slide").count()
    for number in range(1, count + 1):
        page.evaluate("number => { location.hash = '#' + number }", number)
        page.wait_for_function(SHOWN, arg=number)
        yield page.evaluate(MEASURE)


@pytest.mark.parametrize(
    "deck", sorted(SLIDES.glob("[0-9][0-9]_*.html")), ids=lambda deck: deck.stem
)
def test_walk_the_deck(deck, tmp_path, chromium):
    shutil.copy(deck, tmp_path)
    asked, errors = [], []
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / deck.name).as_uri())
    page.wait_for_function("document.fonts.ready.then(() => true)")
    slides = list(walk(page))
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert len(slides) == deck.with_suffix(".md").read_text(encoding="utf-8").count("Minutes:")
    for slide in slides:
        title = slide["title"]
        assert slide["over"] <= 0 and slide["overx"] <= 0, f"overflow on {title!r}"
        outside = slide["spills"] + slide["wide"]
        assert outside == [], f"outside its place on {title!r}: {outside}"
        smallest = slide["smallest"]
        assert smallest >= 20, f"text of {smallest} px on {title!r} is too small for the back row"
        assert slide["broken"] == 0 and slide["font"], title
        assert not slide["rawmath"] and not slide["holes"], title
    places = {(slide["x"], slide["y"], slide["lines"]) for slide in slides if slide["plain"]}
    assert len(places) == 1, "the title jumps between slides"
