"""A page of the dashboard opened at once, as from a link."""

from streamlit.testing.v1 import AppTest

from tests.helpers.app import DASHBOARD
from tests.helpers.jobs import PATIENCE


def opened(page, **settings):
    """Open a page with these values in the URL, without another page before it."""
    at = AppTest.from_file(DASHBOARD, default_timeout=PATIENCE)
    for name, value in settings.items():
        at.query_params[name] = value
    at.switch_page(page)
    return at.run()
