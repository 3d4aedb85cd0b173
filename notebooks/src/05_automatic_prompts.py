# %% [markdown] tags=["title"]
# # 05 · Automatic prompts
# **Can a search write a better prompt than you, and how do you know that it did?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *write* the first-order score of a word, and *check* it against the true loss (exercise 05-scores, question 1)
# > - *run* a search for prompt words, and *compare* it with random search at equal calls (exercise 05-accept, question 2)
# > - *tell* a personal word from luck, with held-out events and a shuffled control (question 3)
# > - *choose* a cheap measure to search by, from how it orders prompts (question 4)
# >
# > **You need:** notebook 04. **Time:** 35 minutes to follow, 60 with the exercises. **Hardware:** two CPU cores and 2 GB of memory;
# > the live searches take about two minutes. No GPU. **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a handful of words and calls, for structure | quick: short searches | full: as recorded
DATASET = "world-movies"  # or "world-products", "world-news" (seen in pre-training); real data: "ml-100k"
LM = "kit-gpt"  # or the Hub id or folder of another causal model
SEED = 0  # any whole number from 0; draws users, first words and candidates

# %% [markdown]
# ## 1. What a gradient says about a word
# **AutoPrompt** looks for words that make a frozen model better at a task. They are appended to the history, and end like a title:
#
# `Dark Comet; Sunny Reef; [word 1] [word 2] [word 3];` → the model goes on with the next title.
#
# Each place for a word is a **slot**. Trying every word in every slot takes one forward pass each. The idea: take the gradient of the loss
# at the *embedding* in one slot. It says in which direction the loss falls. A word whose embedding lies that way is worth a try
# (**HotFlip**):
#
# $$L(w) - L(\text{now}) \approx \langle \nabla L, E_w - E_{\text{now}} \rangle$$
#
# The second part is the same for all words, so it is left out of the score.
#
# **Exercise 05-scores.** Write the score of all words at once. A high score promises a low loss.

# %%
import time

import numpy as np
import pandas as pd

from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.data.shipped import shipped
from tutorial_lib.evaluation import compare_seeds, evaluate, holm, mean_interval
from tutorial_lib.language.prompts import templates
from tutorial_lib.language.verbalise import verbaliser
from tutorial_lib.models.language_models import load_language_model
from tutorial_lib.strategies import Adapted
from tutorial_lib.strategies.adapted import BARE
from tutorial_lib.strategies.automatic_prompts import Plan, Search, prompt_template
from tutorial_lib.strategies.prompt_examples import EXPANSIONS, Examples, word_tokens, words_of
from tutorial_lib.strategies.prompt_objectives import objective_on
from tutorial_lib.strategies.tuning import labelled_users
from tutorial_workshop.page import attempt, explore, golden, hint, quiz, show
from tutorial_workshop.page.output import bars, points, say, table


# %%
def first_order(gradient, embeddings):
    """How much each word promises to lower the loss: [V]. gradient: [D]; embeddings: [V, D]."""
    # SOLUTION BEGIN
    return -(embeddings @ gradient)
    # SOLUTION END


first_order = attempt(first_order, exercise="05-scores")

# %%
hint("05-scores")

# %% [markdown]
# Now the examples: we use the **labelled users'** training histories. Their last events are kept for choosing between words
# (*validation*), the earlier ones give gradients. Test items are not touched until the end.

# %%
lm = load_language_model(LM)
lm.require("causal", what="this notebook's search")
lm.model.requires_grad_(False)
ds = load_dataset(DATASET)
ds = ds if ds.truth is not None else ds.k_core(50)  # real titles are long and slow to score: a smaller catalogue
split, words = leave_last_out(ds), verbaliser(ds, limit=6)
LABELS, TRIED, CALLS, TESTED = {"smoke": (8, 30, 200, 2), "quick": (24, 120, 1500, 6), "full": (64, 1500, 6000, 100)}[PROFILE]
train, valid = [], []
for row in labelled_users(split, LABELS, SEED):
    past = split.train[row]
    events = [(past[max(0, end - 6) : end], int(past[end])) for end in range(1, len(past))]
    train, valid = train + events[-3:-1], valid + events[-1:]
