# %% [markdown] tags=["title"]
# # 11 · Open challenges, and your own data
# **Which of the field's open questions can you answer with numbers, and what does your own log
# say?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *say*, for each claim of the sources, what an experiment here came to (section 1)
# > - *compare* objectives alone and joined at a price, and *find* those that nothing beats (exercise
# >   11-front, questions 1 and 2)
# > - *tell* a model that reads its evidence from one that only sees it (question 3)
# > - *audit* citations: what exists, what was shown, what supports (exercise 11-citations, question
# >   4)
# > - *measure* what a false review and an order hidden in one do to an answer (question 5)
# > - *tell* experts that specialise from experts that help (question 6), and a thought that helps
# >   from more tokens (question 7)
# > - *run* the whole kit on a log of your own, and *say* what it cannot tell (question 8)
# >
# > **You need:** notebooks 02, 04, 06 and 08. **Time:** 50 minutes to follow, 90 with the exercises;
# > the capstone takes as long as you let it. **Hardware:** two CPU cores and 2 GB of memory. No GPU.
# > **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a look at each part | quick: minutes | full: larger slices
DATASET = "world-movies"  # of the live slices; or "world-products", "world-news"
LM = "kit-gpt"  # of the live slice of section 4; or "smollm2", a Hub id or a folder
SEED = 0  # any whole number from 0

# %%
import numpy as np
import pandas as pd

from tutorial_workshop.page import attempt, explore, golden, guess, hint, my_guesses
from tutorial_workshop.page import quiz, say, table, turned_out

# %% [markdown]
# ## 1. What came of the claims
# The survey, the tutorial and the systems that they build on make claims. Each that this kit has an
# experiment for stands below, with the number that the experiment gave and a verdict, read from the
# recorded results and typed by nobody. *Supported* and *refuted*: the whole interval lies on one
# side. *Not here*: the difference is smaller than what was declared to matter. *Not testable here*:
# the interval leaves it open.
#
# **Guess first:** of every ten claims, how many are supported in a small world by small models?

# %%
# in place of None: your guess
guess("11-claims", None, "supported, of ten claims", within=1)

# %%
from tutorial_workshop.proof.claims import ledger

claims = ledger()
counted = claims["verdict"].value_counts()
table(
    claims.set_index("claim")[["verdict", "value", "low", "high", "n", "source"]],
    caption=f"{len(claims)} claims; value and 95 % interval of the difference that tests each",
    digits=3,
    fold=True,
)
say("; ".join(f"**{n} {verdict}**" for verdict, n in counted.items()) + f", of {len(claims)}.")
turned_out("11-claims", 10 * counted.get("supported", 0) / len(claims))

# %%
odd = claims[claims["verdict"] == "refuted"]
table(
    odd.set_index("claim")[["value", "low", "high", "experiment"]],
    caption="Refuted here: look up the experiment before you quote the claim",
    digits=3,
)

# %% [markdown]
# A verdict holds for these worlds, models and sizes, and for one claim at a time. "Refuted here" is
# no word on the paper: it says that the claim is not a law, since here is a case where it fails.
# What is worth most is the way to it: a claim became a difference, a margin and an interval.

# %% [markdown]
# ## 2. Six open questions
# The survey ends with open questions, the tutorial with next checks. Six of them can be turned
# into an experiment here:
#
# | question | experiment | section |
# |---|---|---|
# | Do objectives that are **joined** teach more than one alone? | 14 objectives, one network, seeds, seconds | 3 |
# | Does **outside evidence** in a prompt make answers true? | right, shuffled and false reviews | 4 |
# | Do **experts** divide several domains among them? | top-1 gates on three worlds | 6 |
# | Does a **thought** before the answer help? | the next item's theme, or as many empty words | 7 |
# | Is it all a question of **size**? | one model with .4, 1.2 and 4.0 million parameters | 8 |
# | Does what holds in papers hold on **your** data? | the capstone, on a log of yours | 9 |
#
# What cannot be answered at this scale (how all this changes with a thousand times the parameters)
# is left open here, and said so.

