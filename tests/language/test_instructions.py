import re
from functools import cache
from itertools import product

import numpy as np
import pytest
from small import make_dataset
from tutorial_recipes.worlds import make_world

from tutorial_lib.data import leave_last_out
from tutorial_lib.errors import InputError
from tutorial_lib.language.instruct import (
    COMBINATIONS,
    CUTOFF,
    FORMS,
    HELD_OUT,
    INTENTIONS,
    PREFERENCES,
    SHOWN,
    WORDINGS,
    YES_NO,
    Instruction,
    instructions,
    seen_combinations,
)
from tutorial_lib.language.verbalise import verbaliser

CONTEXT = WORDINGS["context"]
TABLES = tuple(WORDINGS[part] for part in ("preference", "intention", "form"))
CHANCE = {"pointwise": 1 / 2, "pairwise": 1 / 2, "matching": 10 / 40, "reranking": 1 / 5}


@pytest.fixture(scope="module")
def world():
    return make_world("movies", n_users=60, n_items=40)


@pytest.fixture(scope="module")
def pairs(world):
    """240 histories of a dozen items with a target drawn evenly from outside, so that popularity is
    worth nothing.
    """
    split, rng = leave_last_out(world), np.random.default_rng(3)
    histories = [split.test_history[row % 60][: 4 + row % 9] for row in range(240)]
    return histories, [
        int(rng.choice(np.setdiff1d(np.arange(40), history))) for history in histories
    ]


@pytest.fixture(scope="module")
def asked(world, pairs):
    return instructions(world, *pairs, combinations=COMBINATIONS, seed=1)


def genres_only(categories=None):
    """As MovieLens: several categories an item, no moods; the last film has none."""
    data = make_dataset(
        [(0, item, item) for item in range(4)] + [(1, 4, 0)], n_items=12, name="ml-tiny"
    )
    names = categories or [
        ("Action", "Sci-Fi"),
        ("Action",),
        ("Drama", "Action"),
        ("Drama", "War"),
    ] + [("Children's",)] * 7 + [()]
    return type(data)(
        data.name,
        data.interactions,
        data.items.assign(categories=names, text="", provider=""),
        data.users,
        data.card,
    )


@cache
def pattern(combination, held_out):
    """What a combination's sources look like; a gap holds no full stop or question mark."""

    def wordings(texts):
        return "|".join(
            re.sub(r"\\\{\w+\\\}", "[^.?]+", re.escape(text))
            for text in (texts[-1:] if held_out else texts[:-1])
        )

    parts = [
        f"({wordings(table[name])})" for table, name in zip(TABLES, combination) if name != "none"
    ]
    return re.compile(f"(({wordings(CONTEXT)}) )?" + " ".join(parts))


def reads_as(source, held_out=False):
    """The combinations whose wordings a source is made of."""
    return [
        combination
        for combination in COMBINATIONS
        if pattern(combination, held_out).fullmatch(source)
    ]


def test_the_grid_is_complete_and_what_is_held_out_is_new_only_as_a_whole():
    assert len(COMBINATIONS) == 32 == len({*COMBINATIONS})
    assert {*COMBINATIONS} == {
        c for c in product(PREFERENCES, INTENTIONS, FORMS) if c[:2] != ("none", "none")
    }
    seen = seen_combinations()
    assert (
        sorted(seen + HELD_OUT) == sorted(COMBINATIONS) and len(set(HELD_OUT)) == len(HELD_OUT) == 6
    )
    for combination in HELD_OUT:
        for pair in ((0, 1), (0, 2), (1, 2)):  # so also every single part
            assert any(all(combination[part] == other[part] for part in pair) for other in seen), (
                combination
            )
    # each part is tested
    assert {part for combination in HELD_OUT for part in combination} == {
        *PREFERENCES,
        *INTENTIONS,
        *FORMS,
    }


def test_every_part_has_wordings_to_learn_from_and_one_apart():
    rows = [CONTEXT, *(row for table in TABLES for row in table.values())]
    texts = [text for row in rows for text in row]
    assert all(len(row) >= 4 for row in rows) and len(set(texts)) == len(texts)
    for table, names in zip(TABLES, (PREFERENCES, INTENTIONS, FORMS)):
        assert {*table, "none"} == {*names, "none"}
    for row in rows:
        # all wordings tell the same
        assert len({frozenset(re.findall(r"\{(?!noun|plural)\w+\}", text)) for text in row}) == 1, (
            row
        )


