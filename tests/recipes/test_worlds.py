"""Planted worlds: the process does what its keywords say, and the frozen copies are what the code
makes.
"""

import gzip
import hashlib
import json
import re
import shutil
import sys
import time
import tracemalloc
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tutorial_recipes.world_options import LIMITS
from tutorial_recipes.world_sequences import CANARY_LENGTH
from tutorial_recipes.world_text import SENTIMENTS, WORDS
from tutorial_recipes.worlds import freeze, frozen_bytes, make_world, planted_world

from tutorial_lib.data import leave_last_out, load_dataset, worlds
from tutorial_lib.data.shipped import shipped
from tutorial_lib.data.worlds import (
    AGE_SHARES,
    DOMAINS,
    FEMALE,
    MADE_BY,
    MOODS,
    TABLES,
    THEMES,
    WORLDS,
    load_world,
)
from tutorial_lib.errors import InputError
from tutorial_lib.evaluation import evaluate
from tutorial_lib.evaluation.expected import expected_metrics
from tutorial_lib.models import EASE, Oracle, TransitionKNN
from tutorial_lib.recommender import top_k

SMALL = {"n_users": 300, "n_items": 120, "mean_length": 12}


@pytest.fixture(scope="module", params=DOMAINS)
def world(request):
    return load_world(request.param)


@pytest.fixture(scope="module", params=WORLDS)
def frozen(request):
    return load_world(request.param)


def first_items(world):
    return np.array([sequence[0] for sequence in world.sequences()])


def assert_same_tables(a, b, names=TABLES):
    for name in names:
        one, other = getattr(a, name), getattr(b, name)
        pd.testing.assert_frame_equal(one, other, check_dtype=len(one) > 0)


# what a world holds


def test_default_sizes_and_the_columns_that_notebooks_rely_on(world):
    n_users, n_items, n_interactions = {
        "movies": (2000, 600, 60_000),
        "products": (1600, 500, 41_600),
        "news": (1500, 400, 33_000),
    }[world.name.removeprefix("world-")]
    assert (world.n_users, world.n_items) == (n_users, n_items) and abs(
        world.n_interactions / n_interactions - 1
    ) < 0.05
    assert {
        "item_id",
        "title",
        "text",
        "categories",
        "provider",
        "provider_group",
        "mood",
        "series",
        "volume",
        "year",
    } <= set(world.items)
    # and no taste type: that is the truth's alone
    assert list(world.users) == ["user_id", "person", "gender", "age_group"]
    assert list(world.reviews) == ["user", "item", "rating", "text", "features", "sentiment"]
    assert abs(len(world.reviews) / world.n_interactions - 1 / 3) < 0.02
    assert (
        world.items["item_id"].is_unique
        and world.users["user_id"].is_unique
        and world.users["person"].is_unique
    )