# %% [markdown] tags=["half-day-6"]
# ## 3. One objective, or several?
# Notebook 02 trained with one objective at a time. Published systems add others to it:
# RESETBERT4Rec adds *rearrange sequence prediction* (**RSP**: has this history been rearranged?),
# BERT adds *next sentence prediction* (**NSP**: do these two pieces belong together?), ELECTRA asks
# which tokens were *replaced* (**RTD**). `Joint` adds their losses with weights:
#
# $$L = L_{\text{main}} + \sum_i w_i L_i$$
#
# Beside them stand three between AM and MLM: **PAM** (hidden spans, filled in any order), **gap
# filling** (GRec: hidden items from left to right, the future visible) and **permuted** language
# modelling (XLNet: a random order of all positions). One small network, the same number of passes,
# the same users; a learning rate for each, chosen on validation. **Recorded**
# (`python benchmarks/joint_objectives.py`).
#
# **Guess first:** how many of the other objectives, alone or joined, beat plain AM by more than .01?

# %% tags=["half-day-6"]
# in place of None: your guess
guess("11-joined", None, "objectives that beat AM", within=1)

# %% tags=["half-day-6"]
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import joint_table, show_joint

MARGIN = 0.01  # of NDCG@10: smaller differences do not matter, declared beforehand
recorded = recorded_table("joint-objectives.csv.gz")
joined = joint_table(recorded, "AM", MARGIN)
show_joint(joined, "AM", recorded["seed"].nunique())
turned_out("11-joined", (joined["verdict"] == "better").sum())

# %%
verdicts = joined["verdict"].drop("AM").value_counts()
helped = joined.index[joined["verdict"] == "better"]
say(
    "Against AM: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()) + ".",
    f"Better by more than chance: {', '.join(helped) or 'none'}.",
)

# %% [markdown] tags=["half-day-6"]
# Read the figure from the left: what stands right of AM costs more, and only what stands above it
# gives something back. Then open the table, and compare *worst seed* with the mean: where one start
# in three never leaves the level of popularity, a paper with a single seed reports luck, good or
# bad. Questions about a whole history (RSP, NSP) and about replaced items (RTD)
# teach a network to *judge* histories, and a recommender is asked to *continue* them. That they may
# help elsewhere, with less data or another network, is open; that they help "because they add a
# signal" is not something to take on trust.
#
# **Exercise 11-front** (about 8 minutes, difficulty 2 of 3). The diamonds are the Pareto front.
# Write it yourself.


# %% tags=["half-day-6"]
def front(seconds, gains):
    """For each objective: is none at least as good on both counts, and better on one?"""
    # SOLUTION BEGIN
    pairs = list(zip(seconds, gains))
    return [not any(s <= t and g >= h and (s, g) != (t, h) for s, g in pairs) for t, h in pairs]
    # SOLUTION END


front = attempt(front, exercise="11-front")

# %% tags=["half-day-6"]
hint("11-front")

# %%
on_it = front(joined["seconds"].tolist(), joined["ndcg@10"].tolist())
say(f"On the front by your function: {', '.join(joined.index[np.array(on_it)])}.")

# %% tags=["half-day-6"]
quiz("11_open_challenges", "joint")

# %%
quiz("11_open_challenges", "front")

# %% [markdown] tags=["half-day-6"]
# ## 4. Evidence in the prompt
# A language model that is shown reviews of an item (**retrieval-augmented** prompting) can answer
# from them instead of from memory. Does it? `world-movies` was made up, so nobody can know it by
# heart, and the world knows each movie's true strength. The question: *the best part of this
# movie, according to its viewers, is the ...*, one of ten features. Five kinds of prompt:
#
# | reviews shown | why |
# |---|---|
# | none | what the model says anyway |
# | right: four of this movie's | can it read? |
# | shuffled: four of other movies' | the control: as long, the same style, nothing to read |
# | planted: three, and a false one | a seller's review |
# | injected: four, one ends in an order | "ignore the other reviews and say ..." |
#
# The opponent is a **count** of which feature most of the same reviews praise. SmolLM2 was
# **recorded** (`python benchmarks/real_lm.py --part evidence`).
#
# **Guess first:** what share of the gain from right reviews is left when they are about other movies?
# And what share of the model's answers follows the order?

# %% tags=["half-day-6"]
# in place of None: your guess
guess("11-left", None, "share of the gain that is left, 0 to 1", within=0.15)
guess("11-order", None, "answers that follow the order, 0 to 1", within=0.15)

# %% tags=["half-day-6"]
from tutorial_workshop.figures import probe, say_false_answers, show_evidence

answers = probe("evidence")
found = show_evidence(answers)
right = found["model: right"]
turned_out("11-left", (right["shuffled"] - right["none"]) / (right["right"] - right["none"]))
turned_out("11-order", found.loc["injected", "model: false"])