learn, judge, vocabulary = Examples(lm, words, train), Examples(lm, words, valid), word_tokens(lm)
say(f"{len(vocabulary):,} words may stand in a prompt: {words_of(lm, vocabulary[:: len(vocabulary) // 8])} ...")

# %% [markdown]
# **Guess first:** in one slot, how well does the order by score agree with the order by true loss?

# %%
rng = np.random.default_rng(SEED)
prompt, slot = [int(t) for t in rng.choice(vocabulary, 3)], 1
tried = np.sort(rng.choice(vocabulary, min(TRIED, len(vocabulary)), replace=False))
start = time.perf_counter()
true = judge.losses([[prompt[0], int(t), prompt[2]] for t in tried]).mean(axis=1)  # a pass of the model for each word
middle = time.perf_counter()
gradient = learn.gradients(prompt, slot, "token").mean(axis=0)  # one pass forward and back for all words
promised = first_order(gradient, learn.vocabulary.numpy()[tried].astype(float))
say(
    f"True loss of {len(tried)} words: {middle - start:.1f} s. All scores from one gradient: {time.perf_counter() - middle:.2f} s.",
    f"The prompt around the slot: “{words_of(lm, prompt[:1])} ___ {words_of(lm, prompt[2:])}”. The highest score has "
    f"“{words_of(lm, [tried[promised.argmax()]])}”, the lowest true loss “{words_of(lm, [tried[true.argmin()]])}”.",
)

# %% [markdown]
# A gradient is true for a *small* step, and one word is a long way from the next. You may take it elsewhere: at the **mean** of all
# words, at words **scattered** over the examples, or **halfway** between the two. And long embeddings win a dot product by their length
# alone; **norm control** divides it out. Change both, and how many words are tried, and watch the picture.

# %%
from tutorial_workshop.figures.prompts import ScorePlot, over_seeds

plot = ScorePlot(learn, true, tried, [words_of(lm, [t]) for t in tried], prompt, slot, vocabulary)
explore(
    plot.draw,
    alt="First-order score and true loss of each word in one slot; the highest scores, those that are tried, are marked.",
    describe=plot.describe,
    top=[1, 5, 10, 20],
    expansion=list(EXPANSIONS),
    norm_control=[False, True],
    start={"top": 10},
)

# %% [markdown]
# **Recorded** for five prompts, slots and sets of users, 240 words each, the gradient taken on other examples than the true loss.

# %%
recorded = pd.read_csv(shipped("results/automatic-prompts.csv"), dtype={"words": str})
slots = recorded[recorded["part"] == "scores"].groupby(["metric", "setting", "name"])["value"].apply(over_seeds)
n_seeds = recorded.loc[recorded["part"] == "scores", "seed"].nunique()
order = ["token x1", "mean x1", "scattered x1", "halfway x1", "scattered x4", "halfway x4"]
correlation = {kind: [slots["spearman", f"other examples, {kind}", at] for at in order] for kind in ("dot product", "cosine")}
points(
    order, correlation, quantity="Spearman correlation of score and fall of the loss", zero="no relation",
    caption=f"{n_seeds} seeds, 95 % t intervals; x4: the mean of four gradients. Goal set beforehand: .5.",
)  # fmt: skip

# %%
best_at = max(order, key=lambda at: slots["spearman", "other examples, dot product", at][0])
rho, beaten = (slots[m, "other examples, dot product", best_at] for m in ("spearman", "better than the best of ten"))
same = slots["spearman", "same examples, dot product", best_at]
say(
    f"Best on average: {best_at}, Spearman **{rho[0]:.2f}** ({rho[1]:.2f} to {rho[2]:.2f}). The goal of .5 is "
    + ("reached." if rho[0] >= 0.5 else "not reached: it orders the whole vocabulary badly.")
    + f" With the gradient on the very examples that judge, it is {same[0]:.2f}: the rest is noise between examples, and the long step.",
    f"But the search needs one good word among the ten highest. Share of words better than the best of these ten: **{beaten[0]:.1%}**; "
    f"with ten words drawn at random it would be {1 / 11:.1%} on average.",
)

# %%
quiz("05_automatic_prompts", "gradient")

# %% [markdown]
# ## 2. A search, and its fair opponent
# The search repeats: pick a slot, take the highest scores, measure these words on the validation events, and keep the best one *if* it
# lowers the loss.
#
# **Exercise 05-accept.** Write the last step.


