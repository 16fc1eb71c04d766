"""The command that says what would make an experiment's untrained models remember: explain."""

from collections.abc import Mapping
from typing import Any

from analysis.cli import summary
from analysis.cli.output import ALL_DIVERGED, FINISHED, Outcome, show_progress, write_outcome
from analysis.cli.requests import read_request
from analysis.experiment import Experiment
from analysis.measures.advice import advise
from analysis.reasons import Advice, Trial
from analysis.report import documents, export
from analysis.report.commands import repeat_command
from analysis.report.sentences.advice import CUT_ADVICE, advice_sentence, best_sentence, trial_lines
from analysis.results import versions


def explain_experiment(arguments: Mapping[str, Any]) -> int:
    """Measure what would make untrained models remember; write the advice and return the exit status."""
    experiment, targets = read_request(arguments)
    return write_outcome(explained_outcome(experiment), targets, repeat_command(experiment, "explain"))


def explained_outcome(experiment: Experiment) -> Outcome:
    """Measure an experiment with one setting changed at a time, showing progress; return the advice."""
    advice = advise(experiment, lambda done: show_progress(f"measured {done:.0%}"))
    cell = experiment.cell
    said = [best_sentence({cell: advice}), advice_sentence(cell, advice, {})]
    said += [CUT_ADVICE] * (experiment.truncate is not None) + ["Horizons in time steps, and prices:"]
    return Outcome(
        status=ALL_DIVERGED if advice.now.decay.excluded == len(advice.now.price) else FINISHED,
        summary="\n".join(
            [f"{summary.experiment_title(experiment)}, untrained:", *filter(None, said), *trial_lines(advice)]
        ),
        document=documents.as_plain(_document(experiment, advice)),
        curves=[
            (trial.experiment, f"{setting} {value}", trial.decay)
            for setting, by_value in advice.trials.items()
            for value, trial in by_value.items()
        ],
        figures=lambda: _draw(experiment, advice),
    )


def _document(experiment: Experiment, advice: Advice) -> dict[str, Any]:
    """Return the document that `explain` writes as JSON; a setting's values in order, `best` null where none is."""
    best = advice.best
    return {
        "experiment": experiment,
        "now": _numbers(advice.now),
        "best": best and {"setting": best[0], "value": best[1], **_numbers(advice.trials[best[0]][best[1]])},
        "trials": {
            setting: [{"value": value, **_numbers(trial)} for value, trial in by_value.items()]
            for setting, by_value in advice.trials.items()
        },
        "versions": versions(),
    }


def _numbers(trial: Trial) -> dict[str, Any]:
    """Return what was measured of one trial."""
    decay = trial.decay
    return {
        "horizon": decay.horizon,
        "horizons": decay.horizons,
        "censored": decay.censored,
        "furthest": decay.furthest,
        "left_at_furthest": trial.left,
        "explodes": trial.explodes,
        "price": trial.price,
    }


def _draw(experiment: Experiment, advice: Advice) -> dict[str, export.Figure]:
    """Draw horizon and price against each setting."""
    from analysis.figures import advice as figures

    def present(setting: str) -> Any:  # noqa: ANN401
        return experiment.task_length if setting == "length" else getattr(experiment, setting)

    return {
        setting: figures.setting(setting, {experiment.cell: by_value}, present(setting))
        for setting, by_value in advice.trials.items()
    }
