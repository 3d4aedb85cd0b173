# %% [markdown] tags=["title"]
# # 07 · Evaluation
# **When can you believe a number about a recommender that ranks, and about one that writes?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *explain* how a significant difference can have the wrong sign, and by how much a significant
# >   one exaggerates (question 1)
# > - *compute* what a sampled metric gives on average, and *find* the number of negatives at which
# >   two models change places (question 2)
# > - *mend* three evaluation snippets that flatter a model (exercises 07-rank, 07-recall,
# >   07-distinct, question 3)
# > - *count* recommendations that were impossible at the time, under two splits (question 4)
# > - *work out* BLEU and ROUGE by hand, and *name* where they mislead (question 5)
# > - *read* a scorecard of accuracy and language, and *say* what cannot be concluded from it
# >   (question 6)
# > - *write* an interval for other users and other seeds (exercise 07-bootstrap), and *estimate* the
# >   smallest difference that a test can see, and what the best of many tries gains by luck
# >   (question 7)
# >
# > **You need:** notebooks 01 and 04. **Time:** 50 minutes, 95 with the exercises. **Hardware:**
# > two CPU cores and 2 GB of memory; tuning and ranking in section 7 take about a minute. No
# > GPU. **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: 4 users who explain, for structure | quick: 60 of them | full: 200
DATASET = "world-movies"  # or "world-products", "world-news"; "ml-100k": not in sections 1, 7
LM = "kit-gpt"  # or a Hub id or folder of a causal model; it ranks and writes in section 7
SEED = 0  # any whole number from 0; draws users, labelled users and simulations

# %%
import re
from collections import Counter

import numpy as np
import pandas as pd

# %%
from tutorial_workshop.page import attempt, bars, explore, golden, guess, hint, my_guesses
from tutorial_workshop.page import points, quiz, say, table, turned_out

# %% [markdown] tags=["half-day-5"]
# ## 1. Significant, and wrong
# One model beats another, p below .05. So it is the better one? A planted world can tell: it knows
# the probability of every next item, and so what a list is worth **in expectation**, over all
# targets that could have been drawn (notebook 01). A test set shows one drawn target per user.
#
# So draw the test set again, thousands of times: other users, other targets, the same two models.
#
# **Guess first:** 120 users in each test set. Of 100 *significant* differences, how many have the
# wrong sign?

# %% tags=["half-day-5"]
# in place of None: your guess
guess("07-sign", None, "of 100 significant ones, wrong sign", within=5)

# %%
from tutorial_lib.data import leave_last_out, load_dataset, temporal_split
from tutorial_lib.models import EASE, ItemKNN, Oracle, Popularity, TransitionKNN

ds = load_dataset(DATASET)
known = ds.truth is not None
ds = ds if known else ds.k_core(5)
split = leave_last_out(ds)
models = {kind.__name__: kind().fit(split) for kind in (Popularity, TransitionKNN, ItemKNN, EASE)}
# Real data has no truth: this section then asks a world.
planted = split if known else leave_last_out(load_dataset("world-movies"))

# %%
chances = planted.dataset.truth.next_item_probabilities(planted.test_history)


def worth(model):
    """[users, items]: NDCG@10 of the model's list for each user, if the item were the target."""
    lists = model.fit(planted).recommend(planted.test_history, k=10)
    values = np.zeros(chances.shape)
    discounts = np.broadcast_to(1 / np.log2(np.arange(2, 12)), lists.shape)
    np.put_along_axis(values, lists, discounts, axis=1)
    return values


gains = worth(EASE()) - worth(ItemKNN())
expected = (chances * gains).sum(axis=1)  # E[NDCG@10] of each user, EASE minus ItemKNN
truth = expected.mean()

# %% tags=["half-day-5"]
from tutorial_lib.evaluation.estimates import mean_estimate

rng, cumulated = np.random.default_rng(SEED), chances.cumsum(axis=1)
TIMES = {"smoke": 40, "quick": 3000, "full": 10000}[PROFILE]
KINDS = ("drawn target", "expectation")


def test_set(n):
    """EASE minus ItemKNN of n users: with one drawn target each, and in expectation."""
    users = rng.integers(len(gains), size=n)
    drawn = (cumulated[users] > rng.random((n, 1))).argmax(axis=1)
    return zip(KINDS, (gains[users, drawn], expected[users]))


rows = []
for n in (60, 120, 300):
    for repeat in range(TIMES):
        means = {how: mean_estimate(values, signed=True) for how, values in test_set(n)}
        rows += [(n, repeat, how, i.value, i.low, i.high) for how, i in means.items()]
draws = pd.DataFrame(rows, columns=["users", "repeat", "how", "difference", "low", "high"])

# %%
ends = np.sign(truth) * draws[["low", "high"]].to_numpy()  # both above 0: the right sign
draws["verdict"] = np.select(
    [(ends > 0).all(axis=1), (ends < 0).all(axis=1)],
    ["right sign", "wrong sign"],
    "not significant",
)

# %% tags=["half-day-5"]
from tutorial_workshop.figures import show_draws

show_draws(draws[draws["users"] == 120], truth, 120)

# %%
shares = draws.groupby(["users", "how"])["verdict"].value_counts(normalize=True).unstack()
table(
    shares.fillna(0)
    .reindex(columns=["right sign", "wrong sign", "not significant"])
    .reset_index("how"),
    caption=f"{TIMES:,} test sets each, EASE − ItemKNN; the truth is {truth:+.4f}",
    digits=3,
)

# %% tags=["half-day-5"]
found = draws[(draws["how"] == KINDS[0]) & (draws["verdict"] != "not significant")]
lines = []
for n, some in found.groupby("users"):
    wrong = (some["verdict"] == "wrong sign").sum()
    times = some["difference"].abs().mean() / abs(truth)
    lines.append(
        f"**{n} users:** {len(some)} of {TIMES:,} test sets give a significant difference. {wrong} "
        f"of these ({wrong / len(some):.0%}) have the wrong sign; on average they exaggerate the "
        f"truth **{times:.1f} times**."
    )
say(*lines)
turned_out("07-sign", 100 * (found.loc[found["users"] == 120, "verdict"] == "wrong sign").mean())

# %% [markdown] tags=["half-day-5"]
# The test keeps its promise: where nothing differs, it is significant in at most 5 % of cases. It
# promises nothing about those that *are* significant. With few users the true difference is far
# below what the test can detect, so only lucky draws reach significance, and these exaggerate, in
# either direction (*type M* and *type S* errors: Gelman & Carlin 2014). Where only significant
# results are published, readers see nothing else.
#
# In expectation, the same users show the right order almost every time: most of the noise was not
# in the users, but in the draw of one target for each. No model sees these probabilities. They
# judge, as the targets do.
#
# Here is one of the wrong results, looked for among all draws:

# %%
wrong = found[found["verdict"] == "wrong sign"].head(1)[["users", "repeat"]]
one = wrong.merge(draws).set_index("how")[["users", "difference", "low", "high", "verdict"]]
if len(one):
    table(one, caption=f"The same users, judged twice; the truth is {truth:+.4f}", digits=4)