# %%
def best_flip(now, tried):
    """Place of the word to keep among the losses `tried` (an array), or -1 if none is below `now`."""
    # SOLUTION BEGIN
    best = int(tried.argmin())
    return best if tried[best] < now else -1
    # SOLUTION END


best_flip = attempt(best_flip, exercise="05-accept")

# %%
hint("05-accept")

# %% [markdown]
# The two functions (yours, or the references in their place) are a search already. Here is one round of it, in a prompt of three random
# words.

# %%
now = judge.losses([prompt]).mean()
top = tried[np.argsort(-promised)[:5]]
losses = judge.losses([[prompt[0], int(t), prompt[2]] for t in top]).mean(axis=1)
place = best_flip(now, losses)
kept = f"keep “{words_of(lm, [top[place]])}”" if place >= 0 else "keep the present word"
say(f"Now {now:.3f}. Tried: " + ", ".join(f"{words_of(lm, [t])} {x:.3f}" for t, x in zip(top, losses)) + f". So: {kept}.")

# %% [markdown]
# **Random search** is the same loop with words drawn at random. It needs no gradients, so at equal cost it tries more words. Cost is
# counted in **calls**: one prompt read with one example. A gradient counts three for each example, for the way back.
#
# **Guess first:** after the same number of calls, who is ahead?

# %%
found = {}
for method in ("gradient", "random"):
    learn, judge = Examples(lm, words, train), Examples(lm, words, valid)
    plan = Plan(slots=3, calls=CALLS, method=method, expansion="halfway", seed=SEED, top=5)
    found[method] = Search(learn, objective_on("loss", judge), plan).run()
rows = [(m, words_of(lm, s.tokens), s.value, s.evaluated, s.frame()["accepted"].sum(), s.calls) for m, s in found.items()]
columns = ["search", "words found", "validation loss", "prompts tried", "flips accepted", "calls"]
table(pd.DataFrame(rows, columns=columns).set_index("search"), caption=f"{len(valid)} validation events, one seed", digits=3)

# %% [markdown]
# Every candidate is in the log, accepted or not. Without it nobody can tell how many draws the winner was chosen from.

# %%
log = found["gradient"].frame()
shown = log[log["accepted"]][["round", "slot", "word", "before", "after", "calls"]].head(8).set_index("round")
table(shown, caption=f"The first accepted flips of gradient search; the log holds {len(log)} candidates", digits=3)

# %%
from tutorial_workshop.figures.prompts import calls_to_reach, loss_after, search_traces, trace_curves

traces = search_traces(recorded)
live = {m: s.frame().groupby("calls")["value"].last() for m, s in found.items()}
bare = recorded.query("part == 'traces' and metric == 'no words, validation loss' and words == 'all'")["value"].mean()
ends = {m: over_seeds([trace.iloc[-1] for trace in seeds]) for m, seeds in traces.items()}
told = "; ".join(f"{m} {e[0]:.3f} ({e[1]:.3f} to {e[2]:.3f})" for m, e in ends.items())
show(
    trace_curves(traces, live, bare),
    alt=f"Validation loss over calls. Recorded at the end: {told}; no words {bare:.3f}. Yours: "
    + ", ".join(f"{m} {s.iloc[-1]:.3f}" for m, s in live.items()) + ".",
    caption=f"Left: kit-gpt, world-movies, {len(traces['random'])} seeds, all words. Right: your short searches.",
)  # fmt: skip

# %%
needed = [calls_to_reach(g, r.iloc[-1]) / r.index[-1] for g, r in zip(traces["gradient"], traces["random"])]
reached = [x for x in needed if np.isfinite(x)]
say(
    f"Gradient search comes down to random search's final loss in {len(reached)} of {len(needed)} seeds"
    + (f", after {', '.join(f'{x:.0%}' for x in sorted(reached))} of its calls." if reached else ".")
    + " Goal set beforehand: in all, after at most 50 %. It is "
    + ("reached." if len(reached) == len(needed) and max(reached) <= 0.5 else "not reached.")
)
rows, half = [], 3000
for size in ("128", "512", "all"):
    pair = {m: [loss_after(trace, half) for trace in seeds] for m, seeds in search_traces(recorded, size).items()}
    rows.append((size, *(np.mean(pair[m]) for m in pair), *over_seeds(np.subtract(pair["random"], pair["gradient"]))))