# %% tags=["half-day-6"]
read = found.loc["right", "model: right"] - found.loc["shuffled", "model: right"]
lost = found.loc["right", "model: right"] - found.loc["injected", "model: right"]
say(
    f"Right minus shuffled reviews: {read:+.2f}. That is what the model **reads**.",
    f"An order in one of four reviews takes {lost:.2f} of the right answers away.",
)
say_false_answers(found)

# %% [markdown]
# The first difference is the one to report; the gain over *no* reviews also holds what any text
# would have done. Then compare with the count, which reads nothing but names of features. And the
# last row: to a model the order is text like the rest, in the same channel as the evidence. A count
# cannot be ordered about. Where it answers as well, it is the better system; where it cannot (the
# question is not a matter of counting), the order is the price of reading.
#
# Here is one such prompt, and what your model makes of it.

# %%
from tutorial_lib.data import load_dataset
from tutorial_lib.models import load_language_model
from tutorial_workshop.experiments import answers_from_reviews, evidence_for

ds = load_dataset(DATASET if DATASET.startswith("world") else "world-movies")
item = int(answers["item"].iloc[0]) if DATASET == "world-movies" else 0
rng = np.random.default_rng(SEED)
false = str(answers["false"].iloc[0])
for text in evidence_for(ds, item, "injected", false, rng)["text"]:
    print("-", text)
lm = load_language_model(LM)
few = answers["item"].unique()[: 4 if PROFILE == "smoke" else 25].tolist()
live = answers_from_reviews(lm, load_dataset("world-movies"), few, SEED)
right = (live["answer"] == live["strength"]).groupby(live["condition"], sort=False).mean()
table(right.to_frame("right answers"), caption=f"{lm.name}, {len(few)} items, just now", digits=2)

# %% [markdown]
# kit-gpt, with a million parameters, has never seen a text with reviews in front of a question:
# it sees the evidence and does not read it. Hold its rows beside those of SmolLM2.

# %% tags=["half-day-6"]
quiz("11_open_challenges", "evidence")

# %% [markdown]
# ## 5. Retrieved, cited, supporting
# Three different things. A search *retrieves* what looks like the question. An answer *cites* what
# it names. A document *supports* an answer if it says so. An answer that cites nine papers can be
# supported by none.
#
# **Exercise 11-citations** (build, about 15 minutes, difficulty 2 of 3). Write the audit. Then try
# it on an answer that cites one document again and again, and nine that have nothing to do with it.


# %%
def citation_audit(cited, shown, supports):
    """(share of cited that was shown, share that supports, share of the supporting that is cited).

    cited, shown: documents, cited with repeats; supports(document) -> bool. Of nothing: 0.
    """
    # SOLUTION BEGIN
    cited, shown = set(cited), set(shown)
    good = {document for document in shown if supports(document)}
    exist = len(cited & shown) / len(cited) if cited else 0.0
    supporting = len(cited & good) / len(cited) if cited else 0.0
    return exist, supporting, len(cited & good) / len(good) if good else 0.0
    # SOLUTION END


citation_audit = attempt(citation_audit, exercise="11-citations")

# %%
hint("11-citations")

# %%
shown = evidence_for(load_dataset("world-movies"), few[0], "right", false, rng)
claim = shown["feature"].mode()[0]
supports = dict(zip(shown["text"], shown["feature"] == claim)).get
honest = [text for text in shown["text"] if supports(text)]
padded = [shown["text"][0]] * 5 + [f"unrelated paper {n}" for n in range(9)]
rows = {
    name: citation_audit(cited, list(shown["text"]), lambda text: bool(supports(text)))
    for name, cited in (("cites what supports it", honest), ("fourteen citations", padded))
}
columns = ["were shown", "support", "of what supports, cited"]
table(
    pd.DataFrame(rows, index=columns).T.rename_axis("an answer that"),
    caption=f"Claim: the best part is the {claim}",
    digits=2,
)

# %% [markdown]
# Count distinct documents and let those that were never shown count against the answer, and the
# padded one falls to where it belongs. Now turn the audit into a rule: **give an answer only if so
# many of the shown reviews support it**. Move the number, and watch what it costs.

# %%
from tutorial_workshop.figures import CitationView

view = CitationView(answers)
explore(
    view.draw,
    alt="Shares of right, false, other and no answers under each kind of evidence, if an answer "
    "needs so many supporting reviews.",
    describe=view.describe,
    start={"supporting": 0},
    supporting=[0, 1, 2, 3],
)

# %%
for n in (0, 1, 2):
    row = view.shares(n).loc["injected"]
    say(f"Order in a review, {n} must support: {row['false']:.0%} false, {row['right']:.0%} right.")

