# %% [markdown] tags=["title"]
# # 05 · Automatic prompts
# **Can a search write a better prompt than you, and how do you know that it did?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *write* the first-order score of a word, and *check* it against the true loss (exercise
# >   05-scores, question 1)
# > - *run* a search for prompt words, and *compare* it with random search at equal calls (exercise
# >   05-accept, question 2)
# > - *tell* a personal word from luck, with held-out events and a shuffled control (question 3)
# > - *choose* a cheap measure to search by, from how it orders prompts (question 4)
# >
# > **You need:** notebook 04. **Time:** 35 minutes to follow, 60 with the exercises. **Hardware:**
# > two CPU cores and 2 GB of memory; the live searches take about two minutes. No GPU. **Terms:**
# > see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a handful of words and calls | quick: short searches | full: as recorded
DATASET = "world-movies"  # or "world-products", "world-news" (pre-trained on); real: "ml-100k"
LM = "kit-gpt"  # or the Hub id or folder of another causal model
SEED = 0  # any whole number from 0; draws users, first words and candidates

# %% [markdown]
# ## 1. What a gradient says about a word
# **AutoPrompt** looks for words that make a frozen model better at a task. They are appended to the
# history, and end like a title:
#
# `Dark Comet; Sunny Reef; [word 1] [word 2] [word 3];` → the model continues with the next title.
#
# Each place for a word is a **slot**. Trying every word in every slot takes one forward pass each.
# The idea: take the gradient of the loss at the *embedding* in one slot. It says in which direction
# the loss falls. A word whose embedding lies that way is worth a try (**HotFlip**):
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

# %%
from tutorial_workshop.page import attempt, bars, explore, golden, hint, points
from tutorial_workshop.page import quiz, say, show, table


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
# Now the examples: we use the **labelled users'** training histories. Their last events are kept
# for choosing between words (*validation*), the earlier ones give gradients. Test items are not
# touched until the end.

# %%
from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.language import templates, verbaliser
from tutorial_lib.models import load_language_model

lm = load_language_model(LM)
lm.require("causal", what="this notebook's search")
lm.model.requires_grad_(False)
ds = load_dataset(DATASET)
if ds.truth is None:
    ds = ds.k_core(50)  # real titles are long and slow to score: a smaller catalogue
split, words = leave_last_out(ds), verbaliser(ds, limit=6)
sizes = {"smoke": (8, 30, 200, 2), "quick": (24, 120, 1500, 6), "full": (64, 1500, 6000, 100)}
LABELS, TRIED, CALLS, TESTED = sizes[PROFILE]

# %%
from tutorial_lib.strategies import Examples, labelled_users, word_tokens, words_of

train, valid = [], []
for row in labelled_users(split, LABELS, SEED):
    past = split.train[row]
    events = [(past[max(0, end - 6) : end], int(past[end])) for end in range(1, len(past))]
    train, valid = train + events[-3:-1], valid + events[-1:]
