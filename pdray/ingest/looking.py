"""From the bytes of images to what is known of them: decoded, hashed, measured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents
from pdray.images.errors import ImageError
from pdray.images.examine import Examined, examine
from pdray.images.resize import Resize
from pdray.ingest.guarded import DEATHS, Guard, Limits
from pdray.ingest.watchdog import Watchdog
from pdray.records import Failure, Preprocessing, content_id
from pdray.sources.protocol import Content

Family = tuple[Preprocessing, KnownContents]  # what a model makes, and of which contents it has


@dataclass(frozen=True, slots=True)
class Looked:
    """An image that was decoded. `parts` are, family by family, those that know its content."""

    examined: Examined
    parts: tuple[str | None, ...]
    size: int  # bytes read


def look_at(
    read: Iterable[tuple[Item, Content | Failure]],
    families: Sequence[Family],
    pool: ThreadPoolExecutor | None,
    *,
    thumbnail_side: int,
    max_pixels: int,
    resize: Resize | None,
    limits: Limits,
    deaths: Mapping[str, int],
) -> Iterator[Looked | Failure]:
    """What each image is, in order: decoded once, with pixels for each family that doesn't know the
    content.

    `deaths` are the processes that died with an image in hand, by uri: a suspect is looked at in a
    process of its own. An image that takes longer than the limits ends this process.
    """

    def look(one: tuple[Item, Content | Failure]) -> Looked | Failure:
        item, content = one
        if isinstance(content, Failure):
            return content
        data = content.data
        parts = _find(families, data)
        unknown = [rule for (rule, _), part in zip(families, parts, strict=True) if part is None]
        wanted = frozenset(rule.pixel_key for rule in unknown)
        sizes = {"thumbnail_side": thumbnail_side, "max_pixels": max_pixels}
        if deaths.get(item.uri, 0) >= DEATHS:
            found = guard.examine(item.uri, data, rules, wanted=wanted, **sizes)
            return found if isinstance(found, Failure) else done(found, content, parts)
        try:
            with watchdog.image():
                examined = examine(data, rules, resize=resize, wanted=wanted, **sizes)
        except ImageError as error:
            return Failure(item.uri, "decode", error.kind, error.reason)
        except Exception as error:  # whatever one image sets off must not cost its unit, for ever
            return Failure(item.uri, "decode", "unexpected", f"It upset the decoder: {error!r}.")
        return done(examined, content, parts)

    def done(examined: Examined, content: Content, parts: tuple[str | None, ...]) -> Looked:
        return Looked(_with_words(examined, content), parts, len(content.data))

    # Models that want the same pixels share them.
    rules = tuple({rule.pixel_key: rule for rule, _ in families}.values())
    with Guard(limits) as guard, Watchdog(limits.seconds) as watchdog:
        yield from (pool.map if pool else map)(look, read)


def _find(families: Sequence[Family], data: bytes) -> tuple[str | None, ...]:
    if not any(len(known) for _, known in families):
        return (None,) * len(families)
    content = content_id(data)
    return tuple(known.find(content) for _, known in families)


def _with_words(examined: Examined, content: Content) -> Examined:
    """With what the source says beside the image."""
    if content.caption is None and content.extra is None:
        return examined
    said = replace(examined.metadata, caption=content.caption, extra=content.extra)
    return replace(examined, metadata=said)
