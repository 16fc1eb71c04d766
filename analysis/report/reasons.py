"""Results that say why a gradient decays, as CSV."""

from collections.abc import Mapping

from analysis.reasons import Prediction
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
