# %% [markdown] tags=["title"]
# # 00 · Start here
# **Does the kit run on this computer, and what will you see in it?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *check* that your computer is ready, and mend what is not (set-up table)
# > - *guess* against a counter and against the best that is possible (the contest, questions 3
# >   and 4)
# > - *load* a data set and *read* its card (question 1)
# > - *make* a first recommendation and *compare* it with what the user chose next (exercise
# >   00-hit, questions 2 and 5)
# > - *build* a counter that plays the contest (exercise 00-counter)
# >
# > **You need:** a little Python; no machine learning yet. **Time:** 10 minutes to follow, 35 with
# > the exercises.
# > **Hardware:** any laptop with 2 GB of memory. No GPU, and no network after the installation.
# >
# > A term that you do not know? Look it up in the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke | quick | full: all the same in this notebook
DATASET = "world-movies"  # a name from the list below; real data: "ml-100k", ...
LM = "kit-gpt"  # language model; not used in this notebook
SEED = 0  # any whole number from 0; picks the users shown

# %% [markdown] tags=["half-day-1"]
# ## 1. A contest: you, a counter, and the best possible guess
# Six users, and the newest items that each of them chose. One of the five options is what came
# next; the other four were drawn at random from the catalogue. Which one is it?

# %%
import time

started = time.perf_counter()

import numpy as np
import pandas as pd

from tutorial_lib.data import leave_last_out, list_datasets, load_dataset
from tutorial_lib.models import Oracle, Popularity, TransitionKNN
from tutorial_workshop.page import guess, my_guesses, say, table, turned_out

ds = load_dataset(DATASET)
KNOWN = ds.truth is not None  # a planted world knows the chance of every next item
if not KNOWN:
    ds = ds.k_core(5)  # real logs: keep users and items with 5 interactions or more
split = leave_last_out(ds)
titles = ds.items["title"].to_numpy()
tested = [row for row, target in enumerate(split.test_target) if len(target)]

# %% tags=["half-day-1"]
ROUNDS, OPTIONS = 6, 5


def options_for(row, draw):
    """The hidden item among four others, in random order: item codes."""
    history, target = split.test_history[row], split.test_target[row][0]
    others = np.setdiff1d(np.arange(ds.n_items), [*history, target])
    return draw.permutation([target, *draw.choice(others, OPTIONS - 1, replace=False)])


draw = np.random.default_rng(SEED)
offers = np.array([options_for(row, draw) for row in tested])
asked = draw.choice(len(tested), ROUNDS, replace=False)
newest = ["; ".join(titles[split.test_history[tested[i]][-4:]]) for i in asked]
rounds = pd.DataFrame({"newest items": newest})
for place, letter in enumerate("ABCDE"):
    rounds[letter] = titles[offers[asked, place]]
rounds.index = pd.RangeIndex(1, ROUNDS + 1, name="round")
table(rounds, caption="What came next?")

# %% [markdown] tags=["half-day-1"]
# Write your six letters between the quotes and run the cell. Without letters the kit plays on
# without you.

# %% tags=["half-day-1"]
MINE = ""  # six letters, one per round, such as "BADCEA"

# %% [markdown] tags=["half-day-1"]
# Your opponent is `TransitionKNN`: it only counts what other users took close to these items. The
# **best possible guess** knows how the world was made: not the hidden item, but the exact chance of
# each one. Real data have nobody who knows that.

# %% tags=["half-day-1"]
from tutorial_workshop.figures import choices_of

models = {"TransitionKNN": TransitionKNN().fit(split), "Popularity": Popularity().fit(split)}
guessers = {"counter": models["TransitionKNN"], "popularity": models["Popularity"]}
guessers |= {"best possible": Oracle().fit(split)} if KNOWN else {}
histories = [split.test_history[row] for row in tested]
hidden = np.array([split.test_target[row][0] for row in tested])
picked = {}  # name -> the option that is thought likeliest, one per user
for name, model in guessers.items():
    likely = np.take_along_axis(model.score(histories), offers, axis=1).argmax(axis=1)
    picked[name] = offers[np.arange(len(offers)), likely]
