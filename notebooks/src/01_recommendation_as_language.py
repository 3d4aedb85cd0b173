# %% [markdown] tags=["title"]
# # 01 · Recommendation as language
# **What is a history, read as a sentence, and how do you know that a recommendation is good?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *write* a history as item tokens and as a sentence, and *say* what each cannot express
# >   (exercise 01-sentence, question 1)
# > - *name* the five stages of a language-model recommender, and which of them each paradigm trains
# >   (question 2)
# > - *build* a first-order transition model, and *compare* baselines with the best possible value
# >   (exercise 01-transitions)
# > - *compute* NDCG by hand, and *judge* a list by what is known instead of by one drawn target
# >   (exercise 01-ndcg, questions 3 and 4)
# > - *find* the fault in a sampled, tied or leaking evaluation (questions 5, 6 and 7)
# >
# > **You need:** notebook 00, and numpy arrays. **Time:** 40 minutes to follow, 65 with the
# > exercises.
# > **Hardware:** any laptop with 2 GB of memory. No GPU. **Terms:** see the
# > [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: 300 users, 2 seeds | quick: all users, 5 seeds | full: 20 seeds
DATASET = "world-movies"  # or "world-products", "world-news"; real data: "ml-100k"
LM = "kit-gpt"  # language model; not used in this notebook, whose models only count
SEED = 0  # any whole number from 0; draws sampled negatives, shuffles and the user shown

# %%
import re
import warnings
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

# %%
from tutorial_lib.data import Split, leave_last_out, load_dataset, temporal_split
from tutorial_workshop.figures import recap_table, two_panels
from tutorial_workshop.page import attempt, bars, drawing, explore, golden, guess, hint
from tutorial_workshop.page import my_guesses, points, quiz, say, show, table, turned_out, whose

# %% [markdown]
# ## 1. Four types of data
# Language-model recommenders are trained on four types of data (Liu et al. 2023): **sequential**
# (who took what, when), **textual** (titles, descriptions, reviews), **graph** (facts about items)
# and **multi-modal** (pictures, sound).
#
# **Guess first:** how many of the four will you find in this data set?

# %%
# in place of None: your guess
guess("01-types", None, "how many of the four types are there", within=0.5)

# %%
ds = load_dataset(DATASET)
if ds.truth is None:
    ds = ds.k_core(5)  # real logs: keep users and items with 5 interactions or more
if PROFILE == "smoke":
    ds = ds.subset_users(range(min(300, ds.n_users)))
N_SEEDS = {"smoke": 2, "quick": 5, "full": 20}[PROFILE]
SEEDS = range(100 * SEED, 100 * SEED + N_SEEDS)  # of everything drawn below
ds

# %%
kinds = {
    "Sequential: interactions": ds.interactions,
    "Textual: items": ds.items[["title", "text", "categories"]],
    "Textual: reviews": ds.reviews[["user", "item", "rating", "text"]],
    "Graph: facts about items": ds.graph,
}
for kind, frame in kinds.items():
    if len(frame):
        table(frame.head(2), caption=f"{kind} ({len(frame):,} rows, two shown)", digits=1)
    else:
        say(f"**{kind}:** none in this data set.")
say("**Multi-modal:** none here, no pictures and no sound. The survey finds such data scarce.")
turned_out("01-types", len({kind.split(":")[0] for kind, frame in kinds.items() if len(frame)}))

# %% [markdown] tags=["half-day-1"]
# ## 2. A history is a sentence
# A language model predicts the next token of a text. A recommender predicts the next item of a
# history. So a history can be read as a sentence, in two ways:
#
# - **item tokens**: each item is one word of its own, such as `<item_17>`. The vocabulary is the
#   catalogue.
# - **titles**: each item is the words of its title. The vocabulary is that of the language.
#
# **Exercise 01-sentence** (about 5 minutes, difficulty 1 of 3). Write a history as text: the
# newest titles, oldest first, with ` | ` between them.


# %% tags=["half-day-1"]
def to_sentence(history, titles, last=5):
    """The newest `last` titles of a history (item codes, oldest first) as one text."""
    # SOLUTION BEGIN
    return " | ".join(titles[item] for item in history[-last:])
    # SOLUTION END


to_sentence = attempt(to_sentence, exercise="01-sentence")

# %% tags=["half-day-1"]
hint("01-sentence")

# %% tags=["half-day-1"]
split = leave_last_out(ds)  # target: the last item of every user; the one before is for validation
tested = [row for row, target in enumerate(split.test_target) if len(target)]
titles = ds.items["title"].tolist()
user = int(np.random.default_rng(SEED).choice(tested))
history, target = split.test_history[user], int(split.test_target[user][0])
tokens, sentence = (
    " ".join(f"<item_{i}>" for i in history[-4:]),
    to_sentence(list(history), titles, 4),
)
say(
    f"**Item tokens:** `{tokens}` → `<item_{target}>`",
    f"**Sentence:** {sentence} → {titles[target]}",
    f"**Prompt:** A user chose, in this order: {sentence}. The next one is:",
)

# %% [markdown]
# **Guess first:** which vocabulary is larger, the items or the words of their titles? And how many
# times as long is a history of titles as one of item tokens?

# %%
# in place of None: your guess
guess("01-vocabulary", None, "the larger vocabulary", choices=["item tokens", "title words"])
guess("01-length", None, "how many times as long titles are", within=1)

# %%
words = [re.findall(r"\w+", title.lower()) for title in titles]
vocabulary = {word for title in words for word in title}
items_each = np.array([len(h) for h in split.test_history])
words_each = np.array([sum(len(words[item]) for item in h) for h in split.test_history])
sizes = {"item tokens": ds.n_items, "title words": len(vocabulary)}
lengths = {"item tokens": round(items_each.mean()), "title words": round(words_each.mean())}
panels = {"Vocabulary": sizes, "Length of a history": lengths}
show(
    two_panels(panels, units=["distinct tokens", "tokens, mean over users"]),
    alt=f"Two bar charts. Distinct tokens: {sizes}. Mean tokens of a history: {lengths}.",
    caption="Left: how many tokens a model must know. Right: how many it must read for one user.",
)

