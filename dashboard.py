"""The router: pages by section, the sidebar they share, the chosen page."""

import sys

LESSON = ("words", "loop", "tanh", "goldfish", "lstm", "gru", "choice")  # its stops, of which the menu shows the first
# Widgets whose values pages have in common.
SHARED = ("sentence", "word", "unit", "networks", "vector", "factor", "time_step")
PAGES = {
    "": [
        ("pages/home/home.py", "Home", ":material/home:"),
        ("pages/lesson/words.py", "The lesson", ":material/school:"),
        *((f"pages/lesson/{stop}.py", stop, None) for stop in LESSON[1:]),
    ],
    "Measure": [
        ("pages/measure/decay.py", "Gradient decay", ":material/trending_down:"),
        ("pages/measure/gates.py", "Gate saturation", ":material/toggle_on:"),
        ("pages/measure/bounds.py", "Activation bounds", ":material/height:"),
        ("pages/measure/compare.py", "Compare", ":material/leaderboard:"),
        ("pages/measure/model.py", "Your model", ":material/upload_file:"),
    ],
    "Understand": [
        ("pages/understand/why.py", "Why", ":material/troubleshoot:"),
        ("pages/understand/cell.py", "Inside the cell", ":material/schema:"),
    ],
    "History": [("pages/runs/runs.py", "Runs", ":material/history:")],
}

# A server's very first visit, if it is a link to a page below the first, is met with "Page not found" over that page:
# Streamlit looks for pages/*.py before it reads the list above. Unknown addresses lead to Home, and keep the notice.
CLOSE_FALSE_ALARM = """<script>{
const look = setInterval(() => {
  const alarm = [...document.querySelectorAll('[role="dialog"]')].find(d => d.innerText.startsWith("Page not found"));
  if (alarm) { alarm.querySelector('button').click(); clearInterval(look); }
}, 50);
setTimeout(() => clearInterval(look), 10000);
}</script>"""


LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 168 32" width="168" height="32">
<path fill="#E8590C" d="M2 8 L12 14 C18 6 32 6 38 16 C32 26 18 26 12 18 L2 24 L6 16 Z"/>
<circle cx="31" cy="14" r="1.8" fill="#fff"/>
<text x="46" y="24" font-family="Source Sans Pro, Segoe UI, Arial, sans-serif" font-size="24" font-weight="700"
 fill="#E8590C">Goldfish</text></svg>"""


def main():  # its imports are here because every worker imports this file too, and needs none of them
    import pandas  # noqa: F401  whole, before plotly meets it half imported by another session's thread
    import streamlit as st
    from plotly.graph_objects import Figure

    from analysis.language import in_language, translate
    from pages.ui import language

    st.set_page_config(page_title="Goldfish", page_icon="🐠", layout="wide")
    st.logo(LOGO, size="large")
    with in_language(language.known()):
        page = st.navigation(
            {
                section and translate(section): [
                    st.Page(
                        path,
                        title=translate(title),
                        icon=icon,
                        default=path == "pages/home/home.py",
                        visibility="visible" if icon else "hidden",
                    )
                    for path, title, icon in entries
                ]
                for section, entries in PAGES.items()
            }
        )
    if page.url_path:  # drawn at every run: Streamlit identifies bound widgets by position
        st.html(CLOSE_FALSE_ALARM, unsafe_allow_javascript=True)
    waiting = st.empty()
    if "torch" not in sys.modules:
        with waiting.container():
            st.caption("Loading PyTorch, once …")
            st.plotly_chart(Figure(), height=1)  # the browser loads what draws while this loads what computes

    from pages.ui import answering, compare_plan, history, links, presets, session, sidebar, training

    waiting.empty()
    answering.send_at_once()
    session.PAGE.set(page)
    presets.open_preset()
    history.open_run()
    session.keep((*SHARED, *compare_plan.KEYS))
    links.mend()
    language.choose(offered=page.url_path in ("", *LESSON))
    sidebar.draw()
    page.run()
    training.jobs()  # workers warm up behind the first page
    answering.spare_what_is_loaded()


if __name__ == "__main__":
    main()
