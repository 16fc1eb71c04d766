"""The page Runs, its helpers, and the figures that lay runs over one another."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import Experiment, train
from analysis.figures import comparison
from analysis.figures.memory import UNTRAINED
from analysis.history.database import StoreError
from analysis.report.markdown import escape_markdown
from analysis.report.sentences.runs import gone_sentence
from analysis.report.sentences.training import training_sentence
from analysis.report.wording import WHOLE, describe_experiment, describe_horizon_range
from pages.ui import run_actions, runs_table, sidebar, training
from tests.helpers.app import ENDLESS, SMALL, app, charts, fine, trained, until

PAGE = "pages/runs/runs.py"

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def opened(*ids, **settings):
    at = app(PAGE, **settings)
    at.session_state["chosen"] = list(ids)
    return fine(at.run())


def ids():
    return [row.id for row in training.jobs().rows()]


def export_button(at):
    [button] = [each for each in at.get("download_button") if each.proto.label == "Export"]
    return button.proto


@pytest.fixture
def runs():
    """Three trained cells: their ids."""
    trained(app("pages/measure/decay.py", **SMALL))
    return ids()


def test_an_empty_history_says_what_to_do():
    at = opened()
    assert "press Train" in at.info[0].value
    assert not at.dataframe


def test_the_table_says_what_came_of_each(runs):
    at = opened()
    table = at.dataframe[0].value
    assert list(table)[:3] == ["Run", "Answers", "By chance"]  # what a phone has room for
    assert list(table).index("By chance") == list(table).index("Answers") + 1
    assert sorted(table["Run"]) == ["GRU", "LSTM", "RNN"]
    assert set(table["Status"]) == {"finished"}
    assert set(table["By chance"]) == {"0.125"}
    for name, said in zip(table["Run"], table["Settings"], strict=True):
        (row,) = (row for row in training.jobs().rows() if row.experiment.cell.upper() == name)
        assert f"{name}, {said}" == describe_experiment(row.experiment)
    for row in training.jobs().rows():
        run = training.load(row.id)
        wanted = f"{describe_horizon_range(run.before)} → {describe_horizon_range(run.after)}"
        said = table["Horizon"][[row.id for row in training.jobs().rows()].index(row.id)]
        assert said == wanted.replace(WHOLE, "")
    assert not charts(at)


def test_chosen_runs_are_laid_over_one_another(runs):
    at = opened(*runs)
    decay, timeline, memory = charts(at)
    labels = {describe_experiment(row.experiment) for row in training.jobs().rows()}
    for picture in (decay, timeline, memory):
        assert labels <= {trace.get("name") for trace in picture["data"]}
    assert at.button(key="rename").disabled and not at.button(key="delete").disabled


def test_what_is_ticked_is_in_the_url(runs):
    at = opened(*runs[:2])
    assert at.query_params["chosen"] == runs[:2]
    visitor = fine(app(PAGE, chosen=[*runs[:2], "gone"]).run())
    assert charts(visitor) == charts(at) and len(charts(at)) == 3
    assert visitor.query_params["chosen"] == runs[:2]
    assert [text.value for text in visitor.warning] == [gone_sentence(1)] and not at.warning
    assert "chosen" not in opened().query_params


@pytest.mark.parametrize("chosen", [["gone"], ["*a*", "<b>", "\0", "é" * 500]])
def test_a_link_to_runs_that_are_gone_says_so_where_there_are_none(chosen):
    at = fine(app(PAGE, chosen=chosen))
    assert [text.value for text in at.warning] == [gone_sentence(len(chosen))]
    assert "press Train" in at.info[0].value and "chosen" not in at.query_params


@pytest.mark.parametrize("words", ["[", "%00", "\0\n", "😀' OR 1=1 --", "<b>*a*", "é" * 2000])
def test_a_filter_of_odd_characters_finds_nothing_and_says_so(runs, words):
    at = opened(filter=words)
    assert any("No run has all these words" in text.value for text in at.info)
    assert any(text.value == "0 of 3 runs" for text in at.caption) and not at.dataframe


def test_runs_and_those_chosen_are_counted(runs):
    def says(at, count):
        return count in [text.value for text in at.caption]

    assert says(opened(), "3 runs") and says(opened(*runs[:2]), "3 runs, 2 chosen")
    assert says(opened(filter="gru"), "1 of 3 runs") and says(opened(runs[0], filter="rnn"), "1 of 3 runs, 1 chosen")


def test_a_dozen_runs_are_in_sight(runs, monkeypatch):
    heights, show = [], runs_table.st.dataframe
    monkeypatch.setattr(runs_table.st, "dataframe", lambda *a, **k: heights.append(k["height"]) or show(*a, **k))
    for count in (3, 12, 14):
        for seed in range(1, 1 + count - len(ids())):
            training.jobs().store.add(Experiment(**SMALL, seed=100 * count + seed))
        assert len(opened().dataframe[0].value) == count
        assert heights[-1] == runs_table.HEAD_HEIGHT + min(count, 12) * runs_table.RUN_HEIGHT


def test_each_run_chosen_is_told_with_its_metric_chance_and_range(runs):
    for chosen in (runs[:1], runs):
        said = "\n".join(text.value for text in opened(*chosen).markdown)
        for id in chosen:
            run = training.load(id)
            told = training_sentence(run.experiment.cell, run).removeprefix(run.experiment.cell.upper()).lstrip(":, ")
            assert f"- **{escape_markdown(describe_experiment(run.experiment))}**: {told}" in said


def test_a_damaged_run_is_said_and_hides_no_other(runs):
    jobs = training.jobs()
    (columns,) = (jobs.store.dump(id)[0] for id in runs[:1])
    jobs.store.write(runs[0], {"experiment": "{}x"})
    at = opened()
    jobs.store.write(runs[0], {"experiment": columns["experiment"]})
    assert any(f"run {runs[0]} is damaged" in text.value for text in at.warning)
    assert len(at.dataframe[0].value) == len(runs) - 1


def test_a_filter_takes_every_word(runs):
    assert len(opened(filter="gru finished").dataframe[0].value) == 1
    at = opened(filter="gru running")
    assert any("No run has all these words" in text.value for text in at.info) and not at.dataframe
    for id in runs:
        assert len(opened(filter=id).dataframe[0].value) == 1


def test_a_filter_does_not_match_pieces_of_an_id_nobody_sees(runs):
    row = replace(training.jobs().rows()[0], id="deadbeef")
    assert not runs_table.matching_rows([row], "dead") and runs_table.matching_rows([row], "deadbeef")


@pytest.mark.parametrize("dialog", ["rename", "delete"])
def test_a_dialog_asks_first(runs, dialog):
    fine(opened(runs[0]).button(key=dialog).click().run())
    assert ids() == runs


def test_a_run_that_another_visitor_deletes_is_told_as_gone(runs):
    at = opened(*runs[:2])
    training.jobs().delete(runs[1])
    assert [text.value for text in fine(at.run()).warning] == [gone_sentence(1)]
    assert at.query_params["chosen"] == runs[0]


def test_a_name_is_shown_as_it_is(runs):
    training.jobs().rename(runs[0], "mine *and* others'")
    table = opened(runs[0]).dataframe[0].value
    (row,) = (k for k, name in enumerate(table["Run"]) if name == "mine *and* others'")
    assert table["Settings"][row] == describe_experiment(training.jobs().row(runs[0]).experiment)


def test_a_run_sets_the_sidebar(runs):
    row = training.jobs().row(runs[0])
    at = app("pages/measure/decay.py", hidden_size="16", init="orthogonal")
    at.query_params["run"] = runs[0]
    fine(at.run())
    assert at.session_state["settings"].experiments == {row.experiment.cell: row.experiment}
    assert any(text.value == "Trained." for text in at.caption)
    assert "run" not in at.query_params


@pytest.mark.parametrize("id", ["", "nothing", "'; drop table runs"])
def test_a_run_that_is_not_there_changes_nothing(id):
    at = app("pages/measure/decay.py", run=id, hidden_size="16")
    assert fine(at).session_state["settings"].first.hidden_size == 16


def test_a_run_in_its_middle_is_listed_drawn_and_cancelled():
    id = training.jobs().submit(Experiment(cell="lstm", **ENDLESS))
    until(lambda: training.jobs().row(id).step >= 20)
    at = opened(id)
    assert at.dataframe[0].value["Status"][0].startswith("running, ")
    assert len(charts(at)) == 2
    assert at.button(key="delete").disabled
    at.button(key="cancel").click().run()
    until(lambda: not training.jobs().row(id).live)
    assert fine(at.run()).button(key="resume")


def test_a_run_travels_as_one_file(runs):
    data = training.jobs().export(runs[0])
    experiment = training.jobs().row(runs[0]).experiment
    training.jobs().delete(runs[0])
    at = opened()
    at.file_uploader(key="import").set_value(("run.zip", data, "application/zip")).run()
    fine(at)
    (row,) = (each for each in training.jobs().rows() if each.id not in runs)
    assert (row.experiment, row.status) == (experiment, "finished")
    assert training.jobs().find(experiment) is None  # it is nobody's result here
    assert f"was imported: it is ticked below. {run_actions.IMPORTED}" in at.info[0].value
    assert [said for said in at.dataframe[0].value["Status"] if "imported" in said] == ["finished, imported"]
    at.file_uploader(key="import").set_value(("my*run.txt", b"no run", "text/plain")).run()
    (said,) = (error.value for error in fine(at).error)
    assert said.startswith("my\\*run.txt: not a run that Goldfish exported")
    assert said.endswith(". Expected is the file that Export on this page writes.")


def test_several_runs_travel_as_one_file(runs):
    data = run_actions.export_runs(runs[:2])
    for id in runs[:2]:
        training.jobs().delete(id)
    at = opened()
    at.file_uploader(key="import").set_value(("runs.zip", data, "application/zip")).run()
    fine(at)
    assert f"2 runs were imported: they are ticked below. {run_actions.IMPORTED}" in at.info[0].value
    assert len(training.jobs().rows()) == 3 == len(charts(at))
    assert set(at.session_state["chosen"]) == {row.id for row in training.jobs().rows()} - {runs[2]}
    assert run_actions.export_runs([runs[2]]) == training.jobs().export(runs[2])


def test_a_run_of_here_is_not_called_imported(runs):
    assert set(opened().dataframe[0].value["Status"]) == {"finished"}


def test_a_run_that_is_here_already_is_ticked_and_said(runs):
    at = opened()
    data = training.jobs().export(runs[1])
    at.file_uploader(key="import").set_value(("run.zip", data, "application/zip")).run()
    assert "already" in fine(at).info[0].value
    assert at.session_state["chosen"] == [runs[1]]
    assert charts(at)
    assert sorted(ids()) == sorted(runs)
    assert not fine(at.run()).info


def test_a_button_that_cannot_be_pressed_says_why(runs):
    at = opened()
    for key in ("rename", "delete"):
        assert at.button(key=key).disabled and at.button(key=key).help.startswith("Tick ")
    assert export_button(at).disabled and not export_button(opened(*runs[:2])).disabled
    at = opened(runs[0])
    for key in ("rename", "delete"):
        assert not at.button(key=key).disabled and not at.button(key=key).help


def test_only_where_there_are_two_it_speaks_of_comparing(runs):
    assert any(text.value.startswith("Tick a run to see it") for text in opened().caption)

    def says_so():
        return any("two or more to compare" in text.value for text in opened().caption)

    assert says_so()
    for id in runs[1:]:
        training.jobs().delete(id)
    assert not says_so()


def test_a_run_whose_text_is_gone_is_still_shown(tmp_path, monkeypatch):
    text = tmp_path / "mine.txt"
    text.write_text("the quick brown fox jumps over the lazy dog. " * 200)
    id = training.jobs().submit(Experiment(cell="lstm", **ENDLESS, task="text", text_file=str(text)))
    until(lambda: training.jobs().watch(id)[1])
    training.jobs().cancel(id)
    until(lambda: not training.jobs().row(id).live)
    monkeypatch.chdir(tmp_path)  # where a file of the copy's name is
    copy = training.jobs().import_(training.jobs().export(id))
    text.write_text("")
    at = opened(id, copy)
    assert len(charts(at)) == 2
    training.guessing.clear()
    fine(at.run())
    monkeypatch.setattr("analysis.history.transfer.source_sha256", None)  # TypeError where a text is read
    at = fine(opened(copy).button(key="resume").click().run())
    assert "upload it and train again" in at.error[0].value


def test_a_history_that_cannot_be_used_is_said(monkeypatch):

    def on_the_moon(_):
        raise StoreError("it is on the moon")

    monkeypatch.setattr(training.jobs().history, "trouble", None)
    for name in ("rows", "find"):
        monkeypatch.setattr(training.jobs().store, name, on_the_moon)
    for page in (PAGE, "pages/measure/decay.py"):
        assert any("it is on the moon" in text.value for text in app(page, **SMALL).warning)


def test_runs_of_one_cell_are_told_apart_and_kinds_get_rows():
    settings = SMALL | {"steps": 4, "seeds": 1}
    runs = {
        "a": train(Experiment(cell="gru", **settings)),
        "b": train(Experiment(cell="gru", **settings | {"seed": 1})),
        "c": train(Experiment(cell="rnn", task="adding", **settings)),
    }
    decay, timeline, memory = comparison.decay(runs), comparison.timeline(runs), comparison.memory(runs)
    a, b, c = decay.data[:3]
    np.testing.assert_array_equal(a.y, runs["a"].after.relative)
    assert a.line.color == b.line.color != c.line.color
    assert a.line.dash == "dash" != b.line.dash
    for picture in (decay, timeline, memory):  # a run looks the same in all rows, and stands in the legend once
        lines = [trace for trace in picture.data if trace.name in runs]
        assert {(line.name, line.line.dash) for line in lines} == {("a", "dash"), ("b", b.line.dash), ("c", "dot")}
        assert sorted(line.name for line in lines if line.showlegend) == ["a", "b", "c"]
    for picture in (decay, timeline):  # a dot is a horizon, and nothing else
        dots = [trace for trace in picture.data if "markers" in trace.mode]
        wanted = [run.after.horizon for run in runs.values()] if picture is decay else []
        assert [dot.x[0] for dot in dots] == wanted
    dotted = {trace.name for trace in memory.data if "markers" in trace.mode}  # never trained, and beside it trained
    assert dotted == {"c", f"c, {UNTRAINED}", UNTRAINED}
    assert {trace.yaxis for trace in timeline.data} == {"y", "y2", "y3"}
    assert {trace.yaxis for trace in memory.data if trace.y[0] is not None} == {"y", "y2"}


def test_what_the_sidebar_cannot_show():
    assert sidebar.fits(Experiment(length=1000)) and sidebar.fits(Experiment())
    assert not sidebar.fits(Experiment(length=1001))
