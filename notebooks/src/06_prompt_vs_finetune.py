# %% [markdown] tags=["title"]
# # 06 · Prompt or fine-tune? A controlled experiment
# **Same model, same labels, same test users: does a prompt rank better than fine-tuning, from how
# many labels on, and at what price?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *declare* question, metric, margin and tests before you look (question 1)
# > - *read* learning curves with intervals, and *find* where two of them cross (section 3)
# > - *run* and *resume* a slice of a grid, and *check* it against recorded results (section 4)
# > - *weigh* accuracy against numbers stored, seconds and latency (question 3)
# > - *tell* better, equivalent and inconclusive apart (questions 2, 4), and *say* what a test could
# >   have seen (question 5)
# > - *add* a strategy of your own to the comparison, by its rules (exercise 06-strategy)
# >
# > **You need:** notebooks 03 and 04. **Time:** 40 minutes to follow, 75 with the exercise.
# > **Hardware:** two CPU cores and 2 GB of memory; the live part takes about a minute. No GPU.
# > **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: 2 cells, 6 users | quick: 3 cells, 20 users | full: 9 cells, 60 users
DATASET = "world-movies"  # your live slice; or "world-products", "world-news"; real: "ml-100k"
LM = "kit-gpt"  # of your live slice; or "kit-bert", "kit-t5", "minilm", a Hub id or a folder
SEED = 0  # any whole number from 0; draws labelled and test users of your live slice

# %% [markdown]
# ## 1. What is asked, before any number is shown
#
# | | declared |
# |---|---|
# | **question** | With n labelled users, does a prompt strategy rank better than full fine-tuning of the same model? |
# | **data** | `world-movies`, leave-last-out, whole catalogue, seen items out; n = 8, 16, 64, 256, all |
# | **metric** | NDCG@10, one value a test user |
# | **margin** | 0.02: as if one user in fifty had the right item in first place instead of nowhere. Less does not matter here |
# | **test** | paired, over users and over seeds: both must hold; 95 % t intervals |
# | **family 1** | five prompt strategies, each against full fine-tuning, at every n; p-values raised for their number (Holm) |
# | **family 2** | the soft prompt against each of four baselines without language model, at every n; adjusted together (Holm) |
# | **verdict** | *equivalent*: the interval lies within ± margin. Else *better* or *worse*: adjusted p < .05. Else *inconclusive* |
#
# Everything else in this notebook is description, and no test.
#
# **Guess first:** who wins with 8 labelled users, and who with 2,000?

# %%
import tempfile
from pathlib import Path

import pandas as pd

METRIC, MARGIN = "ndcg@10", 0.02
PROMPTS = ("zero-shot", "soft-prompt", "prefix", "multi-task", "prompt-and-lm")
BASELINES = ("popularity", "transition-knn", "ease", "item-transformer")
FAMILY_1 = [(name, "full") for name in PROMPTS]
FAMILY_2 = [("soft-prompt", name) for name in BASELINES]

# %%
from tutorial_workshop.page import attempt, explore, golden, hint, quiz, say, table, whose

# %%
quiz("06_prompt_vs_finetune", "before")

# %% [markdown]
# ## 2. What was run
# Every cell of the grid is a strategy, a number of labelled users and a seed. All strategies of a
# seed see the same labelled users and are asked about the same test users. What needs no labels has
# one cell per seed.

# %%
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import grid_means, select

recorded = load_results()
grid = select(recorded, "world-movies", "kit-gpt")
means = grid_means(grid, METRIC)
COUNTS = sorted(set(means["labels"]) - {0})
ran = grid.groupby(["strategy", "labels", "seed"])[["seconds", "score_seconds"]].first()
users = grid.groupby("seed")["user"].nunique()
hours = (ran["seconds"].sum() + (ran["score_seconds"] * users.iloc[0]).sum()) / 3600
strategies, seeds = means["strategy"].nunique(), grid["seed"].nunique()
say(
    f"{len(ran)} cells: {strategies} strategies and baselines, budgets {COUNTS}, {seeds} seeds, "
    f"{users.min()} test users per seed. About {hours:.1f} hours on one core.",
    "To make the table yourself: `tutorial grid --dataset world-movies --lm kit-gpt`. "
    "Kill it whenever you like, and call it again.",
)

