"""Metrics of rankings and texts, full-catalogue evaluation, and the statistics of a difference."""

from tutorial_lib.evaluation.beyond_accuracy import coverage, gini
from tutorial_lib.evaluation.comparison import Comparison
from tutorial_lib.evaluation.cuts import by_cuts, cuts_of, expected_among
from tutorial_lib.evaluation.estimates import Interval, p_text, spearman
from tutorial_lib.evaluation.expected import expected_metrics
from tutorial_lib.evaluation.full_ranking import evaluate, evaluate_scores
from tutorial_lib.evaluation.protocols import (
    SampledMetricsWarning,
    evaluate_sampled,
    expected_sampled,
    impossible_share,
)
from tutorial_lib.evaluation.ranking import ranking_metrics
from tutorial_lib.evaluation.ranks import target_ranks
from tutorial_lib.evaluation.ratings import auc, user_auc
from tutorial_lib.evaluation.scorecard import Scorecard, pareto_front, scorecard
from tutorial_lib.evaluation.statements import (
    catalogue_facts,
    factual_frame,
    feature_metrics,
    mentioned,
    perplexity,
)
from tutorial_lib.evaluation.statistics import (
    compare,
    holm,
    holm_comparisons,
    mean_interval,
    summarise,
)
from tutorial_lib.evaluation.text import corpus_bleu, rouge, text_frame, text_metrics

__all__ = [
    "Comparison",
    "Interval",
    "SampledMetricsWarning",
    "Scorecard",
    "auc",
    "by_cuts",
    "catalogue_facts",
    "compare",
    "corpus_bleu",
    "coverage",
    "cuts_of",
    "evaluate",
    "evaluate_sampled",
    "evaluate_scores",
    "expected_among",
    "expected_metrics",
    "expected_sampled",
    "factual_frame",
    "feature_metrics",
    "gini",
    "holm",
    "holm_comparisons",
    "impossible_share",
    "mean_interval",
    "mentioned",
    "p_text",
    "pareto_front",
    "perplexity",
    "ranking_metrics",
    "rouge",
    "scorecard",
    "spearman",
    "summarise",
    "target_ranks",
    "text_frame",
    "text_metrics",
    "user_auc",
]
