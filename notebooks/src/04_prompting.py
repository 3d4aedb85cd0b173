# %% [markdown] tags=["title"]
# # 04 · Prompting
# **How far does a model get without new weights, when does a prompt help, and when does it only seem to help?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *write* a verbaliser, and *rank* a catalogue by likelihood, without any training (exercise 04-verbalise, question 2)
# > - *report* a prompt's result as a spread over wordings, orders and positions, not as one number (question 1)
# > - *compare* hard prompts, soft prompts and prefixes at equal labels (question 3)
# > - *test* a multi-task model on wordings and on combinations that it never saw (question 4)
# > - *write* the trie that keeps a model inside the catalogue, and *spot* IDs that tell the answer (exercise 04-trie, questions 5, 6)
# >
# > **You need:** notebook 03. **Time:** 45 minutes to follow, 80 with the exercises. **Hardware:** two CPU cores and 2 GB of memory;
# > scoring and tuning take about three minutes in all. No GPU. **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a few users and steps, for structure | quick: 12 test users | full: 400 test users
DATASET = "world-movies"  # or "world-products", "world-news" (seen in pre-training); real data: "ml-100k"
LM = "kit-gpt"  # or "kit-bert", "kit-t5", a Hub id or a folder; it must give text a likelihood, so not "minilm"
SEED = 0  # any whole number from 0; draws test users, labelled users and orders

# %% [markdown]
# ## 1. From a history to a prompt
# A language model reads text. So the history has to become text first: that is what a **verbaliser** does.
#
# **Exercise 04-verbalise.** Write one.

# %%
import time
from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.evaluation import compare, evaluate, holm, mean_interval
from tutorial_lib.language.prompts import FAMILIES, SEQUENTIAL, Template, templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models import Popularity, Random
from tutorial_lib.models.decoding import log_likelihood, naive_log_likelihood
from tutorial_lib.models.language_models import load_language_model
from tutorial_lib.strategies import Budget, adapt
from tutorial_workshop.page import TextBox, attempt, explore, golden, hint, quiz, show
from tutorial_workshop.page.checker import whose
from tutorial_workshop.page.output import bars, points, say, table


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
lm = load_language_model(LM)
lm.require("causal", "masked", "seq2seq", what="prompting by likelihood")
ds = load_dataset(DATASET)
ds = ds if ds.truth is not None else ds.k_core(50)  # real titles are long and slow to score: a smaller catalogue
split, words = leave_last_out(ds), verbaliser(ds)
SIZE = {"smoke": 6, "quick": 12, "full": 400}[PROFILE] // (1 if ds.truth is not None else 3)
tested, checked = (split.sample_targets(SIZE, seed=SEED + add) for add in (0, 1000))
history = list(next(h for h, t in zip(tested.test_history, tested.test_target) if len(t)))
text = verbalise(history, words.titles, 4)
same = "the same" if verbaliser(ds, limit=4).history(history) == text else "different"
say(f"Text of {whose(verbalise, '04-verbalise')}: “{text}”. The library's, with limit 4: {same}.")

# %% [markdown]
# A **template** puts words around it. The score of an item is the log-probability that the model gives to its title after the prompt:
#
# $$\text{score}(i \mid h) = \sum_{t} \log p(w_t \mid \text{prompt}(h), w_{<t})$$
#
# The sum runs over the tokens w of item i's title. Nothing is trained. The survey calls it *tuning-free prompting*.

# %%
template = SEQUENTIAL[0]
prompt, _ = template.fill(noun=words.noun, plural=words.plural, history=words.history(history[-4:]), item="")
found = log_likelihood(lm, [prompt], words.titles)
best = np.argsort(-found.log_probability[0])[:5]
print(prompt)
rows = [(words.titles[i], found.log_probability[0, i], int(found.tokens[i])) for i in best]
table(pd.DataFrame(rows, columns=["title", "log p", "tokens"]).set_index("title"), caption="Likeliest titles after this prompt", digits=2)