def test_a_source_says_its_combination_and_none_that_is_held_out(world, pairs, asked):
    assert {one.combination for one in asked} == set(COMBINATIONS)
    assert all(reads_as(one.source) == [one.combination] for one in asked)
    for one in instructions(world, *pairs, combinations=seen_combinations(), seed=2):
        assert one.combination not in HELD_OUT and not {*reads_as(one.source)} & {*HELD_OUT}
    apart = instructions(world, *pairs, combinations=HELD_OUT, held_out_wording=True)
    assert all(
        reads_as(one.source, held_out=True) == [one.combination] and not reads_as(one.source)
        for one in apart
    )
    assert {one.combination for one in apart} == set(HELD_OUT)


def test_options_stand_in_the_source_and_the_answer_to_a_matching_does_not(world, pairs, asked):
    titles = verbaliser(world).titles
    for one, history, target in zip(asked, *pairs):
        form = one.combination[2]
        assert one.item == target
        if form == "matching":
            assert (
                one.target == titles[target]
                and one.target not in one.source
                and (one.options, one.answer) == ((), target)
            )
            assert one.choices == 40
        else:
            assert one.options[one.answer] == one.target and one.choices == len(one.options)
        if form in ("pairwise", "reranking"):
            assert one.target == titles[target] and len(set(one.options)) == SHOWN[form] == len(
                one.options
            )
            assert [one.source.rindex(title) for title in one.options] == sorted(
                one.source.rindex(title) for title in one.options
            )
            assert not {titles.index(title) for title in one.options} & {*history}
    # a target that is in its history is not written out there
    again = instructions(
        world, [[3, 5, 3]] * 20, [3] * 20, combinations=[("implicit", "none", "matching")]
    )
    assert all(titles[3] not in one.source and titles[5] in one.source for one in again)


def test_a_pointwise_question_is_about_the_target_or_a_stranger(world, pairs):
    titles = verbaliser(world).titles
    # no history is written out
    asked = instructions(world, *pairs, combinations=[("explicit", "specific", "pointwise")])
    for one, history, target in zip(asked, *pairs):
        [item] = [item for item, title in enumerate(titles) if title in one.source]
        assert (
            one.options == YES_NO
            and one.target == ("yes" if item == target else "no")
            and item not in history
        )


def test_without_an_intention_the_source_does_not_depend_on_the_target(world, pairs):
    """Other targets for the same histories: only the titles to choose from change."""
    histories, targets = pairs
    titles = sorted(verbaliser(world).titles, key=len, reverse=True)
    others = [
        next(item for item in range(t + 1, t + 40) if item % 40 not in h) % 40
        for h, t in zip(histories, targets)
    ]

    def blanked(intention, wanted):
        out = []
        for one in instructions(
            world,
            histories,
            wanted,
            combinations=[c for c in COMBINATIONS if c[1] == intention],
            seed=4,
        ):
            shown = (
                one.options
                if one.combination[2] in ("pairwise", "reranking")
                else titles
                if one.combination[2] == "pointwise"
                else ()
            )
            out.append(re.sub("|".join(map(re.escape, shown)) or "$^", "*", one.source))
        return out

    assert blanked("none", targets) == blanked("none", others)
    # what an intention tells
    assert (
        sum(a != b for a, b in zip(blanked("specific", targets), blanked("specific", others))) > 200
    )


def test_intention_and_preference_are_true(world):
    """By hand: item attributes and the most frequent ones of a history."""
    moods, kinds = world.items["mood"], world.items["categories"]
    combinations = [("explicit", "vague", "matching")]
    target, history = 7, list(range(7))
    sources = [
        one.source
        for one in instructions(world, [history] * 60, [target] * 60, combinations=combinations)
    ]
    hints = {f"something {moods[7]}.", *(f"something with {kind} in it." for kind in kinds[7])}
    # each attribute is drawn
    assert {hint for hint in hints for source in sources if hint in source} == hints
    counts = [kind for item in history for kind in kinds[item]], [moods[item] for item in history]
    kind, mood = re.search(r"(\w+) and (\w+) movies", sources[0]).groups()
    assert counts[0].count(kind) == max(map(counts[0].count, counts[0])) and counts[1].count(
        mood
    ) == max(map(counts[1].count, counts[1]))
    [one] = instructions(
        world, [history], [target], combinations=[("none", "specific", "matching")]
    )
    assert f" {moods[7]} movie with {' and '.join(kinds[7])} in it." in one.source
    # equally frequent: the newest
    [one] = instructions(world, [[0, 1]], [target], combinations=[("explicit", "none", "matching")])
    assert moods[0] == moods[1] or f" and {moods[1]} movies" in one.source


