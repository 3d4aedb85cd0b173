"""The vocabulary pointer and its dialogues: one distribution over words and items, and two
evaluations that must not flatter each other.
"""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import random_dataset
from tutorial_recipes.pretraining import untrained
from tutorial_recipes.tokenizer import train_tokenizer
from tutorial_recipes.worlds import make_world

from tutorial_lib.errors import InputError
from tutorial_lib.language.dialogues import (
    ANSWERS,
    NEWCOMER,
    OPENINGS,
    QUESTIONS,
    REPLIES,
    Dialogue,
    dialogues,
)
from tutorial_lib.models.language_models import LanguageModel, load_language_model
from tutorial_lib.models.pointer import Reply, VocabularyPointer, pointer_ranks, pointer_recall

WORLD = make_world("movies", n_users=60, n_items=40)
TITLES = tuple(WORLD.items["title"])
PAIRS = [
    (sequence[:end], int(sequence[end]))
    for sequence in WORLD.sequences()
    for end in range(3, len(sequence), 4)
]
STORIES = Path(__file__).resolve().parents[3] / "shared" / "models" / "stories260K"


def talks(n, first=0, seed=0):
    return dialogues(WORLD, *zip(*PAIRS[first : first + n]), seed=seed)


def items_of(pieces):
    return [piece for piece in pieces if not isinstance(piece, str)]


@functools.cache
def tokenizer():
    return train_tokenizer((talk.text(TITLES) for talk in talks(200)), size=600)


def tiny(name="kit-gpt", kind="causal"):
    """A random model with weights so large that every influence shows."""
    torch.manual_seed(0)
    model = untrained(name, len(tokenizer()), width=32, layers=1, heads=2)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return LanguageModel("tiny", kind, model.eval(), tokenizer())


@pytest.fixture(scope="module")
def lm():
    return tiny()


@pytest.fixture
def pointer(lm):
    """With an item head and bias that are not at their start, so that forgetting one of them is
    seen.
    """
    out, generator = VocabularyPointer(lm, TITLES), torch.Generator().manual_seed(0)
    for parameter in (out.head, out.bias):
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return out


@pytest.fixture(scope="module")
def fitted(lm):
    return VocabularyPointer(lm, TITLES).fit(talks(200), epochs=8, learning_rate=1e-2)


@torch.no_grad()
def by_hand(pointer, row):
    """log p of the next token at every place of one row, the softmax written out: [L, V + n_items]."""
    hidden = pointer(torch.tensor([row])).last_hidden_state[0]
    words = pointer.model.lm_head(hidden)
    items = torch.stack([(pointer.head @ h) @ pointer.items.T + pointer.bias for h in hidden])
    scores = torch.cat([words, items], dim=1).double()
    return scores - scores.exp().sum(dim=1, keepdim=True).log()


# --- dialogues
# ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", [WORLD, random_dataset()], ids=["world", "titles only"])
def test_a_dialogue_tells_the_newest_items_and_ends_with_a_reply_that_names_the_target(dataset):
    pairs = [
        (sequence[:end], int(sequence[end]))
        for sequence in dataset.sequences()
        for end in (0, 1, 3, 6)
    ]
    made, mentioned = dialogues(dataset, *zip(*pairs)), set()
    assert len(made) == len(pairs)
    for talk, (history, target) in zip(made, pairs):
        said = items_of(talk.context)
        assert (
            said == list(history[len(history) - len(said) :])
            and min(len(history), 2) <= len(said) <= 4
        )
        assert talk.turns == talk.context + talk.reply and talk.context[-1].endswith(
            " Recommender:"
        )
        assert items_of(talk.reply) == [target] == [talk.target]
        text = talk.text(dataset.items["title"])
        assert not set("{}<>") & set(text) and "  " not in text and text.startswith("Seeker: ")
        mentioned.add(len(said))
    assert mentioned == {0, 1, 2, 3, 4}
    asked = np.mean([talk.text(dataset.items["title"]).count("Recommender:") == 2 for talk in made])
    assert asked == 0 if "mood" not in dataset.items else 0.35 < asked < 0.65