columns = ["words to choose from", "gradient", "random", "advantage of the gradient", "95 % low", "95 % high"]
by_size = pd.DataFrame(rows, columns=columns).set_index("words to choose from")
table(by_size, caption=f"Validation loss after {half} calls, recorded; the advantage is paired over seeds", digits=3)

# %%
quiz("05_automatic_prompts", "calls")

# %% [markdown]
# ## 3. One word for each user
# **PAP-REC** (Li et al. 2024) searches a recommender's prompt in this way: a frozen P5 model, words for all users and a word for each
# user, chosen in turn by a cheap measure (section 5). Its authors report that such prompts beat manual ones and several recommendation
# models, without new parameters or training, on three tasks: the next item, one item out of a list, and explanations. This notebook does
# not repeat that experiment: it has one of the tasks, a smaller model, and takes the method's parts one by one. The whole method is the
# strategy `pap-rec`: `adapt(lm, split, "pap-rec", labels=64)`.
#
# Its personal word is the last word of the prompt, chosen by the gradient on that user's events. The public code chooses it on **one**
# event of the user. The lowest of many noisy numbers is low by luck alone: the **winner's curse**.
#
# Three numbers separate luck from taste: the gain on the events that chose the word, the gain on the user's test item, and the gain
# there when each user gets the word of a *different* user (**shuffled control**).
#
# **Guess first:** what share of the gain is left on the test item?

# %%
users = np.arange(LABELS)
rows = labelled_users(split, LABELS, SEED)
after = Examples(lm, words, [(split.test_history[row][-6:], int(split.test_target[row][0])) for row in rows], users)
choose, learn = Examples(lm, words, valid, users), Examples(lm, words, train)
learn.users = np.concatenate([[user] * len(events[-3:-1]) for user, events in enumerate([split.train[row][1:] for row in rows])])
personal = Search(learn, objective_on("loss", choose), Plan(calls=1, user_rounds=1, expansion="halfway", seed=SEED, top=5))
personal.tokens = list(found["gradient"].tokens)
at_first, task_loss = choose.losses([personal.tokens]).mean(), after.losses([personal.tokens]).mean()
personal.run()
promise, kept_gain = at_first - personal.value, task_loss - after.losses(personal.prompts(after)[None]).mean()
say(
    f"Yours, {LABELS} users, one event each: the loss falls by **{promise:.3f}** on that event, "
    f"and by **{kept_gain:+.3f}** on the test item."
)

# %% [markdown]
# **Recorded**, with one, three and five events for each user:

# %%
curse = recorded[recorded["part"] == "curse"].astype({"setting": float})
by_kind = curse.groupby(["name", "metric", "setting", "seed"])["value"].mean().groupby(level=[0, 1, 2]).apply(over_seeds)
events, kinds = [1, 3, 5], {
    "promised (validation)": ("own", "validation gain"), "kept (test)": ("own", "test gain"),
    "shuffled words (test)": ("shuffled", "test gain"),
}  # fmt: skip
gains = {label: [by_kind[(*kind, e)] for e in events] for label, kind in kinds.items()}
points(
    [f"{e} event{'s' * (e > 1)} per user" for e in events], gains, quantity="fall of the loss, nats per token", zero="no gain",
    caption=f"Personal word against the word for all; {curse['seed'].nunique()} seeds, 95 % t intervals.",
)  # fmt: skip

# %%
left = {e: gains["kept (test)"][i][0] / gains["promised (validation)"][i][0] for i, e in enumerate(events)}
wide = curse[curse["metric"] == "test gain"].pivot_table(index=["setting", "seed", "user"], columns="name", values="value")


def personal_or_not(e):
    """Own against shuffled words on the users' test items."""
    return compare_seeds(*(wide.loc[e][[name]].set_axis(["gain"], axis=1) for name in ("own", "shuffled")), "gain")