def test_events_never_repeat_an_item_and_have_strictly_increasing_times(world):
    table = world.interactions
    assert not table.duplicated(["user", "item"]).any()
    assert not table.duplicated(
        ["user", "timestamp"]
    ).any()  # no ties: leave-last-out is unambiguous
    assert table["timestamp"].is_monotonic_increasing  # the file order is time
    assert set(table["rating"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert leave_last_out(world).tied_targets == 0


def test_ratings_rise_with_the_taste_of_the_true_type(world):
    table, truth = world.interactions, world.truth
    like = np.log(truth.taste_weights / truth.popularity_weights)[
        truth.user_types[table["user"]], table["item"]
    ]
    assert stats.spearmanr(like, table["rating"]).statistic > 0.4


def test_titles_are_unique_and_carry_theme_mood_form_and_series(world):
    items, domain = world.items, world.name.removeprefix("world-")
    assert items["title"].is_unique
    for title, (theme, form), mood, series, volume in zip(
        items["title"],
        items["categories"],
        items["mood"],
        items["series"],
        items["volume"],
        strict=True,
    ):
        found = set(re.findall(r"[a-z]+", title.lower()))
        assert found & set(WORDS["themes"][theme]["title_words"]) and found & set(
            WORDS["moods"][mood]
        ), title
        assert found & set(WORDS["forms"][domain][form]), title
        assert (series in title and str(volume) in title) if series else volume == 0, title
    # one sentence
    assert (
        items["text"].str.fullmatch(r"[A-Z].*\.").all()
        and items["text"].str.count(r"\.").eq(1).all()
    )


def test_large_catalogues_keep_titles_and_series_unique():
    items = make_world("news", n_users=5, n_items=30_000, review_share=0).items
    assert items["title"].is_unique
    assert not items[items["series"] != ""].duplicated(["series", "volume"]).any()


def test_every_word_comes_from_the_vocabulary_and_none_is_a_persons_name(world):
    domain = world.name.removeprefix("world-")
    first, vowel, last = WORDS["syllables"]
    makers = {f"{a}{b}{c}".title() for a, b, c in product(first, vowel, last)}
    assert {name.split()[0] for name in world.items["provider"]} <= makers
    assert {name.split()[1].lower() for name in world.items["provider"]} <= set(
        WORDS["makers"][domain]
    )
    tables = (
        WORDS["themes"],
        WORDS["moods"],
        WORDS["forms"],
        WORDS["series"],
        {"filler": "no part i v x"},
    )
    known = set(re.findall(r"[a-z]+", str(tables).lower()))
    assert set(re.findall(r"[a-z]+", " ".join(world.items["title"]).lower())) <= known
    names = (
        "james mary john linda robert susan michael emma david anna maria peter paul laura iris"
        " ruby jasmine ivy daisy lily hazel jack"
    )
    everything = (
        " ".join(world.items["title"])
        + " ".join(world.items["text"])
        + " ".join(world.reviews["text"])
    )
    assert not set(names.split()) & set(re.findall(r"[a-z]+", everything.lower()))


def test_the_worlds_text_is_rich_enough_for_a_tokenizer():
    text = " ".join(
        t
        for d in DOMAINS
        for w in [load_world(d)]
        for t in (*w.items["title"], *w.items["text"], *w.reviews["text"])
    )
    assert 1_000 <= len(set(re.findall(r"[a-z]+", text.lower()))) <= 3_000


def test_reviews_belong_to_events_and_their_words_agree_with_the_rating(world):
    reviews = world.reviews
    merged = reviews.merge(world.interactions, on=["user", "item"], suffixes=("", "_event"))
    assert len(merged) == len(reviews) and (merged["rating"] == merged["rating_event"]).all()
    expected = np.where(
        reviews["rating"] >= 4, "positive", np.where(reviews["rating"] == 3, "mixed", "negative")
    )
    assert (reviews["sentiment"] == expected).all()
    for review in reviews.head(2000).itertuples():
        assert all(feature in review.text for feature in review.features)
        for sentiment in SENTIMENTS:
            says = any(
                re.search(rf"\b(is|are) {opinion}\b", review.text)
                for opinion in WORDS["opinions"][sentiment]
            )
            assert says == (sentiment == review.sentiment), review.text
    assert reviews["text"].nunique() > 0.9 * len(reviews)  # varied wording


def test_praise_names_the_strength_of_an_item(world):
    praise = world.reviews[world.reviews["sentiment"] == "positive"]
    strength = world.items["strength"].to_numpy()[praise["item"]]
    share = np.mean([f[0] == s for f, s in zip(praise["features"], strength, strict=True)])
    assert (
        abs(share - (0.7 + 0.3 / len(WORDS["features"][world.name.removeprefix("world-")]))) < 0.03
    )


def test_graph_agrees_with_the_items_and_the_links(world):
    graph, items = world.graph, world.items
    code = {f"item:{item_id}": i for i, item_id in enumerate(items["item_id"])}
    tails = graph.groupby("relation")["tail"]
    assert set(tails.groups) == {
        "has_category",
        "has_mood",
        "made_by",
        "in_series",
        "next_in_series",
        "links_to",
    }
    links = graph[graph["relation"] == "links_to"]
    assert {(h, code[t]) for h, t in zip(links["head"], links["tail"], strict=True)} == {
        (i, int(world.truth.links[i, k]))
        for i, k in zip(*np.nonzero(world.truth.link_weights), strict=True)
    }
    following = graph[graph["relation"] == "next_in_series"]
    tail = following["tail"].map(code).to_numpy()
    assert (items["series"].to_numpy()[tail] == items["series"].to_numpy()[following["head"]]).all()
    assert (
        items["volume"].to_numpy()[tail] == items["volume"].to_numpy()[following["head"]] + 1
    ).all()
    made_by = graph[graph["relation"] == "made_by"]
    assert (
        made_by["tail"].to_numpy() == ("maker:" + items["provider"]).to_numpy()[made_by["head"]]
    ).all()


def test_a_series_has_one_theme_and_one_maker_and_leads_with_its_next_volume(world):
    items = world.items[world.items["series"] != ""].assign(
        theme=[c[0] for c in world.items["categories"][world.items["series"] != ""]]
    )
    assert (items.groupby("series")[["theme", "provider", "mood"]].nunique() == 1).all().all()
    for number, item in items.iterrows():
        following = items[
            (items["series"] == item["series"]) & (items["volume"] == item["volume"] + 1)
        ].index
        if len(following):
            assert world.truth.links[number, 0] == following[0]
            assert world.truth.link_weights[number, 0] == world.truth.link_weights[number].max()


# planted effects: null values


@pytest.mark.parametrize("null", [{"order": 0.0}, {"links": 0}])
def test_without_order_or_without_links_transitions_have_no_effect(null):
    a = make_world("movies", **SMALL, **null)
    b = make_world("movies", **SMALL, order=0.0, links=7)
    assert_same_tables(a, b, ["interactions"])  # the links of the catalogue move nothing
    histories = a.sequences()[:50]
    np.testing.assert_allclose(
        a.truth.next_item_probabilities(histories),
        b.truth.next_item_probabilities(histories),
        atol=1e-15,
    )


def test_without_taste_popularity_and_order_every_unseen_item_is_equally_likely():
    truth = make_world("news", **SMALL, order=0, taste_strength=0, popularity_exponent=0).truth
    np.testing.assert_allclose(truth.next_item_probabilities([[5, 7]])[0, [0, 1, 119]], 1 / 118)


def test_types_are_independent_of_groups_without_correlation_and_shifted_by_it():
    options = {"n_users": 30_000, "n_items": 20, "mean_length": 3, "review_share": 0, "n_types": 12}
    table = np.zeros((2, 12))
    world = make_world("news", **options, group_taste_correlation=0)
    np.add.at(table, (world.truth.user_groups, world.truth.user_types), 1)
    assert stats.chi2_contingency(table).pvalue > 0.001
    np.testing.assert_allclose(
        world.truth.prior, np.outer(np.full(12, 1 / 12), [1 - FEMALE, FEMALE])
    )
    world = make_world("news", **options, group_taste_correlation=0.4)
    age = world.users["age_group"].map({"18-29": 0, "30-49": 1, "50+": 2}).to_numpy()
    at_home = world.truth.user_types % 6 == world.truth.user_groups * 3 + age
    assert abs(at_home.mean() - (0.4 + 0.6 * 2 / 12)) < 4 * np.sqrt(0.25 / 30_000)
    table = np.zeros((12, 2))
    np.add.at(table, (world.truth.user_types, world.truth.user_groups), 1)
    # the prior is the one drawn from
    assert stats.chisquare(table.ravel(), world.truth.prior.ravel() * 30_000).pvalue > 0.001
    assert sum(AGE_SHARES) == 1


# planted effects: sizes


@pytest.mark.parametrize("bias", [0.0, 0.8, -0.5])
def test_provider_bias_is_the_log_odds_shift_of_minority_items(bias):
    options = {
        "n_users": 40_000,
        "n_items": 60,
        "mean_length": 3,
        "order": 0,
        "taste_strength": 0,
        "review_share": 0,
    }
    fair, world = (
        make_world("movies", **options).truth,
        make_world("movies", **options, provider_bias=bias),
    )
    minority = (world.items["provider_group"] == "minority").to_numpy()
    logit = [
        np.log(p[minority].sum() / p[~minority].sum())
        for p in (
            fair.next_item_probabilities([[]])[0],
            world.truth.next_item_probabilities([[]])[0],
        )
    ]
    assert logit[1] - logit[0] == pytest.approx(-bias, abs=1e-12)
    share = minority[first_items(world)].mean()
    expected = 1 / (1 + np.exp(-logit[0] + bias))
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / world.n_users)


def test_provider_bias_acts_on_links_alike():
    fair, biased = (
        make_world("movies", **SMALL).truth,
        make_world("movies", **SMALL, provider_bias=1.5),
    )
    minority = (biased.items["provider_group"] == "minority").to_numpy()
    linked = fair.link_weights > 0
    shift = np.log(biased.truth.link_weights[linked] / fair.link_weights[linked])
    np.testing.assert_allclose(shift, -1.5 * minority[fair.links][linked], atol=1e-12)


def test_quality_gap_is_the_share_of_popularity_steps_of_gender_f_only():
    options = {
        "n_users": 40_000,
        "n_items": 60,
        "mean_length": 3,
        "order": 0,
        "review_share": 0,
        "popularity_exponent": 1.0,
    }
    world = make_world("movies", **options, quality_gap=0.6)
    truth = world.truth
    assert ((world.users["gender"] == "F").to_numpy() == truth.user_groups).all()
    taste = (truth.taste_weights / truth.taste_weights.sum(axis=1, keepdims=True))[truth.user_types]
    popular = truth.popularity_weights / truth.popularity_weights.sum()
    first = first_items(world)
    for group, gap in ((0, 0.0), (1, 0.6)):
        rows = np.flatnonzero(truth.user_groups == group)
        likelihood = [
            np.log((1 - g) * taste[rows, first[rows]] + g * popular[first[rows]])
            for g in (gap - 0.05, gap, gap + 0.05)
            if g >= 0
        ]
        best = int(np.argmax([x.sum() for x in likelihood]))
        # the planted size explains the data better than 5 points more or less
        assert best == (0 if gap == 0 else 1)


@pytest.mark.parametrize("order", [0.1, 0.5])
def test_order_is_the_share_of_steps_that_follow_a_link(order):
    world = make_world(
        "news",
        n_users=5000,
        n_items=200,
        mean_length=10,
        order=order,
        taste_strength=0,
        review_share=0,
    )
    pairs = np.array([sequence[:2] for sequence in world.sequences()])
    followed = (
        (world.truth.links[pairs[:, 0]] == pairs[:, 1:])
        & (world.truth.link_weights[pairs[:, 0]] > 0)
    ).any(axis=1)
    plain = world.truth.popularity_weights
    by_chance = [
        (
            plain[np.unique(world.truth.links[i][world.truth.link_weights[i] > 0])].sum()
            / (plain.sum() - plain[i])
        )
        for i in range(200)
    ]
    expected = order + (1 - order) * np.array(by_chance)[pairs[:, 0]]
    assert abs(followed.mean() - expected.mean()) < 4 * np.sqrt(0.25 / 5000)


def test_canaries_plant_one_rare_sequence_exactly_so_often():
    world = make_world("movies", **SMALL, canaries=8)
    truth, sequences = world.truth, world.sequences()
    assert len(truth.canary) == CANARY_LENGTH and len(truth.canary_users) == 8
    carriers = [
        u
        for u, s in enumerate(sequences)
        if any((s[i : i + 6] == truth.canary).all() for i in range(len(s) - 5))
    ]
    assert carriers == truth.canary_users.tolist()
    # whole in training
    assert all(
        (sequences[u][:6] == truth.canary).all() and len(sequences[u]) >= 9 for u in carriers
    )
    assert (
        np.sort(truth.popularity_weights).searchsorted(truth.popularity_weights[truth.canary]) < 60
    ).all()  # rare
    nobody = make_world("movies", **SMALL)
    assert len(nobody.truth.canary) == 0
    # the process itself would hardly ever produce it
    starts = np.array([s[:6] for s in sequences if len(s) >= 6])
    rows = np.arange(len(starts))
    surprise = np.zeros(len(starts))
    for step in range(6):
        p = truth.next_item_probabilities(starts[:, :step])
        surprise += np.log(p[rows, starts[:, step]])
    canary = (starts == truth.canary).all(axis=1)
    assert canary.sum() == 8 and surprise[canary].max() < np.quantile(surprise, 0.05)
    assert truth.for_users([0, carriers[3], carriers[5]]).canary_users.tolist() == [1, 2]


def test_duplicates_repeat_events_and_change_nothing_else():
    plain, twice = make_world("movies", **SMALL), make_world("movies", **SMALL, duplicates=0.2)
    again = twice.interactions.duplicated(["user", "item"])
    assert abs(again.sum() / plain.n_interactions - 0.2) < 4 * np.sqrt(0.16 / plain.n_interactions)
    pd.testing.assert_frame_equal(
        twice.interactions[~again].reset_index(drop=True), plain.interactions
    )
    np.testing.assert_array_equal(
        twice.truth.next_item_probabilities(twice.sequences()),
        plain.truth.next_item_probabilities(plain.sequences()),
    )


def test_shared_persons_have_the_same_type_and_groups_in_every_domain():
    loaded = [load_world(domain) for domain in DOMAINS]
    tables = [w.users.assign(type=w.truth.user_types).set_index("person") for w in loaded]
    common = tables[0].index.intersection(tables[1].index).intersection(tables[2].index)
    assert len(common) == 750  # half of the smallest world's users
    for table in tables[1:]:
        pd.testing.assert_frame_equal(
            tables[0].loc[common, ["gender", "age_group", "type"]],
            table.loc[common, ["gender", "age_group", "type"]],
        )
    for w in loaded[1:]:  # the types mean the same: log-weights of themes are shared
        np.testing.assert_array_equal(
            w.truth.plan["theme_logits"], loaded[0].truth.plan["theme_logits"]
        )
    assert not any(
        "person-0" == p[:8] for p in make_world("news", **SMALL, shared_users=0).users["person"]
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_minority_share_of_items(share):
    world = make_world("movies", minority_provider_share=share, n_users=20)
    assert abs((world.items["provider_group"] == "minority").mean() - share) < 0.01
    assert world.items.groupby("provider")["provider_group"].nunique().eq(1).all()


# new items


def test_new_items_are_chosen_in_the_test_period_only():
    world = load_world("movies-cold")
    new, split = world.truth.new_items, leave_last_out(world)
    assert len(new) == 60
    assert not np.isin(np.concatenate(split.test_history), new).any()
    of_target = np.isin(np.concatenate(split.test_target), new)
    p = world.truth.next_item_probabilities(split.test_history)[:, new].sum(axis=1)
    assert abs(of_target.mean() - p.mean()) < 4 * np.sqrt((p * (1 - p)).sum()) / len(p)
    before = world.truth.on("valid").next_item_probabilities(split.valid_history)
    assert not before[:, new].any() and np.allclose(before.sum(axis=1), 1)
    # one date divides them: everything else happens earlier
    events = world.interactions
    of_new = events["item"].isin(new)
    last = ~events.duplicated("user", keep="last")
    assert of_new[~last].sum() == 0
    assert events.loc[last, "timestamp"].min() > events.loc[~last, "timestamp"].max()
    # the volumes before a new one are old
    final = world.items.groupby("series")["volume"].transform("max")
    of_series = (world.items["series"] != "").to_numpy()[new]
    assert of_series.any() and (world.items["volume"] == final).to_numpy()[new][of_series].all()


def test_without_new_items_the_catalogue_and_the_people_are_those_of_the_frozen_world():
    cold, warm = load_world("movies-cold"), load_world("movies")
    assert_same_tables(cold, warm, ("items", "users", "graph"))
    again = planted_world("movies-cold", new_items=0, review_share=1 / 3)
    assert_same_tables(again, warm)
    assert again.truth.plan["options"] == warm.truth.plan["options"]


def test_the_truth_judges_both_parts_of_a_split_with_new_items():
    split = leave_last_out(load_world("movies-cold"))
    oracle = Oracle().fit(split)
    for on in ("valid", "test"):  # refuses targets that are no draws from the truth
        assert evaluate(oracle, split, k=10, on=on, expected=True)["ndcg@10"].mean() > 0.15


# visits


def ties(world):
    """Whether each event has the time of the one before, by user."""
    events = world.interactions.iloc[world.sorted_rows()]
    same = (events["timestamp"].diff() == 0) & (events["user"].diff() == 0)
    return [part.to_numpy() for _, part in same.groupby(events["user"])]


def test_a_visit_stays_on_one_page_at_one_time():
    world = load_world("movies-visits")
    tied, truth = ties(world), world.truth
    pages = [{item, *truth.links[item][truth.link_weights[item] > 0]} for item in range(600)]
    assert all(len(page) == 12 and all(pages[i] == page for i in page) for page in pages)
    steps = np.concatenate([np.column_stack([s[:-1], s[1:]]) for s in world.sequences()])
    at_once = np.concatenate([row[1:] for row in tied])
    on_page = np.array([b in pages[a] for a, b in steps.tolist()])
    assert on_page[at_once].all() and on_page[~at_once].mean() < 0.05
    assert abs(at_once.mean() - 0.5) < 0.01  # order
    assert 0.45 < leave_last_out(world).tied_targets < 0.55
    # near-repeats: the next volume of a series is mostly the next item of its page
    items = world.items
    following = items.merge(items.assign(volume=items["volume"] - 1), on=["series", "volume"])
    following = following[following["series"] != ""]
    code = dict(zip(items["title"], range(600)))
    first = [
        truth.links[code[a], 0] == code[b]
        for a, b in zip(following["title_x"], following["title_y"])
    ]
    assert np.mean(first) > 0.85


def test_what_is_same_page_and_what_is_taste_can_be_told_apart():
    """The lesson of this world: a counter of transitions is good inside visits and poor between
    them, and a model of tastes the other way round.
    """
    world = load_world("movies-visits")
    split = leave_last_out(world)
    tied = ties(world)
    p = world.truth.next_item_probabilities(split.test_history, tied=tied)
    within = np.array([row[-1] for row in tied])
    mean = {}
    for model in (TransitionKNN(), EASE()):
        lists = model.fit(split).recommend(split.test_history, k=10)
        values = expected_metrics(lists, p, k=10)["ndcg@10"].to_numpy()
        mean[type(model).__name__] = values[within].mean(), values[~within].mean()
    assert mean["TransitionKNN"][0] > 3 * mean["EASE"][0]
    assert mean["EASE"][1] > 2 * mean["TransitionKNN"][1]


# overlap of domains


def test_overlap_is_the_share_of_persons_who_keep_their_type_and_of_words_that_keep_their_sense():
    options = {"n_users": 4000, "mean_length": 3, "review_share": 0, "n_types": 400}
    source = make_world("movies", **options)
    before = source.users.assign(type=source.truth.user_types).set_index("person")
    for overlap in (0.0, 0.25, 0.5, 1.0):
        world = make_world("products", n_items=3000, overlap=overlap, **options)
        after = world.users.assign(type=world.truth.user_types).set_index("person")
        both = before.merge(after, left_index=True, right_index=True)
        assert len(both) == 2000 and (both["gender_x"] == both["gender_y"]).all()
        assert abs((both["type_x"] == both["type_y"]).mean() - overlap) < 0.06
        # the words of an item name the theme that it is liked for
        themes = [list(THEMES).index(parts[0]) for parts in world.items["categories"]]
        told = np.array(themes) == world.truth.plan.get("theme", themes)
        assert abs(told.mean() - (overlap + (1 - overlap) / 16)) < 0.04
        of_series = world.items[world.items["series"] != ""].assign(theme=0)
        assert (of_series.groupby("series")["mood"].nunique() == 1).all()
    assert_same_tables(world, make_world("products", n_items=3000, **options))  # 1: as frozen


def test_words_carry_taste_over_from_another_domain_only_with_an_overlap():
    """What the dial is for: a kNN by words that has seen nobody here is far better than chance
    where words keep their sense, and no better where they do not.
    """
    value = {}
    for overlap in (0.0, 0.5, 1.0):
        world = load_dataset("world-products", overlap=overlap, n_users=300)
        split = leave_last_out(world)
        words = world.items["categories"].str[0] + " " + world.items["mood"]
        onehot = np.column_stack([words.str.contains(w) for w in (*THEMES, *MOODS)]) * 1.0
        tastes = np.stack([onehot[history].mean(axis=0) for history in split.test_history])
        lists = top_k(tastes @ onehot.T, 10, exclude=split.test_history)
        chances = world.truth.next_item_probabilities(split.test_history)
        value[overlap] = expected_metrics(lists, chances, k=10)["ndcg@10"].mean()
    assert value[1.0] > value[0.5] > 1.5 * value[0.0]


def test_worlds_with_an_overlap_are_made_on_demand_and_exact():
    world = load_dataset("world-products", overlap=0.25)
    split = leave_last_out(world)
    oracle = evaluate(Oracle().fit(split), split, k=10, expected=True)  # refuses a foreign truth
    assert oracle["ndcg@10"].mean() > 0.15 and "overlap=0.25" in world.card.notes[0]


# seeds, bad input


def test_the_seed_decides_everything():
    a, b, c = (make_world("news", **SMALL, seed=s) for s in (3, 3, 4))
    assert_same_tables(a, b)
    assert not a.interactions.equals(c.interactions) and not a.items["title"].equals(
        c.items["title"]
    )


@pytest.mark.parametrize("option", [name for name in LIMITS])
def test_out_of_range_is_one_clear_line(option):
    low, high = LIMITS[option]
    for value in (low - 1, high * 2 + 1, float("nan"), "many", True):
        with pytest.raises(InputError, match=f"{option}=") as error:
            make_world("news", **{option: value})
        assert "\n" not in str(error.value)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'movies'"):
        make_world("movie")
    with pytest.raises(InputError, match="did you mean 'news'"):
        load_world("new")
    with pytest.raises(InputError, match="did you mean 'order'"):
        load_dataset("world-news", ordr=0.4)
    with pytest.raises(InputError, match="at most n_users=300"):
        make_world("news", **SMALL, canaries=301)
    with pytest.raises(InputError, match="too small for a canary"):
        make_world("news", n_items=4, n_users=50, canaries=1)
    with pytest.raises(InputError, match="whole number"):
        make_world("news", n_users=10.5)


# frozen copies


def test_the_frozen_world_is_the_generated_one_truth_included(frozen):
    world, made = frozen, planted_world(frozen.name.removeprefix("world-"))
    assert_same_tables(world, made)
    histories = world.sequences()[:200]
    np.testing.assert_array_equal(
        world.truth.next_item_probabilities(histories),
        made.truth.next_item_probabilities(histories),
    )
    np.testing.assert_array_equal(world.truth.user_types, made.truth.user_types)
    assert (
        world.card.counts == made.card.counts
        and world.card.notes == made.card.notes
        and len(world.card.sha256) == 6
    )


def test_regeneration_gives_the_same_bytes_and_the_manifest_their_checksums(frozen):
    domain = frozen.name.removeprefix("world-")
    manifest = json.loads(shipped("MANIFEST.json").read_text(encoding="utf-8"))
    assert (
        sum(entry["bytes"] for name, entry in manifest.items() if name.startswith("worlds/")) < 8e6
    )
    for name, content in frozen_bytes(domain).items():
        name = f"{name}.gz" if name.endswith(".csv") else name
        stored = shipped(f"worlds/{domain}/{name}").read_bytes()
        entry = manifest[f"worlds/{domain}/{name}"]
        assert (gzip.decompress(stored) if name.endswith(".gz") else stored) == content, (
            f"{name} is stale: run {MADE_BY}"
        )
        assert (
            entry["bytes"] == len(stored)
            and entry["sha256"] == hashlib.sha256(stored).hexdigest()
            and entry["licence"] == "CC BY 4.0"
        )


def test_freezing_writes_whole_files_and_keeps_other_entries(tmp_path):
    (tmp_path / "MANIFEST.json").write_text('{"other/file": {"bytes": 1}}')
    freeze("news", tmp_path)
    once = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    # gzip without a time stamp
    assert once == {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = tmp_path / "worlds" / "news" / "items.csv.gz"
    kept = gzip.compress(gzip.decompress(other.read_bytes()), compresslevel=1, mtime=0)
    other.write_bytes(kept)
    freeze("news", tmp_path)
    assert other.read_bytes() == kept  # another version of zlib: the same content
    assert "other/file" in json.loads(once["MANIFEST.json"]) and not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", ["items.csv.gz", "world.json", "interactions.csv.gz"])
def test_a_missing_or_damaged_file_is_one_clear_line(name, tmp_path, monkeypatch):
    shutil.copytree(shipped("worlds"), tmp_path / "worlds")
    shutil.copy(shipped("MANIFEST.json"), tmp_path)
    monkeypatch.setattr(worlds, "shipped", lambda relative="": tmp_path / relative)
    path = tmp_path / "worlds" / "news" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="damaged.*--freeze"):
        load_world("news")
    path.unlink()
    with pytest.raises(InputError, match=f"{name} is missing.*--freeze"):
        load_world("news")


def test_frozen_worlds_are_read_without_the_code_that_makes_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "tutorial_recipes.worlds", None)
    assert load_dataset("world-news").n_items == 400
    with pytest.raises(ImportError):
        load_dataset("world-news", order=0.4)


def test_flipped_bits_of_a_frozen_table_are_one_clear_line(tmp_path, monkeypatch):
    """zlib.error is neither an OSError nor a ValueError."""
    shutil.copytree(shipped("worlds/news"), tmp_path / "worlds" / "news")
    shutil.copy(shipped("MANIFEST.json"), tmp_path)
    monkeypatch.setattr(worlds, "shipped", lambda relative="": tmp_path / relative)
    path = tmp_path / "worlds" / "news" / "users.csv.gz"
    whole = path.read_bytes()
    for place in range(10, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(InputError, match="damaged.*--freeze"):
            load_world("news")


def test_shipped_stays_inside_the_data_folder():
    assert shipped("worlds/movies").is_dir()
    for path in ("../pyproject.toml", "/etc"):
        with pytest.raises(InputError, match="below the kit's data folder"):
            shipped(path)


# time and memory


def test_load_and_generation_are_quick():
    for call, seconds in ((load_world, 1.0), (make_world, 5.0)):
        started = time.process_time()  # processor time: a busy machine is no regression
        call("movies")
        assert time.process_time() - started < seconds


@pytest.mark.full
def test_memory_is_linear_in_the_interactions():
    def peak(scale):
        tracemalloc.start()
        try:
            make_world("movies", n_users=4_000 * scale, n_items=1_500 * scale)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # six times the users and items: a users x items matrix would take 36 times the memory
    assert peak(6) < 8 * peak(1)


@pytest.mark.full
def test_a_tenth_of_the_largest_world_takes_seconds():
    started = time.process_time()
    world = make_world("movies", n_users=10_000, n_items=20_000)
    assert time.process_time() - started < 30 and world.n_interactions > 290_000
