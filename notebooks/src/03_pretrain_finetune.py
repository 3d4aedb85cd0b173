# %% [markdown] tags=["title"]
# # 03 · Pre-train, then fine-tune
# **Which weights of a pre-trained model must move for a new task, and how many labels does it
# take?**

# %% [markdown] tags=["objectives"]
# > **You will be able to**
# > - *explain* what a model knows before it has seen one label, and *measure* it (section 1)
# > - *name* the eight cells of the survey's table, and *prove* what each of them moves (exercise
# >   03-freeze, questions 1 and 2)
# > - *choose* between all weights, the top, a head, and adapters, given the number of labels
# >   (question 3)
# > - *write* an adapter, and *insert* it into a frozen model (exercise 03-adapter, question 5)
# > - *measure* what fine-tuning forgets, and what a patched model keeps (question 4)
# >
# > **You need:** notebooks 01 and 02. **Time:** 45 minutes to follow, 80 with the exercises.
# > **Hardware:** two CPU cores and 2 GB of memory; tuning takes about two minutes in all. No GPU.
# > **Terms:** see the [glossary](../GLOSSARY.md).

# %% tags=["parameters"]
PROFILE = "quick"  # smoke: a few steps | quick: 24 test users | full: 400 test users
DATASET = "world-movies"  # or "world-products", "world-news" (pre-trained on); real: "ml-100k"
LM = "kit-gpt"  # or "kit-bert", "kit-t5", "minilm", a Hub id or a folder
SEED = 0  # any whole number from 0; draws labelled users, test users and initial weights

# %% [markdown]
# ## 1. What the model knows before any label
# The kit's small language models have read made-up text about three worlds: the catalogues of
# movies, products and news, and what made-up people did with **products and news**. What people did
# with movies, they have never seen. That is the task ahead.
#
# **Guess first:** a vocabulary has about three thousand tokens. At each token of a text that it has
# not read, how many tokens would a pre-trained model have to choose from evenly to be as unsure as
# it is? (That number is its **perplexity**.) And the same network with random weights?

# %%
import hashlib
import json
import math
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tutorial_lib.models import load_language_model
from tutorial_workshop.page import attempt, bars, explore, golden, hint
from tutorial_workshop.page import quiz, say, show, table, whose

lm = load_language_model(LM)
print(lm)
card = Path(lm.path) / "card.json"
if card.is_file():
    made = json.loads(card.read_text())
    documents, minutes = made["recipe"]["documents"], made["seconds"] / 60
    say(f"Pre-trained on {made['tokens']:,} tokens of {documents:,} documents, {minutes:.0f} min.")

# %%
from tutorial_recipes.corpus import Corpus

# The same kind of text with a different seed: never read in pre-training.
fresh_texts = Corpus(seed=1000 + SEED, source_users=200).documents()
drawn = islice(fresh_texts, 60 if PROFILE == "smoke" else 400)
documents = [d for d in drawn if d.source and len(d.target) < 400]


def perplexity(model, documents):
    """exp of the mean loss of the answers: as unsure as an even choice between so many tokens."""
    sources, targets = zip(*((d.source, d.target) for d in documents))
    with torch.no_grad():
        return math.exp(model.loss(list(sources), list(targets)).item())


# %%
if lm.kind != "encoder":
    rows = {}
    for task in ("sequential", "profile", "like", "rating", "explanation", "summary"):
        if some := [d for d in documents if d.family == task]:
            rows[task] = (perplexity(lm.fresh(SEED), some), perplexity(lm, some))
    heard = pd.DataFrame(rows, index=["random weights", "pre-trained"]).T
    heard = heard.rename_axis("kind of text")
    table(heard, caption="Perplexity of answers on texts that were never read", digits=1)

# %% [markdown]
# Does that help to recommend? Take the model **as it is**: write a history as titles in a row, and
# rank all items by how likely their title comes next. No label has been used, and no movie history
# has ever been read.

