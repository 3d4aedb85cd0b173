"""Ranking metrics, full-catalogue evaluation, and the statistics that say how much a difference is worth."""

from tutorial_lib.evaluation.beyond_accuracy import coverage, gini, list_statistics, novelty, popularity
from tutorial_lib.evaluation.full_ranking import evaluate, evaluate_scores
from tutorial_lib.evaluation.ranking import ranking_metrics
from tutorial_lib.evaluation.ranks import target_ranks
from tutorial_lib.evaluation.statistics import Comparison, Interval, compare, holm, mean_interval, summarise

__all__ = [
    "Comparison",
    "Interval",
    "compare",
    "coverage",
    "evaluate",
    "evaluate_scores",
    "gini",
    "holm",
    "list_statistics",
    "mean_interval",
    "novelty",
    "popularity",
    "ranking_metrics",
    "summarise",
    "target_ranks",
]