tests = {e: personal_or_not(e) for e in events}
adjusted = dict(zip(events, holm([c.p for c in tests.values()])))
personal_at = [f"{e}" for e, c in tests.items() if c.ci[0] > 0 and adjusted[e] < 0.05]
say(
    "Share of the promise that is kept, with 1, 3 and 5 events per user: " + ", ".join(f"{share:.0%}" for share in left.values()) + ".",
    "Own − shuffled words on the test item: "
    + "; ".join(f"{c.difference:+.3f} ({c.ci[0]:+.3f} to {c.ci[1]:+.3f}), adjusted p {adjusted[e]:.3f}" for e, c in tests.items()) + ".",
    "The words are shown to be personal with " + (" and ".join(personal_at) + " events per user." if personal_at else "none of these."),
)  # fmt: skip

# %%
quiz("05_automatic_prompts", "curse")

# %% [markdown]
# ## 4. The switches
# The public code of PAP-REC differs from the method in ways that you can switch on one by one. *Re-sampled* means: the wrong items, among
# which the right one must be found, are drawn anew at every look. Then two prompts are compared on different questions.
#
# **Guess first:** what happens to a prompt that was accepted, when it is measured once more?

# %%
switched = recorded[recorded["part"] == "switches"]
by_switch = switched.pivot_table(index=["metric", "seed"], columns="name", values="value", sort=False)
rows = []
for name in switched["name"].unique():
    cells = {metric: by_switch.loc[metric] for metric in switched["metric"].unique()}
    worse = [over_seeds(cells[metric][name] - cells[metric]["ours"]) for metric in ("loss on 200 events", "test loss")]
    again = cells["objective when measured again, minus as accepted"][name].mean()
    rows.append((name, cells["accepted flips"][name].mean(), worse[0][0], *worse[1], f"{again:+.3f}"))
columns = ["search", "flips", "loss on 200 events, minus ours", "test loss, minus ours", "95 % low", "95 % high", "measured again"]
table(
    pd.DataFrame(rows, columns=columns).set_index("search"), digits=3,
    caption=f"Equal calls, {switched['seed'].nunique()} seeds; last column: objective when measured again, minus the value accepted",
)  # fmt: skip

# %% [markdown]
# ## 5. A cheap measure to search by
# A search looks at hundreds of prompts, and NDCG@10 over the whole catalogue is expensive. So one searches by a **surrogate**: the loss of
# the next title, or PAP-REC's five short answers, written freely and compared token by token. A surrogate is good if it *orders prompts*
# as the full metric does.
#
# Two kinds of prompt were measured: manual wordings, and three random words behind a bare history.
#
# **Guess first:** all prompts together may show a clear relation although there is none within either kind. How?

# %%
from tutorial_workshop.figures.prompts import measure_scatter, order_agreement

measured = recorded[recorded["part"] == "surrogate"]
by_prompt = measured.pivot_table(index="name", columns="metric", values="value")
written = {t.source for t in templates("sequential")}
by_prompt["kind"] = np.where(by_prompt.index.isin(written), "manual", "three random words")
cost = measured.groupby("metric")["calls"].mean()
hits = (measured.loc[measured["metric"] == "short answers", "value"] < 1).mean()
of_kind = {"all prompts": measured}
of_kind |= {kind: measured[measured["name"].isin(some.index)] for kind, some in by_prompt.groupby("kind")}
agreement = {kind: {m: order_agreement(some, m, "ndcg@10") for m in ("loss", "short answers")} for kind, some in of_kind.items()}
show(
    measure_scatter(by_prompt, ["loss", "short answers"], "ndcg@10"),
    alt=f"NDCG@10 of {len(by_prompt)} prompts against two surrogates. Spearman of minus the surrogate with NDCG@10: "
    + "; ".join(f"{kind}: " + ", ".join(f"{m} {a[0]:.2f}" for m, a in some.items()) for kind, some in agreement.items()) + ".",
    caption=f"{len(by_prompt)} prompts, {len(measured.groupby(['seed', 'user']))} validation users; short answers: 1 − NDCG@5.",
)  # fmt: skip

