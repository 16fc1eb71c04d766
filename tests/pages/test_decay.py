import re
from itertools import product

import pytest

from analysis.experiment import CELLS, SETTINGS
from analysis.history.entry import Row
from analysis.jobs.pool import Jobs, QueueFullError
from pages.ui import training
from pages.ui.presets import PRESETS, STARTS
from pages.ui.sidebar import FIRST, MORE
from tests.helpers.app import SMALL, app, charts, fine, trained, until

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


@pytest.fixture(scope="module")
def home():
    return app(**SMALL)


def test_home_shows_three_cells_and_says_what_it_shows(home):
    fine(home)
    assert not home.error
    names = {trace.get("name") for trace in charts(home)[0]["data"]}
    assert {"RNN", "LSTM", "GRU", "threshold"} <= names
    assert any("of the gradient is left" in text.value for text in home.markdown)


def test_home_starts_at_the_lesson():
    at = fine(app())
    assert any("7 steps back in the RNN, 8 in LSTM and GRU" in text.value for text in at.markdown)
    assert any("1 % is a convention" in text.value for text in at.caption)


@pytest.mark.parametrize("start", STARTS)
def test_switch_sets_the_sidebar(start):
    at = app(length="20", hidden_size="4", gain="2")
    assert at.segmented_control(key="start").value is None
    at.segmented_control(key="start").set_value(start).run()
    fine(at)
    assert {name: at.session_state[name] for name in ("init", "gain", "forget_bias")} == STARTS[start]
    assert at.segmented_control(key="start").value == start
    assert at.session_state["length"] == 20


def element(at, name):
    for kind in ("slider", "number_input", "selectbox"):
        try:
            return getattr(at, kind)(key=name)
        except KeyError:
            continue
    raise KeyError(name)


PICTURES = {"home/home": 1, "measure/decay": 1, "measure/gates": 2, "measure/bounds": 3}


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


@pytest.mark.parametrize("task", SETTINGS["task"].choices)
def test_every_task_on_home(task):
    if task == "digits":
        pytest.importorskip("sklearn")
    at = fine(app(task=task, hidden_size="4", seeds="1", length="20"))
    assert not at.error
    (picture,) = charts(at)
    assert {"RNN", "LSTM", "GRU"} <= {trace.get("name") for trace in picture["data"]}
    assert at.slider(key="symbols").disabled == (task not in ("recall", "copy"))


def test_no_cell_is_a_clear_line(home):
    at = app(**SMALL)
    at.pills(key="cells").set_value([]).run()
    assert not at.exception
    assert "at least one cell" in at.error[0].value


def test_one_cell_alone():
    at = fine(app(cells="GRU", **SMALL))
    assert {trace.get("name") for trace in charts(at)[0]["data"]} >= {"GRU"}
    assert "RNN" not in {trace.get("name") for trace in charts(at)[0]["data"]}


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


@pytest.mark.parametrize("preset", PRESETS, ids=[preset[0] for preset in PRESETS])
def test_presets_lead_to_their_page_with_their_settings(preset):
    label, page, settings, _ = preset
    at = app(layers="2", gain="1.5", **SMALL)
    at.query_params["preset"] = label
    fine(at.switch_page(f"pages/{page}.py").run())
    assert not at.error
    assert "preset" not in at.query_params
    defaults = {name: SETTINGS[name].default for name in (*FIRST, *MORE)} | {"cells": list(CELLS)}
    assert {name: at.session_state[name] for name in defaults | settings} == defaults | settings


def test_decay_page_trains_and_compares():
    at = fine(app("pages/measure/decay.py", **SMALL))
    assert any("about" in text.value for text in at.caption)
    assert not any(text.value.startswith("Horizon: ") for text in at.caption)
    assert at.button(key="cancel").disabled
    trained(at)
    assert any(text.value.startswith("Horizon: ") for text in at.caption)
    assert not at.error
    assert len(charts(at)) == 2
    assert len(at.table) == 2
    assert any(text.value == "Trained." for text in at.caption)
    assert at.button(key="train").disabled
    after = at.table[-1].value
    at.select_slider(key="step").set_value(0).run()
    fine(at)
    assert at.table[-1].value.equals(after)  # the horizon after training stays that
    assert any(text.value.startswith("After training:\n\n- RNN: ") for text in at.markdown)
    assert charts(at)[0]["layout"]["yaxis2"]["title"]["text"] == "accuracy<br>after training"
    assert "RNN (step 0)" in at.table[0].value.columns
    at.session_state["details"] = "Hidden, cell, input"
    assert {"RNN (trained)", "LSTM (trained)"} <= {
        trace.get("name", "").partition(":")[0] for trace in charts(fine(at.run()))[2]["data"]
    }
    del at.session_state["details"]
    at.select_slider(key="threshold").set_value(0.1).run()
    assert "horizon after training at 10 %" in fine(at).table[-1].value.to_string()
    assert any("; the horizon at 10 % went from" in text.value for text in at.markdown)
    for tab in ("What trains the weights", "Hidden, cell, input"):
        at.session_state["details"] = tab
        fine(at.run())
        assert len(charts(at)) == 3


