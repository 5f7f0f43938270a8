"""The built-in model's own tokenizer: byte-level BPE, so that no word is unknown."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

PAD, END, START = "<|pad|>", "<|end|>", "<|start|>"
VOCABULARY = 1024
# Plain English beside the captions, so that other queries fall into pieces longer than letters.
ENGLISH = (
    "abcdefghijklmnopqrstuvwxyz 0 1 2 3 4 5 6 7 8 9",
    "show me the pictures that we took at the beach last summer, before the sun went down",
    "find a photo of my dog running through the snow with its ball,",
    "or of the cat asleep by a window",
    "where are the images from our holiday in the mountains,",
    "with the lake and the old wooden house",
    "children playing in the garden while their mother and father are cooking food for everyone",
    "a woman on a bicycle in a narrow street,",
    "a man reading under a tree, people walking in the rain",
    "bright flowers on the kitchen table, bread and fruit, a cup of coffee and an open book",
    "the city at night: cars, lights, bridges, a train station, boats on the river, an empty road",
    "birds over the sea, horses in a field, a forest in autumn, clouds before a storm,",
    "the first moon",
    "something round, anything without corners, shapes and patterns, both lighter and darker ones",
)


def train_tokenizer(captions: Iterable[str]) -> Tokenizer:
    """Byte-level BPE over captions and everyday English, lower case, `START words END`.

    All 256 bytes are in the vocabulary, so any text has tokens and decodes to its NFC lower-case
    form with whitespace collapsed.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    # The prefix space makes a first word the same token as a later one.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*captions, *ENGLISH, *ENGLISH], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, out: Path, *, longest: int) -> None:
    """Writes the files that `AutoTokenizer.from_pretrained(out)` reads; `longest` in tokens."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        bos_token=START,
        model_max_length=longest,
        padding_side="right",
        # Special tokens that someone types are words like any other.
        split_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    wrapped.save_pretrained(out)
