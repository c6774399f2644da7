"""Which plan is best: every one at once, the frontier, why the others lost, mixed clusters. Taught in chapter 08."""

from dcserver.planning.clusters import Comparison, compare, resized
from dcserver.planning.explain import Explanation, explain
from dcserver.planning.mixed import Group, MixedResult, finish_together, mixed
from dcserver.planning.search import Candidate, SearchResult, rent, search
from dcserver.planning.space import OFFERS, Space, space

__all__ = [
    "OFFERS",
    "Candidate",
    "Comparison",
    "Explanation",
    "Group",
    "MixedResult",
    "SearchResult",
    "Space",
    "compare",
    "explain",
    "finish_together",
    "mixed",
    "rent",
    "resized",
    "search",
    "space",
]
