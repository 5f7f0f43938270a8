"""Words for scenes. A full caption tells everything that a scene means; a short one tells a part,
with the facts it claims, so that whoever uses it knows which other scenes it fits."""

import random

from pdray.samples.scene import Ground, Scene, Thing

# Synonyms, the plain word first: it is taken most of the time.
WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "large": ("large", "big"),
    "plain": ("plain", "solid"),
    "checkered": ("checkered", "chequered"),
    "dotted": ("dotted", "spotted"),
    "grey": ("grey", "gray"),
    "cross": ("cross", "plus sign"),
    "ring": ("ring", "donut"),
    "crescent": ("crescent", "crescent moon"),
    "diamond": ("diamond", "rhombus"),
    "circle": ("circle", "disc"),
    "centre": ("centre", "middle", "center"),
    "two": ("two", "2"),
    "three": ("three", "3"),
    "four": ("four", "4"),
}
NUMBERS = {2: "two", 3: "three", 4: "four"}
# How often the plain word is kept although there are synonyms.
PLAIN_WORD = 0.8
OPENINGS = ("", "", "", "", "", "a picture of ", "an image of ", "a photo of ")


def full_caption(scene: Scene, rng: random.Random) -> str:
    """A sentence that tells all that the scene means: no other meaning has this caption."""
    what, ground = _what(scene, rng), _ground(scene.ground, rng)
    style = rng.random()
    if style < 0.7:
        return f"{rng.choice(OPENINGS)}{what} {ground}"
    if style < 0.85:
        return f"{ground}, {what}"
    return f"{what}, {ground}"


def simple_caption(scene: Scene) -> str:
    """One sentence for each scene, of plain words in a fixed order and without commas: number,
    colours and shapes, how two things stand to each other, and the background. Size, fill and
    place go unsaid, so scenes that differ in those alone share it.
    """
    nouns = [f"{thing.colour} {thing.shape}" for thing in scene.things]
    if scene.layout == "several":
        what = f"{NUMBERS[scene.count]} {plural(nouns[0])}"
    else:
        relation = {"beside": "left of", "above": "above", "inside": "inside"}
        joint = f" {relation.get(scene.place, 'and')} "
        what = joint.join(with_article(noun) for noun in nouns)
    return f"{what} on {_simple_ground(scene.ground)}"


def _simple_ground(ground: Ground) -> str:
    if ground.kind == "plain":
        return f"{with_article(ground.first)} background"
    if ground.kind == "gradient":
        return f"a background fading from {ground.first} to {ground.second}"
    if ground.kind == "dotted":
        return f"{with_article(ground.first)} background with {ground.second} dots"
    return f"a {ground.kind} {ground.first} and {ground.second} background"


def short_caption(scene: Scene, rng: random.Random) -> tuple[str, frozenset[str]]:
    """A few words that tell a part, and the facts (see `facts`) that a scene must have to fit."""
    thing = rng.choice(scene.things)
    shape, colour, fill = thing.shape, thing.colour, thing.fill
    noun = f"{_word(colour, rng)} {_word(shape, rng)}"
    several = scene.layout == "several"
    options: list[tuple[str, str]] = [
        (noun, f"{colour} {shape}"),
        (with_article(noun), f"{colour} {shape}"),
        (with_article(_word(shape, rng)), shape),
        (_word(shape, rng), shape),
        (with_article(f"{_word(fill, rng)} {_word(shape, rng)}"), f"{fill} {shape}"),
        (with_article(f"{_word(fill, rng)} {noun}"), f"{fill} {colour} {shape}"),
        (_ground(scene.ground, rng), _ground_fact(scene.ground)),
        (_ground_kind(scene.ground, rng), f"ground {scene.ground.kind}"),
    ]
    if several:
        number = _word(NUMBERS[scene.count], rng)
        options.append((f"{number} {plural(_word(shape, rng))}", f"{scene.count} {shape}"))
        words = f"{number} {_word(colour, rng)} {plural(_word(shape, rng))}"
        options.append((words, f"{scene.count} {colour} {shape}"))
    if thing.size:
        options.append(
            (with_article(f"{_word(thing.size, rng)} {noun}"), f"{thing.size} {colour} {shape}")
        )
    text, fact = rng.choice(options)
    if rng.random() < 0.3 and not fact.startswith("ground"):
        return f"{text} {_ground(scene.ground, rng)}", frozenset((fact, _ground_fact(scene.ground)))
    return text, frozenset((fact,))