def test_answers_are_balanced(world, pairs):
    """1200 draws per form: four standard deviations around an even spread."""
    histories, targets = pairs[0] * 5, pairs[1] * 5
    for form in ("pointwise", "pairwise", "reranking"):
        asked = instructions(
            world, histories, targets, combinations=[("none", "vague", form)], seed=5
        )
        share, places = (
            1 / SHOWN[form],
            np.bincount([one.answer for one in asked], minlength=SHOWN[form]) / 1200,
        )
        assert np.abs(places - share).max() < 4 * np.sqrt(share * (1 - share) / 1200), form
    mixed = instructions(world, histories, targets, combinations=COMBINATIONS, seed=6)
    counts = np.array(
        [sum(one.combination == combination for one in mixed) for combination in COMBINATIONS]
    )
    assert np.abs(counts - 1200 / 32).max() < 4 * np.sqrt(1200 / 32)
    context = np.mean(
        [any(one.source.startswith(sentence) for sentence in CONTEXT[:-1]) for one in mixed]
    )
    assert abs(context - 0.5) < 4 * 0.5 / np.sqrt(1200)


def test_the_other_items_are_drawn_evenly(world):
    titles = verbaliser(world).titles
    asked = instructions(
        world, [[0, 1]] * 1000, [2] * 1000, combinations=[("none", "vague", "reranking")], seed=7
    )
    counts = np.bincount(
        [titles.index(title) for one in asked for title in one.options], minlength=40
    )
    assert counts[:3].tolist() == [0, 0, 1000]
    assert np.abs(counts[3:] - 4000 / 37).max() < 4 * np.sqrt(4000 / 37)


def test_same_seed_same_instructions_and_each_on_its_own(world, pairs, asked):
    assert instructions(world, *pairs, combinations=COMBINATIONS, seed=1) == asked
    assert (
        instructions(
            world,
            pairs[0][:40],
            [[t] for t in pairs[1][:40]],
            combinations=list(COMBINATIONS),
            seed=1,
        )
        == asked[:40]
    )
    other = instructions(world, *pairs, combinations=COMBINATIONS, seed=8)
    assert sum(a.source == b.source for a, b in zip(asked, other)) < 10


def test_categories_alone_will_do():
    data = genres_only()
    histories, targets = [[0, 1, 2]] * 80, [3, 11] * 40
    asked = instructions(data, histories, targets, combinations=COMBINATIONS)
    texts = {
        c: [one.source for one in asked if one.combination[:2] == c and one.item == 3]
        for c in product(PREFERENCES, INTENTIONS)
    }
    assert (
        all("movie with Drama and War in it." in text for text in texts["implicit", "specific"])
        and texts["implicit", "specific"]
    )
    assert (
        all("Action and Drama movies" in text for text in texts["explicit", "none"])
        and texts["explicit", "none"]
    )
    assert {re.search("something with (.*) in it", text)[1] for text in texts["none", "vague"]} == {
        "Drama",
        "War",
    }
    bare = {one.combination[1]: one.source for one in asked if one.item == 11}
    assert "something good" in bare["vague"] and "a good movie" in bare["specific"]
    first = instructions(data, [[1]], [0], combinations=[("none", "specific", "matching")])[
        0
    ].source
    assert "a movie with Action and Sci-Fi in it" in first


def test_items_of_one_title_are_never_a_choice():
    data = genres_only()
    data.items["title"] = ["Twin", "Twin", "Twin"] + [f"Film {i}" for i in range(9)]
    asked = instructions(
        data,
        [[1, 3]] * 60,
        [0] * 60,
        combinations=[("implicit", "none", "reranking"), ("implicit", "none", "matching")],
    )
    for one in asked:
        assert one.options.count("Twin") == (1 if one.options else 0) and one.source.count(
            "Twin"
        ) == (1 if one.options else 0)


