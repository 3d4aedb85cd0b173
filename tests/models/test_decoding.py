"""Likelihoods of a whole catalogue against the chain rule worked out by hand, and beam search
against an exact ranking.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tiny_lms
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import SEQUENTIAL
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models import decoding
from tutorial_lib.models.decoding import Likelihoods, Trie, log_likelihood, naive_log_likelihood
from tutorial_lib.models.generation import beam_search, catalogue_trie
from tutorial_lib.models.reading import begin
from tutorial_lib.strategies import Budget, adapt
from tutorial_lib.strategies.soft_prompts import add_soft_prompt, opening_ids

EXACT = 1e-5  # relative: float32 against float64


def by_hand(lm, prompt: str, candidate: str) -> float:
    """log p(candidate | prompt) from one plain forward pass in double precision, one pair at a
    time.
    """
    source, goal = (
        lm.tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (prompt, " " + candidate)
    )
    model, tokenizer = doubled(lm), lm.tokenizer
    with torch.no_grad():
        if lm.kind == "seq2seq":
            written = [model.config.decoder_start_token_id, *goal[:-1]]
            out = model(
                input_ids=torch.tensor([[*source, tokenizer.eos_token_id]]),
                decoder_input_ids=torch.tensor([written]),
            ).logits[0]
        elif lm.kind == "causal":
            out = model(
                input_ids=torch.tensor([[tokenizer.bos_token_id, *source, *goal[:-1]]])
            ).logits[0, len(source) :]
        else:
            hidden = [tokenizer.mask_token_id] * len(goal)
            ids = [tokenizer.cls_token_id, *source, *hidden, tokenizer.sep_token_id]
            out = model(input_ids=torch.tensor([ids])).logits[0, 1 + len(source) : -1]
    assert len(out) == len(goal)
    return sum(row.log_softmax(0)[token].item() for row, token in zip(out, goal))


@cache
def _double(name: str):
    return copy.deepcopy(tiny_lms.lm(name).model).double()


def doubled(lm):
    return _double(lm.name.removeprefix("tiny "))


def exact(found, expected) -> bool:
    return np.allclose(found, expected, rtol=EXACT, atol=0)


@cache
def table(name: str) -> np.ndarray:
    """What `log_likelihood` gives, [prompts, catalogue]."""
    return log_likelihood(
        tiny_lms.lm(name), tiny_lms.prompts(), tiny_lms.catalogue()
    ).log_probability


each = pytest.mark.parametrize("name", [*tiny_lms.WRITING, "kit-bert", "bert"])
writing = pytest.mark.parametrize("name", tiny_lms.WRITING)


def test_the_catalogue_holds_the_traps():
    """Or the tests below would be too easy."""
    tokens = [tuple(tiny_lms.lm("gpt2").target_ids(title)) for title in tiny_lms.catalogue()]
    different = set(tokens)
    assert sum(len(one) == 1 for one in different) >= 3 and len(different) < len(tokens)
    assert (
        sum(any(other[: len(one)] == one for other in different - {one}) for one in different) >= 3
    )
    assert len({len(one) for one in different}) > 5


# --- likelihood ---


@each
def test_likelihood_is_the_chain_rule_by_hand(name):
    """A wrong position, a node that sees its sibling, or a padded row would move one of these
    numbers.
    """
    lm, titles = tiny_lms.lm(name), tiny_lms.catalogue()
    for row, prompt in enumerate(tiny_lms.prompts()):
        chosen = range(row, len(titles), 3)
        assert exact(
            [table(name)[row, c] for c in chosen], [by_hand(lm, prompt, titles[c]) for c in chosen]
        )
    # a prompt forgotten would be seen
    assert np.ptp(table(name), axis=0).min() > 20 * EXACT * np.abs(table(name)).min()


@writing
def test_sharing_gives_what_the_long_way_gives(name):
    """Every candidate behind every prompt: beginnings and keys that are shared must not change a
    likelihood.
    """
    assert exact(
        table(name),
        naive_log_likelihood(tiny_lms.lm(name), tiny_lms.prompts(), tiny_lms.catalogue()),
    )
    assert exact(
        table(name),
        naive_log_likelihood(tiny_lms.lm(name), tiny_lms.prompts(), tiny_lms.catalogue(), size=5),
    )


@each
def test_a_prompt_too_long_loses_its_oldest_part(name):
    """What is read is the newest part, and all candidates are judged behind the same one where they
    are read together.
    """
    lm, titles = tiny_lms.lm(name), tiny_lms.catalogue()
    long = "; ".join(tiny_lms.world().items["title"]) + "; "
    assert len(lm.prompt_ids(long)) >= min(lm.longest, 512) - 2
    whole = log_likelihood(lm, [long], titles).log_probability
    assert np.isfinite(whole).all()
    if name != "kit-gpt":  # it has room for 1,024 tokens
        assert exact(log_likelihood(lm, ["Something else; " + long], titles).log_probability, whole)
    assert not exact(log_likelihood(lm, [long + "and"], titles).log_probability, whole)
    if name in tiny_lms.WRITING:
        assert exact(whole, naive_log_likelihood(lm, [long], titles))
        assert len(beam_search(lm, long, titles, beams=3).items) == 3
        assert len(beam_search(lm, long, titles, beams=3, constrained=False).items) == 3


@each
def test_likelihood_does_not_depend_on_the_other_prompts(name):
    lm, titles, prompts = tiny_lms.lm(name), tiny_lms.catalogue(), tiny_lms.prompts()
    alone = np.concatenate(
        [log_likelihood(lm, [prompt], titles).log_probability for prompt in prompts]
    )
    assert exact(alone, table(name))
    assert exact(log_likelihood(lm, prompts[::-1], titles).log_probability[::-1], table(name))
    assert log_likelihood(lm, [], titles).log_probability.shape == (0, len(titles))


@each
def test_likelihood_does_not_depend_on_the_other_candidates(name):
    """In another order, one at a time, without those that share its beginning."""
    lm, titles, prompts = tiny_lms.lm(name), tiny_lms.catalogue(), tiny_lms.prompts()[:2]
    order = np.random.default_rng(0).permutation(len(titles))
    shuffled = log_likelihood(lm, prompts, [titles[c] for c in order])
    assert exact(shuffled.log_probability, table(name)[:2, order])
    for c in (0, 24, 26, 27, 31):
        alone = log_likelihood(lm, prompts, [titles[c]])
        assert exact(alone.log_probability[:, 0], table(name)[:2, c]) and alone.tokens.tolist() == [
            len(lm.target_ids(titles[c]))
        ]
    assert np.array_equal(table(name)[:, 5], table(name)[:, 30])  # the same title twice


@each
@pytest.mark.parametrize("nodes, prompts, share", [(1, 1, 1e-9), (2, 2, 1.0), (10_000, 9, 1.0)])
def test_likelihood_does_not_depend_on_how_it_is_cut_into_pieces(
    name, nodes, prompts, share, monkeypatch
):
    """Pieces of few nodes repeat ancestors, and prompts share a pass: both only save memory, and so
    does ``megabytes`` (here down to one token at a time).
    """
    monkeypatch.setattr(decoding, "NODES_AT_ONCE", nodes)
    monkeypatch.setattr(decoding, "PROMPTS_AT_ONCE", prompts)
    assert exact(
        log_likelihood(
            tiny_lms.lm(name),
            tiny_lms.prompts()[:2],
            tiny_lms.catalogue()[24:32],
            megabytes=share * decoding.MEGABYTES,
        ).log_probability,
        table(name)[:2, 24:32],
    )


@each
def test_single_tokens_alone(name):
    """A catalogue in which no title has a second token is scored from the prompt's end alone."""
    lm, single = tiny_lms.lm(name), tiny_lms.catalogue()[27:30]
    found = log_likelihood(lm, tiny_lms.prompts(), single)
    assert found.tokens.tolist() == [1, 1, 1] and exact(
        found.log_probability, table(name)[:, 27:30]
    )


