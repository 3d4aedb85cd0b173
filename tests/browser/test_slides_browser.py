"""Every slide in a real browser, from an empty folder: nothing spills, nothing is fetched."""

import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SLIDES = Path(__file__).resolve().parents[2] / "slides"

# WCAG 2.2, success criterion 1.4.3: the ratio of relative luminances, level AA
CONTRAST = """
  const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (let up = e; up; up = up.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(up).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const contrast = e => {
    const both = [channels(getComputedStyle(e).color), behind(e)].map(luminance);
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };
  const needed = e => {
    const size = parseFloat(getComputedStyle(e).fontSize);
    const bold = parseFloat(getComputedStyle(e).fontWeight) >= 700;
    return size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
  };
"""
MEASURE = """() => {
  CONTRAST
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
    alts: [...slide.querySelectorAll('img')].every(image => image.alt.length > 80),
    pale: [...slide.querySelectorAll('*')]
      .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
      .filter(e => contrast(e) < needed(e))
      .map(e => [e.outerHTML.slice(0, 60), contrast(e).toFixed(2)]),
  };
}""".replace("CONTRAST", CONTRAST)
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


def test_pale_text_is_seen(chromium):
    """The check of contrast must be able to fail."""
    page = chromium.new_page()
    page.set_content(
        '<p style="color: #999999">grey</p><p style="color: #4f5b6b">ink</p>'
        '<div style="background: #10243e"><p style="color: #b9c7d8">light on dark</p></div>'
    )
    ratios = page.evaluate(
        "() => {" + CONTRAST + "return [...document.querySelectorAll('p')].map(contrast); }"
    )
    assert ratios[0] < 3 and min(ratios[1:]) > 4.5


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
        assert slide["broken"] == 0 and slide["font"] and slide["alts"], title
        assert slide["pale"] == [], f"too little contrast on {title!r}: {slide['pale']}"
        assert not slide["rawmath"] and not slide["holes"], title
    places = {(slide["x"], slide["y"], slide["lines"]) for slide in slides if slide["plain"]}
    assert len(places) == 1, "the title jumps between slides"
