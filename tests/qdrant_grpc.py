"""The gRPC half of the tests' own Qdrant server: the same points as its REST half.

What comes in is turned into the REST half's requests by the client's own conversions, and its
answers are turned back.
"""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from qdrant_client import grpc as wire
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from tests.qdrant_http import Fate, QdrantHttp

_READS = {"Get", "QueryBatch", "Scroll", "Count", "Facet", "List", "ListAliases"}


class QdrantGrpc:
    """`with QdrantHttp() as home, QdrantGrpc(home) as server:`, then `server.port`.

    With `chain`, key and certificate in one PEM file, it speaks TLS.
    """

    def __init__(self, home: QdrantHttp, chain: Path | None = None) -> None:
        self.home, self.chain, self.port = home, chain, 0
        self.asked: list[str] = []  # the names of all requests, in their order
        self._server: grpc.Server | None = None

    def start(self) -> None:
        """Listens, on the same port each time."""
        self._server = server = grpc.server(ThreadPoolExecutor(4))
        wire.add_PointsServicer_to_server(_Points(self), server)
        wire.add_CollectionsServicer_to_server(_Collections(self), server)
        place = f"127.0.0.1:{self.port}"
        if self.chain is None:
            self.port = server.add_insecure_port(place)
        else:
            pem = self.chain.read_bytes()
            credentials = grpc.ssl_server_credentials([(pem, pem)])
            self.port = server.add_secure_port(place, credentials)
        server.start()

    def stop(self) -> None:
        """Goes away; the points stay."""
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def __enter__(self) -> "QdrantGrpc":
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @contextmanager
    def answering(self, context: grpc.ServicerContext, name: str) -> Iterator[QdrantHttp]:
        """The REST half, for one request of that name that may be answered."""
        self.asked.append(name)
        key = dict(context.invocation_metadata()).get("api-key", "")
        may_write = self.home.keys.get(str(key))
        if self.home.keys and not (may_write or (may_write is False and name in _READS)):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "Forbidden")
        fate = self.home.fate() if name == "UpdateBatch" else Fate.ANSWERED
        assert fate in (Fate.ANSWERED, Fate.REFUSED, Fate.LOST), f"{fate} is of the REST half alone"
        if fate is Fate.REFUSED:
            context.abort(grpc.StatusCode.UNAVAILABLE, "overloaded")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield self.home
            except ValueError as error:
                gone = "not found" in str(error)
                code = grpc.StatusCode.NOT_FOUND if gone else grpc.StatusCode.INVALID_ARGUMENT
                context.abort(code, str(error))
        if fate is Fate.LOST:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")


def _rest(convert: Callable[[Any], Any], request: Any, field: str) -> Any:
    return convert(getattr(request, field)) if request.HasField(field) else None


def _body(model: Any) -> Any:
    return model.model_dump(mode="json", exclude_none=True)


def _record(found: models.Record) -> Any:
    found.payload = found.payload or {}  # none is empty in gRPC
    return RestToGrpc.convert_retrieved_point(found)


def _selected(request: Any) -> dict[str, Any]:
    payload = _rest(GrpcToRest.convert_with_payload_selector, request, "with_payload")
    vector = _rest(GrpcToRest.convert_with_vectors_selector, request, "with_vectors")
    # What is not said is no in gRPC.
    return {"with_payload": payload or False, "with_vector": vector or False}


