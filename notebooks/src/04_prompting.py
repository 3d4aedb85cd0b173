# %% [markdown] tags=["title"]
# # 04 · Prompting
# **How far does a model get without new weights, when does a prompt help, and when does it only
# seem to help?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *write* a verbaliser, and *rank* a catalogue by likelihood, without any training (exercise
# >   04-verbalise, question 2)
# > - *report* a prompt's result as a spread over wordings, orders and positions, not as one number
# >   (question 1)
# > - *compare* hard prompts, soft prompts and prefixes at equal labels (question 3)
# > - *test* a multi-task model on wordings and on combinations that it never saw (question 4)
# > - *write* the trie that keeps a model inside the catalogue, and *spot* IDs that tell the answer
# >   (exercise 04-trie, questions 5, 6)
# >
# > **You need:** notebook 03. **Time:** 45 minutes to follow, 80 with the exercises. **Hardware:**
# > two CPU cores and 2 GB of memory; scoring and tuning take about three minutes in all. No GPU.
# > **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a few users and steps | quick: 12 test users | full: 400 test users
DATASET = "world-movies"  # or "world-products", "world-news" (pre-trained on); real: "ml-100k"
LM = "kit-gpt"  # or "kit-bert", "kit-t5", a Hub id or a folder; not "minilm", an encoder
SEED = 0  # any whole number from 0; draws test users, labelled users and orders

# %% [markdown]
# ## 1. From a history to a prompt
# A language model reads text. So the history has to become text first: that is what a
# **verbaliser** does.
#
# **Exercise 04-verbalise.** Write one.

# %%
import time
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd

# %%
from tutorial_lib.language import SEQUENTIAL, Template, templates, verbaliser
from tutorial_workshop.figures import difference_in_words, recap_table
from tutorial_workshop.page import TextBox, attempt, bars, explore, golden, hint
from tutorial_workshop.page import points, quiz, say, show, table, whose


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
if ds.truth is None:
    ds = ds.k_core(50)  # real titles are long and slow to score: a smaller catalogue
split, words = leave_last_out(ds), verbaliser(ds)
SIZE = {"smoke": 6, "quick": 12, "full": 400}[PROFILE] // (1 if ds.truth is not None else 3)
tested = split.sample_targets(SIZE, seed=SEED)
checked = split.sample_targets(SIZE, seed=SEED + 1000)
history = list(next(h for h, t in zip(tested.test_history, tested.test_target) if len(t)))
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

# %% [markdown]
# ## 2. One number, or a spread?
# Papers often report one prompt. Ask the same model the same thing in twelve wordings, eight of
# which it has met in pre-training.
#
# **Guess first:** by what factor does NDCG@10 change between the best and the worst wording?

# %%
from tutorial_lib.evaluation import compare, evaluate, holm, mean_interval
from tutorial_lib.strategies import Budget, adapt

seen_wordings, new_wordings = templates("sequential"), templates("sequential", held_out=True)
if PROFILE == "smoke" or (PROFILE == "quick" and ds.truth is None):
    # real titles are long, and slow to score
    seen_wordings, new_wordings = seen_wordings[:2], new_wordings[:2]


def ask(template):
    """Test metrics of one wording, zero-shot."""
    return evaluate(adapt(lm, split, "zero-shot", labels=0, template=template), tested, k=10)


zero = {template.source: ask(template) for template in seen_wordings}

# %%
zero |= {template.source: ask(template) for template in new_wordings}
by_wording = {source: mean_interval(frame, "ndcg@10") for source, frame in zero.items()}
order = sorted(by_wording, key=lambda source: -by_wording[source].mean)
held_out = {t.source for t in new_wordings}
starred = {("* " if source in held_out else "") + source: by_wording[source] for source in order}
bars(
    starred,
    quantity="test NDCG@10",
    caption=f"Zero-shot, {len(zero[order[0]])} test users. A star marks wordings that the model "
    "never read. Whiskers: over users.",
)

# %%
from tutorial_lib.models import Popularity, Random

