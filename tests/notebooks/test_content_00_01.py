"""What notebooks 00 and 01 say and draw: widgets over their whole grid, the map, and the claims of
the text as checks.
"""

from __future__ import annotations

import re
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sampling import settings_of

from tools.builder import build, outputs, read_source
from tutorial_lib.data import Split, leave_last_out, load_dataset, temporal_split
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import compare, evaluate, mean_interval, ranking_metrics
from tutorial_lib.evaluation.protocols import evaluate_sampled, impossible_share
from tutorial_lib.models import EASE, ItemKNN, Oracle, Popularity, TransitionKNN
from tutorial_workshop.exercises.loading import all_exercises, get_exercise
from tutorial_workshop.figures import basics as figures
from tutorial_workshop.page import output
from tutorial_workshop.page.checker import whose
from tutorial_workshop.page.display import png_bytes
from tutorial_workshop.page.point_plots import interval_points
from tutorial_workshop.page.questions import FOLDER, load_questions

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("00_start_here", "01_recommendation_as_language")
WORLDS = ("world-movies", "world-products", "world-news")
KNOWN = {  # what the notebook has imported by the time its cells run
    **{
        "np": np,
        "pd": pd,
        "Split": Split,
        "evaluate": evaluate,
        "compare": compare,
        "mean_interval": mean_interval,
    },
    **{model.__name__: model for model in (Popularity, TransitionKNN, ItemKNN, EASE)},
    "bars": lambda *arguments, **keywords: None,
}
PLAYGROUND = {"rank": range(1, 21), "k": [1, 5, 10, 20]}  # the controls of the notebook


def cells(name: str) -> list:
    return read_source(ROOT / "notebooks" / "src" / f"{name}.py")


def run_cell(needle: str, space: dict) -> dict:
    """Execute the one cell of notebook 01 that defines `needle`, as a learner would."""
    (cell,) = [c for c in cells(NAMES[1]) if c.cell_type == "code" and needle in c.source]
    exec(cell.source, space)
    return space


@pytest.fixture(scope="module")
def movies():
    """The split of the default world, and what the cell of section 6 makes of it."""
    split = leave_last_out(load_dataset("world-movies"))
    return split, run_cell(
        "class ShortList", {**KNOWN, "split": split, "models": {}, "results": {}}
    )


# widgets and figures


@settings_of(PLAYGROUND)
def test_playground_draws_every_setting(settings):
    """A slider position that cannot be drawn would freeze the widget in the middle of a lesson."""
    pictures = [png_bytes(figures.metric_playground(**values), dpi=40) for values in settings]
    assert len(set(pictures)) == len(settings) >= 12, "two settings look the same"


@settings_of(PLAYGROUND)
def test_playground_shows_the_numbers_of_the_library(settings):
    """Else the learner plays with other metrics than those of the leaderboard."""
    for values in settings:
        k, items = values["k"], list(range(1, 21))
        library = ranking_metrics([items], [[values["rank"]]], k=k).iloc[0]
        shown = figures.metric_values(**values)
        assert [shown["MRR"], shown["NDCG"], shown["recall"]] == pytest.approx(
            [library[f"{m}@{k}"] for m in ("mrr", "ndcg", "recall")]
        )
        assert f"NDCG@{k} = {library[f'ndcg@{k}']:.3f}" in figures.describe_playground(**values)


def test_metric_values_refuse_rank_zero():
    with pytest.raises(InputError, match="both count from 1"):
        figures.metric_values(rank=0, k=5)


def test_still_curves_keep_what_their_caption_says():
    """ "MRR loses most at the top, recall only at the cut-off, NDCG lies between": checked at every
    rank inside the cut-off.
    """
    values = [figures.metric_values(rank, 10) for rank in range(1, 11)]
    assert all(v["MRR"] <= v["NDCG"] <= v["recall"] == 1 for v in values)
    assert figures.metric_values(11, 10) == {"MRR": 0, "NDCG": 0, "recall": 0}
    assert len(figures.metric_curves(10).axes[0].lines) == 3