# %%
ratio = words_each.sum() / items_each.sum()
room = 512 / ratio  # items that fit into 512 tokens
say(
    f"A title takes {ratio:.1f} words, so a history of titles is {ratio:.1f} times as long: "
    f"a model with room for 512 tokens sees about {room:.0f} items.",
)
say(f"The vocabulary holds {len(vocabulary) / ds.n_items:.1f} words per item.")
turned_out("01-vocabulary", max(sizes, key=sizes.get))
turned_out("01-length", ratio)

# %% [markdown] tags=["half-day-1"]
# What can each way express? Two tests: an item that was not there during training, and two items
# with the same title.


# %% tags=["half-day-1"]
def known_words(share_new, seed):
    """Hide some items; the share of the hidden titles' words that the other titles still teach."""
    new = np.random.default_rng(seed).random(ds.n_items) < share_new
    known = {word for title, hidden in zip(words, new) if not hidden for word in title}
    return np.mean([word in known for title, hidden in zip(words, new) if hidden for word in title])


shares = [known_words(0.1, seed) for seed in SEEDS]
twins = int(ds.items["title"].duplicated().sum())
say(
    f"**New items.** With 10 % of the items new, other titles teach {np.mean(shares):.0%} of the "
    f"words in a new title ({min(shares):.0%} to {max(shares):.0%} over {N_SEEDS} draws). Of the "
    "new item tokens they teach none.",
    f"**Twins.** {twins} of {ds.n_items:,} titles repeat an earlier one. Such twins look alike "
    "as titles, not as tokens.",
)

# %% tags=["half-day-1"]
quiz("01_recommendation_as_language", "item-tokens")

# %% [markdown] tags=["half-day-1"]
# ## 3. One architecture, three paradigms
# Whatever the system is called, it has the same five stages. The paradigms differ in one thing:
# **which parameters move, and when**.
#
# - **Pre-train**: learn everything once from histories, then recommend.
# - **Pre-train and fine-tune**: learn on much data, then move all, some or a few extra parameters
#   for the task.
# - **Pre-train, prompt and predict**: keep the model, and change what it reads.

# %% tags=["half-day-1"]
drawing(
    "architecture",
    alt="Five stages from left to right: input, encoding, backbone, head, ranking. Below, three "
    "rows. Pre-train: encoding, "
    "backbone and head are trained once. Pre-train and fine-tune: they are trained again, all or "
    "in part. Prompt: encoding, "
    "backbone and head stay fixed, and the prompt is written or learned.",
    caption="Read a row: hatched stages move, plain ones stay fixed. The stages are the same in "
    "all three rows.",
)

# %% tags=["half-day-1"]
quiz("01_recommendation_as_language", "what-moves")

# %% [markdown]
# ## 4. Baselines, and the ceiling
# Before any neural network: how far does counting get you? The simplest model that uses **order**
# counts which item came right after which. In the language of texts it is a bigram model.
#
# **Exercise 01-transitions** (about 8 minutes, difficulty 2 of 3). Count the transitions.


# %%
def count_transitions(histories, n_items):
    """[n_items, n_items] array: counts[a, b] says how often item b came right after item a."""
    # SOLUTION BEGIN
    counts = np.zeros((n_items, n_items))
    for history in histories:
        for before, after in zip(history[:-1], history[1:]):
            counts[before, after] += 1
    return counts
    # SOLUTION END


count_transitions = attempt(count_transitions, exercise="01-transitions")

# %%
hint("01-transitions")

# %% [markdown]
# The library's `TransitionKNN` looks at more: up to ten recent items, and steps of up to twenty,
# weighted by distance. With all of that switched off, it must hold exactly the counts of your
# function (or of the reference, while yours is not right yet).

# %%
from tutorial_lib.models import EASE, ItemKNN, Oracle, Popularity, Random, TransitionKNN

chain = TransitionKNN(window=1, reverse=0, last=1, source_power=0, target_power=0).fit(split)
counts = count_transitions([list(h) for h in split.train], ds.n_items)
same = np.array_equal(counts, chain.transitions.toarray())
seen_once = (counts == 1).sum() / max((counts > 0).sum(), 1)
who = whose(count_transitions, "01-transitions")
say(
    f"The counts of {who} and the library's are {'the same' if same else 'NOT the same'}: "
    f"{counts.sum():,.0f} steps, "
    f"{(counts > 0).mean():.1%} of all pairs ever seen, {seen_once:.0%} of those only once."
)

# %% [markdown]
# **Guess first:** which of these leads by NDCG@10, a metric between 0 and 1 that you will build in
# section 5, the ceiling aside? `Random` shuffles the catalogue. `Popularity` knows no history. `chain` is your bigram
# model. `TransitionKNN` looks further back. `ItemKNN` and `EASE` know which items share users, but
# nothing about order (EASE is a linear model of it: an item's score is a weighted sum over the
# items of the history). In a planted world, `Oracle` is the exact probability of the next item
# given the history, so no model can do better on average: it is the **ceiling**.

# %%
# in place of None: your guess
MODELS = ["Random", "Popularity", "chain", "TransitionKNN", "ItemKNN", "EASE"]
guess("01-best", None, "the best counter by NDCG@10", choices=MODELS)

# %%
from tutorial_lib.evaluation import compare, evaluate, holm, mean_interval, p_text

models = {"Random": Random(), "Popularity": Popularity(), "chain": chain}
models |= {"TransitionKNN": TransitionKNN(), "ItemKNN": ItemKNN(), "EASE": EASE()}
if ds.truth is not None:
    models["Oracle"] = Oracle()