def test_a_mask_in_the_prompt_is_not_filled_in():
    """The candidate's own masks are the last ones."""
    lm, titles = tiny_lms.lm("bert"), tiny_lms.catalogue()[:4]
    prompt = "Someone enjoyed <mask> and <mask><mask>;"
    assert exact(
        log_likelihood(lm, [prompt, "and;"], titles).log_probability[0],
        [by_hand(lm, prompt, title) for title in titles],
    )


@writing
def test_likelihoods_are_probabilities(name):
    """Over all first tokens they sum to one: otherwise a softmax is taken over the wrong axis, or
    twice.
    """
    lm = tiny_lms.lm(name)
    first, *_ = begin(lm, tiny_lms.prompts()[0])
    assert first.shape == (len(lm.tokenizer),)
    trie = catalogue_trie(lm, tiny_lms.catalogue())
    single = [c for c, ids in enumerate(map(lm.target_ids, tiny_lms.catalogue())) if len(ids) == 1]
    expected = [first.log_softmax(0)[trie.token[trie.last[c]]].item() for c in single]
    assert exact(table(name)[0, single], expected) and np.exp(table(name)).max() < 1


# --- behind vectors ---


@pytest.fixture(scope="module")
def soft():
    """A soft prompt of six vectors that are no words."""
    lm = tiny_lms.tiny("kit-gpt")
    add_soft_prompt(lm, [1, 40, 41, 42, 43, 44])
    with torch.no_grad():
        lm.soft.encoder.embedding.weight.add_(
            0.3 * torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
        )
    return lm