mine = choices_of(MINE, ROUNDS, OPTIONS)
shown = {"you": titles[offers[asked, mine]]} if mine else {}
shown |= {name: titles[items[asked]] for name, items in picked.items() if name != "popularity"}
result = pd.DataFrame(shown | {"came next": titles[hidden[asked]]}, index=rounds.index)
table(result, caption="Picked, and what came next")

# %% tags=["half-day-1"]
scores = {name: (result[name] == result["came next"]).sum() for name in shown}
say("; ".join(f"**{name}** {right} of {ROUNDS}" for name, right in scores.items()) + ".")

# %% [markdown] tags=["half-day-1"]
# Six rounds are an anecdote, whoever won. So let the others play a round for **every** user. In a
# world each pick can be judged by its exact chance to be right, not by one drawn item; notebook 01
# shows what that is worth.
#
# **Guess first:** a blind guess is right once in five. How often is the counter right? And the best
# possible guess? Write your numbers in place of `None` and run the cell. The kit keeps them on this
# computer, says how close you were, and shows all your guesses at the end. You need not guess:
# nothing waits for it.

# %% tags=["half-day-1"]
# in place of None: your guess
guess("00-counter", None, "share of rounds that the counter wins, 0 to 1", within=0.1)
guess("00-best", None, "share that the best possible guess wins, 0 to 1", within=0.1)

# %% tags=["half-day-1"]
from tutorial_lib.evaluation import compare, evaluate, mean_interval
from tutorial_workshop.page import bars

right = {name: (items == hidden).astype(float) for name, items in picked.items()}
if KNOWN:
    chances = ds.truth.next_item_probabilities(histories)
    offered = np.take_along_axis(chances, offers, axis=1).sum(axis=1)
    for name, items in picked.items():
        right[name] = chances[np.arange(len(items)), items] / offered
rates = {name: mean_interval(pd.DataFrame({"x": x}), "x") for name, x in right.items()}
bars(
    {"blind": 1 / OPTIONS, **rates},
    quantity="share of rounds won",
    caption=f"One round for each of {len(tested):,} users of {ds.name}; whiskers: 95 % intervals.",
    highlight="counter",
)
turned_out("00-counter", rates["counter"].mean)
turned_out("00-best", rates["best possible"].mean if KNOWN else None)

# %% [markdown] tags=["half-day-1"]
# A counter that knows no title, no genre and no plot is far better than blind, and not perfect; in
# a world you also see that **nobody** can be. That is the kit in one figure: how much of the way
# from the counter to the best possible guess can a language model go, and at what price?

# %% [markdown]
# ## 2. The map
# Data flows one way through this kit. Each notebook is a walk along a part of the way. Everything
# that can recommend, from a counter to a prompted language model, becomes a `Recommender`. So it is
# compared and audited by the same code.

# %%
from tutorial_workshop.page import drawing

drawing(
    "kit_map",
    alt="Eight stations joined by arrows: data, language, objectives and models, strategies, "
    "Recommender, evaluation, audit, report. Notebooks 00 and 01 visit data, language, "
    "Recommender and evaluation, 02 and 10 objectives and models, 03 to 05 and 09 strategies, "
    "04 language too, 06 Recommender, 07 evaluation, 08 audit and report, 11 report.",
    caption="Follow the arrows: a circle is a notebook that stops here.",
)

# %% [markdown]
# ## 3. Pick a data set
# Those named `world-` are **planted worlds**: made by a program, with nothing taken from real people or
# works. They ship with the kit. Because we planted them, we know the best prediction that any model
# can make. The others are real, and are fetched on first use. To change the data set, change
# `DATASET` above and run all cells again.

# %%
for name in list_datasets():
    print("->" if name == DATASET else "  ", name)

# %%
ds.card

