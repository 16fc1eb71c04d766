"""Buttons and sliders lead to frames that are there."""

from analysis.figures import animation


def test_a_jump_takes_no_time():
    assert animation.playback()["frame"] == {"duration": 0, "redraw": False}
    assert animation.playback(900, redraw=True)["frame"] == {"duration": 900, "redraw": True}


def test_a_slider_has_a_step_for_each_frame():
    steps = animation.slider(["a", "b"], animation.playback())["steps"]
    assert [(step["label"], step["args"][0]) for step in steps] == [("a", ["0"]), ("b", ["1"])]
    assert all(step["method"] == "animate" for step in steps)


def test_buttons_stand_in_the_order_given():
    play, pause = animation.button("Play", None, animation.playback(500)), animation.button("Pause", [None], {})
    row = animation.buttons([play, pause], 0.15)
    assert row["buttons"] == [play, pause]
    assert row["bgcolor"].endswith("0.15)")
