"""The index: a projection of the catalog in Qdrant, embedded (Edge) or a server. The only qdrant.

`opening.open_index` and `opening.rebuild_index` are the doors; what they yield is a
`protocol.Index`. Nothing here imports Qdrant before an index is opened.
"""