else:
    say("None of these test sets is significant with the wrong sign. Draw more (PROFILE).")

# %% [markdown]
# **And among real runs?** The recorded grid of notebook 06 holds both numbers for every user. Take
# all pairs of its systems with 64 labelled users: in each seed a test by drawn targets, and beside
# it the expectation over all seeds.

# %%
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import recorded_signs, select

signs = recorded_signs(select(load_results(), "world-movies", "kit-gpt"), labels=64)
hits = signs[signs["significant"]]
say(
    f"{len(signs)} tests with {signs['users'].median():.0f} users each: {len(hits)} significant, "
    f"{hits['wrong'].sum()} of them against the expectation over all seeds.",
    f"Half of the true differences are below {signs['expected'].abs().median():.4f}; drawn targets "
    f"miss them by {(signs['realised'] - signs['expected']).std():.4f} (standard deviation).",
)
if hits["wrong"].any():
    table(
        hits[hits["wrong"]].set_index("pair").drop(columns=["significant", "wrong"]),
        digits=4,
        caption=f"Significant, and wrong: {hits['wrong'].sum()} tests",
        fold=True,
    )

# %% [markdown]
# So on planted worlds the kit compares models in expectation: `evaluate(..., expected=True)`. On
# real data nobody knows the probabilities. There, use more users and more held-out items per user,
# and say what the test could see (section 8).
#
# **Where the expectation ends.** It holds for every group of users that their *history* defines. A
# group that the *target* defines is no draw from these probabilities any more. An example that
# papers like: was the step from the last item to the target ever seen in training?

# %%
from tutorial_lib.evaluation import evaluate

n_items = planted.dataset.n_items
steps = np.unique(np.concatenate([h[:-1] * n_items + h[1:] for h in planted.train]))
last = np.array([history[-1] for history in planted.test_history])
target = np.array([items[0] for items in planted.test_target])
met = np.isin(last * n_items + target, steps)

# %%
long = np.array([len(history) for history in planted.test_history])
long = long > np.median(long)
rows = {}
for kind in (TransitionKNN, ItemKNN, EASE, Oracle):
    model = kind().fit(planted)
    one, all_of = (evaluate(model, planted, expected=e)["ndcg@10"] for e in (False, True))
    rows[kind.__name__] = [
        one[met].mean(),
        one[~met].mean(),
        all_of[long].mean(),
        all_of[~long].mean(),
    ]
columns = ["step met before", "step never met", "long history", "short history"]
strata = pd.DataFrame(rows, index=columns).T.rename_axis("NDCG@10")
table(
    strata,
    caption="Left: by drawn targets, groups by the target. Right: in expectation, by the "
    "history. Oracle knows the probabilities",
    digits=3,
)

# %%
above = [
    name
    for name in strata.index[:-1]
    if strata.loc[name, columns[1]] > strata.loc["Oracle", columns[1]]
]
say(
    f"Above the ceiling where the step was never met: {', '.join(above) or 'none'}. In the groups "
    "by history nobody is.",
    "The ceiling is the best that can be done before the target is known. Who is in the group was "
    "decided afterwards, so the ceiling says nothing about it.",
)

# %% tags=["half-day-5"]
quiz("07_evaluation", "significant")

# %% [markdown] tags=["half-day-5"]
# ## 2. Sampled metrics: at how many negatives do two models change places?
# Notebook 01 showed that ranking each target among 100 **sampled** items can turn an order of
# models around. It is in print, too. These are hit@10 on two data sets, from the S³-Rec project,
# which first published the sampled numbers and later the full ones:

# %% tags=["half-day-5"]
published = {"Beauty, 99 negatives": (0.4696, 0.4739), "Beauty, all items": (0.0605, 0.0347)}
published |= {"Yelp, 99 negatives": (0.7373, 0.7597), "Yelp, all items": (0.0274, 0.0090)}
printed = pd.DataFrame(published, index=["SASRec", "BERT4Rec"]).T.rename_axis("hit@10")
printed["ahead"] = printed.idxmax(axis=1)
table(
    printed,
    caption="Published (Zhou et al. 2020 and its repository): the same models, the same users",
)

# %% [markdown]
# You need no sampling to know what sampling gives **on average**. Say that a items of c stand above
# the target, and m of the c are drawn. The number x of drawn items above it follows the
# *hypergeometric* distribution, and the target then stands at place x + 1:
#
# $$P(x) = \frac{\binom{a}{x}\binom{c-a}{m-x}}{\binom{c}{m}} \qquad \text{hit@}k = \sum_{x<k} P(x) \qquad
# \text{NDCG@}k = \sum_{x<k} \frac{P(x)}{\log_2(x+2)}$$
#
# So one ranking of the whole catalogue gives the sampled metric at **every** number of negatives,
# without noise.
#
# **Guess first:** three ready-made models, from 15 negatives up to the whole catalogue. Do any two
# change places?

# %%
# in place of None: your guess
guess("07-places", None, "two change places", choices=["yes", "no"])

# %%
from tutorial_lib.evaluation import expected_sampled, target_ranks

rows = [row for row, target in enumerate(split.test_target) if len(target)]
seen = [split.test_history[row] for row in rows]
targets = np.array([split.test_target[row][0] for row in rows])


def full_scores(model):
    """Scores of all items, those of the history at minus infinity."""
    scores = np.array(model.score(seen), dtype=float)
    for line, items, target in zip(scores, seen, targets):
        line[np.setdiff1d(items, target)] = -np.inf
    return scores


scores = {name: full_scores(model) for name, model in models.items()}

# %%
from tutorial_workshop.figures import SampledCurves

compared = ("TransitionKNN", "ItemKNN", "EASE")
ranks = {name: target_ranks(scores[name], targets, ties="index") for name in compared}
ranked_out = [len({*items.tolist(), target}) for items, target in zip(seen, targets.tolist())]
others = ds.n_items - np.array(ranked_out)
METRICS, most = ("hit@10", "ndcg@10", "mrr@10"), int(others.max())
negatives = sorted({int(round(n)) for n in np.geomspace(15, most, 16)} | {100})
sampled = {
    n: {name: expected_sampled(r, others, negatives=n).mean() for name, r in ranks.items()}
    for n in negatives
}
full = {metric: {name: sampled[most][name][metric] for name in ranks} for metric in METRICS}
by_metric = {m: {name: [sampled[n][name][m] for n in negatives] for name in ranks} for m in METRICS}
curves = SampledCurves(negatives, by_metric, full)

# %%
explore(
    curves.draw,
    alt="Lead of each model over the mean of all, over the number of sampled negatives; "
    "lines that cross are models that change places.",
    describe=curves.describe,
    negatives=negatives,
    metric=list(METRICS),
)

# %%
swaps = {metric: curves.swaps(metric) for metric in METRICS}
lines = [
    f"**{metric}:** {a} leads {b} with up to {n} negatives, and {b} is ahead among all items."
    for metric in METRICS
    for a, b, n in swaps[metric]
]
lines += [f"**{metric}:** no two models change places." for metric in METRICS if not swaps[metric]]
say(*lines)
turned_out("07-places", any(swaps.values()))