# %% [markdown]
# The card says where the data come from, what you may do with them, how many there are, and what
# was changed while loading. Read it before any number that was computed on the data.

# %%
from tutorial_workshop.page import attempt, explore, hint, quiz, whose

quiz("00_start_here", "card")

# %% [markdown]
# ## 4. A first recommendation
# In the contest five options were given. A recommender has to choose from the whole catalogue: it
# gives every item a score, and shows the first ten. We hide the last item of every user, and let
# two models guess it from the items before:
#
# - `Popularity` recommends what most users took. It does not look at the history.
# - `TransitionKNN` recommends what other users took close to the newest items of this history.
#
# **Guess first:** for one user picked at random, will the hidden item stand among the first five of
# either list?

# %%
# in place of None: your guess
guess("00-one-user", None, "is it among the first five", choices=["yes", "no"])

# %%
from tutorial_workshop.figures import user_lists

say(str(split))
user = tested[asked[0]]  # the first of the contest, so at random, not for a nice result
history, target = split.test_history[user], int(split.test_target[user][0])
lists = {name: titles[model.recommend([history], k=5)[0]] for name, model in models.items()}
say(f"**Hidden item, chosen next:** {titles[target]}")
table(pd.DataFrame(lists, index=pd.RangeIndex(1, 6, name="rank")), caption="Recommended")
lines = []
for name, model in models.items():
    ranking = model.recommend([history], k=ds.n_items)[0]  # all but the history's items
    rank = int(np.flatnonzero(ranking == target)[0]) + 1
    lines.append(f"{name}: the hidden item stands at rank {rank} of {(ranking >= 0).sum()}.")
say(*lines, f"Computing so far: {time.perf_counter() - started:.1f} seconds.")
turned_out("00-one-user", any(titles[target] in five for five in lists.values()))

# %% [markdown]
# One user is an anecdote again. Try others, then count over all of them.


# %%
def draw_user(user):
    """The lists of one user; a pure function of the user code."""
    history, target = split.test_history[user], split.test_target[user][0]
    shown = {name: titles[m.recommend([history], k=5)[0]] for name, m in models.items()}
    return user_lists(titles[history[-5:]], shown, titles[target])


def describe_user(user):
    """The same in one sentence."""
    history, target = [split.test_history[user]], split.test_target[user][0]
    hits = [name for name, m in models.items() if target in m.recommend(history, k=5)]
    return (
        f"User {user}: the hidden item is in the first five of {' and '.join(hits) or 'no list'}."
    )


