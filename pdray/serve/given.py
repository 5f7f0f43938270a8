"""The images that a question names, once they are there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pdray.index.protocol import Stored
from pdray.serve.problems import Problem
from pdray.serve.shapes import MixPart, SearchRequest


@dataclass(frozen=True, slots=True)
class Images:
    """The bytes of the files that came with a question, what its URLs led to, and the known images
    by id, where those of many questions were asked for together.
    """

    uploads: tuple[bytes, ...] = ()
    by_url: Mapping[str, bytes] = field(default_factory=dict)
    known: Mapping[str, Stored] | None = None

    def beside_mix(self, asked: SearchRequest) -> bytes | None:
        """The file that is no part of the mix. Raises Problem 422 where there are several, or where
        the mix names one that did not come.
        """
        sent = len(self.uploads)
        named = {part.upload for part in asked.mix if part.upload is not None}
        if missing := sorted(number for number in named if number >= sent):
            raise _wrong(f"there is no image {missing[0]} among the {sent} of the form.")
        rest = [image for number, image in enumerate(self.uploads) if number not in named]
        if len(rest) > 1:
            raise _wrong("name all images of the form but one in it, by upload.")
        return rest[0] if rest else None

    def bytes_of(self, part: MixPart) -> bytes | None:
        """What a part of the mix looks like; None where it is words, or an image that is known."""
        if part.upload is not None:
            return self.uploads[part.upload]
        return self.by_url[part.image_url] if part.image_url else None


NONE = Images()


def _wrong(sentence: str) -> Problem:
    return Problem(422, "invalid", f"mix: {sentence}", "mix")
