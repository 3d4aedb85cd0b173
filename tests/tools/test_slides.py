"""The committed slides: made from their sources as they are, complete without a network, with notes
and alt texts.
"""

import doctest
import html
import importlib.util
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate
from tutorial_lib.models import EASE

SLIDES = Path(__file__).resolve().parents[2] / "slides"
spec = importlib.util.spec_from_file_location("slides_build", SLIDES / "build.py")
slides_build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(slides_build)

DECKS = slides_build.decks()
MINUTES = {  # the programme
    "01_introduction": 20,
    "02_training_strategies": 45,
    "03_objectives": 20,
    "04_ethics": 50,
    "05_evaluation": 20,
    "06_open_challenges": 20,
}


def parts(deck):
    """The slides of a deck's Markdown, front matter left out."""
    return re.split(r"\n---\n", deck.read_text(encoding="utf-8").split("\n---\n", 1)[1])


def notes_of(slide):
    """The speaker notes: the comments that are no Marp directive."""
    return [
        note
        for note in re.findall(r"<!--(.*?)-->", slide, re.DOTALL)
        if not note.strip().startswith("_")
    ]


def test_every_deck_has_its_time():
    assert {deck.stem for deck in DECKS} == set(MINUTES)


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
class TestDeck:
    @pytest.mark.parametrize("kind", [".html", ".pdf"])
    def test_built_from_these_sources(self, deck, kind):
        """Fails when somebody edits a deck, the theme, a figure or a number and forgets `make
        slides`.
        """
        assert slides_build.stored_hash(deck.with_suffix(kind)) == slides_build.source_hash(deck), (
            "run: python slides/build.py"
        )

    def test_no_request_to_a_network(self, deck):
        """A slide that loads anything from elsewhere is blank in a room without a network. Links to
        click on are fine.
        """
        page = deck.with_suffix(".html").read_text(encoding="utf-8")
        loaded = re.findall(r'\ssrc="([^"]*)"', page) + re.findall(
            r'<link[^>]*\shref="([^"]*)"', page
        )
        loaded += re.findall(r"url\([\"']?([^\"')]*)", page) + re.findall(r"@import[^;]*", page)
        assert len(loaded) > 5
        assert [address[:60] for address in loaded if not address.startswith(("data:", "#"))] == []

    def test_images_have_alt_text(self, deck):
        page = deck.with_suffix(".html").read_text(encoding="utf-8")
        images = re.findall(r"<img[^>]*>", page)
        assert len(images) == deck.read_text(encoding="utf-8").count('src="figures/')
        for image in images:
            alt = re.search(r'alt="([^"]*)"', image)
            assert alt and len(alt.group(1)) > 80 and "{{" not in alt.group(1), image[-300:]

    def test_numbers_are_named_not_typed(self, deck):
        """A typed result goes stale in silence. Identifiers, versions and the confidence level may
        be typed.
        """
        text = slides_build.PLACE.sub("", deck.read_text(encoding="utf-8"))
        text = re.sub(
            r"arxiv\.org/abs/\S+|arXiv \d{4}\.\d{4,5}|10\.\d{4}/\S+|Python 3\.\d+|95 %"
            r" interval|Minutes: [\d.]+|style=\"[^\"]*\"",
            "",
            text,
        )
        assert re.findall(r"\d+\.\d+|\d+\s?%|\d,\d{3}", text) == []

    def test_numbers_on_the_page_are_those_of_the_file(self, deck):
        numbers, page = (
            slides_build.known_numbers(deck),
            deck.with_suffix(".html").read_text(encoding="utf-8"),
        )
        places = slides_build.PLACE.findall(deck.read_text(encoding="utf-8"))
        assert len(places) > 10
        missing = [
            name
            for name, form in places
            if slides_build.fill(f"{{{{{name}{':' * bool(form)}{form}}}}}", numbers).replace(
                "\u00a0", " "
            )
            not in html.escape(html.unescape(page.replace("\u00a0", " ")))
        ]
        assert missing == []

    def test_notes_say_what_to_say_and_how_long(self, deck):
        total = 0.0
        for slide in parts(deck):
            notes = notes_of(slide)
            assert len(notes) == 1, f"one block of notes a slide: {slide[:80]!r}"
            minutes = re.match(r"\s*Minutes: ([\d.]+)\n", notes[0])
            assert minutes and len(notes[0].split()) > 20, (
                f"notes start with 'Minutes: n' and say something: {slide[:80]!r}"
            )
            total += float(minutes.group(1))
        assert total == MINUTES[deck.stem]

    def test_notes_reach_the_presenter(self, deck):
        page = deck.with_suffix(".html").read_text(encoding="utf-8")
        assert page.count('class="bespoke-marp-note"') == len(parts(deck))


