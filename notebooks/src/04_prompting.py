# %% [markdown] tags=["title"]
# # 04 · Prompting
# **How far does a model get without new weights, when does a prompt help, and when does it only
# seem to help?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *write* a verbaliser, and *rank* a catalogue by likelihood, without any training (exercise
# >   04-verbalise, question 2)
# > - *report* a prompt's result as a spread over wordings, and *decide* what matters: wording,
# >   order, length, place in a list (section 3, question 1)
# > - *compare* hard prompts, soft prompts and prefixes at equal labels (question 3)
# > - *test* a multi-task model on wordings and on combinations that it never saw (question 4)
# > - *write* the trie that keeps a model inside the catalogue and an exact search along it, and *spot*
# >   IDs that tell the answer (exercises 04-trie and 04-best, questions 5, 6)
# >
# > **You need:** notebook 03. **Time:** 45 minutes to follow, 95 with the exercises. **Hardware:**
# > two CPU cores and 2 GB of memory; ranking and tuning take about a minute in all. No GPU.
# > **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a few users and steps | quick: 60 test users | full: 400 test users
DATASET = "world-movies"  # or "world-products", "world-news" (pre-trained on); real: "ml-100k"
LM = "kit-gpt"  # or "kit-bert", "kit-t5", a Hub id or a folder; not "minilm", an encoder
SEED = 0  # any whole number from 0; draws test users, labelled users and orders

# %% [markdown]
# ## 1. From a history to a prompt
# A language model reads text. So the history has to become text first: that is what a
# **verbaliser** does.
#
# **Exercise 04-verbalise** (about 5 minutes, difficulty 1 of 3). Write one.

# %%
import time
import warnings
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

# %%
from tutorial_lib.language import SEQUENTIAL, Template, templates, verbaliser
from tutorial_workshop.figures import recap_table, verdict_table
from tutorial_workshop.page import TextBox, attempt, bars, explore, golden, guess, hint
from tutorial_workshop.page import my_guesses, points, quiz, say, table, turned_out, whose


# %%
def verbalise(history, titles, limit):
    """The newest `limit` items of a history as text, oldest first."""
    # SOLUTION BEGIN
    return "; ".join(titles[item] for item in history[-limit:]) or "nothing yet"
    # SOLUTION END


verbalise = attempt(verbalise, exercise="04-verbalise")

# %%
hint("04-verbalise")

# %%
from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.models import load_language_model

lm = load_language_model(LM)
lm.require("causal", "masked", "seq2seq", what="prompting by likelihood")
ds = load_dataset(DATASET)
KNOWN = ds.truth is not None  # the world's exact probabilities of the next item
ds = ds if KNOWN else ds.k_core(50)  # real titles are long and slow to score: a smaller catalogue
split, words = leave_last_out(ds), verbaliser(ds)
SIZE = {"smoke": 6, "quick": 60, "full": 400}[PROFILE] // (1 if KNOWN else 6)
tested = split.sample_targets(SIZE, seed=SEED)
asked_on = [row for row, target in enumerate(tested.test_target) if len(target)]
seen = [tested.test_history[row] for row in asked_on]
history = list(seen[0])
text = verbalise(history, words.titles, 4)
same = "the same" if verbaliser(ds, limit=4).history(history) == text else "different"
say(f"Text of {whose(verbalise, '04-verbalise')}: “{text}”. The library's, limit 4: {same}.")

# %% [markdown]
# A **template** puts words around it. The score of an item is the log-probability that the model
# gives to its title after the prompt:
#
# $$\text{score}(i \mid h) = \sum_{t} \log p(w_t \mid \text{prompt}(h), w_{<t})$$
#
# The sum runs over the tokens w of item i's title. Nothing is trained. The survey calls it
# *tuning-free prompting*.

# %%
from tutorial_lib.models import log_likelihood, naive_log_likelihood


def prompts_of(template, histories):
    """One prompt per history."""
    names = {"noun": words.noun, "plural": words.plural, "item": ""}
    return [template.fill(**names, history=words.history(h))[0] for h in histories]


template = SEQUENTIAL[0]
(prompt,) = prompts_of(template, [history[-4:]])
found = log_likelihood(lm, [prompt], words.titles)
best = np.argsort(-found.log_probability[0])[:5]
print(prompt)
rows = [(words.titles[i], found.log_probability[0, i], int(found.tokens[i])) for i in best]
likeliest = pd.DataFrame(rows, columns=["title", "log p", "tokens"]).set_index("title")
table(likeliest, caption="Likeliest titles after this prompt", digits=2)

# %% [markdown]
# **Why it is affordable.** All titles share the prompt, and many share their first words. The
# library reads the prompt once, keeps its keys and values, and reads each common beginning once.
# The long way reads prompt and title anew for every pair.

# %%
start = time.perf_counter()
quickly = log_likelihood(lm, [prompt], words.titles).log_probability
middle = time.perf_counter()
if lm.kind == "masked":
    say(
        "A masked model fills in all tokens of a title at once: there is no slow way to compare "
        "with."
    )
else:
    slowly = naive_log_likelihood(lm, [prompt], words.titles)
    ratio, apart = (time.perf_counter() - middle) / (middle - start), np.abs(slowly - quickly).max()
    say(
        f"{len(words.titles)} titles: {ratio:.0f} times faster than the long way; scores differ "
        f"by {apart:.0e} at most."
    )