fitted = {"random": Random().fit(split), "popularity": Popularity().fit(split)}
frames = {name: evaluate(model, tested, k=10) for name, model in fitted.items()}
popular, chance = (frames[name]["ndcg@10"].mean() for name in ("popularity", "random"))
means = np.array([by_wording[source].mean for source in order])
read = np.array([source not in held_out for source in order])
say(
    f"Mean over wordings **{means.mean():.3f}**, from {means.min():.3f} to {means.max():.3f}. "
    f"Popularity, with all labels: {popular:.3f}; random: {chance:.3f}.",
    f"Wordings seen in pre-training: mean {means[read].mean():.3f}; "
    f"never read: {means[~read].mean():.3f}.",
)

# %%
quiz("04_prompting", "wording")

# %% [markdown]
# **Prompt editor.** Write your own template; keep the gap `{history}`. The list is one validation
# user's, the NDCG is over a handful of them, so that you do not tune on the test. Leave the box (or
# press Tab) to see what comes of it.

# %%
from tutorial_workshop.figures import PromptEditor

rows = [row for row, target in enumerate(checked.valid_target) if len(target)][
    : 4 if PROFILE == "smoke" else 12
]
editor = PromptEditor(
    lambda source: adapt(
        lm, split, "zero-shot", labels=0, template=Template("sequential", source, "{item}")
    ),
    [split.valid_history[row] for row in rows],
    [split.valid_target[row][0] for row in rows],
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
# probability that the answer *begins* with these words, not that it *is* this title, and a fragment
# is always at least as likely as the title that it begins. The remedy is to score one token more:
# the **closing token**, with which the model says that its answer is complete.
#
# **Guess first:** take the last word away from some titles. How often does the fragment rank above
# its own title, without the closing token, and with it?

# %%
# A masked model fills a fixed number of places: it closes nothing.
closing = lm.tokenizer.eos_token if lm.kind != "masked" else ""
seen = [h for h, t in zip(tested.test_history, tested.test_target) if len(t)]
if closing:
    whole = [title for title in words.titles if len(title.split()) > 1][:60]
    cut = [title.rsplit(" ", 1)[0] for title in whole]
    ask_again = prompts_of(template, seen)
    for name, end in (("without", ""), ("with", closing)):
        pair = log_likelihood(lm, ask_again, [text + end for text in cut + whole])
        fragment, title = np.split(pair.log_probability, 2, axis=1)
        ahead = (fragment >= title).mean()
        say(f"**{name.capitalize()}** the closing token, the fragment is ahead: {ahead:.0%}.")
    say(f"Pairs such as “{cut[0]}” against “{whole[0]}”: {len(whole)}, {len(seen)} users.")
else:
    say("A masked model is told how many tokens the title has: it cannot be asked for its end.")

# %% [markdown]
# In a catalogue it matters as soon as one title is the beginning of another one, as a film and its
# sequel: without a closing token the sequel can never win. The library's `score` leaves the token
# out, since no title of these worlds begins another one; check yours before you do the same.
#
# **Length and habit.** A sum of log-probabilities favours short titles. Dividing by the number of
# tokens favours long ones. And some titles are likely whatever the history says. A title's **base
# rate** is its mean score after random histories, and takes no labels to measure. `adapt` takes
# three tenths of it off (*calibration*), which was chosen on validation users.

# %%
random_histories = np.random.default_rng(SEED).integers(ds.n_items, size=(8, 12))
after_history = log_likelihood(lm, prompts_of(template, seen), words.titles)
after_random = log_likelihood(lm, prompts_of(template, random_histories), words.titles)
base_rate = np.log(np.exp(after_random.log_probability).mean(axis=0))
targets = np.array([t[0] for t in tested.test_target if len(t)])


def top_ten(scores):
    """(NDCG@10, mean tokens of the titles in the top ten), seen items left out."""
    scores = scores.copy()
    for line, items in zip(scores, seen):
        line[items] = -np.inf
    lists = np.argsort(-scores, axis=1)[:, :10]
    place = (lists == targets[:, None]).argmax(axis=1)
    gain = np.where((lists == targets[:, None]).any(axis=1), 1 / np.log2(place + 2), 0.0)
    return gain.mean(), after_history.tokens[lists].mean()


# %%
kinds = {"sum": after_history.scores(), "mean over tokens": after_history.scores("length")}
for strength in (0.3, 1.0):
    less = after_history.scores(prior=base_rate, strength=strength)
    kinds[f"sum − {strength} × base rate"] = less
if closing:
    closed = [title + closing for title in words.titles]
    closed = log_likelihood(lm, prompts_of(template, seen), closed)
    kinds["sum with the closing token"] = closed.scores()
rows = {name: top_ten(scores) for name, scores in kinds.items()}
length = pd.DataFrame(rows, index=["NDCG@10", "tokens per title, top ten"]).T.rename_axis("score")
caption = f"{len(kinds)} scores of one model, {len(targets)} users; mean tokens of a title: "
table(length, caption=caption + f"{after_history.tokens.mean():.1f}", digits=3)
begins = sum(a != b and b.startswith(a) for a in words.titles for b in words.titles)
say(f"Titles here that begin another title: {begins}.")

# %%
quiz("04_prompting", "length")

# %% [markdown]
# **Order.** The truth of this world says that the last item matters most. Does the model read
# order, or a bag of titles? And in a list of candidates: does it prefer a place?

# %%
rng, hist = np.random.default_rng(SEED), tested.test_history
turned, mixed = [h[::-1] for h in hist], [rng.permutation(h) for h in hist]
orders = {
    "newest first": replace(tested, test_history=turned),
    "shuffled": replace(tested, test_history=mixed),
}
asked = adapt(lm, split, "zero-shot", labels=0)
by_order = {name: evaluate(asked, changed, k=10) for name, changed in orders.items()}
by_order["as it was"] = zero[SEQUENTIAL[0].source]
change = {
    name: compare(by_order[name], by_order["as it was"]) for name in ("newest first", "shuffled")
}
rows = [
    (name, c.difference, *c.ci, p)
    for (name, c), p in zip(change.items(), holm([c.p for c in change.values()]))
]
columns = ["history", "NDCG@10, change", "95 % low", "95 % high", "p adjusted"]
table(
    pd.DataFrame(rows, columns=columns).set_index("history"),
    caption="Paired over users; p adjusted for two tests (Holm)",
)


# %%
def one_of_four(history, target, places):
    """For each place four titles: the target there, among three drawn items."""
    known = [*history, target]
    others = rng.choice(np.setdiff1d(np.arange(ds.n_items), known), size=3, replace=False)
    return [[words.titles[i] for i in np.insert(others, at, target)] for at in places]


def choice(model, template, options, **gaps):
    """Place of the likeliest option."""
    gaps["candidates"] = words.separator.join(options)
    text = template.fill(noun=words.noun, plural=words.plural, **gaps)[0]
    return int(log_likelihood(model, [text], options).log_probability[0].argmax())


# %%
direct = templates("direct")[0]
right = {place: [] for place in range(4)}
for past, target in zip(seen, targets):
    for place, options in enumerate(one_of_four(past, target, range(4))):
        chosen = choice(lm, direct, options, history=words.history(past[-6:]), item="")
        right[place].append(float(chosen == place))
by_place = [mean_interval(pd.DataFrame({"x": values}), "x") for values in right.values()]
points(
    [f"place {place + 1}" for place in right],
    {"right answer": by_place},
    quantity="share of right choices out of four",
    caption="The same four candidates, the right one at each of four places. "
    "A model without position effects has four equal points.",
)

# %% [markdown]
# ## 4. A few examples in the context
# *Few-shot* prompting shows solved examples first. Large models gain from it (Brown et al. 2020).
#
# **Guess first:** does a model of one million parameters?

# %%
none = zero[SEQUENTIAL[0].source]
three = evaluate(adapt(lm, split, "few-shot", labels=8, seed=SEED, examples=3), tested, k=10)
learned = compare(three, none)
say(
    f"NDCG@10 with no example {none['ndcg@10'].mean():.3f}, with 3 {three['ndcg@10'].mean():.3f}.",
    f"Three − none, paired: {difference_in_words(learned)}.",
)

# %% [markdown]
# ## 5. From hard to soft prompts
# A hard prompt is made of words. A **soft prompt** is made of vectors, which move by gradient while
# the model stays frozen. A **prefix** does that in every layer. Both start here as the words of the
# hard prompt. `prompt-and-lm` (PEPLER) tunes the prompt first, then everything.
#
# **Guess first:** with 64 labelled users, what beats tuning the whole model?

# %%
LABELS = 8 if PROFILE == "smoke" else 64
short = Budget(learning_rate=2e-3, shortest=2, longest=2, size=4) if PROFILE == "smoke" else None
PROMPTED = ["soft-prompt", "prompt-and-lm"] + (["prefix"] if lm.kind == "causal" else [])
soft = {name: adapt(lm, split, name, labels=LABELS, seed=SEED, budget=short) for name in PROMPTED}
frames |= {name: evaluate(model, tested, k=10) for name, model in soft.items()}
frames["zero-shot"] = zero[SEQUENTIAL[0].source]
rows = [
    (
        name,
        f"{m.n_trainable:,}",
        m.seconds,
        frames[name]["ndcg@10"].mean(),
        m.moved["backbone"] == 0,
    )
    for name, m in soft.items()
]
columns = ["strategy", "numbers that move", "seconds", "NDCG@10", "backbone unchanged"]
table(
    pd.DataFrame(rows, columns=columns).set_index("strategy"),
    caption=f"{LABELS} labelled users, one seed",
    digits=3,
)

# %% [markdown]
# **Recorded** over several seeds (`data/results/strategies.csv`), with full fine-tuning and
# from-scratch beside them. Full fine-tuning is asked without words, as the survey defines it;
# `prompt-and-lm` has both the words and all the weights.

# %%
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import paired_table, seed_means, show_label_curves

recorded = recorded_table("strategies.csv")
curves = {
    name: seed_means(recorded, name)
    for name in ("from-scratch", "full", "soft-prompt", "prefix", "prompt-and-lm")
}
levels = {
    name: seed_means(recorded, name)[0][1:]
    for name in ("zero-shot", "ceiling", "popularity, all labels")
}
at = recorded[recorded["strategy"] == "full"].groupby("labels")["seed"].nunique()
show_label_curves(curves, levels, at)

# %%
with_prompts = ["soft-prompt", "prefix", "prompt-and-lm"]
against = paired_table(recorded, ["from-scratch", "full"], with_prompts)
table(
    against,
    caption="Prompt strategies against others at the same labels, "
    "paired over users and seeds; one family",
    digits=3,
)
sure = against[against["p adjusted"] < 0.05]
gains = {base: sure.loc[sure["against"] == base, "gain"] for base in ("from-scratch", "full")}
tests = (against["against"] == "from-scratch").sum()
say(
    f"Over {len(against)} tests in all (Holm): against from-scratch, {len(gains['from-scratch'])} "
    f"of {tests} gains are significant after adjustment.",
    f"Against full fine-tuning, prompts are significantly ahead in {(gains['full'] > 0).sum()} "
    f"places and behind in {(gains['full'] < 0).sum()}.",
    "Where no test shows full fine-tuning ahead of them, that does not show that it is not.",
)

# %%
quiz("04_prompting", "soft")

# %% [markdown]
# ## 6. One model, many tasks: P5
# P5 tunes one model on several tasks in many wordings, and keeps the prompts fixed. It is asked in
# wordings that it saw, and in others that were **held out**. Here: what comes next, like or not,
# how many stars, and which of four.

# %%
P5_LABELS = 8 if PROFILE == "smoke" else 64
budget = short or Budget(1e-3, longest=50)
p5 = adapt(lm, split, "multi-task", labels=P5_LABELS, seed=SEED, budget=budget)
rated = ds.interactions.drop_duplicates(["user", "item"]).set_index(["user", "item"])["rating"]
asked_on = [row for row, t in enumerate(tested.test_target) if len(t)]


def task_of(family, row, draw):
    """(options, place of the true one) for a test user: like, rating 1 to 5, or one of four."""
    item, past = int(split.test_target[row][0]), split.test_history[row]
    stars = rated[split.users[row], item]
    if family == "like":
        return ["yes", "no"], 0 if stars >= 4 else 1
    if family == "rating":
        return list("12345"), round(stars) - 1
    unseen = np.setdiff1d(np.arange(ds.n_items), [*past, item])
    options = draw.permutation([item, *draw.choice(unseen, size=3, replace=False)])
    return [words.titles[i] for i in options], options.tolist().index(item)


# %%
def task_accuracy(model, family, held_out):
    """Share of right answers over the test users, in the family's first wording."""
    draw, wording = np.random.default_rng(SEED), templates(family, held_out=held_out)[0]
    right = []
    for row in asked_on:
        options, truth = task_of(family, row, draw)
        history = words.history(split.test_history[row][-6:])
        item = words.titles[int(split.test_target[row][0])]
        gaps = {"history": history, "item": item, "answer": "", "rating": ""}
        right.append(choice(model, wording, options, **gaps) == truth)
    return float(np.mean(right))


# %%
columns = ["before, seen wording", "P5, seen wording", "P5, held-out wording"]
asked = [(lm, False), (p5.lm, False), (p5.lm, True)]
tasks = pd.DataFrame(columns=columns, index=pd.Index([], name="task"), dtype=float)
for family in ("like", "rating", "direct"):
    tasks.loc[family] = [task_accuracy(model, family, held) for model, held in asked]
reworded = replace(p5, template=templates("sequential", held_out=True)[1])
rankings = [frames["zero-shot"], *(evaluate(model, tested, k=10) for model in (p5, reworded))]
tasks.loc["sequential (NDCG@10)"] = [frame["ndcg@10"].mean() for frame in rankings]
liked = np.mean([task_of("like", row, None)[1] == 0 for row in asked_on])
table(
    tasks,
    caption=f"Right answers, {len(asked_on)} test users. Always the same answer gives "
    f"{max(liked, 1 - liked):.2f} on like; chance gives .25 on direct",
    digits=2,
)

# %% [markdown]
# P5 also **writes**: an explanation is text after a prompt. Notebook 07 measures such text; here,
# read what tuning changed.

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

budget = short or Budget(1e-3, longest=50)
options = {"labels": P5_LABELS, "seed": SEED, "budget": budget, "calibrate": 0}
instructed = adapt(lm, split, "instruct", **options)
few = asked_on[: 6 if PROFILE == "smoke" else 30]
pasts = [split.test_history[row] for row in few]
nexts = [int(split.test_target[row][0]) for row in few]
questions = {}
for name, combinations in (("seen", seen_combinations()), ("held out", HELD_OUT)):
    kinds = tuple(c for c in combinations if c[2] != "matching")
    drawn = [instructions(ds, pasts, nexts, combinations=kinds, seed=SEED + s) for s in range(3)]
    questions[name] = [question for some in drawn for question in some]
print(questions["held out"][0].source, "→", questions["held out"][0].target)

# %%
instruct_points = {}
for who, model in {"before": lm, "tuned": instructed.lm}.items():
    right = [answers(model, some, words.titles)["correct"] for some in questions.values()]
    intervals = [mean_interval(x.astype(float).to_frame("right"), "right") for x in right]
    instruct_points[who] = intervals
points(
    [f"{name} combinations" for name in questions],
    instruct_points,
    quantity="share of right answers",
    caption="Yes or no, one of two, and first of five. Whiskers: 95 % intervals over instructions.",
)

# %% [markdown]
# ## 7. Letting the model write
# So far every item was scored. A model can also **write** a title. Then it may write one that does
# not exist.
#
# **Exercise 04-trie.** Write the tree that allows titles of the catalogue only.


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

# %%
if lm.kind != "masked":
    some = pasts[: 4 if PROFILE == "smoke" else 15]
    zero_shot = adapt(lm, split, "zero-shot", labels=0)
    lists = {
        "free": [zero_shot.write(past, beams=10, constrained=False) for past in some],
        "trie": [zero_shot.write(past, beams=10) for past in some],
    }
    invalid = {}
    for name, beams in lists.items():
        invalid[name] = float(np.mean([(beam.items < 0).mean() for beam in beams]))
        say(f"Share of written titles that are no item, {name}: **{invalid[name]:.0%}**.")
    texts = [text for beam in lists["free"] for text, i in zip(beam.texts, beam.items) if i < 0]
    say(f"Written freely, and not in the catalogue: {'; '.join(texts[:4]) or 'nothing'}.")


# %%
def five_of(beam, drop):
    """The first five written items; -1 where there is no such item, unless those are dropped."""
    if drop:
        return list(dict.fromkeys(beam.items[beam.items >= 0].tolist()))[:5]
    return beam.items.tolist()[:5]


if lm.kind != "masked":
    rows, goals = [], nexts[: len(lists["free"])]
    for name, beams in lists.items():
        for rule, drop in (("count invalid as a miss", False), ("drop invalid, move up", True)):
            hits = [goal in five_of(beam, drop) for beam, goal in zip(beams, goals)]
            rows.append((name, rule, float(np.mean(hits))))
    counted = pd.DataFrame(rows, columns=["beam search", "rule", "hit@5"]).set_index("beam search")
    caption = f"{len(goals)} users: dropping what does not exist flatters the free model"
    table(counted, caption=caption, digits=3)

# %%
quiz("04_prompting", "invalid")

# %% [markdown]
# ## 8. IDs that tell the answer
# P5 writes items as numbers: `item_7391`. Who numbers the items, and in which order? P5's published
# code walks along each user's **whole** sequence, test item included. In a sparse catalogue the
# next number is then often the answer.
#
# **Guess first:** how does the rule "largest number in the history, plus one" compare with counting
# transitions, a real baseline?

# %%
from tutorial_lib.models import NextNumber, TransitionKNN
from tutorial_recipes.worlds import make_world

people = 200 if PROFILE == "smoke" else 400
sparse = make_world("products", n_users=people, n_items=3000, mean_length=8, seed=SEED)
numbered = leave_last_out(sparse)
schemes = ("leak-prone", "training-first", "random")
rules = {f"max + 1, {scheme} IDs": NextNumber(scheme) for scheme in schemes}
rules |= {"popularity": Popularity(), "transition counts": TransitionKNN()}
leak = {name: evaluate(model.fit(numbered), numbered, k=10) for name, model in rules.items()}
bars(
    {name: mean_interval(frame, "ndcg@10") for name, frame in leak.items()},
    quantity="test NDCG@10",
    caption=f"A sparse world: {sparse.n_users} users, {sparse.n_items:,} items. "
    "The rule has learned nothing.",
    highlight="max + 1, leak-prone IDs",
)

# %% [markdown]
# And the model? Tune the same language model on IDs in place of titles, once with leak-prone and
# once with training-first numbers. The rule stands beside it.

# %%
from tutorial_lib.language import item_ids

few_users = numbered.sample_targets(SIZE, seed=SEED)
budget = short or Budget(2e-3, epochs=20.0, longest=50)
options = {"labels": 100, "seed": SEED, "families": ("sequential",), "budget": budget}
by_ids = {}
for scheme in ("leak-prone", "training-first"):
    ids = item_ids(numbered, scheme, seed=SEED).verbaliser("item", "items", 8)
    asked = {
        "model": adapt(lm, numbered, "multi-task", words=ids, **options),
        "rule": NextNumber(scheme).fit(numbered),
    }
    for who, model in asked.items():
        by_ids[scheme, who] = evaluate(model, few_users, k=10)["ndcg@10"].mean()
scores = pd.Series(by_ids, name="NDCG@10").rename_axis(["IDs", "who"]).reset_index("who")
table(scores, caption=f"{SIZE} test users of the sparse world", digits=3)

# %%
model, honest = by_ids["leak-prone", "model"], by_ids["training-first", "model"]
found = "has found some of it" if model > 2 * honest + 0.01 else "has not found it so soon"
say(
    f"Under leak-prone IDs the rule scores {by_ids['leak-prone', 'rule']:.3f} without having "
    f"learned anything; your model {found} ({model:.3f}).",
    "A model that is trained for long can: run the rule beside it before you believe its score.",
)

# %%
quiz("04_prompting", "leak")

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
wordings = (means.mean(), means.min(), means.max(), len(means))
rows = [("zero-shot NDCG@10, mean over wordings", *wordings)]
for name in ("random", "popularity", *PROMPTED):
    i = mean_interval(frames[name], "ndcg@10")
    rows.append((f"NDCG@10, {name}", i.mean, i.low, i.high, 1))
for name, values in curves.items():
    for count, mean, low, high in values:
        rows.append((f"recorded: {name}, {count:g} labels", mean, low, high, at[count]))
for name, frame in leak.items():
    i = mean_interval(frame, "ndcg@10")
    rows.append((f"leak: {name}", i.mean, i.low, i.high, 1))
recap_table(
    rows,
    caption=f"{ds.name}; first row: lowest and highest of {len(means)} wordings; "
    "else intervals over users, or over seeds",
)

# %%
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
#   anything. A prefix then always wins.
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