def test_bad_input_is_refused_in_one_line(world):
    some = {"combinations": COMBINATIONS}
    cases = [
        ("expected some of COMBINATIONS", world, [[1]], [2], {"combinations": []}),
        (
            r"\('none', 'none', 'matching'\)",
            world,
            [[1]],
            [2],
            {"combinations": [("none", "none", "matching")]},
        ),
        ("expected one target for each of 2 histories", world, [[1], [2]], [2], some),
        ("leave out users without a target", world, [[1]], [[]], some),
        (r"expected item codes in 0..39, found 0..40", world, [[1, 40]], [2], some),
        (r"found -1..2", world, [[1, -1]], [2], some),
        ("history 1 is empty", world, [[1], []], [2, 3], some),
        ("no categories or moods", make_dataset([(0, 0, 0)], n_items=20), [[1]], [2], some),
        (
            "expected 4 items outside a history and its target, 9 items in all; there are 12",
            genres_only(),
            [list(range(8))],
            [8],
            some,
        ),
    ]
    for line, data, histories, targets, more in cases:
        with pytest.raises(InputError, match=line) as error:
            instructions(data, histories, targets, **more)
        assert len(str(error.value)) < 200
    # what is refused for some combinations is fine for others
    assert instructions(world, [[]], [3], combinations=[("none", "vague", "matching")])[0].item == 3
    assert (
        instructions(
            make_dataset([(0, 0, 0)], n_items=20),
            [[1]],
            [2],
            combinations=[("implicit", "none", "pairwise")],
        )[0].item
        == 2
    )
    assert instructions(
        genres_only(), [list(range(8))], [8], combinations=[("none", "vague", "pairwise")]
    )
    assert instructions(genres_only(), [list(range(7))], [8], **some)[0].item == 8  # just enough
    assert instructions(world, [], [], combinations=COMBINATIONS) == []


@pytest.fixture(scope="module")
def lm(world, asked):
    import torch
    from tutorial_recipes.pretraining import untrained
    from tutorial_recipes.tokenizer import train_tokenizer

    from tutorial_lib.models.language_models import LanguageModel

    tokenizer = train_tokenizer((f"{one.source} {one.target}" for one in asked), size=600)
    torch.manual_seed(0)
    return LanguageModel(
        "tiny",
        "causal",
        untrained("kit-gpt", len(tokenizer), width=32, layers=1, heads=2).eval(),
        tokenizer,
    )


def test_a_model_that_has_learned_nothing_answers_at_chance(lm, world, asked):
    from tutorial_lib.models.instruction_following import answers

    table = answers(lm, asked, verbaliser(world).titles)
    assert (
        table.columns.tolist() == ["preference", "intention", "form", "correct", "rank"]
        and table["correct"].dtype == bool
    )
    assert [tuple(row) for row in table[["preference", "intention", "form"]].to_numpy()] == [
        one.combination for one in asked
    ]
    for form, rows in table.groupby("form"):
        share = CHANCE[form]
        assert abs(rows["correct"].mean() - share) < 3 * np.sqrt(share * (1 - share) / len(rows)), (
            form
        )
        assert rows["rank"].between(1, {"matching": 40}.get(form, SHOWN[form])).all()
        assert (rows["correct"] == (rows["rank"] <= (CUTOFF if form == "matching" else 1))).all()


@pytest.mark.parametrize("form", FORMS)
def test_answers_equal_a_computation_by_hand(lm, world, pairs, form):
    """The chain rule, one answer at a time: the same order as the batched way, also where several
    questions share their answers.
    """
    from tutorial_lib.models.decoding import naive_log_likelihood
    from tutorial_lib.models.instruction_following import answers

    titles = verbaliser(world).titles
    asked = instructions(
        world, pairs[0][:3], pairs[1][:3], combinations=[("implicit", "vague", form)], seed=9
    )
    for normalise in ("none", "length"):
        table = answers(lm, asked, titles, normalise=normalise)
        for one, rank in zip(asked, table["rank"]):
            options = one.options or titles
            [found] = naive_log_likelihood(lm, [one.source], options)
            if normalise == "length":
                found = found / [len(lm.target_ids(option)) for option in options]
            assert rank == 1 + sum(found > found[list(options).index(one.target)])


def test_ties_are_shared_and_not_won(lm, world):
    from tutorial_lib.models.instruction_following import answers

    twice = Instruction(
        ("none", "vague", "pairwise"), "Same or Same?", "Same", ("Same", "Same"), 0, 2, 0
    )
    assert answers(lm, [twice], ()).loc[0, ["correct", "rank"]].tolist() == [False, 1.5]
    assert answers(lm, [], ()).empty


def test_titles_of_another_catalogue_are_refused(lm, world):
    from tutorial_lib.models.instruction_following import answers

    titles = verbaliser(world).titles
    asked = instructions(world, [[1]], [2], combinations=[("none", "vague", "matching")])
    for wrong in (titles[:-1], titles[::-1], ()):
        with pytest.raises(InputError, match="instruction 0 is not about these"):
            answers(lm, asked, wrong)
    with pytest.raises(InputError, match="normalise='words'"):
        answers(lm, asked, titles, normalise="words")
