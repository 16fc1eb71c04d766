"""The files and settings of the model page, and what is kept of them in this session alone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from analysis.engine.initialization import initial_weights
from analysis.engine.recording import Module
from analysis.experiment import Experiment
from analysis.files.errors import UnusableError
from analysis.files.limits import LARGEST, MIB
from analysis.measures.gates import gate_sample, time_scales
from analysis.models.files import ENDINGS
from analysis.models.inputs import describe_inputs, fit_inputs, random_inputs, read_inputs
from analysis.models.layers import RecurrentStack, count_of, find_recurrent, read_recurrent
from analysis.models.limits import (
    LARGEST_VARIANCE,
    NONLINEARITIES,
    RANDOM_SEQUENCES,
    RANDOM_STEPS,
    RANDOM_VARIANCE,
    SEQUENCES,
    STEPS,
)
from analysis.models.measuring import measure_module
from analysis.report.commands import record_command
from analysis.report.markdown import escape_markdown
from analysis.results import GateSample, Measured
from pages.ui import controls, keeping, taken

RANDOM, OWN = "random", "your own"
ORDERS = ("sequences first", "time first")
STYLE = """<style>
[data-testid="stFileChips"] div:has([aria-invalid="true"]):has(~ div .stFileChip) { display: none; }
@media (max-width: 640px) {
  .st-key-model_weights [data-testid="stFileUploaderDropzoneInstructions"] { display: none; }
}
</style>"""  # a refused file goes when another one comes; on a phone the button alone leaves room for the finding
EXAMPLE = "Shown until you add yours: an untrained LSTM of 32 units."
MATRIX_STEPS, MATRIX_SEQUENCES = 100, 8


@dataclass(frozen=True)
class Inputs:
    """Inputs that fit the layers to measure."""

    array: Any  # tensor (N, T, D)
    description: str  # what they are, and what was cut from them
    key: tuple  # equal for equal inputs
    options: list[str]  # of the command that reads them


@dataclass(frozen=True)
class RandomInputs:
    """What the visitor set of random inputs."""

    variance: float
    steps: int
    sequences: int

    def read(self, stack: RecurrentStack) -> Inputs:
        """Draw inputs for these layers."""
        array, notice = fit_inputs(stack, random_inputs(stack, self.steps, self.sequences, self.variance))
        options = [
            "--variance",
            f"{self.variance:g}",
            "--steps",
            f"{self.steps:g}",
            "--sequences",
            f"{self.sequences:g}",
        ]
        N, T, _ = array.shape
        description = f"Inputs: {count_of(N, 'random sequence')} of {count_of(T, 'time step')}. {notice}"
        return Inputs(array, description, (self.variance, self.steps, self.sequences), options)


@dataclass(frozen=True)
class OwnInputs:
    """The visitor's file of inputs, or None, and whether time is the first of three axes."""

    upload: Any
    time_first: bool

    def read(self, stack: RecurrentStack) -> Inputs:
        """Read the file for these layers; where there is none, ask for it and end the page.

        Raises:
            UnusableError: where the file holds no inputs of these layers.
        """
        upload = self.upload
        if upload is None:
            asked = f"Add your inputs under *Inputs*: {count_of(stack.input_size, 'number')} for each time step."
            st.info(asked, icon=":material/upload_file:")
            st.stop()
        array = keeping.once(
            "data", (upload.file_id, stack.input_size), "array",
            lambda: read_inputs(upload.getvalue(), upload.name, stack),
        )  # fmt: skip
        description, likelier = describe_inputs(array, self.time_first)
        other = f"; likelier it is *{ORDERS[not self.time_first]}*, {likelier}" if likelier else ""
        fitted, notice = fit_inputs(stack, array, self.time_first)
        options = ["--data", upload.name, *(["--time-first"] if self.time_first else [])]
        return Inputs(fitted, f"Read: {description}{other}. {notice}", (upload.file_id, self.time_first), options)


@dataclass(frozen=True)
class Chosen:
    """What the page measures, and how to name it."""

    stack: RecurrentStack
    nonlinearity: str
    inputs: Any  # tensor (N, T, D)
    key: tuple  # equal for equal layers and inputs
    layer: int  # which of stacked layers is shown, the lowest is 0
    command: str
    example: bool


