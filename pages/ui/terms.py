"""The field's terms, each explained in a sentence, for the page on which it stands."""

import streamlit as st

TERMS = {
    "gradient": "How much the error at the end would change if a number inside moved a little: what a network learns "
    "from.",
    "vanishing gradient": "A gradient that shrinks at every time step on its way back, until early steps get none.",
    "horizon": "The largest distance, in time steps, up to which at least the threshold, 1 % at first, of the gradient "
    "is left. “≥” where the sequence ends first.",
    "memory span": "The largest distance at which a trained network still answers better than midway between guessing "
    "and its best.",
    "saturation": "A gate so near 0 or 1 (below .1, above .9) that it hardly moves any more; a tanh so near ±1.",
    "carry": "What would come back through the forget or update gates alone, without the recurrent weights.",
    "nats": "A unit of surprise and of rates: 1 nat is a factor of e, 2.72; 0.69 nats halve or double.",
    "half-life": "The time steps after which half of the gradient is left, if one rate describes the curve.",
    "r²": "How well one rate per time step describes the curve: 1 is exactly, below .9 not well.",
    "chrono": "A start that draws the gates' biases so that memories last up to the length of the sequence (Tallec and "
    "Ollivier, 2018).",
    "orthogonal": "Weights that turn a vector without making it longer or shorter.",
    "price": "How much the last memory state moves if a recurrent weight moves a little. What remembers longer moves "
    "more, and is harder to train.",
    "gain": "A factor on the recurrent weights after they were initialised.",
    "seed": "Where the random numbers of a model start: another seed, another model of the same settings.",
}


def explain(*names: str) -> None:
    """Offer these terms with their explanations, behind a small button."""
    with st.popover("Terms", icon=":material/menu_book:", type="tertiary", help="What the words on this page mean."):
        st.markdown("\n".join(f"- **{name}**: {TERMS[name]}" for name in names))