else:
    say(
        "No ceiling here: nobody knows the true probabilities of real data. A planted world has "
        "one."
    )
for model in models.values():
    model.fit(split, seed=SEED)
results = {name: evaluate(model, split, k=(5, 10)) for name, model in models.items()}
say(results["chain"].attrs["protocol"])

# %%
order = sorted(results, key=lambda name: results[name]["ndcg@10"].mean())
best = next(name for name in reversed(order) if name != "Oracle")
bars(
    {name: mean_interval(results[name], "ndcg@10") for name in order},
    quantity="NDCG@10, mean over users",
    caption=f"Means and 95 % intervals over {len(tested):,} users of {ds.name}; hatched: the "
    "best counter.",
    highlight=best,
    ceiling=(results["Oracle"]["ndcg@10"].mean(), "ceiling") if "Oracle" in results else None,
)
turned_out("01-best", best)

# %% [markdown]
# The intervals of two bars may overlap although one model is better for nearly every user. So
# compare **paired**: user by user.
#
# Several tests at once find a difference by luck more often than one. So their p-values are raised
# for the number of tests, here by **Holm's** method. A difference counts as shown where the
# adjusted p is below one in twenty; the intervals are those of single tests.


# %%
pairs = [("chain", "Popularity"), ("TransitionKNN", "chain"), ("TransitionKNN", "ItemKNN")]
pairs += [(best, "Oracle")] if "Oracle" in results else []
found = [compare(results[a], results[b], "ndcg@10") for a, b in pairs]
lines = []
for (a, b), c, p in zip(pairs, found, holm([c.p for c in found])):
    sure = "a difference is shown" if p < 0.05 else "no difference is shown"
    interval = (
        f"95 % interval {c.ci[0]:+.4f} to {c.ci[1]:+.4f}, {c.n:,} users, adjusted p {p_text(p)}"
    )
    lines.append(f"**{a} − {b}:** {c.difference:+.4f} ({interval}): {sure}.")
say(*lines)
if "Oracle" in results:
    say(f"The last line is what is left to learn beyond {best}, the best counter.")

# %% [markdown]
# ## 5. Metrics by hand
# A user liked B and E. A model recommends A, B, C, D, E, in this order.
#
# - **Reciprocal rank**: one over the rank of the first hit.
# - **Recall@k**: the hits among the first k, divided by the number of liked items.
# - **NDCG@k**: each hit earns $1 / \log_2(\text{rank} + 1)$. The sum is DCG. Divided by the DCG of
#   the best possible list, it is NDCG.
#
# **Guess first:** what are the three numbers for k = 5?

# %%
# in place of None: your guess
guess("01-rr", None, "reciprocal rank", within=0.02)
guess("01-recall", None, "recall@5", within=0.02)
guess("01-ndcg5", None, "NDCG@5", within=0.05)

# %%
recommended, liked = list("ABCDE"), {"B", "E"}
steps = pd.DataFrame({"item": recommended}, index=pd.RangeIndex(1, 6, name="rank"))
steps["gain"] = [float(item in liked) for item in recommended]
steps["discount 1/log2(rank+1)"] = 1 / np.log2(steps.index + 1)
steps["gain × discount"] = steps["gain"] * steps["discount 1/log2(rank+1)"]
table(steps, caption="The five ranks, one per row", digits=3)
dcg, ideal = steps["gain × discount"].sum(), 1 / np.log2([2, 3])
by_hand = {"mrr@5": 1 / 2, "recall@5": 2 / 2, "ndcg@5": dcg / ideal.sum()}

# %%
from tutorial_lib.evaluation import ranking_metrics

library = ranking_metrics([recommended], [liked], k=5)[list(by_hand)].iloc[0]
both = pd.DataFrame({"by hand": by_hand, "library": library.to_dict()})
both["the same"] = np.isclose(both["by hand"], both["library"])
table(both, caption="Three metrics of one list")
turned_out("01-rr", by_hand["mrr@5"])
turned_out("01-recall", by_hand["recall@5"])
turned_out("01-ndcg5", by_hand["ndcg@5"])

# %% [markdown]
# **Exercise 01-ndcg** (build, about 15 minutes, difficulty 2 of 3). Now as a function, for any
# list. Three traps: the list may be shorter than k, more items may be liked than fit into it, and
# an item may be recommended twice (it earns once, and its repeats still take up their places).


# %%
def ndcg_at_k(recommended, relevant, k):
    """NDCG of one list: gain 1 for a relevant item, discount 1 / log2(rank + 1); from 0 to 1."""
    # SOLUTION BEGIN
    seen, dcg = set(), 0.0
    for rank, item in enumerate(recommended[:k], start=1):
        if item in relevant and item not in seen:
            dcg += 1 / np.log2(rank + 1)
        seen.add(item)
    return dcg / sum(1 / np.log2(rank + 1) for rank in range(1, min(len(relevant), k) + 1))
    # SOLUTION END


ndcg_at_k = attempt(ndcg_at_k, exercise="01-ndcg")

# %%
hint("01-ndcg")

# %%
rows = tested[:300]  # enough to see whether the numbers agree
lists = models["TransitionKNN"].recommend([split.test_history[row] for row in rows], k=10)
goals = [set(split.test_target[row]) for row in rows]
mean = np.mean([ndcg_at_k(list(items), goal, 10) for items, goal in zip(lists, goals)])
library = results["TransitionKNN"].loc[split.users[rows], "ndcg@10"].mean()
same = "the same" if np.isclose(mean, library) else "NOT the same"
who = whose(ndcg_at_k, "01-ndcg")
say(
    f"NDCG@10 of TransitionKNN over {len(rows)} users: {who} {mean:.6f}, the library "
    f"{library:.6f}: {same}."
)