others = {f"user {u}": u for u in [user, *tested[:: len(tested) // 11]][:12]}
explore(
    draw_user,
    alt="The newest items of a user, five titles by each model, and the hidden item.",
    describe=describe_user,
    user=others,
)

# %% [markdown]
# **Guess first:** out of 100 users, for how many does each model place the next item among its
# first ten?

# %%
# in place of None: your guess
guess("00-transition", None, "of 100 users, TransitionKNN has the item in ten", within=5)
guess("00-popularity", None, "of 100 users, Popularity has the item in ten", within=5)

# %%
results = {n: evaluate(model, split, k=10, expected=KNOWN) for n, model in models.items()}
hits = {name: mean_interval(frame, "hit@10") for name, frame in results.items()}
difference = compare(results["TransitionKNN"], results["Popularity"], metric="hit@10")
if KNOWN:
    ceiling = evaluate(guessers["best possible"], split, k=10, expected=True)["hit@10"].mean()
difference

# %%
bars(
    hits,
    quantity="hit@10: chance that the next item is in the first ten",
    caption=f"Bars are means over {difference.n:,} users of {ds.name}, whiskers 95 % intervals.",
    highlight="TransitionKNN",
    ceiling=(ceiling, "ceiling") if KNOWN else None,
)
turned_out("00-transition", 100 * hits["TransitionKNN"].mean)
turned_out("00-popularity", 100 * hits["Popularity"].mean)

# %%
low, high = difference.ci
ahead = "TransitionKNN" if low > 0 else "Popularity"
verdict = f"{ahead} finds more" if low > 0 or high < 0 else "No difference is shown"
say(
    f"**{verdict}:** TransitionKNN − Popularity is {difference.difference:+.3f}, "
    f"95 % interval {low:+.3f} to {high:+.3f}, over {difference.n:,} users."
)

# %% [markdown]
# Both numbers are far from 1. Is that bad? You cannot tell without knowing the best possible value.
# In a planted world we know it: the dashed line is the **ceiling**, the best possible guess of the
# contest used as a recommender. On real data nobody knows where it lies.

# %% [markdown]
# ## 5. How exercises work
# Fill in the `...` of a function and run the cell with `attempt`. It tries your function on small
# cases and says what it found. If the function is empty or wrong, the kit uses its own version
# instead, so you can always continue. Below each exercise are three hints, then the solution, all
# folded.
#
# **Exercise 00-hit** (about 3 minutes, difficulty 1 of 3). Write the metric of the figure above for
# one user and one hidden item.


# %%
def hit_at_k(recommended, target, k):
    """1.0 if the target is among the first k recommended items, else 0.0."""
    # SOLUTION BEGIN
    return float(target in recommended[:k])
    # SOLUTION END


hit_at_k = attempt(hit_at_k, exercise="00-hit")

# %%
hint("00-hit")

# %% [markdown]
# **Does it agree with the library?** Average the metric over 300 users, and compare with
# `evaluate`. If your function is not right yet, the reference stands in for it, and the line below
# says so.

# %%
model, rows = models["TransitionKNN"], tested[:300]
ranked = model.recommend([split.test_history[row] for row in rows], k=10)
targets = [split.test_target[row][0] for row in rows]
by_hand = np.mean([hit_at_k(list(items), goal, k=10) for items, goal in zip(ranked, targets)])
library = evaluate(model, split, k=10).loc[split.users[rows], "hit@10"].mean()
same = "the same" if np.isclose(by_hand, library) else "NOT the same"
who = whose(hit_at_k, "00-hit")
say(f"hit@10 over {len(rows)} users: {who} {by_hand:.4f}, the library {library:.4f}: {same}.")

# %% [markdown]
# **Exercise 00-counter** (build, about 15 minutes, difficulty 2 of 3). Your opponent of the contest
# only counts. Build it: what did other users take within a few steps after this user's newest
# items? A step of distance 1 counts 1, one of distance 2 counts 1/2, and so on.


# %%
def counts_after(histories, newest, n_items, reach):
    """[n_items]: how often each item came up to `reach` steps after a newest one, as 1 / distance.

    histories: item codes, oldest first. newest: item codes. reach: whole number from 1.
    """
    # SOLUTION BEGIN
    scores = np.zeros(n_items)
    for history in histories:
        for place, item in enumerate(history):
            if item in newest:
                for distance, after in enumerate(history[place + 1 : place + 1 + reach], start=1):
                    scores[after] += 1 / distance
    return scores
    # SOLUTION END


counts_after = attempt(counts_after, exercise="00-counter")

# %%
hint("00-counter")

# %% [markdown]
# Let it play some rounds of the contest, with the five newest items of each user. The library's
# `TransitionKNN` counts the same thing, with more steps, and corrects for how common items are.

# %%
learned, wins = [list(history) for history in split.train], []
played = asked[:2] if PROFILE == "smoke" else np.arange(60)
for i in played:
    newest_items = [int(item) for item in split.test_history[tested[i]][-5:]]
    mine_says = counts_after(learned, newest_items, ds.n_items, reach=5)
    chosen = offers[i][np.argmax(mine_says[offers[i]])]
    wins.append([chosen == hidden[i], picked["counter"][i] == hidden[i]])
ours, theirs = np.mean(wins, axis=0)
who = whose(counts_after, "00-counter")
say(f"Of {len(played)} rounds {who} wins {ours:.0%}, `TransitionKNN` {theirs:.0%}.")

# %% [markdown]
# ## 6. How questions work
# Choose an answer and press *Check*. Every answer has its own explanation: read those of the
# answers that you did not choose, too.

# %%
quiz("00_start_here", "one-user")

# %%
quiz("00_start_here", "contest")

# %%
quiz("00_start_here", "ceiling")

# %%
quiz("00_start_here", "ranks")

# %% [markdown]
# ## 7. What comes next
#
# | notebook | question |
# |---|---|
# | 00 Start here | Does it run, and what will I see? |
# | [01 Recommendation as language](01_recommendation_as_language.ipynb) | What is a history as a sentence? When is a recommendation good? |
# | [02 Objectives](02_objectives_am_mlm.ipynb) | What is learned by guessing the next item, and what by guessing a hidden one? |
# | [03 Pre-train, fine-tune](03_pretrain_finetune.ipynb) | Which weights must move, and how many labels does it take? |
# | [04 Prompting](04_prompting.ipynb) | How far does a model get without new weights, and when does a prompt help? |
# | [05 Automatic prompts](05_automatic_prompts.ipynb) | Can a program find a better prompt than you? |
# | [06 Prompt or fine-tune?](06_prompt_vs_finetune.ipynb) | Which one, with your labels, time and memory? |
# | [07 Evaluation](07_evaluation.ipynb) | Which numbers can you trust? |
# | [08 Ethics audit](08_ethics_audit.ipynb) | Who may be harmed, and how sure can you be? |
# | [09 Transfer and cold start](09_transfer_and_cold_start.ipynb) | What carries over to a new domain, item or user? |
# | [10 Generative retrieval](10_generative_retrieval.ipynb) | Can a model write the ID of the next item? |
# | [11 Open challenges](11_open_challenges.ipynb) | Which claims hold here, and what does your own log say? |
#
# ## Recap
# Made by the cell below from the numbers above, so it is true for whatever data set you chose.

# %% tags=["recap"]
rows = [(f"hit@10 of {name}", h.mean, h.low, h.high, h.n) for name, h in hits.items()]
rows.append(("TransitionKNN − Popularity", difference.difference, low, high, difference.n))
recap = pd.DataFrame(rows, columns=["quantity", "value", "95 % low", "95 % high", "users"])
recap["seeds"] = 1  # nothing here is random
table(recap.set_index("quantity"), caption=f"{ds.name}: means over users, 95 % intervals")

# %%
my_guesses()

# %%
from tutorial_workshop.page import golden

golden("00.transition.hit@10", hits["TransitionKNN"].mean, trivial=hits["Popularity"].mean)

# %% [markdown]
# ## Pitfalls
# - **Reading one user's list as a result.** You see a story, not a rate. Count over users, and give
#   the interval.
# - **Comparing without the popularity row.** A model that knows nothing about you is the first bar
#   of every figure.
# - **Forgetting the card.** A number without the data set, its version and what was left out cannot
#   be repeated.
#
# ## Stuck?
# - A cell shows an error after you changed something: *Run > Restart kernel and run all cells*.
# - A figure does not react: the kernel was restarted, so run its cell again.
# - A line of the set-up table says [FAIL]: its last column says what to do.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation: a survey of language modelling
#   paradigm adaptations in recommender systems. TACL 11. [arXiv
#   2302.03735](https://arxiv.org/abs/2302.03735)
# - Zhang, Liu, Deldjoo, Zheng, Gulla 2024. Understanding language modeling paradigm adaptations in
#   recommender systems (tutorial). [arXiv 2404.03788](https://arxiv.org/abs/2404.03788)
# - Ludewig, Jannach 2018. Evaluation of session-based recommendation algorithms. [arXiv
#   1803.09587](https://arxiv.org/abs/1803.09587)
#
# **What next:** [01 Recommendation as language](01_recommendation_as_language.ipynb).