# %%
from tutorial_lib.strategies import STRATEGIES, adapt

moves = {name: ", ".join(sorted(s.moves)) or "nothing" for name, s in STRATEGIES.items()}
moves |= {"ceiling": "-", "random": "-"}
listed = means.drop_duplicates("strategy").set_index("strategy").sort_values("family")
listed["what moves"] = [moves.get(name, "counts or weights of its own") for name in listed.index]
listed["numbers trained"] = listed["trainable"].map("{:,.0f}".format)
table(
    listed[["family", "what moves", "numbers trained"]],
    caption="Strategies and baselines, with what each of them moves",
)

# %% [markdown]
# Read them with care. `full` is asked *without* words, titles in a row; `full-words` moves the same
# weights, by the same recipe, and is asked *with* words: their difference is what the words do.
# `multi-task` also learns six families of tasks at once, at a rate and for a number of steps of its
# own, so it differs by its recipe. `soft-prompt` has words and frozen weights, and a budget of its
# own as well: it differs from `full` in all three.

# %% [markdown]
# ## 3. Learning curves
# Baselines without any language model stand on the same axes. They get the same labelled users as
# everybody else.

# %%
from tutorial_workshop.figures import show_learning_curves

show_learning_curves(
    means,
    "Test NDCG@10 over labelled users, four panels",
    "Colour: the panel's own family; grey: all others. Dotted: no labels needed; dashed: the "
    "ceiling. Whiskers: 95 % over seeds, from three seeds on.",
)

# %%
real = means[~means["strategy"].isin(["ceiling", "random"])]  # best first
highest = real[real["labels"] > 0].groupby(["family", "labels"]).first()
highest = (highest["strategy"] + " " + highest["mean"].map("{:.3f}".format)).unstack().fillna("-")
table(highest, caption="Highest mean of each family, by labelled users")

# %%
few, many = (real[real["labels"].isin([0, count])].iloc[0] for count in (COUNTS[0], COUNTS[-1]))
ceiling = means.set_index("strategy").loc["ceiling", "mean"]
fewer = real[(real["seeds"] < real["seeds"].max()) & (real["labels"] > 0)]
say(
    f"Highest of all: `{few['strategy']}` with {COUNTS[0]} labels, `{many['strategy']}` with "
    f"{COUNTS[-1]}, {many['mean'] / ceiling:.0%} of the ceiling ({ceiling:.3f}).",
    "The highest of many is flattered by luck: this is description. The tests of section 6 were "
    "chosen beforehand.",
    f"Points on fewer seeds, so on other users than the rest: {len(fewer)}. "
    "Only paired tests compare them.",
)

# %% [markdown]
# ## 4. Run a slice yourself
# A recorded curve is only as good as the run behind it. So run a few cells of it now: 16 labelled
# users, your seed.
#
# **Guess first:** the run is broken off after its first cell and started again. How many cells does
# it repeat?

# %%
from tutorial_workshop.experiments import cells_of, language_model, run_cell, run_grid, split_of

real_data = split_of(DATASET).dataset.truth is None
writes = language_model(LM).kind != "encoder"
LIVE = ["transition-knn"] + (["head"] if PROFILE != "smoke" or not real_data else ["popularity"])
LIVE += ["soft-prompt"] if PROFILE != "smoke" and writes and not real_data else []
USERS = {"smoke": 6, "quick": 20, "full": 60}[PROFILE]
SEEDS = range(SEED, SEED + (3 if PROFILE == "full" else 1))
cells = cells_of(DATASET, LM, LIVE, budgets=(16,), seeds=SEEDS, users=USERS)
folder = Path(tempfile.mkdtemp(prefix="grid-"))


def breaks_off(cell):
    """The second cell never comes."""
    if any(folder.glob("*.json")):
        raise KeyboardInterrupt
    return run_cell(cell)


