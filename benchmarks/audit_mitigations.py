"""What each mitigation of the audit changes and what it costs: the recorded table of notebook 08.

    python benchmarks/audit_mitigations.py [--only NAME ...]

About ten minutes on two cores; needs opacus (the extra `audit`). Each row holds one mitigation
against the same system without it, on world-movies, paired over the same users (or canaries, or
seeds of a simulation): a measure of the harm and one of quality, before and after, with the 95 %
interval of the mean change. Strengths were fixed beforehand, and none was tuned on these numbers.
A run with --only replaces those rows and keeps the others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from remedies import FairTopK, ips_weights, private_training, reweighted_split, swap_attribute
from scipy import stats

from tutorial_lib.audit.core.evidence import collect
from tutorial_lib.audit.core.groups import provider_groups
from tutorial_lib.audit.core.lists import row_means
from tutorial_lib.audit.harms.longrun import simulate
from tutorial_lib.audit.harms.memorisation import canary_exposure, canary_ranks, plant_canaries
from tutorial_lib.audit.harms.popularity import tail_items
from tutorial_lib.audit.harms.position_bias import kendall, order_bootstrap
from tutorial_lib.audit.harms.privacy import aucs, cross_fitted
from tutorial_lib.audit.harms.truth import title_faults
from tutorial_lib.audit.inference.statistics import mean_shift
from tutorial_lib.audit.mitigation.learned import remove_attribute
from tutorial_lib.audit.mitigation.reranking import Calibrated, PopularityPenalty, Reranked, XQuAD
from tutorial_lib.data import hold_out_k, load_dataset
from tutorial_lib.data.shipped import clone_commit, ship, shipped
from tutorial_lib.evaluation import ranking_metrics
from tutorial_lib.language.attributes import ATTRIBUTES, about
from tutorial_lib.language.prompts import templates
from tutorial_lib.models import EASE, ItemKNN, SequenceRecommender
from tutorial_lib.models.decoding import log_likelihood
from tutorial_lib.models.pretrained import load_language_model
from tutorial_lib.objectives.batch import padded
from tutorial_lib.recommender import ScoreRecommender, top_k
from tutorial_lib.strategies import adapt

FILE, SEED = "results/audit-mitigations.csv", 0
WOMAN, MAN = ATTRIBUTES["gender"]
ds = load_dataset("world-movies")
split = hold_out_k(ds, 5, valid_k=1)
MINORITY = provider_groups(ds)[0] == "minority"  # items
TAIL = tail_items(np.bincount(np.concatenate(split.train), minlength=ds.n_items))


def row(
    system: str, harm: str, before, after, quality: str, q_before, q_after, *, change=None
) -> dict:
    """Means and intervals of the paired changes.

    Args:
        change: (value, low, high) where the harm is not a mean over units.
    """
    before, after, q_before, q_after = (
        np.asarray(values, dtype=float) for values in (before, after, q_before, q_after)
    )

    def shift(a, b):
        both = ~np.isnan(a) & ~np.isnan(b)
        d = (b - a)[both]
        if len(d) < 30:  # seeds of a simulation: t
            reach = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
            return a[both].mean(), b[both].mean(), d.mean() - reach, d.mean() + reach
        found = mean_shift(d)
        return a[both].mean(), b[both].mean(), found.low, found.high

    first = (float(before), float(after), *change[1:]) if change else shift(before, after)
    names = ("before", "after", "low", "high")
    second = shift(q_before, q_after)
    return {
        "system": system,
        "harm": harm,
        **dict(zip(names, first, strict=True)),
        "quality": quality,
        **{f"quality_{name}": value for name, value in zip(names, second, strict=True)},
    }


def reranked(rule: Callable, harm: str, measure: Callable) -> dict:
    """A re-ranking rule on EASE."""
    base = EASE().fit(split)
    before = collect(base, ds, split)
    after = collect(Reranked(base, rule(before)), ds, split)
    ndcg = (before.metrics["ndcg@10"], after.metrics["ndcg@10"])
    return row("EASE", harm, measure(before), measure(after), "ndcg@10", *ndcg)


def places_without(evidence, items: np.ndarray) -> np.ndarray:
    return 1 - row_means(evidence.lists, items.astype(float))


def reweighting() -> dict:
    """Inverse propensities by thinning; the control is thinned as much, whatever the popularity."""
    counts = np.bincount(np.concatenate(split.train), minlength=ds.n_items)
    seen = [
        collect(EASE().fit(reweighted_split(split, w, keep=0.5, seed=SEED)), ds, split)
        for w in (np.ones(ds.n_items), ips_weights(counts, beta=1.0))
    ]
    lift = [one.popularity_lift for one in seen]
    ndcg = [one.metrics["ndcg@10"] for one in seen]
    return row("EASE, thinned", "popularity lift", *lift, "ndcg@10", *ndcg)


def adversarial() -> dict:
    """A fresh, cross-fitted probe of gender before and after; lists from the filtered states."""
    model = SequenceRecommender(width=32, epochs=20).fit(split, seed=SEED, progress=False)
    seen = collect(model, ds, split)
    states, labels = model.states(seen.histories), seen.labels("gender")
    known = np.isin(labels, ["F", "M"])
    filtered = states.copy()
    vectors = model.model.embedding.weight[: ds.n_items].detach().numpy()
    filtered[known] = remove_attribute(states[known], labels[known], vectors, seed=SEED).states
    truth = (labels[known] == "F")[:, None]
    guesses = [cross_fitted(x[known], truth, "logistic", SEED) for x in (states, filtered)]
    auc = [aucs(truth, guess)[0] for guess in guesses]
    rng = np.random.default_rng([SEED, 5])
    d = np.stack([rng.integers(0, len(truth), len(truth)) for _ in range(999)], axis=1)
    before, filtered_out = (aucs(truth[d, 0], guess[d, 0]) for guess in guesses)
    shifts = filtered_out - before
    with torch.inference_mode():
        scores = model.model.item_scores(torch.from_numpy(filtered)).numpy()
    after = ranking_metrics(top_k(scores, 10, exclude=seen.histories), seen.targets, 10)["ndcg@10"]
    change = (auc[1] - auc[0], *np.quantile(shifts, [0.025, 0.975]))
    harm, ndcg = "AUC of gender by a fresh probe", (seen.metrics["ndcg@10"], after)
    return row("Transformer", harm, *auc, "ndcg@10", *ndcg, change=change)


def some_users(n: int) -> list[int]:
    rows = np.flatnonzero([len(target) > 0 for target in split.test_target])
    return np.sort(np.random.default_rng([SEED, 11]).permutation(rows)[:n]).tolist()


def constrained() -> dict:
    """Beam search, free and along the trie of the catalogue."""
    model = adapt(load_language_model("kit-gpt"), split, "zero-shot", labels=0)
    users = some_users(200)
    beams = [
        [model.write(split.test_history[u], beams=10, constrained=held) for u in users]
        for held in (False, True)
    ]
    outside, ndcg = [], []
    for some in beams:
        faults = title_faults([beam.texts for beam in some], model.words.titles)
        outside.append(faults["outside"])
        lists = np.full((len(users), 10), -1)
        for i, (user, beam) in enumerate(zip(users, some, strict=True)):
            new = [
                item
                for item in dict.fromkeys(beam.items.tolist())
                if item >= 0 and item not in split.test_history[user]
            ]
            lists[i, : len(new)] = new
        wanted = [split.test_target[u] for u in users]
        ndcg.append(ranking_metrics(lists, wanted, 10)["ndcg@10"])
    return row("kit-gpt", "written titles outside the catalogue", *outside, "ndcg@10", *ndcg)


def ordered() -> dict:
    """Four candidates in a prompt: the share of pairs that swap.

    Before: between two random orders; after: between two bootstraps of eight orders.
    """
    model = adapt(load_language_model("kit-gpt"), split, "zero-shot", labels=0)
    users = some_users(200)
    rng = np.random.default_rng([SEED, 13])
    template = templates("direct")[0]
    unseen = [
        np.setdiff1d(np.arange(ds.n_items), [*split.test_history[u], *split.test_target[u]])
        for u in users
    ]
    candidates = np.array(
        [
            [split.test_target[u][0], *rng.choice(out, 3, replace=False)]
            for u, out in zip(users, unseen, strict=True)
        ]
    )
    words = model.words

    def rank(given: np.ndarray) -> np.ndarray:
        out = np.empty_like(given)
        for i, items in enumerate(given):
            titles = [words.titles[item] for item in items]
            values = {
                "history": words.history(split.test_history[users[i]][-6:]),
                "candidates": words.separator.join(titles),
                "item": "",
            }
            prompt = template.fill(noun=words.noun, plural=words.plural, **values)[0]
            scores = log_likelihood(model.lm, [prompt], titles).scores("length")[0]
            out[i] = items[np.argsort(-scores, kind="stable")]
        return out

    single = [rank(rng.permuted(candidates, axis=1)) for _ in range(2)]
    many = [order_bootstrap(rank, candidates, orders=8, seed=seed) for seed in (1, 2)]
    swapped = [(1 - kendall(np.argsort(a), np.argsort(b))) / 2 for a, b in (single, many)]
    wanted = [[target] for target in candidates[:, 0]]
    hit = [ranking_metrics(lists[0], wanted, 1)["hit@1"] for lists in (single, many)]
    return row(
        "kit-gpt, 4 candidates", "pairs swapped by the order alone", *swapped, "hit@1 of 4", *hit
    )


def tuned(lm, prompts: list[str], targets: list[str], steps: int):
    """A copy trained on prompt -> target, 16 at a time."""
    lm, rng = lm.clone(), np.random.default_rng([SEED, 17])
    optimiser = torch.optim.AdamW(lm.model.parameters(), lr=3e-4)
    lm.model.train()
    for _ in range(steps):
        some = rng.choice(len(prompts), 16, replace=False)
        optimiser.zero_grad()
        lm.loss([prompts[i] for i in some], [targets[i] for i in some]).backward()
        optimiser.step()
    lm.model.eval()
    return lm


def augmented() -> dict:
    """Tuned on prompts that name each user's gender, and on the same with every prompt for both.

    Compared are the lists when the prompt says the one or the other.
    """
    lm, rng = load_language_model("kit-gpt"), np.random.default_rng([SEED, 19])
    asking = {
        gender: adapt(lm, split, "zero-shot", labels=0, template=about(who))
        for gender, who in (("F", WOMAN), ("M", MAN))
    }
    gender = ds.users["gender"].tolist()
    learners = [u for u in rng.permutation(ds.n_users) if len(split.train[u]) > 5][:600]
    titles = asking["F"].words.titles
    texts = [
        asking[gender[u]].prompt(split.train[u][-9:-1]) + "\t" + titles[split.train[u][-1]]
        for u in learners
    ]
    ndcg, apart, users = [], [], some_users(150)
    histories = [split.test_history[u] for u in users]
    wanted = [split.test_target[u] for u in users]
    for shown in (texts, swap_attribute(texts, [WOMAN, MAN], seed=SEED)):
        pairs = [text.split("\t") for text in shown]
        model = tuned(lm, [a for a, _ in pairs], [b for _, b in pairs], steps=120)
        lists = [
            adapt(model, split, "zero-shot", labels=0, template=about(who)).recommend(histories, 10)
            for who in (WOMAN, MAN)
        ]
        apart.append(
            [1 - len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in zip(*lists, strict=True)]
        )
        each = [ranking_metrics(some, wanted, 10)["ndcg@10"].to_numpy() for some in lists]
        ndcg.append(np.mean(each, axis=0))
    harm = "1 - Jaccard, 'a woman' to 'a man'"
    return row("kit-gpt, tuned on 600 users", harm, *apart, "ndcg@10", *ndcg)


class ItemGPT(ScoreRecommender):
    """A GPT-2 whose tokens are items, as opacus can train it; scores from the last place."""

    def __init__(self, length: int = 24):
        from transformers import GPT2Config, GPT2LMHeadModel

        torch.manual_seed(SEED)
        end = ds.n_items
        config = GPT2Config(
            vocab_size=end + 1,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            n_embd=48,
            n_layer=2,
            n_head=2,
            n_positions=length,
            tie_word_embeddings=False,
        )
        self.model = GPT2LMHeadModel(config)
        self.length, self.n_items = length, end

    def tokens(self, histories) -> torch.Tensor:
        return padded([np.asarray(history)[-self.length :] for history in histories], self.n_items)

    def inputs(self, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the model is called with; places have the batch dimension, for opacus."""
        places = torch.arange(tokens.shape[1]).expand_as(tokens)
        seen = tokens != self.n_items
        return {"input_ids": tokens, "attention_mask": seen, "position_ids": places}

    def loss(self, model, batch):
        (tokens,) = batch
        labels = tokens.masked_fill(tokens == self.n_items, -100)
        return model(**self.inputs(tokens), labels=labels).loss

    def score(self, histories, users=None) -> np.ndarray:
        tokens = self.tokens(histories)
        sizes = torch.tensor([min(len(history), self.length) for history in histories])
        last = sizes.clamp_min(1) - 1
        with torch.inference_mode():
            logits = self.model(**self.inputs(tokens)).logits
        return logits[torch.arange(len(last)), last, : self.n_items].numpy()