# %% [markdown]
# **Playground.** One item is liked. Move the hit down the list, and move the cut-off. Before you
# do: from rank 1 to rank 2, which metric loses most? And from rank 9 to rank 10?

# %%
from tutorial_workshop.figures import describe_playground, metric_curves, metric_playground

explore(
    metric_playground,
    alt="Left, a ranked list of 20 places with one hit and a line at the cut-off. Right, MRR, "
    "NDCG and recall for every rank.",
    describe=describe_playground,
    start={"rank": 3, "k": 10},
    rank=range(1, 21),
    k=[1, 5, 10, 20],
)

# %%
show(
    metric_curves(k=10),
    alt="Three falling curves over ranks 1 to 20. MRR@10 falls fastest, from 1 to 0.5 at rank 2. "
    "NDCG@10 falls to 0.63 at rank 2 and 0.29 at rank 10. Recall@10 stays 1 up to rank 10. "
    "All are 0 from rank 11.",
    caption="MRR loses most at the top, recall only at the cut-off, and NDCG lies between them.",
)

# %%
quiz("01_recommendation_as_language", "which-metric")

# %% [markdown]
# ## 6. One drawn target, or the known probabilities?
# So far each user was judged by one item: the one that was chosen next. It is one draw out of many
# that were possible, and NDCG@10 is 0 for most users, whatever the list. A planted world knows the
# probability of every next item. So there the NDCG of a list need not be drawn, its **expectation**
# can be computed:
#
# $$E[\mathrm{NDCG@}k \mid \text{history}] = \sum_{r=1}^{k} \frac{p(\text{item at rank } r
# \mid \text{history})}{\log_2(r + 1)}$$
#
# **Guess first:** both rules judge the same lists. How many times as many users does the drawn
# target need, to see the difference of EASE and TransitionKNN as sharply?

# %%
# in place of None: your guess
guess("01-factor", None, "how many times as many users a drawn target needs", within=10)

# %%
from tutorial_lib.evaluation import expected_metrics

KNOWN = ds.truth is not None  # real data: nobody knows the probabilities
if KNOWN:
    rows = tested[:5]
    lists = models["EASE"].recommend([split.test_history[row] for row in rows], k=10)
    chances = ds.truth.next_item_probabilities([split.test_history[row] for row in rows])
    weights = 1 / np.log2(np.arange(2, 12))  # of ranks 1 to 10
    five = pd.DataFrame({"user": split.users[rows]}).set_index("user")
    five["one drawn target"] = results["EASE"].loc[split.users[rows], "ndcg@10"]
    five["expected, by hand"] = (np.take_along_axis(chances, lists, axis=1) * weights).sum(axis=1)
    five["expected, library"] = expected_metrics(lists, chances, k=10)["ndcg@10"].to_numpy()
    table(five, caption="NDCG@10 of EASE for five users")

# %%
judged = {n: evaluate(model, split, k=(5, 10), expected=KNOWN) for n, model in models.items()}


def difference(frames, a, b):
    """Mean and standard deviation over users of a paired difference of NDCG@10."""
    pairs = frames[a]["ndcg@10"] - frames[b]["ndcg@10"]
    return pairs.mean(), pairs.std()


rows = []
for rival in ("TransitionKNN", "ItemKNN", "Popularity"):
    drawn, known = difference(results, "EASE", rival), difference(judged, "EASE", rival)
    rows.append((f"EASE − {rival}", *drawn, *known, (drawn[1] / known[1]) ** 2))
columns = ["pair", "drawn: difference", "SD", "expected: difference", "SD ", "users saved: factor"]
if KNOWN:
    table(
        pd.DataFrame(rows, columns=columns).set_index("pair"),
        caption=f"The same lists of {len(tested):,} users, judged by one target and in expectation",
    )
else:
    say("These data have no known probabilities: every number here rests on one drawn target.")
turned_out("01-factor", rows[0][-1] if KNOWN else None)

# %% [markdown]
# The number of users that a test needs grows with the variance, so with the square of the standard
# deviation (SD): that is the last column. Why is this allowed?
#
# - **The same mean.** A target is a draw from these very probabilities. Averaged over all draws,
#   the drawn NDCG *is* the expected one. To replace a random number by its expectation given what
#   is known takes away noise and adds no bias (Rao-Blackwell).
# - **No peeking.** The probabilities judge the lists, as the target did. No model is fitted to
#   them, or chosen by them. Only `Oracle`, the ceiling, reads them.
#
# You can watch it: let the world draw the next items again and again, for the same histories and
# the same lists.
#
# **Guess first:** of all repetitions with 200 users, in how many is the sign of EASE −
# TransitionKNN wrong?

# %%
# in place of None: your guess
guess("01-sign", None, "share of repetitions with the wrong sign, 0 to 1", within=0.05)


# %%
def repeated(users, times=200):
    """Differences EASE − TransitionKNN of drawn NDCG@10: one per repetition of the draw."""
    histories = [split.test_history[row] for row in users]
    steps = ds.truth.next_item_probabilities(histories).cumsum(axis=1)
    lists = [models[name].recommend(histories, k=10) for name in ("EASE", "TransitionKNN")]
    draw, weights, found = np.random.default_rng(SEED), 1 / np.log2(np.arange(2, 12)), []
    for _ in range(times):
        targets = (steps < draw.random((len(users), 1))).sum(axis=1, keepdims=True)
        ndcg = [((items == targets) * weights).sum(axis=1).mean() for items in lists]
        found.append(ndcg[0] - ndcg[1])
    return np.array(found)


if KNOWN:
    from tutorial_workshop.figures import show_redrawn

    few_users = tested[:200]
    pair = [judged[name].loc[split.users[few_users]] for name in ("EASE", "TransitionKNN")]
    redrawn, middle = repeated(few_users), compare(*pair, "ndcg@10")
    show_redrawn(redrawn, middle, names="EASE − TransitionKNN")
    turned_out("01-sign", (redrawn * middle.difference <= 0).mean())