# %% [markdown]
# **Why it is affordable.** All titles share the prompt, and many share their first words. The library reads the prompt once, keeps its keys
# and values, and reads each common beginning once. The long way reads prompt and title anew for every pair.

# %%
start = time.perf_counter()
quickly = log_likelihood(lm, [prompt], words.titles).log_probability
middle = time.perf_counter()
if lm.kind == "masked":
    say("A masked model fills in all tokens of a title at once: there is no long way to compare with.")
else:
    slowly = naive_log_likelihood(lm, [prompt], words.titles)
    ratio, apart = (time.perf_counter() - middle) / (middle - start), np.abs(slowly - quickly).max()
    say(f"{len(words.titles)} titles: {ratio:.0f} times faster than the long way; scores differ by {apart:.0e} at most.")

# %% [markdown]
# ## 2. One number, or a spread?
# Papers often report one prompt. Ask the same model the same thing in twelve wordings, eight of which it has met in pre-training.
#
# **Guess first:** by what factor does NDCG@10 change between the best and the worst wording?

# %%
seen_wordings, new_wordings = templates("sequential"), templates("sequential", held_out=True)
if PROFILE == "smoke" or (PROFILE == "quick" and ds.truth is None):  # real titles are long, and slow to score
    seen_wordings, new_wordings = seen_wordings[:2], new_wordings[:2]


def ask(wordings):
    """Test metrics of each wording, zero-shot."""
    return {t.source: evaluate(adapt(lm, split, "zero-shot", labels=0, template=t), tested, k=10) for t in wordings}


zero = ask(seen_wordings)

# %%
zero |= ask(new_wordings)
by_wording = {source: mean_interval(frame, "ndcg@10") for source, frame in zero.items()}
order = sorted(by_wording, key=lambda source: -by_wording[source].mean)
held_out = {t.source for t in new_wordings}
bars(
    {("* " if source in held_out else "") + source: by_wording[source] for source in order},
    quantity="test NDCG@10",
    caption=f"Zero-shot, {len(zero[order[0]])} test users. A star marks wordings that the model never read. Whiskers: over users.",
)

# %%
frames = {name: evaluate(model.fit(split), tested, k=10) for name, model in (("random", Random()), ("popularity", Popularity()))}
means = np.array([by_wording[source].mean for source in order])
popular = frames["popularity"]["ndcg@10"].mean()
say(
    f"Mean over wordings **{means.mean():.3f}**, from {means.min():.3f} to {means.max():.3f}. Popularity, with all labels: {popular:.3f}; "
    f"random: {frames['random']['ndcg@10'].mean():.3f}.",
    f"Wordings seen in pre-training: mean {np.mean([by_wording[s].mean for s in order if s not in held_out]):.3f}; never read: "
    f"{np.mean([by_wording[s].mean for s in order if s in held_out]):.3f}.",
)

# %%
quiz("04_prompting", "wording")

# %% [markdown]
# **Prompt editor.** Write your own template; keep the gap `{history}`. The list is one validation user's, the NDCG is over a handful of
# them, so that you do not tune on the test. Leave the box (or press Tab) to see what comes of it.

# %%
from tutorial_workshop.figures.language_models import PromptEditor

rows = [row for row, target in enumerate(checked.valid_target) if len(target)][: 4 if PROFILE == "smoke" else 12]
editor = PromptEditor(
    lambda source: adapt(lm, split, "zero-shot", labels=0, template=Template("sequential", source, "{item}")),
    [split.valid_history[row] for row in rows],
    [split.valid_target[row][0] for row in rows],
    words.titles,
)
explore(
    editor.draw,
    alt="Ten titles, best first, for the template in the text box, and its NDCG@10 over a few validation users.",
    describe=editor.describe,
    template=TextBox((SEQUENTIAL[0].source, "I hated {history}. Recommend the opposite:", "{history}")),
)

# %% [markdown]
# ## 3. What else moves the answer
# **Where a title ends.** The score above sums over the tokens of a title, and stops. So it is the probability that the answer *begins* with
# these words, not that it *is* this title, and a fragment is always at least as likely as the title that it begins. The remedy is to score
# one token more: the **closing token**, with which the model says that its answer is complete.
#
# **Guess first:** take the last word away from some titles. How often does the fragment rank above its own title, without the closing
# token, and with it?

