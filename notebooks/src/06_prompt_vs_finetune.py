# %% [markdown] tags=["title"]
# # 06 · Prompt or fine-tune? A controlled experiment
# **Same model, same labels, same test users: does a prompt rank better than fine-tuning, from how
# many labels on, and at what price?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *declare* question, metric, margin and tests before you look (question 1)
# > - *find* how many labelled users one strategy needs to pass another, with an interval (section
# >   3)
# > - *run* and *resume* a slice of a grid, and *check* it against recorded results (section 4)
# > - *weigh* accuracy against bytes stored and processor time (question 2)
# > - *tell* better, worse, equivalent and inconclusive apart (questions 3, 4), and *say* what a
# >   test could have seen (question 6)
# > - *add* a strategy of your own to the comparison, by its rules (exercise 06-strategy)
# > - *advise* by non-inferiority: cheap, and shown to lose no more than you allow (exercise
# >   06-cheapest, question 5)
# >
# > **You need:** notebooks 03 and 04. **Time:** 40 minutes to follow, 80 with the exercises.
# > **Hardware:** two CPU cores and 2 GB of memory; the live part takes less than a minute. No GPU.
# > **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: 2 cells, 6 users | quick: 3 cells, 40 users | full: 9 cells, 300 users
DATASET = "world-movies"  # your live slice; or "world-products", "world-news"; real: "ml-100k"
LM = "kit-gpt"  # of your live slice; or "kit-bert", "kit-t5", "minilm", a Hub id or a folder
SEED = 0  # any whole number from 0; draws the labelled users of your live slice

# %% [markdown]
# ## 1. What is asked, before any number is shown
#
# | | declared |
# |---|---|
# | **question** | With n labelled users, does a prompt strategy rank better than full fine-tuning of the same model? |
# | **data** | `world-movies`, leave-last-out, whole catalogue, seen items out; n = 16, 64, 256, 1,000; five seeds, each with labelled users of its own; the same test users in every seed |
# | **metric** | NDCG@10 in expectation: the world knows how likely each next item is, so no single drawn target decides (notebook 01) |
# | **margin** | 0.01: as if one user in a hundred had the right item in first place instead of nowhere. Less does not matter here |
# | **test** | paired; does the difference hold for other users *and* for other seeds? |
# | **family 1** | prompt or fine-tune: five prompt strategies, each against full fine-tuning, at every n: 20 tests |
# | **family 2** | is a language model needed: the soft prompt against each of four baselines without one, at every n: 16 tests |
# | **family 3** | words or weights: `full-words` against `full` and against `zero-shot`, `full` against `pre-train-only`, at every n: 12 tests |
# | **verdict** | *equivalent*: less than the margin either way (two one-sided tests). Else *better* or *worse*. Else *inconclusive*. All p-values are raised for the size of their family (Holm) and must lie below .05 |
# | **goal** | at least 80 % of family 1 decided: better, worse or equivalent |
#
# Everything else in this notebook is description, and no test. Some strategies were run at 64
# labels only (few-shot, p-tuning, instruct, and prompts found by search): they stand in figures and
# costs, and in no family.
#
# **Guess first:** what kind of strategy has the highest mean with 16 labelled users, and what kind
# with 1,000?

# %%
from tutorial_workshop.page import attempt, explore, golden, guess, hint, my_guesses
from tutorial_workshop.page import quiz, say, table, turned_out, whose

# in place of None: your guess
KINDS = ["no language model", "fine-tune the backbone", "fine-tune an extra part", "prompt"]
guess("06-few", None, "the best kind with 16 labelled users", choices=KINDS)
guess("06-many", None, "the best kind with 1,000 labelled users", choices=KINDS)

# %%
import tempfile
from pathlib import Path

import pandas as pd

METRIC, MARGIN = "ndcg@10", 0.01
COUNTS = (16, 64, 256, 1000)
PROMPTS = ("zero-shot", "soft-prompt", "prefix", "multi-task", "prompt-and-lm")
BASELINES = ("popularity", "transition-knn", "ease", "item-transformer")
FAMILY_1 = [(name, "full") for name in PROMPTS]
FAMILY_2 = [("soft-prompt", name) for name in BASELINES]
FAMILY_3 = [("full-words", "full"), ("full-words", "zero-shot"), ("full", "pre-train-only")]
DECLARED = len(FAMILY_1 + FAMILY_2 + FAMILY_3) * len(COUNTS)

# %%
quiz("06_prompt_vs_finetune", "before")