try:
    run_grid(cells, folder, run=breaks_off)
except KeyboardInterrupt:
    print("Broken off, as by Ctrl-C.")

# %%
live = run_grid(cells, folder)  # continues where it stopped
again = run_grid(cells, folder)  # has nothing left to do
same = "yes" if again.equals(live) else "NO"
say(f"The table of the third call equals that of the second: {same}.")

# %%
from tutorial_workshop.figures import over_users

here = select(recorded, DATASET, LM)
marks = over_users(live)
marks["strategy"] = marks["strategy"] + " (live)"
show_learning_curves(
    grid_means(here),
    f"The recorded curves of {DATASET}, {LM}, and as stars your own runs at 16 labels",
    f"Stars: your runs, {USERS} test users; whiskers: 95 % over users. Curves: recorded; "
    "empty panels if nothing is recorded for this dataset and model.",
    marks=marks,
)

# %%
both = live.merge(here, on=["strategy", "labels", "seed", "user"], suffixes=("", " recorded"))
apart = (both[METRIC] - both[f"{METRIC} recorded"]).abs()
if len(both):
    say(
        f"{len(both)} of your {len(live)} values are in the recorded table too, same seed and "
        f"user. {(apart < 1e-4).mean():.0%} of them are equal, the largest difference is "
        f"{apart.max():.4f}. Another processor or torch version may round otherwise."
    )
else:
    say("None of your values is in the recorded table: they are new draws, not a check.")

# %% [markdown]
# ## 5. What does it cost?
# Four costs, at one budget. A point on the **Pareto front** (filled, on the grey line) is beaten by
# nothing that costs as much or less. Bytes stored per task are four times the numbers trained.
#
# **Guess first:** a soft prompt trains a thousandth of the numbers. Is it a thousand times faster
# to tune?

# %%
from tutorial_workshop.figures import COSTS, at_labels, cost_table, show_cost_panels

AT = 64 if 64 in COUNTS else COUNTS[0]
priced = at_labels(means, AT)
show_cost_panels(priced, AT)

# %%
cost_table(priced, AT)

# %% [markdown]
# **Move the budget, pick a strategy.**

# %%
from tutorial_workshop.figures import cost_map, describe_cost

explore(
    lambda labels, cost, strategy: cost_map(at_labels(means, labels), cost, strategy),
    alt="Test NDCG@10 against a cost, one point per strategy; the picked one is large, "
    "with its 95 % interval.",
    describe=lambda labels, cost, strategy: describe_cost(means, labels, cost, strategy),
    labels=COUNTS,
    cost={text: name for name, text in COSTS.items()},
    strategy=sorted(set(real["strategy"])),
    start={"labels": AT, "strategy": "soft-prompt"},
)

# %%
quiz("06_prompt_vs_finetune", "cost")

# %% [markdown]
# ## 6. The tests that were declared
# Family 1: prompt strategies against full fine-tuning.

# %%
from tutorial_workshop.figures import family_tests, show_gains

first = family_tests(grid, FAMILY_1, COUNTS, MARGIN, METRIC)
show_gains(first, MARGIN)

# %%
from tutorial_workshop.figures import say_what_could_be_seen, say_which_were_run, table_of_tests

table_of_tests(first, caption="Family 1")
say_which_were_run(FAMILY_1, COUNTS, first)

# %%
say_what_could_be_seen(first, MARGIN)

# %%
quiz("06_prompt_vs_finetune", "verdict")

# %% [markdown]
# **Where do the curves cross?** Two curves cross where one side is shown to lead at few labels, and
# the other one at many. The sign of a mean alone does not show that: near 0 it changes by luck. So
# go by the verdicts; the signs stand beside them.


# %%
from tutorial_workshop.figures import order_in_words

for name, rows in first.groupby("strategy", sort=False):
    say(f"`{name}`: {order_in_words(rows)}.")

# %% [markdown]
# Family 2: the soft prompt against what needs no language model at all.