# %% [markdown]
# Move the slider to 100 and beyond. The order at 100 may be right here, and wrong on the next data
# set: nothing in a sampled number tells you on which side of the crossing it was taken. Count the
# crossings by metric: NDCG and MRR, which stress the top, against hit@10.

# %% tags=["half-day-5"]
quiz("07_evaluation", "sampled")

# %% [markdown]
# ## 3. One list, one name, many numbers
# Libraries agree on the names of the metrics, and not on the formulas. Here are conventions in use,
# each in a line. Every case is one user: R relevant items, and the places of the hits in the list.
#
# **Guess first:** a hit at place 3, one relevant item. How many values can NDCG@10 have?

# %%
# in place of None: your guess
guess("07-values", None, "values of NDCG@10 in use", within=0.5)


# %%
def dcg(places, discount=lambda place: np.log2(place + 1)):
    """Sum of the gains of hits at these places."""
    return sum(1 / discount(place) for place in places)


def precisions(places):
    """Precision at each hit."""
    return sum((number + 1) / place for number, place in enumerate(sorted(places)))


def lenskit(place):
    """A discount that leaves place 2 whole."""
    return max(np.log2(place), 1)


# %%
ndcg, ap3 = "NDCG@10, hit at 3, R = 1", "AP@10, hits at 1, 3, R = 3"
ap2, few = "AP@2, hits at 1, 2, R = 5", "Precision@5, 2 hits, list of 3"
repeated = "Recall@3, list [a, a, b], R = {a}"
flat = dcg([3], lenskit) / dcg([1], lenskit)
cases = [
    (ndcg, "ideal over min(R, k)", dcg([3]) / dcg([1]), "this kit, RecBole, trec_eval, 3 more"),
    (ndcg, "ideal over k places", dcg([3]) / dcg(range(1, 11)), "RecTools default"),
    (ndcg, "discount max(log2 r, 1)", flat, "LensKit"),
    (ap3, "÷ R", precisions([1, 3]) / 3, "most"),
    (ap3, "÷ hits found", precisions([1, 3]) / 2, "torchmetrics"),
    (ap2, "÷ min(R, k)", precisions([1, 2]) / 2, "RecBole, LensKit, torchmetrics"),
    (ap2, "÷ R", precisions([1, 2]) / 5, "trec_eval, ranx, RecTools"),
    (few, "÷ k", 2 / 5, "most"),
    (few, "÷ length of the list", 2 / 3, "LensKit"),
    (repeated, "repeats count once", 1 / 1, "trec_eval, ranx"),
    (repeated, "repeats count", 2 / 1, "recommenders, Cornac, LensKit"),
]

# %%
conventions = pd.DataFrame(cases, columns=["case", "convention", "value", "found in"]).set_index(
    "case"
)
table(
    conventions,
    caption="Conventions of the libraries' versions of 2025 and 2026; the values are computed here",
    digits=3,
)
turned_out("07-values", conventions.loc[ndcg, "value"].nunique())

# %% [markdown]
# Does it matter on a real list? With one target per user most conventions agree. Hold out
# everything after a **moment in time**, and users have many targets. The lists of one model, EASE,
# under five conventions:

# %%
from tutorial_lib.evaluation import mean_interval

timed = temporal_split(ds)
later = {name: type(model)().fit(timed) for name, model in models.items()}
lists = later["EASE"].recommend(timed.test_history, k=10).tolist()
held = [(lists[row], set(t.tolist())) for row, t in enumerate(timed.test_target) if len(t)]
places = [
    ([place for place, item in enumerate(items, start=1) if item in wanted], len(wanted))
    for items, wanted in held
]
maps = {
    "MAP@10 ÷ min(R, k)": [precisions(p) / min(n, 10) for p, n in places],
    "MAP@10 ÷ R": [precisions(p) / n for p, n in places],
    "MAP@10 ÷ hits found": [precisions(p) / max(1, len(p)) for p, n in places],
    "NDCG@10, ideal over min(R, k)": [dcg(p) / dcg(range(1, min(n, 10) + 1)) for p, n in places],
    "NDCG@10, ideal over k": [dcg(p) / dcg(range(1, 11)) for p, n in places],
}
mapped = {name: mean_interval(pd.DataFrame({"x": values}), "x") for name, values in maps.items()}
caption = f"{ds.name}, EASE, {len(places):,} users: the same lists throughout."
bars(mapped, quantity="mean over users", caption=caption)

# %% [markdown]
# Nothing about the model changed from bar to bar. So two papers can print one name and differ by
# more than any of their models do; only the formula beside the number shows it.

# %%
ours = evaluate(later["EASE"], timed, k=10)
means = ours[["map@10", "map_r@10"]].mean().to_frame("library")
table(means.rename_axis("metric"), caption="The library's two MAPs: the first two bars")
left_out = ours.attrs["n_excluded"]
say(f"Users left out for want of targets: {left_out:,}. Print such a count beside every mean.")

# %%
quiz("07_evaluation", "libraries")

# %% [markdown]
# **Ties by rounding.** Notebook 01 tied all scores at once. Ties also come by rounding: scores kept
# in half precision, or rounded for a log file. Nothing else about the model changes.

# %%
from tutorial_lib.evaluation import evaluate_scores

exact = scores["EASE"]
rounded = {"as computed": exact, "2 decimals": exact.round(2), "1 decimal": exact.round(1)}
tied = {name: evaluate_scores(s, targets, k=10).attrs["tied"] for name, s in rounded.items()}
by_rule = {}
for rule in ("optimistic", "expected", "pessimistic"):
    frames = [evaluate_scores(found, targets, k=10, ties=rule) for found in rounded.values()]
    by_rule[rule] = [mean_interval(frame, "hit@10") for frame in frames]
points(
    [f"{name} ({share:.0%} tied)" for name, share in tied.items()],
    by_rule,
    quantity="hit@10 of EASE",
    caption="Share of targets tied with another item in brackets. "
    "Coarse scores make the tie rule the model.",
)

# %% [markdown]
# As computed, the three rules agree. The coarser the scores, the further they part, and the
# optimistic rule rewards the model for saying less. The mean over all orders ("expected") is what
# the model would get if ties were broken at random, so it is the one to report.

# %% [markdown] tags=["half-day-5"]
# ## 4. Exercise: find the bug
# Three snippets from evaluation code. Each runs, and each makes some model look better than it is.
# Try them on a case where you know the answer, then mend them.
#
# **Exercise 07-rank** (about 5 minutes, difficulty 1 of 3). What rank does this give to a target
# of a model that knows nothing?


# %% tags=["half-day-5"]
def rank_as_found(scores, target):
    return 1 + sum(score > scores[target] for score in scores)


print(
    "best item:",
    rank_as_found([0.2, 0.9, 0.5], 1),
    "  model that knows nothing:",
    rank_as_found([0.5] * 100, 42),
)


# %% tags=["half-day-5"]
def rank_of(scores, target):
    """1-based rank of item `target`; tied items share the mean of their places."""
    # SOLUTION BEGIN
    above = sum(score > scores[target] for score in scores)
    tied = sum(score == scores[target] for score in scores) - 1
    return 1 + above + tied / 2
    # SOLUTION END