@pytest.fixture(scope="module")
def deep():
    """A deep prefix after one step of tuning, so that it is no words any more."""
    budget = Budget(1e-2, shortest=1, longest=1, size=2)
    adapted = adapt(tiny_lms.tiny("kit-gpt"), tiny_lms.split(), "prefix", labels=4, budget=budget)
    assert adapted.moved["prompt"] > 0 == adapted.moved["backbone"]
    return adapted.lm


def behind_vectors(lm, prompt: str, candidate: str) -> float:
    """By hand, one pair at a time; the text opens with a space, since words stand before it."""
    goal = lm.tokenizer(" " + candidate, add_special_tokens=False)["input_ids"]
    source = lm.tokenizer(" " + prompt, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[*source, *goal[:-1]]])
    with torch.no_grad():
        if lm.soft is not None:
            vectors = torch.cat(
                [lm.soft.encoder.embedding.weight, lm.model.model.embed_tokens.weight[ids[0]]]
            )
            out = lm.model(inputs_embeds=vectors[None]).logits[0, lm.soft.length :]
        else:
            out = lm.model(input_ids=ids, past_key_values=lm.deep(1), use_cache=True).logits[0]
    return sum(
        row.double().log_softmax(0)[token].item()
        for row, token in zip(out[len(source) - 1 :], goal)
    )


@pytest.mark.parametrize("name", ["soft", "deep"])
def test_likelihood_behind_vectors_is_the_chain_rule_by_hand(name, request, monkeypatch):
    """Positions and masks must count the vectors, in prompt and packed candidates alike."""
    lm, titles, prompts = request.getfixturevalue(name), tiny_lms.catalogue(), tiny_lms.prompts()
    found = log_likelihood(lm, prompts, titles).log_probability
    assert exact(found, naive_log_likelihood(lm, prompts, titles))
    for row in (1, 2, 3):
        chosen = range(row, len(titles), 6)
        assert exact(
            [found[row, c] for c in chosen],
            [behind_vectors(lm, prompts[row], titles[c]) for c in chosen],
        )
    assert not exact(found, table("kit-gpt"))  # the vectors are not passed over
    monkeypatch.setattr(decoding, "NODES_AT_ONCE", 3)
    assert exact(log_likelihood(lm, prompts, titles).log_probability, found)
    beam = beam_search(lm, prompts[0], titles, beams=len(titles))
    assert exact(beam.log_probabilities, found[0, beam.items])


@pytest.mark.parametrize("strategy", ["soft-prompt", "prefix"])
def test_vectors_that_have_not_moved_are_the_words_they_start_from(strategy):
    """With a rate of nearly 0 the prompt of vectors must ask what the prompt of words asks."""
    lm = tiny_lms.lm("kit-gpt")
    budget = Budget(1e-12, shortest=1, longest=1, size=2, weight_decay=0.0)
    adapted = adapt(lm, tiny_lms.split(), strategy, labels=4, budget=budget)
    words = SEQUENTIAL[0].source.split("{history}")[0].format(plural="movies").strip()
    assert adapted.lm.prefix_length == len(opening_ids(lm, SEQUENTIAL[0], "movie", "movies"))
    titles, prompt = tiny_lms.catalogue(), tiny_lms.prompts()[1]
    found = log_likelihood(adapted.lm, [prompt], titles).log_probability
    assert exact(found, log_likelihood(lm, [f"{words} {prompt}"], titles).log_probability)