def private(epochs: int = 15) -> dict:
    """Exposure of canaries planted four times, trained as usual and under DP-SGD with epsilon 8.

    Sequences are what is protected.
    """
    grown, canaries = plant_canaries(split, (4,), n=60, seed=SEED)
    exposure, ndcg = [], []
    for epsilon in (None, 8.0):
        gpt = ItemGPT()
        data = torch.utils.data.TensorDataset(gpt.tokens(grown.train))
        order = torch.Generator().manual_seed(SEED)
        loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True, generator=order)
        if epsilon:
            private_training(
                gpt.model, loader, gpt.loss, epsilon=epsilon, epochs=epochs, lr=3e-3, seed=SEED
            )
        else:
            optimiser = torch.optim.Adam(gpt.model.parameters(), lr=3e-3)
            for batch in (batch for _ in range(epochs) for batch in loader):
                optimiser.zero_grad()
                gpt.loss(gpt.model, batch).backward()
                optimiser.step()
        gpt.model.eval()
        ranks = canary_ranks(gpt, canaries[4])
        exposure.append(canary_exposure(ranks, ds.n_items - canaries[4].shape[1] + 1))
        ndcg.append(collect(gpt, ds, split).metrics["ndcg@10"])
    harm = "exposure of canaries planted 4 times, bits"
    return row("GPT-2 over items", harm, *exposure, "ndcg@10", *ndcg)


