# %% [markdown] tags=["title"]
# # 00 · Start here
# **Does the kit run on this computer, and what will you see in it?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *check* that your computer is ready, and mend what is not (set-up table)
# > - *load* a data set and *read* its card (question 1)
# > - *make* a first recommendation and *compare* it with what the user chose next (exercise 00-hit)
# > - *use* hints, exercises and questions as they are meant (exercise 00-hit, question 2)
# >
# > **You need:** a little Python; no machine learning yet. **Time:** 8 minutes to follow, 15 with
# > the exercise.
# > **Hardware:** any laptop with 2 GB of memory. No GPU, and no network after the installation.
# >
# > A term that you do not know? Look it up in the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke | quick | full: all the same in this notebook
DATASET = "world-movies"  # a name from the list below; real data: "ml-100k", ...
LM = "kit-gpt"  # language model; not used in this notebook
SEED = 0  # any whole number from 0; picks the first user shown

# %% [markdown]
# ## 1. The map
# Data flows one way through this kit. Each notebook is a walk along a part of the way. Everything
# that can recommend, from a counter to a prompted language model, becomes a `Recommender`. So it is
# compared and audited by the same code.

# %%
import time

started = time.perf_counter()

from tutorial_workshop.page import drawing

drawing(
    "kit_map",
    alt="Eight stations joined by arrows: data, language, objectives and models, strategies, "
    "Recommender, evaluation, audit, report. Notebooks 00 and 01 visit data, language, "
    "Recommender and evaluation, 02 objectives and models, 03 to 05 strategies, 04 language too, "
    "06 Recommender, 07 evaluation, 08 audit and report; 09 and 10 are planned.",
    caption="Follow the arrows: a circle is a notebook that stops here, "
    "a dashed circle a planned one.",
)

# %% [markdown]
# ## 2. Pick a data set
# The first three are **planted worlds**: made by a program, with nothing taken from real people or
# works. They ship with the kit. Because we planted them, we know the best prediction that any model
# can make. The others are real, and are fetched on first use. To change the data set, change
# `DATASET` above and run all cells again.

# %%
from tutorial_lib.data import leave_last_out, list_datasets, load_dataset

for name in list_datasets():
    print("->" if name == DATASET else "  ", name)

# %%
ds = load_dataset(DATASET)
if ds.truth is None:
    ds = ds.k_core(5)  # real logs: keep users and items with 5 interactions or more
ds.card

# %% [markdown]
# The card says where the data come from, what you may do with them, how many there are, and what
# was changed while loading. Read it before any number that was computed on the data.

# %%
from tutorial_workshop.page import attempt, explore, hint, quiz, whose

quiz("00_start_here", "card")

# %% [markdown]
# ## 3. A first recommendation
# We hide the last item of every user, and let two models guess it from the items before:
#
# - `Popularity` recommends what most users took. It does not look at the history.
# - `TransitionKNN` recommends what other users took close to the newest items of this history.
#
# **Guess first:** for one user picked at random, will the hidden item stand among the first five of
# either list?

# %%
from tutorial_lib.models import Popularity, TransitionKNN
from tutorial_workshop.figures import user_lists
from tutorial_workshop.page import bars, say, table

split = leave_last_out(ds)
models = {"TransitionKNN": TransitionKNN().fit(split), "Popularity": Popularity().fit(split)}
say(str(split))

# %%
import numpy as np
import pandas as pd

titles = ds.items["title"].to_numpy()
tested = [row for row, target in enumerate(split.test_target) if len(target)]
user = int(np.random.default_rng(SEED).choice(tested))  # at random, not for a nice result
history, target = split.test_history[user], int(split.test_target[user][0])
lists = {name: titles[model.recommend([history], k=5)[0]] for name, model in models.items()}
say(f"User {user}, the newest of {len(history)} items: " + "; ".join(titles[history[-5:]]) + ".")
say(f"**Hidden item, chosen next:** {titles[target]}")
table(pd.DataFrame(lists, index=pd.RangeIndex(1, 6, name="rank")), caption="Recommended")

# %%
seconds = time.perf_counter() - started
lines = [f"From the map to this recommendation: {seconds:.1f} seconds of computing."]
for name, model in models.items():
    ranking = model.recommend([history], k=ds.n_items)[0]  # all but the history's items
    rank = int(np.flatnonzero(ranking == target)[0]) + 1
    lines.append(f"{name}: the hidden item stands at rank {rank} of {(ranking >= 0).sum()}.")
say(*lines)

# %% [markdown]
# One user is an anecdote. Try others, then count over all of them.


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
# **Guess first:** out of 100 users, for how many does each model place the hidden item among its
# first ten?

# %%
from tutorial_lib.evaluation import compare, evaluate, mean_interval

results = {name: evaluate(model, split, k=10) for name, model in models.items()}
hits = {name: mean_interval(frame, "hit@10") for name, frame in results.items()}
difference = compare(results["TransitionKNN"], results["Popularity"], metric="hit@10")
difference

# %%
bars(
    hits,
    quantity="hit@10: share of users with the hidden item in the first ten",
    caption=f"Bars are means over {difference.n:,} users of {ds.name}, whiskers 95 % intervals.",
    highlight="TransitionKNN",
)

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
# In a planted world we know it: notebook 01 draws that ceiling.

# %% [markdown]
# ## 4. How exercises work
# Fill in the `...` of a function and run the cell with `attempt`. It tries your function on small
# cases and says what it found. If the function is empty or wrong, the kit uses its own version
# instead, so you can always continue. Below each exercise are three hints, then the solution, all
# folded.
#
# **Exercise 00-hit.** Write the metric of the figure above for one user.


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
library = results["TransitionKNN"].loc[rows, "hit@10"].mean()
same = "the same" if np.isclose(by_hand, library) else "NOT the same"
who = whose(hit_at_k, "00-hit")
say(f"hit@10 over {len(rows)} users: {who} {by_hand:.4f}, the library {library:.4f}: {same}.")

# %% [markdown]
# ## 5. How questions work
# Choose an answer and press *Check*. Every answer has its own explanation: read those of the
# answers that you did not choose, too.

# %%
quiz("00_start_here", "one-user")

# %% [markdown]
# ## 6. What comes next
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
# | 09 and 10 (planned) | A project of your own, and open challenges |
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