# %% [markdown]
# ## 2. What was run
# Every cell of the grid is a strategy, a number of labelled users and a seed. All strategies of a
# seed see the same labelled users, and all cells are asked about the same test users. What needs no
# labels has one cell per seed. Rates and numbers of steps were chosen for each strategy on
# validation users, never on these.

# %%
from tutorial_workshop.experiments import load_results
from tutorial_workshop.figures import grid_means, select

recorded = load_results()
grid = select(recorded, "world-movies", "kit-gpt")
means = grid_means(grid, METRIC)
ran = grid.groupby(["strategy", "labels", "seed"])[["seconds", "score_seconds"]].first()
users = grid.groupby("seed")["user"].nunique()
hours = (ran["seconds"].sum() + (ran["score_seconds"] * users.iloc[0]).sum()) / 3600
strategies, seeds = means["strategy"].nunique(), grid["seed"].nunique()
say(
    f"{len(ran)} cells: {strategies} strategies and baselines, {seeds} seeds, {users.min()} test "
    f"users. They took {hours:.1f} processor hours.",
    "To make the table yourself: `tutorial grid --dataset world-movies --lm kit-gpt`. "
    "Kill it whenever you like, and call it again.",
)

# %%
from tutorial_lib.strategies import STRATEGIES, adapt

moves = {name: ", ".join(sorted(s.moves)) or "nothing" for name, s in STRATEGIES.items()}
moves |= {"ceiling": "-", "random": "-"}
listed = means.drop_duplicates("strategy").set_index("strategy").sort_values("family")
listed["what moves"] = [moves.get(name, "counts or weights of its own") for name in listed.index]
listed["bytes stored"] = listed["stored_bytes"].map("{:,.0f}".format)
table(
    listed[["family", "what moves", "bytes stored"]],
    caption="Strategies and baselines, with what each of them moves",
    fold=True,
)

# %% [markdown]
# A prompt strategy and full fine-tuning differ in two things: in **words** (titles in a row, or a
# sentence around them) and in **weights** (frozen, or all of them move). To tell the two apart you
# need all four corners:
#
# | | asked with bare titles | asked in words |
# |---|---|---|
# | **all weights frozen** | `pre-train-only` | `zero-shot` |
# | **all weights move** | `full` | `full-words` |
#
# Along a row only the words change, down a column only the weights. `full` and `soft-prompt` stand
# across from each other, so their difference alone cannot say which of the two did it. `multi-task`
# moves all weights and has words too, but learns six families of tasks at once: its difference from
# `full` is that of another recipe.

# %% [markdown] tags=["half-day-2"]
# ## 3. Learning curves
# Baselines without any language model stand on the same axes. They get the same labelled users as
# everybody else.

# %% tags=["half-day-2"]
from tutorial_workshop.figures import show_learning_curves

curves = means[(means["labels"] == 0) | means.duplicated("strategy", keep=False)]
show_learning_curves(
    curves,
    "Test NDCG@10 over labelled users, four panels",
    "Colour: the panel's own family; grey: all others. Dotted: no labels needed; dashed: the "
    "ceiling. Whiskers: 95 % over seeds, from three seeds on. What was run at one number of labels "
    "only is left out.",
)

# %%
real = means[~means["strategy"].isin(["ceiling", "random"])]  # best first
highest = real[real["labels"] > 0].groupby(["family", "labels"]).first()
highest = (highest["strategy"] + " " + highest["mean"].map("{:.3f}".format)).unstack().fillna("-")
table(highest, caption="Highest mean of each family, by labelled users")
few, many = (real[real["labels"].isin([0, count])].iloc[0] for count in (COUNTS[0], COUNTS[-1]))
level = means.set_index(["strategy", "labels"])["mean"].unstack()
climb = (level[COUNTS[-1]] - level[COUNTS[0]])[["soft-prompt", "full", "ease"]].dropna()
ceiling = means.set_index("strategy").loc["ceiling", "mean"]
say(
    f"Highest of all: `{few['strategy']}` with {COUNTS[0]} labels, `{many['strategy']}` with "
    f"{COUNTS[-1]:,}, {many['mean'] / ceiling:.0%} of the ceiling ({ceiling:.3f}).",
    "The highest of many is flattered by luck: this is description. The tests of section 6 were "
    "chosen beforehand.",
    f"What labels add, from {COUNTS[0]} to {COUNTS[-1]:,}: "
    + ", ".join(f"`{name}` {gain:+.3f}" for name, gain in climb.items())
    + ".",
)
turned_out("06-few", few["family"])
turned_out("06-many", many["family"])

