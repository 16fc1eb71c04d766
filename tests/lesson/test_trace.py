"""What is left of the first word: the derivatives are autograd's, and the sentences are those that networks know."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis.engine.recording import MODULES
from analysis.experiment import CELLS, GATED, TEXTS
from analysis.lesson.reading import MOST_WORDS, read_sentence
from analysis.lesson.trace import EVERYDAY, everyday_sentences, trace_first_word
from analysis.sources import read_text
from analysis.tasks.vocabulary import encode_words, split_words
from tests.helpers.readings import SENTENCE, weights_of, words_experiment

WORDS = split_words(SENTENCE)
OTHERS = [split_words("This is one."), split_words("And here another is, longer by much."), ["it", "is"] * 3]


def arrays(weights):
    return {name: weight.numpy() for name, weight in weights.items()}


def by_autograd(experiment, weights, words):
    """‖∂m_t/∂m_0‖ / √H of each model, (S, T): torch's own module, one word at a time."""
    codes = encode_words(read_text(experiment.text_file)[0]).vocabulary.encode(words)
    H, lstm = experiment.hidden_size, experiment.cell == "lstm"
    sizes = []
    for s in range(experiment.seeds):
        own = {name: weight[s].double() for name, weight in weights.items()}
        embedded = own.pop("embedding.weight")[codes]
        module = MODULES[experiment.cell](embedded.shape[1], H, experiment.layers).double()
        module.load_state_dict({name: weight for name, weight in own.items() if not name.startswith("readout")})
        assert isinstance(module, nn.RNNBase)

        def memory(first, after, module=module, embedded=embedded):
            """The first layer's memory after word `after`, from that after the first word."""
            L = module.num_layers
            _, state = module(embedded[:1])
            h, c = state if lstm else (state, None)
            if lstm:  # h of the first word is made of its cell state: h = o tanh(c)
                o = (h[:1] / c[:1].tanh()).detach()
                state = (torch.cat([o * first.tanh(), h[1:]]), torch.cat([first[None], c[1:]]))
            else:
                state = torch.cat([first[None], h[1:]])
            for x in embedded[1 : after + 1]:
                _, state = module(x[None], state)
            assert len(state[0] if lstm else state) == L
            return (state[1] if lstm else state)[0]

        with torch.no_grad():
            state = module(embedded[:1])[1]
        first = (state[1] if lstm else state)[0]
        jacobians = [torch.autograd.functional.jacobian(lambda m, t=t: memory(m, t), first) for t in range(len(codes))]
        sizes.append([jacobian.norm().item() / H**0.5 for jacobian in jacobians])
    return np.array(sizes)


@pytest.mark.parametrize(("seeds", "layers"), [(1, 1), (3, 1), (2, 2)])
@pytest.mark.parametrize("cell", CELLS)
def test_what_is_left_is_autograds(cell, seeds, layers):
    experiment = words_experiment(cell, seeds=seeds, layers=layers)
    weights = weights_of(experiment)
    found = trace_first_word(experiment, WORDS, OTHERS)
    sizes = by_autograd(experiment, weights, WORDS)
    np.testing.assert_allclose(found.own, np.median(sizes, axis=0), rtol=1e-9)
    reach = min(map(len, OTHERS))
    others = np.concatenate([by_autograd(experiment, weights, words)[:, :reach] for words in OTHERS])
    low, median, high = np.percentile(others, (5, 50, 95), axis=0)
    for values, wanted in ((found.low, low), (found.relative, median), (found.high, high)):
        np.testing.assert_allclose(values, wanted, rtol=1e-9)
    np.testing.assert_array_equal(found.distance, np.arange(reach))
    assert (found.words, found.seeds, found.sentences) == (tuple(WORDS), seeds, 3)


@pytest.mark.parametrize("cell", GATED)
def test_the_mean_is_of_the_gate_that_keeps(cell):
    found = trace_first_word(words_experiment(cell, seeds=2, gain=0.1, forget_bias=10.0), WORDS, OTHERS)
    np.testing.assert_allclose(found.mean, 1, atol=1e-3)
    assert found.own[-1] == pytest.approx(1, abs=0.05)


def test_an_rnns_mean_is_of_tanhs_slope():
    experiment = words_experiment("rnn", seeds=1)
    weights = weights_of(experiment)
    hidden = read_sentence(experiment, weights, WORDS).parts["hidden"]
    found = trace_first_word(experiment, WORDS, OTHERS, arrays(weights))
    np.testing.assert_allclose(found.mean, (1 - hidden**2).mean(1), rtol=1e-9)


def test_what_follows_a_sentence_and_who_reads_beside_it_change_nothing():
    experiment = words_experiment("gru")
    trained = arrays(weights_of(experiment))
    alone = trace_first_word(experiment, WORDS[:4], OTHERS, trained)
    longer = trace_first_word(experiment, WORDS, OTHERS, trained)
    np.testing.assert_allclose(longer.own[:4], alone.own, rtol=1e-12)
    np.testing.assert_allclose(longer.low, alone.low, rtol=1e-12)


def test_given_weights_are_used():
    experiment = words_experiment("rnn")
    zero = {name: 0 * weight for name, weight in arrays(weights_of(experiment)).items()}
    np.testing.assert_array_equal(trace_first_word(experiment, WORDS, OTHERS, zero).own[1:], 0)


def test_turns_and_half_are_computed_from_what_is_left():
    found = trace_first_word(words_experiment("rnn", gain=1.0), WORDS, OTHERS)
    assert found.per_turn(5) ** 5 == pytest.approx(found.own[5])
    assert found.own[found.half] < 0.5 and (found.own[: found.half] >= 0.5).all()
    kept = trace_first_word(words_experiment("gru", gain=0.1, forget_bias=10.0), WORDS, OTHERS)
    assert kept.half is None


def test_a_single_word_is_whole_and_the_longest_sentence_is_cut():
    experiment = words_experiment("lstm")
    np.testing.assert_array_equal(trace_first_word(experiment, ["it"], OTHERS).own, [1])
    assert len(trace_first_word(experiment, ["it"] * 60, OTHERS).own) == MOST_WORDS


@pytest.mark.parametrize(("words", "others"), [([], OTHERS), (WORDS, []), (WORDS, [["it"], []])])
def test_sentences_without_words_are_refused(words, others):
    with pytest.raises(ValueError, match="expected at least one in each sentence"):
        trace_first_word(words_experiment("rnn"), words, others)


@pytest.mark.parametrize("text", TEXTS)
def test_everyday_sentences_have_known_words_only(text):
    vocabulary = encode_words(read_text(text)[0]).vocabulary
    sentences = everyday_sentences(text)
    assert len({*EVERYDAY[text]}) == len(sentences) == 6
    for words in sentences:
        assert vocabulary.unknown not in vocabulary.encode(words).tolist(), words
        assert 14 <= len(words) <= MOST_WORDS