rank_of = attempt(rank_of, exercise="07-rank")

# %% tags=["half-day-5"]
hint("07-rank")

# %% [markdown]
# **Exercise 07-recall** (about 8 minutes, difficulty 2 of 3). `lists` maps users to recommended
# items, `relevant` to the items that they really took.


# %%
def recall_as_found(lists, relevant, k):
    found = []
    for user, items in lists.items():
        hits = sum(item in relevant[user] for item in items[:k])
        found.append(hits / min(k, len(relevant[user])))
    return sum(found) / len(found)


print("Ben gets no list:", recall_as_found({"ada": [1]}, {"ada": {1}, "ben": {2}}, 5))


# %%
def mean_recall(lists, relevant, k):
    """Recall@k, averaged over all users who have something to find."""
    # SOLUTION BEGIN
    found = []
    for user, wanted in relevant.items():
        if wanted:
            found.append(len(set(lists.get(user, [])[:k]) & set(wanted)) / len(wanted))
    return sum(found) / len(found)
    # SOLUTION END


mean_recall = attempt(mean_recall, exercise="07-recall")

# %%
hint("07-recall")

# %% [markdown]
# **Exercise 07-distinct** (about 5 minutes, difficulty 1 of 3). *distinct-1* asks how varied the
# words of a model are: different words by all words.


# %%
def distinct_as_found(texts):
    shares = []
    for text in texts:
        words = re.findall("[a-z]+", text.lower())
        shares.append(len(set(words)) / len(words))
    return sum(shares) / len(shares)


print("one sentence for everybody:", distinct_as_found(["a fine film"] * 50))


# %%
def distinct_words(texts):
    """Different words by all words, over all texts, whatever the script; 0 without any text."""
    # SOLUTION BEGIN
    words = [word for text in texts for word in re.findall(r"\w+", text.lower())]
    return len(set(words)) / len(words) if words else 0.0
    # SOLUTION END


distinct_words = attempt(distinct_words, exercise="07-distinct")

# %%
hint("07-distinct")

# %%
ranks_of_nothing = [rank_of([0.5] * 100, target) for target in range(100)]
checks = {
    "mean rank of a model that knows nothing, of 100": (np.mean(ranks_of_nothing), 1.0),
    "distinct-1 of one sentence for 50 people": (distinct_words(["a fine film"] * 50), 1.0),
}
found = pd.DataFrame(checks, index=["your function, or the reference", "the snippet"]).T
table(found.rename_axis("case"), caption="Mended and as found", digits=2)

# %% [markdown]
# ## 5. Which split, and what was possible at the time?
# Leave-last-out takes everybody's last item, whenever that was. Train on the rest, and the model
# has seen the future of most test events.
#
# **Guess first:** does the split change which model wins? And with the last item held out, what share
# of the recommendations of EASE was of items that nobody had met yet?

# %%
# in place of None: your guess
guess("07-split", None, "the split changes the winner", choices=["yes", "no"])
guess("07-impossible", None, "share that nobody had met, 0 to 1", within=0.02)

# %%
from tutorial_lib.evaluation import impossible_share

by_split = {"last item": (split, models), "moment in time": (timed, later)}
ndcg, lost = {}, {}  # by drawn targets: the later split holds out several items per user
for name, (some, fitted) in by_split.items():
    lost[name] = []
    for who, model in fitted.items():
        ndcg[name, who] = evaluate(model, some, k=10)
        impossible = impossible_share(model.recommend(some.test_history, k=10), some)
        lost[name].append(mean_interval(impossible, "impossible"))
points(
    list(models),
    lost,
    quantity="share of ten recommendations that nobody had met at the time",
    caption="Whiskers: 95 % over users.",
)

# %%
means = {key: frame["ndcg@10"].mean() for key, frame in ndcg.items()}
order = pd.Series(means).unstack(level=0)[list(by_split)].loc[list(models)]
tested = {name: len(ndcg[name, "EASE"]) for name in by_split}
table(
    order.rename_axis("NDCG@10"),
    caption="By drawn targets. Levels differ, as the targets do: compare the order of the models, "
    f"column by column. Users: {tested['last item']:,} and {tested['moment in time']:,}",
    digits=3,
)
pairs = [
    (a, b) for a in models for b in models if order.loc[a, "last item"] > order.loc[b, "last item"]
]
later_gap = [order.loc[a, "moment in time"] - order.loc[b, "moment in time"] for a, b in pairs]
turned = [f"{a} and {b}" for (a, b), gap in zip(pairs, later_gap) if gap < 0]
say(
    f"Pairs of models in another order: {'; '.join(turned) or 'none'}.",
    "An impossible item is never the target, so it only wastes a place. "
    "What the model learned from later events is the larger worry.",
)
turned_out("07-split", order["last item"].idxmax() != order["moment in time"].idxmax())
turned_out("07-impossible", lost["last item"][-1].mean)

# %%
quiz("07_evaluation", "temporal")

# %% [markdown] tags=["half-day-5"]
# ## 6. Text: BLEU and ROUGE by hand
# A model that explains its recommendations writes text. The usual numbers compare it with what the
# user really wrote, the *reference*.
#
# **BLEU** counts n-grams of 1 to 4 tokens that the reference has too, each at most as often as
# there. It takes the geometric mean of the four precisions, and shrinks it by a *brevity penalty*
# if the text is shorter (c tokens) than the reference (r tokens):
#
# $$\text{BLEU} = \min\left(1, e^{1 - r/c}\right) \left(p_1 p_2 p_3 p_4\right)^{1/4}$$
#
# **ROUGE-n** is the F1 of shared n-grams; **ROUGE-L** that of the longest common subsequence.

# %% tags=["half-day-5"]
from tutorial_lib.evaluation import rouge, text_frame, text_metrics

written = "The ending is good and the acting is good for such a short film"
reference = "The ending is very good and the acting is good for a short film"


def shared(n):
    """(shared, all of the text, all of the reference) n-grams."""
    a, b = (Counter(zip(*(text.split()[i:] for i in range(n)))) for text in (written, reference))
    return sum((a & b).values()), sum(a.values()), sum(b.values())


parts = {n: shared(n) for n in (1, 2, 3, 4)}
precision = np.prod([found / total for found, total, _ in parts.values()]) ** 0.25
c, r = parts[1][1:]
bleu = 100 * min(1, np.exp(1 - r / c)) * precision
rouge2 = 2 * parts[2][0] / (parts[2][1] + parts[2][2])
library = text_metrics([written], [reference])
both = {"BLEU": (bleu, library["bleu"]), "ROUGE-2": (rouge2, library["rouge2"])}
both = pd.DataFrame(both, index=["by hand", "library"]).T.rename_axis("metric")
table(both, caption="One text and its reference; the library uses sacrebleu")
say(f"Say how it was computed: `{library.signatures['bleu']}`")

# %% [markdown] tags=["half-day-5"]
# **Guess first:** BLEU runs from 0 to 100. What is it, with default settings, if only a space is put
# before the full stop? If the text has two words, both right? If it is Chinese and all right?

