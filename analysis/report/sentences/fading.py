"""What is left of a sentence's first word, in words: how much, over which sentences and networks, and why."""

from collections.abc import Mapping

from analysis.experiment import GATED
from analysis.language import join_sentences, mark, translate_count
from analysis.language import translate as _
from analysis.reading import Trace
from analysis.report.markdown import quote_word
from analysis.report.sentences.cell import count_unknown
from analysis.report.sentences.choice import name_cells
from analysis.report.wording import PER_CENT, format_number

LEAST = 1e-4  # the smallest share that is written out
HALVES = (0.4, 0.6)  # gates that halve the memory, about
KEEPS = 0.9  # gates that keep nearly all
MORE = 1.005  # a share that is written as more than 100 %
FLAT = 0.5  # a mean slope of tanh below it means that most numbers sit on its flat ends
WHO = {  # set the gates
    "keeps": mark("We set these gates to {lstm} (LSTM) and {gru} (GRU)"),
    "starts": mark("Nobody has set these gates, they are at {lstm} (LSTM) and {gru} (GRU)"),
    "trained": mark("Training has set these gates to {lstm} (LSTM) and {gru} (GRU) on average"),
}
LOST = 0.1  # a share that is as good as forgotten


def why_sentence(traces: Mapping[str, Trace], word: int) -> str:
    """Say why the RNN forgets the first word: what each turn of its loop does to a change, and what that leaves."""
    rnn = traces["rnn"]
    if len(rnn.words) == 1:
        return _("One word alone can't be forgotten. Write a second one.")
    if not word:
        return _("The first word has just been read: all of it is there.")
    text = translate_count(
        "Each turn of the loop multiplies a change by the RNN's weights and by tanh's slope: together ×{kept}. "
        "{count} turn later, at {word}, {left} is left.",
        "Each turn of the loop multiplies a change by the RNN's weights and by tanh's slope: together ×{kept}. "
        "{count} turns later, at {word}, {left} is left.",
        word,
    )
    kept, left = format_number(rnn.per_turn(word)), describe_share(rnn.own[word])
    return text.format(kept=kept, count=word, word=quote_word(rnn.words[word]), left=left)


def others_sentence(traces: Mapping[str, Trace], word: int) -> str:
    """Say how much is left as many words after the first of other sentences; "" where they don't reach as far."""
    if not 0 < word < len(traces["rnn"].distance):
        return ""
    ranges = {cell: describe_range(trace, word) for cell, trace in traces.items()}
    return _("In those, as many turns later: RNN {rnn}, LSTM {lstm}, GRU {gru}.").format(**ranges)


def unknown_sentence(trace: Trace) -> str:
    """Warn where the networks know less than half of a sentence's words, signs not counted; "" where they know more."""
    unknown, whole = count_unknown(trace.words, trace.known)
    if unknown <= whole / 2:
        return ""
    text = _(
        "These networks don't know {unknown} of these {count} words and read them as one and the same: what they keep "
        "says little about this sentence. Write one with everyday words."
    )
    return text.format(unknown=unknown, count=whole)


def describe_share(share: float) -> str:
    """Write a share as a percentage of two digits: "4.2 %", "78 %", "less than 0.01 %"."""
    if share < LEAST:
        return _("less than {share}").format(share=f"0.01{PER_CENT}")
    return f"{_two_digits(share)}{PER_CENT}"


def describe_range(trace: Trace, word: int) -> str:
    """Write what is left in other sentences, from the 5th to the 95th percentile: "1.1–9 %", "below 0.01 %"."""
    low, high = trace.low[word], trace.high[word]
    if high < LEAST:
        return describe_share(high)
    return f"{_two_digits(low) if low >= LEAST else '0'}–{_two_digits(high)}{PER_CENT}"


def _two_digits(share: float) -> str:
    """Write 100 times a share with two digits, a larger one than 1 with three."""
    return format_number(100 * (round(share, 2) if share >= 0.1 else float(f"{share:.2g}")))