def facts(scene: Scene) -> frozenset[str]:
    """All that short captions can claim of this scene."""
    found = {_ground_fact(scene.ground), f"ground {scene.ground.kind}"}
    for thing in scene.things:
        shape, colour, fill = thing.shape, thing.colour, thing.fill
        found |= {shape, f"{colour} {shape}", f"{fill} {shape}", f"{fill} {colour} {shape}"}
        if thing.size:
            found.add(f"{thing.size} {colour} {shape}")
        if scene.layout == "several":
            found |= {f"{scene.count} {shape}", f"{scene.count} {colour} {shape}"}
    return frozenset(found)


def _ground_fact(ground: Ground) -> str:
    return f"ground {ground.kind} {ground.first} {ground.second}"


def _word(plain: str, rng: random.Random) -> str:
    synonyms = WORDS.get(plain)
    if synonyms is None or rng.random() < PLAIN_WORD:
        return plain
    return rng.choice(synonyms)


def with_article(words: str) -> str:
    """The words after "a" or "an"."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    """Of a shape, with what is before it."""
    return f"{noun}es" if noun.endswith(("s", "x")) else f"{noun}s"


def _adjectives(thing: Thing, rng: random.Random) -> str:
    """Size, fill and colour. A fill that goes unsaid is plain."""
    said = thing.fill != "plain" or rng.random() < 0.25
    fill = [_word(thing.fill, rng)] if said else []
    size = [_word(thing.size, rng)] if thing.size else []
    colour = [_word(thing.colour, rng)]
    ordered = size + (fill + colour if rng.random() < 0.7 else colour + fill)
    return " ".join(ordered)


def _noun(thing: Thing, rng: random.Random) -> str:
    return f"{_adjectives(thing, rng)} {_word(thing.shape, rng)}"


def _what(scene: Scene, rng: random.Random) -> str:
    if scene.layout == "single":
        return f"{with_article(_noun(scene.things[0], rng))} {_place(scene.place, rng)}"
    if scene.layout == "several":
        nouns = plural(_noun(scene.things[0], rng))
        return f"{NUMBERS[scene.count]} {nouns} in a {scene.place}"
    if scene.layout == "trio":
        first, second, third = (with_article(_noun(thing, rng)) for thing in scene.things)
        if scene.place == "row":
            line = rng.choice(("in a row", "from left to right", "side by side"))
        else:
            line = rng.choice(("in a column", "from top to bottom", "one below the other"))
        return f"{first}, {second} and {third} {line}"
    return _pair(scene, rng)


def _pair(scene: Scene, rng: random.Random) -> str:
    first, second = (with_article(_noun(thing, rng)) for thing in scene.things)
    turned = rng.random() < 0.4
    if scene.place == "beside":
        if turned:
            return f"{second} to the right of {first}"
        return f"{first} {rng.choice(('to the left of', 'left of'))} {second}"
    if scene.place == "above":
        if turned:
            return f"{second} {rng.choice(('below', 'under'))} {first}"
        return f"{first} {rng.choice(('above', 'over'))} {second}"
    if turned:
        return f"{second} with {first} inside"
    return f"{first} inside {second}"


def _place(place: str, rng: random.Random) -> str:
    if place == "centre":
        return f"in the {_word(place, rng)}"
    if " " in place:
        return rng.choice((f"in the {place} corner", f"at the {place}"))
    if place in ("left", "right"):
        return rng.choice((f"on the {place}", f"at the {place}"))
    return f"at the {place}"


def _ground(ground: Ground, rng: random.Random) -> str:
    """The background, after "on" or "against"; a single colour without a kind is plain."""
    word = rng.choice(("on", "on", "on", "against"))
    first = _word(ground.first, rng)
    end = rng.choice((" background", " background", " backdrop"))
    if ground.kind == "plain":
        kind = f"{_word('plain', rng)} " if rng.random() < 0.3 else ""
        return f"{word} {with_article(f'{kind}{first}')}{end}"
    second = _word(ground.second, rng)
    if ground.kind == "gradient":
        how = rng.choice(
            (
                f"a{end} fading from {first} to {second}",
                f"a {first} to {second} gradient",
                f"a gradient from {first} to {second}",
            )
        )
        return f"{word} {how}"
    if ground.kind == "dotted":
        return f"{word} {with_article(first)}{end} with {second} {rng.choice(('dots', 'spots'))}"
    if rng.random() < 0.5:
        first, second = second, first
    return f"{word} {with_article(first)} and {second} {_word(ground.kind, rng)}{end}"


def _ground_kind(ground: Ground, rng: random.Random) -> str:
    kind = "fading" if ground.kind == "gradient" else _word(ground.kind, rng)
    return f"{rng.choice(('', 'on '))}{with_article(f'{kind} background')}"