# %% tags=["half-day-5"]
# in place of None: your guess
guess("07-space", None, "BLEU with a space before the full stop", within=5)
guess("07-short", None, "BLEU of two words", within=5)
guess("07-chinese", None, "BLEU of Chinese for itself", within=5)

# %%
from sacrebleu.metrics import BLEU


def corpus(text, reference, **options):
    """Corpus BLEU of one text."""
    return BLEU(**options).corpus_score([text], [[reference]]).score


def sentence(text, reference):
    """BLEU that leaves out the n-gram lengths which the text is too short for."""
    return BLEU(effective_order=True).sentence_score(text, [reference]).score


# %% tags=["half-day-5"]
spaced, plain_text, chinese = "The ending is good .", "The ending is good.", "这是一部好电影"
space, short = "a space before the full stop", "“good film” for “a good film”"
same = f"“{chinese}” for itself"
traps = [
    (space, "tokeniser 13a", corpus(spaced, plain_text)),
    (space, "no tokeniser", corpus(spaced, plain_text, tokenize="none")),
    (short, "corpus BLEU", corpus("good film", "a good film")),
    (short, "sentence BLEU", sentence("good film", "a good film")),
    (same, "corpus BLEU, 13a", corpus(chinese, chinese)),
    (same, "corpus BLEU, zh", corpus(chinese, chinese, tokenize="zh")),
    (same, "100 × ROUGE-1, this kit", 100 * rouge(chinese, chinese)[0]),
    (same, "100 × ROUGE-1, a-z and 0-9 only", 100.0 * bool(re.findall("[a-z0-9]", chinese))),
]
frame = pd.DataFrame(traps, columns=["text", "how", "score, 0 to 100"]).set_index("text")
table(frame, caption="The same texts, other settings", digits=1)
by_default = frame.groupby(level="text", sort=False)["score, 0 to 100"].first()
turned_out("07-space", by_default[space])
turned_out("07-short", by_default[short])
turned_out("07-chinese", by_default[same])

# %% [markdown]
# The last line is what the common package `rouge-score` does: it keeps a to z and 0 to 9, so
# Chinese is 0 against itself, and the Norwegian *rømme* counts as *r* and *mme*. The kit's ROUGE
# gives the same numbers on ASCII text, and takes letters of all scripts.
#
# A subtler trap: **the average of sentences is not the corpus**. BLEU adds up the counts of all
# texts first.

# %%
pairs = [("the plot is fine", "the plot is fine"), ("good acting", "very good acting here")]
pairs += [("a slow film about a town", "a film about a slow town")]
texts, wanted = map(list, zip(*pairs))
mean = np.mean([sentence(text, reference) for text, reference in pairs])
whole = text_metrics(texts, wanted)["bleu"]
say(f"Corpus BLEU {whole:.1f}; mean of the three sentences {mean:.1f}. Both are correct.")

# %% tags=["half-day-5"]
quiz("07_evaluation", "bleu")

# %% [markdown]
# ## 7. Both sides on one card
# Now a model that does both. For each test user who reviewed the test item, the model ranks the
# catalogue, and then explains the item. It is given the user's stars and the feature that the user
# wrote about. The user's own review is the reference.
#
# Two versions of one language model: as it was pre-trained, and after `multi-task`, tuned on
# several tasks of 64 labelled users.
#
# **Guess first:** which side will tuning help more, as a factor: ranking (NDCG@10) or writing
# (ROUGE-L)? And what share of the tuned model's statements about the films will be true?

# %%
# in place of None: your guess
guess("07-side", None, "helped more by tuning", choices=["ranking", "writing"])
guess("07-true", None, "share of true statements, 0 to 1", within=0.1)

# %%
from tutorial_lib.language import explanation_cases
from tutorial_lib.models import load_language_model, write_texts
from tutorial_lib.strategies import Budget, adapt

# Real data has no reviews.
reviewed = ds if "features" in ds.reviews else load_dataset("world-movies")
talk = split if reviewed is ds else leave_last_out(reviewed)
USERS, LABELS = {"smoke": (4, 8), "quick": (60, 64), "full": (200, 64)}[PROFILE]
budget = Budget(1e-3, longest=50, size=8)
if PROFILE == "smoke":
    budget = Budget(1e-3, shortest=2, longest=2, size=4)
lm = load_language_model(LM)
lm.require("causal", "seq2seq", what="ranking and writing")
asked, some = explanation_cases(talk, USERS, seed=SEED)
TUNED = f"{LM}, multi-task"
speakers = {
    LM: adapt(lm, talk, "zero-shot", labels=0),
    TUNED: adapt(lm, talk, "multi-task", labels=LABELS, seed=SEED, budget=budget),
}
print(asked["prompt"].iloc[0])

# %%
parts = []
for name, model in speakers.items():
    ranked = evaluate(model, some, k=10, expected=True)["ndcg@10"]  # it needs top tens only
    parts.append(
        asked.assign(model=name, hypothesis=write_texts(model.lm, asked["prompt"].tolist())).join(
            ranked
        )
    )
live = pd.concat(parts).reset_index()
first = live[live["user"] == live["user"].iloc[0]].set_index("model")
say(
    f"**What the user wrote:** {first['reference'].iloc[0]}",
    *(f"**{name}:** {text}" for name, text in first["hypothesis"].items()),
)

# %% [markdown]
# Overlap with the reference is one thing. Ask also: does the text talk about the **feature** (FMR,
# FCR, DIV)? Does it **repeat** itself (distinct, unique)? And is what it says about the film
# **true** in the catalogue (*factual precision*)? In a planted world this can be checked: a review
# says "something so *witty* about *friendly rivals*", and the catalogue knows mood and theme.

# %%
from tutorial_lib.evaluation import catalogue_facts, factual_frame, feature_metrics

facts = catalogue_facts(reviewed)
features = sorted({feature for named in reviewed.reviews["features"] for feature in named})


def language_row(texts, cases):
    """All language metrics of one model's texts."""
    found = text_metrics(texts, cases["reference"].tolist())
    row = {name: found[name] for name in ("bleu", "rougeL", "distinct2", "unique_ratio")}
    row |= feature_metrics(texts, features, cases["feature"].tolist())
    said = factual_frame(texts, cases["item"].tolist(), facts)
    row["statements"] = said["statements"].mean()
    row["true"] = said["true"].sum() / max(1, said["statements"].sum())
    return row


# %%
rows = {}
for name, part in live.groupby("model", sort=False):
    rows[name] = language_row(part["hypothesis"].tolist(), part)
rows["what users wrote"] = language_row(asked["reference"].tolist(), asked)
table(
    pd.DataFrame(rows).T.rename_axis("texts"),
    caption=f"{USERS} texts each. fmr names the feature; fcr features covered; "
    "div shared features (lower: varied)",
    digits=2,
)
ranking = live.groupby("model")["ndcg@10"].mean()
writing = rows[TUNED]["rougeL"] / rows[LM]["rougeL"]
turned_out("07-side", "ranking" if ranking[TUNED] / ranking[LM] > writing else "writing")
turned_out("07-true", rows[TUNED]["true"])

