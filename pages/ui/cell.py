"""What the page about the inside of a cell reads, says and exports."""

from collections.abc import Mapping
from functools import partial
from html import escape

import numpy as np
import streamlit as st
import torch

from analysis.engine.cost import count_cost, time_cell
from analysis.engine.initialization import initial_weights
from analysis.experiment import SETTINGS, Experiment
from analysis.figures import style
from analysis.lesson.reading import MOST_WORDS, read_sentence
from analysis.report.markdown import escape_markdown
from analysis.report.tables import csv_table
from analysis.report.wording import format_number, format_percent, join_words
from analysis.results import Reading, Run
from analysis.tasks.registry import build_task
from analysis.tasks.vocabulary import split_words
from pages.ui.sidebar import Settings

EXAMPLE = "If the value is not found in the list, the function returns an empty string."
BRIEF = 2.1e7  # words × units of a training that starts by itself: twice the defaults, some 15 s
LEFT = 0.01  # of the largest dependence: less no longer counts


def experiments(settings: Settings, first: str) -> dict[str, Experiment]:
    """Make next-word models of the sidebar's settings: one seed, one layer, the chosen cell first."""
    own = {name: SETTINGS[name].default for name in ("symbols", "position", "activation")}

    def of(experiment: Experiment) -> Experiment:
        length = experiment.length if experiment.task == "words" else None
        return experiment.replace(**own, task="words", length=length, seeds=1, layers=1)

    ordered = sorted(settings.cells, key=lambda cell: cell != first)
    return {cell: of(settings.experiments[cell]) for cell in ordered}


def brief(experiment: Experiment) -> bool:
    """Whether a training is short enough to start by itself."""
    words = experiment.steps * experiment.batch_size * experiment.task_length
    return words * experiment.hidden_size <= BRIEF


def say_what_counts(settings: Settings) -> None:
    """Say what trains on this page, and which of the sidebar's settings it leaves out."""
    left_out = "seeds, layers" if settings.any.task == "words" else "task, length, seeds, layers"
    st.caption(
        f"One small model of each cell learns to predict the next word. The sidebar's {left_out} and activation "
        "don't count on this page."
    )


def sentence() -> list[str]:
    """Ask for a sentence and return its words; the example's where there are none."""
    text = st.text_input(
        "Sentence", EXAMPLE, key="sentence", bind="query-params", max_chars=2000,
        help="Any language. To teach the model a text of your own, choose the task words in the sidebar.",
    )  # fmt: skip
    words = split_words(text)
    if not words:
        st.info(f"Nothing to read yet. Type a sentence; until then this one is read: “{EXAMPLE}”")
    return words or split_words(EXAMPLE)


def choose_cell(settings: Settings) -> str:
    """Choose one of the sidebar's cells, the LSTM at first."""
    cells = sorted(settings.cells, key=("lstm", "gru", "rnn").index)
    if st.session_state.get("inside_cell") not in cells:
        st.session_state.pop("inside_cell", None)
    return st.segmented_control(
        "Cell", cells, default=cells[0], required=True, key="inside_cell", format_func=str.upper, bind="query-params",
        help="Which of the sidebar's cells reads the sentence.",
    )  # fmt: skip


def choose_word(label: str, read: Reading, key: str) -> int:
    """Choose one of the words read, the last at first."""
    last = len(read.words) - 1
    return st.selectbox(
        label, range(last + 1), last, lambda t: f"{t + 1} · {read.words[t]}", key=f"{key}_{last}", width=260,
        help="At which word of the sentence.",
    )  # fmt: skip


def untrained(experiments: Mapping[str, Experiment], words: list[str], squashed: bool) -> dict[str, Reading]:
    """Read the words with every cell as it starts; where the text can't be used, say why and end the page."""
    try:
        return {name: reading(each, None, words, squashed) for name, each in experiments.items()}
    except ValueError as error:
        st.error(escape_markdown(error))
        st.stop()


def reading(experiment: Experiment, run: Run | None, words: list[str], squashed: bool) -> Reading:
    """Read the words with a trained model, or as it starts; with its tanh or without."""
    return _reading(experiment, run is not None, tuple(words), squashed, run)


@st.cache_data(max_entries=60, show_spinner=False)
def _reading(
    experiment: Experiment, trained: bool, words: tuple[str, ...], squashed: bool, _run: Run | None
) -> Reading:
    if trained:
        weights = {name: torch.from_numpy(weight) for name, weight in _run.weights.items()}
    else:
        task = build_task(experiment)
        weights, _ = initial_weights(experiment, task.inputs, task.outputs, task.vocabulary)
    return read_sentence(experiment if squashed else experiment.replace(activation="identity"), weights, list(words))


def quoted(word: str) -> str:
    """Quote a user's word for markdown, every sign of it as it is."""
    return f"“{escape_markdown(word)}”"


def about(read: Reading, run: Run | None, waiting: bool) -> None:
    """Say which model reads, and what of the sentence it can't."""
    said = []
    if run:
        said.append(
            f"Trained for {run.experiment.steps:,} steps: {format_number(float(run.metric[0]))} nats per word on a part "
            f"of the text it hasn't seen, {format_number(run.chance)} by counting words alone."
        )
        if read.activation != run.experiment.activation:
            said.append("That is with tanh. Drawn here is the same network without it, which is not what was trained.")
    else:
        later = "; a trained model takes its place once there is one" if waiting else ""
        said.append(f"Untrained: the weights are random, and so are its predictions{later}.")
    if read.left_out:
        said.append(f"Only the first {MOST_WORDS} of {MOST_WORDS + read.left_out} words are read.")
    unknown = list(dict.fromkeys(w for w, known in zip(read.words, read.known, strict=True) if not known))
    if unknown:
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        said.append("Unknown to it, and all the same to it: " + ", ".join(map(quoted, unknown[:8])) + more + ".")
    st.caption(" ".join(said))