def test_user_lists_mark_the_hidden_item_wherever_it_is_recommended():
    """A hit that is not marked, or marked in the history, turns the picture's message round."""
    fig = figures.user_lists(["a", "b"], {"m": ["c", "t"], "n": ["t", "d"]}, "t")
    texts = [[t.get_text() for t in ax.texts] for ax in fig.axes]
    assert texts == [["a", "b"], ["1. c", "HIT: t"], ["HIT: t", "2. d"]]
    assert "t" in fig.get_supxlabel()


def test_letters_of_the_contest():
    """A learner may write small letters and spaces; too few, or one that no option has, is told."""
    assert figures.choices_of("", rounds=3, options=5) is None
    assert figures.choices_of("b aE", rounds=3, options=5) == [1, 0, 4]
    for wrong in ("AB", "ABF"):
        with pytest.raises(InputError, match="3 letters from A to E"):
            figures.choices_of(wrong, rounds=3, options=5)


def test_repeated_draws_are_told_with_the_share_of_wrong_signs(capsys):
    """Half of these draws name the other model; said of the wrong half, the lesson turns round."""
    known = compare(pd.DataFrame({"x": [0.3, 0.2, 0.4]}), pd.DataFrame({"x": [0.1, 0.1, 0.1]}), "x")
    figures.show_redrawn(np.array([0.3, 0.1, -0.1, 0.4]), known, names="a − b")
    told = capsys.readouterr().out
    assert "names the wrong model in 25%" in told and "+0.2000" in told


@pytest.mark.parametrize("world", WORLDS)
def test_known_probabilities_and_drawn_targets_have_one_mean(world):
    """Notebook 01 says so; a bias would judge models by something else than what users choose."""
    split = leave_last_out(load_dataset(world))
    for model in (EASE().fit(split), TransitionKNN().fit(split)):
        drawn, known = (evaluate(model, split, k=10, expected=on) for on in (False, True))
        apart = drawn["ndcg@10"] - known["ndcg@10"]
        assert abs(apart.mean()) < 4 * apart.sem()
        assert known["ndcg@10"].var() < drawn["ndcg@10"].var() / 5


def test_figures_refuse_groups_of_another_length():
    with pytest.raises(InputError, match="1 rows for 2 labels"):
        interval_points(["a", "b"], {"g": [(0, 0, 0)]}, quantity="q")


def test_points_stay_in_their_row_however_many_groups():
    """With five groups the last marker of a row once stood in the next."""
    import matplotlib.pyplot as plt

    groups = {f"group {n}": [(0.1, 0, 0.2), (0.3, 0.2, 0.4)] for n in range(7)}
    fig = interval_points(["a", "b"], groups, quantity="q")
    for container in fig.axes[0].containers:
        assert [round(y) for y in container[0].get_ydata()] == [0, 1]
    plt.close(fig)


def test_computed_figures_describe_themselves(capsys):
    """The alt text is made from the numbers; if it lost one, a reader who cannot see the bar would
    not know it.
    """
    output.bars(
        {"a": (0.5, 0.4, 0.6), "b": 0.25}, quantity="hit@10", caption="A caption of some length."
    )
    output.points(
        ["x"],
        {"g": [(0.1, -0.1, 0.2)]},
        quantity="difference",
        caption="A caption of some length.",
        zero="none",
    )
    out = capsys.readouterr().out
    assert "a 0.500 (0.400 to 0.600); b 0.250" in out and "g: x 0.100 (-0.100 to 0.200)" in out


def test_tables_and_sentences_as_text(capsys):
    output.table(
        pd.DataFrame({"n": [1914], "v": [0.123456], "t": [("a", "b")]}), caption="Three kinds"
    )
    output.say("one", "**two**")
    assert (
        capsys.readouterr().out == "Three kinds\n-  n  v  t\n0  1914  0.1235  a, b\none\n**two**\n"
    )


# the map and the outline


@pytest.mark.parametrize("name", ["kit_map", "architecture"])
def test_drawings_stand_alone(name):
    """A drawing that loads something, or has no title, is blank offline or for a screen reader."""
    text = (ROOT / "notebooks" / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    tags = [element.tag.split("}")[1] for element in ElementTree.fromstring(text).iter()]
    assert tags.count("title") == 1 and tags.count("desc") == 1
    assert not {"script", "image", "foreignObject"} & set(tags)
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]


