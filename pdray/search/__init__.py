"""Queries, their fusion, and the contact sheet of an answer."""

from pdray.search.fusion import reciprocal_rank_fusion
from pdray.search.query import Answer, Query, Towers, search, search_many
from pdray.search.sheet import contact_sheet

__all__ = [
    "Answer",
    "Query",
    "Towers",
    "contact_sheet",
    "reciprocal_rank_fusion",
    "search",
    "search_many",
]
