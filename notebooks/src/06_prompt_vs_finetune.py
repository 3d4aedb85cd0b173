# %% [markdown] tags=["title"]
# # 06 · Prompt or fine-tune? A controlled experiment
# **Same model, same labels, same test users: does a prompt rank better than fine-tuning, from how many labels on, and at what price?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *declare* question, metric, margin and tests before you look (question 1)
# > - *read* learning curves with intervals, and *find* where two of them cross (section 3)
# > - *run* and *resume* a slice of a grid, and *check* it against recorded results (section 4)
# > - *weigh* accuracy against numbers stored, seconds and latency (question 3)
# > - *tell* better, equivalent and inconclusive apart (questions 2, 4), and *say* what a test could have seen (question 5)
# > - *add* a strategy of your own to the comparison, by its rules (exercise 06-strategy)
# >
# > **You need:** notebooks 03 and 04. **Time:** 40 minutes to follow, 75 with the exercise. **Hardware:** two CPU cores and 2 GB of
# > memory; the live part takes about a minute. No GPU. **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: two cells, 6 test users | quick: three cells, 20 test users | full: three cells, 60 test users, 3 seeds
DATASET = "world-movies"  # of your live slice; or "world-products", "world-news"; real data: "ml-100k" (fewer cells and users)
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

from tutorial_lib.evaluation import compare, evaluate, mean_interval
from tutorial_workshop.experiments import cells_of, load_results, run_cell, run_grid
from tutorial_workshop.experiments.cells import labelled_only, language_model, split_of
from tutorial_lib.models import Popularity
from tutorial_lib.strategies import STRATEGIES, adapt
from tutorial_workshop.page import attempt, explore, golden, hint, quiz, show
from tutorial_workshop.figures.decision_guide import contrasts, gains, guide
from tutorial_workshop.exercises.exercise_06 import Blend
from tutorial_workshop.page.checker import whose
from tutorial_workshop.figures.costs import cheapest_best, cost_map, cost_panels, describe_cost
from tutorial_workshop.figures.grid import COSTS, at_labels, learning_curves, over_users, plain, select, summary, told
from tutorial_workshop.page.output import say, table

METRIC, MARGIN = "ndcg@10", 0.02
PROMPTS = ("zero-shot", "soft-prompt", "prefix", "p5", "prompt-and-lm")
BASELINES = ("popularity", "transition-knn", "ease", "item-transformer")
FAMILY_1 = [(name, "full") for name in PROMPTS]
FAMILY_2 = [("soft-prompt", name) for name in BASELINES]

# %%
quiz("06_prompt_vs_finetune", "before")

# %% [markdown]
# ## 2. What was run
# Every cell of the grid is a strategy, a number of labelled users and a seed. All strategies of a seed see the same labelled users and are
# asked about the same test users. What needs no labels has one cell per seed.

# %%
recorded = load_results()
grid = select(recorded, "world-movies", "kit-gpt")
means = summary(grid, METRIC)
COUNTS = sorted(set(means["labels"]) - {0})
ran = grid.groupby(["strategy", "labels", "seed"])[["seconds", "score_seconds"]].first()
users = grid.groupby("seed")["user"].nunique()
hours = (ran["seconds"].sum() + (ran["score_seconds"] * users.iloc[0]).sum()) / 3600
say(
    f"{len(ran)} cells: {means['strategy'].nunique()} strategies and baselines, budgets {', '.join(map(str, COUNTS))}, "
    f"{grid['seed'].nunique()} seeds, {users.min()} test users per seed. About {hours:.1f} hours on one core.",
    "To make the table yourself: `tutorial grid --dataset world-movies --lm kit-gpt`. Kill it whenever you like, and call it again.",
)

# %%
moves = {name: ", ".join(sorted(s.moves)) or "nothing" for name, s in STRATEGIES.items()}
listed = means.drop_duplicates("strategy").set_index("strategy").sort_values("family")
own = dict.fromkeys(("ceiling", "random"), "-")
listed["what moves"] = [own.get(name, moves.get(name, "counts or weights of its own")) for name in listed.index]
listed["numbers trained"] = [f"{count:,.0f}" for count in listed["trainable"]]
table(listed[["family", "what moves", "numbers trained"]], caption="Strategies and baselines, with what each of them moves")