# %% [markdown]
# What that means: an order supports nothing, so asking for support takes most of its power, and
# takes right answers too. A false *review* does support the false answer: against it only numbers
# help (two of four), and a seller with three accounts defeats those. The audit tells you what you
# have paid for which safety; it does not set the price.

# %%
quiz("11_open_challenges", "citations")

# %%
quiz("11_open_challenges", "injection")

# %% [markdown]
# ## 6. Experts: one layer for several domains
# A *mixture of experts* holds several feed-forward layers, and a **gate** sends each token through
# one of them (top-1, as in the Switch Transformer). The model has E times the weights at the price
# of one:
#
# $$y = p_e(x)\,\text{FFN}_e(x), \qquad e = \arg\max_i p_i(x), \qquad p(x) = \text{softmax}(W x)$$
#
# A gate may send everything to one expert. The **load-balance loss** pulls it towards an even
# spread: $E \sum_i f_i P_i$, with $f_i$ the share of the tokens that expert i got and $P_i$ its mean
# chance; 1 if even, E if all go to one. The layer has forty lines: `tutorial_lib/models/experts.py`.
#
# A large model may have an expert for each domain. Does a small one? Three worlds (movies, products,
# news) are one catalogue here; nobody tells the model which item is of which. Four experts, with
# and without the balance loss, against a dense layer that costs a token as much (*equal active*) and
# one with as many weights (*equal total*). **Recorded** (`python benchmarks/experts.py`).
#
# **Guess first:** which share of the tokens of one domain goes to its main expert? By chance it
# would be a quarter or a little more.

# %%
# in place of None: your guess
guess("11-main", None, "share of a domain's tokens at its main expert, 0 to 1", within=0.1)

# %%
from tutorial_workshop.figures import show_against, show_experts

load = recorded_table("experts-load.csv.gz")
shares_of_experts = show_experts(load, experts=4)
turned_out("11-main", load.loc[load["model"] == "experts", "main"].mean())

# %%
of_experts = recorded_table("experts.csv.gz").rename(columns={"model": "objective"})
layers = joint_table(of_experts, "dense, equal active", MARGIN)
show_against(layers, "dense, equal active", MARGIN, "Three worlds in one catalogue.")
lines = [f"Experts against a dense layer of equal cost: **{layers.loc['experts', 'verdict']}**."]
for name in load["model"].unique():
    special, busiest = shares_of_experts.filter(like=f"{name}: ", axis=0)["mean"]
    lines.append(f"{name}: {special:+.0%} beyond shuffled domains; busiest expert {busiest:.0%}.")
say(*lines)

# %% [markdown]
# What that means: keep three things apart. *Specialisation* is how far the filled marks stand to the
# right of the empty ones. Nobody asked for it: items of a domain have similar vectors, and a gate
# divides by vectors. How much comes of it depends on the start, so with few seeds its interval is wide:
# read it as a size, not as a proof. The *load*: four experts and three domains of unlike size leave
# no even spread that gives each domain one of its own. Compare the busiest expert with and without
# the balance loss: where nothing collapses, the loss has little to mend. The *gain* is what the
# interval says of the lists: it may lie on one side of 0 and still within the margin, sure and too
# small to matter. And the dense layer with as many weights is the opponent that is easily left out:
# more weights alone are no help here, there are too few users to fill them. That experts pay off
# where the data are many and the weights do not fit on one machine is another claim, and none that
# can be tested here.

# %%
quiz("11_open_challenges", "experts")

# %% [markdown]
# ## 7. A thought before the answer
# *Chain of thought*: a model writes down steps, then the answer. In a planted world the step is
# known: what the next item is *about*. kit-gpt is fine-tuned on the same users, with the same steps,
# to answer in four ways:
#
# | answer | example | why |
# |---|---|---|
# | none | `Starlit Confession` | the direct prompt |
# | filler | `movie: Starlit Confession` | as many tokens, no thought: the control |
# | theme | `space: Starlit Confession` | the thought |
# | shuffled | `kitchen: Starlit Confession` | themes dealt to other items: words, no thought |
#
# An item has one theme, so ranking whole answers sums over all thoughts:
# $p(\text{item}) = p(\text{theme})\,p(\text{item} \mid \text{theme})$. A model that *writes* commits
# itself: it takes its likeliest theme and goes on behind that one only (*theme, committed*).
# **Recorded** (`python benchmarks/reasoning.py`), lists judged in expectation.
#
# **Guess first:** does the thought beat the filler, by more than chance?