# %% [markdown] tags=["half-day-2"]
# ## 2. One number, or a spread?
# Papers often report one prompt. Ask the same model the same thing in twelve wordings, eight of
# which it has met in pre-training. Nothing but the words changes: same weights, same users, same
# catalogue. Lists are judged in expectation, as in notebook 03 (real data: by the drawn targets),
# and each wording is compared with the first one, over the same users.
#
# **Guess first:** by what factor does NDCG@10 change between the best and the worst wording?

# %% tags=["half-day-2"]
# in place of None: your guess
guess("04-factor", None, "best wording over worst, NDCG@10", within=0.5)

# %% tags=["half-day-2"]
from tutorial_lib.evaluation import compare, evaluate, mean_interval
from tutorial_lib.strategies import STRATEGIES, adapt

MARGIN = 0.01  # a difference in NDCG@10 below this does not matter here: declared before looking
seen_wordings, new_wordings = templates("sequential"), templates("sequential", held_out=True)
if PROFILE == "smoke" or (PROFILE == "quick" and not KNOWN):
    # real titles are long, and slow to score
    seen_wordings, new_wordings = seen_wordings[:2], new_wordings[:2]


def judge(model):
    """NDCG@10 of each test user."""
    return evaluate(model, tested, k=10, expected=KNOWN)


def asked(template, calibrate=0):
    """The model as it is, asked in one wording, by plain likelihood."""
    return adapt(lm, split, "zero-shot", labels=0, template=template, calibrate=calibrate)


zero = {wording.source: judge(asked(wording)) for wording in seen_wordings}

# %% tags=["half-day-2"]
zero |= {wording.source: judge(asked(wording)) for wording in new_wordings}
by_wording = {source: mean_interval(frame, "ndcg@10") for source, frame in zero.items()}
order = sorted(by_wording, key=lambda source: -by_wording[source].mean)
held_out = {wording.source for wording in new_wordings}
starred = {("* " if source in held_out else "") + source: by_wording[source] for source in order}
bars(
    starred,
    quantity="test NDCG@10",
    caption=f"Zero-shot, {len(seen)} test users. A star marks wordings that the model never read. "
    "Whiskers: over users.",
)

# %%
first = SEQUENTIAL[0].source
others = {
    f"“{source}” − first": compare(zero[source], zero[first]) for source in order if source != first
}
by_words = verdict_table(others, MARGIN, caption="Other wordings against the first")

# %% tags=["half-day-2"]
from tutorial_lib.models import Popularity, Random

frames = {"random": judge(Random().fit(split)), "popularity": judge(Popularity().fit(split))}
popular, luck = (frames[name]["ndcg@10"].mean() for name in ("popularity", "random"))
means = np.array([by_wording[source].mean for source in order])
read = np.array([source not in held_out for source in order])
decided = sum(verdict != "inconclusive" for verdict in by_words.values())
say(
    f"Mean over wordings **{means.mean():.3f}**, from {means.min():.3f} to {means.max():.3f}, a "
    f"factor of {means.max() / means.min():.1f}. Popularity, with all labels: {popular:.3f}; "
    f"random: {luck:.3f}.",
    f"Wordings seen in pre-training: mean {means[read].mean():.3f}; "
    f"never read: {means[~read].mean():.3f}.",
    f"{decided} of {len(by_words)} comparisons are decided, with {len(seen)} users.",
)
turned_out("04-factor", means.max() / means.min())

# %% [markdown] tags=["half-day-2"]
# What that means: a wording is a setting, like a learning rate, and it moves the result by more
# than the margin. Hold the factor against the gains of notebook 03, which cost labels and training.
# To a small model a wording is no instruction; it is a cue, which works as far as the model has met
# it (compare the two means). A paper that reports one prompt has reported one draw: choose the
# wording on validation users, say how many you tried, and show the spread. A whisker in the figure
# is wide because *users* differ, and all wordings face the same users; that is why the paired table
# decides what the figure leaves open.

# %% tags=["half-day-2"]
quiz("04_prompting", "wording")

# %% [markdown]
# **Prompt editor.** Write your own template; keep the gap `{history}`. The list is one validation
# user's, the NDCG is over a few of them, so that you do not tune on the test. Leave the box (or
# press Tab) to see what comes of it.

# %%
from tutorial_workshop.figures import PromptEditor, next_item_chances