# %% [markdown]
# Each repetition is what a paper would have reported had its users chosen a little differently.
# The known probabilities give the middle of all of them at once. From here on, every comparison of
# models on a world is made in expectation: `evaluate(..., expected=True)`. On real data it refuses
# in one line; there, take more users and read the interval. Where a trap lies in the target itself
# (sections 7 to 9), the drawn target stays.
#
# Back to the leaderboard of section 4: the same bars, the ceiling by the same rule.

# %%
order = sorted(judged, key=lambda name: judged[name]["ndcg@10"].mean())
best = next(name for name in reversed(order) if name != "Oracle")
both = {"one drawn target": results, "expected": judged} if KNOWN else {"drawn target": results}
points(
    order,
    {rule: [mean_interval(runs[n], "ndcg@10") for n in order] for rule, runs in both.items()},
    quantity="NDCG@10, mean over users",
    caption=f"{ds.name}, {len(tested):,} users: the same lists under both rules, 95 % intervals.",
)
if KNOWN:
    best_share = judged[best]["ndcg@10"].mean() / judged["Oracle"]["ndcg@10"].mean()
    lines = [f"{best}, the best counter, reaches {best_share:.0%} of the ceiling."]
    for low, high in combinations(order, 2):  # high is ahead in expectation
        drawn, known = (compare(runs[high], runs[low], "ndcg@10") for runs in (results, judged))
        if drawn.difference < 0:
            sign = f"{drawn.difference:+.4f} by the drawn targets, {known.difference:+.4f}"
            interval = f"{known.ci[0]:+.4f} to {known.ci[1]:+.4f}"
            lines.append(f"{high} − {low}: {sign} in expectation (95 % interval {interval}).")
    say(*lines)

# %%
quiz("01_recommendation_as_language", "expected")

# %% [markdown]
# ## 7. Full or sampled ranking: a rank flip
# Ranking the whole catalogue was once expensive. So many papers rank the target among 100
# **sampled** items only. That looks like a cheaper version of the same number. It is not (Krichene
# & Rendle 2020).
#
# To see why, we build a model in the style of large systems. A **short list** of 20 items is ranked
# with care, here by EASE and TransitionKNN together. Everything else is left in order of
# popularity: nobody sees rank 500. We built it to make the effect plain, and then look for the
# effect among the ready-made models.

# %%
from scipy.stats import zscore

from tutorial_lib.recommender import ScoreRecommender, top_k


class ShortList(ScoreRecommender):
    """The 20 best items of two models together, then the rest by popularity."""

    def fit(self, split, *, seed=0, progress=True):
        self.n_items = split.dataset.n_items
        self.parts = [EASE().fit(split), TransitionKNN().fit(split)]
        self.rest = Popularity().fit(split)
        return self

    def score(self, histories, users=None):
        both = sum(zscore(part.score(histories), axis=1) for part in self.parts)
        scores = self.rest.score(histories) / self.rest.counts.sum()  # below 1
        best = top_k(both, 20, exclude=histories)
        np.put_along_axis(scores, best, np.arange(20, 0, -1.0)[None], axis=1)
        return scores


models["ShortList"] = ShortList().fit(split)
results["ShortList"] = evaluate(models["ShortList"], split, k=(5, 10))

# %% [markdown]
# **Guess first:** the short list puts its best guesses on top and does not care about the rest.
# Does its place among the six models get better or worse when each target competes with only 100
# random items?

# %%
# in place of None: your guess
CHANGES = ["better", "worse", "the same"]
guess("01-short-list", None, "place of ShortList among 100 random items", choices=CHANGES)

# %%
from tutorial_lib.evaluation import SampledMetricsWarning, evaluate_sampled, expected_sampled