# %% [markdown]
# **Perplexity** asks the other way round: how surprised is the model by what users really wrote? It
# needs no generated text.

# %%
from tutorial_lib.evaluation import perplexity
from tutorial_lib.models import log_likelihood


def surprise(model):
    """Perplexity of the users' own reviews, in tokens of this tokenizer."""
    cases = zip(asked["prompt"], asked["reference"])
    found = [log_likelihood(model.lm, [prompt], [text]) for prompt, text in cases]
    return perplexity([f.log_probability[0, 0] for f in found], [int(f.tokens[0]) for f in found])


surprised = {name: surprise(model) for name, model in speakers.items()}
frame = pd.Series(surprised, name="perplexity").to_frame().rename_axis("model")
table(frame, caption="Perplexity of the users' reviews", digits=1)

# %% [markdown]
# **The scorecard** puts both sides beside each other, with 95 % intervals from one bootstrap over
# users: the same users are drawn for all models and for both sides. It does not add the two sides
# up, since nobody knows what a point of ROUGE is worth in NDCG. It shows which models no other
# beats on both (the **Pareto front**), and says what cannot be concluded.

# %%
from tutorial_lib.evaluation import scorecard

SIDES = ("rougeL", "bleu", "factual_precision")


def card_of(texts, facts, language=SIDES):
    """The scorecard of a table with one row per model and user."""
    ranking, writing = {}, {}
    for name, part in texts.groupby("model", sort=False):
        users, said = part["user"].tolist(), part["hypothesis"].tolist()
        ranking[name] = part.set_index("user")[["ndcg@10"]]
        written = text_frame(said, part["reference"].tolist(), users)
        true = factual_frame(said, part["item"].tolist(), facts, users)
        writing[name] = pd.concat([written, true], axis=1)
    return scorecard(ranking, writing, "ndcg@10", language, seed=SEED)


table(card_of(live, facts).wide(), caption=f"Live, {USERS} users: value [95 % interval]")

# %% [markdown]
# One run is one draw of labelled users. **Recorded** in `data/results/explanations.csv`: more
# users, more models, every seed with its own users and its own labelled users.

# %%
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import say_which_side_wins, show_pareto_picture

recorded = recorded_table("explanations.csv", keep_default_na=False)
recorded["user"] += 100_000 * recorded["seed"]  # another draw of users and labels is another sample
recorded_facts = catalogue_facts(load_dataset("world-movies"))
big = card_of(recorded, recorded_facts)
show_pareto_picture(big, recorded["user"].nunique(), recorded["seed"].nunique())

# %%
table(big.wide(), caption="Recorded: value [95 % interval]")
say(*big.sentences())

# %%
say_which_side_wins(big, card_of(recorded, recorded_facts, ("factual_precision", "rougeL")))

# %% [markdown]
# A text can come closer to the reference by its turns of phrase alone ("I would choose it again"),
# while what it says about the film is made up. Overlap does not see that, and perplexity does not
# either. So put a check of facts beside it, wherever something can be checked.

# %%
quiz("07_evaluation", "scorecard")

# %% [markdown]
# ## 8. Significance, the smallest visible difference, and the winner's curse
# **What could this test have seen?** With n users, a difference must be about 2.8 standard errors
# to be found in 80 % of repetitions (at the 5 % level). That is the *minimum detectable effect*.
# Compare pairs of models, and adjust p for the number of pairs. The adjustment has its price: with
# m tests the smallest p must lie below .05 / m, so the detectable effect grows too.
#
# Each pair gets a **verdict**: *equivalent* if two one-sided tests put the difference within a
# margin, declared before you look; else *better* or *worse* if it is significant; else
# *inconclusive*, which is no finding. A difference can be sure and too small to matter, so
# *equivalent* comes first. Both kinds of p are adjusted for the number of pairs.

# %%
from tutorial_lib.evaluation import compare, holm_comparisons, p_text

MARGIN = 0.01  # a difference in NDCG@10 that would not change a decision, set beforehand
names = [(a, b) for i, a in enumerate(models) for b in list(models)[i + 1 :]]
judged = {who: ndcg["last item", who] for who in models}
if known:
    judged = {who: evaluate(model, split, k=10, expected=True) for who, model in models.items()}
tests = {f"{a} − {b}": compare(judged[a], judged[b]) for a, b in names}
shown = ["difference", "low", "high", "p_holm", "detectable", "verdict"]
pairs = holm_comparisons(tests, MARGIN)[shown].rename_axis("pair")
pairs["p_holm"] = pairs["p_holm"].map(p_text)
how = "in expectation" if known else "by drawn targets"
table(
    pairs.set_axis(["NDCG@10", "95 % low", "95 % high", "p, Holm", *shown[4:]], axis=1),
    caption=f"{tested['last item']:,} users, paired, {how}; {len(tests)} tests; "
    f"equivalent: within ± {MARGIN}",
    digits=4,
)

# %% [markdown]
# **When few users have a hit.** Most users have an NDCG of 0, and an interval knows only the
# sample. One without a hit shows no spread at all, so every resample of it is 0 as well.
#
# **Guess first:** 50 users, a true hit rate of 4 %. In how many of 100 samples does a 95 %
# percentile bootstrap hold the true rate?
#
# **Recorded** in `data/results/interval-coverage.csv`: samples drawn from known worlds, and how
# many intervals held the truth.

# %%
# in place of None: your guess
guess("07-holds", None, "of 100 intervals, hold the truth", within=5)

# %%
drawn = recorded_table("interval-coverage.csv").set_index("cell")
names = {
    "coverage_percentile": "percentile bootstrap",
    "coverage": "the kit's interval",
    "coverage_given": "where it gives one",
    "given": "samples with one",
}
sparse = {
    "mean, 4%, hits, n 50": "a mean: 50 users, 4 % have a hit",
    "pairs, 5% / 1%, hits, n 30": "two models: 30 users, 5 % and 1 %",
    "groups, 4% / 4%, hits, n 50/900": "two groups: 50 and 900 users, 4 % each",
    "groups, 1% / 1%, hits, n 30/900": "two groups: 30 and 900 users, 1 % each",
}
samples = drawn["replications"].iloc[0]
table(
    drawn.loc[list(sparse), list(names)].rename(index=sparse, columns=names).rename_axis("cell"),
    caption=f"Share of {samples:,} samples whose 95 % interval holds the truth",
    digits=3,
)
lowest = drawn[["coverage", "coverage_percentile"]].min()
say(
    f"Lowest share over all {len(drawn)} cells: the kit's interval {lowest['coverage']:.1%}, "
    f"the percentile bootstrap {lowest['coverage_percentile']:.1%}.",
)
turned_out("07-holds", 100 * drawn.loc[list(sparse)[0], "coverage_percentile"])