def test_unknown_drawing_is_refused():
    with pytest.raises(InputError, match="did you mean 'kit_map'"):
        output.drawing(
            "kit_mop",
            alt="Some text that is long enough.",
            caption="Some text that is long enough.",
        )


def test_map_and_outline_tell_which_notebooks_exist():
    """A link to a notebook that is not there, or "planned" beside one that is, sends a learner
    astray.
    """
    there = {path.stem[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
    svg = (ROOT / "notebooks" / "figures" / "kit_map.svg").read_text(encoding="utf-8")
    circles = re.findall(r'<circle [^>]*fill="(#\w+)"[^>]*/><text[^>]*>(\d\d)<', svg)
    assert {number for _, number in circles} == there
    text = "\n".join(cell.source for cell in cells(NAMES[0]) if cell.cell_type == "markdown")
    rows = re.findall(r"^\| (?!notebook|---)(.+?) \|", text, re.M)
    planned = {
        number for row in rows if "(planned)" in row for number in re.findall(r"\b(\d\d)\b", row)
    }
    assert not planned & there
    for link in re.findall(
        r"\]\((\w+\.ipynb)\)", "".join(c.source for name in NAMES for c in cells(name))
    ):
        assert (ROOT / "notebooks" / link).is_file(), link


# the text


@pytest.mark.parametrize(
    "source", sorted((ROOT / "notebooks" / "src").glob("0[0-6]_*.py")), ids=lambda path: path.stem
)
def test_every_notebook_links_to_the_glossary(source):
    """A learner who meets an unknown term near the top must find its meaning, also in the
    solutions, one folder deeper.
    """
    (box,) = [c.source for c in read_source(source) if "objectives" in c.metadata.get("tags", [])]
    assert "[glossary](../GLOSSARY.md)" in box
    for path, solution in outputs(source).items():
        (link,) = set(re.findall(r"\]\(([./]*GLOSSARY\.md)\)", build(source, solution)))
        assert (path.parent / link).resolve() == ROOT / "GLOSSARY.md" and (
            ROOT / "GLOSSARY.md"
        ).is_file()


def test_nobody_calls_the_reference_the_learners_own_work():
    """After a wrong answer the notebook goes on with the reference: "yours ... the same" would then
    praise the wrong function.
    """
    task = get_exercise("00-hit")
    (cell,) = [c.source for c in cells(NAMES[0]) if "whose(hit_at_k" in c.source]
    assert "yours" not in cell
    assert whose(task.reference, "00-hit") == "the reference"
    assert whose(lambda *_: 1.0, "00-hit") == "your function"
    for path in sorted((ROOT / "notebooks" / "src").glob("0[0-6]_*.py")):
        for cell in read_source(path):
            if cell.cell_type == "code":
                assert not re.search(r"\byours \{|Your \w+ and the", cell.source), (
                    path.name,
                    cell.source,
                )


@pytest.mark.parametrize("name", NAMES)
def test_every_question_is_asked_and_every_objective_is_tested(name):
    """A question nobody asks, or an objective nobody checks, is a promise that is not kept."""
    code = "\n".join(cell.source for cell in cells(name) if cell.cell_type == "code")
    asked = re.findall(rf'quiz\("{name}", "([^"]+)"\)', code)
    assert sorted(asked) == sorted(load_questions(FOLDER / f"{name}.yaml"))
    exercises = set(re.findall(r'exercise="([^"]+)"', code))
    assert (
        exercises
        == {e for e in all_exercises() if e.startswith(name[:2])}
        == set(re.findall(r'hint\("([^"]+)"', code))
    )
    (box,) = [cell.source for cell in cells(name) if "objectives" in cell.metadata.get("tags", [])]
    verbs = [line for line in box.replace("\n>   ", " ").splitlines() if line.startswith("> - ")]
    assert 3 <= len(verbs) <= 5 and exercises <= set(re.findall(r"\b\d\d-[a-z]+", box))
    assert all(re.search(r"exercise|question|set-up", line) for line in verbs)


@pytest.mark.parametrize("name", NAMES)
def test_text_holds_no_result(name):
    """A number typed into the text is wrong as soon as data, seed or profile changes."""
    for cell in cells(name):
        if cell.cell_type == "markdown":
            plain = re.sub(r"\[[^\]]*\]\([^)]*\)|`[^`]*`", "", cell.source)
            assert not re.search(r"(?<![\w.])0?\.\d+|\d+ ?%", plain), cell.source


# the claims


@pytest.mark.parametrize("world", WORLDS)
def test_the_oracle_is_the_ceiling(world):
    """Notebook 01 calls it the ceiling: a model above it would be a leak, or a wrong truth."""
    split = leave_last_out(load_dataset(world))
    top = evaluate(Oracle().fit(split), split, k=10)
    for model in (Popularity(), TransitionKNN(), ItemKNN(), EASE()):
        assert compare(top, evaluate(model.fit(split), split, k=10), "ndcg@10").ci[0] > 0, type(
            model
        ).__name__


def test_short_list_changes_places_under_sampling(movies):
    """The rank flip of section 6: ahead in the full ranking, behind in the sampled one, both
    intervals away from 0.
    """
    split, space = movies
    model, rival = space["models"]["ShortList"], TransitionKNN().fit(split)
    assert compare(space["results"]["ShortList"], evaluate(rival, split, k=10), "hit@10").ci[0] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        few = [evaluate_sampled(m, split, k=10, seed=7) for m in (model, rival)]
    assert compare(*few, "hit@10").ci[1] < 0


def test_short_list_is_popularity_below_place_20(movies):
    """Section 6 says so; a tail ranked with care would need another explanation of the flip."""
    split, space = movies
    rows = split.test_history[:50]
    short = space["models"]["ShortList"].recommend(rows, k=200)
    popular = Popularity().fit(split).recommend(rows, k=220)
    for mine, all_popular in zip(short, popular, strict=True):
        rest = [item for item in all_popular if item not in mine[:20]]
        assert mine[20:].tolist() == rest[:180]


def test_a_constant_scorer_is_worth_chance(movies):
    """Section 7: perfect if ties go to the target, useless if against it, k out of the unseen items
    by the expected value.
    """
    split, _ = movies
    space = run_cell("class Constant", {**KNOWN, "ds": split.dataset, "split": split})
    found = {rule: interval.mean for rule, interval in space["constant"].items()}
    chance = np.mean(
        [10 / (split.dataset.n_items - len(history)) for history in split.test_history]
    )
    assert (found["optimistic"], found["pessimistic"]) == (1, 0)
    assert found["expected"] == pytest.approx(chance, rel=1e-12)


def test_a_random_target_flatters_and_one_moment_in_time_does_not_leak(movies):
    """Section 8 on world-movies: EASE gains from a random target, and only leave-last-out makes
    impossible recommendations.
    """
    split, _ = movies
    ds = split.dataset
    out = run_cell("def random_split", {**KNOWN, "ds": ds, "split": split, "SEEDS": range(2)})
    assert out["gains"]["EASE"].ci[0] > 0
    drawn = out["random_split"](3)
    again = [np.sort(np.concatenate(pair)) for pair in zip(drawn.train, drawn.test_target)]
    assert all(np.array_equal(a, np.sort(s)) for a, s in zip(again, ds.sequences())), (
        "an item was lost or doubled"
    )
    timed = temporal_split(ds)
    counts = [
        impossible_share(TransitionKNN().fit(s).recommend(s.test_history, k=10), s)[
            "impossible"
        ].sum()
        for s in (split, timed)
    ]
    assert counts[0] > 0 == counts[1]


@pytest.mark.real
def test_item_numbers_mean_something_in_movielens():
    """Section 7 says so of MovieLens-100K: sorting ties by item number must move EASE by more than
    its interval is wide.
    """
    from dataclasses import replace

    ds = load_dataset("ml-100k").k_core(5)
    found = []
    for rising in (True, False):
        split = leave_last_out(
            replace(
                ds,
                interactions=ds.interactions.sort_values("item", kind="stable", ascending=rising),
            )
        )
        found.append(mean_interval(evaluate(EASE().fit(split), split, k=10), "hit@10"))
    assert found[1].mean - found[0].mean > found[0].high - found[0].low
