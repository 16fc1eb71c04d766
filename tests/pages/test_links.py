"""What a link says beside the sidebar's settings."""

import pytest

from tests.helpers.app import SMALL, app, fine

ZH = "循环网络能记住多久以前的事？"

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


@pytest.mark.parametrize(
    ("written", "chosen"), [("zh", "中文"), ("EN", "English"), ("中文", "中文"), ("english", "English")]
)
def test_a_language_is_read_by_its_code_or_name(written, chosen):
    at = fine(app(**SMALL, language=written))
    assert at.segmented_control(key="language").value == chosen and not at.toast
    assert at.title[0].value == ("How far back does a recurrent network remember?" if chosen == "English" else ZH)


def test_a_language_without_a_catalogue_is_left_out_and_told():
    at = fine(app(**SMALL, language="klingon"))
    (said,) = [toast.value for toast in at.toast]
    assert said == "Ignored in the link: language=klingon, expected English or 中文."
    assert at.segmented_control(key="language").value == "English"


def test_the_instrument_speaks_english_and_keeps_the_choice_for_the_lesson():
    at = fine(app("pages/measure/decay.py", **SMALL, language="zh"))
    assert at.title[0].value == "How far back can a network learn, and remember?"
    at.switch_page("pages/lesson/loop.py").run()
    assert at.segmented_control(key="language").value == "中文"