# %%
second = family_tests(grid, FAMILY_2, COUNTS, MARGIN, METRIC)
table_of_tests(second, caption="Family 2")
for name, rows in second.groupby("against", sort=False):
    say(f"The soft prompt against `{name}`: {order_in_words(rows)}.")
say_which_were_run(FAMILY_2, COUNTS, second)

# %%
quiz("06_prompt_vs_finetune", "pairs")

# %% [markdown]
# ## 7. A strategy of your own
# Anything that obeys the rules may join: it sees the training histories of the labelled users, and
# nothing else of the data.
#
# **Exercise 06-strategy.** Write one. `labelled_only(split, labels, seed)` gives what you may see,
# `adapt(...)` a language model, and `WeightedSum([a, b], [1.0, 1.0])` adds up what two recommenders
# say.


# %%
from tutorial_lib.models import Popularity
from tutorial_workshop.exercises.exercise_06 import WeightedSum
from tutorial_workshop.experiments import labelled_only


def my_strategy(split, labels, seed):
    """A fitted recommender that has used the training histories of the labelled users only."""
    # SOLUTION BEGIN
    known = labelled_only(split, labels, seed)
    asked = adapt(language_model("kit-gpt"), split, "zero-shot", labels=0, seed=seed)
    return WeightedSum([Popularity().fit(known), asked], [1.0, 1.0])
    # SOLUTION END


my_strategy = attempt(my_strategy, exercise="06-strategy")

# %%
hint("06-strategy")

# %%
from tutorial_lib.evaluation import compare, evaluate, mean_interval

few = min(USERS, 4) if real_data else USERS  # real titles are slow to score
tested = split_of(DATASET).sample_targets(few, seed=SEED)
mine = evaluate(my_strategy(split_of(DATASET), 16, SEED), tested, k=10, block=16)
i = mean_interval(mine, METRIC)
who = "yours" if whose(my_strategy, "06-strategy") == "your function" else "the reference"
own = pd.DataFrame([{"strategy": who, "family": "yours", "labels": 16}])
own[["mean", "low", "high"]] = i.mean, i.low, i.high
show_learning_curves(
    grid_means(here),
    f"The recorded curves of {DATASET}, {LM}, and a star for one more strategy at 16 labels",
    f"Star: {who}, {len(mine)} test users of one seed; whiskers: 95 % over users.",
    marks=own,
)

# %%
others = pd.concat([here, live]).drop_duplicates(["strategy", "labels", "seed", "user"])
others = others[(others["seed"] == SEED) & others["labels"].isin([0, 16])]
others = others[others["user"].isin(mine.index) & (others["strategy"] != "ceiling")]
rows = []
for name, some in others.groupby("strategy"):
    if len(some) == len(mine):
        theirs = some.set_index("user")[[METRIC]].reindex(mine.index).dropna()
        c = compare(mine[[METRIC]], theirs)
        rows.append((name, c.difference, *c.ci, c.minimum_detectable_effect))
columns = [f"{who} minus", "difference", "95 % low", "95 % high", "detectable"]
table(
    pd.DataFrame(rows, columns=columns).set_index(columns[0]),
    caption=f"On the same {len(mine)} users. Look at the last column before you cheer",
    digits=3,
)

# %% [markdown]
# ## 8. A decision guide
# With your labels, latency and memory: which one? The guide takes what fits, finds the best of it,
# keeps its *ties* (what is not shown to be worse), and takes the cheapest of those. No rule names a
# strategy: all comes out of the table. The milliseconds were measured on a machine that had other
# work as well: read a latency limit as an order of magnitude.
#
# A tie is a lack of proof, and the fewer users a test has, the more ties it finds. To rely on a
# cheap strategy you need the opposite: proof that it cannot lose more than the margin. That is
# **non-inferiority**: the whole interval of its difference from the best lies above −margin. So
# each piece of advice below is asked that question too.

# %%
from tutorial_workshop.figures import advice_table, guide, how_sure