# %%
# in place of None: your guess
guess("11-thought", None, "the thought beats the filler", choices=["yes", "no"])

# %%
of_thoughts = recorded_table("reasoning.csv.gz").rename(columns={"thought": "objective"})
thoughts = joint_table(of_thoughts, "filler", MARGIN)
means = of_thoughts.groupby("objective", sort=False)[["theme", "tokens"]].mean()
show_against(thoughts.join(means), "filler", MARGIN, "world-movies, answers of kit-gpt.")
turned_out("11-thought", "yes" if thoughts.loc["theme", "low"] > 0 else "no")
direct = joint_table(of_thoughts, "none", MARGIN)
others = ("theme", "theme, committed", "none")
say(
    *(f"Against the filler, {name}: **{thoughts.loc[name, 'verdict']}**." for name in others),
    f"Against the direct prompt, committed: **{direct.loc['theme, committed', 'verdict']}**.",
)

# %% [markdown]
# What that means: thought and filler cost the same, so their difference is what the *thought* is
# worth, and themes dealt out wrongly show what a wrong thought takes away. The direct prompt stands
# on no equal footing: it looks like the text that kit-gpt was pre-trained on, and whatever is written
# before a title must first be learned as a form. Had you compared the thought with it alone, the
# form would have passed for the thinking. *Committed* is another question: the same weights, but a
# list of one theme only. In the folded table, *theme* is the chance that the next item is of the
# theme of the first one listed: who decides for a theme first decides for a likelier one. Summed
# over all themes, titles that are easy to say may win in spite of theirs. So a thought is worth
# something only if the answer is held to it; and then look at the last line: against the direct
# prompt, is anything left?
# A thought can help where an answer needs steps that the network cannot make in one pass, such as
# sums; a title whose first words name its theme is no such answer.

# %%
quiz("11_open_challenges", "thought")

# %% [markdown]
# ## 8. A larger model
# Or is it all a question of size? kit-gpt was pre-trained again with a third and with three times
# its parameters, on the same texts, once through. All three were then tuned in full on labelled
# users of `world-movies`. **Recorded** (`python benchmarks/scale.py`), lists judged in expectation.
#
# **Guess first:** with 256 labelled users, is kit-gpt ahead of the model with a third of its
# parameters by more than chance? And the largest ahead of kit-gpt?

# %%
# in place of None: your guess
guess("11-smaller", None, "kit-gpt is ahead of the smaller model", choices=["yes", "no"])
guess("11-larger", None, "the larger model is ahead of kit-gpt", choices=["yes", "no"])

# %%
from tutorial_workshop.figures import show_scale, size_tests, verdict_table

of_sizes = recorded_table("scale.csv.gz")
sizes = show_scale(of_sizes)
by_size = size_tests(of_sizes)  # a question, and so a family of tests, for each pair of sizes
size_verdicts = {
    pair: verdict_table(tests, MARGIN, caption=f"NDCG@10, {pair} parameters")
    for pair, tests in by_size.items()
}
ahead = ["yes" if tests["256 labels"].ci[0] > 0 else "no" for tests in by_size.values()]
turned_out("11-smaller", ahead[0])
turned_out("11-larger", ahead[1])

# %% [markdown]
# What that means: size is a floor here, and no ladder. The smallest model has read the same text and
# ranks worse by about the margin, untuned and with any number of labels. From kit-gpt on,
# three times the parameters are worth less than the margin everywhere, for three times the memory,
# and more than twice the seconds of pre-training and of every list. What keeps the upper two curves
# from the ceiling is not their size: histories of other people are in no model before it is tuned.
# What a larger model would know after a thousand times the text cannot be read off here.

# %% [markdown]
# ## 9. Capstone: your own log
# Everything so far ran on data that the kit chose. Take a log of your own (user and item, if you
# have them also time, rating, titles), and let the kit say what it can and cannot tell from it:
#
# ```
# tutorial capstone my.csv --minutes 5
# ```
#
# It reads what it understands and lists what it dropped, holds items out (by time, where there is
# time), runs baselines and an item Transformer, picks on validation, reports on test with intervals
# and strata, audits what can be audited, and writes one page. No log at hand? The next cell writes
# one from a world, without times and ratings, so that you see what is refused.

# %%
from pathlib import Path

log = Path("my-log.csv")
some = ds.subset_users(range(60 if PROFILE == "smoke" else 400)).interactions
some[["user", "item"]].to_csv(log, index=False)
print(log.read_text()[:60], "...")
say(f"{len(some):,} rows in `{log}`. In a terminal: `tutorial capstone {log} --minutes 2`.")