def test_every_wording_is_used_and_the_item_stands_in_different_places():
    made = [talk.text(TITLES) for talk in talks(200)] + [
        dialogues(WORLD, [[]], [0])[0].text(TITLES)
    ]
    for wording in (
        *OPENINGS,
        NEWCOMER,
        *REPLIES,
        *sum((*QUESTIONS.values(), *ANSWERS.values()), ()),
    ):
        longest = max((part.split("}")[-1] for part in wording.split("{")), key=len)
        assert any(longest in text for text in made), wording
    first = {isinstance(talk.reply[0], str) for talk in talks(200)}
    last = {isinstance(talk.reply[-1], str) and len(talk.reply[-1]) > 1 for talk in talks(200)}
    assert first == last == {True, False}


def test_the_words_before_the_item_tell_nothing_about_it():
    """Other targets, the same wordings: otherwise the module evaluation would be given a hint."""
    histories, targets = zip(*PAIRS[:150])
    before, after = (
        dialogues(WORLD, histories, order)
        for order in (targets, [39 - target for target in targets])
    )
    for one, other in zip(before, after):
        spoken = [talk.reply[: talk.reply.index(talk.target)] for talk in (one, other)]
        assert (
            one.target != other.target
            and spoken[0] == spoken[1]
            and len(one.turns) == len(other.turns)
        )
    assert any(
        one.context != other.context for one, other in zip(before, after)
    )  # the answer to a question does tell


def test_answers_are_true_of_the_target():
    for talk in talks(200):
        answer = talk.context[-1].split("Seeker: ")[-1]
        item = WORLD.items.iloc[talk.target]
        if "in the mood for" in answer or ", please." in answer:
            assert item["mood"] in answer
        elif "in it, if you can" in answer:
            assert any(f"One with {kind} in it" in answer for kind in item["categories"])


def test_dialogues_follow_from_the_seed_and_do_not_depend_on_their_neighbours():
    histories, targets = zip(*PAIRS[:20])
    assert talks(20) == talks(20) and talks(20) != talks(20, seed=1)
    assert talks(20)[:5] == talks(5)
    other = dialogues(WORLD, [[0, 1], *histories[1:]], [2, *targets[1:]])
    assert other[1:] == talks(20)[1:] and other[0] != talks(20)[0]


@pytest.mark.parametrize(
    "histories, targets",
    [([[1, 2]], []), ([[1]], [[]]), ([[1], [2]], [3, [4, 5]]), ([[40]], [1]), ([[1]], [-1])],
)
def test_dialogues_that_cannot_be_made_are_refused_in_one_line(histories, targets):
    with pytest.raises(
        InputError, match="^dialogues: expected (one target for each|item codes in 0..39)"
    ):
        dialogues(WORLD, histories, targets)


@pytest.mark.parametrize(
    "turns, start",
    [((" Try", 3), 0), (("Hello", " Try", 4), 1), (("Hello", 3, "!"), 2), (("Hi", 3, 3), 1)],
)
def test_a_reply_that_does_not_name_its_target_once_is_refused(turns, start):
    with pytest.raises(
        InputError, match="^Dialogue: expected words before the reply, and one item in it, 3"
    ):
        Dialogue(turns, start, 3)


# --- one distribution
# --------------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_probabilities_of_words_and_items_sum_to_one(pointer):
    hidden = torch.randn(5, 7, 32, generator=torch.Generator().manual_seed(1)) * 3
    p = pointer.log_probabilities(hidden).exp()
    assert p.shape == (5, 7, pointer.n_words + 40)
    assert torch.allclose(p.sum(dim=-1), torch.ones(5, 7), atol=1e-5)
    share = p[..., pointer.n_words :].sum(dim=-1)
    assert (
        0 < share.min() and share.max() < 1 and share.std() > 0.002
    )  # how much goes to items depends on the state
    pointer.bias.data += 1.0
    assert (
        pointer.log_probabilities(hidden).exp()[..., : pointer.n_words].sum(dim=-1) < 1 - share
    ).all()  # what items gain, words lose


@torch.no_grad()
def test_an_item_starts_as_the_mean_of_its_title(lm):
    """And so its first score, in a model with tied embeddings, is the mean of its title's."""
    pointer = VocabularyPointer(lm, TITLES)
    tokens = lm.tokenizer(" " + TITLES[7], add_special_tokens=False)["input_ids"]
    assert len(tokens) > 3
    assert torch.allclose(
        pointer.items[7], lm.model.get_input_embeddings().weight[tokens].mean(dim=0), atol=1e-6
    )
    logp = pointer.log_probabilities(torch.randn(32, generator=torch.Generator().manual_seed(2)))
    assert float(logp[pointer.n_words + 7] - logp[tokens].mean()) == pytest.approx(0.0, abs=1e-5)