@pytest.mark.parametrize("name", ["kit-t5", "kit-bert"])
def test_a_soft_prompt_in_front_of_other_kinds(name):
    """It starts as words, and is read as if they stood there: by the encoder, or on the left of
    what is hidden.
    """
    plain, lm = tiny_lms.lm(name), tiny_lms.tiny(name)
    words = "Someone enjoyed these movies"
    add_soft_prompt(
        lm, [*lm.start_ids, *lm.tokenizer(words, add_special_tokens=False)["input_ids"]]
    )
    titles = tiny_lms.catalogue()
    expected = log_likelihood(
        plain, [f"{words} {prompt}" for prompt in tiny_lms.prompts()], titles
    ).log_probability
    assert exact(
        log_likelihood(lm, tiny_lms.prompts(), titles).log_probability[[0, 1, 3]],
        expected[[0, 1, 3]],
    )
    assert np.isfinite(log_likelihood(lm, [""], titles).log_probability).all()


def test_kinds_that_give_no_likelihood_are_refused_in_one_line():
    for call, what in (
        (log_likelihood, "a likelihood"),
        (naive_log_likelihood, "the chain rule"),
        (beam_token, "writing token by token"),
    ):
        with pytest.raises(InputError, match=f"{what} needs a .* model; tiny encoder is encoder"):
            call(tiny_lms.lm("encoder"), ["A"], ["B"])
    for call in (naive_log_likelihood, beam_token):
        with pytest.raises(
            InputError,
            match="needs a causal or seq2seq model; tiny bert is masked .*take kit-gpt or kit-t5",
        ):
            call(tiny_lms.lm("bert"), ["A"], ["B"])


def beam_token(lm, prompts, titles):
    return beam_search(lm, prompts[0], titles)


# --- scores ---


def test_scores_by_hand():
    """Length is divided by after the prior is taken off, so that both are counted in the same
    tokens.
    """
    found = Likelihoods(np.array([[-6.0, -2.0], [-9.0, -4.0]]), np.array([3, 1]))
    prior = np.array([-3.0, -1.0])
    assert found.scores().tolist() == [[-6, -2], [-9, -4]]
    assert found.scores("length").tolist() == [[-2, -2], [-3, -4]]
    assert found.scores(prior=prior).tolist() == [[-3, -1], [-6, -3]]
    assert found.scores(prior=prior[None], strength=0.5).tolist() == [[-4.5, -1.5], [-7.5, -3.5]]
    assert found.scores("length", prior=prior, strength=2.0).tolist() == [[0, 0], [-1, -2]]
    assert found.log_probability.tolist() == [[-6, -2], [-9, -4]]  # as it was


def test_a_prior_of_its_own_prompt_leaves_nothing():
    lm, titles = tiny_lms.lm("kit-gpt"), tiny_lms.catalogue()
    prior = log_likelihood(lm, [""], titles).log_probability
    assert not log_likelihood(lm, [""], titles).scores(prior=prior).any()


@pytest.mark.parametrize("normalise", ["lenght", "mean", "", None])
def test_a_bad_normalise_is_refused_in_one_line(normalise):
    with pytest.raises(InputError, match=r"normalise=.*expected 'none' or 'length'"):
        Likelihoods(np.zeros((1, 1)), np.ones(1)).scores(normalise)


# --- the trie ---