MY_LABELS, MY_LIMITS = 64, {"ms a user": 5000, "stored_bytes": 1e6}
choice = guide(grid, MY_LABELS, limits=MY_LIMITS)
say(*choice.reasons)
advice_table(choice)
careful = guide(grid, MY_LABELS, limits=MY_LIMITS, most_loss=MARGIN)
sure, careful_sure = (how_sure(c, grid, MY_LABELS, MARGIN) for c in (choice, careful))
say(
    f"The advice **`{choice.strategy}`**: {sure}.",
    f"If no more than {MARGIN} may be lost in the mean: **`{careful.strategy}`**, {careful_sure}. "
    f"Its ties: {', '.join(careful.ties)}.",
)

# %%
allowed = {
    "no limit": {},
    "at most 1 s per user": {"ms a user": 1000},
    "at most 10 ms per user": {"ms a user": 10},
}
rows = {}
for count in [0, COUNTS[-1]] if PROFILE == "smoke" else [0, *COUNTS]:
    least = at_labels(real, count)["ms a user"].min()
    for text, limits in allowed.items():
        rows[count, text] = "nothing fits"
        if least <= limits.get("ms a user", least):
            taken = guide(grid, count, limits=limits, most_loss=MARGIN)
            rows[count, text] = f"{taken.strategy} ({how_sure(taken, grid, count, MARGIN)})"
advice = pd.Series(rows).unstack()[list(allowed)].rename_axis("labelled users")
table(
    advice,
    caption="Fastest to score among the ties of the best that lose at most "
    f"{MARGIN} in the mean, and whether that is proven",
)

# %% [markdown]
# Where the table says "a tie, not proven", the data do not rule out a loss that matters. Then take
# the best of what fits, or test on more users, before you take the cheap one.

# %% [markdown]
# ## 9. What changes on real data
# MovieLens-100K, and MiniLM, a sentence encoder that has read much of the web. It gives texts no
# likelihood, so there is no prompt to tune. Two tasks: the **next item**, one target per user; and
# **like or dislike**, the AUC over the last ten ratings of a user.
#
# **Guess first:** which of the two tells strategies apart?

# %%
TASKS = {"next": ("ndcg@10", "NDCG@10", 0.0), "like": ("auc", "AUC", 0.45)}
real_rows = {task: select(recorded, "ml-100k", "minilm", task) for task in TASKS}
real_means = {task: grid_means(rows, TASKS[task][0]) for task, rows in real_rows.items()}
for task, (_, name, floor) in TASKS.items():
    seeds = real_means[task]["seeds"].max()
    show_learning_curves(
        real_means[task],
        f"ml-100k, minilm, task {task}: test {name} over labelled users",
        f"Task {task}, MovieLens-100K, MiniLM. Whiskers: 95 % t intervals over {seeds} seeds.",
        quantity=f"test {name}",
        floor=floor,
    )

# %%
rows = []
for task, known in real_means.items():
    metric, counts = TASKS[task][0], sorted(set(known["labels"]) - {0})
    others = sorted(set(known["strategy"]) - {"head", "random", "ceiling"})
    tests = family_tests(
        real_rows[task], [(name, "head") for name in others], counts, MARGIN, metric
    )
    chance, highest = known.set_index("strategy").loc["random", "mean"], known["mean"].max()
    detectable_here = tests["detectable"].median()
    told_apart = tests["verdict"].isin(["better", "worse"]).sum()
    share = f"{detectable_here / (highest - chance):.0%}"
    apart = f"{told_apart} of {len(tests)}"
    rows.append((task, metric, chance, highest, detectable_here, share, apart))
columns = ["task", "metric", "chance", "best", "detectable"]
columns += ["of the way from chance to best", "told apart from head"]
could_see = pd.DataFrame(rows, columns=columns).set_index("task")
table(could_see, caption="What each task could see (medians over the tests)", digits=3)
say(
    "Metrics differ in scale. So compare the share **of the way from chance to best**: "
    "the smaller, the more can be told apart."
)

# %% [markdown]
# Before you compare strategies with each other: is a head on MiniLM ahead of *counting*?
# `popularity` scores an item by how many of the same labelled users have it (for likes: by the
# share of them who liked it).

