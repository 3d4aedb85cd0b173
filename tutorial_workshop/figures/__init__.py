"""The drawings and tables of the notebooks, each module those of one lesson."""

from tutorial_lib.exports import lazy_exports

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "audit": (
            *("show_findings", "levels_table", "remedies_table", "say_group_sizes"),
            *("show_frontier",),
        ),
        "basics": (
            *("choices_of", "depth_curves", "describe_playground", "metric_curves"),
            *("metric_playground", "show_redrawn", "two_panels", "user_lists"),
        ),
        "crossings": ("crossing", "show_crossings"),
        "costs": ("cost_map", "cost_table", "describe_cost", "show_cost_panels"),
        "decision_guide": ("advice_table", "guide", "show_advice"),
        "evaluation": (
            *("SampledCurves", "recorded_signs", "say_which_side_wins", "show_curse"),
            *("show_draws", "show_pareto_picture"),
        ),
        "experts": ("expert_shares", "show_against", "show_experts"),
        "feedback": ("FeedbackView",),
        "generative": (
            *("CodeExplorer", "claim_in_words", "costs_table", "earned"),
            *("kind_means", "kind_tests"),
            *("show_kinds", "show_rankings_by_gap", "show_written"),
        ),
        "grid": (
            *("COSTS", "at_labels", "grid_means", "over_users", "select"),
            *("show_learning_curves",),
        ),
        "labels": ("over_seeds", "seed_means", "show_label_curves"),
        "language_models": ("HeadRuns", "PromptEditor", "next_item_chances"),
        "live_curve": ("LiveCurve",),
        "objectives": (
            *("attention_pictures", "describe_masking", "masking_picture"),
            *("show_learning_panels", "show_reliability", "show_share_of_ceiling"),
            "what_is_asked",
        ),
        "open_questions": (
            *("CitationView", "joint_table", "say_false_answers", "show_evidence", "show_joint"),
        ),
        "paired_tests": (
            *("compared", "family_tests", "order_in_words", "say_what_could_be_seen"),
            *("say_which_were_run", "share_decided", "show_gains", "table_of_tests"),
        ),
        "prompts": (*("ScorePlot", "agreement_table", "order_agreement", "show_measure_scatter"),),
        "real_likes": ("likes_of_real_models", "show_forms", "show_threshold", "show_wordings"),
        "real_live": ("ask_likes", "ask_triggers", "ask_users"),
        "real_live_titles": ("ask_named", "ask_vectors", "ask_years"),
        "real_model": (
            *("interval_table", "named_findings", "probe", "show_memory", "show_named"),
            *("show_reranking", "show_triggers"),
        ),
        "scale": ("show_scale", "show_search_by_size", "size_tests"),
        "searches": (
            *("best_found", "best_manual", "say_calls_needed", "search_traces", "shares_of_calls"),
            *("show_own_words", "show_traces", "start_comparisons", "task_comparisons"),
            "values_of",
        ),
        "stakeholder_map": ("show_stakeholder_map",),
        "transfer": (
            *("TransferView", "recorded_cells", "recorded_tests"),
            *("say_paths", "share_of_ceiling", "show_board", "show_leaders", "show_written_paths"),
        ),
        "verdicts": ("VerdictView",),
        "words": ("difference_in_words", "recap_table", "verdict_table"),
    },
)