warnings.simplefilter("ignore", SampledMetricsWarning)  # the library warns: here we know why
rivals = ["Popularity", "chain", "TransitionKNN", "ItemKNN", "EASE"]
negatives = min(100, ds.n_items // 4)
unseen = np.array([ds.n_items - len(set(split.test_history[row])) for row in tested])


def uniform(model):
    """Metrics against uniformly drawn items, exact over all draws: the target's rank decides."""
    frame = evaluate(model, split, k=ds.n_items, ties="index")
    ranks = (1 / frame[f"mrr@{ds.n_items}"]).round().astype(int)
    return expected_sampled(ranks, unseen - 1, k=10, negatives=negatives).set_axis(frame.index)


few = {name: uniform(models[name]) for name in [*rivals, "ShortList"]}
drawn = {"k": 10, "negatives": negatives, "by": "popularity", "seed": SEED}
popular = {name: evaluate_sampled(models[name], split, **drawn) for name in few}

# %%
protocols = {"full ranking": results}
protocols |= {f"{negatives} uniform": few, f"{negatives} by popularity": popular}
means = {p: {name: runs[name]["hit@10"].mean() for name in few} for p, runs in protocols.items()}
hits = pd.DataFrame(means)
hits.index.name = "hit@10"
table(
    hits.sort_values("full ranking", ascending=False),
    caption="The same models, three protocols",
    digits=3,
)
in_full, among_100, _ = hits.rank(ascending=False).loc["ShortList"]
turned_out("01-short-list", CHANGES[0 if among_100 < in_full else 1 if among_100 > in_full else 2])

# %%
gaps = {
    p: [compare(runs["ShortList"], runs[rival], "hit@10") for rival in rivals]
    for p, runs in protocols.items()
}
full, cheap, _ = gaps.values()
points(
    rivals,
    dict(list(gaps.items())[:2]),
    quantity="hit@10 of ShortList minus hit@10 of the rival",
    caption="Right of the line ShortList is ahead, left of it behind. Look for points on both "
    "sides.",
    zero="no difference",
)

# %%
pairs = list(combinations(["ShortList", *rivals], 2))
both = [[compare(runs[a], runs[b], "hit@10") for a, b in pairs] for runs in (results, few)]
adjusted = np.reshape(holm([c.p for tests in both for c in tests]), (2, -1))
swapped = []  # (ahead in the full ranking, ahead in the sampled one)
for (a, b), in_full, in_sampled, p in zip(pairs, *both, adjusted.max(axis=0)):
    if p < 0.05 and in_full.difference * in_sampled.difference < 0:
        swapped.append((a, b) if in_full.difference > 0 else (b, a))
flipped = [b for a, b in swapped if a == "ShortList"]
natural = [f"{a} and {b}" for a, b in swapped if "ShortList" not in (a, b)]
say(
    f"ShortList is **ahead** of {' and '.join(flipped) or 'no rival'} in the full ranking and "
    "**behind** in the "
    f"sampled one, both with an adjusted p below .05 ({len(tested):,} users; Holm's method over "
    f"{adjusted.size} tests).",
    "Ready-made models that change places as clearly: "
    f"{'; '.join(natural) or 'none on this data set'}.",
)

# %% [markdown]
# Why? Against 100 of N items, a place among the first ten means about a place among the first N /
# 10 of the whole catalogue. So the sampled metric reads the ranking at another depth. Draw hit@k
# for **every** k, and the flip explains itself.

# %%
from tutorial_workshop.figures import depth_curves

other = flipped[-1] if flipped else "TransitionKNN"
depths = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k < ds.n_items]
pair = ("ShortList", other)
deep = {name: evaluate(models[name], split, k=depths, expected=KNOWN) for name in pair}
found = {
    name: [float(frame[f"hit@{k}"].mean().round(3)) for k in depths] for name, frame in deep.items()
}
reach = 10 * (ds.n_items - items_each.mean()) / (negatives + 1)
show(
    depth_curves(depths, found, read_at={"full hit@10": 10, "sampled hit@10": reach}),
    alt=f"hit@k over k = {depths}, rising to 1: {found}. Lines at k = 10 and k = {reach:.0f}.",
    caption="The full metric reads the curves at k = 10, the sampled one at about k = "
    f"{reach:.0f}.",
)

# %%
quiz("01_recommendation_as_language", "sampled")

# %% [markdown]
# ## 8. Trap: ties
# **Equal scores.** A model that has learned nothing gives every item the same score. What is its
# hit@10? The answer depends on one line of the metric: who wins a tie.
#
# **Guess first:** what is hit@10 of a constant scorer, if ties are broken for the target, against
# it, or at random?

# %%
# in place of None: your guess
guess("01-for", None, "hit@10, ties for the target", within=0.02)
guess("01-against", None, "hit@10, ties against the target", within=0.02)
guess("01-random", None, "hit@10, ties at random", within=0.01)


# %%
class Constant:
    """The same score for every item."""

    def score(self, histories, users=None):
        return np.zeros((len(histories), ds.n_items))


rules = ["optimistic", "pessimistic", "index", "expected"]
untaught = {rule: evaluate(Constant(), split, k=10, ties=rule) for rule in rules}
constant = {rule: mean_interval(frame, "hit@10") for rule, frame in untaught.items()}
bars(
    constant,
    quantity="hit@10 of a model that knows nothing",
    caption="One model, four tie rules. 'expected', the mean over all orders, is the default of "
    "this kit.",
    highlight="expected",
)

# %%
chance = np.mean([10 / (ds.n_items - len(split.test_history[row])) for row in tested])
say(
    f"'expected' gives {constant['expected'].mean:.4f}. Ten places for all items not yet seen "
    f"make {chance:.4f}: chance. "
    f"'optimistic' calls the same model perfect, 'pessimistic' useless."
)
turned_out("01-for", constant["optimistic"].mean)
turned_out("01-against", constant["pessimistic"].mean)
turned_out("01-random", constant["expected"].mean)

# %% [markdown]
# **Equal times.** The last item of a user is the target. But which one is last, if two carry the
# same second? Then the order of the file decides, or a sort by item number that nobody thought
# about. In a planted world all times differ. So we first make its clock coarse, until nearly half
# of the targets are tied, as they are in MovieLens-100K.


# %%
def coarse(seconds):
    """The same data with a clock that only knows whole multiples of `seconds`."""
    stamps = ds.interactions["timestamp"] // seconds * seconds
    return replace(ds, interactions=ds.interactions.assign(timestamp=stamps))


seconds = [1, 900, 3600, 10800, 21600, 43200, 86400, 259200, 604800]  # up to a week
clocks = {s: leave_last_out(coarse(s)).tied_targets for s in seconds}
clock = min(clocks, key=lambda s: abs(clocks[s] - 0.44))
blurred = coarse(clock)
say(
    f"With the data's own clock {clocks[1]:.1%} of the targets are tied, with one of {clock:,} s "
    f"{clocks[clock]:.1%}."
)


# %%
def by_number(rising):
    """The same events, sorted by item number: that is then the order of the file."""
    events = blurred.interactions.sort_values("item", kind="stable", ascending=rising)
    return leave_last_out(replace(blurred, interactions=events))


splits = {"order of the file": leave_last_out(blurred)}
splits |= {"shuffled by a seed": leave_last_out(blurred, tie_seed=SEED)}
splits |= {"item number, rising": by_number(True), "item number, falling": by_number(False)}
usual = splits["order of the file"].test_target
moved = {}
for rule, ruled in splits.items():
    moved[rule] = np.mean([a[0] != b[0] for a, b in zip(usual, ruled.test_target) if len(a)])