# %% [markdown] tags=["half-day-2"]
# Look at the slopes, not at the winner. A strategy with little to move lives on what the model has
# read; one that learns from labels alone has to climb from the floor. Curves of different slopes
# cross, so "who wins?" has no answer, but **"from how many labelled users on?"** may have one. (Le
# Scao and Rush 2021 asked how many data points a prompt is worth.)
#
# A crossing is an estimate like any other, so it has an interval. Here seeds and users are drawn
# anew, with replacement, 2,000 times; each time the one curve passes the other somewhere, leads from
# the start, or never gets ahead.
#
# **Guess first:** how many labelled users does a counter like `ease` need to pass a prompt that
# needs none?

# %% tags=["half-day-2"]
# in place of None: your guess
guess("06-ease", None, "labelled users until ease passes zero-shot", within=20)

# %% tags=["half-day-2"]
from tutorial_workshop.figures import show_crossings

PASSES = [("full", "zero-shot"), ("full", "soft-prompt"), ("full", "prompt-and-lm")]
PASSES += [("ease", "zero-shot"), ("from-scratch", "zero-shot"), ("ease", "full")]
crossed = show_crossings(grid, PASSES, METRIC)
turned_out("06-ease", crossed["ease", "zero-shot"].labels)

# %% [markdown] tags=["half-day-2"]
# Read `ease` over `zero-shot` as a price: up to the crossing, a model that has only read titles
# does the work of that many people's histories. For two strategies that both use labels, it says
# from where on the one that moves more pays. Where the signs of the gains change back and forth
# there is no crossing to report, and an arrow says that the data do not close the interval.

# %% [markdown]
# **For whom?** A mean over all users hides for whom a strategy works. Cut the same recorded users,
# with 64 labels, by what every system sees of them: how long their history is, and how well known
# the items in it are. Cuts by history keep their ceiling, so shares of it can be compared.

# %%
from tutorial_lib.evaluation import by_cuts, cuts_of
from tutorial_workshop.experiments import split_of
from tutorial_workshop.figures import show_board, show_leaders

with_64 = grid[grid["labels"].isin([0, 64])].set_index(["seed", "user"])
SYSTEMS = ("zero-shot", "full", "ease", "transition-knn", "ceiling")
frames = {name: with_64[with_64["strategy"] == name] for name in SYSTEMS}
parts = [cut for cut in cuts_of(split_of("world-movies")) if cut.by == "history"]
board = by_cuts(frames, [cut for cut in parts if len(cut.users)], METRIC, ceiling="ceiling")
show_board(board, caption="64 labelled users, means over five seeds. Whiskers: 95 % over users.")
show_leaders(board, ceiling="ceiling")

# %% [markdown]
# Read a row for who leads, and a colour downwards for whom it serves. A longer history is more to go
# by, and still everybody gets a smaller share of the ceiling there: none of these systems, with 64
# labelled users, makes use of what the history adds. Well-known items raise every line, also that of
# the model which has read titles only. `full` and `ease` share the lead in every row, each within
# the other's interval, so you need not know who the users are before choosing between them.

# %% [markdown]
# ## 4. Run a slice yourself
# A recorded curve is only as good as the run behind it. So run a few cells of it now: 16 labelled
# users, your seed, the first of the recorded test users.
#
# **Guess first:** the run is broken off after its first cell and started again. How many cells does
# it repeat?

# %%
# in place of None: your guess
guess("06-repeats", None, "cells that are run again", within=0.5)

# %%
from tutorial_workshop.experiments import cells_of, language_model, run_cell, run_grid, split_of

KNOWN = split_of(DATASET).dataset.truth is not None  # the exact chances of the next item
writes = language_model(LM).kind != "encoder"
LIVE = ["transition-knn"] + (["head"] if PROFILE != "smoke" or KNOWN else ["popularity"])
LIVE += ["soft-prompt"] if PROFILE != "smoke" and writes and KNOWN else []
USERS = {"smoke": 6, "quick": 40, "full": 300}[PROFILE]
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
before = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
live = run_grid(cells, folder)  # continues where it stopped
again = run_grid(cells, folder)  # has nothing left to do
same = "yes" if again.equals(live) else "NO"
say(f"The table of the third call equals that of the second: {same}.")
turned_out("06-repeats", sum(path.stat().st_mtime_ns > when for path, when in before.items()))

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
# A star far from its curve would be news; a star within its whiskers is what a check should look
# like. Your whiskers hold for other users only: one seed cannot say what other labelled users would
# have done to the model.

