"""Where words stand in a vocabulary when it is ordered by frequency."""

from collections.abc import Sequence

import numpy as np

from analysis.experiment import Experiment
from analysis.sources import read_text
from analysis.tasks.vocabulary import encode_words


def places_by_frequency(experiment: Experiment, words: Sequence[str]) -> tuple[np.ndarray, int]:
    """Return each word's place (T,) among the words of an experiment's text, and how many of these a model knows.

    The most frequent word has place 1, and signs count as words. A word outside the vocabulary has place 0.

    Raises:
        TextFileError: where the experiment's text cannot be read.
    """
    vocabulary = encode_words(read_text(experiment.text_file)[0]).vocabulary
    codes = vocabulary.encode(words).numpy()
    return np.where(codes == vocabulary.unknown, 0, codes + 1), len(vocabulary.words)