@pytest.mark.parametrize(
    ("kind", "key", "values"),
    [
        ("select_slider", "threshold", [0.001, 0.5]),
        ("segmented_control", "axis", ["position", "distance"]),
        ("segmented_control", "size", ["absolute", "relative"]),
        ("segmented_control", "spread", ["seeds", "none"]),
        ("toggle", "carry", [False, True]),
        ("toggle", "deep", [True, False]),
    ],
)
def test_decay_page_controls(kind, key, values):
    at = app("pages/measure/decay.py", **SMALL)
    for value in values:
        fine(getattr(at, kind)(key=key).set_value(value).run())
        assert (len(charts(at)), len(at.error)) == (1, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threshold", "0"), ("axis", "x"), ("details", "?"), ("carry", "maybe"), ("size", "<b>"),
        ("spread", "x" * 3000), ("deep", "nan"), ("state", "../.."), ("axis", ""), ("size", ""),
        ("spread", ""), ("state", ""),
    ],
)  # fmt: skip
def test_decay_page_survives_hostile_controls(key, value):
    at = fine(app("pages/measure/decay.py", **SMALL, **{key: value}))
    assert (len(charts(at)), len(at.error)) == (1, 0)


def test_models_that_diverged_are_said_and_drawn():
    wild = {"activation": "identity", "init": "orthogonal", "gain": 3, "length": 100, "cells": "RNN"}
    at = trained(app("pages/measure/decay.py", **SMALL | wild))
    assert any("RNN: 2 of 2 models diverged." in text.value for text in at.markdown)
    assert not at.error
    assert len(charts(at)) == 2
    assert "not measurable" in at.table[-1].value.to_string()


def test_a_text_that_can_not_be_used_is_named_as_its_user_does():
    at = app(task="text", **SMALL)
    (widget,) = (each for each in at.get("file_uploader") if each.key == "upload")
    widget.set_value(("same.txt", b"a" * 500, "text/plain"))
    (error,) = at.run().error
    assert error.value == "text\\_file\\='same.txt': one character alone: expected at least two"


def test_a_finished_run_is_found_without_a_press():
    at = trained(app("pages/measure/decay.py", **{**SMALL, "seed": "55"}))
    other = fine(app("pages/measure/decay.py", **{**SMALL, "seed": "55"}))
    assert charts(other) == charts(at)


def test_training_that_fails_loses_nothing(monkeypatch):
    real = Jobs.submit

    def fails_for_lstm(self, experiment):
        if experiment.cell == "lstm":
            raise QueueFullError("no luck")
        return real(self, experiment)

    monkeypatch.setattr(Jobs, "submit", fails_for_lstm)
    at = trained(app("pages/measure/decay.py", **{**SMALL, "seed": "77"}))
    assert "LSTM: no luck" in at.error[0].value
    runs = [training.jobs().find(each) for each in at.session_state["settings"].experiments.values()]
    assert [run and run.status for run in runs] == ["finished", None, "finished"]
    names = [trace["name"].partition(":")[0] for trace in charts(at)[0]["data"] if trace.get("showlegend") is not False]
    assert names[:3] == ["RNN (trained)", "LSTM (untrained)", "GRU (trained)"]
    commands = [line.split()[3] for line in at.code[0].value.splitlines()]
    assert commands == ["train", "decay", "train"]
    assert any(text.value.startswith("LSTM (untrained): at distance") for text in at.caption)
    at.session_state["details"] = "What trains the weights"
    said = [text.value for text in fine(at.run()).markdown]
    assert any("RNN (trained) " in text and "LSTM (untrained) " in text for text in said)
    at.switch_page("pages/measure/gates.py")
    assert [line.split()[3] for line in fine(at.run()).code[0].value.splitlines()] == ["decay", "train"]
    heads = [text.value for text in at.markdown if "stuck" in text.value]
    assert [head.removeprefix("#### ").partition(":")[0] for head in heads] == ["LSTM (untrained)", "GRU (trained)"]
    assert any(text.value == "Not trained, and drawn untrained: LSTM." for text in at.caption)