learn, judge = Examples(lm, words, train), Examples(lm, words, valid)
vocabulary = word_tokens(lm)
some = words_of(lm, vocabulary[:: len(vocabulary) // 8])
say(f"{len(vocabulary):,} words may appear in a prompt: {some} ...")

# %% [markdown]
# **Guess first:** in one slot, how well does the order by score agree with the order by true loss?

# %%
rng = np.random.default_rng(SEED)
prompt, slot = [int(t) for t in rng.choice(vocabulary, 3)], 1
tried = np.sort(rng.choice(vocabulary, min(TRIED, len(vocabulary)), replace=False))
start = time.perf_counter()
# A forward pass of the model for each word:
true = judge.losses([[prompt[0], int(t), prompt[2]] for t in tried]).mean(axis=1)
middle = time.perf_counter()
# One pass forward and back for all words:
gradient = learn.gradients(prompt, slot, "token").mean(axis=0)
promised = first_order(gradient, learn.vocabulary.numpy()[tried].astype(float))
end = time.perf_counter()

# %%
before, after = words_of(lm, prompt[:1]), words_of(lm, prompt[2:])
best_score, best_loss = (
    words_of(lm, [tried[promised.argmax()]]),
    words_of(lm, [tried[true.argmin()]]),
)
say(
    f"True loss of {len(tried)} words: {middle - start:.1f} s. "
    f"All scores from one gradient: {end - middle:.2f} s.",
    f"The prompt around the slot: “{before} ___ {after}”. "
    f"The highest score has “{best_score}”, the lowest true loss “{best_loss}”.",
)

# %% [markdown]
# A gradient is true for a *small* step, and one word is a long way from the next. You may take it
# elsewhere: at the **mean** of all words, at words **scattered** over the examples, or **halfway**
# between the two. And long embeddings win a dot product by their length alone; **norm control**
# divides it out. Change both, and how many words are tried, and watch the picture.

# %%
from tutorial_lib.strategies import EXPANSIONS
from tutorial_workshop.figures import ScorePlot, over_seeds

plot = ScorePlot(learn, true, tried, [words_of(lm, [t]) for t in tried], prompt, slot, vocabulary)
explore(
    plot.draw,
    alt="First-order score and true loss of each word in one slot; "
    "the highest scores, those that are tried, are marked.",
    describe=plot.describe,
    top=[1, 5, 10, 20],
    expansion=list(EXPANSIONS),
    norm_control=[False, True],
    start={"top": 10},
)

# %% [markdown]
# **Recorded** for five prompts, slots and sets of users, 240 words each, the gradient taken on
# other examples than the true loss.

# %%
from tutorial_workshop.experiments import recorded_table

recorded = recorded_table("automatic-prompts.csv", dtype={"words": str})
scores = recorded[recorded["part"] == "scores"]
slots = scores.groupby(["metric", "setting", "name"])["value"].apply(over_seeds)
order = ["token x1", "mean x1", "scattered x1", "halfway x1", "scattered x4", "halfway x4"]
correlation = {
    kind: [slots["spearman", f"other examples, {kind}", at] for at in order]
    for kind in ("dot product", "cosine")
}
points(
    order,
    correlation,
    quantity="Spearman correlation of score and fall of the loss",
    zero="no relation",
    caption=f"{scores['seed'].nunique()} seeds, 95 % t intervals; x4: the mean of four gradients. "
    "Goal set beforehand: .5.",
)

# %%
others = slots[:, "other examples, dot product"]
best_at = max(order, key=lambda at: others["spearman", at][0])
rho, beaten = others["spearman", best_at], others["better than the best of ten", best_at]
same = slots["spearman", "same examples, dot product", best_at]
reached = "reached" if rho[0] >= 0.5 else "not reached: it orders the whole vocabulary badly"
say(
    f"Best on average: {best_at}, Spearman **{rho[0]:.2f}** ({rho[1]:.2f} to {rho[2]:.2f}). "
    f"The goal of .5 is {reached}. With the gradient on the very examples that judge, it is "
    f"{same[0]:.2f}: the rest is noise between examples, and the long step.",
    "But the search needs one good word among the ten highest. Share of words better than the "
    f"best of these ten: **{beaten[0]:.1%}**; with ten words drawn at random it would be "
    f"{1 / 11:.1%} on average.",
)

# %%
quiz("05_automatic_prompts", "gradient")

# %% [markdown]
# ## 2. A search, and its fair opponent
# The search repeats: pick a slot, take the highest scores, measure these words on the validation
# events, and keep the best one *if* it lowers the loss.
#
# **Exercise 05-accept.** Write the last step.


# %%
def best_flip(now, tried):
    """Place of the word to keep among the losses `tried`, or -1 if none is below `now`."""
    # SOLUTION BEGIN
    best = int(tried.argmin())
    return best if tried[best] < now else -1
    # SOLUTION END


best_flip = attempt(best_flip, exercise="05-accept")

# %%
hint("05-accept")

# %% [markdown]
# The two functions (yours, or the references in their place) are a search already. Here is one
# round of it, in a prompt of three random words.

# %%
now = judge.losses([prompt]).mean()
top = tried[np.argsort(-promised)[:5]]
losses = judge.losses([[prompt[0], int(t), prompt[2]] for t in top]).mean(axis=1)
place = best_flip(now, losses)
kept = words_of(lm, [top[place]]) if place >= 0 else "the present word"
table(
    pd.DataFrame({"loss": losses}, index=pd.Index([words_of(lm, [t]) for t in top], name="word")),
    caption=f"Loss with the present word {now:.3f}. So keep: {kept}",
    digits=3,
)

# %% [markdown]
# **Random search** is the same loop with words drawn at random. It needs no gradients, so at equal
# cost it tries more words. Cost is counted in **calls**: one prompt read with one example. A
# gradient counts three for each example, for the way back.
#
# **Guess first:** after the same number of calls, who is ahead?

# %%
from tutorial_lib.strategies import Search, SearchPlan, objective_on

found, rows = {}, []
for method in ("gradient", "random"):
    learn, judge = Examples(lm, words, train), Examples(lm, words, valid)
    plan = SearchPlan(slots=3, calls=CALLS, method=method, expansion="halfway", seed=SEED, top=5)
    search = found[method] = Search(learn, objective_on("loss", judge), plan).run()
    flips = search.frame()["accepted"].sum()
    text = words_of(lm, search.tokens)
    rows.append((method, text, search.value, search.evaluated, flips, search.calls))
columns = ["search", "words found", "validation loss", "prompts tried", "flips accepted", "calls"]
table(
    pd.DataFrame(rows, columns=columns).set_index("search"),
    caption=f"{len(valid)} validation events, one seed",
    digits=3,
)

# %% [markdown]
# Every candidate is in the log, accepted or not. Without it nobody can tell how many draws the
# winner was chosen from.

# %%
log = found["gradient"].frame().set_index("round")
columns = ["slot", "word", "before", "after", "calls"]
table(
    log.loc[log["accepted"], columns].head(8),
    caption=f"The first accepted flips of gradient search; the log holds {len(log)} candidates",
    digits=3,
)

# %%
from tutorial_workshop.figures import say_calls_needed, search_traces
from tutorial_workshop.figures import show_advantage_by_vocabulary, show_traces

traces = search_traces(recorded)
live = {m: s.frame().groupby("calls")["value"].last() for m, s in found.items()}
wordless = recorded[recorded["metric"] == "no words, validation loss"]
wordless = wordless[(wordless["part"] == "traces") & (wordless["words"] == "all")]
show_traces(traces, live, bare=wordless["value"].mean())

# %%
say_calls_needed(traces)
show_advantage_by_vocabulary(recorded, calls=3000)

# %%
quiz("05_automatic_prompts", "calls")

# %% [markdown]
# ## 3. One word for each user
# **PAP-REC** (Li et al. 2024) searches a recommender's prompt in this way: a frozen P5 model, words
# for all users and a word for each user, chosen in turn by a cheap measure (section 5). Its authors
# report that such prompts beat manual ones and several recommendation models, without new
# parameters or training, on three tasks: the next item, one item out of a list, and explanations.
# This notebook does not repeat that experiment: it has one of the tasks, a smaller model, and takes
# the method's parts one by one. The whole method is the strategy `pap-rec`: `adapt(lm, split,
# "pap-rec", labels=64)`.
#
# Its personal word is the last word of the prompt, chosen by the gradient on that user's events.
# The public code chooses it on **one** event of the user. The lowest of many noisy numbers is low
# by luck alone: the **winner's curse**.
#
# Three numbers separate luck from taste: the gain on the events that chose the word, the gain on
# the user's test item, and the gain there when each user gets the word of a *different* user
# (**shuffled control**).
#
# **Guess first:** what share of the gain is left on the test item?

# %%
rows, users = labelled_users(split, LABELS, SEED), np.arange(LABELS)
last = [(split.test_history[row][-6:], int(split.test_target[row][0])) for row in rows]
after = Examples(lm, words, last, users)
choose, learn = Examples(lm, words, valid, users), Examples(lm, words, train)
learn.users = np.repeat(users, [len(split.train[row][1:][-3:-1]) for row in rows])
plan = SearchPlan(calls=1, user_rounds=1, expansion="halfway", seed=SEED, top=5)
personal = Search(learn, objective_on("loss", choose), plan)
personal.tokens = list(found["gradient"].tokens)
at_first = choose.losses([personal.tokens]).mean()
task_loss = after.losses([personal.tokens]).mean()
personal.run()
promise = at_first - personal.value
kept_gain = task_loss - after.losses(personal.prompts(after)[None]).mean()
say(
    f"Yours, {LABELS} users, one event each: the loss falls by **{promise:.3f}** on that event, "
    f"and by **{kept_gain:+.3f}** on the test item."
)

# %% [markdown]
# **Recorded**, with one, three and five events for each user:

# %%
curse = recorded[recorded["part"] == "curse"].astype({"setting": float})
by_seed = curse.groupby(["name", "metric", "setting", "seed"])["value"].mean()
by_kind = by_seed.groupby(level=[0, 1, 2]).apply(over_seeds)
events = [1, 3, 5]
kinds = {
    "promised (validation)": ("own", "validation gain"),
    "kept (test)": ("own", "test gain"),
    "shuffled words (test)": ("shuffled", "test gain"),
}
gains = {label: [by_kind[(*kind, e)] for e in events] for label, kind in kinds.items()}
points(
    ["1 event per user", "3 events per user", "5 events per user"],
    gains,
    quantity="fall of the loss, nats per token",
    zero="no gain",
    caption=f"Personal word against the word for all; {curse['seed'].nunique()} seeds, "
    "95 % t intervals.",
)

# %%
from tutorial_lib.evaluation import compare_seeds, evaluate, holm, mean_interval

on_test = curse[curse["metric"] == "test gain"]
wide = on_test.pivot_table(index=["setting", "seed", "user"], columns="name", values="value")


def personal_or_not(e):
    """Own against shuffled words on the users' test items."""
    own, shuffled = (wide.loc[e, [name]].set_axis(["gain"], axis=1) for name in ("own", "shuffled"))
    return compare_seeds(own, shuffled, "gain")


tests = {e: personal_or_not(e) for e in events}
adjusted = dict(zip(events, holm([c.p for c in tests.values()])))
rows = []
for promised_gain, kept_share, (e, c) in zip(*list(gains.values())[:2], tests.items()):
    shown = "personal" if c.ci[0] > 0 and adjusted[e] < 0.05 else "not shown"
    rows.append((e, kept_share[0] / promised_gain[0], c.difference, *c.ci, adjusted[e], shown))
columns = ["events per user", "kept of the promise", "own − shuffled words"]
columns = [*columns, "95 % low", "95 % high", "p adjusted", "the words are"]
personal_words = pd.DataFrame(rows, columns=columns).set_index("events per user")
table(personal_words, caption="On the users' test items; p adjusted by Holm's method", digits=3)

# %%
quiz("05_automatic_prompts", "curse")

# %% [markdown]
# ## 4. The switches
# The public code of PAP-REC differs from the method in ways that you can switch on one by one.
# *Re-sampled* means: the wrong items, among which the right one must be found, are drawn anew at
# every look. Then two prompts are compared on different questions.
#
# **Guess first:** what happens to a prompt that was accepted, when it is measured once more?

# %%
from tutorial_workshop.figures import show_switches

show_switches(recorded[recorded["part"] == "switches"])

# %% [markdown]
# ## 5. A cheap measure to search by
# A search looks at hundreds of prompts, and NDCG@10 over the whole catalogue is expensive. So one
# searches by a **surrogate**: the loss of the next title, or PAP-REC's five short answers, written
# freely and compared token by token. A surrogate is good if it *orders prompts* as the full metric
# does.
#
# Two kinds of prompt were measured: manual wordings, and three random words behind a bare history.
#
# **Guess first:** all prompts together may show a clear relation although there is none within
# either kind. How?

# %%
from tutorial_workshop.figures import agreement_table, order_agreement, show_measure_scatter

MEASURES = ("loss", "short answers")
measured = recorded[recorded["part"] == "surrogate"]
by_prompt = measured.pivot_table(index="name", columns="metric", values="value")
written = {t.source for t in templates("sequential")}
by_prompt["kind"] = np.where(by_prompt.index.isin(written), "manual", "three random words")
of_kind = {"all prompts": measured}
for kind, some in by_prompt.groupby("kind"):
    of_kind[kind] = measured[measured["name"].isin(some.index)]
agreement = {
    kind: {m: order_agreement(some, m, "ndcg@10") for m in MEASURES}
    for kind, some in of_kind.items()
}
users = len(measured.groupby(["seed", "user"]))
show_measure_scatter(by_prompt, agreement, users)

# %%
agreement_table(agreement, cost=measured.groupby("metric")["calls"].mean())
by_kind = by_prompt.groupby("kind")[["loss", "ndcg@10"]].mean()
table(by_kind, caption="Mean of each kind of prompt", digits=3)
hits = (measured.loc[measured["metric"] == "short answers", "value"] < 1).mean()
order_within = [m for m in MEASURES if all(agreement[kind][m][1] > 0 for kind in by_kind.index)]
say(
    f"The right title was among the five short answers {hits:.1%} of the time. "
    "If that is rare, most prompts look alike to it.",
    "Shown, within both kinds, to order prompts as NDCG@10 does: "
    f"{' and '.join(order_within) or 'neither of the two, with so few prompts and users'}.",
)

# %% [markdown]
# **Simpson's paradox.** A correlation over all prompts mixes two questions: how do the two *kinds*
# differ, and how do prompts of *one* kind differ? The first can be large while nothing is known
# about the second, and a search needs the second: it compares prompts of its own kind. So read the
# rows of single kinds. It also warns of choosing *between* kinds by loss: the loss counts every
# token of the right title, also what all titles share, and a ranking asks only which title is ahead
# of which.

# %%
quiz("05_automatic_prompts", "surrogate")

# %% [markdown]
# ## 6. Was it worth it?
# Manual prompts, found prompts and a soft prompt (notebook 04), on test users that no search has
# seen. Searches and soft prompt had the same number of calls. For the manual prompts that number is
# not 0 either: the best one is chosen on validation, by the metric that is asked for here, NDCG@10.
# (By loss another one would be chosen; section 5 says why that would be unfair.)

# %%
tested = recorded[recorded["part"] == "prompts"]
# Chosen on the validation users of section 5:
chosen = by_prompt[by_prompt["kind"] == "manual"]["ndcg@10"].idxmax()
by_seed = tested.groupby(["metric", "name", "seed"])["value"].mean()
entered = {
    f"best manual: {chosen}": f"manual: {chosen}",
    "random search": "automatic, random",
    "gradient search": "automatic, gradient",
    "soft prompt": "soft prompt",
}
manual = [name for name in tested["name"].unique() if name.startswith("manual")]
final = {}
for metric in ("ndcg@10", "test loss"):
    mean_manual = by_seed[metric].loc[manual].groupby("seed").mean()
    final[metric] = {"mean of the manual ones": over_seeds(mean_manual)}
    for label, name in entered.items():
        final[metric][label] = over_seeds(by_seed[metric, name])

# %%
per_user = tested.pivot_table(index=["seed", "user"], columns=["metric", "name"], values="value")
bars(
    {name: (m, max(low, 0.0), high) for name, (m, low, high) in final["ndcg@10"].items()},
    quantity="test NDCG@10",
    caption=f"Recorded: {tested['seed'].nunique()} seeds, {len(per_user['ndcg@10'].dropna())} "
    "test users, 95 % t intervals over seeds.",
    highlight="gradient search",
)


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
versus = pd.DataFrame(rows, columns=columns).set_index("gradient search minus")
versus["p, NDCG"], versus["p, loss"] = np.reshape(holm(p), (-1, 2)).T
table(
    versus,
    caption="Paired over test users, 95 % intervals, p adjusted over the whole table; "
    "a loss below 0 is better",
    digits=3,
)

# %%
from tutorial_workshop.figures import say_goal

goal = ahead_of("automatic, gradient", f"manual: {chosen}", "ndcg@10")
against_best = versus.loc[f"manual: {chosen}"]
say_goal(goal, against_best["p, NDCG"], against_best, manual=chosen)

# %% [markdown]
# And yours? Only now the test items are looked at.

# %%
from tutorial_lib.strategies import BARE, Adapted, prompt_template

few = split.sample_targets(TESTED, seed=SEED)
templates_of = {m: prompt_template(lm, s.tokens) for m, s in found.items()} | {"no words": BARE}
mine = {name: Adapted(lm, words, ds.n_items, template) for name, template in templates_of.items()}
frames = {name: evaluate(model, few, k=10) for name, model in mine.items()}
bars(
    {name: mean_interval(frame, "ndcg@10") for name, frame in frames.items()},
    quantity="test NDCG@10",
    caption=f"{TESTED} test users: far too few to tell prompts apart. "
    "Compare the whiskers with the differences above.",
)

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
from tutorial_workshop.figures import recap_table

n = recorded.groupby("part")["seed"].nunique()
rows = [
    (f"Spearman of score and true loss, {best_at}", *rho, n["scores"]),
    ("share of words ahead of the best of ten", *beaten, n["scores"]),
]
for method, some in traces.items():
    end = over_seeds([trace.iloc[-1] for trace in some])
    rows.append((f"validation loss after the search, {method}", *end, len(some)))
for label, values in gains.items():
    for e, value in zip(events, values):
        rows.append((f"{label}, {e} events per user", *value, n["curse"]))
for metric, some in final.items():
    for name, value in some.items():
        rows.append((f"{metric}, {name}", *value, n["prompts"]))
recap_table(rows, caption="Recorded on world-movies with kit-gpt; t intervals over seeds", digits=3)

# %%
golden("05.scores.spearman", rho[0])
golden("05.words", len(vocabulary))
golden(
    "05.curse.promised", gains["promised (validation)"][0][0], trivial=gains["kept (test)"][0][0]
)
golden("05.surrogate.loss", agreement["all prompts"]["loss"][0])
golden(
    "05.searched.loss",
    final["test loss"]["gradient search"][0],
    trivial=final["test loss"]["mean of the manual ones"][0],
)

# %% [markdown]
# ## Pitfalls
# - **Calls not counted.** A gradient costs three passes an example. Give random search the same
#   calls before you praise the gradient.
# - **The best of many on few events.** Keep events aside, and say how many candidates the winner
#   was chosen from.
# - **A personal word that works for everybody.** Give each user the word of a different one, and
#   see what is lost.
# - **One correlation over two kinds.** Look within each kind before you explain it.
# - **Words that are no words.** A token from inside a word becomes another token when the prompt is
#   written as text. Check the way back.
# - **A validation set that moves.** Draw negatives once. If they change at every look, the search
#   keeps what was lucky.

# %% [markdown] tags=["references"]
# ## References
# - Shin et al. 2020. AutoPrompt: eliciting knowledge from language models with automatically
#   generated prompts. [arXiv 2010.15980](https://arxiv.org/abs/2010.15980)
# - Ebrahimi, Rao, Lowd, Dou 2018. HotFlip: white-box adversarial examples for text classification.
#   [arXiv 1712.06751](https://arxiv.org/abs/1712.06751)
# - Li, Ji, Ge, Hua, Zhang 2024. PAP-REC: personalized automatic prompt for recommendation language
#   model. [arXiv 2402.00284](https://arxiv.org/abs/2402.00284)
# - Lester, Al-Rfou, Constant 2021. The power of scale for parameter-efficient prompt tuning.
#   [arXiv 2104.08691](https://arxiv.org/abs/2104.08691)
#
# **What next:** notebook 06 asks whether prompting or fine-tuning is better for your labels. Until
# then: give the search two more slots, and see whether the loss on validation or the NDCG on the
# test moves first.
