"""A gate moved by hand in a real Chromium: the picture follows, and a download holds what is shown."""

import csv
import io
import re
import zipfile

from playwright.sync_api import expect

from tests.helpers.browser import button, has_run

NAMED = """name => [...document.querySelectorAll(".st-key-layers-held .js-plotly-plot")].some(
    each => each._fullData?.some(trace => trace.name === name))"""


def test_a_gate_moved_by_hand_is_what_is_downloaded(server, visit, tmp_path):
    page = visit(server.url("cell", "hold=true&sentence=the+cat+and+the+dog&hidden_size=4"))
    page.wait_for_function(NAMED, arg="forget gate held at 0.9")
    slider = page.get_by_role("slider", name="Held at")
    slider.press("ArrowLeft")
    page.wait_for_function(NAMED, arg="forget gate held at 0.85")
    expect(page.get_by_text("With the forget gate held at 0.85")).to_be_visible()
    expect(page).to_have_url(re.compile("held_at=0.85"))
    has_run(page)
    with page.expect_download() as download:
        button(page, "download-cell").click()
    download.value.save_as(tmp_path / "page.zip")
    with zipfile.ZipFile(tmp_path / "page.zip") as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("held.csv").decode())))
        assert "held at 0.85" in archive.read("held.json").decode()
    assert [row["value"] for row in rows] == [""] * 5 + ["0.85"] * 5
    page.get_by_text("hold this gate").click()
    expect(page.locator(".st-key-layers-held")).to_have_count(0)