def test_an_item_is_one_token_and_is_read_through_the_item_table(pointer):
    talk = Dialogue(("Seeker: I enjoyed", 3, " and", 39, ". Recommender:", " Try", 5, "."), 5, 5)
    row, start = pointer.tokens(talk)
    encode = lambda text: pointer.lm.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    V = pointer.n_words
    context = [
        1,
        *encode("Seeker: I enjoyed"),
        V + 3,
        *encode(" and"),
        V + 39,
        *encode(". Recommender:"),
    ]
    assert row[:start] == context and row[start:] == [*encode(" Try"), V + 5, *encode("."), 2]
    embedded = pointer.embed(torch.tensor([row]))[0]
    words = pointer.model.get_input_embeddings().weight
    for token, vector in zip(row, embedded):
        assert torch.equal(vector, pointer.items[token - V] if token >= V else words[token])
    assert pointer.text(row[1:-1]) == talk.text(TITLES)


def test_nothing_flows_back_in_time(pointer):
    """Another item or word later leaves all log-probabilities before it as they are, and changes
    those from it on.
    """
    for talk in talks(2):
        row, _ = pointer.tokens(talk)
        before = by_hand(pointer, row)
        for place in range(1, len(row)):
            other = [*row]
            other[place] = (
                pointer.n_words + (row[place] - pointer.n_words + 1) % 40
                if row[place] >= pointer.n_words
                else row[place] // 2
            )
            change = (by_hand(pointer, other) - before).abs().amax(dim=1)
            assert change[:place].max() < 1e-5 and (other == row or change[place] > 1e-3)


@torch.no_grad()
def test_the_loss_is_the_mean_over_the_tokens_of_all_replies(pointer):
    """One dialogue at a time, each place written out; the context does not count, the end token
    does.
    """
    made, total, count = talks(6), 0.0, 0
    for talk in made:
        row, start = pointer.tokens(talk)
        logp = by_hand(pointer, row)
        total -= sum(float(logp[place - 1, row[place]]) for place in range(start, len(row)))
        count += len(row) - start
    assert len({len(pointer.tokens(talk)[0]) for talk in made}) > 3  # so there is padding
    assert float(pointer.loss(made)) == pytest.approx(total / count, rel=1e-5)


def test_a_context_that_is_too_long_loses_its_oldest_part(pointer):
    pointer.lm.model.config.max_position_embeddings = 30
    talk = Dialogue(("word " * 50, 4, ". Recommender:", " Try", 5, "."), 3, 5)
    row, start = pointer.tokens(talk)
    assert len(row) == 30 and row[0] == 1 and pointer.text(row[start:-1]) == f"Try {TITLES[5]}."
    assert pointer.text(row[:start]).endswith(f"word {TITLES[4]}. Recommender:")
    longer, begins = pointer.tokens(talk, room=20)
    assert (
        begins == 10
        and longer[1:begins] == row[start - 9 : start]
        and longer[begins:] == row[start:]
    )
    with pytest.raises(
        InputError, match="^tiny takes 30 tokens: no space for a dialogue and a reply of 40"
    ):
        pointer.tokens(talk, room=40)


# --- two evaluations
# ---------------------------------------------------------------------------------------------------------------------


def test_the_slot_ranking_is_given_the_reply_up_to_the_item_and_no_more(pointer):
    made = [*talks(5), Dialogue(("Hello", 5, ".", 5, " is it"), 3, 5)]
    scores = pointer.slot_ranking(made)
    assert scores.shape == (6, 40)
    for talk, given in zip(made, scores):
        row, start = pointer.tokens(talk)
        slot = next(place for place in range(start, len(row)) if row[place] >= pointer.n_words)
        assert np.allclose(given, by_hand(pointer, row[:slot])[-1, pointer.n_words :], atol=1e-4)
    slots = [talk.turns.index(talk.target, talk.reply_start) for talk in made]
    ends = [
        Dialogue((*talk.turns[: slot + 1], " indeed!"), talk.reply_start, talk.target)
        for talk, slot in zip(made, slots)
    ]
    assert np.allclose(pointer.slot_ranking(ends), scores, atol=1e-5)