# %% [markdown]
# The kit adds a few pseudo-observations at the ends of the range before it takes a t interval
# (Agresti & Coull 1998 for one mean, Bonett & Price 2012 for pairs, Agresti & Caffo 2000 for
# groups). Among many users they weigh nothing; among few they stand for what was not seen.
#
# What a careful reader asks of an interval on sparse data:
#
# - **How many users are not 0?** With a handful, the interval is wide and its p coarse, and no
#   method can change that.
# - **Is there an interval at all?** If nobody has a hit, or no user differs, the kit gives none and
#   says "too few non-zero users". A width of 0 would be a claim that nobody can back.
# - **Do interval and p come from one test?** Here they do. Flipping the signs of differences, a
#   common test, assumes that they lie symmetrically about their mean; with skewed differences it
#   finds too much.
# - **Not significant is not equal.** Two systems are *equivalent* only if the data rule out a
#   difference as large as a margin that was argued for beforehand: two one-sided tests at 5 %, or
#   a 90 % interval within the margin (Schuirmann 1987).
# - **The worst-off tenth** (conditional value at risk) is 0 for every system that leaves a tenth of
#   its users without a hit, so it tells none of them apart. Report the share of users with 0
#   instead.
# - **Several seeds** are not more users. All users of a seed share its model. `compare` takes both
#   levels: the variance of the mean has a part from the users and a part from the seeds, and with
#   few seeds the latter is known badly.

# %% [markdown]
# **Exercise 07-bootstrap** (build, about 15 minutes, difficulty 2 of 3). Write an interval for
# both levels: what if other users had been asked, and the models trained with other seeds?


# %%
def paired_bootstrap(a, b, resamples, rng):
    """(low, high): 95 % percentile interval of mean(a) - mean(b), users and seeds drawn anew.

    a, b: [users, seeds], two models on the same users in the same seeds. Each resample draws as
    many users and seeds as there are, with replacement, the same ones for both models.
    """
    # SOLUTION BEGIN
    gains = a - b
    n_users, n_seeds = gains.shape
    means = np.empty(resamples)
    for i in range(resamples):
        users = rng.integers(n_users, size=n_users)
        seeds = rng.integers(n_seeds, size=n_seeds)
        means[i] = gains[users][:, seeds].mean()
    low, high = np.quantile(means, [0.025, 0.975])
    return low, high
    # SOLUTION END


paired_bootstrap = attempt(paired_bootstrap, exercise="07-bootstrap")

# %%
hint("07-bootstrap")

# %% [markdown]
# Now three pairs of notebook 06, as they were recorded: 300 users, five seeds. Beside yours stand
# the kit's interval, and yours once more for the users alone, each user's gains averaged over seeds.

# %%
runs = select(load_results(), "world-movies", "kit-gpt")
runs = runs[runs["labels"] == 64]
rows, dice = {}, np.random.default_rng(SEED)
for one, other in (("full", "lora"), ("full", "soft-prompt"), ("full", "ease")):
    two = [runs[runs["strategy"] == name] for name in (one, other)]
    a, b = (r.pivot(index="user", columns="seed", values="ndcg@10").to_numpy() for r in two)
    averaged = (x.mean(axis=1, keepdims=True) for x in (a, b))
    kit = compare(*(r.set_index(["seed", "user"])[["ndcg@10"]] for r in two))
    alone = paired_bootstrap(*averaged, 2000, dice)
    both = paired_bootstrap(a, b, 2000, dice)
    ends = [f"{low:+.4f} to {high:+.4f}" for low, high in (alone, both, kit.ci)]
    rows[f"{one} − {other}"] = [kit.difference, *ends]
columns = ["difference", "other users", "other users and seeds", "the kit"]
by_level = pd.DataFrame(rows, index=columns).T.rename_axis("pair")
table(by_level, caption="NDCG@10 in expectation, 64 labelled users; 95 % intervals", digits=4)

# %% [markdown]
# Where seeds differ, as in the first row, the interval for other users alone is too short: it takes
# the luck of these five seeds for truth. Where they hardly differ, to draw them as well makes it
# longer than it need be: what one run happened to give one user is drawn with the users and again
# with the seeds, so it counts twice (Owen 2007: that errs on the safe side). The kit counts it once,
# and where seeds differ it takes Student's t for them, since five numbers tell a spread badly and
# percentiles know nothing of that.

# %%
sizes = pd.Index([40, 200, 1000, 5000, 20000], name="users")
kinds = {"one drawn target": [ndcg["last item", who]["ndcg@10"] for who in ("EASE", "ItemKNN")]}
if known:
    kinds["expectation"] = [judged[who]["ndcg@10"] for who in ("EASE", "ItemKNN")]
gaps = {how: a - b for how, (a, b) in kinds.items()}
visible = {how: 2.8 * gap.std() / np.sqrt(sizes) for how, gap in gaps.items()}
table(
    pd.DataFrame(visible, index=sizes),
    caption=f"Detectable difference, EASE − ItemKNN; it is {list(gaps.values())[-1].mean():.4f}",
    digits=4,
)
needed = {how: (2.8 * gap.std() / list(gaps.values())[-1].mean()) ** 2 for how, gap in gaps.items()}
say(
    "To be found in four of five repetitions that difference needs "
    + ", and ".join(f"about **{n:,.0f}** users by {how}" for how, n in needed.items())
    + f". {len(ndcg['last item', 'EASE']):,} were tested.",
)

# %% [markdown]
# **The winner's curse.** Try m systems, report the best. If all m are equally good, the best one
# still looks better than they are.
#
# **Guess first:** 32 equal systems, 100 users. How much NDCG does the winner gain by luck, in percent
# of the true value?

# %%
# in place of None: your guess
guess("07-luck", None, "gain by luck, % of the true value", within=10)

# %%
from tutorial_workshop.figures import show_curse

true = ndcg["last item", "EASE"]["ndcg@10"].to_numpy()
systems, rng = [1, 2, 4, 8, 16, 32, 64], np.random.default_rng(SEED)
REPEATS = 50 if PROFILE == "smoke" else 400
values, times = np.unique(true, return_counts=True)


def best_of(m, n):
    """Mean gain of the best of m systems that all draw their users from the same distribution."""
    means = rng.multinomial(n, times / times.sum(), size=(REPEATS, m)) @ values / n
    return means.max(axis=1).mean() - true.mean()


lucky = {f"{n:,} users": [best_of(m, n) for m in systems] for n in (100, 500, 2000)}
show_curse(systems, lucky)

# %%
luck = lucky["100 users"][systems.index(32)]
bound = np.sqrt(2 * np.log(32)) * true.std() / np.sqrt(100)
share = luck / true.mean()
say(
    f"Best of 32 on 100 users: **{luck:+.3f}**, {share:.0%} of the true {true.mean():.3f}. "
    f"The bound √(2 ln m) × standard error gives {bound:.3f}.",
)
turned_out("07-luck", 100 * share)

# %% [markdown]
# **Measured.** The recorded systems of notebook 06: in each seed, take the one that was best on 40
# users by their drawn targets. How large is the same system's lead in expectation, over all users
# and seeds?