@pytest.mark.parametrize("deck", DECKS, ids=lambda deck: deck.stem)
def test_numbers_are_what_the_library_computes_today(deck):
    """Fails when a world, a baseline, a metric or a recorded table changed after the slides were
    built.
    """
    assert slides_build.refresh_numbers(check=True, chosen=[deck]), "run: python slides/build.py"


def test_a_deck_is_stale_when_its_own_numbers_change(monkeypatch):
    """And only that deck: another one's numbers are none of its sources."""
    first, second = DECKS[:2]
    before = slides_build.source_hash(first), slides_build.source_hash(second)
    changed = slides_build.stored_numbers()
    changed[second.stem] = changed[second.stem] | {"alt_curves": "another value"}
    monkeypatch.setattr(slides_build, "stored_numbers", lambda: changed)
    assert slides_build.source_hash(first) == before[0]
    assert slides_build.source_hash(second) != before[1]


def test_unknown_deck_is_refused():
    with pytest.raises(InputError, match="deck"):
        slides_build._chosen(["20"])


def test_published_numbers_name_their_source():
    for name, entry in json.loads((SLIDES / "published.json").read_text(encoding="utf-8")).items():
        assert entry["source"], name


@pytest.mark.real
def test_our_published_numbers_can_be_measured_again():
    """The tie slide: one model, three orders of tied times, on MovieLens-100K."""
    if not os.environ.get("TUTORIAL_DATA"):
        pytest.skip("MovieLens-100K is needed: set TUTORIAL_DATA to the folder that holds it")
    dataset, numbers = load_dataset("ml-100k").k_core(5), slides_build.known_numbers(DECKS[0])
    tied = [
        times[-1] == times[-2]
        for _, times in dataset.interactions.groupby("user")["timestamp"].apply(np.sort).items()
    ]
    assert np.mean(tied) == pytest.approx(numbers["ml100k_tied_share"], abs=0.005)
    item = dataset.items["item_id"].astype(int).to_numpy()[dataset.interactions["item"]]
    orders = {
        "file": np.arange(len(item)),
        "ascending": np.argsort(item, kind="stable"),
        "descending": np.argsort(-item, kind="stable"),
    }
    for name, order in orders.items():
        ordered = replace(
            dataset, interactions=dataset.interactions.iloc[order].reset_index(drop=True)
        )
        split = leave_last_out(ordered).merge_validation()
        measured = evaluate(EASE().fit(split), split, k=10)["hit@10"].mean()
        assert measured == pytest.approx(numbers[f"ml100k_ease_{name}"], abs=5e-4), name


def test_same_notices_the_last_digit_on_a_slide():
    assert slides_build.same({"a": 0.2101, "b": "x"}, {"a": 0.2102, "b": "x"})
    assert not slides_build.same({"a": 0.210}, {"a": 0.211})
    assert not slides_build.same({"a": "x"}, {"a": "y"})
    assert not slides_build.same({"a": 1}, {"a": 1, "b": 2})


def test_unknown_number_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'oracle_ndcg'"):
        slides_build.fill("{{oracle_ndgc}}", {"oracle_ndcg": 0.2, "n_items": 600})


def test_unknown_figure_is_refused(tmp_path):
    (tmp_path / "leaderboard.svg").write_text("<svg/>")
    assert 'src="data:image/svg+xml;base64,' in slides_build.inline(
        '<img src="figures/leaderboard.svg">', tmp_path
    )
    with pytest.raises(InputError, match="did you mean 'leaderboard'"):
        slides_build.inline('<img src="figures/leaderbord.svg">', tmp_path)


@pytest.mark.parametrize(
    "missing, says", [("node", "Node.js is missing; install"), ("chromium", "Chromium is missing")]
)
def test_missing_tool_is_one_line_with_the_mend(monkeypatch, tmp_path, capsys, missing, says):
    marp = tmp_path / "node_modules" / ".bin" / "marp"
    font = tmp_path / slides_build.FONT.format(family="next", weight=400, kind="woff2")
    for file in (marp, font):
        file.parent.mkdir(parents=True)
        file.write_text("")
    monkeypatch.setattr(slides_build, "HERE", tmp_path)
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setattr(
        shutil,
        "which",
        lambda name: "/usr/bin/node" if name == "node" and missing != "node" else None,
    )
    assert slides_build.main([]) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1


def test_missing_marp_names_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(slides_build, "HERE", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    assert slides_build.main([]) == 2
    assert "npm install --no-package-lock --prefix slides" in capsys.readouterr().err


def test_examples_in_the_build_script():
    assert doctest.testmod(slides_build).failed == 0
