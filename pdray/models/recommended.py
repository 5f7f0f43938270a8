"""The models that pdray knows by name: what they are good for, and what others measured."""

from dataclasses import dataclass

# Zero-shot, R@1 in percent, of captions that look for their image among MSCOCO's 5,000.
_OPEN_CLIP = "open_clip, docs/openclip_retrieval_results.csv"
_SIGLIP2 = "SigLIP 2, arXiv 2502.14786"
_METACLIP2 = "MetaCLIP 2, arXiv 2507.22062"
_BLIP = "BLIP, arXiv 2201.12086"


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model of the hub. `score` is R@1 in percent on MSCOCO, text to image, zero-shot; of a
    captioner its CIDEr there, None where we know of none; `source` says who measured it. `need` is
    what to take it for.
    """

    name: str
    does: str  # "find" or "describe"
    dim: int | None
    edge: int  # pixels
    parameters: int  # millions
    languages: str
    licence: str
    score: float | None
    source: str
    need: str = ""


KNOWN = (
    Recommended(
        "openai/clip-vit-base-patch32", "find", 512, 224, 151, "English", "MIT", 30.4, _OPEN_CLIP,
        "the least time an image of all here: the default",
    ),
    Recommended(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "find", 512, 224, 151, "English", "MIT", 39.3,
        _OPEN_CLIP, "small: the default's cost, and a third more captions find their image",
    ),
    Recommended(
        "openai/clip-vit-base-patch16", "find", 512, 224, 150, "English", "MIT", 33.1, _OPEN_CLIP
    ),
    Recommended(
        "openai/clip-vit-large-patch14", "find", 768, 224, 428, "English", "MIT", 36.5, _OPEN_CLIP
    ),
    Recommended(
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "find", 1024, 224, 986, "English", "MIT", 49.5,
        _OPEN_CLIP,
    ),
    Recommended(
        "google/siglip-base-patch16-224", "find", 768, 224, 203, "English", "Apache-2.0", 47.8,
        _OPEN_CLIP,
    ),
    Recommended(
        "google/siglip-base-patch16-256-multilingual", "find", 768, 256, 371, "many", "Apache-2.0",
        44.9, _OPEN_CLIP,
    ),
    Recommended(
        "google/siglip2-base-patch16-256", "find", 768, 256, 375, "many", "Apache-2.0", 53.2,
        _SIGLIP2, "multilingual; it also beats all but the largest here at a B/16's cost an image",
    ),
    Recommended(
        "facebook/metaclip-2-worldwide-huge-quickgelu", "find", 1024, 224, 1860, "many",
        "CC-BY-NC-4.0", None, _METACLIP2,
        "most languages: trained on some 300; in 36 of them (XM3600) 64.3% of images find their "
        "caption; for a GPU, and for no commercial use",
    ),
    Recommended(
        "google/siglip-so400m-patch14-384", "find", 1152, 384, 878, "English", "Apache-2.0", 54.2,
        _OPEN_CLIP, "best: for a GPU, since an image costs some 50 times the default's arithmetic",
    ),
    Recommended(
        "Salesforce/blip-image-captioning-base", "describe", None, 384, 247, "English",
        "BSD-3-Clause", 133.3, _BLIP, "captions: the default",
    ),
    Recommended(
        "Salesforce/blip-image-captioning-large", "describe", None, 384, 470, "English",
        "BSD-3-Clause", 136.7, _BLIP,
    ),
)  # fmt: skip
