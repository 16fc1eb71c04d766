"""The sidebar: every setting at both ends, values from the URL, settings that do not apply."""

from itertools import product

import pytest

from analysis.experiment import CELLS, SETTINGS
from pages.ui.sidebar import FIRST, MORE
from tests.helpers.app import SMALL, app, charts, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


PICTURES = {"home/home": 1, "measure/decay": 1, "measure/gates": 2, "measure/bounds": 3}


def element(at, name):
    for kind in ("slider", "number_input", "selectbox"):
        try:
            return getattr(at, kind)(key=name)
        except KeyError:
            continue
    raise KeyError(name)


@pytest.mark.parametrize("page", PICTURES)
def test_every_number_at_both_ends(page):
    at = app(f"pages/{page}.py", length=6, hidden_size=4, seeds=1, show="a real cell", gates_tab="Carry by distance")
    for name in (*FIRST, *MORE):
        about, before = SETTINGS[name], at.session_state[name]
        for end in () if about.choices else (about.low, about.page_high or about.high):
            fine(element(at, name).set_value(end).run())
            experiments = at.session_state["settings"].experiments.values()
            assert end in {getattr(each, name) for each in experiments}
            assert (len(charts(at)), len(at.error)) == (PICTURES[page], 0), f"{name}={end}"
            element(at, name).set_value(before)  # which the next run takes along


def test_every_cell_init_and_activation():
    at = app(**{name: str(value) for name, value in SMALL.items()})
    for init, activation in product(SETTINGS["init"].choices, SETTINGS["activation"].choices):
        element(at, "init").set_value(init)
        element(at, "activation").set_value(activation).run()
        fine(at)
        assert not at.error
        assert {"RNN", "LSTM", "GRU"} <= {trace.get("name") for trace in charts(at)[0]["data"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("length", "9999999999"), ("length", "abc"), ("length", "nan"), ("length", "-3"), ("length", "1e400"),
        ("hidden_size", "0"), ("hidden_size", "inf"), ("hidden_size", "3.7"), ("seeds", "64000"), ("gain", "nan"),
        ("gain", "1e308"), ("gain", ""), ("forget_bias", "nan"), ("forget_bias", "-inf"), ("init", "<script>"),
        ("init", ""), ("task", "../../etc/passwd"), ("cells", "TRANSFORMER"), ("cells", "99"), ("steps", "nan"),
        ("learning_rate", "0"), ("seed", "-1"), ("seed", "1e99"), ("text_file", "/etc/passwd"), ("start", "x" * 3000),
        ("unknown", "1"), ("clip", "NaN"), ("batch_size", "1.5"), ("symbols", "NaN"), ("layers", "nan"),
    ],
)  # fmt: skip
def test_hostile_urls_fall_back(name, value):
    small = {key: str(number) for key, number in SMALL.items() if key != name}
    at = fine(app(**small | {name: value}))
    assert (len(charts(at)), len(at.error)) == (1, 0)
    if name in SETTINGS and name != "text_file":
        about, now = SETTINGS[name], at.session_state[name]
        assert now is None or about.choices or about.low <= now <= about.high


def test_a_path_never_comes_from_the_url():
    at = fine(app(task="text", text_file="/etc/passwd", **{**SMALL, "length": "20"}))
    assert all(each.text_file is None for each in at.session_state["settings"].experiments.values())


def test_a_setting_that_does_not_apply_is_named():
    at = fine(app(forget_bias="3", **SMALL))
    assert any("Forget bias (RNN)" in text.value for text in at.caption)
    assert at.session_state["settings"].experiments["gru"].forget_bias == 3


def test_chrono_takes_the_forget_bias_over():
    at = fine(app(forget_bias="3", init="chrono", **SMALL))
    assert not at.error
    assert at.number_input(key="forget_bias").disabled


def test_reset_gives_every_setting_its_default():
    at = app(cells="RNN", init="identity", layers="2", **SMALL)
    next(button for button in at.button if button.label == "Reset").click().run()
    fine(at)
    assert at.session_state["cells"] == list(CELLS)
    assert all(at.session_state[name] == SETTINGS[name].default for name in (*FIRST, *MORE))


def test_a_text_that_can_not_be_used_is_named_as_its_user_does():
    at = app(task="text", **SMALL)
    (widget,) = (each for each in at.get("file_uploader") if each.key == "upload")
    widget.set_value(("same.txt", b"a" * 500, "text/plain"))
    (error,) = at.run().error
    assert error.value == "text\\_file\\='same.txt': one character alone: expected at least two"