# %%
for task, known in real_means.items():
    metric, counts = TASKS[task][0], sorted(set(known["labels"]) - {0})
    rows = family_tests(real_rows[task], [("head", "popularity")], counts, MARGIN, metric)
    level = known.set_index(["strategy", "labels"])["mean"].unstack("labels")[list(rows["labels"])]
    both = level.loc[["popularity", "head"]].T.rename_axis("labels")
    both["verdict on the head"] = rows["verdict"].tolist()
    behind = (rows["verdict"] == "worse").sum()
    table(
        both,
        caption=f"Task {task}, {TASKS[task][1]}: popularity is shown ahead at {behind} of "
        f"{len(rows)} budgets",
        digits=3,
    )

# %%
quiz("06_prompt_vs_finetune", "power")

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
from tutorial_workshop.figures import recap_table

main = means[means["strategy"].isin(["ceiling", "full", "soft-prompt", "ease"])]
rows = []
for r in main.sort_values(["labels", "strategy"]).itertuples():
    interval = (r.low, r.high) if r.low < r.high else (float("nan"), float("nan"))
    rows.append((f"{r.strategy}, {r.labels} labels", r.mean, *interval, r.seeds))
for _, r in first[first["labels"].isin([COUNTS[0], COUNTS[-1]])].iterrows():
    name = f"gain of {r['strategy']} over full, {r['labels']} labels"
    seeds = round(r["pairs"] / users.min())
    rows.append((name, *r[["gain", "95 % low", "95 % high"]], seeds))
recap_table(
    rows,
    caption="NDCG@10. Levels: intervals over seeds, nan with fewer than three; "
    "gains: over pairs of users",
)

# %%
at = first.set_index(["strategy", "labels"])["gain"]
chance = means.set_index("strategy").loc["random", "mean"]
full = priced.set_index("strategy").loc["full", "mean"]
golden("06.recorded.full", full, trivial=chance)
golden("06.recorded.gain-soft-prompt", at["soft-prompt", COUNTS[0]])
golden("06.recorded.gain-p5", at["multi-task", COUNTS[0]])
golden("06.recorded.detectable", first["detectable"].median())

# %% [markdown]
# ## Pitfalls
# - **The winner is chosen and judged on the same users.** Then its lead is too large. Declare the
#   comparison, or judge on fresh users.
# - **"Not significant" read as "equal".** Say what difference the test could have seen, and what
#   the interval still allows.
# - **Prompt against fine-tuning, with other words on each side.** Then two things differ. Put in a
#   strategy that differs in one of them.
# - **Few numbers trained taken for little work.** The frozen model is still run, forwards and
#   backwards.
# - **No plain baseline on the plot.** Count what the same labelled users have, before a language
#   model gets the credit.
# - **One world.** These curves belong to a model of a million parameters and a made-up catalogue.
#   The method carries over; the numbers do not.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation. TACL 11. [arXiv
#   2302.03735](https://arxiv.org/abs/2302.03735)
# - Lester, Al-Rfou, Constant 2021. The power of scale for parameter-efficient prompt tuning.
#   [arXiv 2104.08691](https://arxiv.org/abs/2104.08691)
# - Le Scao, Rush 2021. How many data points is a prompt worth? [arXiv
#   2103.08493](https://arxiv.org/abs/2103.08493)
# - Bao et al. 2023. TALLRec. [arXiv 2305.00447](https://arxiv.org/abs/2305.00447)
# - Ferrari Dacrema, Cremonesi, Jannach 2019. Are we really making much progress? [arXiv
#   1907.06902](https://arxiv.org/abs/1907.06902)
# - Holm 1979. A simple sequentially rejective multiple test procedure. Scandinavian Journal of
#   Statistics 6.
# - Lakens 2017. Equivalence tests. [doi
#   10.1177/1948550617697177](https://doi.org/10.1177/1948550617697177)
#
# **What next:** notebook 07 looks at the metrics themselves. Until then: write your own declaration
# for one question of your work, with its margin, and ask a colleague whether the margin would
# change a decision.