# %% [markdown]
# ## 5. What does it cost?
# Four costs, at one budget. A point on the **Pareto front** (filled, on the grey line) is beaten by
# nothing that costs as much or less. Bytes stored are those of one task, besides the model that all
# tasks share. Times are *processor* seconds: work done, whatever else the machine was doing.
#
# **Guess first:** a soft prompt trains a thousandth of the numbers. How many times faster than full
# fine-tuning is it to tune?

# %%
# in place of None: your guess
guess("06-faster", None, "full over soft prompt, processor seconds", within=0.5)

# %%
from tutorial_workshop.figures import COSTS, at_labels, cost_table, show_cost_panels

AT = 64
priced = at_labels(means, AT)
show_cost_panels(priced, AT)

# %%
cost_table(priced, AT)
tuning = priced.set_index("strategy")["seconds"]
turned_out("06-faster", tuning["full"] / tuning["soft-prompt"])

# %% [markdown]
# **Move the budget, pick a strategy.**

# %%
from tutorial_workshop.figures import cost_map, describe_cost

explore(
    lambda labels, cost, strategy: cost_map(at_labels(means, labels), cost, strategy),
    alt="Test NDCG@10 against a cost, one point per strategy; the picked one is large, "
    "with its 95 % interval.",
    describe=lambda labels, cost, strategy: describe_cost(means, labels, cost, strategy),
    labels=list(COUNTS),
    cost={text: name for name, text in COSTS.items()},
    strategy=sorted(set(real["strategy"])),
    start={"labels": AT, "strategy": "soft-prompt"},
)

# %% [markdown]
# Three of the four costs depend on the model that is run, and a prompt has to run all of it,
# forwards and backwards. What a small strategy saves is *storage*, and that is counted per task:
# the more tasks share one model, the more it is worth. A counter saves the rest.

# %%
quiz("06_prompt_vs_finetune", "cost")

# %% [markdown] tags=["half-day-2"]
# ## 6. The tests that were declared
# Family 1: prompt or fine-tune?

# %% tags=["half-day-2"]
from tutorial_workshop.figures import family_tests, show_gains

first = family_tests(grid, FAMILY_1, COUNTS, MARGIN, METRIC)
show_gains(first, MARGIN)

# %%
from tutorial_workshop.figures import order_in_words, say_what_could_be_seen
from tutorial_workshop.figures import share_decided, table_of_tests

say(*(f"`{name}` {order_in_words(rows)}." for name, rows in first.groupby("strategy", sort=False)))
say_what_could_be_seen(first, MARGIN)
decided_1 = share_decided(first)
reached = "reached" if decided_1 >= 0.8 else "**missed**"
say(f"The goal, at least 80 % decided, is {reached}: {decided_1:.0%}.")
table_of_tests(first, caption="Family 1")

# %% [markdown] tags=["half-day-2"]
# Each line above is an answer to "does a prompt rank better, with n labelled users?". *Equivalent*
# is an answer too, and often the useful one: then take the cheaper. Only *inconclusive* is none.
# The sign of a mean alone shows nothing: near 0 it changes by luck, so go by the verdicts.

# %% tags=["half-day-2"]
quiz("06_prompt_vs_finetune", "verdict")

# %% [markdown]
# Family 2: the soft prompt against what needs no language model at all.

# %%
second = family_tests(grid, FAMILY_2, COUNTS, MARGIN, METRIC)
orders = {name: order_in_words(rows) for name, rows in second.groupby("against", sort=False)}
say(*(f"The soft prompt, against `{name}`: {order}." for name, order in orders.items()))
table_of_tests(second, caption="Family 2")

# %% [markdown]
# Family 3: is it the words, or the weights? Three sides of the square of section 2.
#
# **Guess first:** once all weights have moved, do the words still matter: is `full-words` shown to
# be better or worse than `full` at any number of labels?

# %%
# in place of None: your guess
guess("06-words", None, "do the words still matter", choices=["yes", "no"])

# %%
third = family_tests(grid, FAMILY_3, COUNTS, MARGIN, METRIC)
show_gains(third, MARGIN)
words_only = third[(third["strategy"] == "full-words") & (third["against"] == "full")]
turned_out("06-words", words_only["verdict"].isin(["better", "worse"]).any())

# %%
from tutorial_workshop.figures import compared, say_which_were_run

