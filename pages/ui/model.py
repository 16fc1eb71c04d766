"""What the model page reads, keeps for this session alone, says and exports."""

import shlex
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from torch import Tensor

from analysis.engine.initialization import initial_weights
from analysis.experiment import Experiment
from analysis.models.errors import UnusableError
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import RecurrentStack, find_recurrent, read_recurrent
from analysis.models.limits import LARGEST, MIB, NONLINEARITIES, SEQUENCES, STEPS
from analysis.report import wording
from analysis.report.markdown import escape_markdown
from analysis.report.tables import csv_table
from analysis.results import Decay, Measured, Memory
from pages.ui import controls

RANDOM, OWN = "random", "your own"
SEQUENCES_FIRST, TIME_FIRST = "sequences first", "time first"
REPLACED = """<style>
[data-testid="stFileChips"] div:has([aria-invalid="true"]):has(~ div .stFileChip) { display: none; }
</style>"""  # a file that was refused while choosing goes when another one comes
EXAMPLE = "an untrained LSTM of 32 units, as an example"
MATRIX_STEPS, MATRIX_SEQUENCES = 100, 8

Read = Callable[
    [RecurrentStack], tuple[Tensor, str, tuple, list[str]]
]  # inputs, what was cut, key, options of the command


@dataclass(frozen=True)
class Chosen:
    """What the page measures, and how to name it."""

    found: RecurrentStack
    nonlinearity: str
    inputs: Tensor  # (N, T, D)
    key: tuple  # the same for the same
    command: str
    example: bool


def choose() -> Chosen:
    """Draw the row of files and settings; where something can't be used, say why and end the page."""
    st.html(REPLACED)
    left, right = st.columns(2, gap="large")
    with right:  # drawn before anything can be refused, or what is set there would be forgotten
        source = controls.choice(
            "Inputs it reads", (RANDOM, OWN), "model_source", "Random numbers, or a file of yours."
        )
        read = _own() if source == OWN else _random()
    with left:
        upload = st.file_uploader(
            "Weights of your model", ["safetensors", "pt", "pth"], max_upload_size=LARGEST // MIB, key="model_weights",
            help="A state dict: safetensors, or torch.save(model.state_dict(), …). Nothing in it is executed.",
        )  # fmt: skip
        try:
            found = _layer(upload)
        except UnusableError as error:
            refuse(error)
        nonlinearity = "tanh"
        if found.cell == "rnn":
            nonlinearity = controls.choice(
                "Nonlinearity", NONLINEARITIES, "model_phi", "An RNN's own, which a state dict doesn't say."
            )
    with right:
        try:
            inputs, said, key, option = read(found)
        except UnusableError as error:
            refuse(error)
        if said:
            st.caption(said)
    file = upload.name if upload else "model.safetensors"
    words = ["python", "-m", "analysis", "record", file, *option]
    words += ["--layer", found.name] * bool(found.name)
    words += ["--nonlinearity", nonlinearity] * (found.cell == "rnn")
    identity = (upload.file_id if upload else None, found.name, nonlinearity, key)
    return Chosen(found, nonlinearity, inputs, identity, shlex.join([*words, "--json", "out.json"]), not upload)


def _layer(upload: Any) -> RecurrentStack:
    """Return the recurrent layers to measure, chosen where there are several."""
    if upload is None:
        st.caption(f"Shown until you add yours: {EXAMPLE}.")
        weights, _ = initial_weights(Experiment(cell="lstm", seeds=1), inputs=8, outputs=1)
        return find_recurrent({name: weight[0] for name, weight in weights.items()})[0]
    every = once("file", upload.file_id, "layers", lambda: read_recurrent(upload.getvalue(), upload.name))
    usable = {each.label: each for each in every if not each.refusal}
    refused = "; ".join(escape_markdown(each.label) for each in every if each.refusal)
    if not usable:
        st.caption(refused)
        raise UnusableError(f"{upload.name}: none of the recurrent layers in it can be measured")
    label = next(iter(usable))
    if len(usable) > 1:
        label = st.selectbox("Which layers", list(usable), key="model_layer", help="The file has several.")
    else:
        st.caption(f"Found {escape_markdown(label)}.")
    if refused:
        st.caption(f"Found too, but not to be measured: {refused}.")
    return usable[label]