# %%
closing = lm.tokenizer.eos_token if lm.kind != "masked" else ""  # a masked model fills a fixed number of places: it closes nothing
if closing:
    whole = [title for title in words.titles if len(title.split()) > 1][:60]
    cut = [title.rsplit(" ", 1)[0] for title in whole]
    ask_again = [
        template.fill(noun=words.noun, plural=words.plural, history=words.history(h), item="")[0]
        for h, t in zip(tested.test_history, tested.test_target)
        if len(t)
    ]
    ahead = {}
    for name, end in (("without", ""), ("with the closing token", closing)):
        pair = log_likelihood(lm, ask_again, [text + end for text in cut + whole]).log_probability
        ahead[name] = (pair[:, : len(cut)] >= pair[:, len(cut) :]).mean()
    say(
        f"“{cut[0]}” against “{whole[0]}”, and {len(whole) - 1} more pairs, {len(ask_again)} users: the fragment is ahead of its title in "
        + ", ".join(f"{share:.0%} of the cases {name}" for name, share in ahead.items())
        + "."
    )
else:
    say("A masked model is told how many tokens the title has, so it cannot be asked whether the title is complete.")

# %% [markdown]
# In a catalogue it matters as soon as one title is the beginning of another one, as a film and its sequel: without a closing token the
# sequel can never win. The library's `score` leaves the token out, since no title of these worlds begins another one; check yours before
# you do the same.
#
# **Length and habit.** A sum of log-probabilities favours short titles. Dividing by the number of tokens favours long ones. And some titles
# are likely whatever the history says. A title's **base rate** is its mean score after random histories, and takes no labels to measure.
# `adapt` takes three tenths of it off (*calibration*), which was chosen on validation users.

# %%
prompts = {
    "history": [template.fill(noun=words.noun, plural=words.plural, history=words.history(h), item="")[0]
                for h, t in zip(tested.test_history, tested.test_target) if len(t)],
    "random": [template.fill(noun=words.noun, plural=words.plural, history=words.history(h), item="")[0]
               for h in np.random.default_rng(SEED).integers(ds.n_items, size=(8, 12))],
}  # fmt: skip
told, usual = (log_likelihood(lm, prompts[name], words.titles) for name in ("history", "random"))
base_rate = np.log(np.exp(usual.log_probability).mean(axis=0))
targets = np.array([t[0] for t in tested.test_target if len(t)])
seen = [h for h, t in zip(tested.test_history, tested.test_target) if len(t)]


def top_ten(scores):
    """(NDCG@10, mean tokens of the titles in the top ten), seen items left out."""
    scores = scores.copy()
    for line, items in zip(scores, seen):
        line[items] = -np.inf
    lists = np.argsort(-scores, axis=1)[:, :10]
    place = (lists == targets[:, None]).argmax(axis=1)
    gain = np.where((lists == targets[:, None]).any(axis=1), 1 / np.log2(place + 2), 0.0)
    return gain.mean(), told.tokens[lists].mean()


# %%
kinds = {"sum": told.scores(), "mean over tokens": told.scores("length")}
kinds |= {f"sum − {s} × base rate": told.scores(prior=base_rate, strength=s) for s in (0.3, 1.0)}
if closing:
    closed = log_likelihood(lm, prompts["history"], [title + closing for title in words.titles])
    kinds["sum with the closing token"] = closed.scores()
rows = {name: top_ten(scores) for name, scores in kinds.items()}
length = pd.DataFrame(rows, index=["NDCG@10", "tokens per title, top ten"]).T.rename_axis("score")
caption = f"One model, {len(kinds)} scores, {len(targets)} users; a title has {told.tokens.mean():.1f} tokens on average"
table(length, caption=caption, digits=3)
begins = sum(a != b and b.startswith(a) for a in words.titles for b in words.titles)
say(f"Titles here that begin another title: {begins}.")