# %% [markdown]
# Read three of them with care. `full` is asked *without* words, titles in a row. `p5` moves the same weights and is asked *with* words, but
# it also learns six families of tasks at once, at a rate and for a number of steps of its own. So their difference is that of two recipes,
# and does not say what the words do. `soft-prompt` has words and frozen weights, and a budget of its own as well: it differs from `full`
# in all three.

# %% [markdown]
# ## 3. Learning curves
# Baselines without any language model stand on the same axes. They get the same labelled users as everybody else.

# %%
show(
    learning_curves(means),
    alt=f"Test NDCG@10 over labelled users, four panels. {told(means)}.",
    caption="Colour: the panel's own family; grey: all others. Dotted: no labels needed; dashed: the ceiling. Whiskers: 95 % over seeds, "
    "from three seeds on.",
)

# %%
real = means[~means["strategy"].isin(["ceiling", "random"])]  # best first
highest = real[real["labels"] > 0].groupby(["family", "labels"]).first()
highest = (highest["strategy"] + " " + highest["mean"].map("{:.3f}".format)).unstack().fillna("-")
table(highest, caption="Highest mean of each family, by labelled users")
best = {count: real[real["labels"].isin([0, count])].iloc[0] for count in COUNTS}
ceiling = means.set_index("strategy").loc["ceiling", "mean"]
fewer = real[(real["seeds"] < real["seeds"].max()) & (real["labels"] > 0)]
say(
    f"Highest of all: `{best[COUNTS[0]]['strategy']}` with {COUNTS[0]} labels, `{best[COUNTS[-1]]['strategy']}` with {COUNTS[-1]}, "
    f"{best[COUNTS[-1]]['mean'] / ceiling:.0%} of the ceiling ({ceiling:.3f}).",
    "The highest of many is flattered by luck: this is description. The tests of section 6 were chosen beforehand.",
    *([f"{len(fewer)} points rest on fewer seeds, so on other users than the rest: only paired tests compare them."] if len(fewer) else []),
)

# %% [markdown]
# ## 4. Run a slice yourself
# A recorded curve is only as good as the run behind it. So run a few cells of it now: 16 labelled users, your seed.
#
# **Guess first:** the run is broken off after its first cell and started again. How many cells does it repeat?

# %%
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
live = run_grid(cells, folder)  # goes on where it stood
again = run_grid(cells, folder)  # has nothing left to do
say(f"The table of the third call equals that of the second: {'yes' if again.equals(live) else 'NO'}.")

# %%
here = select(recorded, DATASET, LM)
marks = over_users(live)
marks["strategy"] = marks["strategy"] + " (live)"
show(
    learning_curves(summary(here), marks),
    alt=f"The recorded curves of {DATASET}, {LM}, and as stars your own runs at 16 labels: {told(marks)}.",
    caption=f"Stars: your runs, {USERS} test users; whiskers: 95 % over users. "
    + ("Curves: recorded." if len(here) else f"No curves are recorded for {DATASET} with {LM}."),
)
both = live.merge(here, on=["strategy", "labels", "seed", "user"], suffixes=("", " recorded"))
if len(both):
    apart = (both[METRIC] - both[f"{METRIC} recorded"]).abs()
    say(
        f"{len(both)} of your {len(live)} values stand in the recorded table too, same seed and same user. {(apart < 1e-4).mean():.0%} of "
        f"them are equal, the largest difference is {apart.max():.4f}. Another processor or torch version may round otherwise."
    )
else:
    say("None of your values stands in the recorded table: a different dataset, model or seed. They are new draws, not a check.")

# %% [markdown]
# ## 5. What does it cost?
# Four costs, at one budget. A point on the **Pareto front** (filled, on the grey line) is beaten by nothing that costs as much or less.
# Bytes stored per task are four times the numbers trained.
#
# **Guess first:** a soft prompt trains a thousandth of the numbers. Is it a thousand times faster to tune?

# %%
AT = 64 if 64 in COUNTS else COUNTS[0]
priced = at_labels(means, AT)
fronts = "; ".join(f"{text}: {', '.join(cheapest_best(priced, cost)['strategy'])}" for cost, text in COSTS.items())
show(
    cost_panels(priced),
    alt=f"Test NDCG@10 against numbers trained, seconds, FLOPs and milliseconds per user, at {AT} labels. Pareto fronts: {fronts}.",
    caption=f"{AT} labelled users, means over seeds. Left of the dotted line: no cost. FLOPs were counted for the language model only.",
)