rows = [row for row, target in enumerate(split.valid_target) if len(target)][: SIZE // 4]
pasts = [split.valid_history[row] for row in rows]
editor = PromptEditor(
    lambda source: asked(Template("sequential", source, "{item}")),
    pasts,
    next_item_chances(ds, pasts, [split.valid_target[row][0] for row in rows]),
    words.titles,
)
explore(
    editor.draw,
    alt="Ten titles, best first, for the template in the text box, and its NDCG@10 over a few "
    "validation users.",
    describe=editor.describe,
    template=TextBox(
        (SEQUENTIAL[0].source, "I hated {history}. Recommend the opposite:", "{history}")
    ),
)

# %% [markdown]
# ## 3. What else moves the answer
# **Where a title ends.** The score above sums over the tokens of a title, and stops. So it is the
# probability that the answer *begins* with these words, not that it *is* this title, and a title
# can never pass another one that it begins with: “Dark Comet II” can never rank above “Dark Comet”,
# whoever asks. The remedy is to score one token more: the **closing token**, with which the model
# says that its answer is complete.
#
# To see what it changes, add fragments to the catalogue: each title without its last word, as items
# that nobody ever takes.
#
# **Guess first:** how much of the top ten do fragments take, without the closing token, and with
# it?

# %%
# in place of None: your guess
guess("04-without", None, "share of fragments without the token, 0 to 1", within=0.1)
guess("04-with", None, "share of fragments with it, 0 to 1", within=0.1)

# %%
from tutorial_lib.evaluation import expected_metrics

# A masked model fills a fixed number of places: it closes nothing.
CLOSING = {"without": ""} | ({"with": lm.tokenizer.eos_token} if lm.kind != "masked" else {})
some = seen[:30]
FEW = len(some)
targets = np.array([tested.test_target[row][0] for row in asked_on])
chance = next_item_chances(ds, seen, targets)  # a world's own; else 1 for the drawn target
fragments = {title.rsplit(" ", 1)[0] for title in words.titles} - set(words.titles)
longer = (*words.titles, *sorted(fragments))
catalogues = {"as it is": words.titles, "with fragments": longer}
rows, closed = [], {}
for (end, closing), (name, titles) in product(CLOSING.items(), catalogues.items()):
    written = replace(words, titles=titles, closing=closing)
    model = replace(asked(template), words=written, n_items=len(titles))
    with warnings.catch_warnings(action="ignore"):  # that some titles begin others is the point
        lists = model.recommend(some, k=10)
    wide = np.pad(chance[:FEW], [(0, 0), (0, len(titles) - ds.n_items)])
    closed[end, name] = expected_metrics(lists, wide, k=10)
    taken = (lists >= ds.n_items).mean()
    rows.append((name, end, closed[end, name]["ndcg@10"].mean(), taken))
columns = ["catalogue", "closing token", "NDCG@10", "share of fragments in the top ten"]
closed_table = pd.DataFrame(rows, columns=columns).set_index("catalogue")
table(closed_table, caption=f"Such as “{min(fragments)}”: {len(fragments)} fragments", digits=3)

# %%
begins = sum(a != b and b.startswith(a) for a in words.titles for b in words.titles)
effects = {
    f"{name}: with − without": compare(closed["with", name], closed["without", name])
    for name in catalogues
    if len(CLOSING) > 1
}
if effects:
    closing_verdicts = verdict_table(effects, MARGIN, caption="What the closing token changes")
say(f"Titles of {ds.name} that begin another title: {begins}.")
fragments_in = closed_table.loc[["with fragments"]].set_index("closing token").iloc[:, -1]
turned_out("04-without", fragments_in["without"])
turned_out("04-with", fragments_in.get("with"))

# %% [markdown]
# What that means: a catalogue with a film and its sequel, or with short and long names of one
# thing, is ranked wrongly without the closing token, and nothing in the scores tells you. In this
# world no title begins another one, so the kit scores without it. In a catalogue where some do, the
# kit warns (silenced above), and `verbaliser(dataset, closing=...)` makes every answer end with the
# token.
#
# **Length and habit.** A sum of log-probabilities favours short titles. Dividing by the number of
# tokens favours long ones. And some titles are likely whatever the history says. A title's **base
# rate** is its mean score after random histories, and takes no labels to measure. `adapt` takes
# three tenths of it off (*calibration*), which was chosen on validation users.

# %%
random_histories = np.random.default_rng(SEED).integers(ds.n_items, size=(8, 12))
after_history = log_likelihood(lm, prompts_of(template, some), words.titles)
after_random = log_likelihood(lm, prompts_of(template, random_histories), words.titles)
base_rate = np.log(np.exp(after_random.log_probability).mean(axis=0))


def top_ten(scores):
    """Items by score, seen ones left out: [n, 10]."""
    scores = scores.copy()
    for line, items in zip(scores, some):
        line[items] = -np.inf
    return np.argsort(-scores, axis=1)[:, :10]


kinds = {"sum": after_history.scores(), "mean over tokens": after_history.scores("length")}
for strength in (0.3, 1.0):
    less = after_history.scores(prior=base_rate, strength=strength)
    kinds[f"sum − {strength} × base rate"] = less
lists = {name: top_ten(scores) for name, scores in kinds.items()}
by_score = {name: expected_metrics(items, chance[:FEW], k=10) for name, items in lists.items()}

# %%
length = pd.DataFrame({"NDCG@10": {name: f["ndcg@10"].mean() for name, f in by_score.items()}})
length["tokens per title, top ten"] = [
    after_history.tokens[items].mean() for items in lists.values()
]
caption = f"{len(kinds)} scores of one model, {FEW} users; mean tokens of a title: "
table(
    length.rename_axis("score"),
    caption=caption + f"{after_history.tokens.mean():.1f}",
    digits=3,
)
against_sum = {
    f"{name} − sum": compare(frame, by_score["sum"])
    for name, frame in by_score.items()
    if name != "sum"
}
by_length = verdict_table(against_sum, MARGIN, caption="Other scores against the sum")

# %% [markdown]
# What that means: the three scores are three questions. The sum asks how likely the whole title is,
# the mean how likely one of its tokens, and a sum without the base rate how much *this history* has
# to do with it. See in the second column how the length of what is recommended follows the
# question, and in the verdicts whether the ranking does. Here, too, one prompt with one score is
# one draw of several.

# %%
quiz("04_prompting", "length")

# %% [markdown]
# **Order.** The truth of this world says that the last item matters most. Does the model read
# order, or a bag of titles? Write the same histories in another order, and judge the lists by what
# comes next after the *true* ones.

# %%
rng, model = np.random.default_rng(SEED), asked(template)
orders = {
    "as it was": seen,
    "newest first": [past[::-1] for past in seen],
    "shuffled": [rng.permutation(past) for past in seen],
}
by_order = {
    name: expected_metrics(model.recommend(pasts, k=10), chance, k=10)
    for name, pasts in orders.items()
}
changes = {
    f"{name} − as it was": compare(by_order[name], by_order["as it was"])
    for name in ("newest first", "shuffled")
}
order_verdicts = verdict_table(changes, MARGIN, caption="The same items in another order")

# %% [markdown]
# What that means: a model that reads a bag of titles would rank alike whatever the order, and the
# verdict would be *equivalent*. A model that uses the order loses where the newest item is no
# longer last. *Inconclusive* says neither; then ask more users before you call a model
# "sequential".

# %% [markdown]
# **Place in a list.** Now show four candidates and ask for one of them. Turn the list, so that each
# candidate stands once at each place: a model that goes by the titles chooses each place equally
# often, one time in four. And if the next item is one of the four, how often is it found, at each
# place?

# %%
direct = templates("direct")[0]


def strangers_to(row, draw):
    """Three items at random that a test user has not met."""
    unseen = np.setdiff1d(np.arange(ds.n_items), [*seen[row], targets[row]])
    return draw.choice(unseen, size=3, replace=False)


def choice(model, template, options, **gaps):
    """Place of the likeliest option."""
    gaps["candidates"] = words.separator.join(options)
    text = template.fill(noun=words.noun, plural=words.plural, **gaps)[0]
    return int(log_likelihood(model, [text], options).log_probability[0].argmax())


chosen, found = np.zeros((FEW, 4)), np.zeros((FEW, 4))
for row, past in enumerate(some):
    four = np.array([targets[row], *strangers_to(row, rng)])
    likely = chance[row, four] / chance[row, four].sum()
    for turn in range(4):
        options = [words.titles[item] for item in np.roll(four, turn)]
        place = choice(lm, direct, options, history=words.history(past[-6:]), item="")
        chosen[row, place] += 1 / 4
        found[row, place] += np.roll(likely, turn)[place]

# %%
by_place = {
    name: [pd.DataFrame({"share": values[:, place]}) for place in range(4)]
    for name, values in {"chosen": chosen, "right when it stands here": found}.items()
}
places = [f"place {place + 1}" for place in range(4)]
points(
    places,
    {name: [mean_interval(f, "share") for f in frames] for name, frames in by_place.items()},
    quantity="share out of four",
    caption=f"The same four candidates, turned through all places, {len(some)} users. "
    "Without a preference for a place all points of a kind are equal, and those chosen .25.",
)
even = pd.DataFrame({"share": np.full(FEW, 0.25)})
preferred = {
    f"{place} − .25": compare(frame, even, "share")
    for place, frame in zip(places, by_place["chosen"])
}
place_verdicts = verdict_table(preferred, 0.05, caption="Share of choices of each place")

# %% [markdown]
# What that means: in a list of candidates the model answers two questions at once, which title and
# which place. A preference for a place is wrong for every user in the same way, so averaging over
# users does not remove it, and a paper that always puts the right answer in one place measures the
# place. Turn the list, as here, or shuffle it for each user. The verdicts say whether *this* model
# prefers a place; where all are inconclusive, none is shown, and thirty users cannot rule it out.

# %% [markdown]
# ## 4. A few examples in the context
# *Few-shot* prompting shows solved examples first. Large models gain from it (Brown et al. 2020).
#
# **Guess first:** does a model of one million parameters gain, too?

# %%
# in place of None: your guess
guess("04-examples", None, "do three examples help", choices=["yes", "no"])

# %%
few_shot = adapt(lm, split, "few-shot", labels=8, seed=SEED, examples=3, calibrate=0)
with_examples, without = (
    expected_metrics(model.recommend(some, k=10), chance[:FEW], k=10)
    for model in (few_shot, asked(template))
)
learned = {"three examples − none": compare(with_examples, without)}
few_verdict = verdict_table(learned, MARGIN, caption="Examples in the context")
turned_out("04-examples", few_verdict["three examples − none"] == "better")
print(few_shot.prompt(history)[:300], "...")

# %% [markdown]
# To this model solved examples are more titles, from other people's histories, in front of the one
# that counts. Learning from examples in a prompt is an ability that models acquire with size and
# with text that holds such examples; this one has read none.

# %% [markdown]
# ## 5. From hard to soft prompts
# A hard prompt is made of words. A **soft prompt** is made of vectors, which move by gradient while
# the model stays frozen. A **prefix** does that in every layer. Both start here as the words of the
# hard prompt. `prompt-and-lm` (PEPLER) tunes the prompt first, then everything.
#
# **Guess first:** with 64 labelled users, how much better than the hard prompt is the soft one?

# %%
# in place of None: your guess
guess("04-soft", None, "gain of the soft prompt, NDCG@10", within=0.005)

# %%
LABELS = 8 if PROFILE == "smoke" else 64 if KNOWN else 16
STEPS = {"smoke": 2, "quick": 40, "full": 200}[PROFILE]  # of each live run
PROMPTED = ["soft-prompt"] + (["prefix"] if lm.kind == "causal" and PROFILE == "full" else [])


def tune(name, **more):
    """A strategy at its own learning rate, for so many steps."""
    live = replace(STRATEGIES[name].budget, shortest=STEPS, longest=STEPS, size=8)
    return adapt(lm, split, name, labels=LABELS, seed=SEED, budget=live, **more)


soft = {name: tune(name) for name in PROMPTED}

# %%
frames["zero-shot"] = judge(asked(template, calibrate=8))
frames |= {name: judge(model) for name, model in soft.items()}
rows = [
    (name, f"{m.n_trainable:,}", m.seconds, frames[name]["ndcg@10"].mean(), not m.moved["backbone"])
    for name, m in soft.items()
]
columns = ["strategy", "numbers that move", "seconds", "NDCG@10", "backbone unchanged"]
table(
    pd.DataFrame(rows, columns=columns).set_index("strategy"),
    caption=f"{LABELS} labelled users, one seed",
    digits=3,
)
tuned = {f"{name} − hard prompt": compare(frames[name], frames["zero-shot"]) for name in PROMPTED}
soft_verdicts = verdict_table(tuned, MARGIN, caption="Vectors against words, one seed")
turned_out("04-soft", tuned["soft-prompt − hard prompt"].difference)

# %% [markdown]
# One seed is one draw of labelled users. **Recorded** in the grid of notebook 06: the same question
# with five seeds, over budgets, with full fine-tuning and from-scratch beside it. Full fine-tuning
# is asked without words, as the survey defines it; `prompt-and-lm` has both the words and all the
# weights.

# %%
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import seed_means, select, show_label_curves

grid = select(load_results(), "world-movies", "kit-gpt")
drawn = ["from-scratch", "full", "soft-prompt", "prefix", "prompt-and-lm"]
curves = {name: line for name in drawn if (line := seed_means(grid, name))}
flat = ("zero-shot", "random", "ceiling")
levels = {name: line[0][1:] for name in flat if (line := seed_means(grid, name))}
show_label_curves(curves, levels, grid)

# %%
from tutorial_workshop.figures import family_tests, say_what_could_be_seen, table_of_tests

budgets = sorted(n for n in grid["labels"].unique() if n > 0)
pairs = [(name, "zero-shot") for name in ("soft-prompt", "prefix")]
against_words = family_tests(grid, pairs, budgets, MARGIN)
table_of_tests(against_words, "Prompts of vectors against the hard prompt, over seeds and users")
say_what_could_be_seen(against_words, MARGIN)

# %% [markdown]
# What that means: the vectors start as the words and can go anywhere from there. If the best place
# they find ranks no differently, then the wording was not what held this model back. *Equivalent*
# is a result, not a failure to find one: the interval rules out a difference that would matter.

# %%
quiz("04_prompting", "soft")

# %% [markdown]
# ## 6. One model, many tasks: P5
# P5 tunes one model on several tasks in many wordings, and keeps the prompts fixed. It is asked in
# wordings that it saw, and in others that were **held out**. Here: what comes next, like or not,
# how many stars, and which of four.

# %%
p5 = tune("multi-task")
rated = ds.interactions.drop_duplicates(["user", "item"]).set_index(["user", "item"])["rating"]
stars = np.array([rated[split.users[row], item] for row, item in zip(asked_on, targets)])
truths = {"like": np.where(stars >= 4, 0, 1), "rating": stars.round().astype(int) - 1}
answers_to = {"like": ["yes", "no"], "rating": list("12345")}


# %%
def right_answers(model, family, held_out):
    """Share of right answers over the test users, in the family's first wording."""
    wording = templates(family, held_out=held_out)[0]
    gaps = {"noun": words.noun, "plural": words.plural, "answer": "", "rating": ""}
    pasts = [words.history(past[-6:]) for past in seen]
    if family in truths:
        asks = [
            wording.fill(history=past, item=words.titles[item], **gaps)[0]
            for past, item in zip(pasts, targets)
        ]
        likely = log_likelihood(model, asks, answers_to[family]).log_probability.argmax(axis=1)
        return (likely == truths[family]).mean()
    right, draw = [], np.random.default_rng(SEED)
    for row, past in enumerate(pasts[:FEW]):
        four = draw.permutation([targets[row], *strangers_to(row, draw)])
        options = [words.titles[item] for item in four]
        place = choice(model, wording, options, history=past, item="")
        right.append(chance[row, four[place]] / chance[row, four].sum())
    return np.mean(right)


# %%
columns = ["before, seen wording", "P5, seen wording", "P5, held-out wording"]
who = [(lm, False), (p5.lm, False), (p5.lm, True)]
tasks = pd.DataFrame(columns=columns, index=pd.Index([], name="task"), dtype=float)
for family in ("like", "rating", "direct"):
    tasks.loc[family] = [right_answers(model, family, held_out) for model, held_out in who]
other = templates("sequential", held_out=True)[1]
frames |= {"multi-task": judge(p5), "multi-task, held-out": judge(replace(p5, template=other))}
frames["zero-shot, held-out"] = judge(asked(other, calibrate=8))
named = ("zero-shot", "multi-task", "multi-task, held-out")
tasks.loc["sequential (NDCG@10)"] = [frames[name]["ndcg@10"].mean() for name in named]
liked = (stars >= 4).mean()
table(
    tasks,
    caption=f"Right answers, {len(seen)} test users. Always the same answer gives "
    f"{max(liked, 1 - liked):.2f} on like; chance gives .25 on direct",
    digits=3,
)

# %%
pairs = [
    ("multi-task", "zero-shot"),
    ("multi-task, held-out", "zero-shot, held-out"),
    ("multi-task, held-out", "multi-task"),
]
steps = {f"{a} − {b}": compare(frames[a], frames[b]) for a, b in pairs}
multi_verdicts = verdict_table(steps, MARGIN, caption="What comes next, in seen and other wordings")

# %% [markdown]
# What that means: the first row is what tuning on several tasks adds in wordings that it saw. Had
# it learned the *task*, the second row would show the same gain and the third no loss. A gain that
# is only there in seen wordings was learned with the words. That is why a claim of "generalises to
# new prompts" needs both rows.

# %% [markdown]
# P5 also **writes**: an explanation is text after a prompt. Notebook 07 measures such text; here,
# read what tuning changed. (Opinions on products and news are all that the model has read before.)

# %%
from tutorial_lib.models import write_text

if lm.kind != "masked":
    title = words.titles[int(split.test_target[asked_on[0]][0])]
    gaps = {"rating": "5", "feature": "ending", "review": "", "noun": "", "plural": ""}
    question = templates("explanation")[0].fill(item=title, **gaps)[0]
    print(question)
    for name, model in (("before", lm), ("P5", p5.lm)):
        print(f"{name:>7}: {write_text(model, question)}")

# %%
quiz("04_prompting", "held-out")

# %% [markdown]
# **Instructions (InstructRec)** go further: an instruction is put together from a *preference*, an
# *intention* and a *form*. Some combinations are never trained on, though each of their parts is.

# %%
from tutorial_lib.language import HELD_OUT, instructions, seen_combinations
from tutorial_lib.models import answers

instructed = tune("instruct", calibrate=0)
asked_of = some[:20]
questions = {}
for name, combinations in (("seen", seen_combinations()), ("held out", HELD_OUT)):
    kinds = tuple(c for c in combinations if c[2] != "matching")
    drawn = [
        instructions(
            ds, asked_of, targets[: len(asked_of)].tolist(), combinations=kinds, seed=SEED + s
        )
        for s in range(3)
    ]
    questions[name] = sum(drawn, [])
print(questions["held out"][0].source, "→", questions["held out"][0].target)

# %%
instruct_points = {}
for who, model in {"before": lm, "tuned": instructed.lm}.items():
    right = [answers(model, one, words.titles)["correct"] for one in questions.values()]
    intervals = [mean_interval(x.astype(float).to_frame("right"), "right") for x in right]
    instruct_points[who] = intervals
points(
    [f"{name.replace(' ', '-')} combinations" for name in questions],
    instruct_points,
    quantity="share of right answers",
    caption="Yes or no, one of two, and first of five. Whiskers: 95 % intervals over instructions.",
)

# %% [markdown]
# What that means: compare the distance from *before* to *tuned* in the two rows. If it is as large
# for held-out combinations, the parts were learned; if only for seen ones, the sentences. Where the
# whiskers overlap as much as here, so few instructions do not show a gain in either row.

# %% [markdown]
# ## 7. Letting the model write
# So far every item was scored. A model can also **write** a title. Then it may write one that does
# not exist.
#
# **Exercise 04-trie** (about 10 minutes, difficulty 2 of 3). Write the tree that allows titles of
# the catalogue only.


# %%
def build_trie(sequences, end):
    """Nested dicts, token -> dict; the key `end` marks a complete candidate."""
    # SOLUTION BEGIN
    root = {}
    for sequence in sequences:
        node = root
        for token in sequence:
            node = node.setdefault(token, {})
        node[end] = True
    return root
    # SOLUTION END


build_trie = attempt(build_trie, exercise="04-trie")

# %%
hint("04-trie")

# %%
tree = build_trie([lm.target_ids(title) for title in words.titles], "end")
first = [lm.tokenizer.decode([token]).strip() for token in list(tree)[:6]]
print(f"{len(tree)} ways to begin a title:", ", ".join(first), "...")

# %% [markdown]
# The tree does more than forbid. log p only falls along a path, so no title is likelier than its own
# beginning. Go on with the likeliest beginning each time: the first title that is complete *and* the
# likeliest of all that is open is the best one of the whole catalogue, and most of the tree was
# never read.
#
# **Exercise 04-best** (build, about 15 minutes, difficulty 3 of 3). Write that search. It is
# exact, unlike beam search, which drops beginnings that look poor so far.

# %%
import heapq

import torch


# %%
def best_titles(tree, end, next_log_p, k):
    """[(title, log p)] of the k likeliest titles, best first; a title is a tuple of tokens.

    next_log_p(beginning): {token: log p} after a tuple of tokens. It runs the model: ask it rarely.
    """
    # SOLUTION BEGIN
    found, nodes = [], {(): tree}
    heap = [(0.0, (), False)]  # -log p, beginning, whether it is taken as a title
    while heap and len(found) < k:
        loss, path, is_title = heapq.heappop(heap)
        if is_title:
            found.append((path, -loss))
            continue
        children = {token: node for token, node in nodes[path].items() if token != end}
        if end in nodes[path]:
            heapq.heappush(heap, (loss, path, True))
        for token, log_p in next_log_p(path).items() if children else ():
            if token in children:
                nodes[(*path, token)] = children[token]
                heapq.heappush(heap, (loss - log_p, (*path, token), False))
    return found
    # SOLUTION END


best_titles = attempt(best_titles, exercise="04-best")

# %%
hint("04-best")

# %%
if lm.kind == "causal":
    plain, read = asked(template), []
    source = lm.prompt_ids(plain.prompt(some[0]), room=40)

    def after(beginning):
        """{token: log p} behind the prompt and a beginning, and a note that it was read."""
        read.append(beginning)
        with torch.inference_mode():
            logits = lm.read(*lm.padded([[*source, *beginning]])).logits[0, -1]
        return dict(enumerate(logits.log_softmax(dim=0).tolist()))

    best = best_titles(tree, "end", after, 10)
    every = log_likelihood(lm, [plain.prompt(some[0])], words.titles).log_probability[0]
    same = np.allclose([log_p for _, log_p in best], np.sort(every)[::-1][:10], atol=1e-3)
    say(
        f"Search: {whose(best_titles, '04-best')}. Ten best of {len(every)} titles, the same log p "
        f"as by scoring all: {same}. Beginnings read: {len(read)} of "
        f"{(plain.trie.n_children > 0).sum()}.",
        "The best: " + "; ".join(lm.tokenizer.decode(title).strip() for title, _ in best[:3]) + ".",
    )

# %% [markdown]
# That is how the library ranks by likelihood (`tutorial_lib/models/best_titles.py`, many prompts at
# a time): exactly, for part of the work. Now beam search, with the tree and without.

# %%
if lm.kind != "masked":
    writers, model = some[: 4 if PROFILE == "smoke" else 20], asked(template)
    lists = {
        "free": [model.write(past, beams=10, constrained=False) for past in writers],
        "trie": [model.write(past, beams=10) for past in writers],
    }
    invalid = {}
    for name, beams in lists.items():
        invalid[name] = float(np.mean([(beam.items < 0).mean() for beam in beams]))
        say(f"Share of written titles that are no item, {name}: **{invalid[name]:.0%}**.")
    texts = [text for beam in lists["free"] for text, i in zip(beam.texts, beam.items) if i < 0]
    say(f"Written freely, and not in the catalogue: {'; '.join(texts[:4]) or 'nothing'}.")


# %%
def hit_at_5(row, beam, drop):
    """The chance that the next item is among the first five written texts."""
    items = beam.items[beam.items >= 0] if drop else beam.items
    first_five = [item for item in dict.fromkeys(items[:5].tolist()) if item >= 0]
    return chance[row, first_five].sum()


if lm.kind != "masked":
    rows = []
    for name, beams in lists.items():
        for rule, drop in (("count invalid as a miss", False), ("drop invalid, move up", True)):
            hits = [hit_at_5(row, beam, drop) for row, beam in enumerate(beams)]
            rows.append((name, rule, float(np.mean(hits))))
    counted = pd.DataFrame(rows, columns=["beam search", "rule", "hit@5"]).set_index("beam search")
    caption = f"{len(writers)} users: dropping what does not exist flatters the free model"
    table(counted, caption=caption, digits=3)

# %%
quiz("04_prompting", "invalid")

# %% [markdown]
# ## 8. IDs that tell the answer
# P5 writes items as numbers: `item_7391`. Who numbers the items, and in which order? P5's published
# code walks along each user's **whole** sequence, test item included. In a sparse catalogue the
# next number is then often the answer.
#
# **Guess first:** what NDCG@10 has the rule "largest number in the history, plus one", in a sparse
# catalogue of some thousand items?

# %%
# in place of None: your guess
guess("04-leak", None, "NDCG@10 of largest number plus one", within=0.1)

# %%
from tutorial_lib.models import NextNumber, TransitionKNN
from tutorial_recipes.worlds import make_world

people = 200 if PROFILE == "smoke" else 400
sparse = make_world("products", n_users=people, n_items=3000, mean_length=8, seed=SEED)
numbered = leave_last_out(sparse)
schemes = ("leak-prone", "training-first", "random")
rules = {f"max + 1, {scheme} IDs": NextNumber(scheme) for scheme in schemes}
rules |= {"popularity": Popularity(), "transition counts": TransitionKNN()}
rules = {name: model.fit(numbered) for name, model in rules.items()}
leak = {name: evaluate(model, numbered, k=10) for name, model in rules.items()}
fair = {name: evaluate(model, numbered, k=10, expected=True) for name, model in rules.items()}
points(
    list(rules),
    {
        "drawn targets": [mean_interval(frame, "ndcg@10") for frame in leak.values()],
        "in expectation": [mean_interval(frame, "ndcg@10") for frame in fair.values()],
    },
    quantity="test NDCG@10",
    caption=f"A sparse world: {sparse.n_users} users, {sparse.n_items:,} items. "
    "The rule has learned nothing.",
)
turned_out("04-leak", leak["max + 1, leak-prone IDs"]["ndcg@10"].mean())

# %% [markdown]
# What that means: the rule knows nothing of taste. Under leak-prone numbers it beats a real
# baseline on the drawn targets, since those got their numbers together with the rest of the
# sequence. Judged in expectation, by all items that could have come next, it is where it belongs.
# That is the surest test for a leak: **let another target be drawn**, and see whether the score
# stays. Real data cannot be drawn again, so there the numbers must be given without the test items,
# and the rule must stand beside every model that reads IDs: what the rule finds, a model that reads
# digits can find, too.
#
# IDs have a second trap, from section 3: `item_7` begins `item_73`. Close them, as in
# `replace(ids.verbaliser(), closing=";")`, before a language model ranks them.

# %%
quiz("04_prompting", "leak")

# %% [markdown]
# ## 9. A real model, real titles
# All numbers above are of a model with a million parameters in a made-up world. Does a real one
# behave like that? SmolLM2-135M-Instruct has read 2 trillion tokens of the web, films among them,
# and can be asked in words. On MovieLens-100K it was asked "will this user like that film?" in
# eight wordings, each with two possible answers: yes or no, good or bad, true or false. Answers
# below are **recorded** (`python benchmarks/real_lm.py`).
#
# **Guess first:** half of the films were liked. How far apart are the lowest and the highest share
# of "yes" of the eight wordings?

# %%
# in place of None: your guess
guess("04-yes", None, "highest minus lowest share of yes, 0 to 1", within=0.15)

# %%
from tutorial_workshop.figures import probe, show_reranking, show_wordings

told = show_wordings(probe("wordings"))
turned_out("04-yes", told["yes"].max() - told["yes"].min())

# %% [markdown]
# What that means: what the model *says* depends on the wording more than on the film. A system that
# asks "yes or no?" and believes the answer has measured its own wording. Two ways out: rank by the
# log-odds, which need no threshold; or set a threshold on a few users whose answers you know
# (**calibration**). Here it is set on validation users, where as many films shall be a "yes" as
# were liked.

# %%
from tutorial_workshop.figures import show_forms, show_threshold

set_right = show_threshold(probe("wordings"))

# %% [markdown]
# A threshold brings the share of "yes" near the share that was liked, from any wording. That is all
# it can do: it changes no order, and the last column stays near a coin's.
#
# And the form of one and the same question? Dislikes before likes, "no or yes" in place of "yes or
# no", and the model's own **chat template** (the marks around a turn with which it was tuned) in
# place of plain text.

# %%
forms = show_forms(probe("forms"))

# %% [markdown]
# Nothing in the question changed, and yet answers turn: look at the last column. The form belongs
# into the report, like a seed.
#
# Does it know more about a user's taste than what everybody watches? Each user's next film stands
# among ten films of the same popularity, so counting heads is worth nothing. **PMI** (pointwise
# mutual information) is the title's log-probability after the history minus the one after no
# history: what the history adds.

# %%
real_verdicts = show_reranking(probe("reranking"), 0.02)

# %% [markdown]
# What that means: read the first row of verdicts for what the text of the titles adds, and the last
# for what it is worth beside a counter that has read the same users' histories. A real language
# model that cannot pass `EASE` here is no reason to give up prompting; it is a reason to have
# `EASE` in the table.
#
# **Try it:** ask the model yourself, for five users, in a wording of your own. (With the package
# installed it takes about half a minute.)

# %%
from tutorial_workshop.figures import ask_users

if PROFILE != "smoke":
    ask_users(["plain", "claim"], users=5)

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
wordings = (means.mean(), means.min(), means.max(), 1)
rows = [("zero-shot NDCG@10, mean over wordings", *wordings)]
for name, frame in frames.items():
    i = mean_interval(frame, "ndcg@10")
    rows.append((f"NDCG@10, {name}", i.mean, i.low, i.high, 1))
for name, c in (changes | learned | tuned).items():
    rows.append((name, c.difference, *c.ci, 1))
for i in against_words.to_dict("records"):
    what = f"recorded: {i['strategy']} − {i['against']}, {i['labels']} labels: {i['verdict']}"
    rows.append((what, i["gain"], i["95 % low"], i["95 % high"], grid["seed"].nunique()))
for name, frame in leak.items():
    i = mean_interval(frame, "ndcg@10")
    rows.append((f"leak: {name}", i.mean, i.low, i.high, 1))
recap_table(
    rows,
    caption=f"{ds.name}; first row: lowest and highest of {len(means)} wordings; "
    "else intervals over users, or over seeds",
)

# %%
my_guesses()

# %%
if KNOWN:
    golden("04.wording.best", means.max(), trivial=means.min())
golden(
    "04.leak.rule",
    leak["max + 1, leak-prone IDs"]["ndcg@10"].mean(),
    trivial=leak["max + 1, random IDs"]["ndcg@10"].mean(),
)
if lm.kind != "masked":
    golden("04.invalid.free", invalid["free"])

# %% [markdown]
# ## Pitfalls
# - **One prompt, one number.** Report a spread over wordings, and say which were chosen on
#   validation.
# - **Likelihood is not preference.** Short, common titles are likely for everybody. Compare scores
#   that correct for it.
# - **A sum that stops early.** Without its closing token, a title scores as the beginning of
#   anything, and a title that begins another one always ranks above it.
# - **"Not significant" read as "no difference".** Declare a margin, and ask whether the interval
#   lies within it.
# - **Dropping what cannot be parsed.** Count invalid answers as misses, or use a trie, and say
#   which.
# - **"Unseen prompt" in a multi-task model** tests the wording, not the task. Hold out combinations
#   too.
# - **IDs made with the test in view.** Number items from the training part only, and run the max +
#   1 rule beside every ID-based model.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation. TACL 11. [arXiv
#   2302.03735](https://arxiv.org/abs/2302.03735)
# - Sileo, Vossen, Raymaekers 2022. Zero-shot recommendation as language modeling.
#   [arXiv 2112.04184](https://arxiv.org/abs/2112.04184)
# - Geng et al. 2022. Recommendation as language processing (P5). [arXiv
#   2203.13366](https://arxiv.org/abs/2203.13366)
# - Hua, Xu, Ge, Zhang 2023. How to index item IDs for recommendation foundation models.
#   [arXiv 2305.06569](https://arxiv.org/abs/2305.06569)
# - Zhang et al. 2023. Recommendation as instruction following (InstructRec). [arXiv
#   2305.07001](https://arxiv.org/abs/2305.07001)
# - Li, Zhang, Chen 2022. Personalized prompt learning for explainable recommendation (PEPLER).
#   [arXiv 2202.07371](https://arxiv.org/abs/2202.07371)
# - Lester, Al-Rfou, Constant 2021. The power of scale for parameter-efficient prompt tuning.
#   [arXiv 2104.08691](https://arxiv.org/abs/2104.08691)
# - Brown et al. 2020. Language models are few-shot learners. [arXiv
#   2005.14165](https://arxiv.org/abs/2005.14165)
# - Sclar et al. 2023. Quantifying language models' sensitivity to spurious features in prompt
#   design. [arXiv 2310.11324](https://arxiv.org/abs/2310.11324)
#
# **What next:** notebook 05 lets a search write the prompt (PAP-REC). Before you go on: find a
# wording in the editor that beats all twelve on validation, then look once at the test, and see how
# much of the gain is left.