def half_sentence(traces: Mapping[str, Trace]) -> str:
    """Say for how many turns of the loop more than half of the first word is left in each cell; "" for one word."""
    if len(traces["rnn"].words) == 1:
        return ""
    spans = {cell: _describe_half(trace) for cell, trace in traces.items()}
    said = _("More than half is left for {rnn} in the RNN, {lstm} in the LSTM and {gru} in the GRU.").format(**spans)
    if any(trace.half is None for trace in traces.values()):
        return join_sentences(said, _("“At least”: the sentence ends first."))
    return said


def _describe_half(trace: Trace) -> str:
    """Return how many turns more than half of the first word lasts, "at least" where the sentence ends first."""
    if trace.half is None:
        count = len(trace.words) - 1
        return translate_count("at least {count} turn", "at least {count} turns", count).format(count=count)
    if trace.half == 1:
        return _("less than one turn")
    return translate_count("{count} turn", "{count} turns", trace.half - 1).format(count=trace.half - 1)


def gates_sentences(traces: Mapping[str, Trace], word: int, networks: str) -> str:
    """Say of what the RNN's factor is made, what the cells with gates keep, and why; "" at the first word.

    `networks` says who set the gates, one of `WHO`.
    """
    if not word:
        return ""
    left = {cell: describe_share(traces[cell].own[word]) for cell in GATED}
    said = [
        _slope_sentence(traces["rnn"], networks),
        _("The LSTM has **{lstm}** left, the GRU **{gru}**.").format(**left),
        _("They carry the old memory past the weights, times a **gate** (0 forgets, 1 keeps), and add what is new."),
        _gates_sentence({cell: traces[cell] for cell in GATED}, word, networks),
    ]
    if any(traces[cell].own[word] > MORE for cell in GATED):
        said.append(_("More than 100 %: the change has grown on its way."))
    return join_sentences(*said)


def _slope_sentence(rnn: Trace, networks: str) -> str:
    """Say how much of what a turn of an RNN does is the slope of tanh."""
    slope = _mean(rnn)
    if slope < FLAT:
        text = _("The slope is only {slope} on average: most numbers of this RNN sit on tanh's flat ends.")
    elif networks == "trained":
        text = _("The slope is {slope} on average, the rest is the weights.")
    else:
        text = _("The slope is {slope} on average, the rest is the weights, which start small.")
    return text.format(slope=f"{slope:.2f}")


def _gates_sentence(traces: Mapping[str, Trace], word: int, networks: str) -> str:
    """Say who set the gates, to what on average, and what they alone would leave at a word."""
    gates = {cell: _mean(trace) for cell, trace in traces.items()}
    if all(HALVES[0] <= gate <= HALVES[1] for gate in gates.values()):
        effect = _("near ½, they alone would leave {lstm} and {gru}. The rest came by what is added.")
    elif all(gate >= KEEPS for gate in gates.values()):
        effect = _("they alone would leave {lstm} and {gru}. The rest came by what is added.")
    else:
        effect = _("but each number of the memory has a gate of its own, and those near 1 do the keeping.")
    means = {cell: f"{gate:.2f}" for cell, gate in gates.items()}
    alone = {cell: describe_share(trace.mean[1 : word + 1].prod()) for cell, trace in traces.items()}
    return _("{who}: {effect}").format(who=_(WHO[networks]).format(**means), effect=effect.format(**alone))


def learning_sentences(traces: Mapping[str, Trace], networks: str) -> str:
    """Say that the learning signal fades like the first word, and in which cells that is as good as forgotten."""
    said = _(
        "The learning signal, the gradient, comes back by the same turns and fades alike, the **vanishing gradient**."
    )
    lost = [cell for cell, trace in traces.items() if trace.own[-1] < LOST]
    if not lost:
        return said
    if networks == "trained":
        text = _("Guessing the next word didn't teach the {cells} to keep the first one: the memory of a **goldfish**.")
    else:
        text = _("So it is hard to teach the {cells} to keep the first word: the memory of a **goldfish**.")
    return join_sentences(said, text.format(cells=name_cells(lost)))


def _mean(trace: Trace) -> float:
    """Return the mean over words of a trace's mean over units."""
    return float(trace.mean.mean())
