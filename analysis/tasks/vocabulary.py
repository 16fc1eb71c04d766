"""Split a text into words, and number the words of a vocabulary. Independent of tasks and models."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple, Self

import torch
from torch import Tensor

from analysis.reading import UNKNOWN

LONGEST = 40  # characters of one word; a longer one is cut
CLASSES = 800  # of words: those of the vocabulary, and one for all others

# Chinese and Japanese put no spaces between words: each of these characters is one.
ALONE = r"\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
MODIFIERS = r"\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"  # they modify the emoji before them
JOINERS = "\u200c\u200d"  # they bind letters, and the parts of one emoji


def split_words(text: str) -> list[str]:
    """Split a text into words, which are letters and digits with inner apostrophes, and single signs.

    A Chinese or Japanese character is a word by itself, and so is an emoji with its modifiers, and a row of equal dots
    or dashes. No word is empty or longer than `LONGEST`; spaces and invisible control characters are left out.

    >>> split_words("Don't stop: 你好 👍🏽!")
    ["Don't", 'stop', ':', '你', '好', '👍🏽', '!']
    """
    kinds = {character: unicodedata.category(character) for character in set(text)}
    hidden = str.maketrans(dict.fromkeys(c for c, kind in kinds.items() if kind in ("Cc", "Cf", "Cs") and _hidden(c)))
    marks = "".join(sorted(c for c, kind in kinds.items() if kind[0] == "M" and not re.match(f"[{MODIFIERS}]", c)))
    words = (match[0] for match in _pattern(marks).finditer(text.translate(hidden)))
    return [word[start : start + LONGEST] for word in words for start in range(0, len(word), LONGEST)]


def _hidden(control: str) -> bool:
    """Return whether a control character is invisible and no part of a word."""
    return not (control.isspace() or re.match(f"[{JOINERS}{MODIFIERS}]", control))


@lru_cache(maxsize=64)
def _pattern(marks: str) -> re.Pattern[str]:
    """Return the pattern of a word in a text that has these combining marks."""
    letter = rf"(?:(?![{ALONE}])\w[{marks}{JOINERS}]*)"
    sign = rf"\S[{marks}{MODIFIERS}]*"
    return re.compile(
        rf"[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}"  # a key, a flag
        rf"|[{ALONE}][{marks}{MODIFIERS}]*"
        rf"|{letter}+(?:['’]{letter}+)*"
        rf"|([.…*=~-])\1\1+"
        rf"|{sign}(?:\u200d{sign})*"
    )


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a class of their own, the most frequent first; all others share the last class."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str], classes: int = CLASSES) -> Self:
        """Build the vocabulary of the most frequent words; ties go to the word that occurs first."""
        return cls(tuple(word for word, _ in Counter(map(normalized, words)).most_common(classes - 1)))

    @property
    def size(self) -> int:
        """Return the number of classes, including that of unknown words."""
        return len(self.words) + 1

    @property
    def unknown(self) -> int:
        """Return the class of all words outside the vocabulary."""
        return len(self.words)

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {word: code for code, word in enumerate(self.words)}

    def encode(self, words: Iterable[str]) -> Tensor:
        """Return the class of each word, (N,)."""
        return torch.tensor([self._codes.get(normalized(word), self.unknown) for word in words], dtype=torch.int64)

    def word(self, code: int) -> str:
        """Return the word of a class."""
        return self.words[code] if code < self.unknown else UNKNOWN


def normalized(word: str) -> str:
    """Return the form in which words are compared: lower case, straight apostrophes, rows of a sign cut to three."""
    return re.sub(r"^([.…*=~-])\1\1+$", r"\1\1\1", word.lower().replace("’", "'"))


class WordCorpus(NamedTuple):
    """A text as classes of words, and how well the frequencies of single words predict it."""

    training: Tensor
    held_out: Tensor
    vocabulary: Vocabulary
    unigram: float  # nats per held-out word, from the training part's counts


@lru_cache(maxsize=4)
def encode_words(text: str) -> WordCorpus:
    """Turn a text into classes of words; its last tenth is held out and adds no word to the vocabulary."""
    words = split_words(text)
    split_at = len(words) * 9 // 10
    vocabulary = Vocabulary.of(words[:split_at])
    training, held_out = vocabulary.encode(words).tensor_split([split_at])
    counts = torch.bincount(training, minlength=vocabulary.size).double() + 1
    unigram = -(counts / counts.sum()).log()[held_out].mean()
    return WordCorpus(training, held_out, vocabulary, unigram.item())