# %%
quiz("04_prompting", "length")

# %% [markdown]
# **Order.** The truth of this world says that the last item matters most. Does the model read order, or a bag of titles? And in a list of
# candidates: does it prefer a place?

# %%
rng, hist = np.random.default_rng(SEED), tested.test_history
turned, mixed = [h[::-1] for h in hist], [rng.permutation(h) for h in hist]
orders = {"newest first": replace(tested, test_history=turned), "shuffled": replace(tested, test_history=mixed)}
asked = adapt(lm, split, "zero-shot", labels=0)
by_order = {name: evaluate(asked, changed, k=10) for name, changed in orders.items()}
by_order["as it was"] = zero[SEQUENTIAL[0].source]
change = {name: compare(by_order[name], by_order["as it was"]) for name in ("newest first", "shuffled")}
rows = [(name, c.difference, *c.ci, p) for (name, c), p in zip(change.items(), holm([c.p for c in change.values()]))]
columns = ["history", "NDCG@10, change", "95 % low", "95 % high", "p adjusted"]
table(pd.DataFrame(rows, columns=columns).set_index("history"), caption="Paired over users; p adjusted for two tests (Holm)")

# %%
direct, picks = templates("direct")[0], []
for h, target in zip(seen, targets):
    others = rng.choice(np.setdiff1d(np.arange(ds.n_items), [*h, target]), size=3, replace=False)
    for place in range(4):
        options = [words.titles[i] for i in np.insert(others, place, target)]
        gaps = {"history": words.history(h[-6:]), "candidates": words.separator.join(options), "noun": words.noun, "plural": words.plural}
        picks.append((place, options, direct.fill(**gaps, item="")[0]))
chosen = [int(log_likelihood(lm, [text], options).log_probability[0].argmax()) for _, options, text in picks]
right = pd.DataFrame({"place": [p + 1 for p, *_ in picks], "right": [float(p == c) for (p, *_), c in zip(picks, chosen)]})
by_place = {f"place {p}": mean_interval(some.reset_index(drop=True), "right") for p, some in right.groupby("place")}
points(
    list(by_place), {"right answer": list(by_place.values())}, quantity="share of right choices out of four",
    caption="The same four candidates, the right one at each of four places. A model without position effects has four equal points.",
)  # fmt: skip

# %% [markdown]
# ## 4. A few examples in the context
# *Few-shot* prompting shows solved examples first. Large models gain from it (Brown et al. 2020).
#
# **Guess first:** does a model of one million parameters?

# %%
shots = {0: zero[SEQUENTIAL[0].source]}
shots[3] = evaluate(adapt(lm, split, "few-shot", labels=8, seed=SEED, examples=3), tested, k=10)
learned = compare(shots[3], shots[0])
say(
    "NDCG@10 with no and with 3 examples: " + ", ".join(f"{frame['ndcg@10'].mean():.3f}" for frame in shots.values())
    + f". Three − none, paired: {learned.difference:+.3f}, 95 % interval {learned.ci[0]:+.3f} to {learned.ci[1]:+.3f}."
)  # fmt: skip

# %% [markdown]
# ## 5. From hard to soft prompts
# A hard prompt is made of words. A **soft prompt** is made of vectors, which move by gradient while the model stays frozen. A **prefix**
# does that in every layer. Both start here as the words of the hard prompt. `prompt-and-lm` (PEPLER) tunes the prompt first, then
# everything.
#
# **Guess first:** with 64 labelled users, what beats tuning the whole model?

# %%
LABELS = 8 if PROFILE == "smoke" else 64
short = Budget(learning_rate=2e-3, shortest=2, longest=2, size=4) if PROFILE == "smoke" else None
PROMPTED = ["soft-prompt", "prompt-and-lm"] + (["prefix"] if lm.kind == "causal" else [])
soft = {name: adapt(lm, split, name, labels=LABELS, seed=SEED, budget=short) for name in PROMPTED}
frames |= {name: evaluate(model, tested, k=10) for name, model in soft.items()}
frames["zero-shot"] = zero[SEQUENTIAL[0].source]
rows = [(name, f"{m.n_trainable:,}", m.seconds, frames[name]["ndcg@10"].mean(), m.moved["backbone"] == 0) for name, m in soft.items()]
columns = ["strategy", "numbers that move", "seconds", "NDCG@10", "backbone unchanged"]
table(pd.DataFrame(rows, columns=columns).set_index("strategy"), caption=f"{LABELS} labelled users, one seed", digits=3)

