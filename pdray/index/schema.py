"""What an index looks like inside: payload indexes, format, and when a search is exact."""

from typing import Literal

FORMAT = 2  # of pdray's use of Qdrant; an index of another format is rebuilt

FieldType = Literal["tenant", "keyword", "integer", "float", "datetime", "geo", "text", "presence"]

# A filter may use these fields and no other: without an index a server refuses or crawls. A field
# that is added here is indexed when an existing index is opened next. Each slows the
# upsert (all of them: 12,000 points a second become 3,800), so what is only read has none.
PAYLOAD_INDEXES: dict[str, FieldType] = {
    "collection": "tenant",
    "folders": "keyword",
    "format": "keyword",
    "orientation": "keyword",
    "camera_make": "keyword",
    "camera_model": "keyword",
    "camera": "keyword",
    "lens": "keyword",
    "keywords": "keyword",
    "width": "integer",
    "height": "integer",
    "pixels": "integer",
    "size": "integer",
    "iso": "integer",
    "rating": "integer",
    "exposure_seconds": "float",
    "f_number": "float",
    "focal_length_mm": "float",
    "altitude_m": "float",
    "taken_at": "datetime",
    "location": "geo",
    "text": "text",
    "caption": "presence",
}

# Walking an HNSW graph under a filter loses neighbours (recall@10 of 0.33 was measured), while
# scanning this many matches costs about 10 ms at 512 dimensions.
EXACT_UP_TO = 50_000

# Filters that keep up to this share of the points are walked with ACORN. Qdrant's own bound is 0.4;
# where a filter goes along with the clusters, recall@10 was 0.96 at a share of 0.5 and 0.99 at 0.7
# without it and 1.0 with it. Above, as for a collection that has the index to itself, the plain
# walk finds the same in a fraction of the time.
ACORN_UP_TO = 0.95

# Candidates that an HNSW search keeps. The default of 100 gives up recall for little time.
HNSW_EF = 256
