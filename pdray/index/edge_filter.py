"""A Filter in the words of Qdrant Edge."""

from typing import Any

import qdrant_edge as edge

from pdray.index.filters import (
    AnyOf,
    Box,
    Condition,
    Dates,
    Equals,
    Filter,
    Missing,
    Near,
    Range,
    Words,
    composed,
)


def translate(where: Filter | None) -> Any:
    """The `qdrant_edge.Filter`, or None where everything matches."""
    return composed(where, _condition, edge.Filter)


def _condition(each: Condition) -> Any:
    match each:
        case Equals(field, value):
            return edge.FieldCondition(field, match=edge.MatchValue(value))
        case AnyOf(field):
            values: list[Any] = list(each.values)
            return edge.FieldCondition(field, match=edge.MatchAny(values))
        case Range(field):
            span = edge.RangeFloat(gte=each.gte, gt=each.gt, lte=each.lte, lt=each.lt)
            return edge.FieldCondition(field, range=span)
        case Dates(field):
            return edge.FieldCondition(field, range=edge.RangeDateTime(**each.bounds()))
        case Near(lon, lat, metres, field):
            circle = edge.GeoRadius(edge.GeoPoint(lon, lat), metres)
            return edge.FieldCondition(field, geo_radius=circle)
        case Box(north, west, south, east, field):
            box = edge.GeoBoundingBox(edge.GeoPoint(west, north), edge.GeoPoint(east, south))
            return edge.FieldCondition(field, geo_bounding_box=box)
        case Words(field, text, phrase):
            match = edge.MatchPhrase(text) if phrase else edge.MatchText(text)
            return edge.FieldCondition(field, match=match)
        case Missing(field, present):
            return edge.FieldCondition(field, is_empty=not present)