tokens = st.lists(st.integers(0, 3), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(tokens, min_size=1, max_size=12),
    st.lists(st.lists(st.integers(0, 4), max_size=6), max_size=12),
)
def test_a_trie_accepts_exactly_its_sequences(sequences, others):
    """Neither a beginning, nor a sequence and more, nor two halves of different items."""
    trie, known = Trie(sequences), {tuple(sequence) for sequence in sequences}
    for sequence in (
        *sequences,
        *others,
        *(one[:-1] for one in sequences),
        *([*one, 0] for one in sequences),
    ):
        assert (trie.find(sequence) in trie.ends) == (tuple(sequence) in known)
        begins = any(one[: len(sequence)] == tuple(sequence) for one in known)
        assert (trie.find(sequence) is not None) == begins
    for number, sequence in enumerate(sequences):
        node = trie.find(sequence)
        assert (
            trie.last[number] == node
            and trie.ends[node] == sequences.index(sequence)
            and trie.depth[node] == len(sequence)
            and trie.token[trie.path[node, : len(sequence)]].tolist() == list(sequence)
        )
    beginnings = {one[:size] for one in known for size in range(len(one) + 1)}
    assert len(trie.parent) == len(trie.token) == len(beginnings)  # each is stored once
    for node in range(1, len(trie.parent)):
        assert (
            trie.children(trie.parent[node])[trie.token[node]] == node and trie.parent[node] < node
        )


@settings(max_examples=100, deadline=None)
@given(st.lists(tokens, min_size=1, max_size=20), st.sampled_from([1, 2, 3, 7, 100]))
def test_rows_hold_every_inner_node_with_its_ancestors(sequences, size):
    """A node whose parent is in another row would not see it."""
    trie = Trie(sequences)
    rows = decoding._rows(trie, size)
    inner = {node for node in range(1, len(trie.parent)) if trie.children(node)}
    assert {node for row in rows for node in row} == inner
    for row in rows:
        for place, node in enumerate(row):
            assert row.index(node) == place and (
                trie.parent[node] == 0 or trie.parent[node] in row[:place]
            )


@settings(max_examples=50, deadline=None)
@given(st.lists(tokens, min_size=1, max_size=12), st.integers(0, 9))
def test_sums_run_down_a_trie_and_maxima_up(sequences, seed):
    trie, rng = Trie(sequences), np.random.default_rng(seed)
    edges, values = rng.normal(size=(2, len(trie.parent))), rng.normal(size=(2, len(sequences)))
    total, most = trie.down(edges), trie.largest_below(values)
    of, child = trie.children_of(np.arange(len(trie.parent)))
    assert sorted(child) == list(range(1, len(trie.parent))) and (trie.parent[child] == of).all()
    for node in range(1, len(trie.parent)):
        path = trie.path[node][trie.path[node] >= 0]
        assert np.allclose(total[:, node], edges[:, path].sum(axis=1))
        below = [c for c, last in enumerate(trie.last) if node in trie.path[last]]
        assert np.array_equal(most[:, node], values[:, below].max(axis=1))


def test_an_item_without_text_is_refused_in_one_line():
    with pytest.raises(InputError, match="no candidates; expected at least one text"):
        Trie([])
    with pytest.raises(InputError, match="candidate 1 has no tokens; every item needs a text"):
        Trie([[1], []])


# --- beam search ---


@writing
@pytest.mark.parametrize("row", [1, 2])
def test_constrained_beam_search_with_room_for_all_is_the_exact_ranking(name, row):
    """Of a title that is there twice, the first one counts."""
    lm, titles = tiny_lms.lm(name), tiny_lms.catalogue()
    first = [c for c, title in enumerate(titles) if titles.index(title) == c]
    beam = beam_search(lm, tiny_lms.prompts()[row], titles, beams=len(titles))
    ranked = sorted(first, key=lambda c: -table(name)[row, c])
    assert beam.items.tolist() == ranked and exact(beam.log_probabilities, table(name)[row, ranked])
    assert beam.texts == [titles[c] for c in ranked]
    for beams in (len(first), 1000):
        assert (
            beam_search(lm, tiny_lms.prompts()[row], titles, beams=beams).items.tolist() == ranked
        )


