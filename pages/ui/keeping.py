"""What was read or measured of the visitor's own model, kept in this session alone."""

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from pages.ui import session

READING = ("tensors", "correction", "file", "data")
MEASURING = ("model", "answers")


def once(subject: str, key: Hashable, name: str, make: Callable[[], Any]) -> Any:
    """Compute something once, and keep it in this session alone until the subject has another key."""
    results = session.model_results(subject)
    kept = results.get()
    if kept.get("key") != key:
        kept = {"key": key}
        results.set(kept)
    if name not in kept:
        with st.spinner(_doing(subject)):
            kept[name] = make()
    return kept[name]


def _doing(subject: str) -> str:
    """Return what is said while a subject is worked on."""
    return "Reading …" if subject in READING else "Measuring …" if subject in MEASURING else "Drawing …"
