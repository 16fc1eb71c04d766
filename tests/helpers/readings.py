"""A sentence read by an untrained model."""

from analysis import Experiment
from analysis.engine.initialization import initial_weights
from analysis.lesson.reading import read_sentence
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import split_words

SENTENCE = "If the value isn't found, 你 and zebras get None."


def words_experiment(cell, **changes):
    return Experiment(**{"task": "words", "cell": cell, "seeds": 1, "hidden_size": 7, "gain": 2.0} | changes)


def weights_of(experiment):
    task = build_task(experiment)
    return initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)[0]


def reading_of(experiment, sentence=SENTENCE):
    return read_sentence(experiment, weights_of(experiment), split_words(sentence))
