"""What a link says beside the sidebar's settings."""

import pytest

from tests.helpers.app import SMALL, app, fine

# Streamlit's test runner leaves its temporary folder to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.mark.parametrize("number", ["inf", "-1e400", "nan", "many", ""])
@pytest.mark.parametrize(
    ("page", "name"), [("model", "model_steps"), ("model", "model_variance"), ("gates", "sequence")]
)
def test_a_number_that_is_none_is_left_out_and_told(page, name, number):
    at = fine(app(**SMALL, **{name: number}))
    (said,) = [toast.value.replace("\\", "") for toast in at.toast]
    assert said == f"Ignored in the link: {name}={number}, expected a number."
    assert name not in fine(at.switch_page(f"pages/measure/{page}.py").run()).query_params and not at.error