# %% [markdown]
# **Recorded** over several seeds (`data/results/strategies.csv`), with full fine-tuning and from-scratch beside them. Full fine-tuning is
# asked without words, as the survey defines it; `prompt-and-lm` has both the words and all the weights.

# %%
from tutorial_lib.data.shipped import shipped
from tutorial_workshop.figures.language_models import label_curves, paired_table, seed_means

recorded = pd.read_csv(shipped("results/strategies.csv"))
curves = {name: seed_means(recorded, name) for name in ("from-scratch", "full", "soft-prompt", "prefix", "prompt-and-lm")}
levels = {name: seed_means(recorded, name)[0][1:] for name in ("zero-shot", "ceiling", "popularity, all labels")}
at = recorded[recorded["strategy"].eq("full")].groupby("labels")["seed"].nunique()
told_seeds = "kit-gpt, seeds: " + ", ".join(f"{n} at {count} labels" for count, n in at.items())
each = {name: ", ".join(f"{count:g} labels {mean:.3f}" for count, mean, *_ in rows) for name, rows in curves.items()}
told_curves = "; ".join(f"{name}: {text}" for name, text in each.items())
show(
    label_curves(curves, levels),
    alt=f"Test NDCG@10 over the number of labelled users. {told_curves}. Lines: "
    + ", ".join(f"{name} {value[0]:.3f}" for name, value in levels.items())
    + ".",
    caption=f"world-movies, {told_seeds}. Whiskers: 95 % t intervals over seeds.",
)

# %%
with_prompts = ["soft-prompt", "prefix", "prompt-and-lm"]
against = paired_table(recorded, ["from-scratch", "full"], with_prompts)
table(against, caption="Prompt strategies against others at the same labels, paired over users and seeds; one family", digits=3)
won = against[(against["against"] == "full") & (against["p adjusted"] < 0.05) & (against["gain"] > 0)]
over = against[(against["against"] == "full") & (against["p adjusted"] < 0.05) & (against["gain"] < 0)]
say(
    f"Over {len(against)} tests in all (Holm): against from-scratch, "
    f"{int(((against['against'] == 'from-scratch') & (against['p adjusted'] < 0.05)).sum())} of "
    f"{int((against['against'] == 'from-scratch').sum())} gains are significant after adjustment.",
    f"Against full fine-tuning, prompts are significantly ahead in {len(won)} places and behind in {len(over)}: "
    + ("no test shows full fine-tuning ahead of them, which does not show that it is not." if not len(over) else "see where."),
)

# %%
quiz("04_prompting", "soft")

# %% [markdown]
# ## 6. One model, many tasks: P5
# P5 tunes one model on several tasks in many wordings, and keeps the prompts fixed. It is asked in wordings that it saw, and in others that
# were **held out**. Here: what comes next, like or not, how many stars, and which of four.

# %%
from tutorial_lib.models.instruction_following import answers

P5_LABELS = 8 if PROFILE == "smoke" else 64
p5 = adapt(lm, split, "p5", labels=P5_LABELS, seed=SEED, budget=short or Budget(1e-3, longest=50))
table_of = ds.interactions.drop_duplicates(["user", "item"]).set_index(["user", "item"])["rating"]
asked_on = [row for row, t in enumerate(tested.test_target) if len(t)]