# %%
rows = [(kind, m, *a, cost[m] / cost["ndcg@10"]) for kind, some in agreement.items() for m, a in some.items()]
columns = ["prompts", "surrogate", "Spearman with NDCG@10", "95 % low", "95 % high", "share of its time"]
caption = "Does a better surrogate mean a better NDCG@10? 1: the same order; users resampled"
table(pd.DataFrame(rows, columns=columns).set_index("prompts"), caption=caption, digits=2)
by_kind = by_prompt.groupby("kind")[["loss", "ndcg@10"]].mean()
within = {m: all(agreement[kind][m][1] > 0 for kind in by_kind.index) for m in ("loss", "short answers")}
say(
    "Mean of each kind: "
    + "; ".join(f"{kind}: loss {row['loss']:.2f}, NDCG@10 {row['ndcg@10']:.3f}" for kind, row in by_kind.iterrows())
    + ".",
    f"The right title was among the five short answers {hits:.1%} of the time. If that is rare, most prompts look alike to it.",
    "Shown, within both kinds, to order prompts as NDCG@10 does: "
    f"{', '.join(m for m, shown_in in within.items() if shown_in) or 'neither of the two, with so few prompts and users'}.",
)

# %% [markdown]
# **Simpson's paradox.** A correlation over all prompts mixes two questions: how do the two *kinds* differ, and how do prompts of *one* kind
# differ? The first can be large while nothing is known about the second, and a search needs the second: it compares prompts of its own
# kind. So read the rows of single kinds. It also warns of choosing *between* kinds by loss: the loss counts every token of the right
# title, also what all titles share, and a ranking asks only which title is ahead of which.

# %%
quiz("05_automatic_prompts", "surrogate")

# %% [markdown]
# ## 6. Was it worth it?
# Manual prompts, found prompts and a soft prompt (notebook 04), on test users that no search has seen. Searches and soft prompt had the
# same number of calls. For the manual prompts that number is not 0 either: the best one is chosen on validation, by the metric that is
# asked for here, NDCG@10. (By loss another one would be chosen; section 5 says why that is no fair opponent.)

# %%
tested = recorded[recorded["part"] == "prompts"]
chosen = by_prompt[by_prompt["kind"] == "manual"]["ndcg@10"].idxmax()  # on the validation users of section 5
by_seed = tested.groupby(["metric", "name", "seed"])["value"].mean()
entered = {
    f"best manual: {chosen}": f"manual: {chosen}", "random search": "automatic, random", "gradient search": "automatic, gradient",
    "soft prompt": "soft prompt",
}  # fmt: skip
manual = [name for name in tested["name"].unique() if name.startswith("manual")]
mean_manual = {m: over_seeds(by_seed[m].loc[manual].groupby("seed").mean()) for m in ("ndcg@10", "test loss")}
per_user = tested.pivot_table(index=["seed", "user"], columns=["metric", "name"], values="value")
final = {metric: {label: over_seeds(by_seed[metric, name]) for label, name in entered.items()} for metric in ("ndcg@10", "test loss")}
final = {metric: {"mean of the manual ones": mean_manual[metric]} | some for metric, some in final.items()}
bars(
    {name: (m, max(low, 0.0), high) for name, (m, low, high) in final["ndcg@10"].items()}, quantity="test NDCG@10",
    caption=f"Recorded: {tested['seed'].nunique()} seeds, {len(per_user['ndcg@10'].dropna())} test users, 95 % t intervals over seeds.",
    highlight="gradient search",
)  # fmt: skip


# %%
def ahead_of(name, base, metric):
    """Paired comparison of two prompts over the recorded test users."""
    both = per_user[metric][[name, base]].dropna()
    return compare_seeds(*(both[[n]].set_axis([metric], axis=1) for n in (name, base)), metric)


rows, p = [], []
for base in [*manual, "automatic, random", "soft prompt"]:
    ndcg, loss = (ahead_of("automatic, gradient", base, m) for m in ("ndcg@10", "test loss"))
    rows.append((base, ndcg.difference, *ndcg.ci, loss.difference, *loss.ci))
    p += [ndcg.p, loss.p]
columns = ["gradient search minus", "NDCG@10", "low", "high", "loss", "low ", "high "]
versus = pd.DataFrame(rows, columns=columns).assign(p=holm(p)[::2], q=holm(p)[1::2]).set_index(columns[0])
versus = versus.rename(columns={"p": "p, NDCG", "q": "p, loss"})
table(versus, caption="Paired over test users, 95 % intervals, p adjusted over the whole table; a loss below 0 is better", digits=3)

# %%
goal = ahead_of("automatic, gradient", f"manual: {chosen}", "ndcg@10")
small = versus.loc[f"manual: {chosen}"]
seen = f"{goal.difference:+.3f} ({goal.ci[0]:+.3f} to {goal.ci[1]:+.3f}), adjusted p {small['p, NDCG']:.3f}"
if small["p, NDCG"] >= 0.05:
    outcome = f"**not shown**: {seen}. These {goal.n} users would show a difference of {goal.minimum_detectable_effect:.3f} or more"
