"""Searching prompt words: the gradient against true derivatives, the account of calls and flips,
and a model that stays as it was.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from tiny_lms import lm, split, tiny, world

from tutorial_lib.errors import InputError
from tutorial_lib.language.prompts import Template, templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.decoding import naive_log_likelihood
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.strategies.automatic_prompts import auto_prompt, pap_rec, user_events
from tutorial_lib.strategies.prompt_examples import GRADIENT_CALLS, Examples
from tutorial_lib.strategies.prompt_objectives import BEAMS, AnswerLoss, ShortAnswers
from tutorial_lib.strategies.prompt_search import Search, SearchPlan
from tutorial_lib.strategies.task import Task
from tutorial_lib.strategies.wordings import (
    NO_WORD,
    Wording,
    candidate_scores,
    word_tokens,
    words_of,
)

WORDS = verbaliser(world(), limit=4)
BARE = templates("sequential")[2]


def examples(
    model=None, users=range(6), each: int = 1, skip: int = 0, wrong: int = 0, template=BARE
) -> Examples:
    events = []
    for user in users:
        for end in range(2 + skip, 2 + skip + each):
            history = split().train[user]
            events.append((user, history[:end], int(history[end])))
    return Examples.of_events(model or frozen(), WORDS, events, template, wrong)


def frozen():
    model = lm("kit-gpt")
    model.model.requires_grad_(False)
    return model


def task(users: int = 8, seed: int = 0, model=None) -> Task:
    histories = [split().train[row] for row in range(users)]
    return Task(
        (model or lm("kit-gpt")).clone(),
        WORDS,
        histories,
        world().n_items,
        seed,
        dataset=world(),
        users=split().users[:users],
    )


def search(method: str = "gradient", template=BARE, **plan) -> Search:
    train, valid = (
        examples(users=range(6), template=template, **more) for more in ({}, {"skip": 2, "each": 2})
    )
    usual = {"calls": 500, "top": 4, "method": method, "start": "random"}
    return Search(train, AnswerLoss(valid), SearchPlan(**{**usual, **plan})).run()


# --- words and losses ---


def test_words_are_read_back_as_the_same_tokens_behind_a_history():
    """A token that the tokenizer splits otherwise in running text would be found, written, and
    never read.
    """
    model, rng = frozen(), np.random.default_rng(0)
    vocabulary, wording = word_tokens(model), Wording.of(frozen(), BARE, WORDS)
    assert len(vocabulary) > 20
    for tokens in rng.choice(vocabulary, size=(200, 4)):
        text = wording.template(model, tokens).fill(history=WORDS.titles[0], item="")[0]
        assert model.prompt_ids(text)[-5:-1] == tokens.tolist()


@pytest.mark.parametrize("family", ["sequential", "direct", "explanation"])
def test_a_manual_prompt_is_cut_and_put_together_again(family):
    """A search from it would otherwise start from another prompt than it is compared with."""
    model = load_language_model("kit-gpt")
    for template in templates(family):
        wording = Wording.of(model, template, WORDS)
        again = wording.template(model, wording.words)
        values = {gap: gap.upper() for gap in template.gaps}
        values |= {"noun": WORDS.noun, "plural": WORDS.plural}
        assert again.fill(**values) == template.fill(**values)
        assert set(wording.words) <= set(word_tokens(model).tolist())


@pytest.mark.parametrize("name", ["kit-gpt", "gpt2"])
@pytest.mark.parametrize("wrong", [0, 3])
def test_loss_behind_a_kept_history_equals_the_loss_of_the_whole_text(name, wrong):
    """Side by side, prompts and answers must neither see each other nor be moved by padding, and a
    slot without a word must not be seen at all.
    """
    model = lm(name)
    some = [int(token) for token in word_tokens(model)[30:33]]
    ex = examples(model, wrong=wrong)
    prompts = [some, [NO_WORD] * 3, [NO_WORD, some[0], NO_WORD], some[::-1]]
    found = ex.log_probabilities(prompts)
    for row, prompt in enumerate(prompts):
        for column in range(len(ex)):
            text = ex.text(column, prompt)
            total = naive_log_likelihood(model, [text], ex.answers[column])[0]
            assert found[row, column] == pytest.approx(total, abs=1e-3), text
    sharp = np.exp(0.3 * found)
    choice = -np.log(sharp[..., 0] / sharp.sum(2))
    tokens = [len(model.target_ids(row[0])) for row in ex.answers]
    loss = choice if wrong else -found[..., 0] / tokens
    assert ex.losses(prompts) == pytest.approx(loss, abs=1e-4)


def test_each_example_may_have_its_own_prompt():
    """Users' own words are measured in one pass."""
    ex, words = examples(), word_tokens(frozen())
    own = np.stack([words[:6], words[6:12]], axis=1)  # [n, 2]
    together = ex.losses(own[None])[0]
    assert together == pytest.approx(
        [ex.losses([row])[0, i] for i, row in enumerate(own)], abs=1e-5
    )


# --- gradients ---