def task_accuracy(model, family, held_out):
    """Share of right answers over the test users, with each wording: like (yes or no), rating (1 to 5), direct (one of four)."""
    right, draw = [], np.random.default_rng(SEED)
    for row in asked_on:
        user, item, past = split.users[row], int(split.test_target[row][0]), split.test_history[row]
        stars = table_of[user, item]
        options = {"like": ["yes", "no"], "rating": list("12345")}.get(family)
        truth = {"like": "yes" if stars >= 4 else "no", "rating": f"{stars:.0f}"}.get(family, words.titles[item])
        if family == "direct":
            others = draw.choice(np.setdiff1d(np.arange(ds.n_items), [*past, item]), size=3, replace=False)
            options = [words.titles[i] for i in draw.permutation([item, *others])]
        gaps = {"history": words.history(past[-6:]), "item": words.titles[item], "candidates": words.separator.join(options)}
        for t in templates(family, held_out=held_out)[:1]:
            text = t.fill(noun=words.noun, plural=words.plural, answer="", rating="", **gaps)[0]
            right.append(options[int(log_likelihood(model, [text], options).log_probability[0].argmax())] == truth)
    return float(np.mean(right))


# %%
rows = {}
for family in ("like", "rating", "direct"):
    rows[family] = (task_accuracy(lm, family, False), task_accuracy(p5.lm, family, False), task_accuracy(p5.lm, family, True))
tasks = pd.DataFrame(rows, index=["before, seen wording", "P5, seen wording", "P5, held-out wording"]).T.rename_axis("task")
tasks.loc["sequential (NDCG@10)"] = (
    frames["zero-shot"]["ndcg@10"].mean(),
    evaluate(p5, tested, k=10)["ndcg@10"].mean(),
    evaluate(replace(p5, template=templates("sequential", held_out=True)[1]), tested, k=10)["ndcg@10"].mean(),
)
liked = np.mean([table_of[split.users[row], int(split.test_target[row][0])] >= 4 for row in asked_on])
always = max(liked, 1 - liked)
caption = f"Right answers, {len(asked_on)} test users. Always the same answer gives {always:.2f} on like; chance gives .25 on direct"
table(tasks, caption=caption, digits=2)

# %% [markdown]
# P5 also **writes**: an explanation is text after a prompt. Notebook 07 measures such text; here, read what tuning changed.

# %%
from tutorial_lib.models.generation import write_text

if lm.kind != "masked":
    item = int(split.test_target[asked_on[0]][0])
    question = templates("explanation")[0].fill(item=words.titles[item], rating="5", feature="ending", review="", noun="", plural="")[0]
    print(question)
    for name, model in (("before", lm), ("P5", p5.lm)):
        print(f"{name:>7}: {write_text(model, question)}")

# %%
quiz("04_prompting", "held-out")

# %% [markdown]
# **Instructions (InstructRec)** go further: an instruction is put together from a *preference*, an *intention* and a *form*. Some
# combinations are never trained on, though each of their parts is.

# %%
from tutorial_lib.language.instructions import HELD_OUT, instructions, seen_combinations

instructed = adapt(lm, split, "instruct", labels=P5_LABELS, seed=SEED, budget=short or Budget(1e-3, longest=50), calibrate=0)
few = asked_on[: 6 if PROFILE == "smoke" else 30]
pasts, nexts = [split.test_history[row] for row in few], [int(split.test_target[row][0]) for row in few]
forms = {}
for name, combinations in (("seen", seen_combinations()), ("held out", HELD_OUT)):
    kinds = tuple(c for c in combinations if c[2] != "matching")
    questions = [q for s in range(3) for q in instructions(ds, pasts, nexts, combinations=kinds, seed=SEED + s)]
    if name == "held out":
        print(questions[0].source, "→", questions[0].target)
    models = {"before": lm, "tuned": instructed.lm}
    forms[name] = {who: answers(model, questions, words.titles)["correct"].astype(float) for who, model in models.items()}
instruct_points = {who: [mean_interval(forms[name][who].to_frame("right"), "right") for name in forms] for who in ("before", "tuned")}
points(
    [f"{name} combinations" for name in forms], instruct_points, quantity="share of right answers",
    caption="Yes or no, one of two, and first of five. Whiskers: 95 % intervals over instructions.",
)  # fmt: skip

