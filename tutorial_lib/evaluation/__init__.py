"""Ranking, rating and text metrics, full-catalogue evaluation, the scorecard, and the statistics of
a difference.
"""

from tutorial_lib.evaluation.beyond_accuracy import (
    coverage,
    gini,
    list_statistics,
    novelty,
    popularity,
)
from tutorial_lib.evaluation.full_ranking import evaluate, evaluate_scores
from tutorial_lib.evaluation.ranking import ranking_metrics
from tutorial_lib.evaluation.ranks import target_ranks
from tutorial_lib.evaluation.ratings import auc, mae, rmse, user_auc
from tutorial_lib.evaluation.scorecard import Scorecard, pareto_front, scorecard, spearman
from tutorial_lib.evaluation.statements import (
    catalogue_facts,
    factual_frame,
    feature_metrics,
    mentioned,
    perplexity,
)
from tutorial_lib.evaluation.statistics import (
    Comparison,
    Interval,
    compare,
    compare_seeds,
    holm,
    holm_comparisons,
    mean_interval,
    summarise,
)
from tutorial_lib.evaluation.text import corpus_bleu, rouge, text_frame, text_metrics

__all__ = [
    "Comparison",
    "Interval",
    "Scorecard",
    "auc",
    "catalogue_facts",
    "compare",
    "compare_seeds",
    "corpus_bleu",
    "coverage",
    "evaluate",
    "evaluate_scores",
    "factual_frame",
    "feature_metrics",
    "gini",
    "holm",
    "holm_comparisons",
    "list_statistics",
    "mae",
    "mean_interval",
    "mentioned",
    "novelty",
    "pareto_front",
    "perplexity",
    "popularity",
    "ranking_metrics",
    "rmse",
    "rouge",
    "scorecard",
    "spearman",
    "summarise",
    "target_ranks",
    "text_frame",
    "text_metrics",
    "user_auc",
]