def _random() -> Read:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        numbers = {
            "variance": st.number_input(
                "Variance", 0.0, 1e6, 1.0, key="model_variance", bind="query-params", width=115,
                help="Of the random numbers, whose mean is 0.",
            ),
            "steps": st.number_input(
                "Steps", 2, STEPS, 100, key="model_steps", bind="query-params", width=115,
                help="How long each sequence is.",
            ),
            "sequences": st.number_input(
                "Sequences", 1, SEQUENCES, 16, key="model_sequences", bind="query-params", width=115,
                help="How many are read: medians are over them.",
            ),
        }  # fmt: skip
    option = [word for name, value in numbers.items() for word in (f"--{name}", f"{value:g}")]

    def read(found: RecurrentStack) -> tuple:
        drawn = random_inputs(found, numbers["steps"], numbers["sequences"], numbers["variance"])
        return *fit_inputs(found, drawn), tuple(numbers.values()), option

    return read


def _own() -> Read:
    upload = st.file_uploader(
        "Data", ["npy", "npz", "csv"], max_upload_size=LARGEST // MIB, key="model_data",
        help="(T, D): one sequence, a row per step. (N, T, D) or (T, N, D): several. CSV: a row per step.",
    )  # fmt: skip
    orders = (SEQUENCES_FIRST, TIME_FIRST)
    time_first = st.segmented_control(
        "Of three axes", orders, default=SEQUENCES_FIRST, required=True, key="model_order",
        help="(N, T, D): sequences first. (T, N, D): time first, as torch.nn has it without batch_first.",
    ) == TIME_FIRST  # fmt: skip

    def read(found: RecurrentStack) -> tuple:
        if upload is None:
            st.info(f"Add inputs: {found.input_size} numbers for each step.", icon=":material/upload_file:")
            st.stop()
        array = once(
            "data", (upload.file_id, found.input_size), "array",
            lambda: read_inputs(upload.getvalue(), upload.name, found),
        )  # fmt: skip
        said, likelier = describe_inputs(array, time_first)
        other = f"; likelier it is *{orders[not time_first]}*, {likelier}" if likelier else ""
        st.caption(f"Read: {said}{other}.")
        inputs, cut = fit_inputs(found, array, time_first)
        return inputs, cut, (upload.file_id, time_first), ["--data", upload.name, *["--time-first"] * time_first]

    return read


def refuse(error: UnusableError) -> None:
    """Say in one line what can't be used, and end the page."""
    st.error(escape_markdown(error), icon=":material/block:")
    st.stop()


def once(about: str, key: Hashable, name: str, make: Callable[[], Any]) -> Any:
    """Compute something once, and keep it in this session alone until `about` has another key."""
    kept = st.session_state.get(f"your_{about}")
    if kept is None or kept["key"] != key:
        kept = st.session_state[f"your_{about}"] = {"key": key}
    if name not in kept:
        with st.spinner("Measuring …" if about == "model" else "Reading …"):
            kept[name] = make()
    return kept[name]


def sentence(cell: str, decay: Decay, memory: Memory) -> str:
    """Say how far back the gradient and the last output reach."""
    said = f"{cell.upper()}: {_left(decay)}"
    if memory.span != memory.span:
        return f"{said}. What the output depends on can't be measured: it is zero or not finite."
    seen = "step alone decides" if memory.span == 0 else f"{wording.format_steps(memory.span + 1)} alone decide"
    return f"{said}; the last {seen} more than half of its last output."


def _left(decay: Decay) -> str:
    share = f"{wording.format_percent(decay.threshold)} of the gradient is left"
    if decay.horizon != decay.horizon:
        return "how far back the gradient reaches is not measurable"
    if decay.horizon == 0:
        return f"less than {share} 1 step back"
    if not decay.censored:
        return f"{share} {wording.describe_reach(decay)} back"
    if wording.gradient_grows(decay):
        return f"the gradient {wording.describe_reach(decay)} over the whole sequence"
    return f"at least {share} over the whole sequence"


def rates(decay: Decay) -> str:
    """Say how fast the gradient decays, and how well one rate says it; nothing where it has none."""
    if decay.rate != decay.rate:
        return ""
    halves = wording.describe_half_life(decay)
    half_life = f"; half-life {halves}" if halves[0].isdigit() else ""
    return f"The gradient: {wording.describe_rate(decay)}{half_life}, r² {wording.format_number(decay.r_squared)}."


def tables(cell: str, measured: Measured, memory: Memory) -> dict[str, Callable[[], str]]:
    """Return the curves as CSV to be written when asked for."""
    curves = [
        {
            "cell": cell, "of": of, "distance": found.distance, "norm": found.norm, "relative": found.relative,
            "low": found.low, "high": found.high,
        }
        for of, found in measured.decays.items()
    ]  # fmt: skip
    seen = {
        "cell": cell, "distance": memory.distance, "change": memory.value, "low": memory.low, "high": memory.high,
    }  # fmt: skip
    return {"decay": partial(csv_table, *curves), "memory": partial(csv_table, seen)}