# %%
from tutorial_lib.data import leave_last_out, load_dataset
from tutorial_lib.strategies import CELLS, STRATEGIES, Budget, adapt

ds = load_dataset(DATASET)
if ds.truth is None:
    ds = ds.k_core(50)  # real titles are long and slow to score: a smaller catalogue
split = leave_last_out(ds)
size = {"smoke": 8, "quick": 24, "full": 400}[PROFILE]  # likelihoods of a whole catalogue take time
tested = split.sample_targets(size if ds.truth is not None else size // 4, seed=SEED)
untuned = adapt(lm, split, "pre-train-only", labels=0)
history = tested.test_history[next(i for i, t in enumerate(tested.test_target) if len(t))]
likely = untuned.recommend([history], k=3)[0]
print("reads   ", untuned.prompt(history[-3:]))
print("likely  ", [ds.items["title"][i] for i in likely])

# %%
from tutorial_lib.evaluation import compare, evaluate, mean_interval
from tutorial_lib.models import Oracle, Popularity, Random

ready = {"random": Random(), "popularity, all labels": Popularity()}
ready |= {"ceiling": Oracle()} if ds.truth is not None else {}
frames = {name: evaluate(model.fit(split), tested, k=10) for name, model in ready.items()}
frames["pre-trained, no label"] = evaluate(untuned, tested, k=10)
bars(
    {name: mean_interval(frame, "ndcg@10") for name, frame in frames.items()},
    quantity="test NDCG@10",
    caption=f"{ds.name}, {len(frames['random'])} test users. Popularity has seen every training "
    "interaction, the language model none.",
    highlight="pre-trained, no label",
)

# %% [markdown]
# ## 2. Eight ways to adapt, one table
# The survey sorts training strategies by **what moves**: the pre-trained weights (*backbone*),
# vectors in front of the text (*prompt*), or something new behind or between frozen layers
# (*head*). The strategies of this kit are one function each; `adapt` calls them.
#
# **Guess first:** for each row below, which of the three groups moves?

# %%
from tutorial_lib.strategies import strategies_for

names = strategies_for(lm)
quick_look = Budget(learning_rate=2e-3, shortest=2, longest=2, size=4)
rows = []
for name in names:
    model = adapt(lm, split, name, labels=8, seed=SEED, budget=quick_look, calibrate=0)
    share = f"{model.n_trainable / model.n_parameters:.2%}"
    systems = ", ".join(STRATEGIES[name].systems)
    rows.append((STRATEGIES[name].cell, name, *model.moved.values(), share, systems))
columns = ["cell", "strategy", "backbone", "prompt", "head", "may move", "published systems"]
taxonomy = pd.DataFrame(rows, columns=columns).set_index("strategy")
called = {"instruct": "instruct (instruction tuning)"}
table(
    taxonomy.rename(called),
    caption="L2 norm of the change after two steps, by parameter group; "
    "0 means: not one bit has changed",
    digits=3,
)

# %%
groups = ("backbone", "prompt", "head")
moved = {name: {g for g in groups if taxonomy.loc[name, g] > 0} for name in names}
others = [f"`{name}`" for name in names if moved[name] != STRATEGIES[name].moves]
covered = [cell for cell in CELLS if cell in set(taxonomy["cell"])]
say(
    f"{len(names) - len(others)} of {len(names)} strategies moved what their definition says.",
    "Not within two steps (a search may accept no word): " + (", ".join(others) or "none") + ".",
    f"They fill {len(covered)} of the survey's {len(CELLS)} cells; from-scratch is the control.",
)

# %% [markdown]
# **One name, two steps.** The strategy `multi-task` is the *training* of P5. The prompts are
# fixed, the weights move, so its row is that of fixed-prompt tuning. The survey lists the
# *finished* P5 under tuning-free prompting: once it is trained, nothing moves for a new prompt.
# That is the row `zero-shot`, asked of a model tuned by `multi-task`. A name alone does not tell
# what moves; ask at which step.

# %%
quiz("03_pretrain_finetune", "cells")

# %% [markdown]
# **Exercise 03-freeze.** Say which parameters move, by their names.


# %%
def trainable(names, strategy, n_layers):
    """The names that move, in their order.

    strategy: full, top-layer, adapters, head, soft-prompt or zero-shot.
    """
    # SOLUTION BEGIN
    begins = {
        "full": ("embed.", "layers.", "norm."),
        "top-layer": (f"layers.{n_layers - 1}.",),
        "adapters": ("adapters.",),
        "head": ("head.",),
        "soft-prompt": ("prompt.",),
        "zero-shot": (),
    }
    return [name for name in names if name.startswith(begins[strategy])]
    # SOLUTION END


trainable = attempt(trainable, exercise="03-freeze")

# %%
hint("03-freeze")

# %% [markdown]
# ## 3. Fine-tune five ways
# Now in earnest: the histories of 64 **labelled users**, and five answers to "what moves":
# everything, the last layer, a new head, one number per item (how many labelled users have it),
# low-rank changes. From-scratch is the control: the same network, random weights.
#
# **Guess first:** which of the six is best with 64 labelled users?

# %%
LABELS = 8 if PROFILE == "smoke" else 64
if PROFILE == "quick" and ds.truth is None:
    LABELS = 16  # long real titles are slow to tune on
WAYS = ["from-scratch", "full", "top-layers", "head", "item-bias", "lora"]
short = Budget(learning_rate=2e-3, shortest=2, longest=2, size=4) if PROFILE == "smoke" else None
tuned = {}


def tune(name):
    """Adapt, keep, and print what it cost."""
    model = tuned[name] = adapt(lm, split, name, labels=LABELS, seed=SEED, budget=short)
    loss = f"loss {np.mean(model.losses[-3:]):.3f} nats per token" if model.losses else "no loss"
    print(f"{name:<13} {model.seconds:5.1f} s, {model.flops / 1e9:7.1f} GFLOP, {loss}")


for name in WAYS[:2]:
    tune(name)

# %%
for name in WAYS[2:]:
    tune(name)

# %% [markdown]
# (The loss of `head` is counted over items, not over tokens: do not compare it with the others.)

# %%
from tutorial_workshop.figures import difference_in_words

for name in WAYS:
    frames[name] = evaluate(tuned[name], tested, k=10)
shown = ["random", "popularity, all labels", "pre-trained, no label", *WAYS]
bars(
    {name: mean_interval(frames[name], "ndcg@10") for name in shown},
    quantity="test NDCG@10",
    caption=f"{ds.name}, {LABELS} labelled users, {len(frames['full'])} test users, one seed. "
    "Whiskers: 95 % intervals over users.",
    highlight="full",
    ceiling=(frames["ceiling"]["ndcg@10"].mean(), "ceiling") if "ceiling" in frames else None,
)
gain = compare(frames["full"], frames["from-scratch"])
say(f"Full fine-tuning − from scratch, paired: {difference_in_words(gain)}.")

# %% [markdown]
# With this few test users the whiskers are wide. Below, **recorded** runs over several seeds, with
# other labelled and other test users in each (`data/results/strategies.csv`, made by `python
# benchmarks/strategies.py --write`; at 256 labels there are fewer seeds). The tuned models are
# asked with bare titles, without a word of instruction, as the survey defines fine-tuning;
# `item-bias` keeps a prompt.
#
# **Guess first:** from which number of labelled users on does pre-training no longer pay?

# %%
from tutorial_workshop.experiments import recorded_table
from tutorial_workshop.figures import paired_table, seed_means, show_label_curves

recorded = recorded_table("strategies.csv")
curves = {
    name: seed_means(recorded, name)
    for name in ("from-scratch", "full", "top-layers", "item-bias", "lora")
}
levels = {
    name: seed_means(recorded, name)[0][1:]
    for name in ("pre-train-only", "ceiling", "popularity, all labels")
}
at = recorded[recorded["strategy"] == "full"].groupby("labels")["seed"].nunique()
show_label_curves(curves, levels, at)

# %% [markdown]
# Two questions hide in this picture. Against **from-scratch**: does *pre-training* help, at the
# same labels? Against the **untuned** model (`pre-train-only`): does *tuning* help, or does the
# model know as much without any label? Each table is one family of tests, and its p-values are
# raised for their number (Holm's method).
#
# **Guess first:** which of the two gains is the larger one?

# %%
TUNED = ["full", "top-layers", "head", "item-bias", "lora"]
over_scratch = paired_table(recorded, "from-scratch", TUNED)
over_untuned = paired_table(recorded, "pre-train-only", TUNED)
caption = "What {} adds: gain over {} at the same labels, paired, p by Holm"
table(over_scratch, caption=caption.format("pre-training", "from-scratch"), digits=3)
table(over_untuned, caption=caption.format("tuning", "the untuned model"), digits=3)

# %%
for base, frame in {"from-scratch": over_scratch, "pre-train-only": over_untuned}.items():
    shown_gains = frame[(frame["p adjusted"] < 0.05) & (frame["gain"] > 0)]
    full = frame.loc[["full"]]
    gains = ", ".join(f"{row.gain:+.3f} at {row.labels} labels" for row in full.itertuples())
    say(f"Over **{base}**: {len(shown_gains)} of {len(frame)} gains are shown. `full`: {gains}.")
say("A gain that is not shown may still exist: read its interval before you call tuning useless.")

# %%
quiz("03_pretrain_finetune", "few-labels")

# %% [markdown]
# ## 4. Frozen, and how to prove it
# "Frozen" is a claim about bits. A checksum over all pre-trained weights proves it, or shows that
# something slipped through: a norm that was left out, a bias, running statistics.


# %%
def checksum(model):
    """SHA-256 over the weights that the pre-trained model had too, by name."""
    kept = dict(lm.model.named_parameters())
    now = {name.replace(".base_layer", ""): p for name, p in model.named_parameters()}
    digest = hashlib.sha256()
    for name in sorted(kept):
        digest.update(now[name].detach().numpy().tobytes())
    return digest.hexdigest()[:16]


before = checksum(lm.model)
rows = [
    (name, checksum(model.lm.model), checksum(model.lm.model) == before)
    for name, model in tuned.items()
]
table(
    pd.DataFrame(rows, columns=["strategy", "checksum after", "frozen"]).set_index("strategy"),
    caption=f"Before: {before}",
)

# %%
quiz("03_pretrain_finetune", "frozen")

# %% [markdown]
# ## 5. Insert an adapter
# An adapter is a small network behind a frozen layer: down to a few numbers, a curve, up again,
# added to what came in.
#
# **Exercise 03-adapter.** Write its forward pass.


# %%
def adapter(hidden, down, up):
    """hidden [..., D], down [D, r], up [r, D] -> [..., D]."""
    # SOLUTION BEGIN
    return hidden + torch.nn.functional.gelu(hidden @ down) @ up
    # SOLUTION END


adapter = attempt(adapter, exercise="03-adapter")

# %%
hint("03-adapter")

# %% [markdown]
# Now put it behind every layer of the language model, with `up` = 0, by a forward hook, and compare
# scores.

# %%
from tutorial_lib.strategies import layer_stacks

patched = lm.clone()
layers = [layer for stack in layer_stacks(patched) for layer in stack]
down, up = torch.randn(lm.width, 8), torch.zeros(8, lm.width)


def behind(layer, arguments, output):
    """What a layer gives, passed through the adapter."""
    if isinstance(output, tuple):
        return (adapter(output[0], down, up), *output[1:])
    return adapter(output, down, up)


for layer in layers:
    layer.register_forward_hook(behind)

# %%
plain = untuned.score([history])
changed = adapt(patched, split, "pre-train-only", labels=0).score([history])
up.normal_()
moved = adapt(patched, split, "pre-train-only", labels=0).score([history])
same = "the same to the last bit" if np.array_equal(plain, changed) else "DIFFERENT"
say(
    f"Adapter: {whose(adapter, '03-adapter')}. {len(layers)} layers, "
    f"{2 * 8 * lm.width * len(layers):,} new numbers. With up = 0 the scores are {same}; "
    f"with random up they differ by up to {np.abs(moved - plain).max():.1f}.",
)

# %%
quiz("03_pretrain_finetune", "patches")

# %% [markdown]
# ## 6. What fine-tuning forgets
# The model knew products and news. Does it still, after movies? Measure the loss on source texts
# before and after: the difference is what was **forgotten**. With adapters or LoRA you can take the
# new part off, and nothing is lost; with the new part on, something may be.
#
# **Guess first:** who forgets more, the model that moved every weight a little, or the one with
# LoRA on?

# %%
if lm.kind != "encoder":
    old_task = [d for d in documents if d.family in ("sequential", "like", "rating")][:150]
    rows = {"before": perplexity(lm, old_task)}
    rows |= {
        f"after {name}": perplexity(tuned[name].lm, old_task)
        for name in ("full", "top-layers", "lora", "head")
    }
    forgotten = pd.Series(rows, name="perplexity").to_frame().rename_axis("source tasks")
    forgotten["times what it was"] = forgotten["perplexity"] / forgotten.loc["before", "perplexity"]
    table(
        forgotten,
        caption="Products and news: sequential, like and rating texts that were never read",
        digits=2,
    )

# %%
quiz("03_pretrain_finetune", "forgetting")

# %% [markdown]
# ## 7. The learning rate, live
# A frozen trunk computes its vectors once, so a head can be tuned in a second: move the rate, and
# the run is done anew. Left of the best rate a run is slow, right of it it jumps.

# %%
from tutorial_workshop.figures import HeadRuns, LiveCurve

STEPS = 20 if PROFILE == "smoke" else 300
head_runs = HeadRuns(
    adapt(lm, split, "head", labels=LABELS, seed=SEED, budget=short), split, SEED, steps=STEPS
)
explore(
    head_runs.draw,
    alt="Training loss over steps of a head on a frozen language model, and the validation "
    "NDCG@10 at its end, for the chosen rate.",
    describe=head_runs.describe,
    start={"learning_rate": 0.01},
    learning_rate=[0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3],
)

# %% [markdown]
# And a whole model, while it learns: the curve below grows during the run.

# %%
live = LiveCurve("full fine-tuning", epochs=1)
watch = live.on_step(total=2 if short else 40)
model = adapt(lm, split, "full", labels=LABELS, seed=SEED + 1, budget=short, on_step=watch)

# %% [markdown]
# ## 8. Pre-train on interactions: PeterRec
# Text is one bridge between domains. People are another: half of the users of `world-products` also
# appear in `world-movies`. PeterRec (Yuan et al. 2020) pre-trains on what a person did in one
# domain, freezes the network, inserts **patches**, and predicts what the same person chooses in a
# domain with other items altogether.

# %%
from tutorial_lib.models import SequenceRecommender
from tutorial_lib.strategies import REGIMES, person_pairs, transfer

source = leave_last_out(load_dataset("world-products"))
pairs = person_pairs(source.dataset, load_dataset("world-movies"))
epochs = 1 if PROFILE == "smoke" else 12
source_model = SequenceRecommender(epochs=epochs, evaluate_every=12, dropout=0.2)
source_model = source_model.fit(source, seed=SEED, progress=False)
kept = len(pairs.rows("test"))
say(f"{len(pairs.person)} persons are known in both worlds; {kept} of them are kept for the test.")

# %%
from tutorial_lib.evaluation import ranking_metrics

histories = [pairs.histories[row] for row in pairs.rows("test")]
chosen = [pairs.chosen[row] for row in pairs.rows("test")]
labels = min(LABELS, len(pairs.rows("train")))
options = {"epochs": 1} if short else {}
regimes, peter, rows = {}, {}, []
for name, regime in REGIMES.items():
    model = transfer(source_model, pairs, name, labels=labels, seed=SEED, **options)
    peter[name] = ranking_metrics(model.recommend(histories, k=10), chosen, k=10)
    share = f"{model.n_trainable / model.n_parameters:.0%}"
    unchanged = model.moved["backbone"] == 0
    rows.append((name, regime.text, share, peter[name]["ndcg@10"].mean(), unchanged))
    regimes[name] = model
columns = ["regime", "what moves", "share of the parameters", "NDCG@10", "trunk unchanged"]
table(
    pd.DataFrame(rows, columns=columns).set_index("regime"),
    caption=f"{LABELS} labelled persons; their movies from their products",
)

# %%
kept_share = peter["patches"]["ndcg@10"].mean() / peter["fine-all"]["ndcg@10"].mean()
fewer = regimes["patches"].n_trainable / regimes["fine-all"].n_trainable
difference = compare(peter["patches"], peter["fine-all"])
say(
    f"Patches keep {kept_share:.0%} of the NDCG@10 of tuning everything, and move {fewer:.0%} as "
    f"many numbers (paired difference {difference_in_words(difference)})."
)

# %% [markdown]
# ## Recap
# Computed from the cells above.

# %% tags=["recap"]
from tutorial_workshop.figures import recap_table

rows = []
for name in shown:
    i = mean_interval(frames[name], "ndcg@10")
    rows.append((f"NDCG@10, {name}", i.mean, i.low, i.high, 1))
for name, values in curves.items():
    for count, mean, low, high in values:
        rows.append((f"recorded: {name}, {count:g} labels", mean, low, high, at[count]))
rows.append(("PeterRec, patches − all", difference.difference, *difference.ci, 1))
recap_table(
    rows,
    caption=f"{ds.name}, {LABELS} labelled users; intervals over users (one seed) or over seeds",
)

# %%
if lm.kind != "encoder":
    golden(
        "03.perplexity.sequential",
        heard.loc["sequential", "pre-trained"],
        trivial=heard.loc["sequential", "random weights"],
    )
golden("03.patches.share", kept_share)

# %% [markdown]
# ## Pitfalls
# - **No control.** Without from-scratch at the same labels, "pre-training helps" is a belief.
# - **Frozen by intention.** Check bits, not flags: `requires_grad=False` does not stop running
#   statistics or a shared embedding.
# - **One learning rate for all.** Strategies with few parameters need a higher one. Choose each on
#   validation, never on test.
# - **Parameter counts as cost.** LoRA moves few numbers, but its backward pass goes through the
#   whole network: look at seconds and FLOPs.
# - **A domain the model has read.** `world-products` and `world-news` were in the pre-training
#   text. A good score there does not show transfer.

# %% [markdown] tags=["references"]
# ## References
# - Liu, Zhang, Gulla 2023. Pre-train, prompt and recommendation: a survey of language modelling
#   paradigm adaptations in recommender systems. TACL 11. [arXiv
#   2302.03735](https://arxiv.org/abs/2302.03735)
# - Yuan, He, Karatzoglou, Zhang 2020. Parameter-efficient transfer from sequential behaviors for
#   user modeling and recommendation (PeterRec). [arXiv
#   2001.04253](https://arxiv.org/abs/2001.04253)
# - Houlsby et al. 2019. Parameter-efficient transfer learning for NLP. [arXiv
#   1902.00751](https://arxiv.org/abs/1902.00751)
# - Hu et al. 2021. LoRA. [arXiv 2106.09685](https://arxiv.org/abs/2106.09685)
# - Sileo, Vossen, Raymaekers 2022. Zero-shot recommendation as language modeling.
#   [arXiv 2112.04184](https://arxiv.org/abs/2112.04184)
#
# **What next:** notebook [04](04_prompting.ipynb) leaves the weights alone and changes the prompt.
# Until then: run this notebook with `DATASET = "world-news"`, a domain whose people the model has
# read about, and see how far the ceiling is away then.
