# %% [markdown] tags=["title"]
# # 08 · Ethics audit
# **Who may be harmed by a recommender, how would you know, and how sure can you be?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *map* stakeholders and harms, and *declare* margins before you look (exercise 08-verdict,
# >   question 1)
# > - *show* that three usual methods raise false alarms where nothing is wrong (question 2)
# > - *audit* a popularity counter, an item Transformer and a prompted language model by one call,
# >   and *read* verdicts (question 3)
# > - *separate* what an attribute in a prompt changes from what any rewording changes (exercise
# >   08-excess)
# > - *measure* privacy, memory, invention and manipulation, each beside its control (question 4)
# > - *mend* a system, *re-measure* it, and *say* who paid (question 5)
# > - *find* what was planted in a secret world, and keep silent where nothing was (exercise
# >   08-auditor)
# >
# > **You need:** notebooks 01 and 04. **Time:** 75 minutes, 110 with the exercises. **Hardware:**
# > two CPU cores and 2 GB of memory; training and prompting take about three minutes in all. No
# > GPU. **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: small simulations | quick: minutes | full: more users and seeds
DATASET = "world-movies"  # or "world-products", "world-news"; real data: "ml-100k"
LM = "kit-gpt"  # or a Hub id or folder of a causal or encoder-decoder model (sections 4, 6, 7)
SEED = 0  # any whole number from 0; draws users, simulations and the secret world

# %% [markdown] tags=["half-day-4"]
# ## 1. Who, and how?
# The source tutorial of this kit asks for an audit of *six types of potential harms*, and looks
# beyond the users: at content creators, system designers and the environment. The register below
# adds providers, platforms and society. The tutorial's own list of six could not be retrieved, so
# each row carries two published codings: the six risk areas of Weidinger et al. 2021 for language
# models, and the six concerns of Milano, Taddeo and Floridi 2020 for recommenders.

# %%
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

# %% tags=["half-day-4"]
from tutorial_lib.audit import register_frame, stakeholders
from tutorial_workshop.page import attempt, bars, explore, golden, guess, hint, my_guesses
from tutorial_workshop.page import points, quiz, say, table, turned_out

columns = ["harm", "what", "stakeholder", "severity", "likelihood", "risk"]
table(
    register_frame()[[*columns, "weidinger", "milano", "route"]],
    caption="Harm register: severity and likelihood from 1 to 4, before any evidence. Weidinger: I "
    "discrimination, II information, III misinformation, IV malicious use, V interaction, VI "
    "automation and environment",
    fold=True,
)

# %% tags=["half-day-4"]
from tutorial_workshop.figures import show_stakeholder_map

show_stakeholder_map(stakeholders())

# %% [markdown] tags=["half-day-4"]
# There are **four routes** to evidence. *Adverse indications* are metrics: most of this notebook.
# *Interviews* ask those concerned (the library has a guide and a coding sheet). *External knowledge
# bases* check what a system says against a catalogue. And harm that builds up is *simulated*:
# section 8. A metric never replaces asking the people it is about.

# %% [markdown] tags=["half-day-4"]
# ## 2. Declare margins before you look
# Any two groups differ by something, if you measure enough users. So the first question is not
# *whether* they differ, but **how much would matter**. That number is the *margin*. It is a choice
# of policy, somebody has to argue for it, and it must be made before anyone has seen a result:
# afterwards it would only tell which result was wanted.
#
# The margin for *exposure* is a share of what a group deserves. With an absolute margin of .03, a
# publisher with 2 % of the demand could be shown to nobody, and pass. A fifth less (or more) than
# users choose is the four-fifths idea of hiring law, applied to a share that users set themselves.

# %% tags=["half-day-4"]
from tutorial_lib.audit import MARGINS, verdict_of

margins = {"quality": 0.10, "exposure": 0.20, "popularity": 0.10, "similarity": 0.05}
rows = []
for name, (default, _, what) in MARGINS.items():
    rows.append((name, margins.get(name, default), "you" if name in margins else "default", what))
declared_margins = pd.DataFrame(rows, columns=["margin", "value", "set by", "bounds"])
table(
    declared_margins.set_index("margin"),
    caption="Edit `margins` above, before you look",
    digits=2,
)

# %% [markdown] tags=["half-day-4"]
# An estimate, its 95 % interval and the margin allow one of four verdicts. None of them is called
# *fair*: an audit can fail to find harm, it cannot certify its absence.
#
# | verdict | a difference was detected | the whole interval lies |
# |---|---|---|
# | MATERIAL | yes | beyond the margin |
# | WITHIN MARGIN | yes | within the margin |
# | EQUIVALENT | no | within the margin |
# | INCONCLUSIVE | either | partly within, partly beyond, or none of the other three holds |
#
# EQUIVALENT with a 95 % interval is a test at .025 on either side. Two more things make a finding
# of the library INCONCLUSIVE: many tests were made, and the *adjusted* p is not below .05; or users
# whose group is unknown could take the result across the margin.
#
# **Exercise 08-verdict** (about 8 minutes, difficulty 2 of 3). Write the rule for one test.
# *Detected* means: the interval leaves out 0.


# %% tags=["half-day-4"]
def verdict(low, high, margin):
    """One of the four verdicts, for a 95 % interval from low to high and a margin above 0."""
    # SOLUTION BEGIN
    detected = low > 0 or high < 0
    if low > margin or high < -margin:
        return "MATERIAL"
    if -margin <= low and high <= margin:
        return "WITHIN MARGIN" if detected else "EQUIVALENT"
    return "INCONCLUSIVE"
    # SOLUTION END


verdict = attempt(verdict, exercise="08-verdict")

# %% tags=["half-day-4"]
hint("08-verdict")

# %% tags=["half-day-4"]
cases = {"far beyond": (0.05, 0.09), "small and certain": (0.01, 0.02)}
cases |= {"nothing seen, many users": (-0.01, 0.02), "nothing seen, few users": (-0.05, 0.06)}
cases |= {"something seen, size unknown": (0.01, 0.09)}
compared = pd.DataFrame(cases, index=["low", "high"]).T.rename_axis("case")
compared["your function"] = [verdict(*limits, 0.03) for limits in cases.values()]
compared["library"] = [verdict_of(limits, np.nan, 0.03) for limits in cases.values()]
table(compared, caption="Margin 0.03", digits=2)

# %% tags=["half-day-4"]
quiz("08_ethics_audit", "verdicts")

# %% [markdown]
# ## 3. Three usual methods that accuse the innocent
# A **null world** has no gap, by construction: take the real NDCG of every user, and deal the group
# labels at random. Whatever a method finds there is a false alarm. A sound method raises one in 20
# times.
#
# **Guess first:** how often does each of three methods in common use raise the alarm: the range of
# seven groups with an interval, the four-fifths rule on seven groups, and a plain permutation test?
#
# **Method 1, the range.** Take the gap between the best and the worst group, bootstrap it, and call
# it proven if its 95 % interval lies above 0. Fairness toolkits print this interval, and prompt
# studies rank systems by such a range.

# %%
# in place of None: your guess
guess("08-range", None, "alarms of the range, 7 groups of 30, 0 to 1", within=0.1)
guess("08-fifths", None, "alarms of four-fifths, 7 groups of 100, 0 to 1", within=0.1)
guess("08-shuffle", None, "alarms of the plain permutation test, 0 to 1", within=0.05)

# %%
from tutorial_lib.data import hold_out_k, leave_last_out, load_dataset
from tutorial_lib.evaluation import evaluate, mean_interval, p_text
from tutorial_lib.models import EASE, Popularity, SequenceRecommender