def greedy(pointer, row, longest):
    """The likeliest token again and again, everything read anew each time."""
    written, scores = [], None
    while len(written) < longest:
        logp = by_hand(pointer, row + written)[-1]
        token = int(logp.argmax())
        if token == pointer.lm.end_id:
            break
        written.append(token)
        if token >= pointer.n_words and scores is None:
            scores = logp[pointer.n_words :].numpy()
    return written, scores


@pytest.mark.parametrize("longest, bias, named", [(24, 0.0, {1}), (2, 0.0, {0}), (3, 30.0, {3})])
def test_the_written_reply_is_the_greedy_one(fitted, longest, bias, named):
    """A whole reply, one that is cut off, and one of items alone; named: how many items stand in a
    reply.
    """
    made, pointer, seen = talks(12, first=200), copy.deepcopy(fitted), []
    pointer.bias.data += bias
    assert len({len(pointer.tokens(talk)[0]) for talk in made}) > 3
    for talk, reply in zip(made, pointer.end_to_end(made, longest)):
        row, start = pointer.tokens(talk)
        written, scores = greedy(pointer, row[:start], longest)
        items = [token - pointer.n_words for token in written if token >= pointer.n_words]
        assert reply.text == pointer.text(written) and reply.item == (items[0] if items else -1)
        assert (reply.scores is None) == (not items)
        if items:
            assert (
                np.allclose(reply.scores, scores, atol=1e-4) and reply.scores.argmax() == reply.item
            )
        seen.append(len(items))
    assert named <= set(seen)


def test_a_model_learns_to_name_items(lm, fitted):
    """200 dialogues: the loss falls, and replies go from none that names an item to most."""
    made = talks(20, first=200)
    before, after = (
        pointer_recall(pointer, made) for pointer in (VocabularyPointer(lm, TITLES), fitted)
    )
    assert len(fitted.losses) == 8 and fitted.losses[-1] < 0.3 * fitted.losses[0]
    assert (
        before.loc["end to end", "names an item"] < 0.2
        and after.loc["end to end", "names an item"] > 0.6
    )
    assert list(after.columns) == ["recall@1", "recall@10", "names an item"] and list(
        after.index
    ) == ["slot given", "end to end"]


def test_a_model_reads_which_items_the_context_names(lm):
    """Planted: the target is the item before the last one named. No word tells, so only a model
    that reads item tokens can learn it.
    """
    rng, made = np.random.default_rng(0), []
    for _ in range(160):
        item = int(rng.integers(6))
        made.append(
            Dialogue(
                ("Seeker: I enjoyed", item, ". Recommender:", " Try", 39 - item, "."), 3, 39 - item
            )
        )
    pointer = VocabularyPointer(lm, TITLES).fit(made, epochs=6, learning_rate=1e-2)
    table = pointer_recall(pointer, made[:40], ks=(1,))
    assert table["recall@1"].min() > 0.9 and list(table["names an item"]) == [1.0, 1.0]


def test_a_reply_without_an_item_counts_as_a_miss(fitted):
    """Items so unlikely that none is named: the slot, where only items compete, is not affected."""
    made, mute = talks(12, first=200), copy.deepcopy(fitted)
    mute.bias.data -= 100.0
    before, after = (
        pointer_recall(fitted, made, ks=(10, 40)),
        pointer_recall(mute, made, ks=(10, 40)),
    )
    assert before.loc["end to end", "recall@40"] == before.loc["end to end", "names an item"] > 0.5
    assert list(after.loc["end to end"]) == [0.0, 0.0, 0.0]
    assert (
        list(after.loc["slot given"]) == list(before.loc["slot given"])
        and after.loc["slot given", "recall@40"] == 1.0
    )
    assert all(reply.item == -1 and reply.scores is None for reply in mute.end_to_end(made[:3]))