lines = [f"**{rule}:** {share:.0%}" for rule, share in moved.items() if share]
say("Users whose target is another item than in the order of the file: " + "; ".join(lines) + ".")

# %% [markdown]
# **Guess first:** the rule changes the question for many users. Does it change hit@10 of EASE or
# TransitionKNN by more than the width of one interval?

# %%
# in place of None: your guess
guess("01-tie-rule", None, "does the tie rule matter", choices=["yes", "no"])


# %%
def under_each_rule(model):
    """hit@10 with its interval under each tie rule, refitted each time."""
    frames = [evaluate(model.fit(s, seed=SEED), s, k=10) for s in splits.values()]
    return [mean_interval(frame, "hit@10") for frame in frames]


tied = {"EASE": under_each_rule(EASE()), "TransitionKNN": under_each_rule(TransitionKNN())}
points(
    list(splits),
    tied,
    quantity="hit@10: same data, same model, another tie rule",
    caption="Each row breaks ties in time by another rule; whiskers are 95 % intervals.",
)

# %%
lines, matters = [], []
for name, intervals in tied.items():
    values, width = [i.mean for i in intervals], intervals[0].high - intervals[0].low
    moves = max(values) - min(values)
    matters.append(moves > width)
    size = "more" if moves > width else "less"
    lines.append(
        f"**{name}:** the tie rule alone moves hit@10 by {moves:.3f} ({min(values):.3f} to "
        f"{max(values):.3f}), "
        f"{size} than the width of one interval ({width:.3f})."
    )
say(*lines)
turned_out("01-tie-rule", any(matters))

# %% [markdown]
# In the worlds, item numbers mean nothing, so a sort by number is only one more shuffle. In
# MovieLens-100K they do mean something: run this notebook with `DATASET = "ml-100k"` and look at
# the last two rows. A safe rule: keep the order of the file, or shuffle with a seed and repeat.
# Never sort by item number.

# %%
quiz("01_recommendation_as_language", "ties")

# %% [markdown]
# ## 9. Trap: leakage
# Three ways to hold out: a **random** item of each user, the **last** item of each user, or
# everything after one **moment in time**. In real use, a model knows nothing that happens after the
# moment of the recommendation.
#
# **Guess first:** hold out a random item of each user. For what share of these does the training
# part hold a later event of the same user? And hold out the last items: what share of all training
# events lies in a test item's future?

# %%
# in place of None: your guess
guess("01-own-future", None, "random item: share with a later event of the user", within=0.1)
guess("01-future", None, "last item: share of training events after it", within=0.1)

# %%
log = ds.interactions.iloc[ds.sorted_rows()]  # by user, then by time
who, when = log["user"].to_numpy(), log["timestamp"].to_numpy()
size = np.bincount(who, minlength=ds.n_users)
place = np.arange(len(log)) - (np.cumsum(size) - size)[who]
drawn = np.random.default_rng(SEED).integers(0, np.maximum(size, 1))
cut = np.quantile(when, 0.9)
held = {"random item": place == drawn[who], "last item": place == size[who] - 1}
held["moment in time"] = when >= cut


def future(test):
    """Mean share of training events after a test event; share of tests followed by an own one."""
    train = np.sort(when[~test])
    later = 1 - np.searchsorted(train, when[test], side="right") / len(train)
    newest = pd.Series(when[~test]).groupby(who[~test]).max()
    newest = newest.reindex(range(ds.n_users), fill_value=-1).to_numpy()
    return later.mean(), (newest[who[test]] > when[test]).mean()


leaks = {name: future(test) for name, test in held.items()}

# %%
everybody, own = zip(*leaks.values())
points(
    list(leaks),
    {
        "training events after the test event": everybody,
        "test events followed by own training event": own,
    },
    quantity="share (exact counts, so no interval)",
    caption="How much of the future each split lets into the training part.",
)
turned_out("01-own-future", leaks["random item"][1])
turned_out("01-future", leaks["last item"][0])

# %% [markdown]
# What does a model make of that? First, hit@10 when a random item is held out. Second,
# recommendations that were **impossible**: items that nobody had met at the moment of the target.


# %%
def random_split(seed):
    """One random item of each user is the target; all others, also later ones, are the history."""
    draw, nothing, train, test = np.random.default_rng(seed), np.empty(0, dtype=np.int64), [], []
    for sequence in ds.sequences():
        at = draw.integers(max(1, len(sequence)))
        keep = len(sequence) < 3  # too short to hold anything out
        train.append(sequence if keep else np.delete(sequence, at))
        test.append(nothing if keep else sequence[[at]])
    return Split(
        ds, "random item", np.arange(ds.n_users), train, train, [nothing] * ds.n_users, train, test
    )


last = split.merge_validation()  # as much training data as the random split has
randoms = [random_split(seed) for seed in SEEDS]
fresh = {"TransitionKNN": TransitionKNN, "ItemKNN": ItemKNN, "EASE": EASE}
at_last, at_random = {}, {}
for name, kind in fresh.items():
    runs = [evaluate(kind().fit(s), s, k=10) for s in randoms]
    at_random[name] = pd.concat(runs).groupby(level="user").mean()
    at_last[name] = evaluate(kind().fit(last), last, k=10)
gains = {name: compare(at_random[name], at_last[name], "hit@10") for name in fresh}

# %%
points(
    list(gains),
    {"gain": list(gains.values())},
    quantity="hit@10 with a random target minus hit@10 with the last",
    caption=f"Right of the line the random split flatters; paired over users, {N_SEEDS} random "
    "splits averaged.",
    zero="no difference",
)
lines = []
for (name, c), p in zip(gains.items(), holm([c.p for c in gains.values()])):
    effect = (
        "does not clearly change"
        if p >= 0.05
        else "flatters"
        if c.difference > 0
        else "understates"
    )
    interval = f"95 % interval {c.ci[0]:+.3f} to {c.ci[1]:+.3f}, p {p_text(p)}"
    lines.append(f"The random split {effect} {name}: {c.difference:+.3f}, {interval}.")