else:
    outcome = f"**reached**: {seen}" if goal.difference > 0 else f"**missed**, the found prompt is behind: {seen}"
say(
    f"Best manual prompt by validation NDCG@10: `{chosen}`. Goal set beforehand, the found prompt ahead of it in test NDCG@10: {outcome}.",
    f"In the loss of the next title, which the search was told to lower, it is {small['loss']:+.3f} nats per token "
    f"({small['low ']:+.3f} to {small['high ']:+.3f}). A loss is not a ranking: section 5.",
)

# %% [markdown]
# And yours? Only now the test items are looked at.

# %%
few = split.sample_targets(TESTED, seed=SEED)
templates_of = {m: prompt_template(lm, s.tokens) for m, s in found.items()} | {"no words": BARE}
mine = {name: Adapted(lm, words, ds.n_items, template) for name, template in templates_of.items()}
frames = {name: evaluate(model, few, k=10) for name, model in mine.items()}
bars(
    {name: mean_interval(frame, "ndcg@10") for name, frame in frames.items()}, quantity="test NDCG@10",
    caption=f"{TESTED} test users: far too few to tell prompts apart. Compare the whiskers with the differences above.",
)  # fmt: skip

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
n = recorded.groupby("part")["seed"].nunique()
rows = [
    (f"Spearman of score and true loss, {best_at}", *rho, n["scores"]),
    ("share of words ahead of the best of ten", *beaten, n["scores"]),
]
rows += [(f"validation loss after the search, {m}", *e, len(traces[m])) for m, e in ends.items()]
rows += [(f"{label}, {e} events per user", *values[i], n["curse"]) for label, values in gains.items() for i, e in enumerate(events)]
rows += [(f"{metric}, {name}", *values, n["prompts"]) for metric, some in final.items() for name, values in some.items()]
recap = pd.DataFrame(rows, columns=["quantity", "value", "95 % low", "95 % high", "seeds"]).set_index("quantity")
table(recap, caption="Recorded on world-movies with kit-gpt; t intervals over seeds", digits=3)

# %%
golden("05.scores.spearman", rho[0])
golden("05.words", len(vocabulary))
golden("05.curse.promised", gains["promised (validation)"][0][0], trivial=gains["kept (test)"][0][0])
golden("05.surrogate.loss", agreement["all prompts"]["loss"][0])
golden("05.searched.loss", final["test loss"]["gradient search"][0], trivial=mean_manual["test loss"][0])

# %% [markdown]
# ## Pitfalls
# - **Calls not counted.** A gradient costs three passes an example. Give random search the same calls before you praise the gradient.
# - **The best of many on few events.** Keep events aside, and say how many candidates the winner was chosen from.
# - **A personal word that works for everybody.** Give each user the word of a different one, and see what is lost.
# - **One correlation over two kinds.** Look within each kind before you explain it.
# - **Words that are no words.** A token from inside a word becomes another token when the prompt is written as text. Check the way back.
# - **A validation set that moves.** Draw negatives once. If they change at every look, the search keeps what was lucky.

# %% [markdown] tags=["references"]
# ## References
# - Shin et al. 2020. AutoPrompt: eliciting knowledge from language models with automatically generated prompts.
#   [arXiv 2010.15980](https://arxiv.org/abs/2010.15980)
# - Ebrahimi, Rao, Lowd, Dou 2018. HotFlip: white-box adversarial examples for text classification.
#   [arXiv 1712.06751](https://arxiv.org/abs/1712.06751)
# - Li, Ji, Ge, Hua, Zhang 2024. PAP-REC: personalized automatic prompt for recommendation language model.
#   [arXiv 2402.00284](https://arxiv.org/abs/2402.00284)
# - Lester, Al-Rfou, Constant 2021. The power of scale for parameter-efficient prompt tuning.
#   [arXiv 2104.08691](https://arxiv.org/abs/2104.08691)
#
# **What next:** notebook 06 asks whether prompting or fine-tuning is better for your labels. Until then: give the search two more slots,
# and see whether the loss on validation or the NDCG on the test moves first.