# %%
by_name = priced.set_index("strategy")
soft, full = (by_name.loc[name] for name in ("soft-prompt", "full"))
say(
    f"Full fine-tuning over soft prompt: numbers stored × {full['trainable'] / soft['trainable']:,.0f}, seconds of tuning × "
    f"{full['seconds'] / soft['seconds']:.1f}, FLOPs × {full['flops'] / soft['flops']:.1f}, time to score a user × "
    f"{full['ms a user'] / soft['ms a user']:.1f}.",
    "Seconds are those of a shared machine with several jobs: compare orders of magnitude, not percent.",
)
shown = priced[["strategy", "mean", "low", "high"]].rename(columns={"mean": "NDCG@10"})
for cost, text in [pair for pair in COSTS.items() if pair[0] != "stored_bytes"]:
    shown[text] = ["-" if pd.isna(value) else plain(value) for value in priced[cost]]
table(shown.set_index("strategy"), caption=f"{AT} labelled users", digits=3)

# %% [markdown]
# **Move the budget, pick a strategy.**

# %%
explore(
    lambda labels, cost, strategy: cost_map(at_labels(means, labels), cost, strategy),
    alt="Test NDCG@10 against a cost, one point per strategy; the picked one is large, with its 95 % interval.",
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
first = contrasts(grid, FAMILY_1, COUNTS, MARGIN, METRIC)
in_words = "; ".join(f"{r.strategy} at {r.labels}: {r.gain:+.3f}, {r.verdict}" for r in first.itertuples())
show(
    gains(first, MARGIN),
    alt=f"Gain in NDCG@10 over full fine-tuning, one panel per prompt strategy, over labelled users. {in_words}.",
    caption="Up: better; down: worse; square: equivalent; hollow: inconclusive. Whiskers: 95 % intervals. Grey band: the margin.",
)

# %%
columns = ["strategy", "against", "labels", "gain", "95 % low", "95 % high", "p adjusted", "verdict"]
table(first[columns].set_index("strategy"), caption=f"Family 1, {len(first)} tests", digits=3)


def not_run(family, found):
    """Which of the declared tests have no runs behind them, in words."""
    ran = set(zip(found["strategy"], found["against"], found["labels"]))
    missing = [f"`{a}` against `{b}` at {count} labels" for a, b in family for count in COUNTS if (a, b, count) not in ran]
    declared = len(family) * len(COUNTS)
    return f"Declared: {declared} tests. " + (f"**Not run**: {', '.join(missing)}." if missing else "All of them were run.")


say(not_run(FAMILY_1, first))

# %%
tally = first["verdict"].value_counts()
detectable, pairs = first["detectable"].median(), first["pairs"].median()
needed = f"That is {detectable / MARGIN:.1f} times the margin of {MARGIN}: it takes more seeds and more users to see as little as that."
say(
    f"Of {len(first)} tests: " + ", ".join(f"{count} {name}" for name, count in tally.items()) + ".",
    f"What the test could see: a true difference of {detectable:.3f} (median) in 80 % of repetitions, with {pairs:.0f} pairs. "
    + (needed if detectable > MARGIN else "That is below the margin."),
)

# %%
quiz("06_prompt_vs_finetune", "verdict")

# %% [markdown]
# **Where do the curves cross?** Two curves cross where one side is shown to lead at few labels, and the other one at many. The sign of a
# mean alone does not show that: near 0 it changes by luck. So go by the verdicts; the signs stand beside them.


# %%
def order_of(rows):
    """Who leads where, by the verdicts over the budgets; the signs of the mean gains beside them."""
    rows = rows.sort_values("labels")
    at = {v: rows.loc[rows["verdict"] == v, "labels"].tolist() for v in ("better", "worse")}
    signs = "".join("+" if gain > 0 else "−" for gain in rows["gain"])
    order = "shown ahead at " + ", ".join(map(str, at["better"])) if at["better"] else ""
    order += " and " * (bool(at["better"]) and bool(at["worse"]))
    order += "shown behind at " + ", ".join(map(str, at["worse"])) if at["worse"] else ""
    stable = " (no stable order)" if signs.strip("+") and signs.strip("−") and not (at["better"] and at["worse"]) else ""
    return f"{order or 'no order is shown at any budget'}; signs of the mean gains: {signs}{stable}"


say(*(f"`{name}`: {order_of(rows)}." for name, rows in first.groupby("strategy", sort=False)))

# %% [markdown]
# Family 2: the soft prompt against what needs no language model at all.

# %%
second = contrasts(grid, FAMILY_2, COUNTS, MARGIN, METRIC)
table(second[columns].set_index("strategy"), caption=f"Family 2, {len(second)} tests", digits=3)
say(*(f"The soft prompt against `{name}`: {order_of(rows)}." for name, rows in second.groupby("against", sort=False)))
say(not_run(FAMILY_2, second))

# %%
quiz("06_prompt_vs_finetune", "pairs")

# %% [markdown]
# ## 7. A strategy of your own
# Anything that obeys the rules may join: it sees the training histories of the labelled users, and nothing else of the data.
#
# **Exercise 06-strategy.** Write one. `labelled_only(split, labels, seed)` gives what you may see, `adapt(...)` a language model, and
# `Blend([a, b], [1.0, 1.0])` adds up what two recommenders say.


# %%
def my_strategy(split, labels, seed):
    """A fitted recommender that has used the training histories of the labelled users only."""
    # SOLUTION BEGIN
    known = labelled_only(split, labels, seed)
    asked = adapt(language_model("kit-gpt"), split, "zero-shot", labels=0, seed=seed)
    return Blend([Popularity().fit(known), asked], [1.0, 1.0])
    # SOLUTION END


my_strategy = attempt(my_strategy, exercise="06-strategy")

# %%
hint("06-strategy")

# %%
few = min(USERS, 4) if real_data else USERS  # real titles are slow to score
tested = split_of(DATASET).sample_targets(few, seed=SEED)
mine = evaluate(my_strategy(split_of(DATASET), 16, SEED), tested, k=10, block=16)
i = mean_interval(mine, METRIC)
who = "yours" if whose(my_strategy, "06-strategy") == "your function" else "the reference"
place = {"strategy": who, "family": "yours", "labels": 16, "mean": i.mean, "low": i.low, "high": i.high}
own = pd.DataFrame([place])
show(
    learning_curves(summary(here), own),
    alt=f"The recorded curves of {DATASET}, {LM}, and as a star in every panel one more strategy at 16 labels: {told(own)}.",
    caption=f"Star: {who}, {len(mine)} test users of one seed; whiskers: 95 % over users.",
)

# %%
others = pd.concat([here, live]).drop_duplicates(["strategy", "labels", "seed", "user"])
others = others[(others["seed"] == SEED) & others["labels"].isin([0, 16]) & others["user"].isin(mine.index)]
rows = []
for name, some in others.groupby("strategy"):
    c = compare(mine[[METRIC]], some.set_index("user")[[METRIC]].reindex(mine.index).dropna()) if len(some) == len(mine) else None
    rows += [(name, c.difference, *c.ci, c.minimum_detectable_effect)] if c and name != "ceiling" else []
paired_with = pd.DataFrame(rows, columns=[f"{who} minus", "difference", "95 % low", "95 % high", "detectable"])
caption = f"On the same {len(mine)} users. Look at the last column before you cheer"
table(paired_with.set_index(f"{who} minus"), caption=caption, digits=3)

# %% [markdown]
# ## 8. A decision guide
# With your labels, latency and memory: which one? The guide takes what fits, finds the best of it, keeps its *ties* (what is not shown to
# be worse), and takes the cheapest of those. No rule names a strategy: all comes out of the table. The milliseconds were measured on a
# machine that had other work as well: read a latency limit as an order of magnitude.
#
# A tie is a lack of proof, and the fewer users a test has, the more ties it finds. To rely on a cheap strategy you need the opposite: proof
# that it cannot lose more than the margin. That is **non-inferiority**: the whole interval of its difference from the best lies above
# −margin. So each piece of advice below is asked that question too.

# %%
MY_LABELS, MY_LIMITS = 64, {"ms a user": 5000, "stored_bytes": 1e6}
choice = guide(grid, MY_LABELS, limits=MY_LIMITS)
say(*choice.reasons)
shown = choice.table[["strategy", "mean"]].assign(**{COSTS[c]: choice.table[c].map(plain) for c in ("ms a user", "stored_bytes")})
table(shown.assign(role=choice.table["role"]).set_index("strategy"), caption="All that was recorded", digits=3)
careful = guide(grid, MY_LABELS, limits=MY_LIMITS, most_loss=MARGIN)


def proven(choice, count):
    """Whether the advice is the best itself, cannot lose more than the margin, or is only a tie."""
    if choice.strategy == choice.best:
        return "the best"
    found = contrasts(grid, [(choice.strategy, choice.best)], [count], MARGIN, METRIC)
    return "non-inferior" if len(found) and (found["95 % low"] > -MARGIN).all() else "a tie, not proven"


say(
    f"The advice **`{choice.strategy}`**: {proven(choice, MY_LABELS)}. If no more than {MARGIN} may be lost in the mean: "
    f"**`{careful.strategy}`**, {proven(careful, MY_LABELS)}. Its ties: {', '.join(careful.ties)}."
)

# %%
allowed = {"no limit": {}, "at most 1 s per user": {"ms a user": 1000}, "at most 10 ms per user": {"ms a user": 10}}
rows = {}
for count in [0, COUNTS[-1]] if PROFILE == "smoke" else [0, *COUNTS]:
    for text, limits in allowed.items():
        least = at_labels(real, count)["ms a user"].min()
        fits = least <= limits.get("ms a user", least)
        taken = guide(grid, count, limits=limits, most_loss=MARGIN) if fits else None
        rows[count, text] = f"{taken.strategy} ({proven(taken, count)})" if fits else "nothing fits"
advice = pd.Series(rows).unstack()[list(allowed)].rename_axis("labelled users")
table(advice, caption=f"Fastest to score among the ties of the best that lose at most {MARGIN} in the mean, and whether that is proven")

# %% [markdown]
# Where the table says "a tie, not proven", the data do not rule out a loss that matters. Then take the best of what fits, or test on more
# users, before you take the cheap one.

# %% [markdown]
# ## 9. What changes on real data
# MovieLens-100K, and MiniLM, a sentence encoder that has read much of the web. It gives texts no likelihood, so there is no prompt to
# tune. Two tasks: the **next item**, one target per user; and **like or dislike**, the AUC over the last ten ratings of a user.
#
# **Guess first:** which of the two tells strategies apart?

# %%
TASKS = {"next": ("ndcg@10", "NDCG@10", 0.0), "like": ("auc", "AUC", 0.45)}
real_rows = {task: select(recorded, "ml-100k", "minilm", task) for task in TASKS}
real_means = {task: summary(rows, TASKS[task][0]) for task, rows in real_rows.items() if len(rows)}
for task, (_, name, floor) in TASKS.items():
    if task not in real_means:
        say(f"Task **{task}**: not recorded. To run it: `tutorial grid --dataset ml-100k --lm minilm --task {task}`.")
        continue
    show(
        learning_curves(real_means[task], quantity=f"test {name}", floor=floor),
        alt=f"ml-100k, minilm, task {task}: test {name} over labelled users. {told(real_means[task])}.",
        caption=f"Task {task}, MovieLens-100K, MiniLM. Whiskers: 95 % t intervals over {real_means[task]['seeds'].max()} seeds.",
    )

# %%
rows = []
for task, known in real_means.items():
    metric, counts = TASKS[task][0], sorted(set(known["labels"]) - {0})
    against = [(name, "head") for name in known["strategy"].unique() if name not in ("head", "random", "ceiling")]
    found = contrasts(real_rows[task], against, counts, MARGIN, metric)
    chance, highest = known.set_index("strategy").loc["random", "mean"], known["mean"].max()
    told_apart = int(found["verdict"].isin(["better", "worse"]).sum())
    seen = found["detectable"].median()
    rows.append((task, metric, chance, highest, seen, f"{seen / (highest - chance):.0%}", f"{told_apart} of {len(found)}"))
columns = ["task", "metric", "chance", "best", "detectable", "of the way from chance to best", "told apart from head"]
if rows:
    table(pd.DataFrame(rows, columns=columns).set_index("task"), caption="What each task could see (medians over the tests)", digits=3)
    say("Metrics differ in scale. So compare the share **of the way from chance to best**: the smaller, the more can be told apart.")

# %% [markdown]
# Before you compare strategies with each other: is a head on MiniLM ahead of *counting*? `popularity` scores an item by how many of
# the same labelled users have it (for likes: by the share of them who liked it).

# %%
lines = []
for task, known in real_means.items():
    metric, name, _ = TASKS[task]
    rows = contrasts(real_rows[task], [("head", "popularity")], sorted(set(known["labels"]) - {0}), MARGIN, metric)
    level = known.set_index(["strategy", "labels"])["mean"]
    pairs = "; ".join(
        f"{level['popularity', n]:.3f} to {level['head', n]:.3f} with {n} labels ({v})" for n, v in zip(rows["labels"], rows["verdict"])
    )
    behind = int((rows["verdict"] == "worse").sum())
    lines.append(
        f"**{task}**, {name} of popularity to that of the MiniLM head (verdict on the head): {pairs}. "
        f"Popularity is shown ahead at {behind} of {len(rows)} budgets."
    )
say(*lines)

# %%
quiz("06_prompt_vs_finetune", "power")

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
main = means[means["strategy"].isin(["ceiling", "full", "soft-prompt", "ease"])].sort_values(["labels", "strategy"])
rows = [(f"{r.strategy}, {r.labels} labels", r.mean, r.low, r.high, r.seeds) for r in main.itertuples()]
rows = [(name, mean, low, high, n) if low < high else (name, mean, float("nan"), float("nan"), n) for name, mean, low, high, n in rows]
for _, r in first[first["labels"].isin([COUNTS[0], COUNTS[-1]])].iterrows():
    seeds = round(r["pairs"] / users.min())
    rows.append((f"gain of {r['strategy']} over full, {r['labels']} labels", r["gain"], r["95 % low"], r["95 % high"], seeds))
recap = pd.DataFrame(rows, columns=["quantity", "value", "95 % low", "95 % high", "seeds"]).set_index("quantity")
table(recap, caption="NDCG@10. Levels: intervals over seeds, nan with fewer than three; gains: over pairs of users")

# %%
at = first.set_index(["strategy", "labels"])
golden("06.recorded.full", full["mean"], trivial=means.set_index("strategy").loc["random", "mean"])
golden("06.recorded.gain-soft-prompt", at.loc[("soft-prompt", COUNTS[0]), "gain"])
golden("06.recorded.gain-p5", at.loc[("p5", COUNTS[0]), "gain"])
golden("06.recorded.detectable", detectable)

# %% [markdown]
# ## Pitfalls
# - **The winner is chosen and judged on the same users.** Then its lead is too large. Declare the comparison, or judge on fresh users.
# - **"Not significant" read as "equal".** Say what difference the test could have seen, and what the interval still allows.
# - **Prompt against fine-tuning, with other words on each side.** Then two things differ. Put in a strategy that differs in one of them.
# - **Few numbers trained taken for little work.** The frozen model is still run, forwards and backwards.
# - **No plain baseline on the plot.** Count what the same labelled users have, before a language model gets the credit.
# - **One world.** These curves belong to a model of a million parameters and a made-up catalogue. The method carries over; the numbers
#   do not.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation. TACL 11. [arXiv 2302.03735](https://arxiv.org/abs/2302.03735)
# - Lester, Al-Rfou, Constant 2021. The power of scale for parameter-efficient prompt tuning.
#   [arXiv 2104.08691](https://arxiv.org/abs/2104.08691)
# - Le Scao, Rush 2021. How many data points is a prompt worth? [arXiv 2103.08493](https://arxiv.org/abs/2103.08493)
# - Bao et al. 2023. TALLRec. [arXiv 2305.00447](https://arxiv.org/abs/2305.00447)
# - Ferrari Dacrema, Cremonesi, Jannach 2019. Are we really making much progress? [arXiv 1907.06902](https://arxiv.org/abs/1907.06902)
# - Holm 1979. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6.
# - Lakens 2017. Equivalence tests. [doi 10.1177/1948550617697177](https://doi.org/10.1177/1948550617697177)
#
# **What next:** notebook 07 looks at the metrics themselves. Until then: write your own declaration for one question of your work, with its
# margin, and ask a colleague whether the margin would change a decision.
