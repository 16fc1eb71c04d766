"""What the lesson's stop about forgetting asks for and shows: networks, a word, what is left of the first."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from analysis.experiment import GATED, Experiment
from analysis.figures.fading import fading
from analysis.language import join_sentences, mark
from analysis.language import translate as _
from analysis.lesson.trace import everyday_sentences, trace_first_word
from analysis.reading import Trace
from analysis.report.sentences.fading import gates_sentences, others_sentence, unknown_sentence, why_sentence
from analysis.results import Run
from pages.ui import layout, player, readers

KEEPS, STARTS, TRAINED = "keeps", "starts", "trained"
NETWORKS = {
    KEEPS: mark("untrained, gates set to keep"),
    STARTS: mark("untrained, gates as they start"),
    TRAINED: mark("trained"),
}
NETWORKS_HELP = mark(
    "Untrained networks, the gates of LSTM and GRU set nearly open (forget bias 3) or as the library PyTorch starts "
    "them; or networks that have learned to predict the next word of a text."
)
UNTRAINED_READ = mark(
    "Bold: your sentence. Thin, with bands (5–95 %): {sentences} others, read by {seeds} untrained networks of each "
    "kind."
)
TRAINED_READ = mark(
    "Bold: your sentence. Thin, with bands (5–95 %): {sentences} others, read by one trained network of each kind; "
    "one alone says little."
)
SEEDS, BIAS = 4, 3.0  # of the untrained networks; the bias of those whose gates keep


def choose_networks() -> str:
    """Ask which networks read the sentence; those whose gates keep at first."""
    st.markdown(_("Networks"), width="content", help=_(NETWORKS_HELP))
    return st.segmented_control(
        _("Networks"), tuple(NETWORKS), default=KEEPS, required=True, key="networks", bind="query-params",
        format_func=lambda name: _(NETWORKS[name]), label_visibility="collapsed",
    )  # fmt: skip


def trace(words: list[str], networks: str) -> dict[str, Trace]:
    """Return by cell what is left of the first word in a sentence and in six others."""
    traces = {}
    for name, experiment in readers.experiments(words).items():
        if networks == TRAINED:
            traces[name] = _trace(experiment, tuple(words), True, readers.run(experiment))
        else:
            bias = BIAS if networks == KEEPS and name in GATED else None
            traces[name] = _trace(experiment.replace(seeds=SEEDS, forget_bias=bias), tuple(words), False, None)
    return traces


@st.cache_data(max_entries=200, show_spinner=False)
def _trace(experiment: Experiment, words: tuple[str, ...], trained: bool, _run: Run | None) -> Trace:
    """Trace the first word; the cache leaves out the run, as equal settings train equal weights."""
    others = everyday_sentences(experiment.text_file)
    return trace_first_word(experiment, words, others, _run.weights if _run else None)


def link_settings(networks: str) -> dict[str, str]:
    """Return what a link to Gradient decay says, so that it shows cells that start alike."""
    return {"forget_bias": str(BIAS)} if networks == KEEPS else {}


def explain(traces: Mapping[str, Trace], networks: str) -> str:
    """Explain what is drawn, over which sentences and networks."""
    shown = _(TRAINED_READ if networks == TRAINED else UNTRAINED_READ)
    first = traces["rnn"]
    return shown.format(sentences=first.sentences, seeds=first.seeds)


def show_word(traces: Mapping[str, Trace], networks: str, log: bool) -> None:
    """Draw what is left by word, the row that moves its mark, and the sentences about the marked word."""
    picture, said = st.columns(2, vertical_alignment="center")
    read = traces["rnn"].words
    word = player.draw_track(readers.word_track(read))
    figure = partial(
        fading, traces, own={name: each.own for name, each in traces.items()}, words=read, at=word, log=log, height=248,
        x_title="", y_title=_("left of the first word"),
    )  # fmt: skip
    if len(read) > 1:  # one word alone leaves nothing to draw
        with picture:
            alt = _("How much of the first word is left at each later one")
            layout.chart(layout.kept(f"fading {networks} {read} {word} {log}", figure), "fading", alt, moves=True)
    with said:
        if warning := unknown_sentence(traces["rnn"]):
            st.warning(warning)
        else:
            layout.says(why_sentence(traces, word))
            st.markdown(gates_sentences(traces, word, networks))
    st.caption(join_sentences(explain(traces, networks), others_sentence(traces, word)))