# %%
runs = select(load_results(), "world-movies", "kit-gpt")
runs = runs[runs["labels"].isin([0, 64]) & ~runs["strategy"].isin(["ceiling", "random"])]
leads = {}  # against the mean of all systems for the same user: some users are easier
for how in ("realised_ndcg@10", "ndcg@10"):
    wide = runs.pivot_table(index=["seed", "user"], columns="strategy", values=how).dropna(axis=1)
    leads[how] = wide.sub(wide.mean(axis=1), axis=0)
in_truth = leads["ndcg@10"].mean()
rows = []
for seed, here in leads["realised_ndcg@10"].groupby(level="seed"):
    on_40 = here.sample(40, random_state=seed).mean()
    winner = on_40.idxmax()
    rows.append((seed, winner, on_40[winner], in_truth[winner]))
columns = ["seed", "best system", "lead where it won", "lead in expectation"]
won = pd.DataFrame(rows, columns=columns).set_index("seed")
table(
    won,
    caption=f"{len(in_truth)} systems with 64 labels or none, NDCG@10 against the mean of all",
    digits=3,
)
drop = (won["lead where it won"] - won["lead in expectation"]).rename("drop").to_frame()
fall = mean_interval(drop, "drop")
interval = f"({fall.low:.3f} to {fall.high:.3f}, {len(drop)} seeds)"
say(f"The winner's lead shrinks by **{fall.mean:.3f}** on average {interval}: that part was luck.")

# %%
quiz("07_evaluation", "curse")

# %% [markdown]
# ## Recap
# Computed from the cells above. If a row says something else than you guessed, go back to its
# section.

# %% tags=["recap"]
from tutorial_workshop.figures import recap_table

few = negatives[1]
a, b = "TransitionKNN", "ItemKNN" if ds.truth is not None else "EASE"
swap = {n: sampled[n][a]["hit@10"] - sampled[n][b]["hit@10"] for n in (few, most)}
rows = [(f"hit@10, {a} − {b}, {n} negatives, exact", x, x, x) for n, x in swap.items()]
intervals = dict(list(mapped.items())[:3])
intervals |= {f"impossible, EASE, {name}": lost[name][-1] for name in by_split}
intervals["winner's lead that was luck"] = fall
rows += [(name, i.mean, i.low, i.high) for name, i in intervals.items()]
for name in big.both().index[:2]:
    for metric in ("ndcg@10", *SIDES):
        limits = big.table.loc[(name, metric), ["value", "low", "high"]]
        rows.append((f"{metric}, {name}, recorded", *limits))
recap_table(rows, caption=f"{ds.name}; language: {reviewed.name}", digits=3)

# %%
my_guesses()

# %%
golden("07.sampled.few-negatives", swap[few], trivial=swap[most])
golden(
    "07.map.divided-by-hits", mapped["MAP@10 ÷ hits found"].mean, trivial=mapped["MAP@10 ÷ R"].mean
)
golden("07.last.impossible", lost["last item"][-1].mean, trivial=lost["moment in time"][-1].mean)
golden("07.curse.best-of-32", luck, trivial=lucky["100 users"][0])
golden("07.p5.perplexity", surprised[TUNED], trivial=surprised[LM])

# %% [markdown]
# ## Pitfalls
# - **Significant, so right.** With few users what is significant exaggerates, and its sign may be
#   wrong. Say what the test could see.
# - **A sampled number beside a full one.** They are different metrics, and the order of models can
#   differ.
# - **A metric by its name alone.** Give the formula, the cut-off, the tie rule, the number of users
#   averaged, and who was left out.
# - **BLEU without its signature, or of short texts.** Below four tokens corpus BLEU has nothing to
#   count.
# - **High overlap, false statements.** A text can sound like a review and be about another film.
#   Check what can be checked.
# - **One sum of accuracy and language.** It hides the price that somebody has set. Show both sides.
# - **The best of many, on the users that chose it.** Report the winner on fresh users.

# %% [markdown] tags=["references"]
# ## References
# - Gelman, Carlin 2014. Beyond power calculations: assessing type S (sign) and type M (magnitude)
#   errors. Perspectives on Psychological Science. [doi
#   10.1177/1745691614551642](https://doi.org/10.1177/1745691614551642)
# - Schuirmann 1987. A comparison of the two one-sided tests procedure and the power approach for
#   assessing the equivalence of average bioavailability. Journal of Pharmacokinetics and
#   Biopharmaceutics. [doi 10.1007/BF01068419](https://doi.org/10.1007/BF01068419)
# - Krichene, Rendle 2020. On sampled metrics for item recommendation. KDD.
#   [doi 10.1145/3394486.3403226](https://doi.org/10.1145/3394486.3403226)
# - Zhou et al. 2020. S³-Rec: self-supervised learning for sequential recommendation. CIKM. [arXiv
#   2008.07873](https://arxiv.org/abs/2008.07873)
# - Tamm, Damdinov, Vasilev 2021. Quality metrics in recommender systems: do we calculate metrics
#   consistently? RecSys. [arXiv 2206.12858](https://arxiv.org/abs/2206.12858)
# - Ji, Sun, Zhang, Li 2023. A critical study on data leakage in recommender system offline
#   evaluation. [arXiv 2010.11060](https://arxiv.org/abs/2010.11060)
# - Papineni et al. 2002. BLEU: a method for automatic evaluation of machine translation. ACL.
#   [doi 10.3115/1073083.1073135](https://doi.org/10.3115/1073083.1073135)
# - Post 2018. A call for clarity in reporting BLEU scores. WMT. [arXiv
#   1804.08771](https://arxiv.org/abs/1804.08771)
# - Lin 2004. ROUGE: a package for automatic evaluation of summaries. [ACL
#   W04-1013](https://aclanthology.org/W04-1013/)
# - Li, Zhang, Chen 2020. Generate neural template explanations for recommendation (NETE). CIKM.
#   [doi 10.1145/3340531.3411992](https://doi.org/10.1145/3340531.3411992)
# - Li, Zhang, Chen 2023. Personalized prompt learning for explainable recommendation (PEPLER).
#   [arXiv 2202.07371](https://arxiv.org/abs/2202.07371)
# - Owen 2007. The pigeonhole bootstrap. [doi
#   10.1214/07-AOAS122](https://doi.org/10.1214/07-AOAS122)
# - Agresti, Coull 1998. Approximate is better than "exact" for interval estimation of binomial
#   proportions. The American Statistician. [doi
#   10.1080/00031305.1998.10480550](https://doi.org/10.1080/00031305.1998.10480550)
# - Agresti, Caffo 2000. Simple and effective confidence intervals for proportions and differences
#   of proportions result from adding two successes and two failures. The American Statistician.
#   [doi 10.1080/00031305.2000.10474560](https://doi.org/10.1080/00031305.2000.10474560)
# - Bonett, Price 2012. Adjusted Wald confidence interval for a difference of binomial proportions
#   based on paired data. Journal of Educational and Behavioral Statistics. [doi
#   10.3102/1076998611411915](https://doi.org/10.3102/1076998611411915)
# - Koehn 2004. Statistical significance tests for machine translation evaluation. [ACL
#   W04-3250](https://aclanthology.org/W04-3250/)
#
# **What next:** look back at a number that you reported lately, and ask of it the seven questions
# above.
