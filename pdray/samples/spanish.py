"""Scenes in Spanish: a vocabulary that a model of English captions has never seen."""

from pdray.samples.scene import Ground, Scene, Thing

# Each with its plural; nouns with the gender that adjectives follow.
_SHAPES = {
    "circle": ("círculo", "círculos", "m"),
    "square": ("cuadrado", "cuadrados", "m"),
    "triangle": ("triángulo", "triángulos", "m"),
    "star": ("estrella", "estrellas", "f"),
    "ring": ("anillo", "anillos", "m"),
    "cross": ("cruz", "cruces", "f"),
    "heart": ("corazón", "corazones", "m"),
    "diamond": ("rombo", "rombos", "m"),
    "crescent": ("media luna", "medias lunas", "f"),
    "arrow": ("flecha", "flechas", "f"),
}
_COLOURS = {
    "red": "rojo",
    "orange": "naranja",
    "yellow": "amarillo",
    "green": "verde",
    "turquoise": "turquesa",
    "blue": "azul",
    "purple": "morado",
    "pink": "rosa",
    "brown": "marrón",
    "black": "negro",
    "grey": "gris",
    "white": "blanco",
}
_FILLS = {"plain": "", "striped": "a rayas", "dotted": "con puntos", "checkered": "a cuadros"}
_SIZES = {"small": "pequeño", "large": "grande"}
_NUMBERS = {2: "dos", 3: "tres", 4: "cuatro"}
_PLACES = {
    "centre": "en el centro",
    "left": "a la izquierda",
    "right": "a la derecha",
    "top": "arriba",
    "bottom": "abajo",
    "top left": "arriba a la izquierda",
    "top right": "arriba a la derecha",
    "bottom left": "abajo a la izquierda",
    "bottom right": "abajo a la derecha",
}
_LINES = {"row": "en una fila", "column": "en una columna"}
_RELATIONS = {"beside": "a la izquierda de", "above": "encima de", "inside": "dentro de"}


def spanish_caption(scene: Scene) -> str:
    """A sentence that tells all that the scene means."""
    if scene.layout == "several":
        what = f"{_NUMBERS[scene.count]} {_many(scene.things[0])} {_LINES[scene.place]}"
    elif scene.layout == "single":
        what = f"{_one(scene.things[0])} {_PLACES[scene.place]}"
    elif scene.layout == "trio":
        first, second, third = map(_one, scene.things)
        what = f"{first}, {second} y {third} {_LINES[scene.place]}"
    else:
        first, second = map(_one, scene.things)
        what = f"{first} {_RELATIONS[scene.place]} {second}"
    return f"{what} sobre un fondo {_ground(scene.ground)}"


def _one(thing: Thing) -> str:
    noun, _, gender = _SHAPES[thing.shape]
    article = "una" if gender == "f" else "un"
    return " ".join([article, noun, *_adjectives(thing, gender, many=False)])


def _many(thing: Thing) -> str:
    _, nouns, gender = _SHAPES[thing.shape]
    return " ".join([nouns, *_adjectives(thing, gender, many=True)])


def _adjectives(thing: Thing, gender: str, *, many: bool) -> list[str]:
    size = [_agreed(_SIZES[thing.size], gender, many)] if thing.size else []
    fill = [_FILLS[thing.fill]] if _FILLS[thing.fill] else []
    return [*size, _agreed(_COLOURS[thing.colour], gender, many), *fill]


def _agreed(word: str, gender: str, many: bool) -> str:
    if gender == "f" and word.endswith("o"):
        word = f"{word[:-1]}a"
    if not many:
        return word
    if word == "marrón":
        return "marrones"
    return f"{word}s" if word[-1] in "aeiou" else f"{word}es"


def _ground(ground: Ground) -> str:
    first = _COLOURS[ground.first]
    if ground.kind == "plain" or not ground.second:
        return first
    second = _COLOURS[ground.second]
    if ground.kind == "gradient":
        return f"que pasa de {first} a {second}"
    if ground.kind == "dotted":
        return f"{first} con puntos {_agreed(second, 'm', True)}"
    pattern, gender = ("a rayas", "f") if ground.kind == "striped" else ("a cuadros", "m")
    return f"{pattern} {_agreed(first, gender, True)} y {_agreed(second, gender, True)}"
