"""Images in a tar shard: listed by its headers, read by ranges, with what its sidecars say."""

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from pdray.records import ImageRef
from pdray.sources import sidecar
from pdray.sources.protocol import Content
from pdray.sources.selection import is_hidden, is_image_name
from pdray.sources.shards import Span, coalesce, cut_out, split
from pdray.sources.tar import Member, members
from pdray.sources.uri import quote_path, unquote_path

_WINDOW_IMAGES = 32
_WINDOW_BYTES = 8 * 2**20
_SIDECARS = ("json", "txt")


class Inside(NamedTuple):
    """What a listing of one shard found. `fault` is why it found no more."""

    images: list[ImageRef]
    ignored: int
    fault: OSError | None


Ranges = Callable[[str, Sequence[Span]], Sequence[bytes]]


class Place(NamedTuple):
    """Where an image and its sidecars lie in a tar. As text: `1536+5000 json:512+80 txt:7168+9`."""

    image: Span
    json: Span | None = None
    txt: Span | None = None

    def __str__(self) -> str:
        words = [f"{self.image.offset}+{self.image.size}"]
        for kind in _SIDECARS:
            span = getattr(self, kind)
            words += [f"{kind}:{span.offset}+{span.size}"] if span else []
        return " ".join(words)

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The inverse of str."""
        image, *rest = text.split(" ")
        named = {kind: _span(span) for kind, _, span in (word.partition(":") for word in rest)}
        return cls(_span(image), named.get("json"), named.get("txt"))

    @property
    def spans(self) -> list[Span]:
        """All that has to be read."""
        return [span for span in self if span]


def listed(shard: ImageRef, file: BinaryIO, takes: Callable[[str], bool]) -> Inside:
    """The images of a tar, in its order. `takes` judges a member's name."""
    found: dict[str, Member] = {}
    fault: OSError | None = None
    try:
        for member in members(file, shard.size):
            # A name that comes again replaces the first, as unpacking would have it.
            found.pop(member.name, None)
            found[member.name] = member
    except OSError as error:
        fault = error
    images = [name for name in found if is_image_name(name) and not _is_hidden(name)]
    keys = {key_of(name) for name in images}
    beside = sum(1 for name in found if _kind(name) and key_of(name) in keys)
    taken = [name for name in images if takes(name)]
    refs = [_reference(shard, name, found) for name in taken]
    return Inside(refs, len(found) - len(taken) - beside, fault)


def fetched(shard: str, refs: Sequence[ImageRef], ranges: Ranges) -> list[Content | OSError]:
    """The contents of one window of members (see `windows`)."""
    places = [Place.parse(ref.place) for ref in refs]
    wanted = coalesce(span for place in places for span in place.spans)
    try:
        data = ranges(shard, wanted)
    except OSError as error:
        return [error] * len(refs)
    return [_content(ref, place, wanted, data) for ref, place in zip(refs, places, strict=True)]


def windows(refs: Sequence[ImageRef]) -> Iterator[list[ImageRef]]:
    """Members cut into pieces that may be held in memory together."""
    held: list[ImageRef] = []
    size = 0
    for ref in refs:
        more = sum(span.size for span in Place.parse(ref.place).spans)
        if held and (len(held) >= _WINDOW_IMAGES or size + more > _WINDOW_BYTES):
            yield held
            held, size = [], 0
        held.append(ref)
        size += more
    if held:
        yield held


def key_of(name: str) -> str:
    """WebDataset's key of a member: its path up to the first dot of its last name."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]


def _kind(name: str) -> str | None:
    end = name.rpartition("/")[2].partition(".")[2].lower()
    return end if end in _SIDECARS else None


def _is_hidden(name: str) -> bool:
    return any(is_hidden(part) for part in name.split("/"))


def _reference(shard: ImageRef, name: str, found: dict[str, Member]) -> ImageRef:
    key = key_of(name)
    image, document, text = (
        Span(member.offset, member.size) if member else None
        for member in (found[name], found.get(f"{key}.json"), found.get(f"{key}.txt"))
    )
    assert image is not None
    version = f"{shard.version}:{image.offset}-{image.size}"
    uri = f"{shard.uri}!/{quote_path(name)}"
    return ImageRef(uri, image.size, version, str(Place(image, document, text)))


def _content(
    ref: ImageRef, place: Place, ranges: Sequence[Span], data: Sequence[bytes]
) -> Content | OSError:
    try:
        image, document, text = (cut_out(span, ranges, data) if span else None for span in place)
    except OSError as error:
        return error
    inside = split(ref.uri)
    key = key_of(unquote_path(inside[1])) if inside else ""
    return Content(image or b"", *sidecar.from_files(key, document, text))


def _span(text: str) -> Span:
    offset, _, size = text.partition("+")
    return Span(int(offset), int(size))
