"""From a recommender to findings: evidence collected once, measures, margins, opinion."""