sides = ["words, once weights move", "weights, asked in words", "weights, asked with bare titles"]
parts = [rows for _, rows in third.groupby(["strategy", "against"], sort=False)]
say(*(f"**{side}**: {order_in_words(rows)}." for side, rows in zip(sides, parts)))
untuned = compared(grid, "zero-shot", "pre-train-only", 0, METRIC)
say(
    f"The fourth side, words without any tuning (description): {untuned.difference:+.4f}, 95 % "
    f"interval {untuned.ci[0]:+.4f} to {untuned.ci[1]:+.4f}."
)
table_of_tests(third, caption="Family 3")

# %% [markdown]
# Compare the first panel with the other two. Changing the words moves little; moving the weights
# moves more, the more labels there are. So what sets `full` and `soft-prompt` apart lies in the
# weights, and hardly in the words.

# %%
families = {"1": (FAMILY_1, first), "2": (FAMILY_2, second), "3": (FAMILY_3, third)}
for number, (declared, tests) in families.items():
    say_which_were_run(f"family {number}", declared, COUNTS, tests)
done = len(first) + len(second) + len(third)
agree = "as it should be" if done == DECLARED else "**not as many**"
say(f"Declared in all: {DECLARED} tests; run: {done}, {agree}.")

# %%
quiz("06_prompt_vs_finetune", "pairs")

# %% [markdown] tags=["half-day-2"]
# **Does it hold elsewhere?** The same family in `world-products`: other items, another way in which
# people choose, three seeds. No new family of claims, but a check of this one.

# %% tags=["half-day-2"]
elsewhere = select(recorded, "world-products", "kit-gpt")
second_look = family_tests(elsewhere, FAMILY_1, COUNTS, MARGIN, METRIC)
both = first.merge(second_look, on=["strategy", "labels"], suffixes=("", " there"))
decided = both[(both[["verdict", "verdict there"]] != "inconclusive").all(axis=1)]
turned = [{"better", "worse"} == set(pair) for pair in decided[["verdict", "verdict there"]].values]
same = (decided["verdict"] == decided["verdict there"]).sum()
say(
    f"{len(second_look)} tests in `world-products`, {len(decided)} of them decided in both worlds: "
    f"{same} with the same verdict, {sum(turned)} the other way round."
)

# %% [markdown] tags=["half-day-2"]
# What that means: **what the model has read decides**. Pre-training showed it what 6,000 people did
# with products (none of those who are tested here, and none of their histories), and never what
# anybody did with movies (notebook 03). Where it has read the behaviour, a prompt finds what is
# already there, and fine-tuning on a few users overwrites part of it. Where it knows the words but
# not the behaviour, labels must teach it, and weights that may move learn more than a prompt that
# may not. Two worlds and one small model cannot prove a rule, but they refute the opposite one.
# So the question is not "prompt or fine-tune?" but "has the model seen this task?". With real
# models nobody tells you: ask for zero-shot against `full` on a few labelled users first.

# %% [markdown]
# ## 7. A strategy of your own
# Anything that obeys the rules may join: it sees the training histories of the labelled users, and
# nothing else of the data.
#
# **Exercise 06-strategy** (build, about 15 minutes, difficulty 3 of 3). Write one.
# `labelled_only(split, labels, seed)` gives what you may see, `adapt(...)` a language model, and
# `WeightedSum([a, b], [0.5, 1.0])` adds up what two recommenders say, the second twice as loud. How
# loud should a counter be that has seen 16 people, or 1,000?


# %%
from tutorial_lib.models import EASE
from tutorial_workshop.exercises.exercise_06 import WeightedSum
from tutorial_workshop.experiments import labelled_only


def my_strategy(split, labels, seed):
    """A fitted recommender that has used the training histories of the labelled users only."""
    # SOLUTION BEGIN
    known = labelled_only(split, labels, seed)
    asked = adapt(language_model("kit-gpt"), split, "zero-shot", labels=0, seed=seed)
    return WeightedSum([EASE().fit(known), asked], [labels / 64, 1.0])
    # SOLUTION END


my_strategy = attempt(my_strategy, exercise="06-strategy")

# %%
hint("06-strategy")

# %%
from tutorial_lib.evaluation import compare, evaluate, holm_comparisons, mean_interval