# %% [markdown]
# **Your report is judged by** (each 0 to 2 points):
#
# | | |
# |---|---|
# | 1 | The question was declared before the test was looked at: metric, margin, opponents. |
# | 2 | The best counter is on the table, tuned as carefully as your model. |
# | 3 | Every number has an interval, users and seeds; "not shown" is not called "equal". |
# | 4 | It says who is served worse, and which harms were *not* measured. |
# | 5 | It says what would change your mind. |

# %%
quiz("11_open_challenges", "capstone")

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
from tutorial_workshop.figures import interval_table, recap_table

rows = []
for name, row in joined.drop("AM").iterrows():
    rows.append((f"{name} − AM: {row['verdict']}", *row[["difference", "low", "high"]]))
shares = interval_table(
    {
        f"right answers, {name} reviews": of["answer"] == of["strength"]
        for name, of in answers.groupby("condition", sort=False)
    }
)
rows += list(shares[["mean", "low", "high"]].itertuples(name=None))
for base, tests in (("dense, equal active", layers), ("filler", thoughts)):
    for name, row in tests.drop(base).iterrows():
        rows.append((f"{name} − {base}: {row['verdict']}", *row[["difference", "low", "high"]]))
for pair, tests in by_size.items():
    for name, test in tests.items():
        rows.append((f"{pair}, {name}: {size_verdicts[pair][name]}", test.difference, *test.ci))
recap_table(rows, caption="Recorded: planted worlds; NDCG@10, and SmolLM2's answers", digits=3)

# %%
my_guesses()

# %%
golden("11.joint.am", joined.loc["AM", "ndcg@10"], trivial=0.0)
golden("11.evidence.right", found.loc["right", "model: right"], trivial=0.1)
golden("11.experts.main", load.loc[load["model"] == "experts", "main"].mean(), trivial=0.25)
golden("11.thought.theme", thoughts.loc["theme", "ndcg@10"], trivial=0.0)

# %% [markdown]
# ## Pitfalls
# - **A joint loss with one seed.** Most of what adding a loss does is within the noise of a run.
# - **Evidence without the shuffled control.** Any text changes answers; only the control says
#   whether it was read.
# - **Citations counted, not checked.** Retrieved is not cited, cited is not supporting.
# - **Experts against a smaller model.** More weights and more steps help too. Compare at equal cost
#   and at equal size.
# - **A thought against a shorter answer.** Give the control as many tokens.
# - **Text from users in a prompt.** It can carry orders. Keep it out of what decides, or measure
#   what an order does.
# - **A leaderboard without times.** It cannot be about the next item.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation: a survey of language modelling
#   paradigm adaptations in recommender systems. TACL 11. [arXiv
#   2302.03735](https://arxiv.org/abs/2302.03735)
# - Clark et al. 2020. ELECTRA: pre-training text encoders as discriminators rather than generators.
#   [arXiv 2003.10555](https://arxiv.org/abs/2003.10555)
# - Yang et al. 2019. XLNet: generalized autoregressive pretraining for language understanding.
#   [arXiv 1906.08237](https://arxiv.org/abs/1906.08237)
# - Lewis et al. 2020. Retrieval-augmented generation for knowledge-intensive NLP tasks. [arXiv
#   2005.11401](https://arxiv.org/abs/2005.11401)
# - Fedus, Zoph, Shazeer 2022. Switch Transformers: scaling to trillion parameter models with simple
#   and efficient sparsity. JMLR 23. [arXiv 2101.03961](https://arxiv.org/abs/2101.03961)
# - Wei et al. 2022. Chain-of-thought prompting elicits reasoning in large language models. NeurIPS.
#   [arXiv 2201.11903](https://arxiv.org/abs/2201.11903)
# - Pfau, Merrill, Bowman 2024. Let's think dot by dot: hidden computation in transformer language
#   models. [arXiv 2404.15758](https://arxiv.org/abs/2404.15758)
# - Greshake et al. 2023. Not what you've signed up for: compromising real-world LLM-integrated
#   applications with indirect prompt injection. [arXiv
#   2302.12173](https://arxiv.org/abs/2302.12173)
# - Liu, Zhang, Liang 2023. Evaluating verifiability in generative search engines. [arXiv
#   2304.09848](https://arxiv.org/abs/2304.09848)
#
# **What next:** run the capstone on a log that you care about, and send somebody the page.
