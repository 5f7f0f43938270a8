"""A Filter in the words of the Qdrant client."""

from typing import Any

from qdrant_client import models

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


def translate(where: Filter | None) -> models.Filter | None:
    """The client's Filter, or None where everything matches."""
    return composed(where, _condition, models.Filter)


def _condition(each: Condition) -> models.FieldCondition:
    match each:
        case Equals(field, value):
            return models.FieldCondition(key=field, match=models.MatchValue(value=value))
        case AnyOf(field):
            values: list[Any] = list(each.values)
            return models.FieldCondition(key=field, match=models.MatchAny(any=values))
        case Range(field):
            span = models.Range(gte=each.gte, gt=each.gt, lte=each.lte, lt=each.lt)
            return models.FieldCondition(key=field, range=span)
        case Dates(field):
            days = models.DatetimeRange.model_validate(each.bounds())
            return models.FieldCondition(key=field, range=days)
        case Near(lon, lat, metres, field):
            centre = models.GeoPoint(lon=lon, lat=lat)
            circle = models.GeoRadius(center=centre, radius=metres)
            return models.FieldCondition(key=field, geo_radius=circle)
        case Box(north, west, south, east, field):
            box = models.GeoBoundingBox(
                top_left=models.GeoPoint(lon=west, lat=north),
                bottom_right=models.GeoPoint(lon=east, lat=south),
            )
            return models.FieldCondition(key=field, geo_bounding_box=box)
        case Words(field, text, True):
            return models.FieldCondition(key=field, match=models.MatchPhrase(phrase=text))
        case Words(field, text):
            return models.FieldCondition(key=field, match=models.MatchText(text=text))
        case Missing(field, present):
            return models.FieldCondition(key=field, is_empty=not present)