tested = split_of(DATASET).sample_targets(USERS if KNOWN else min(USERS, 4))  # real titles are slow
mine = evaluate(my_strategy(split_of(DATASET), 16, SEED), tested, k=10, block=16, expected=KNOWN)
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
found = {
    name: compare(mine[[METRIC]], some.set_index("user")[[METRIC]])
    for name, some in others.groupby("strategy")
    if len(some) == len(mine)
}
if found:
    judged = holm_comparisons(found, MARGIN).sort_values("difference", ascending=False)
    table(
        judged[["difference", "low", "high", "p_holm", "detectable", "verdict"]],
        caption=f"{who} minus each of the others, on the same {len(mine)} users, one seed",
        digits=3,
        fold=len(judged) > 6,
    )

# %% [markdown]
# Before you cheer, look at the detectable difference, and remember that one seed speaks for its own
# labelled users only. To enter the table above, a strategy has to run with all five.

# %% [markdown] tags=["half-day-2"]
# ## 8. A decision guide
# You have some labelled users and some limits: which strategy do you take? A tempting rule: the
# cheapest of all that are *not significantly worse* than the best. That is a lack of proof. The
# other way round: keep only what is **shown to lose no more than the margin**, where the whole
# interval of the difference from the best lies above −margin (*non-inferiority*). Of those, take
# the cheapest.
#
# **Guess first:** suppose there were only 20 test users and one seed. Which of the two rules keeps
# more strategies then?

# %% tags=["half-day-2"]
# in place of None: your guess
guess("06-rule", None, "the rule that keeps more", choices=["the first", "the second"])

# %% tags=["half-day-2"]
MY_LABELS, CHEAP = 64, "ms a user"
at_mine = at_labels(real, MY_LABELS).set_index("strategy")
best, *names = at_mine.index


def kept(rows):
    """Beside the best: what is not significantly worse; what cannot lose more than the margin."""
    found = {name: c for name in names if (c := compared(rows, name, best, MY_LABELS))}
    ties = [name for name, c in found.items() if not (c.p < 0.05 and c.difference < 0)]
    return ties, [name for name, c in found.items() if c.ci[0] >= -MARGIN]


little = grid[grid["user"].isin(sorted(set(grid["user"]))[:20]) & (grid["seed"] == 0)]
rules = ["not significantly worse", f"cannot lose more than {MARGIN}"]
data = {"20 users, one seed": little, "all users and seeds": grid}
by_rule = pd.DataFrame({name: map(len, kept(rows)) for name, rows in data.items()}, index=rules)
table(by_rule, caption=f"Strategies kept beside the best, `{best}`, at {MY_LABELS} labels")
non_inferior = kept(grid)[1]
say(
    f"By proof, from all data: {', '.join(non_inferior) or 'nothing beside the best'}.",
    f"The cheapest of these and the best: `{at_mine.loc[[best, *non_inferior], CHEAP].idxmin()}`.",
)
ties, proven = by_rule["20 users, one seed"]
turned_out("06-rule", "the first" if ties > proven else "the second")

# %% [markdown] tags=["half-day-2"]
# The first rule rewards bad data: the fewer users, the less is found to differ, and the more it
# lets through. The second asks for proof, so bad data make it careful.

# %% [markdown]
# **Exercise 06-cheapest** (about 5 minutes, difficulty 1 of 3). Write the second rule, with the
# choice at its end.


# %%
def cheapest_proven(best, lows, costs, margin):
    """The cheapest of the best and of those that are shown to lose no more than the margin.

    lows: name -> lower end of the interval of name − best. costs: name -> cost, the best included.
    """
    # SOLUTION BEGIN
    proven = [name for name, low in lows.items() if low >= -margin]
    return min([best, *proven], key=costs.get)
    # SOLUTION END


cheapest_proven = attempt(cheapest_proven, exercise="06-cheapest")

# %%
hint("06-cheapest")

# %%
found = {name: c for name in names if (c := compared(grid, name, best, MY_LABELS))}
lows = {name: c.ci[0] for name, c in found.items()}
cheapest = cheapest_proven(best, lows, at_mine[CHEAP].to_dict(), MARGIN)
say(f"By {whose(cheapest_proven, '06-cheapest')}: `{cheapest}`.")

# %% [markdown] tags=["half-day-2"]
# The kit's `guide` does the same within limits. Costs up to twice the lowest count as the same
# there (processor times of one and the same model vary by nearly as much), and the best of these is
# taken.

# %% tags=["half-day-2"]
from tutorial_workshop.figures import advice_table, guide, show_advice

choice = guide(grid, MY_LABELS, MARGIN, limits={"stored_bytes": 1e6})
say(*choice.reasons)
advice_table(choice)

# %% [markdown] tags=["half-day-2"]
# Four situations that people are in, at every number of labelled users. "One language model for
# many tasks" admits what leaves its weights as they are, and `multi-task`, which learned six tasks
# at once.

