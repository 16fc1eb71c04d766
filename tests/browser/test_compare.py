"""The page Compare in a Chromium: a file of one's own is compared, found again and taken away."""

import json
import re
import zipfile

from playwright.sync_api import expect

from analysis.jobs.grid import parse_grid
from tests.helpers.browser import button, has_run
from tests.helpers.data import table, waves

SMALL = "cells=LSTM&cells=GRU&hidden_size=8&seeds=2&batch_size=8&steps=60&lengths=5,6&rates=0.005,0.02"
VERDICT = re.compile(r"(clear in \d of|^No clear winner among LSTM and GRU in any of) 2 tests")
DONE = "Compared: every training is done."


def upload(page):
    expect(page.get_by_text("This task learns from data of yours")).to_be_visible()
    data = {"name": "waves.csv", "mimeType": "text/csv", "buffer": table(waves(), "year,wave")}
    page.locator(".st-key-data input[type=file]").set_input_files(data)


def test_upload_compare_see_the_verdict_reload_and_export(server, visit, tmp_path):
    page = visit(server.url("compare", SMALL))
    page.goto(server.url("compare", f"{SMALL}&task=series"))
    upload(page)
    expect(page.get_by_text(re.compile("4 settings × 2 seeds, about .* 4 short trainings"))).to_be_visible()
    button(page, "compare").click()
    expect(button(page, "compare")).to_be_disabled()  # it goes on, or is done already
    page.reload()
    upload(page)
    expect(page.get_by_text(DONE)).to_be_visible()
    expect(page.get_by_role("heading", name=VERDICT)).to_be_visible()

    page.get_by_role("tab", name="Cost").click()
    page.get_by_role("radio", name="multiply-adds").click()
    expect(page).to_have_url(re.compile("against=multiply-adds.*lengths=5"))
    has_run(page)
    with page.expect_download() as download:
        button(page, "download-compare").click()
    download.value.save_as(tmp_path / "page.zip")
    with zipfile.ZipFile(tmp_path / "page.zip") as archive:
        plan = parse_grid(archive.read("grid.toml").decode())
        written = json.loads(archive.read("comparison.json"))
        (tmp_path / "compare.html").write_bytes(archive.read("compare.html"))
        names, missing = {*archive.namelist()}, b"not done after" in archive.read("README.txt")  # on a slow machine
        assert "comparison.csv" in names and (missing or {"metric.png", "metric-against-parameters.svg"} <= names)
    assert plan.axes == {"cell": ("lstm", "gru"), "length": (5, 6)} and plan.learning_rates == (0.005, 0.02)
    assert {plan.settings["data_file"], written["rows"][0]["experiment"]["data_file"]} == {"waves.csv"}
    assert [row["experiment"]["cell"] for row in written["rows"]] == ["lstm", "lstm", "gru", "gru"]

    page.goto((tmp_path / "compare.html").as_uri())  # the report stands alone
    expect(page.get_by_role("heading", name="Which cell for series?")).to_be_visible()
    expect(page.get_by_text(written["verdicts"][0])).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(5)