@pytest.mark.parametrize("wrong", [0, 3])
def test_gradient_is_the_derivative_of_the_loss_along_a_step_to_another_word(wrong):
    """With a wrong slot, sign or loss the difference quotient would disagree."""
    ex, words = examples(wrong=wrong), word_tokens(frozen())
    prompt, slot, other = words[:3].tolist(), 1, int(words[40])
    gradient = ex.gradients(prompt, slot)
    table = ex.vocabulary
    base, step = ex._embedded(ex.shaped([prompt])), table[other] - table[prompt[slot]]

    def loss_at(share):
        moved = base.clone()
        moved[0, :, slot] += share * step
        return ex._losses(moved, ex.shaped([prompt]))[0].double().numpy()

    quotient = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2
    assert quotient == pytest.approx(gradient @ step.double().numpy(), rel=0.03, abs=2e-3)


def test_scores_are_high_where_the_loss_falls():
    """HotFlip on the loss takes the words with the most negative <gradient, E_w>; with the other
    sign the search goes uphill.
    """
    embeddings = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
    assert candidate_scores(np.array([3.0, 1.0]), embeddings).tolist() == [-3.0, 3.0, -2.0]
    assert candidate_scores(np.array([3.0, 1.0]), embeddings, norm_control=True).tolist() == [
        -3.0,
        3.0,
        -1.0,
    ]


def test_a_small_true_step_along_the_best_score_lowers_the_loss():
    """The sign again, end to end in the model."""
    ex, words = examples(), word_tokens(frozen())
    gradient = ex.gradients(words[:2].tolist(), 0).mean(0)
    table = ex.vocabulary[words].double().numpy()
    best = words[candidate_scores(gradient, table - table[0]).argmax()]
    shaped = ex.shaped([words[:2]])
    base = ex._embedded(shaped)
    moved = base.clone()
    moved[0, :, 0] += 0.02 * (ex.vocabulary[best] - ex.vocabulary[words[0]])
    assert ex._losses(moved, shaped).mean() < ex._losses(base, shaped).mean()


# --- the search ---


@pytest.mark.parametrize("method", ["gradient", "random"])
def test_every_candidate_is_logged_and_every_flip_lowers_the_objective(method):
    """From the log alone the whole search can be told again."""
    found = search(method)
    log = found.frame()
    tokens = list(found.first)
    for flip in log[log["accepted"]].itertuples():
        tokens[flip.slot] = flip.token
        assert flip.after < flip.before
    assert tokens == found.tokens and found.value == log["value"].iloc[-1]
    assert len(log) + 1 == found.evaluated
    assert found.value == pytest.approx(found.objective([found.tokens]).mean(), abs=1e-5)
    assert not log.groupby("round")["accepted"].sum().gt(1).any()
    rejected = log[~log["accepted"].groupby([log["round"], log["slot"]]).transform("any")]
    assert (rejected["after"] >= rejected["before"]).all()


def test_calls_are_counted_in_one_unit_and_bound_both_methods():
    """A comparison at equal calls is one only if the gradient pays for its backward pass."""
    for method in ("gradient", "random"):
        found = search(method)
        valid, train = len(found.objective.examples), len(found.train)
        gradients = (found.calls - valid * found.evaluated) / (GRADIENT_CALLS * train)
        assert gradients == (
            0 if method == "random" else found.frame().groupby(["round", "slot"]).ngroups
        )
        assert 500 <= found.calls < 500 + 4 * valid + GRADIENT_CALLS * train


def test_same_seed_same_words_and_another_seed_others():
    assert search().tokens == search().tokens
    assert search(seed=1).first != search().first


def test_no_prompt_is_tried_twice_and_a_small_vocabulary_ends_the_search():
    train, valid = examples(), examples(skip=2)
    found = Search(
        train,
        AnswerLoss(valid),
        SearchPlan(slots=1, calls=10**6, start="random"),
        vocabulary=word_tokens(frozen())[:5],
    ).run()
    assert found.frame()["token"].value_counts().max() <= 2 and len(found.frame()) <= 10


def test_a_search_starts_from_the_manual_prompt_and_may_leave_words_out():
    """From random words a search compares itself with a prompt that it has thrown away."""
    model = frozen()
    two = words_of(model, word_tokens(model)[3:5])
    template = Template("sequential", f"Of {{history}} {two}", "{item}")
    found = search(template=template, start="manual", slots=1, calls=1500)
    own = list(found.train.wording.words)
    assert found.first == [*own, NO_WORD] and len(own) == 2
    log = found.frame()
    assert log["before"].iloc[0] == pytest.approx(
        AnswerLoss(found.objective.examples)([own]).mean()
    )
    tried = log.groupby("slot")["token"]
    assert all((rows == NO_WORD).any() for slot, rows in tried if slot < 2)
    assert found.value <= log["before"].iloc[0]
    whole = search(template=template, start="manual", slots=1, calls=600, shorten=False)
    assert not whole.frame()["token"].eq(NO_WORD).any()


