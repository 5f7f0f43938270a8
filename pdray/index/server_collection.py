"""The collection of a space on a server: its alias, marker, payload indexes and ledger."""

import uuid
from typing import Any

from qdrant_client import models

from pdray import log
from pdray.errors import IndexUnavailable
from pdray.index.connection import Connection
from pdray.index.layout import Layout
from pdray.index.ledger import Ledger
from pdray.index.schema import FORMAT, PAYLOAD_INDEXES, FieldType
from pdray.index.server_layout import differences, vectors
from pdray.index.target import IndexTarget

MARKER = "pdray"  # the key of our marker in the collection's metadata


def named(alias: str, uid: str) -> str:
    """The collection of that uid behind an alias; no space has an underscore."""
    return f"{alias}_{uid}"


def serving(line: Connection, alias: str) -> str | None:
    """The collection that the alias points at, or None."""
    aliases = line.call(lambda client: client.get_aliases()).aliases
    return next((each.collection_name for each in aliases if each.alias_name == alias), None)


def create(line: Connection, alias: str, space: str, dim: int, layout: Layout) -> str:
    """Makes an empty collection with a new uid, not yet behind the alias; returns the uid."""
    uid = uuid.uuid4().hex[:12]
    name = named(alias, uid)
    marker = {MARKER: {"format": FORMAT, "space": space, "uid": uid, "dim": dim}}

    def make(client: Any) -> None:
        # An attempt whose answer was lost has made it already.
        if not client.collection_exists(name):
            client.create_collection(
                name,
                vectors_config=vectors(layout, dim),
                shard_number=layout.shards,
                replication_factor=layout.replicas,
                write_consistency_factor=layout.write_consistency,
                metadata=marker,
            )

    line.call(make)
    return uid


def point_at(line: Connection, alias: str, name: str) -> None:
    """Points the alias at a collection in one step."""
    switch = models.CreateAlias(collection_name=name, alias_name=alias)
    operations: list[models.AliasOperations] = [
        models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)),
        models.CreateAliasOperation(create_alias=switch),
    ]
    line.call(lambda client: client.update_collection_aliases(operations))


def _marker(line: Connection, name: str) -> dict[str, Any]:
    config = line.call(lambda client: client.get_collection(name)).config
    found = (config.metadata or {}).get(MARKER)
    return found if isinstance(found, dict) else {}


def checked_uid(line: Connection, name: str, space: str, dim: int) -> str:
    """The uid in the marker; raises IndexUnavailable where it isn't our index of this space."""
    marker = _marker(line, name)
    if "uid" not in marker or marker.get("space") != space:
        raise IndexUnavailable(
            f"The collection {name} on the Qdrant server at {line.place} isn't pdray's index of "
            f"{space}, or the server is older than 1.16: use a newer server or another prefix."
        )
    if marker.get("format") != FORMAT or marker.get("dim") != dim:
        raise IndexUnavailable(
            f"The collection {name} on the Qdrant server at {line.place} has format "
            f"{marker.get('format')} and {marker.get('dim')} dimensions, not {FORMAT} and {dim}: "
            "run `pdray rebuild` to make it anew."
        )
    return str(marker["uid"])


def compare(line: Connection, name: str, layout: Layout) -> None:
    """Warns where a collection is not as the settings say: no server changes that by itself."""
    params = line.call(lambda client: client.get_collection(name)).config.params
    if found := ", ".join(differences(params, layout)):
        log.get("index").warning(
            "The collection %s on the Qdrant server at %s is not as the settings say: it has %s. "
            "It works as it is; `pdray rebuild` makes it anew.",
            name,
            line.place,
            found,
        )


def index_payload(line: Connection, name: str) -> None:
    """Indexes what is missing of PAYLOAD_INDEXES."""
    have = line.call(lambda client: client.get_collection(name)).payload_schema
    for field, kind in PAYLOAD_INDEXES.items():
        if field not in have:
            line.call(
                lambda client, field=field, kind=kind: client.create_payload_index(  # type: ignore[misc]
                    name, field, _schema(kind), wait=True
                )
            )


def _schema(
    kind: FieldType,
) -> models.KeywordIndexParams | models.TextIndexParams | models.PayloadSchemaType:
    if kind == "tenant":
        return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    if kind == "text":
        return models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            lowercase=True,
            ascii_folding=True,
            phrase_matching=True,
        )
    if kind == "presence":
        # Every index knows which points have a value; this one holds none of the texts.
        return models.PayloadSchemaType.INTEGER
    return models.PayloadSchemaType(kind)


def drop_others(
    line: Connection, target: IndexTarget, alias: str, space: str, keep: str | None
) -> None:
    """Drops every collection of this space but one, with its ledger."""
    listed = line.call(lambda client: client.get_collections()).collections
    for name in [each.name for each in listed if each.name.startswith(f"{alias}_")]:
        marker = _marker(line, name) if name != keep else {}
        if marker.get("space") == space:
            line.call(lambda client, name=name: client.delete_collection(name))  # type: ignore[misc]
            ledger_of(target, space, str(marker.get("uid"))).forget()


def ledger_of(target: IndexTarget, space: str, uid: str) -> Ledger:
    """The ledger of a collection, in the workspace. Raises ValueError where none is named."""
    if not target.workspace:
        raise ValueError("The index on a server keeps its ledger in the workspace: name it.")
    return Ledger(f"{target.workspace.rstrip('/')}/projections/{space}/{uid}")