def held(read: Reading) -> str:
    """Say how large the state became, and after which word."""
    sizes = {name: np.abs(read.parts[name]).max(1) for name in ("hidden", "cell") if name in read.parts}
    said = []
    for name, own in sizes.items():
        if not np.isfinite(own).all():
            return f"Without tanh the {name} state leaves floating point."
        t = int(own.argmax())
        size = "almost 1" if own[t] < 1 and format_number(own[t]) == "1" else format_number(own[t])
        said.append(f"the {name} state reaches {size} at {quoted(read.words[t])}")
    T = len(read.words)
    return f"One loop over {T} word{'s' * (T != 1)}: {join_words(said)}."


def watched(read: Reading, gate: str) -> str:
    """Say at which words a gate is most open and most shut."""
    mean = read.parts[gate].mean(1)
    if len(mean) < 2 or not np.isfinite(mean).all():
        return ""
    high, low = int(mean.argmax()), int(mean.argmin())
    return (
        f"Over all units it is highest at {quoted(read.words[high])} ({format_number(mean[high])}) "
        f"and lowest at {quoted(read.words[low])} ({format_number(mean[low])})."
    )


def depends(readings: Mapping[str, Reading], word: int) -> str:
    """Say how many words back each cell's prediction still depends on, to a hundredth of the most."""
    reach = {}
    for name, found in readings.items():
        counted = np.flatnonzero(found.relative[word, : word + 1] >= LEFT)
        if len(counted):
            reach[name] = word - int(counted[0])
    if not reach:
        return ""
    parts = [f"{steps} word{'s' * (steps != 1)} back in the {name.upper()}" for name, steps in reach.items()]
    return f"More than {format_percent(LEFT)} of the strongest dependence is found up to {join_words(parts)}."


def coloured(found: Reading, word: int) -> str:
    """Return the sentence up to a word as HTML, each word as strong as the prediction depends on it."""
    colour = style.COLOURS[found.cell]
    shares = np.nan_to_num(found.relative[word])
    spans = [
        f'<bdi title="{share:.1%} of the largest" style="background:{style.faded(colour, round(0.65 * share, 3))};'
        f"padding:2px 4px;border-radius:4px;{'' if t <= word else 'opacity:.35;'}"
        f'{"border-bottom:3px solid;" if t == word else ""}">{escape(each)}</bdi>'
        for t, (each, share) in enumerate(zip(found.words, shares, strict=True))
    ]
    name = f'<b style="flex:0 0 3em">{found.cell.upper()}</b>'
    words = f'<span dir="auto" style="flex:1">{" ".join(spans)}</span>'
    return f'<div style="display:flex;line-height:2.1">{name}{words}</div>'


@st.cache_data(max_entries=100, show_spinner=False)
def price(experiment: Experiment) -> dict[str, float]:
    """Count the cell's own parameters and multiply-adds, and time it here and now."""
    task = build_task(experiment)
    weights, _ = initial_weights(experiment, task.inputs, task.outputs)
    return {
        "parameters": sum(weight[0].numel() for name, weight in weights.items() if name.endswith("_l0")),
        "multiply-adds per word": count_cost(experiment, task)["multiply_adds"],
        "ms here": time_cell(experiment, task),
    }


def prices(all_three: Mapping[str, Experiment]) -> None:
    """Show what each cell costs, and say what the GRU saves."""
    found = {cell: price(experiment) for cell, experiment in all_three.items()}
    one = next(iter(all_three.values()))
    rows = {
        "parameters": lambda each: f"{each['parameters']:,}",
        "multiply-adds per word": lambda each: f"{each['multiply-adds per word']:,}",
        f"ms for {one.batch_size} × {one.task_length} words, there and back": lambda each: format_number(
            each["ms here"]
        ),
    }
    st.table(
        {"": list(rows)} | {cell.upper(): [write(each) for write in rows.values()] for cell, each in found.items()},
        hide_index=True,
        border="horizontal",
    )
    if {"lstm", "gru"} <= found.keys():
        lstm, gru = found["lstm"], found["gru"]
        fewer = {name: 1 - gru[name] / lstm[name] for name in lstm}
        parameters, multiply_adds, time = (format_percent(abs(share)) for share in fewer.values())
        st.markdown(
            f"Here the GRU has {parameters} fewer parameters and {multiply_adds} fewer multiply-adds than the LSTM, "
            f"and took {time} {'less' if fewer['ms here'] > 0 else 'more'} time."
        )


def tables(readings: Mapping[str, Reading], chosen: Reading) -> dict:
    """Return all that flowed through the chosen cell, and every connectivity, as CSV to be written when asked for."""
    T, H = chosen.parts["hidden"].shape
    steps, units = np.divmod(np.arange(T * H), H)
    flow = {"model": chosen.cell, "step": steps, "word": np.array(chosen.words)[steps], "unit": units}
    flow |= {name: values.ravel() for name, values in chosen.parts.items()}
    by, at = np.tril_indices(T)
    links = [
        {"model": name, "step": by, "word": np.array(found.words)[by], "wanted": np.array(found.wanted)[by], "of": at,
         "of_word": np.array(found.words)[at], "norm": found.connectivity[by, at], "relative": found.relative[by, at]}
        for name, found in readings.items()
    ]  # fmt: skip
    return {"flow": partial(csv_table, flow), "connectivity": partial(csv_table, *links)}