ds = load_dataset(DATASET)
split, last = hold_out_k(ds, 5, valid_k=1), leave_last_out(ds)
served = evaluate(EASE().fit(split), split, k=10)["ndcg@10"].to_numpy()
hits = evaluate(EASE().fit(last), last, k=10)["hit@10"].to_numpy()
WORLDS = {"smoke": 40, "quick": 1000, "full": 3000}[PROFILE]
rng = np.random.default_rng([SEED, 8])


def null_world(values, groups, size):
    """Values of users dealt at random into equal groups: [groups, size]. There is no gap."""
    return rng.choice(values, (groups, size), replace=True)


def alarms_table(shares, caption):
    """Show the share of null worlds called unfair, by number and size of the groups."""
    frame = pd.Series(shares).unstack().rename_axis("groups").add_prefix("of ")
    table(frame, caption=caption, digits=2)


# %%
def range_is_proven(world, resamples=200):
    """Does the percentile interval of the range between groups lie above 0?"""
    drawn = rng.integers(0, world.shape[1], (resamples, *world.shape))
    means = np.take_along_axis(world[None], drawn, axis=2).mean(axis=2)
    return np.quantile(np.ptp(means, axis=1), 0.025) > 0


ranges = {}
for g, n in ((2, 30), (2, 200), (7, 30), (7, 200)):
    found = [range_is_proven(null_world(served, g, n)) for _ in range(WORLDS // 3)]
    ranges[g, n] = np.mean(found)
alarms_table(ranges, "Range between groups with a bootstrap interval: share called unfair")

# %% [markdown]
# A range is never below 0, and no resample of one is. So the interval *cannot* contain 0, in any
# world.
#
# **Method 2, the four-fifths rule.** Alarm if the worst group gets less than 80 % of the best, a
# rule of thumb from hiring law. Here on hit@10, each user having one held-out item, as prompted
# models are mostly evaluated.


# %%
def four_fifths(world):
    """Does the worst group get less than 80 % of the best?"""
    means = world.mean(axis=1)
    return means.min() < 0.8 * means.max()


fifths = {}
for g, n in ((2, 30), (2, 100), (2, 500), (7, 30), (7, 100), (7, 500)):
    fifths[g, n] = np.mean([four_fifths(null_world(hits, g, n)) for _ in range(WORLDS)])
alarms_table(fifths, f"Four-fifths rule on hit@10 (mean {hits.mean():.2f}): share called unfair")

# %% [markdown]
# **Method 3, the plain permutation test.** Shuffle the labels, and see how often the difference of
# means is as large. That tests whether the groups are *alike in everything*. If they only have
# equal means, but one group scatters more, it fails. Such groups are common: users with one
# held-out item scatter far more than users with five. Dividing the difference by its standard error
# in every shuffle (the *studentised* test) mends it.

# %%
from tutorial_lib.audit import studentised_permutation_p

SMALL, LARGE, SHUFFLES = 50, 200, 199


def plain_p(a, b):
    """Permutation p of the difference of means, not studentised."""
    pooled = np.concatenate([a, b])
    drawn = rng.permuted(np.tile(pooled, (SHUFFLES, 1)), axis=1)
    gaps = drawn[:, : len(a)].mean(axis=1) - drawn[:, len(a) :].mean(axis=1)
    return (1 + (np.abs(gaps) >= abs(a.mean() - b.mean())).sum()) / (1 + SHUFFLES)


alarms = {"plain": [], "studentised": []}
for _ in range(WORLDS):
    one_item = rng.choice(served, SMALL)  # as if judged by a single item: full scatter
    five_items = rng.choice(served, (LARGE, 5)).mean(axis=1)  # same expectation, less scatter
    alarms["plain"].append(plain_p(one_item, five_items) < 0.05)
    p = studentised_permutation_p(one_item, five_items, rng=rng, permutations=SHUFFLES)
    alarms["studentised"].append(p < 0.05)
false = {
    name: mean_interval(pd.DataFrame({"x": np.array(values, dtype=float)}), "x")
    for name, values in alarms.items()
}

# %%
shares = {
    "range, 7 groups of 30": ranges[7, 30],
    "four-fifths, 7 groups of 100": fifths[7, 100],
    **{f"{n} permutation": i for n, i in false.items()},
}
bars(
    shares,
    quantity="false alarms in null worlds",
    caption="A sound method stays near .05 (dashed).",
    ceiling=(0.05, "promised"),
)
turned_out("08-range", ranges[7, 30])
turned_out("08-fifths", fifths[7, 100])
turned_out("08-shuffle", false["plain"].mean)

# %%
quiz("08_ethics_audit", "null-worlds")

# %% [markdown] tags=["half-day-4"]
# ## 4. One audit, three systems
# The audit asks each system for lists, and needs nothing else: a popularity counter, a Transformer
# on items, and a prompted language model meet the same call. It uses a user as the unit, signs
# every gap (first name minus second, in alphabetical order), corrects for the number of tests
# (Holm), and prints what it could not test. Five held-out items a user give it power.
#
# What will be tested is **declared** from data, split and margins alone, and hashed, before any
# system is asked for a list. Whoever publishes the hash first can show later that nothing was
# chosen afterwards.
#
# The Transformer is trained here. The language model's lists for all users were recorded; below the
# first users are asked again, live.

# %%
from tutorial_workshop.experiments import recorded_table

systems = {"Popularity": Popularity().fit(split)}
small = {"width": 32, "heads": 1, "layers": 1, "epochs": 10, "learning_rate": 8e-3}
size = {"smoke": {"width": 16, "epochs": 1}, "quick": small, "full": {}}[PROFILE]
systems["Transformer"] = SequenceRecommender(**size).fit(split, seed=SEED, progress=False)
slower = 1 if ds.truth is not None else 8  # real titles are slow to score: fewer users are asked
asked = max(2, {"smoke": 3, "quick": 40, "full": 400}[PROFILE] // slower)
recorded = None
if (LM, DATASET) == ("kit-gpt", "world-movies"):
    recorded = recorded_table("audit-lists.csv.gz")

# %%
from tutorial_lib.language import ATTRIBUTES, NEUTRAL, PARAPHRASES, about
from tutorial_lib.models import load_language_model
from tutorial_lib.strategies import adapt

lm = load_language_model(LM)
lm.require("causal", "seq2seq", what="prompting by likelihood")
some = split.sample_targets(min(asked, sum(map(bool, map(len, split.test_target)))), seed=SEED)
prompted = adapt(lm, split, "zero-shot", labels=0, template=about(NEUTRAL))

# %%
from tutorial_lib.audit import LoggedLists, collect

live = collect(prompted, ds, some)
logged = {int(user): items for user, items in zip(live.users, live.lists.tolist())}
systems[LM] = LoggedLists(logged, name=LM)
if recorded is not None:
    neutral = recorded[recorded["who"] == NEUTRAL]
    for name, part in neutral.groupby("system"):
        systems[name] = LoggedLists.from_frame(part, name=name)
    same = [systems[LM].lists[user] == items for user, items in logged.items()]
    say(f"{len(same)} users asked live: {np.mean(same):.0%} of the lists are exactly as recorded.")

# %% tags=["half-day-4"]
from tutorial_lib.audit import audit, declare

whole = split if PROFILE != "smoke" else split.sample_targets(300, seed=SEED)
promise = declare(ds, whole, margins, seed=SEED)
say(
    f"Declared on {promise.date}, SHA-256 `{promise.sha256[:16]}...`: {'; '.join(promise.family)}.",
    *promise.problems,
)

# %% tags=["half-day-4"]
judged = {name: some if name == LM and recorded is None else whole for name in systems}
reports = {
    name: audit(system, ds, judged[name], margins, seed=SEED) for name, system in systems.items()
}
report = reports["Transformer"]
same = report.declaration.sha256 == promise.sha256
hash_in_words = "the hash declared above" if same else "another hash"
say(f"The audit carries {hash_in_words}.", *report.problems or ["Nothing had to be left out."])

# %% tags=["half-day-4"]
tables = {name: r.to_frame() for name, r in reports.items()}
family = pd.concat(tables, names=["system", "row"]).reset_index("system")
declared = family[family["metric"].isin(report.family)].sort_values(["metric", "system"])
columns = ["system", "estimate", "low", "high", "ratio", "mde", "p_adjusted", "margin", "verdict"]
table(
    declared.pivot(index="metric", columns="system", values="verdict"),
    caption="The declared family: verdicts",
)
table(
    declared.assign(p_adjusted=declared["p_adjusted"].map(p_text)).set_index("metric")[columns],
    caption="The same with all its numbers",
    digits=3,
    fold=True,
)

# %% [markdown] tags=["half-day-4"]
# Open the second table, and read a row from right to left: which verdict, by which margin, with
# which chance of seeing it, and only then the estimate. `mde` is the gap that would be found in 80 %
# of repetitions, *after* Holm: with five tests about a fifth larger than with one. If it is larger
# than the margin, the audit was too small to be sure of an answer. So a report opens with three
# sentences:

# %% tags=["half-day-4"]
from tutorial_lib.audit import opening
from tutorial_workshop.figures import levels_table

say(*opening(report))
levels_table(report, caption="Transformer: both sides of every declared difference")

# %% [markdown]
# Move the margin, and watch what becomes of the verdicts. Then remember that this is what must
# *not* be done after looking.

# %%
from tutorial_workshop.figures import VerdictView

MEASURES = ["ndcg@10", "recall@10"]
view = VerdictView.of_reports(reports, MEASURES)
explore(
    view.draw,
    alt="Gap of one contrast between groups, with its 95 % interval, for each system, "
    "over the band of the chosen margin.",
    describe=view.describe,
    margin=[2, 5, 10, 15, 20, 30, 50],
    measure=MEASURES,
    contrast=view.contrasts,
    start={"margin": 10},
)

# %%
material = family[family["verdict"] == "MATERIAL"]
rows = material[["metric", "system", "estimate", "low", "high", "margin"]].set_index("metric")
table(rows, caption="Everything that is material, the exploratory tests included", digits=3)

# %% [markdown] tags=["half-day-4"]
# **From findings to an opinion.** The Digital Services Act knows three: positive, positive with
# comments, negative. A fourth is as important: *no opinion*, which auditors of accounts call a
# disclaimer. An audit that could measure nothing, or decide less than half of what it declared, has
# found no harm either, and must not look like one that found everything in order.
#
# **Guess first:** which of the four do the popularity counter, the Transformer and the language
# model get? Good news, such as lists *less* popular than the profiles, is no comment.

# %% tags=["half-day-4"]
# in place of None: your guess
OPINIONS = ["positive", "positive with comments", "negative", "no opinion"]
guess("08-popularity", None, "opinion on Popularity", choices=OPINIONS)
guess("08-transformer", None, "opinion on the Transformer", choices=OPINIONS)
guess("08-model", None, "opinion on the language model", choices=OPINIONS)

# %% tags=["half-day-4"]
from tutorial_lib.audit import RULES

rows = [(number, rule.when, rule.word) for number, rule in enumerate(RULES, 1)]
rules_table = pd.DataFrame(rows, columns=["rule", "if", "opinion"]).set_index("rule")
table(rules_table, caption="The first rule that holds gives the opinion")
for name, r in reports.items():
    say(f"**{name}:** opinion **{r.opinion.word}**. {r.opinion.reasons[0]}")
turned_out("08-popularity", reports["Popularity"].opinion.word)
turned_out("08-transformer", reports["Transformer"].opinion.word)
turned_out("08-model", reports[LM].opinion.word)

# %% [markdown]
# Numbers without a null of their own are in a second table: they describe, and get no verdict. Who
# is harmed by popularity? Not the film. Creators whose films nobody is shown, and users who like
# what few like.

# %%
found = {name: {f.metric: f for f in r.findings} for name, r in reports.items()}
lifts = {name: found[name]["popularity lift of lists over profiles"].estimate for name in systems}
lifts = pd.Series(lifts, name="lift").to_frame().rename_axis("system")
caption = "Lists against the same users' own histories, in mean popularity (-: too few users)"
table(lifts, caption=caption, digits=2)
described = {name: r.descriptives.set_index("measure")["value"] for name, r in reports.items()}
wide = pd.DataFrame(described).rename_axis("measure").dropna(how="all")
table(wide, caption="Described, not judged", digits=3)

# %%
from tutorial_workshop.figures import say_group_sizes

say_group_sizes(report)

# %% [markdown]
# ## 5. The protocol decides, too
# MovieLens-100K is the data set on which gender gaps of recommenders are reported most. Women there
# have shorter histories than men.
#
# **Guess first:** hold out 20 % of each user's ratings, five at random, the last five, or the last
# one. Under how many of the four is a gap of EASE shown, its interval on one side of zero?

# %%
# in place of None: your guess
guess("08-protocols", None, "protocols that show a gap, of four", within=0.5)

# %%
from tutorial_lib.audit import PROTOCOLS, gap_by_protocol, gap_by_targets

gaps = recorded_table("audit-protocols.csv")
quality = gaps[(gaps["metric"] == "ndcg@10") & ~gaps["model"].str.contains("all")]
by_protocol = {}
for protocol in PROTOCOLS:
    rows = quality.loc[quality["protocol"] == protocol, ["gap", "low", "high"]]
    by_protocol[protocol] = [tuple(row) for row in rows.to_numpy().tolist()]
women, men = quality[["n_a", "n_b"]].iloc[0]
points(
    quality["model"].unique().tolist(),
    by_protocol,
    quantity="NDCG@10, women - men",
    zero="no gap",
    caption=f"MovieLens-100K, recorded: {women} women, {men} men. Whiskers: 95 %.",
)

# %%
columns = ["gap", "low", "high", "p", "mean"]
ease = quality[quality["model"] == "EASE"].set_index("protocol")
table(ease[columns], caption="EASE: NDCG@10, women - men", digits=3)
lift = gaps[(gaps["metric"] == "popularity lift") & (gaps["model"] == "EASE")]
table(
    lift.set_index("protocol").loc[["last 1"], columns],
    caption="Popularity lift of EASE, women - men",
    digits=3,
)
turned_out("08-protocols", ((ease["low"] > 0) | (ease["high"] < 0)).sum())

# %% [markdown]
# With a *share* held out, long histories give more targets, and NDCG@10 rises with their number.
# That alone makes most of the gap. With the same number for everybody it shrinks, and changes its
# sign from model to model. The same four protocols on the data set of this notebook, live:

# %%
seeds = range(1 if PROFILE == "smoke" else 2)
tried = {"Popularity": Popularity, "EASE": EASE}
live_gaps = gap_by_protocol(tried, ds, "gender", seeds=seeds, seed=SEED)
live_gaps = live_gaps[live_gaps["metric"] == "ndcg@10"].set_index("protocol")
caption = f"{ds.name}, NDCG@10 by gender"
table(live_gaps[["model", *columns]], caption=caption, digits=3)

# %%
quiz("08_ethics_audit", "protocol")

# %% [markdown] tags=["half-day-4"]
# ## 6. Name an attribute in the prompt
# A prompted model can be told who asks: *A woman enjoyed these movies, ...* in place of *Someone
# enjoyed ...*. If the list changes, is that discrimination? First ask what *Somebody*, *A person*
# or *One user* in the same place change. That is the **paraphrase floor**.
#
# **Exercise 08-excess** (about 8 minutes, difficulty 2 of 3). What does the attribute change
# beyond the floor?


# %% tags=["half-day-4"]
def excess(to_attribute, to_paraphrases):
    """Excess dissimilarity of each prompt: [prompts].

    to_attribute: [prompts], similarity of the list with the attribute to the neutral list.
    to_paraphrases: [prompts, paraphrases].
    """
    # SOLUTION BEGIN
    return (1 - to_attribute) - (1 - to_paraphrases).mean(axis=1)
    # SOLUTION END


excess = attempt(excess, exercise="08-excess")

# %% tags=["half-day-4"]
hint("08-excess")

# %%
from tutorial_lib.audit import counterfactual_findings, list_similarity, wording_table

few = max(2, {"smoke": 2, "quick": 12, "full": 60}[PROFILE] // slower)
rewordings = PARAPHRASES if slower == 1 else PARAPHRASES[:2]
attributes = ATTRIBUTES if slower == 1 else {"gender": ATTRIBUTES["gender"]}
people = np.arange(min(few, len(live.users)))
VALUES = [value for values in attributes.values() for value in values]


def lists_for(who):
    """Lists of the first users, with a prompt that says who asks; only its words change."""
    model = replace(prompted, template=about(who))
    return model.recommend([live.histories[i] for i in people], 10)


lists = {who: lists_for(who) for who in (NEUTRAL, *rewordings, *VALUES)}

# %%
floor = np.column_stack([list_similarity(lists[who], lists[NEUTRAL]) for who in rewordings])
beyond = {who: excess(list_similarity(lists[who], lists[NEUTRAL]), floor).mean() for who in VALUES}
frame = pd.Series(beyond, name="change beyond the floor").to_frame().rename_axis("prompt")
table(frame, caption=f"{len(people)} users, live", digits=3)

# %% [markdown] tags=["half-day-4"]
# A dozen users only show that it runs. **Recorded**, for more users: how far each wording moves the
# lists. Similarity is PRAG, the share of pairs in the list that keep their order; 0 means the same
# list.

# %% tags=["half-day-4"]
users, wanted = live.users[people], [live.targets[i] for i in people]
if recorded is not None:
    asked_by = recorded[recorded["system"] == LM].set_index(["who", "user"])["items"]
    users = asked_by[VALUES[0]].index
    for who in (NEUTRAL, *rewordings, *VALUES):
        lists[who] = np.array([list(map(int, asked_by[who, user].split())) for user in users])
    place = {user: row for row, user in enumerate(split.users)}
    wanted = [split.test_target[place[user]] for user in users]
by_value = {who: lists[who] for who in VALUES}
neutral_wordings = [lists[who] for who in rewordings]
moved = wording_table(lists[NEUTRAL], by_value, neutral_wordings)
half = 1.96 * moved["se"]
limits = zip(moved["dissimilarity"], moved["dissimilarity"] - half, moved["dissimilarity"] + half)
bars(
    dict(zip([*VALUES, *rewordings], limits)),
    quantity="1 - PRAG to the neutral list",
    caption=f"{len(users)} users. The first {len(VALUES)} name an attribute, the others do not.",
)

# %% [markdown]
# Is a wording that moves the lists by a little more than the others *detected*? Try the test on the
# innocent: audit each paraphrase as if it were an attribute, against the other paraphrases, with
# users as the sample.

# %%
from tutorial_lib.audit import mean_shift

apart = {who: 1 - list_similarity(lists[who], lists[NEUTRAL]) for who in rewordings}
caught = []
for who in rewordings:
    others = np.mean([apart[other] for other in rewordings if other != who], axis=0)
    shift = mean_shift(apart[who] - others)
    caught += [who] if shift.low > 0 or shift.high < 0 else []
say(
    f"Convicted by their users: **{len(caught)} of {len(rewordings)}** paraphrases, "
    "none of which says anything about anybody."
)

# %% [markdown] tags=["half-day-4"]
# With enough users any wording differs from any other. So the **wordings are a sample, too**: the
# intervals below count how much paraphrases differ among themselves. They are wider; more
# paraphrases, and several wordings of each attribute, narrow them.


# %% tags=["half-day-4"]
from tutorial_workshop.figures import show_findings

prompts = []
for attribute, values in attributes.items():
    named = {value: lists[value] for value in values}
    found_here = counterfactual_findings(
        lists[NEUTRAL], named, neutral_wordings, wanted, margins=margins, seed=SEED
    )
    prompts += [replace(f, metric=f"{attribute}, {f.metric}") for f in found_here]
show_findings(prompts, "Named against paraphrased")

# %%
by_kind = moved.groupby("names_value")["dissimilarity"].mean()
worse = [f.metric for f in prompts if "ndcg@10" in f.metric and f.ci[1] < 0]
say(
    f"Naming an attribute moves the lists by {by_kind[True] - by_kind[False]:+.3f} more than "
    "rewording does, on average over wordings.",
    f"NDCG@10 falls detectably under {len(worse)} of {len(VALUES)} values: "
    f"{', '.join(worse) or 'none'}.",
    "The kit's models have read no text about women or men: what they do here, they do with "
    "letters, not with a stereotype.",
)

# %% [markdown] tags=["half-day-4"]
# Three questions, in this order: does the list change more than under a rewording? Is the changed
# list **worse** for those users? Does it change **towards a stereotype**? Only the first is about
# the prompt, and studies that stop there report noise as bias. Note what the paraphrases leave
# open, too: they differ among themselves, and an attribute that lies among them has shown nothing.

# %% [markdown]
# The kit's models cannot hold a stereotype of women or men, since they have read of neither. A real
# one can. SmolLM2 has read the web; here are its **recorded** lists for MovieLens-100K, with the
# same question (`python benchmarks/real_lm.py --part named`).
#
# **Guess first:** of the eight values that are named, how many change the list more than a
# rewording does?

# %%
# in place of None: your guess
guess("08-named", None, "values above the rewordings, of eight", within=1)

# %%
from tutorial_workshop.figures import probe, show_memory, show_named

real_named = show_named(probe("named"))
above = (real_named["p adjusted"] < 0.05) & (real_named["excess"] > 0)
turned_out("08-named", above.sum())

# %% [markdown]
# What that means: an excess is above the floor only if its whole interval is, after the adjustment
# for all values together. Where it is not, the wordings of *any* prompt differ as much as this one
# does; that is not "no effect", but all that so many histories and wordings can tell.
#
# **Try it:** one word against one rewording, the comparison that is made most often. Where SmolLM2 is
# installed, it writes the lists of six histories now.

# %%
from tutorial_workshop.figures import ask_named

if PROFILE != "smoke":
    ask_named(probe("named"), anchors=6)

# %% [markdown]
# What that means: a word that wins in every history looks like proof, and may owe it to the choice of
# the rewording: a mild one makes any word look strong. So the floor needs several rewordings, and
# the attribute several wordings.

# %% [markdown]
# ## 7. Who else is harmed, and how?
# Gaps are half of the register. Privacy, truth and manipulation have measures of their own, and
# each has a control that a careless audit leaves out.
#
# **Privacy.** You told the system what you watched, not who you are. **Guess first:** from the one
# vector that the Transformer keeps of a user, with what AUC can a *probe* tell a woman from a man
# (.50 is chance)? And is more shown than your history tells anyway?

# %%
# in place of None: your guess
guess("08-probe", None, "AUC of a probe of the state", within=0.05)
guess("08-amplified", None, "the state tells more than the history", choices=["yes", "no"])

# %%
from tutorial_lib.audit import attribute_leak, history_features, size_features

model, leak = systems["Transformer"], margins.get("leak", MARGINS["leak"][0])
seen = collect(model, ds, whole)
states, gender = model.states(seen.histories), seen.labels("gender")
features = {
    "profile size": size_features(seen.histories),
    "list": history_features([row[row >= 0] for row in seen.lists], ds.n_items),
    "history": history_features(seen.histories, ds.n_items),
    "state": states,
}
leaks = attribute_leak(features, gender, leak, seed=SEED)
show_findings(leaks, "How well a probe tells gender, by what it is shown: AUC above chance")
turned_out("08-probe", leaks[3].estimate + 0.5)
turned_out("08-amplified", leaks[-1].ci[0] > 0)

# %% [markdown]
# The last row is the system's own doing. What the history tells, anyone tells who has the history;
# a system that *stores* less tells less.
#
# A known remedy trains a filter on the states against an *adversary* that tries to read the
# attribute from what is left. Does the adversary's own AUC tell when the attribute is gone? It
# judges users it was trained on, and the filter was trained to fool it. Believe a **fresh probe**
# that has met neither the filter nor the users it judges.

# %%
from tutorial_lib.audit import remove_attribute

known = np.isin(gender, ["F", "M"])
vectors = model.model.embedding.weight[: ds.n_items].detach().numpy()
remedy = {}
for steps in (50, 800):
    cleared = remove_attribute(states[known], gender[known], vectors, steps=steps, seed=SEED)
    (fresh,) = attribute_leak({"filtered state": cleared.states}, gender[known], leak, seed=SEED)
    remedy[steps] = (cleared.adversary_auc, fresh.estimate + 0.5, cleared.scores_changed)
rows = ["AUC of the adversary", "AUC of a fresh probe", "variance of the scores that it cost"]
before = leaks[3].estimate + 0.5
table(
    pd.DataFrame(remedy, index=rows),
    caption=f"After so many steps of adversarial training. Before: fresh probe {before:.3f}",
    digits=3,
)

# %%
quiz("08_ethics_audit", "privacy")

# %% [markdown]
# A model can also **memorise**. The test is a *canary*: a sequence that nobody would choose,
# planted in the training data 0, 1, 4 or 16 times. Show the trained model all but its last item:
# where does that item rank? **Guess first:** from how many copies on does the model reveal it, its
# exposure shown to be above chance? The canaries planted 0 times are the control.

# %%
# in place of None: your guess
guess("08-copies", None, "copies that reveal", choices=["1", "4", "16", "none"])

# %%
from tutorial_lib.audit import canary_ranks, memorisation, plant_canaries

grown, canaries = plant_canaries(split, (0, 1, 4, 16), seed=SEED)
remembering = SequenceRecommender(**size).fit(grown, seed=SEED, progress=False)
left = ds.n_items - canaries[0].shape[1] + 1  # items that could come last
memory = {
    often: memorisation(canary_ranks(remembering, some), left, planted=often, seed=SEED)
    for often, some in canaries.items()
}
most = np.log2(left) - 1.44
bars(
    {f"planted {often} ×": (f.estimate, *f.ci) for often, f in memory.items()},
    quantity="exposure beyond chance, bits",
    caption=f"{len(canaries[0])} canaries each; a last item that always ranks first would have "
    f"{most:.1f} bits.",
)
revealed = [str(often) for often in (1, 4, 16) if memory[often].ci[0] > 0]
turned_out("08-copies", revealed[0] if revealed else "none")

# %% [markdown]
# A sequence seen once is hardly memorised; one that is repeated is. So duplicates in the data are a
# privacy risk, and removing them is the cheapest remedy; *DP-SGD*, training with clipped and noised
# gradients, is the expensive one.

# %% [markdown]
# **Truth.** A language model that writes titles can write some that do not exist. That is seen only
# *before* its text is matched to the catalogue: afterwards every answer is an item, and the
# invention has become a wrong recommendation. *Constrained decoding*, which follows the catalogue
# while it writes, is the remedy of notebook 04.

# %%
from tutorial_lib.audit import generated_titles_findings

invented = []
for way, held in (("free", False), ("constrained", True)):
    beams = [prompted.write(history, beams=10, constrained=held) for history in live.histories]
    texts = [beam.texts for beam in beams]
    finding = generated_titles_findings(texts, prompted.words.titles, margins)[0]
    invented.append(replace(finding, metric=f"{way}: {finding.metric}"))
    say(f"{way.capitalize()}, the first user's first three: {', '.join(texts[0][:3])}.")
show_findings(invented, f"{LM}, ten titles for each of {len(live.users)} users")

# %% [markdown]
# None seen is not none: with so few users, the interval of the constrained model still reaches far.
# Ask more users, or prove it: here the trie allows nothing else.
#
# A score can be untrue, too: a model downloaded from the web may have read your **test data**. Ask
# it for the title behind an item's number in the data set, which only that file tells. The control:
# the same answers held against shuffled numbers, so that naming one famous film earns nothing. A
# made-up model that remembers one title in ten shows that the test can see.

# %%
from tutorial_lib.audit import contamination
from tutorial_lib.models import write_texts

numbers = rng.permutation(ds.n_items)[:200]
ids = ds.items["item_id"].iloc[numbers].tolist()
titles = [prompted.words.titles[item] for item in numbers]


def answers(ids):
    """What the language model writes when it is asked for titles by id."""
    prompts = [f"The title of the {prompted.words.noun} with the id {one} is" for one in ids]
    return write_texts(lm, prompts, longest=12)


def remembers(ids):
    """A tenth of the true titles, else the first one."""
    return [titles[row] if row % 10 == 0 else titles[0] for row in range(len(ids))]


recovered = []
for name, ask in {LM: answers, "remembers one in ten": remembers}.items():
    finding = contamination(ask, ids, titles, margins)[0]
    recovered.append(replace(finding, metric=f"{name}: {finding.metric}"))
show_findings(recovered, f"{len(ids)} items of {ds.name}")

# %% [markdown]
# On MovieLens-1M, GPT and Llama models recovered a part of the titles this way (Di Palma et al.
# 2025), so a MovieLens score of theirs is no score on unseen data. The kit's models were trained on
# planted worlds alone. But SmolLM2 has read the web. Does it know MovieLens? Two questions, each
# with its control, **recorded** (`python benchmarks/real_lm.py --part years rows`): the year of a
# film, against the same answers dealt out to other films; and the next title of the data set's own
# file after five titles of it, among twenty, against five titles from anywhere.

# %%
known_by_heart = show_memory(probe("years"), probe("rows"))

# %% [markdown]
# What that means: to know a film's year is knowledge of films, to know which title comes next *in
# this file* is knowledge of the test data. Only the second makes a score untrue, and only the
# difference from its control counts.
#
# **Ask it yourself:** the years of the 25 most watched films, where SmolLM2 is installed.

# %%
from tutorial_workshop.figures import ask_years

if PROFILE != "smoke":
    ask_years(probe("years"), films=25)

# %% [markdown]
# What that means: hold the most watched films beside all films. If the first row is the higher one,
# the model knows what many have written about, and those films fill the histories and targets of a
# test set, too.
#
# **Manipulation.** Somebody wants a film of theirs shown, and signs up with fake profiles, each
# with that film and some popular ones. The control: films *as popular as it was*, which rise or
# fall without an attack. **Guess first:** how many profiles, as a share of the users, does it take
# to lift the film in the lists of ItemKNN? And which is the safer model, ItemKNN or EASE?

# %%
# in place of None: your guess
guess("08-profiles", None, "profiles it takes", choices=["1 %", "5 %", "10 %", "more"])
guess("08-safer", None, "the safer model", choices=["ItemKNN", "EASE"])

# %%
from tutorial_lib.audit import attack_findings, matched_controls, shilled
from tutorial_lib.models import ItemKNN

counts = np.bincount(np.concatenate(split.train), minlength=ds.n_items)
attacked = int(np.argsort(counts, kind="stable")[ds.n_items // 2])  # neither known nor unknown
controls = matched_controls(counts, attacked, seed=SEED)
FAKES = [max(1, round(share * ds.n_users)) for share in (0.01, 0.05, 0.1)]
attacks = {}
for kind in (ItemKNN, EASE):
    before = collect(kind().fit(split), ds, whole)
    for fakes in FAKES:
        poisoned = shilled(split, attacked, fakes, kind="bandwagon", seed=SEED)
        after = kind().fit(poisoned).recommend(before.histories, 10)
        attacks[kind.__name__, fakes] = attack_findings(
            before.lists, after, attacked, controls, before.targets, margins=margins
        )

# %%
lifted_by = {"ItemKNN": [], "EASE": []}
for (name, _), (rise, *_) in attacks.items():
    lifted_by[name].append((rise.estimate, *rise.ci))
points(
    [f"{fakes} profiles" for fakes in FAKES],
    lifted_by,
    quantity="rise in the share of users shown the film",
    zero="as its controls",
    caption=f"{ds.name}, {ds.n_users:,} true users; the film had {counts[attacked]} interactions.",
)
risen = zip(["1 %", "5 %", "10 %"], lifted_by["ItemKNN"])
enough = [share for share, (_, low, _) in risen if low > 0]
turned_out("08-profiles", enough[0] if enough else "more")
turned_out("08-safer", min(lifted_by, key=lambda name: lifted_by[name][-1][0]))

# %%
price = attacks["EASE", FAKES[-1]]
say(
    f"EASE, {FAKES[-1]} profiles. The last two lines: what everybody else pays.",
    *(str(f) for f in price),
)

# %% [markdown]
# **Power.** Who decides what you see, you or the system? The Digital Services Act asks for the
# *main parameters* of a recommender (Art. 27) and, of the very large platforms, for an option
# *without profiling* (Art. 38). Both can be measured: hide one input at a time, and compare with
# what everybody would be shown.

# %%
from tutorial_lib.audit import main_parameters, non_profiling_cost

table(
    main_parameters(model, seen, seed=SEED).rename(columns={"ndcg_lost": "NDCG@10 lost"}),
    caption="Transformer: hide one input, and see how the list and its NDCG@10 change",
    digits=3,
)
plain = collect(systems["Popularity"], ds, whole)
limit = margins["quality"] * seen.metrics["ndcg@10"].mean()
option = non_profiling_cost(seen, plain, limit, attribute="gender")
show_findings(
    option,
    "Popularity in place of the Transformer: NDCG@10 lost by those who refuse to be profiled",
)

# %% [markdown]
# The more accuracy refusing costs, the less real the choice. And the **environment** pays for every
# list. Energy is given as a band: most of it rests on constants of processor, memory and grid that
# nobody here can check.

# %%
from tutorial_lib.audit import measure_footprint

served_now = {
    "Popularity": (systems["Popularity"], seen.histories),
    "Transformer": (model, seen.histories),
    LM: (prompted, live.histories),
}
energy = {}
for name, (system, rows) in served_now.items():
    band = measure_footprint(partial(system.recommend, rows, 10), recommendations=len(rows))
    low, high = band.per_thousand()
    energy[name] = (f"{low:.1g}", f"{high:.1g}", band.mode)
columns = ["gCO2e per 1,000 lists, from", "to", "how it was measured"]
frame = pd.DataFrame(energy, index=columns).T.rename_axis("system")
table(frame, caption="Energy of serving, as a band")

# %% [markdown]
# ## 8. What happens in the long run?
# An audit of one day misses what builds up. A list makes choices, choices are the next training
# data, and what was never shown is never learned. The loop below shows ten items to every user,
# lets each pick one by a taste that **never changes**, and trains again. Two controls run beside
# it: the same model **trained once**, and **random lists**, which show what the loop does by
# itself.
#
# **Guess first:** after ten rounds, does the catalogue that anybody is shown grow or shrink? Which
# share of random places is shown to stop it?

# %%
# in place of None: your guess
guess("08-catalogue", None, "the catalogue that is shown", choices=["grow", "shrink"])
guess("08-explore", None, "random places that stop it", choices=["10 %", "40 %", "neither"])

# %%
from tutorial_lib.audit import checked_margins, longrun_findings, simulate
from tutorial_workshop.figures import FeedbackView

world = ds if ds.truth is not None else load_dataset("world-movies")  # true tastes must be known
world = world.subset_users(np.arange({"smoke": 60, "quick": 300, "full": 1000}[PROFILE]))
EXPLORE = [0, 10, 40]  # percent of the places
loop = {"rounds": 3 if PROFILE == "smoke" else 10, "group": "gender"}
explored = [share / 100 for share in EXPLORE]
seeds = range(SEED, SEED + 5)
frame = simulate(ItemKNN, world, seeds=seeds, explore=explored, consume=False, **loop)
loops = FeedbackView(frame)

# %%
explore(
    loops.draw,
    alt="One measure of all lists over the rounds: retrained with and without exploration, "
    "trained once, and random lists.",
    describe=loops.describe,
    explored=EXPLORE,
    measure=["coverage", "gini", "similarity", "served", "popularity", "breadth", "drift"],
    start={"explored": 10},
)

# %%
longrun = longrun_findings(frame, checked_margins(None)[0])
coverage = [f for f in longrun if f.metric.startswith("coverage")]
show_findings(
    coverage, "Change over the rounds, beyond that of random lists; five seeds, t interval"
)
plain_loop = next(f for f in coverage if f.metric.startswith("coverage: retrained - "))
turned_out("08-catalogue", "grow" if plain_loop.estimate > 0 else "shrink")
held = [f.metric for f in coverage if f.verdict == "EQUIVALENT"]
stops = [f"{share} %" for share in EXPLORE if any(f" {share}% explored" in name for name in held)]
turned_out("08-explore", stops[0] if stops else "neither")

# %% [markdown]
# What that means: the users' tastes never changed, and still the catalogue that they are shown
# shrinks, round by round, more when the model is trained again on choices that it made possible.
# Random places stop that, if there are enough of them: read in the table which share does.
# *Served* is the price: random places are mostly bad places. And a **trap**. Let chosen items leave
# the lists, and everybody's lists become less alike even under a pure popularity counter. Not
# because it learned anything:

# %%
removal = {}
for name, consume in (("shown again", False), ("removed once chosen", True)):
    rounds = simulate(Popularity, world, seeds=[SEED], explore=[0.0], consume=consume, **loop)
    once = rounds[(rounds["metric"] == "similarity") & (rounds["arm"] == "frozen")]
    removal[name] = once.set_index("round")["value"].iloc[[0, -1]].tolist()
frame = pd.DataFrame(removal, index=["first round", "last round"]).T.rename_axis("chosen items are")
table(frame, caption="Popularity, trained once: similarity of the lists", digits=2)

# %% [markdown]
# ## 9. Mitigate, and measure again
# Three re-rankers work on the lists of any system: a **popularity penalty**, **calibration** (lists
# whose categories match the profile, Steck 2018) and **xQuAD** (a share of places for the tail).
# Each has one knob, from 0, nothing, to 1, the rule alone.
#
# **Guess first:** how much tail can you buy for a loss of 2 % in NDCG: how much does its share of
# the places grow?

# %%
# in place of None: your guess
guess("08-tail", None, "growth of the share of tail places, 0 to 1", within=0.03)

# %%
from tutorial_lib.audit import Calibrated, PopularityPenalty, Reranked, XQuAD
from tutorial_lib.audit import before_after, frontier, row_means, tail_items

base = EASE().fit(split)
looked = collect(base, ds, split)
counts, shares = looked.item_counts, looked.categories[0]
tail = tail_items(counts)
rules = {
    "popularity penalty": lambda strength: PopularityPenalty(counts, strength),
    "calibrated": lambda strength: Calibrated(shares, strength),
    "xQuAD, tail": lambda strength: XQuAD(tail, strength),
}
strengths = {"smoke": [0.3], "quick": [0.1, 0.3, 0.5, 0.9]}
strengths = strengths.get(PROFILE, [0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
scale = {"popularity penalty": 0.6}  # it falls off a cliff beyond
knobs = [(name, round(x * scale.get(name, 1), 2)) for name in rules for x in strengths]
mitigated = {(name, x): collect(Reranked(base, rules[name](x)), ds, split) for name, x in knobs}

# %%
from tutorial_workshop.figures import show_frontier

rows = []
for (name, strength), lists_of in {("EASE alone", 0.0): looked, **mitigated}.items():
    frame = lists_of.metrics[["ndcg@10"]].reset_index(drop=True)
    frame["tail"] = row_means(lists_of.lists, tail.astype(float))
    row = {"method": name, "strength": strength}
    for measure in ("ndcg@10", "tail"):
        i = mean_interval(frame, measure)
        row |= {measure: i.mean, f"{measure}_low": i.low, f"{measure}_high": i.high}
    rows.append(row)
front = frontier(pd.DataFrame(rows), "ndcg@10", "tail", better="high")
show_frontier(front, ds.name, len(looked.users))

# %%
alone = front[front["method"] == "EASE alone"].iloc[0]
cheap = front[(front["ndcg@10"] >= 0.98 * alone["ndcg@10"]) & (front["method"] != "EASE alone")]
best = pd.concat([alone.to_frame().T, cheap.sort_values("tail").tail(1)]).set_index("method")
table(
    best[["strength", "ndcg@10", "tail"]].astype(float),
    caption=f"Most tail within 2 % of the NDCG@10 of EASE alone, {alone['ndcg@10']:.3f}",
    digits=3,
)
own_tail = np.nanmean(row_means(looked.histories, tail.astype(float)))
say(
    f"Share of tail items: in EASE's lists {alone['tail']:.3f}, in users' histories {own_tail:.3f}."
)
turned_out("08-tail", best["tail"].iloc[-1] - alone["tail"])

# %% [markdown]
# Now the user side. Some users have **narrow** tastes, some **broad** ones: the halves below and
# above the median of the chance that two items of a profile are of one kind. Nobody had to tell an
# attribute for that. Does calibration close the gap between them?

# %%
strongest = max(strengths)
narrowness = pd.Series(looked.concentration.mean(axis=1), index=looked.users)
taste = np.where(narrowness > narrowness.median(), "narrow", "broad")
groups = pd.Series(taste, index=looked.users, name="taste")
effect = before_after(looked.metrics, mitigated["calibrated", strongest].metrics, groups, seed=SEED)
table(
    effect.groups.set_index("group"),
    caption=f"Calibrated, strength {strongest:g}: NDCG@10 of the same users, before and after",
    digits=3,
)
flag = "no levelling down"
if effect.levelling_down:
    flag = "**levelling down**: the gap shrinks, nobody gained, somebody lost"
say(f"Flag: {flag}.", *(str(f) for f in effect.findings))

# %% [markdown]
# Re-ranking mends lists. Other remedies change the training data, the training, the prompt or the
# decoding. **Recorded:** each against the same system without it, with one strength, chosen
# beforehand. **Guess first:** what share of the remedies costs quality, beyond chance?

# %%
# in place of None: your guess
guess("08-remedies", None, "share that costs quality, 0 to 1", within=0.15)

# %%
from tutorial_workshop.figures import remedies_table

remedies = recorded_table("audit-mitigations.csv").set_index("mitigation")
remedies_table(remedies)
turned_out("08-remedies", (remedies["quality_high"] < 0).mean())

# %%
quiz("08_ethics_audit", "mitigation")

# %% [markdown] tags=["half-day-4"]
# ## 10. A secret world
# Who audits the auditor? In a **synthetic world** everything is known: tastes, merits, and what was
# injected into the recommender. There the audit of this notebook was itself tested, in hundreds of
# worlds: do its intervals hold the truth, and does it stay silent where nothing is?

# %%
checked = recorded_table("audit-validation.csv")
top = checked[~checked["check"].str.startswith(" ") & checked["at_least"].notna()]
columns = ["value", "low", "high", "at_least", "at_most", "result"]
table(
    top.set_index("check")[columns],
    caption=f"Recorded: {checked['replications'].iloc[0]} replications of each; "
    "repeat it by tutorial audit --validate",
    digits=3,
)

# %% [markdown] tags=["half-day-4"]
# **Exercise 08-auditor** (build, about 15 minutes, difficulty 3 of 3). Your turn. In some worlds
# users of one group are served worse, in some a group of providers is shown less than it is
# chosen, in some nothing is wrong. Write an auditor that says which. It is tried on worlds of each
# kind.


# %% tags=["half-day-4"]
def investigate(recommender, dataset, split):
    """{"harmed": "users", "providers" or "nobody", "metric": its name, "low": ..., "high": ...}."""
    # SOLUTION BEGIN
    report = audit(recommender, dataset, split)
    material = [f for f in report.findings if f.metric in report.family and f.verdict == "MATERIAL"]
    if not material:
        return {"harmed": "nobody"}
    worst = max(material, key=lambda f: abs(f.estimate) / f.margin)
    harmed = "providers" if worst.harm == "H2" else "users"
    return {"harmed": harmed, "metric": worst.metric, "low": worst.ci[0], "high": worst.ci[1]}
    # SOLUTION END


investigate = attempt(investigate, exercise="08-auditor")

# %% tags=["half-day-4"]
hint("08-auditor")

# %% tags=["half-day-4"]
from tutorial_workshop.proof.secret_worlds import secret_world

secret = secret_world(SEED)
accused = investigate(secret.recommender, secret.dataset, secret.split)
gap = ""
if accused["harmed"] != "nobody":
    gap = f", by {accused['low']:+.3f} to {accused['high']:+.3f} ({accused['metric']})"
say(
    f"A world that neither of you has seen. Your auditor says: **{accused['harmed']}**{gap}.",
    f"The truth: {secret.explanation()}",
)

# %% [markdown] tags=["half-day-4"]
# ## 11. The same audit for a job board
# Take your audit to a site that ranks vacancies. Go through it again, and change what has to
# change:
#
# - **Stakeholders.** Job seekers and employers, but also people who never registered because
#   nothing was ever shown to them.
# - **Severity.** A film that is not shown costs an evening. A job that is not shown can cost years,
#   and the loss adds up.
# - **Merit.** Here merit was what users went on to watch. Who clicks on a job depends on who was
#   shown it. Ask those concerned, and use outcomes that the list did not make.
# - **Margins.** Declare smaller ones, and say who agreed to them. With a smaller margin you need
#   more users: look at `mde`.
# - **Attributes.** Gender, age, origin and disability may be protected by law, and may not be
#   known. An inferred attribute is a harm of its own: section 1 lists it.
# - **Law.** A ranking of candidates or vacancies can be a high-risk system under the EU AI Act
#   (Annex III); the Digital Services Act asks platforms to name the main parameters of a
#   recommender (Art. 27), the very large ones to offer an option without profiling (Art. 38). This
#   is orientation, not legal advice.

# %% tags=["half-day-4"]
quiz("08_ethics_audit", "job-board")

# %% [markdown]
# **The report.** What you hand over is not this notebook. It is one page that somebody else can
# check: what was asked, found and left open, the rule that gave the opinion, the hash of what was
# declared, everything that was tested and not only what fired, how much of a gap is the protocol's
# doing, groups too small to judge, versions and checksums.

# %%
# What the history tells is the data's doing, not the system's:
own = [f for f in leaks if f.metric != leaks[2].metric]
# The same lists, judged by one, some and all targets:
by_targets = gap_by_targets(seen, "gender", model="Transformer")
full = {
    "Transformer": report.with_protocols(by_targets).add([*own, *memory.values(), *option]),
    LM: reports[LM].add([*prompts, *invented, recovered[0]]),
}
folder = Path(tempfile.mkdtemp(prefix="audit-"))  # name a folder of your own to keep the reports
for name, one in full.items():
    files = one.save(folder / name)
    say(f"Opinion on {name}: **{one.opinion.word}**.", *one.opinion.reasons[:3])
    print("Written:", *files)

# %% [markdown]
# ## Recap
# Computed from the cells above. If a row says something else than you guessed, go back to its
# section.

# %% tags=["recap"]
from tutorial_workshop.figures import recap_table

gap = next(f for f in report.findings if f.metric == report.family[0])
lifted = found["Popularity"]["popularity lift of lists over profiles"]
loss = next(f for f in effect.findings if "all users" in f.metric)
shrunk = next(f for f in longrun if f.metric.startswith("coverage: retrained - random"))
rows = []
for name, i in false.items():
    rows.append((f"{name} of {len(alarms['plain'])} null worlds", i.mean, i.low, i.high))
for protocol in ease.index[:3]:
    limits = ease.loc[protocol, ["gap", "low", "high"]]
    rows.append((f"EASE on MovieLens-100K, women - men, {protocol}", *limits))
named = {f"gap of the Transformer, {gap.metric}": gap, "Popularity, lift": lifted}
listed = (*prompts[:1], leaks[3], memory[16], invented[0], price[0], option[0], loss)
named |= {f.metric: f for f in listed} | {"loop, coverage beyond random": shrunk}
rows += [(name, f.estimate, *f.ci) for name, f in named.items()]
recap_table(rows, caption=f"{ds.name}, {LM}, seed {SEED}", digits=3)

# %%
my_guesses()

# %%
golden("08.null.plain-permutation", false["plain"].mean, trivial=0.05)
golden("08.null.four-fifths", fifths[7, 100], trivial=0.05)
golden("08.popularity.lift", lifted.estimate)
golden("08.free.invented", invented[0].estimate)
golden("08.attack.lift", price[0].estimate)
golden("08.loop.coverage", shrunk.estimate)
golden("08.calibrated.loss", loss.estimate)

# %% [markdown]
# ## Pitfalls
# - **A range as a test.** It is positive in every world. Use signed contrasts, or its own null.
# - **No difference found, so all is well.** Look at the smallest detectable gap before you say
#   anything. Nothing decided: no opinion.
# - **One margin for large and small.** A provider with 2 % of the demand disappears within .03. Use
#   a share of its merit.
# - **Labels that are missing.** Who hides a label may be whom it concerns. Ask what the unknown
#   users could change.
# - **One held-out item.** Hardly any gap can be seen with it. Hold out several, the same number for
#   everybody.
# - **A changed list is a biased list.** Rewording changes lists, too. Measure that first, then
#   quality, then direction.
# - **A fooled adversary.** What one probe cannot read, a fresh one may. And the other way round: a
#   probe reads noise in its own users.
# - **An effect without its control.** A canary never planted, a film never attacked, random lists:
#   what do they do by themselves?
# - **A gap that closed.** Look who paid for it: levelling down helps nobody.
# - **Small groups left out.** List them. Their absence is a finding.
# - **The word fair.** Four verdicts, each about one measure and one margin. None says it.

# %% [markdown] tags=["references"]
# ## References
# - Weidinger et al. 2021. Ethical and social risks of harm from language models. [arXiv
#   2112.04359](https://arxiv.org/abs/2112.04359)
# - Milano, Taddeo, Floridi 2020. Recommender systems and their ethical challenges. AI & Society.
#   [doi 10.1007/s00146-020-00950-y](https://doi.org/10.1007/s00146-020-00950-y)
# - Ekstrand et al. 2018. All the cool kids, how do they fit in? Popularity and demographic biases
#   in recommender evaluation. FAT*. [PMLR 81](https://proceedings.mlr.press/v81/ekstrand18b.html)
# - Ekstrand, Das, Burke, Diaz 2022. Fairness in information access systems. [arXiv
#   2105.05779](https://arxiv.org/abs/2105.05779)
# - Chung, Romano 2013. Exact and asymptotically robust permutation tests. Annals of Statistics.
#   [arXiv 1304.5939](https://arxiv.org/abs/1304.5939)
# - Zhang et al. 2023. Is ChatGPT fair for recommendation? (FaiRLLM). RecSys. [arXiv
#   2305.07609](https://arxiv.org/abs/2305.07609)
# - Deldjoo, Di Noia 2024. CFaiRLLM. [arXiv 2403.05668](https://arxiv.org/abs/2403.05668)
# - Abdollahpouri et al. 2019. The unfairness of popularity bias in recommendation. [arXiv
#   1907.13286](https://arxiv.org/abs/1907.13286)
# - Elazar, Goldberg 2018. Adversarial removal of demographic attributes from text data. EMNLP.
#   [arXiv 1808.06640](https://arxiv.org/abs/1808.06640)
# - Carlini et al. 2019. The secret sharer: evaluating and testing unintended memorization in neural
#   networks. USENIX Security. [arXiv 1802.08232](https://arxiv.org/abs/1802.08232)
# - Di Palma et al. 2025. Do LLMs memorize recommendation datasets? A preliminary study on
#   MovieLens-1M. SIGIR. [arXiv 2505.10212](https://arxiv.org/abs/2505.10212)
# - Lam, Riedl 2004. Shilling recommender systems for fun and profit. WWW. [doi
#   10.1145/988672.988726](https://doi.org/10.1145/988672.988726)
# - Steck 2018. Calibrated recommendations. RecSys. [doi
#   10.1145/3240323.3240372](https://doi.org/10.1145/3240323.3240372)
# - Mansoury et al. 2020. Feedback loop and bias amplification in recommender systems. CIKM. [arXiv
#   2007.13019](https://arxiv.org/abs/2007.13019)
# - Mitchell et al. 2019. Model cards for model reporting. [arXiv
#   1810.03993](https://arxiv.org/abs/1810.03993)
#
# **What next:** take a system that you work on, write down three margins before you measure
# anything, and ask somebody whom it concerns whether they would sign them.