class _Points(wire.PointsServicer):  # type: ignore[misc]
    def __init__(self, server: QdrantGrpc) -> None:
        self.server = server

    def UpdateBatch(self, request: Any, context: Any) -> Any:  # noqa: N802  the protocol's names
        convert = GrpcToRest.convert_points_update_operation
        asked = models.UpdateOperations(operations=[convert(one) for one in request.operations])
        with self.server.answering(context, "UpdateBatch") as home:
            home.update(_body(asked), request.collection_name)
        done = wire.UpdateResult(operation_id=1, status=wire.UpdateStatus.Completed)
        return wire.UpdateBatchResponse(result=[done for _ in request.operations])

    def Get(self, request: Any, context: Any) -> Any:  # noqa: N802
        ids = [GrpcToRest.convert_point_id(one) for one in request.ids]
        asked = models.PointRequest(ids=ids, **_selected(request))
        with self.server.answering(context, "Get") as home:
            found = home.retrieve(_body(asked), request.collection_name)
        return wire.GetResponse(result=[_record(one) for one in found])

    def QueryBatch(self, request: Any, context: Any) -> Any:  # noqa: N802
        searches = []
        for one in request.query_points:
            query = _rest(GrpcToRest.convert_query, one, "query")
            searches.append(
                models.QueryRequest(
                    query=query,
                    filter=_rest(GrpcToRest.convert_filter, one, "filter"),
                    limit=one.limit,
                    **_selected(one),
                )
            )
        asked = models.QueryRequestBatch(searches=searches)
        with self.server.answering(context, "QueryBatch") as home:
            found = home.query_batch(_body(asked), request.collection_name)
        hits = [[RestToGrpc.convert_scored_point(hit) for hit in one.points] for one in found]
        return wire.QueryBatchResponse(result=[wire.BatchResult(result=one) for one in hits])

    def Scroll(self, request: Any, context: Any) -> Any:  # noqa: N802
        asked = models.ScrollRequest(
            filter=_rest(GrpcToRest.convert_filter, request, "filter"),
            limit=request.limit,
            offset=_rest(GrpcToRest.convert_point_id, request, "offset"),
            order_by=_rest(GrpcToRest.convert_order_by, request, "order_by"),
            **_selected(request),
        )
        with self.server.answering(context, "Scroll") as home:
            found = home.scroll(_body(asked), request.collection_name)
        rows = [models.Record.model_validate(one) for one in found["points"]]
        following = found["next_page_offset"]
        return wire.ScrollResponse(
            result=[_record(one) for one in rows],
            next_page_offset=following and RestToGrpc.convert_extended_point_id(following),
        )

    def Count(self, request: Any, context: Any) -> Any:  # noqa: N802
        where = _rest(GrpcToRest.convert_filter, request, "filter")
        asked = models.CountRequest(filter=where, exact=True)
        with self.server.answering(context, "Count") as home:
            found = home.count(_body(asked), request.collection_name)
        return wire.CountResponse(result=RestToGrpc.convert_count_result(found))

    def Facet(self, request: Any, context: Any) -> Any:  # noqa: N802
        where = _rest(GrpcToRest.convert_filter, request, "filter")
        asked = models.FacetRequest(key=request.key, filter=where, limit=request.limit)
        with self.server.answering(context, "Facet") as home:
            found = home.facet(_body(asked), request.collection_name)
        hits = [RestToGrpc.convert_facet_value_hit(hit) for hit in found.hits]
        return wire.FacetResponse(hits=hits)

    def CreateFieldIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = wire.FieldType.Name(request.field_type).removeprefix("FieldType").lower()
        asked = {"field_name": request.field_name, "field_schema": kind}
        with self.server.answering(context, "CreateFieldIndex") as home:
            home.index(asked, request.collection_name)
        done = wire.UpdateResult(operation_id=1, status=wire.UpdateStatus.Completed)
        return wire.PointsOperationResponse(result=done)


class _Collections(wire.CollectionsServicer):  # type: ignore[misc]
    def __init__(self, server: QdrantGrpc) -> None:
        self.server = server

    def ListAliases(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self.server.answering(context, "ListAliases") as home:
            found = home.aliases(None).aliases
        return wire.ListAliasesResponse(
            aliases=[RestToGrpc.convert_alias_description(one) for one in found]
        )

    def List(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self.server.answering(context, "List") as home:
            found = home.collections(None).collections
        return wire.ListCollectionsResponse(
            collections=[wire.CollectionDescription(name=one.name) for one in found]
        )

    def CollectionExists(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self.server.answering(context, "CollectionExists") as home:
            found = home.exists(None, request.collection_name)
        return wire.CollectionExistsResponse(result=wire.CollectionExists(**found))

    def Get(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self.server.answering(context, "Get") as home:
            found = home.collection(None, request.collection_name)
        info = models.CollectionInfo.model_validate(found)
        converted = RestToGrpc.convert_collection_info(info)
        return wire.GetCollectionInfoResponse(result=converted)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        asked = models.CreateCollection(
            vectors=GrpcToRest.convert_vectors_config(request.vectors_config),
            shard_number=request.shard_number or None,
            replication_factor=request.replication_factor or None,
            write_consistency_factor=request.write_consistency_factor or None,
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        with self.server.answering(context, "Create") as home:
            home.create(_body(asked), request.collection_name)
        return wire.CollectionOperationResponse(result=True)

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self.server.answering(context, "Delete") as home:
            home.drop(None, request.collection_name)
        return wire.CollectionOperationResponse(result=True)

    def UpdateAliases(self, request: Any, context: Any) -> Any:  # noqa: N802
        actions = [GrpcToRest.convert_alias_operations(one) for one in request.actions]
        asked = models.ChangeAliasesOperation(actions=actions)
        with self.server.answering(context, "UpdateAliases") as home:
            home.change_aliases(_body(asked))
        return wire.CollectionOperationResponse(result=True)
