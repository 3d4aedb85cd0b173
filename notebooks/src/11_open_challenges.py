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
# > - *run* the whole kit on a log of your own, and *say* what it cannot tell (question 6)
# >
# > **You need:** notebooks 02, 04, 06 and 08. **Time:** 40 minutes to follow, 75 with the exercises;
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
# ## 2. Three open questions
# The survey ends with open questions, the tutorial with next checks. Three of them can be turned
# into an experiment here:
#
# | question | experiment | section |
# |---|---|---|
# | Do objectives that are **joined** teach more than one alone? | 14 objectives, one network, seeds, seconds | 3 |
# | Does **outside evidence** in a prompt make answers true? | right, shuffled and false reviews | 4 |
# | Does what holds in papers hold on **your** data? | the capstone, on a log of yours | 6 |
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
# **Exercise 11-front.** The diamonds are the Pareto front. Write it yourself.


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
# **Exercise 11-citations.** Write the audit. Then try it on an answer that cites one document again
# and again, and eight that have nothing to do with it.


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
padded = [shown["text"][0]] * 5 + [f"unrelated paper {n}" for n in range(8)]
rows = {
    name: citation_audit(cited, list(shown["text"]), lambda text: bool(supports(text)))
    for name, cited in (("cites what supports it", honest), ("thirteen citations", padded))
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
# ## 6. Capstone: your own log
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
recap_table(rows, caption="Recorded: world-movies; NDCG@10, and SmolLM2's answers", digits=3)

# %%
my_guesses()

# %%
golden("11.joint.am", joined.loc["AM", "ndcg@10"], trivial=0.0)
golden("11.evidence.right", found.loc["right", "model: right"], trivial=0.1)

# %% [markdown]
# ## Pitfalls
# - **A joint loss with one seed.** Most of what adding a loss does is within the noise of a run.
# - **Evidence without the shuffled control.** Any text changes answers; only the control says
#   whether it was read.
# - **Citations counted, not checked.** Retrieved is not cited, cited is not supporting.
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
# - Greshake et al. 2023. Not what you've signed up for: compromising real-world LLM-integrated
#   applications with indirect prompt injection. [arXiv
#   2302.12173](https://arxiv.org/abs/2302.12173)
# - Liu, Zhang, Liang 2023. Evaluating verifiability in generative search engines. [arXiv
#   2304.09848](https://arxiv.org/abs/2304.09848)
#
# **What next:** run the capstone on a log that you care about, and send somebody the page.
