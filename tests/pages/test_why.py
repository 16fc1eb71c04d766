import pytest

from pages.ui import why
from tests.helpers.app import SMALL, charts, fine
from tests.helpers.links import opened

PAGE = "pages/understand/why.py"

pytestmark = [pytest.mark.filterwarnings("ignore::ResourceWarning"), pytest.mark.usefixtures("no_runs")]


def texts(at):
    return " ".join(element.value for element in [*at.markdown, *at.caption])


@pytest.mark.parametrize("tab", why.VIEWS)
def test_every_tab_below_the_matrices(tab):
    at = fine(opened(PAGE, **SMALL, why_tab=tab))
    matrix, *below = charts(at)
    assert [trace["type"] for trace in matrix["data"]].count("heatmap") == 3
    assert len(below) == (2 if tab == "Which directions survive" else 1)
    assert "the gradient is multiplied at every time step" in texts(at)
    assert at.get("download_button")