# %% [markdown]
# ## 7. Letting the model write
# So far every item was scored. A model can also **write** a title. Then it may write one that does not exist.
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
    lists = {"free": [], "trie": []}
    for past in pasts[: 4 if PROFILE == "smoke" else 15]:
        lists["free"].append(asked.write(past, beams=10, constrained=False))
        lists["trie"].append(asked.write(past, beams=10))
    invalid = {name: float(np.mean([(beam.items < 0).mean() for beam in some])) for name, some in lists.items()}
    missing = [text for beam in lists["free"] for text, item in zip(beam.texts, beam.items) if item < 0][:4]
    say(
        f"Share of written titles that are no item: **{invalid['free']:.0%}** freely, **{invalid['trie']:.0%}** with the trie.",
        f"Written freely, and not in the catalogue: {'; '.join(missing)}." if missing else "Every title that was written freely exists.",
    )

# %%
if lm.kind != "masked":
    rows, goals = [], nexts[: len(lists["free"])]
    for name, some in lists.items():
        for rule in ("count invalid as a miss", "drop invalid, move up"):
            hits = []
            for beam, goal in zip(some, goals):
                items = list(dict.fromkeys(beam.items[beam.items >= 0].tolist())) if rule.startswith("drop") else beam.items.tolist()
                hits.append(goal in items[:5])
            rows.append((name, rule, float(np.mean(hits))))
    counted = pd.DataFrame(rows, columns=["beam search", "rule", "hit@5"]).set_index("beam search")
    table(counted, caption=f"{len(goals)} users: dropping what does not exist flatters the free model", digits=3)

# %%
quiz("04_prompting", "invalid")

# %% [markdown]
# ## 8. IDs that tell the answer
# P5 writes items as numbers: `item_7391`. Who numbers the items, and in which order? P5's published code walks along each user's
# **whole** sequence, test item included. In a sparse catalogue the next number is then often the answer.
#
# **Guess first:** how does the rule "largest number in the history, plus one" compare with counting transitions, a real baseline?

# %%
from tutorial_recipes.worlds import make_world
from tutorial_lib.models import TransitionKNN
from tutorial_lib.models.baselines import NextNumber

sparse = make_world("products", n_users=200 if PROFILE == "smoke" else 400, n_items=3000, mean_length=8, seed=SEED)
numbered = leave_last_out(sparse)
rules = {f"max + 1, {scheme} IDs": NextNumber(scheme) for scheme in ("leak-prone", "training-first", "random")}
rules |= {"popularity": Popularity(), "transition counts": TransitionKNN()}
leak = {name: evaluate(model.fit(numbered), numbered, k=10) for name, model in rules.items()}
bars(
    {name: mean_interval(frame, "ndcg@10") for name, frame in leak.items()}, quantity="test NDCG@10",
    caption=f"A sparse world: {sparse.n_users} users, {sparse.n_items:,} items. The rule has learned nothing.",
    highlight="max + 1, leak-prone IDs",
)  # fmt: skip

# %% [markdown]
# And the model? Tune the same language model on IDs in place of titles, once with leak-prone and once with training-first numbers. The rule
# stands beside it.

# %%
from tutorial_lib.language.item_ids import item_ids

few_users = numbered.sample_targets(SIZE, seed=SEED)
by_ids = {}
for scheme in ("leak-prone", "training-first"):
    ids = item_ids(numbered, scheme, seed=SEED)
    model = adapt(
        lm, numbered, "p5", labels=100, seed=SEED, families=("sequential",), words=ids.verbaliser("item", "items", 8),
        budget=short or Budget(2e-3, epochs=20.0, longest=50),
    )  # fmt: skip
    by_ids[scheme] = {"model": evaluate(model, few_users, k=10), "rule": evaluate(NextNumber(scheme).fit(numbered), few_users, k=10)}