def choose() -> Chosen:
    """Draw the row of files and settings; where something can't be used, show why and end the page."""
    st.html(STYLE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        file, settings = st.container(), st.container(width="content")
    said, row = st.empty(), st.container(horizontal=True, vertical_alignment="bottom")
    with settings, st.popover("Inputs", icon=":material/tune:"):
        # Drawn before a file can be refused: Streamlit forgets widgets that are not drawn.
        own = controls.choice("Inputs it reads", (RANDOM, OWN), "model_source", "Random numbers, or a file of yours.")
        wanted = _choose_file() if own == OWN else _choose_random()
    with file:
        upload = st.file_uploader(
            "Weights of your model", ENDINGS, max_upload_size=LARGEST // MIB, key="model_weights",
            help="A state dict or checkpoint of torch, safetensors, an .npz of weights, or a model of Keras or ONNX. "
            "It stays in the memory of this session, and nothing in it is executed.",
        )  # fmt: skip
    try:
        with settings:
            correction = taken.choose(upload)
        with row:
            stack, found = _of_correction(correction) if correction else _choose_stack(upload)
            said.caption(found)
            depth = _choose_depth(stack.layers)
            nonlinearity = stack.nonlinearity or "tanh"
            if stack.cell == "rnn" and not stack.nonlinearity:
                nonlinearity = controls.choice(
                    "Nonlinearity", NONLINEARITIES, "model_phi", "An RNN's own, which a state dict doesn't say."
                )
        inputs = wanted.read(stack)
    except UnusableError as error:
        refuse(error)
    said.caption(f"{found} {inputs.description}".strip())
    layer = correction.options if correction else ["--layer", stack.name] if stack.name else []
    layer = [*layer, *(["--depth", str(depth)] if depth < stack.layers - 1 else [])]
    activation = ["--nonlinearity", nonlinearity] if stack.cell == "rnn" else []
    command = record_command(
        upload.name if upload else "model.safetensors", [*inputs.options, *layer, *activation, "--json", "out.json"]
    )
    key = (upload.file_id if upload else None, stack.name, stack.taken, nonlinearity, inputs.key)
    return Chosen(stack, nonlinearity, inputs.array, key, depth, command, example=not upload)


def _of_correction(correction: taken.Correction) -> tuple[RecurrentStack, str]:
    """Return the layer that the visitor chose the tensors of, and a line on it."""
    return correction.stack, f"Layers: {escape_markdown(correction.stack.taken)}."


def _choose_depth(layers: int) -> int:
    """Return which of stacked layers is to be shown, the top one at first."""
    if layers == 1:
        return 0
    return st.selectbox(
        "Layer", range(layers), layers - 1, format_func=lambda k: f"{k}" + ", the top" * (k == layers - 1),
        key=f"model_depth_{layers}", width=130, help="Which of the stacked layers is shown; the lowest is 0.",
    )  # fmt: skip


def _choose_stack(upload: Any) -> tuple[RecurrentStack, str]:
    """Return the recurrent layers to measure, chosen where there are several, and a line on what was found."""
    if upload is None:
        weights, _ = initial_weights(Experiment(cell="lstm", seeds=1), inputs=8, outputs=1)
        return find_recurrent({name: weight[0] for name, weight in weights.items() if "readout" not in name})[
            0
        ], EXAMPLE
    stacks = keeping.once("file", upload.file_id, "layers", lambda: read_recurrent(upload.getvalue(), upload.name))
    usable = {stack.label: stack for stack in stacks if not stack.refusal}
    refused = "; ".join(escape_markdown(stack.label) for stack in stacks if stack.refusal)
    if not usable:
        st.caption(refused)
        raise UnusableError(f"{upload.name}: none of the recurrent layers in it can be measured")
    label = next(iter(usable))
    if len(usable) > 1:
        label = st.selectbox("Which layers", list(usable), key="model_layer", help="The file has several.")
    found = "" if len(usable) > 1 else f"Found {escape_markdown(label)}."
    if usable[label].taken:
        found += f" Layers: {escape_markdown(usable[label].taken)}."
    return usable[label], found + (f" Found too, but not to be measured: {refused}." if refused else "")


def _choose_random() -> RandomInputs:
    """Ask for the variance, length and number of random sequences."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        return RandomInputs(
            variance=st.number_input(
                "Variance", 0.0, LARGEST_VARIANCE, RANDOM_VARIANCE, key="model_variance", bind="query-params",
                width=115, help="Of the random numbers, whose mean is 0.",
            ),
            steps=st.number_input(
                "Time steps", 2, STEPS, RANDOM_STEPS, key="model_steps", bind="query-params", width=115,
                help="How long each sequence is.",
            ),
            sequences=st.number_input(
                "Sequences", 1, SEQUENCES, RANDOM_SEQUENCES, key="model_sequences", bind="query-params", width=115,
                help="How many are read: medians are over them.",
            ),
        )  # fmt: skip


def _choose_file() -> OwnInputs:
    """Ask for a file of inputs and the order of its axes."""
    upload = st.file_uploader(
        "Data", ["npy", "npz", "csv"], max_upload_size=LARGEST // MIB, key="model_data",
        help="(T, D): one sequence, a row per time step. (N, T, D) or (T, N, D): several. CSV: a row per time step.",
    )  # fmt: skip
    order = st.segmented_control(
        "Of three axes", ORDERS, default=ORDERS[0], required=True, key="model_order",
        help="(N, T, D): sequences first. (T, N, D): time first, as torch.nn has it without batch_first.",
    )  # fmt: skip
    return OwnInputs(upload, time_first=order == ORDERS[1])


def refuse(error: UnusableError) -> None:
    """Show in one line what can't be used, and end the page."""
    st.error(escape_markdown(error), icon=":material/block:")
    st.stop()


def measure(module: Module, chosen: Chosen) -> tuple[Measured, GateSample | None, np.ndarray | None]:
    """Measure a layer; return its gates in the first sequence too, and time scales: the tape is too large to keep."""
    measured, tape = measure_module(module, chosen.inputs, direction=chosen.stack.direction, layer=chosen.layer)
    if not tape.gates:
        return measured, None, None
    return measured, gate_sample(tape, layer=chosen.layer), time_scales(tape)