def test_a_users_word_changes_only_where_that_users_own_score_improves():
    found = search(user_rounds=1, slots=2)
    users = found.frame()
    users = users[users["kind"] == "user"]
    assert set(users["user"]) == set(range(6))
    for user, rows in users.groupby("user"):
        assert rows["accepted"].any() == (rows["after"].min() < rows["before"].iloc[0]), user
        assert (
            not rows["accepted"].any()
            or rows.loc[rows["accepted"], "after"].item() == rows["after"].min()
        )
    assert found.value == pytest.approx(
        found.objective([found.prompts(found.objective.examples)]).mean(), abs=1e-5
    )
    shared = found.frame()[lambda f: f["kind"] == "task"]
    assert not shared["slot"].eq(2).any(), "the last slot belongs to the users"


def test_every_objective_counts_what_it_reads():
    plain, choice = AnswerLoss(examples()), AnswerLoss(examples(wrong=4))
    short = ShortAnswers(examples(), WORDS.titles)
    for measure, per_pair in ((plain, 1), (choice, 5), (short, BEAMS)):
        values = measure([[40], [41]])
        assert values.shape == (2, 6) and measure.calls == 2 * 6 * per_pair
        assert (values >= 0).all() and (measure is not short or (values <= 1).all())


def test_wrong_answers_stay_the_same_unless_they_are_drawn_anew():
    some = examples(each=4, wrong=4)
    fixed, noisy = AnswerLoss(some), AnswerLoss(some, WORDS.titles)
    assert (fixed([[40]]) == fixed([[40]])).all()
    assert len({noisy([[40]]).mean() for _ in range(6)}) > 1
    assert all(len(set(row)) == 5 for row in some.answers), "the right one is not among the wrong"


# --- strategies ---


def checksum(model) -> str:
    return hashlib.sha256(
        b"".join(p.detach().numpy().tobytes() for p in model.model.parameters())
    ).hexdigest()


@pytest.mark.parametrize("strategy", [auto_prompt, pap_rec])
def test_the_model_is_bit_identical_and_what_was_found_is_scored(strategy):
    """Only words are chosen: a weight that moved would make it another method."""
    given = task(model=tiny("kit-gpt"))
    before = checksum(given.lm)
    out = strategy(given, SearchPlan(slots=2, calls=1500, top=3, wrong=2, start="random"))
    assert checksum(out.lm) == before and out.moved["backbone"] == 0 and out.moved["prompt"] > 0
    assert words_of(out.lm, out.tokens) in out.template.source
    scores = out.calibrate(2).score([[1, 2], [3]])
    assert scores.shape == (2, world().n_items) and np.isfinite(scores).all()
    assert not out.log.empty and out.calls >= 1500 and out.n_trainable == 2 + len(out.own)


def test_own_words_are_read_for_the_user_who_has_them():
    out = pap_rec(task(), SearchPlan(slots=2, calls=600, top=5, wrong=2))
    user = next(iter(out.own))
    own, general = out.prompts([[1], [1]], [user, 10**6])
    assert words_of(out.lm, [out.own[user]]) in own and general == out.prompt([1])
    scores = out.score([[1], [1]], users=[user, 10**6])
    assert np.allclose(scores[1], out.score([[1]])[0], rtol=1e-5) and not np.allclose(
        scores[0], scores[1]
    )


def test_validation_events_are_the_last_ones_and_no_event_serves_twice():
    for events in (1, 3):
        train, valid = user_events(task(), events)
        keys = [{(u, tuple(h), i) for u, h, i in part} for part in (train, valid)]
        assert not keys[0] & keys[1] and len(valid) == events * 8
        assert {i for u, _, i in valid if u == split().users[0]} <= set(
            split().train[0][-events:].tolist()
        )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"slots": -1}, "slots=-1"),
        ({"calls": 0}, "calls=0"),
        ({"top": 0}, "top=0"),
        ({"method": "hill"}, "unknown method"),
        ({"expansion": "here"}, "unknown expansion"),
        ({"start": "there"}, "unknown start"),
        ({"wrong": -1}, "wrong=-1"),
        ({"validation_events": 0}, "validation_events=0"),
    ],
)
def test_bad_options_end_in_one_line(wrong, told):
    with pytest.raises(InputError, match=told):
        SearchPlan(**wrong)


def test_other_bad_input_ends_in_one_line():
    with pytest.raises(InputError, match="no words to change"):
        auto_prompt(task(), SearchPlan(slots=0), BARE)
    with pytest.raises(InputError, match="not made of whole tokens"):
        Wording.of(frozen(), Template("sequential", "{history} inexplicably", "{item}"), WORDS)
    with pytest.raises(InputError, match="needs a causal model"):
        auto_prompt(task(model=lm("bert")))
    with pytest.raises(InputError, match="no examples"):
        Examples.of_events(frozen(), WORDS, [], BARE)
    with pytest.raises(InputError, match=r"slot=3"):
        examples().gradients([40, 41, 42], 3)
    with pytest.raises(InputError, match="expected token ids"):
        examples().losses(np.zeros((1, 2, 3)))
    with pytest.raises(InputError, match="vocabulary of 1 words"):
        Search(examples(), AnswerLoss(examples()), SearchPlan(), vocabulary=[5])