@writing
@pytest.mark.parametrize("beams", [1, 2, 5, 10])
def test_constrained_beam_search_gives_items_in_the_order_of_their_likelihood(name, beams):
    """With few beams the list may miss an item, but holds no other text, none twice, and each with
    its own likelihood.
    """
    lm, titles = tiny_lms.lm(name), tiny_lms.catalogue()
    trie = catalogue_trie(lm, titles)
    for row, prompt in enumerate(tiny_lms.prompts()):
        beam = beam_search(lm, prompt, titles, beams=beams, trie=trie)
        assert len(beam.items) == len(set(beam.items.tolist())) == beams and beam.items.min() >= 0
        assert (
            beam.texts == [titles[c] for c in beam.items]
            and (np.diff(beam.log_probabilities) <= 0).all()
        )
        assert exact(beam.log_probabilities, table(name)[row, beam.items])


def test_greedy_search_takes_the_likeliest_token_each_time():
    """One beam, step by step, by hand."""
    lm, titles = tiny_lms.lm("gpt2"), tiny_lms.catalogue()
    trie, prompt, written = catalogue_trie(lm, titles), tiny_lms.prompts()[1], []
    while trie.children(trie.find(written)) and trie.find(written) not in trie.ends:
        with torch.no_grad():
            logits = lm.model(input_ids=torch.tensor([[*lm.prompt_ids(prompt), *written]])).logits[
                0, -1
            ]
        written.append(
            max(trie.children(trie.find(written)), key=lambda token: logits[token].item())
        )
    found = beam_search(lm, prompt, titles, beams=1)
    assert lm.target_ids(found.texts[0])[: len(written)] == written and len(found.items) == 1


@writing
def test_no_list_of_a_constrained_search_holds_anything_else(name):
    """100 lists of an untrained model, which would write anything."""
    lm = tiny_lms.tiny(name, layers=2 if name == "kit-t5" else 1)
    check_lists(lm, tiny_lms.world(), 100 if name == "kit-gpt" else 10, beams=3, rows=60)


@pytest.mark.full
def test_no_list_of_kit_gpt_holds_anything_else():
    """NEEDS THE KIT CHECKPOINTS: fails until they ship. 2,000 lists, as the text of the notebook
    claims.
    """
    check_lists(tiny_lms.kit("kit-gpt"), load_dataset("world-movies"), 2000, beams=5, rows=2000)