# %% tags=["half-day-2"]
show_advice(grid, [0, COUNTS[-1]] if PROFILE == "smoke" else [0, *COUNTS], MARGIN)

# %% [markdown] tags=["half-day-2"]
# Read a row from left to right: each limit costs accuracy, or nothing. Read a column downwards: the
# advice changes where curves cross. "The best" in every cell would mean that nothing cheaper is
# proven good enough, a reason to test on more users rather than to spend more.

# %% tags=["half-day-2"]
quiz("06_prompt_vs_finetune", "guide")

# %% [markdown] tags=["half-day-6"]
# ## 9. What changes on real data
# MovieLens-100K, and MiniLM, a sentence encoder that has read much of the web. It gives texts no
# likelihood, so there is no prompt to tune. Two tasks: the **next item**, one target per user; and
# **like or dislike**, the AUC over the last ten ratings of a user.
#
# **Guess first:** which of the two tasks tells strategies apart better? Take the smallest difference
# that it can detect, as a share of the way from chance to the best.

# %% tags=["half-day-6"]
# in place of None: your guess
guess("06-task", None, "the task that tells more apart", choices=["next", "like"])

# %% tags=["half-day-6"]
TASKS = {"next": ("ndcg@10", "NDCG@10", 0.0), "like": ("auc", "AUC", 0.45)}
real_rows = {task: select(recorded, "ml-100k", "minilm", task) for task in TASKS}
real_means = {task: grid_means(rows, TASKS[task][0]) for task, rows in real_rows.items()}
for task, (_, name, floor) in TASKS.items():
    runs = real_means[task]["seeds"].max()
    show_learning_curves(
        real_means[task],
        f"ml-100k, minilm, task {task}: test {name} over labelled users",
        f"Task {task}, MovieLens-100K, MiniLM. Whiskers: 95 % t intervals over {runs} seeds.",
        quantity=f"test {name}",
        floor=floor,
    )

# %% tags=["half-day-6"]
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
turned_out(
    "06-task", (could_see["detectable"] / (could_see["best"] - could_see["chance"])).idxmin()
)

# %% [markdown] tags=["half-day-6"]
# Before you compare strategies with each other: is a head on MiniLM ahead of *counting*?
# `popularity` scores an item by how many of the same labelled users have it (for likes: by the
# share of them who liked it). These tests were not declared: they are the check that should have
# come first.

# %% tags=["half-day-6"]
for task, known in real_means.items():
    metric, counts = TASKS[task][0], sorted(set(known["labels"]) - {0})
    rows = family_tests(real_rows[task], [("popularity", "head")], counts, MARGIN, metric)
    level = known.set_index(["strategy", "labels"])["mean"].unstack("labels")[list(rows["labels"])]
    ahead, shown = (rows["gain"] > 0).sum(), (rows["verdict"] == "better").sum()
    levels = level.loc[["popularity", "head"]].T.itertuples()
    pairs = "; ".join(f"{n}: {counted:.3f} to {head:.3f}" for n, counted, head in levels)
    say(
        f"Task {task}, {TASKS[task][1]}: **popularity is ahead of the head at {ahead} of "
        f"{len(rows)} budgets**, shown at {shown}. By labelled users, popularity to head: {pairs}."
    )

# %% [markdown] tags=["half-day-6"]
# So on these data a pre-trained encoder with a trained head has not yet earned its place: counting
# what the same people have is cheaper, and where the lines above say "shown" it is better. A paper
# that compares heads, adapters and LoRA with each other only would never notice.

# %% [markdown]
# **A model that can be asked.** MiniLM only gives vectors. SmolLM2-135M-Instruct can be asked in
# words: "will the user like that film? Answer yes or no" (notebook 04, section 9). Four ways: as it
# is (`zero-shot`); vectors in place of the question's first words (`soft-prompt`); LoRA on the
# answers (`lora-words`, the set-up of TALLRec); a head on its title vectors (`head`). That is the
# first of the source tutorial's next checks, prompt against fine-tuning on real data.
#
# **Declared beforehand:** five tests at each budget, on users whom no wording was chosen by, with
# the margin of this notebook. **Guess first:** does a tuned model of 135 million parameters pass
# the share of likes that an item has among the same labelled users?

# %%
# in place of None: your guess
guess("06-likes", None, "better than the share of likes", choices=["yes", "no"])

# %%
from tutorial_workshop.figures import likes_of_real_models