rows = [(scheme, who, frame["ndcg@10"].mean()) for scheme, some in by_ids.items() for who, frame in some.items()]
table(pd.DataFrame(rows, columns=["IDs", "who", "NDCG@10"]).set_index("IDs"), caption=f"{SIZE} test users of the sparse world", digits=3)
told = {scheme: (some["model"]["ndcg@10"].mean(), some["rule"]["ndcg@10"].mean()) for scheme, some in by_ids.items()}
found = "has found some of it" if told["leak-prone"][0] > 2 * told["training-first"][0] + 0.01 else "has not found it in so short a tuning"
say(
    f"Under leak-prone IDs the rule scores {told['leak-prone'][1]:.3f} without having learned anything; your model {found} "
    f"({told['leak-prone'][0]:.3f}). A model that is trained for long can: run the rule beside it before you believe its score."
)

# %%
quiz("04_prompting", "leak")

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
rows = [("zero-shot NDCG@10, mean over wordings", means.mean(), means.min(), means.max(), len(means))]
for name in ("random", "popularity", *PROMPTED):
    i = mean_interval(frames[name], "ndcg@10")
    rows.append((f"NDCG@10, {name}", i.mean, i.low, i.high, 1))
for name, values in curves.items():
    rows += [(f"recorded: {name}, {count:g} labels", mean, low, high, at[count]) for count, mean, low, high in values]
rows += [(f"leak: {name}", i.mean, i.low, i.high, 1) for name, frame in leak.items() for i in (mean_interval(frame, "ndcg@10"),)]
recap = pd.DataFrame(rows, columns=["quantity", "value", "95 % low", "95 % high", "seeds"]).set_index("quantity")
table(recap, caption=f"{ds.name}; first row: lowest and highest of {len(means)} wordings; else intervals over users, or over seeds")

# %%
golden("04.leak.rule", leak["max + 1, leak-prone IDs"]["ndcg@10"].mean(), trivial=leak["max + 1, random IDs"]["ndcg@10"].mean())
if lm.kind != "masked":
    golden("04.invalid.free", invalid["free"])

# %% [markdown]
# ## Pitfalls
# - **One prompt, one number.** Report a spread over wordings, and say which were chosen on validation.
# - **Likelihood is not preference.** Short, common titles are likely for everybody. Compare scores that correct for it.
# - **A sum that stops early.** Without its closing token, a title scores as the beginning of anything. A prefix then always wins.
# - **Dropping what cannot be parsed.** Count invalid answers as misses, or use a trie, and say which.
# - **"Unseen prompt" in a multi-task model** tests the wording, not the task. Hold out combinations too.
# - **IDs made with the test in view.** Number items from the training part only, and run the max + 1 rule beside every ID-based model.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation. TACL 11. [arXiv 2302.03735](https://arxiv.org/abs/2302.03735)
# - Sileo, Vossen, Raymaekers 2022. Zero-shot recommendation as language modeling.
#   [arXiv 2112.04184](https://arxiv.org/abs/2112.04184)
# - Geng et al. 2022. Recommendation as language processing (P5). [arXiv 2203.13366](https://arxiv.org/abs/2203.13366)
# - Hua, Xu, Ge, Zhang 2023. How to index item IDs for recommendation foundation models.
#   [arXiv 2305.06569](https://arxiv.org/abs/2305.06569)
# - Zhang et al. 2023. Recommendation as instruction following (InstructRec). [arXiv 2305.07001](https://arxiv.org/abs/2305.07001)
# - Li, Zhang, Chen 2022. Personalized prompt learning for explainable recommendation (PEPLER).
#   [arXiv 2202.07371](https://arxiv.org/abs/2202.07371)
# - Lester, Al-Rfou, Constant 2021. The power of scale for parameter-efficient prompt tuning.
#   [arXiv 2104.08691](https://arxiv.org/abs/2104.08691)
# - Brown et al. 2020. Language models are few-shot learners. [arXiv 2005.14165](https://arxiv.org/abs/2005.14165)
# - Sclar et al. 2023. Quantifying language models' sensitivity to spurious features in prompt design.
#   [arXiv 2310.11324](https://arxiv.org/abs/2310.11324)
#
# **What next:** notebook 05 lets a search write the prompt (PAP-REC). Before you go on: find a wording in the editor that beats all
# twelve on validation, then look once at the test, and see how much of the gain is left.