def check_lists(lm, world, lists: int, beams: int, rows: int):
    words, split = verbaliser(world, limit=3), leave_last_out(world)
    trie, invalid = catalogue_trie(lm, words.titles), 0
    for number in range(lists):
        history = split.test_history[number % rows][number // rows :]
        beam = beam_search(lm, words.history(history) + ";", words.titles, beams=beams, trie=trie)
        assert (
            len(set(beam.items.tolist())) == beams and (np.diff(beam.log_probabilities) <= 0).all()
        )
        invalid += sum(text not in words.titles for text in beam.texts) + int(
            (beam.items < 0).sum()
        )
        assert [words.titles[item] for item in beam.items] == beam.texts
    assert invalid == 0


@writing
def test_free_beam_search_of_an_untrained_model_writes_what_does_not_exist(name):
    lm, titles = tiny_lms.lm(name), tiny_lms.catalogue()
    beam = beam_search(lm, tiny_lms.prompts()[0], titles, beams=5, constrained=False)
    assert len(beam.texts) == len(beam.items) == len(beam.log_probabilities) == 5
    assert (beam.items == -1).any() and (np.diff(beam.log_probabilities) <= 0).all()
    assert all(text not in titles for text, item in zip(beam.texts, beam.items) if item == -1)
    assert all(text == titles[item] for text, item in zip(beam.texts, beam.items) if item >= 0)


def test_longest_is_kept_to():
    """In tokens; where only shorter items can be finished, the list is as short."""
    lm, titles = tiny_lms.lm("gpt2"), tiny_lms.catalogue()
    beam = beam_search(
        lm, tiny_lms.prompts()[0], titles, beams=4, constrained=False, longest=1, stop=()
    )
    single = {lm.tokenizer.decode([token]).strip() for token in range(len(lm.tokenizer))}
    assert set(beam.texts) <= single
    # titles of one token
    assert len(beam_search(lm, tiny_lms.prompts()[0], titles, beams=40, longest=1).items) == 3


def reciting(titles, steps: int = 60):
    """A small model that knows these titles by heart, each after ';'."""
    lm = tiny_lms.tiny("kit-gpt", layers=1)
    optimizer = torch.optim.AdamW(lm.model.parameters(), lr=1e-2)
    text = "; ".join(titles) + ";"
    for _ in range(steps):
        lm.loss([""], [text], whole=True).backward()
        optimizer.step()
        optimizer.zero_grad()
    return lm


@pytest.fixture(scope="module")
def trap():
    """A title with a stop in it."""
    return next(title for title in tiny_lms.catalogue() if ":" in title)


@pytest.fixture(scope="module")
def knowing(trap):
    lm = reciting([trap] * 4)
    assert log_likelihood(lm, [f"{trap};"], [trap]).log_probability.item() > np.log(0.5)
    return lm


def test_free_search_ranks_a_title_before_its_beginnings(knowing, trap):
    """A model that writes one title for sure, and hardly ever stops within it, must be told by this
    title, not by its first word.
    """
    beam = beam_search(knowing, f"{trap};", [trap], beams=5, constrained=False, stop=(";",))
    assert beam.texts[0] == trap and beam.items[0] == 0 and beam.log_probabilities[0] > np.log(0.5)


def test_free_search_can_write_every_title(knowing, trap):
    """A stop inside a title would make every such title an invented one."""
    beam = beam_search(knowing, f"{trap};", [trap], beams=5, constrained=False)
    assert 0 in beam.items


def test_free_search_gives_no_text_twice(knowing, trap):
    """A list of ten with three different texts is no list of ten."""
    beam = beam_search(knowing, f"{trap};", [trap], beams=150, constrained=False, longest=3)
    assert len(set(zip(beam.texts, beam.log_probabilities))) == len(beam.texts)


def test_free_search_knows_a_title_by_its_text():
    """What a learner reads is the text."""
    lm, found = tiny_lms.lm("gpt2"), 0
    titles = [lm.tokenizer.decode([token]).strip() for token in range(280, 600)]
    titles = [title for title in dict.fromkeys(titles) if len(title) > 1]
    for prompt in tiny_lms.prompts():
        beam = beam_search(lm, prompt, titles, beams=100, constrained=False, longest=2)
        for text, item in zip(beam.texts, beam.items):
            found += text in titles
            assert (text in titles) == (item >= 0)
    assert found > 20


def test_beam_search_and_likelihood_read_the_same_part_of_a_long_prompt():
    """Otherwise the same item behind the same prompt has two likelihoods."""
    lm, titles = tiny_lms.lm("gpt2"), tiny_lms.catalogue()
    long = "; ".join(tiny_lms.world().items["title"]) + ";"
    beam = beam_search(lm, long, titles, beams=5)
    assert exact(
        beam.log_probabilities, log_likelihood(lm, [long], titles).log_probability[0, beam.items]
    )


def test_a_trie_given_is_the_one_that_is_searched():
    lm, titles = tiny_lms.lm("gpt2"), tiny_lms.catalogue()
    beam = beam_search(
        lm, tiny_lms.prompts()[0], titles, beams=10, trie=catalogue_trie(lm, titles[:4])
    )
    assert sorted(beam.items.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "call",
    [
        lambda lm: log_likelihood(lm, ["A"], []),
        lambda lm: beam_search(lm, "A", []),
        lambda lm: beam_search(lm, "A", ["B"], beams=0),
        lambda lm: beam_search(lm, "A", ["B"], longest=-1),
    ],
    ids=["no candidates", "no candidates for beam search", "no beams", "a negative length"],
)
def test_nothing_to_choose_from_is_refused_in_one_line(call):
    with pytest.raises(InputError):
        call(tiny_lms.lm("gpt2"))


def test_a_tokenizer_without_a_start_token():
    """Many models of the Hub have none: the prompt is then read as it is."""
    lm = tiny_lms.tiny("gpt2")
    tokenizer = copy.deepcopy(lm.tokenizer)
    tokenizer.bos_token = None
    lm = replace(lm, tokenizer=tokenizer)
    assert lm.start_ids == [] and exact(*(call(lm) for call in (_shared, _long)))


def _shared(lm):
    return log_likelihood(lm, ["Someone enjoyed"], tiny_lms.catalogue()).log_probability


def _long(lm):
    return naive_log_likelihood(lm, ["Someone enjoyed"], tiny_lms.catalogue())
