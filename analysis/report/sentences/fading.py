"""What is left of a sentence's first word, in words: how much, over which sentences and networks, and why."""

from collections.abc import Mapping

from analysis.language import translate as _
from analysis.language import translate_count
from analysis.reading import Trace
from analysis.report.markdown import quote_word
from analysis.report.sentences.cell import count_unknown
from analysis.report.wording import PER_CENT, format_number

LEAST = 1e-4  # the smallest share that is written out
HALVES = (0.4, 0.6)  # gates that halve the memory, about
KEEPS = 0.9  # gates that keep nearly all
MORE = 1.005  # a share that is written as more than 100 %


def left_sentence(traces: Mapping[str, Trace], word: int) -> str:
    """Say how much of the first word is left in each cell after another one."""
    first = traces["rnn"]
    if len(first.words) == 1:
        return _("One word alone can't be forgotten. Write a second one.")
    if not word:
        return _("The first word has just been read: all of it is there.")
    shares = {cell: describe_share(trace.own[word]) for cell, trace in traces.items()}
    text = translate_count(
        "At {word}, {count} turn of the loop later, the RNN has {rnn} of {first} left, the LSTM {lstm} and the GRU "
        "{gru}.",
        "At {word}, {count} turns of the loop later, the RNN has {rnn} of {first} left, the LSTM {lstm} and the GRU "
        "{gru}.",
        word,
    )
    return text.format(word=quote_word(first.words[word]), first=quote_word(first.words[0]), count=word, **shares)


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
        said += " " + _("“At least”: the sentence ends first.")
    return said


def _describe_half(trace: Trace) -> str:
    """Return how many turns more than half of the first word lasts, "at least" where the sentence ends first."""
    if trace.half is None:
        count = len(trace.words) - 1
        return translate_count("at least {count} turn", "at least {count} turns", count).format(count=count)
    if trace.half == 1:
        return _("less than one turn")
    return translate_count("{count} turn", "{count} turns", trace.half - 1).format(count=trace.half - 1)


def reason_sentences(traces: Mapping[str, Trace], word: int) -> str:
    """Explain what is left after a word by what a turn of the loop keeps, and by where the gates stand.

    Return "" at the first word.
    """
    if not word:
        return ""
    kept = {cell: f"×{trace.per_turn(word):.2f}" for cell, trace in traces.items()}
    turns = _("A turn of the loop keeps {rnn} of it in the RNN on average, {lstm} in the LSTM, {gru} in the GRU.")
    turns = turns.format(**kept)
    forget, update = (_mean_gate(traces[cell]) for cell in ("lstm", "gru"))
    gates = {"forget": f"{forget:.2f}", "update": f"{update:.2f}"}
    if all(HALVES[0] <= gate <= HALVES[1] for gate in (forget, update)):
        text = _(
            "LSTM and GRU have **gates**, switches between 0, forget, and 1, keep (the next stops). Nobody has set "
            "these: they stand near ½ ({forget} and {update}) and halve the memory at each word. They forget too."
        )
    elif all(gate >= KEEPS for gate in (forget, update)):
        text = _(
            "The RNN sends all of its memory through its weights and tanh again. LSTM and GRU have **gates**, switches "
            "between 0, forget, and 1, keep (the next stops); these stand at {forget} and {update}, so the memory "
            "passes nearly as it is."
        )
    else:
        text = _(
            "LSTM and GRU have **gates**, switches between 0, forget, and 1, keep (the next stops). On average these "
            "stand at {forget} and {update}, but each unit has its own: some keep what others replace."
        )
    more = ""
    if any(trace.own[word] >= MORE for trace in traces.values()):
        more = " " + _("More than 100 %: what is kept also acts on what later words store, and that is added.")
    return f"{turns} {text.format(**gates)}{more}"


def _mean_gate(trace: Trace) -> float:
    """Return the mean over words and units of a cell's gate that keeps."""
    assert trace.gate is not None, f"{trace.cell} has no gate"
    return float(trace.gate.mean())