say(*lines, f"(p is adjusted over these {len(gains)} tests by Holm's method.)")

# %%
from tutorial_lib.evaluation import impossible_share

timed = temporal_split(ds)
rows = []
for name, kind in fresh.items():
    for title, s in (("last item", split), ("moment in time", timed)):
        lists = kind().fit(s).recommend(s.test_history, k=10)
        share = impossible_share(lists, s)["impossible"]
        rows.append((name, title, round(share.sum() * 10), len(share) * 10, share.mean()))
impossible = pd.DataFrame(rows, columns=["model", "split", "impossible", "of", "share"]).set_index(
    "model"
)
table(impossible, caption="Recommended items that nobody had met at the moment of the target")

# %%
most = impossible.groupby("split")["impossible"].max()
testable = sum(len(target) > 0 for target in timed.test_target)
say(
    f"With the last item held out, up to {most['last item']:,} recommendations of one model were "
    f"impossible at the time; with one moment in time, at most {most['moment in time']:,}.",
    f"The price: {testable:,} users can be tested with one moment in time, {len(tested):,} with "
    "the last item.",
)

# %%
quiz("01_recommendation_as_language", "leakage")

# %% [markdown]
# ## Recap
# Computed from the cells above. If a row says something else than you guessed, go back to its
# section.

# %% tags=["recap"]
chosen = ["Popularity", "chain", "TransitionKNN", best]
rows = []
for name in dict.fromkeys(chosen + ["Oracle"] * ("Oracle" in results)):
    i = mean_interval(judged[name], "ndcg@10")
    rows.append((f"NDCG@10, {name}", i.mean, i.low, i.high, 1))
for protocol, runs in protocols.items():
    c = compare(runs["ShortList"], runs[other], "hit@10")
    rows.append((f"hit@10, ShortList − {other}, {protocol}", c.difference, *c.ci, 1))
for name, c in gains.items():
    rows.append((f"hit@10, {name}, random − last item", c.difference, *c.ci, N_SEEDS))
recap_table(rows, caption=f"{ds.name}: {len(tested):,} users, 95 % intervals")

# %%
my_guesses()

# %%
popularity, transition = (
    judged[name]["ndcg@10"].mean() for name in ("Popularity", "TransitionKNN")
)
golden("01.popularity.ndcg@10", popularity, trivial=judged["Random"]["ndcg@10"].mean())
golden("01.transition.ndcg@10", transition, trivial=popularity)
if "Oracle" in results:
    golden(
        "01.oracle.ndcg@10",
        judged["Oracle"]["ndcg@10"].mean(),
        trivial=judged[best]["ndcg@10"].mean(),
    )
at = rivals.index("TransitionKNN")
golden("01.short-list.full-difference", full[at].difference)
golden("01.short-list.sampled-difference", cheap[at].difference, trivial=full[at].difference)
golden("01.constant.hit@10", constant["expected"].mean, trivial=constant["index"].mean)
golden("01.random-split.gain", gains["EASE"].difference)
golden("01.last.future-share", leaks["last item"][0], trivial=leaks["moment in time"][0])

# %% [markdown]
# ## Pitfalls
# - **One drawn target as the truth.** A difference may be significant and wrong. Where the
#   probabilities are known, judge by them; where they are not, take more users.
# - **No baseline row.** A counter that takes a blink to fit is the first thing a large model must
#   beat.
# - **A number without its protocol.** hit@10 may be full or sampled, with seen items or without,
#   with any tie rule. Print it all.
# - **Bars without intervals, and intervals that are not paired.** Compare user by user, and read
#   the smallest difference you could see.
# - **Many tests, no adjustment.** With twenty comparisons, expect one that looks real by luck.
#   Adjust for their number (Holm).
# - **"The last item."** Ask how ties in time were broken, and who else's future was in the training
#   part.
# - **A ceiling of 1.** People are not predictable. Where the ceiling is unknown, a low number does
#   not mean a bad model.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation: a survey of language modelling
#   paradigm adaptations in recommender systems. TACL 11. [arXiv
#   2302.03735](https://arxiv.org/abs/2302.03735)
# - Zhang, Liu, Deldjoo, Zheng, Gulla 2024. Understanding language modeling paradigm adaptations in
#   recommender systems (tutorial). [arXiv 2404.03788](https://arxiv.org/abs/2404.03788)
# - Järvelin, Kekäläinen 2002. Cumulated gain-based evaluation of IR techniques. ACM TOIS 20(4).
#   [doi 10.1145/582415.582418](https://doi.org/10.1145/582415.582418)
# - Blackwell 1947. Conditional expectation and unbiased sequential estimation. Annals of
#   Mathematical Statistics 18(1). [doi
#   10.1214/aoms/1177730497](https://doi.org/10.1214/aoms/1177730497)
# - Krichene, Rendle 2020. On sampled metrics for item recommendation. KDD.
#   [doi 10.1145/3394486.3403226](https://doi.org/10.1145/3394486.3403226)
# - Ji, Sun, Zhang, Li 2023. A critical study on data leakage in recommender system offline
#   evaluation. [arXiv 2010.11060](https://arxiv.org/abs/2010.11060)
# - Steck 2019. Embarrassingly shallow autoencoders for sparse data. [arXiv
#   1905.03375](https://arxiv.org/abs/1905.03375)
# - Kang, McAuley 2018. Self-attentive sequential recommendation. [arXiv
#   1808.09781](https://arxiv.org/abs/1808.09781)
#
# **What next:** [notebook 02](02_objectives_am_mlm.ipynb) puts a small Transformer in the place of
# the counters, and asks what it learns by guessing the next item, and what by guessing a hidden
# one.
