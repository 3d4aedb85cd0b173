"""The ethics audit: who may be harmed, measured with inference that holds, judged by margins
declared beforehand.

`audit` looks at the lists of any recommender. What needs more stands in a module of its own, and
its findings are added to the report: counterfactual prompts, privacy, truth, manipulation, the long
run, footprint, transparency, mitigation, protocols; the register holds harms and interviews.
"""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "core.audit": ("audit",),
        "core.lists": ("row_means",),
        "core.declaration": ("Declaration", "declare"),
        "core.evidence": ("collect",),
        "core.finding": (
            *("VERDICTS", "Finding", "findings_frame", "judge", "make_finding", "verdict_of"),
        ),
        "core.groups": ("shown",),
        "logs.logged": ("LoggedLists",),
        "core.margins": ("MARGINS", "checked_margins"),
        "core.opinion": ("RULES",),
        "harms.counterfactual": ("counterfactual_findings", "wording_table"),
        "harms.footprint": ("measure_footprint",),
        "harms.longrun": ("MEASURES", "longrun_findings", "simulate"),
        "harms.manipulation": ("attack_findings", "matched_controls", "shilled"),
        "harms.privacy": ("attribute_leak", "history_features", "size_features"),
        "harms.memorisation": ("canary_ranks", "memorisation", "plant_canaries"),
        "harms.popularity": ("tail_items",),
        "harms.protocols": ("PROTOCOLS", "gap_by_protocol", "gap_by_targets"),
        "harms.register": ("register_frame", "stakeholders"),
        "harms.similarity": ("list_similarity",),
        "harms.transparency": ("main_parameters", "non_profiling_cost"),
        "harms.truth": ("contamination", "generated_titles_findings"),
        "inference.statistics": ("mean_shift", "studentised_permutation_p"),
        "mitigation.frontier": ("before_after", "frontier"),
        "mitigation.learned": ("remove_attribute",),
        "mitigation.reranking": ("Calibrated", "PopularityPenalty", "Reranked", "XQuAD"),
        "report.opening": ("opening",),
        "report.report": ("AuditReport", "Opinion"),
    },
)