asked = likes_of_real_models(recorded)
budgets = sorted(asked.loc[asked["strategy"] == "lora-words", "labels"].unique())
IN_WORDS = [("zero-shot", "lora-words"), ("soft-prompt", "lora-words")]
IN_WORDS += [("lora-words", name) for name in ("MiniLM head", "popularity", "ease")]
in_words = family_tests(asked, IN_WORDS, budgets, MARGIN, "auc")
table_of_tests(in_words, "Likes on MovieLens-100K, SmolLM2: AUC")
say_what_could_be_seen(in_words, MARGIN)
tuned = (in_words["strategy"] == "lora-words") & (in_words["against"] == "popularity")
turned_out("06-likes", (in_words.loc[tuned, "verdict"] == "better").any())

# %%
levels = grid_means(asked, "auc")
show_learning_curves(
    levels[levels["labels"].isin([0, *budgets])],
    "ml-100k, smollm2, task like: test AUC over labelled users",
    f"Task like, MovieLens-100K, {asked['user'].nunique()} users. popularity: the share of likes.",
    quantity="test AUC",
    floor=0.45,
)

# %% [markdown]
# Read the verdicts against `popularity` and `ease` first. Where a model that was tuned for minutes
# is behind a share that takes a millisecond, it is not the wording or the strategy that is at
# fault: the labels of so few users say more about a film than its title does. The row `zero-shot`
# minus `lora-words` is prompt against fine-tuning proper, on real text.
#
# **Ask it yourself.** The first twelve of those users, in the words of the recorded run. Where
# SmolLM2 is installed, it answers now.

# %%
from tutorial_workshop.figures import ask_likes

if PROFILE != "smoke":
    ask_likes(asked, users=12)

# %% [markdown]
# What that means: the first two rows agree where the same model was asked the same questions. The
# interval of twelve users is what a demonstration is worth: it may show a large lead of counting,
# and it cannot tell two prompts from each other.

# %% tags=["half-day-6"]
quiz("06_prompt_vs_finetune", "power")

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
from tutorial_workshop.figures import recap_table

main = means[means["strategy"].isin(["ceiling", "full", "soft-prompt", "ease", "zero-shot"])]
main = main[main["labels"].isin([0, COUNTS[0], COUNTS[-1]])]
none = float("nan")
rows = []
for r in main.sort_values(["labels", "strategy"]).itertuples():
    interval = (r.low, r.high) if r.high - r.low > 1e-9 else (none, none)
    rows.append((f"{r.strategy}, {r.labels} labels", r.mean, *interval, r.seeds))
for _, r in first[first["labels"].isin([COUNTS[0], COUNTS[-1]])].iterrows():
    name = f"{r['strategy']} − full, {r['labels']} labels: {r['verdict']}"
    both_ran = round(r["pairs"] / users.min())
    rows.append((name, *r[["gain", "95 % low", "95 % high"]], both_ran))
rows.append(("share of family 1 that is decided", decided_1, none, none, seeds))
recap_table(
    rows,
    caption="NDCG@10. Levels: intervals over seeds, from three on; gains: over users and seeds",
)
say(*(f"`{a}` passes `{b}`: {where}." for (a, b), where in crossed.items()))

# %%
my_guesses()

# %%
at = first.set_index(["strategy", "labels"])["gain"]
chance = means.set_index("strategy").loc["random", "mean"]
full = at_labels(means, AT).set_index("strategy").loc["full", "mean"]
golden("06.recorded.full", full, trivial=chance)
golden("06.recorded.gain-soft-prompt", at["soft-prompt", first["labels"].max()])
golden("06.recorded.decided", decided_1)
golden("06.recorded.detectable", first["detectable"].median())

# %% [markdown]
# ## Pitfalls
# - **The winner is chosen and judged on the same users.** Then its lead is too large. Declare the
#   comparison, or judge on fresh users.
# - **"Not significant" read as "equal".** Say what difference the test could have seen, and what
#   the interval still allows. To rely on a cheap strategy, show that it is not inferior.
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
# - Owen 2007. The pigeonhole bootstrap. [doi
#   10.1214/07-AOAS122](https://doi.org/10.1214/07-AOAS122)
# - Piaggio et al. 2012. Reporting of noninferiority and equivalence randomized trials. [doi
#   10.1001/jama.2012.87802](https://doi.org/10.1001/jama.2012.87802)
#
# **What next:** notebook 07 looks at the metrics themselves. Until then: write your own declaration
# for one question of your work, with its margin, and ask a colleague whether the margin would
# change a decision.
