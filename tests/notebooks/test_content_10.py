"""What notebook 10 reads and claims: the recorded lists of written IDs, its declaration, its
widget.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from test_content_00_01 import cells

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.models.semantic_ids import text_vectors, token_ids
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import CodeExplorer, show_rankings_by_gap
from tutorial_workshop.figures.generative import claim_in_words, earned, kind_means, kind_tests
from tutorial_workshop.page.display import png_bytes
from tutorial_workshop.page.questions import FOLDER, load_questions
from tutorial_workshop.page.widgets import grid

NAME = "10_generative_retrieval"
COLD, VISITS = "world-movies-cold", "world-movies-visits"
TEXT = "\n".join(cell.source for cell in cells(NAME) if cell.cell_type == "code")


@pytest.fixture(scope="module")
def users() -> pd.DataFrame:
    return recorded_table("generative-users.csv.gz")


@pytest.fixture(scope="module")
def costs() -> pd.DataFrame:
    return recorded_table("generative.csv")


def seeds_of(users: pd.DataFrame, model: str = "item Transformer") -> set[int]:
    return set(users.loc[(users["world"] == COLD) & (users["model"] == model), "seed"])


def test_recorded_cells_say_where_they_come_from(costs, users):
    """A number without seed, commit and seconds could not be made again."""
    assert costs["commit"].astype(str).str.fullmatch(r"[0-9a-f]{7,}").all()
    trained = costs["model"].str.contains("IDs|Transformer")
    assert (costs.loc[trained, "fit_seconds"] > 0).all()
    keys = ["world", "model", "seed"]
    judged = set(users[keys].drop_duplicates().itertuples(index=False, name=None))
    assert judged == {
        row for row in costs[keys].itertuples(index=False, name=None) if "generate" not in row[1]
    }


def test_all_models_of_a_world_are_asked_about_the_same_users(users):
    """Else the comparisons are not paired."""
    for _, some in users.groupby("world"):
        sets = {frozenset(part["user"]) for _, part in some.groupby(["model", "seed"])}
        assert len(sets) == 1 and len(next(iter(sets))) >= 500


KINDS = {COLD: ["seen", "unseen", "new"], "world-movies": ["seen", "unseen"]}
KINDS |= {VISITS: ["same second", "later"], "ml-100k": ["seen", "unseen"]}


def test_the_kinds_add_up_to_the_whole(users):
    """Each next item is of one kind: their chances sum to 1."""
    for world, some in users[users["model"] == "share"].groupby("world"):
        np.testing.assert_allclose(some[KINDS[world]].sum(axis=1), 1, atol=1e-4)


def test_no_list_passes_the_ceiling(users):
    """Not that of the whole list, nor that of lists of one kind."""
    for world in users["world"].unique():
        means = kind_means(users, world, ["all", *KINDS[world]])
        if "ceiling" in means.index:  # real data has none
            assert (means <= means.loc["ceiling"] + 1e-4).all(axis=None), world


def test_the_declared_tests_are_run_over_all_seeds(users):
    """Three kinds, one pair, as the text declares before any number."""
    text = "\n".join(cell.source for cell in cells(NAME))
    assert "semantic IDs − item Transformer, for each of the three kinds" in text
    assert text.index("**claim**") < text.index("show_kinds(users")
    tests = kind_tests(
        users, COLD, ["seen", "unseen", "new"], [("IDs: semantic", "item Transformer")]
    )
    assert len(tests) == 3
    assert all(test.seeds == len(seeds_of(users)) and test.n >= 500 for test in tests.values())


def test_a_model_without_seeds_stands_beside_every_seed(users):
    """EASE has one row per user, the item Transformer one per user and seed."""
    (test,) = kind_tests(users, COLD, ["all"], [("item Transformer", "EASE")]).values()
    ease = earned(users, COLD, "all")["EASE"]["all"].mean()
    assert test.seeds == len(seeds_of(users)) and test.mean_b == pytest.approx(ease)


def test_the_claim_is_judged_by_the_declared_rule():
    pair = ("a", "b")
    rule = {
        ("better", "worse"): "confirmed",
        ("better", "equivalent"): "refuted",
        ("worse", "worse"): "refuted",
        ("better", "inconclusive"): "open",
    }
    for (unseen, seen), said in rule.items():
        verdicts = {"a − b, unseen": unseen, "a − b, seen": seen}
        assert f"**{said}**" in claim_in_words(verdicts, pair)


def test_recorded_numbers_reach_what_the_text_says(costs):
    """Semantic IDs use their codebooks and, where items have texts, collide rarely; no constrained
    ID is invalid, and beams in arrays are at least three times as fast as `generate`.
    """
    rows = costs[costs["model"].isin(["IDs: semantic", "IDs: rq-vae"])]
    assert (rows["codebook_use"] >= 0.9).all()
    assert (rows.loc[rows["world"] == COLD, "collisions"] <= 0.03).all()
    assert (rows["invalid"] == 0).all() and (rows["invalid_unconstrained"] < 0.01).all()
    peer = costs.loc[costs["model"] == "generate of transformers", "beam_milliseconds"].min()
    assert peer > 3 * rows["beam_milliseconds"].max()


def test_the_explorer_draws_and_describes_every_setting():
    """Its sentence names nobody who does not share the words, and all who do."""
    split = leave_last_out(load_dataset(COLD))
    titles = split.dataset.items["title"].tolist()
    words = token_ids(split).tokens[:, :3]
    explorer = CodeExplorer(titles, words, text_vectors(split.dataset))
    for setting in grid({"item": range(0, 600, 150), "words": [1, 2]}):
        item, first = setting["item"], setting["words"]
        near = explorer.sharing(item, first)
        assert item not in near and (words[near, :first] == words[item, :first]).all()
        assert f"{len(near)} others share its first" in explorer.describe(**setting) or not len(
            near
        )
        assert png_bytes(explorer.draw(**setting))[:4] == b"\x89PNG"
    alone = next(i for i in range(600) if not len(explorer.sharing(i, 2)))
    assert "no other item shares" in explorer.describe(alone, 2)


def test_blind_and_time_aware_models_stand_in_two_tables(capsys):
    """One ranking of both would compare knowledge, not models."""
    names = ["ceiling", "ceiling, blind", "share", "EASE", "item Transformer"]
    names.append("item Transformer, time-aware")
    rows = [
        (VISITS, name, 0, user, value, value * (user % 2), value * (1 - user % 2))
        for value, name in zip((0.9, 0.7, 1.0, 0.1, 0.3, 0.5), names)
        for user in range(6)
    ]
    columns = ["world", "model", "seed", "user", "all", "same second", "later"]
    gains = show_rankings_by_gap(pd.DataFrame(rows, columns=columns), VISITS)
    blind, told = capsys.readouterr().out.split("Time-aware: all times are known")
    assert "time-aware" not in blind and "EASE" in blind and "ceiling, blind" in blind
    assert "EASE" not in told and "item Transformer, time-aware" in told
    assert len(gains) == 6
    assert all(gain.difference == pytest.approx(0.2) for gain in gains.values())


def test_every_question_is_asked():
    """A question in the file that no cell asks is lost."""
    asked = set(re.findall(rf'quiz\("{NAME}", "([a-z-]+)"\)', TEXT))
    assert asked == set(load_questions(FOLDER / f"{NAME}.yaml"))