def test_a_run_in_its_middle_is_drawn_cancelled_and_resumed():
    at = app("pages/measure/decay.py", **{**SMALL, "steps": "2000", "snapshot_every": "20", "cells": "LSTM"})
    at.button(key="train").click().run()
    (experiment,) = at.session_state["settings"].experiments.values()
    id = training.jobs().find(experiment).id
    until(lambda: training.jobs().row(id).step >= 20)
    fine(at.run())
    assert any("LSTM at step " in text.value for text in at.markdown)
    assert len(charts(at)) == 2
    assert at.button(key="train").disabled and at.button(key="step_play").disabled
    at.button(key="cancel").click().run()
    until(lambda: not training.jobs().row(id).live)
    fine(at.run())
    assert at.button(key="train").label == "Resume"
    at.button(key="train").click().run()
    until(lambda: training.jobs().row(id).status == "finished")
    fine(at.run())
    assert any(text.value == "Trained." for text in at.caption)


def test_only_followed_runs_are_kept():
    at = app("pages/measure/decay.py", **SMALL)
    at.session_state["seen"] = {"gone": ()}
    assert not fine(at.run()).session_state["seen"]


def test_text_of_a_record_is_not_markdown(monkeypatch):
    at = app("pages/measure/decay.py", **{**SMALL, "seed": "78", "cells": "GRU"})
    monkeypatch.setattr(Jobs, "find", lambda self, experiment: damaged(experiment))
    monkeypatch.setattr(training, "progress", lambda rows: {})
    assert "failed at step 3, \\!\\[x\\]\\(//e.org/a.png\\)." in fine(at.run()).error[0].value


def damaged(experiment):
    return Row(
        id="0", name="", status="failed", reason="![x](//e.org/a.png)", experiment=experiment, seconds=0.0, step=3,
        created="2026-01-01T00:00:00+00:00", versions={}, metric=None, metric_name=None, chance=None,
        horizon_before=None, horizon_after=None, diverged=None,
    )  # fmt: skip


def test_what_would_take_long_is_asked_about_first(monkeypatch):
    from analysis.measures import preview

    monkeypatch.setattr(preview, "SPEED", 1.0)
    for page in ("home/home", "measure/decay", "measure/bounds", "measure/gates"):
        at = fine(app(f"pages/{page}.py", **SMALL, show="a real cell"))
        asked = at.button(key="measure_anyway_button")
        assert any("takes about" in text.value for text in at.markdown)
        before = len(charts(at))
        fine(asked.click().run())
        assert len(charts(at)) > before and "takes about" not in " ".join(text.value for text in at.markdown)
        at.slider(key="hidden_size").set_value(5).run()
        assert at.button(key="measure_anyway_button")


def test_fewer_seeds_and_sequences_are_said(monkeypatch):
    from analysis.measures import preview

    assert not any("fewer sequences" in text.value for text in app(**SMALL).caption)
    monkeypatch.setattr(preview, "BUDGET", 1.0)
    for page in ("home/home", "measure/decay", "measure/bounds", "measure/gates"):
        at = fine(app(f"pages/{page}.py", **SMALL, show="a real cell"))
        assert any(re.search("fewer sequences.* 8 of 64 .1 of 2 seeds", t.value) for t in at.caption), page


def test_snapshots_are_stepped_through():
    at = trained(app("pages/measure/decay.py", **{**SMALL, "snapshot_every": "2"}))
    at.button(key="step_back").click().run()
    assert fine(at).select_slider(key="step").value == 8
    at.button(key="step_back").click().run()
    assert fine(at).select_slider(key="step").value == 6
    at.button(key="step_on").click().run()
    assert fine(at).select_slider(key="step").value == 8


def test_an_estimate_is_a_positive_time():
    from analysis.experiment import Experiment
    from pages.ui.training import duration, estimate

    assert estimate({Experiment(**SMALL, cell="gru"): 1.0}).startswith("1 cell × 2 seeds, about ")
    assert estimate({Experiment(steps=100_000): 0.0}) == "1 cell × 4 seeds, about 1 s"
    assert "this machine has" in estimate({Experiment(hidden_size=512, seeds=64, length=1000, batch_size=4096): 1.0})
    assert [duration(s) for s in (0.2, 8, 43, 200, 9000)] == ["1 s", "8 s", "40 s", "3 min", "2.5 h"]