def explored() -> dict:
    """Ten rounds of the feedback loop, retrained without and with 20 % random places."""
    town = ds.subset_users(np.arange(300))
    frame = simulate(ItemKNN, town, seeds=range(5), rounds=10, explore=[0.0, 0.2], consume=False)
    last = frame[frame["round"] == 10].pivot_table(
        index="seed", columns=["metric", "arm"], values="value"
    )
    arms = [arm for arm in last["coverage"].columns if arm.startswith("retrained")]
    plain, mixed = min(arms, key=len), max(arms, key=len)
    lost = [1 - last["coverage"][arm].to_numpy() for arm in (plain, mixed)]
    served = [last["served"][arm].to_numpy() for arm in (plain, mixed)]
    return row(
        "ItemKNN in the loop", "catalogue shown to nobody, round 10", *lost, "served", *served
    )


CASES: dict[str, Callable[[], dict]] = {
    "popularity penalty .3": lambda: reranked(
        lambda e: PopularityPenalty(e.item_counts, 0.3),
        "popularity lift",
        lambda e: e.popularity_lift,
    ),
    "xQuAD .5": lambda: reranked(
        lambda e: XQuAD(TAIL, 0.5), "places without a tail item", lambda e: places_without(e, TAIL)
    ),
    "calibrated .5": lambda: reranked(
        lambda e: Calibrated(e.categories[0], 0.5), "miscalibration", lambda e: e.miscalibration
    ),
    "FA*IR .4": lambda: reranked(
        lambda e: FairTopK(MINORITY, 0.4),
        "places without a minority's item",
        lambda e: places_without(e, MINORITY),
    ),
    "IPS by thinning": reweighting,
    "counterfactual augmentation": augmented,
    "adversarial removal": adversarial,
    "constrained decoding": constrained,
    "order bootstrap, 8 orders": ordered,
    "DP-SGD, epsilon 8": private,
    "exploration 20 %": explored,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    path, rows = shipped(FILE), {}
    if path.is_file():
        recorded = pd.read_csv(path).set_index("mitigation")
        rows = {name: part.to_dict() for name, part in recorded.iterrows()}
    for name in parser.parse_args().only:
        start = time.perf_counter()
        found = CASES[name]()
        rows[name] = found | {
            "seed": SEED,
            "seconds": round(time.perf_counter() - start, 1),
            "commit": clone_commit(mark_changes=False),
        }
        text = ", ".join(
            f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in rows[name].items()
        )
        print(f"{name}: {text}", flush=True)
        kept = [{"mitigation": name, **rows[name]} for name in CASES if name in rows]
        frame = pd.DataFrame(kept).round(6)
        ship({FILE: frame.to_csv(index=False).encode()}, "python benchmarks/audit_mitigations.py")


if __name__ == "__main__":
    main()
