"""Results that say why a gradient decays, as CSV."""

from collections.abc import Mapping

import numpy as np

from analysis.reasons import Advice, Change, Prediction
from analysis.report.tables import csv_table


def predictions_csv(predictions: Mapping[str, Prediction]) -> str:
    """Write what theory predicts of each cell as CSV, a row for each distance; none where there is no theory."""
    return csv_table(
        *(
            {
                "cell": cell,
                "theory": prediction.name,
                "assumption": prediction.assumption,
                "distance": prediction.distance,
                "mean_square": prediction.mean_square,
                "relative": prediction.relative,
                "rate": prediction.rate,
            }
            for cell, prediction in predictions.items()
        )
    )


def changes_csv(now: Mapping[str, Change], before: Mapping[str, Change]) -> str:
    """Write what another input does to the last memory state and the answers as CSV, a row for each distance."""
    phases = [(cell, "before", change) for cell, change in before.items()]
    phases += [(cell, "after" if cell in before else "before", change) for cell, change in now.items()]
    return csv_table(
        *(
            {
                "cell": cell,
                "phase": phase,
                "changed": change.what,
                "distance": change.distance,
                "move": change.state,
                "move_low": change.state_low,
                "move_high": change.state_high,
                "tiny": change.tiny,
                "tiny_low": change.tiny_low,
                "tiny_high": change.tiny_high,
                "answer": change.answer,
                "right": change.right,
            }
            for cell, phase, change in phases
        )
    )


def trials_csv(advices: Mapping[str, Advice]) -> str:
    """Write what each cell's horizon and price would be with one setting changed as CSV, a row for each model."""
    return csv_table(
        *(
            {
                "cell": cell,
                "setting": setting,
                "value": "unset" if value is None else value,
                "seed": trial.experiment.seed + np.arange(len(trial.price)),
                "horizon": trial.decay.horizons,
                "furthest": trial.decay.furthest,
                "left_at_furthest": trial.decay.relatives[:, trial.decay.furthest],
                "price": trial.price,
            }
            for cell, advice in advices.items()
            for setting, by_value in advice.trials.items()
            for value, trial in by_value.items()
        )
    )