def test_recall_by_hand():
    """Four dialogues about item 0 of four: named, third, nothing named, second; the slot has it
    fourth, always.
    """
    scores = [np.array([4.0, 3, 2, 1]), np.array([2.0, 4, 3, 1]), None, np.array([3.0, 1, 2, 4])]
    replies = [Reply("", -1 if row is None else int(row.argmax()), row) for row in scores]
    stub = SimpleNamespace(
        end_to_end=lambda made, longest: replies,
        slot_ranking=lambda made: np.tile([1.0, 2, 3, 4], (4, 1)),
    )
    made = [Dialogue(("Hello", " Try", 0), 1, 0)] * 4
    ranks = pointer_ranks(stub, made)
    assert ranks["end_to_end"].tolist() == [1, 3, np.inf, 2] and ranks["slot"].tolist() == [
        4,
        4,
        4,
        4,
    ]
    assert ranks["item"].tolist() == [0, 1, -1, 3]
    table = pointer_recall(stub, made, ks=(1, 2, 4))
    assert table.loc["end to end"].tolist() == [0.25, 0.5, 0.75, 0.75] and table.loc[
        "slot given"
    ].tolist() == [0, 0, 1, 1]
    with pytest.raises(InputError, match="^pointer_ranks: expected at least one dialogue"):
        pointer_recall(stub, [])


# --- what learns
# -------------------------------------------------------------------------------------------------------------------------


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(before, module):
    return {
        name for name, value in module.state_dict().items() if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize("train_lm", [True, False])
@pytest.mark.parametrize("freeze_items", [True, False])
def test_only_what_may_learn_moves(lm, train_lm, freeze_items):
    """Bit for bit; and the model that was passed in never changes."""
    given, pointer = weights(lm.model), VocabularyPointer(lm, TITLES, freeze_items=freeze_items)
    before = weights(pointer)
    pointer.fit(talks(32), epochs=1, train_lm=train_lm)
    changed = moved(before, pointer)
    assert {"head", "bias"} <= changed and ("items" in changed) != freeze_items
    assert any(name.startswith("model.") for name in changed) == train_lm
    assert not moved(given, lm.model) and not pointer.training


def test_a_fit_follows_from_its_seed(lm):
    state = torch.get_rng_state()
    one, same, other = (
        VocabularyPointer(lm, TITLES).fit(talks(32), epochs=2, seed=seed) for seed in (0, 0, 1)
    )
    assert (
        one.losses == same.losses != other.losses
        and not moved(weights(one), same)
        and moved(weights(one), other)
    )
    assert torch.equal(
        torch.get_rng_state(), state
    )  # what the caller draws next does not depend on it


# --- refused
# -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, kind", [("kit-bert", "masked"), ("kit-t5", "seq2seq")])
def test_another_kind_of_model_is_refused_in_one_line(name, kind):
    with pytest.raises(
        InputError,
        match=rf"^a vocabulary pointer needs a causal model; tiny is {kind} .*take kit-gpt",
    ):
        VocabularyPointer(tiny(name, kind), TITLES)


def test_what_cannot_be_read_or_learned_is_refused_in_one_line(lm, pointer):
    with pytest.raises(
        InputError, match="^VocabularyPointer: a dialogue names item 40; expected codes 0..39"
    ):
        pointer.loss([Dialogue(("Hello", 40, " Try", 5), 2, 5)])
    with pytest.raises(InputError, match="^VocabularyPointer: expected at least one item"):
        VocabularyPointer(lm, [])
    for wrong in ({"dialogues": []}, {"epochs": 0}, {"batch": 0}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match="^fit: expected at least 1 dialogue, epochs="):
            pointer.fit(**{"dialogues": talks(2), **wrong})
    with pytest.raises(
        InputError, match="^fit: the loss of epoch 1 is nan; try a learning_rate below"
    ):
        pointer.fit(talks(64), epochs=1, learning_rate=1e30)


# --- a real model
# ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not STORIES.is_dir(), reason=f"needs {STORIES.name} in shared/models")
def test_a_model_from_outside_reads_and_writes_items():
    pointer, made = VocabularyPointer(load_language_model(str(STORIES)), TITLES), talks(2)
    row, _ = pointer.tokens(made[0])
    assert torch.allclose(
        by_hand(pointer, row).exp().sum(dim=1).float(), torch.ones(len(row)), atol=1e-5
    )
    assert pointer.text(row[1:-1]) == made[0].text(TITLES)
    first = pointer.loss(made).item()
    pointer.fit(made, epochs=8, batch=2, learning_rate=3e-3)
    assert pointer.loss(made).item() < 0.5 * first
