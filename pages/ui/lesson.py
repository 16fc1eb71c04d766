"""The lesson beside the pictures of a cell, for who has seen a neural network and never a recurrent one."""

from analysis.language import mark

FORMULAS = {
    ("lstm", "forget"): r"f_t = \sigma(W_f\,x_t + U_f\,h_{t-1} + b_f)",
    ("lstm", "input"): r"i_t = \sigma(W_i\,x_t + U_i\,h_{t-1} + b_i)",
    ("lstm", "candidate"): r"g_t = \tanh(W_g\,x_t + U_g\,h_{t-1} + b_g)",
    ("lstm", "output"): r"o_t = \sigma(W_o\,x_t + U_o\,h_{t-1} + b_o)",
    ("lstm", "cell"): r"c_t = f_t \odot c_{t-1} + i_t \odot g_t",
    ("lstm", "hidden"): r"h_t = o_t \odot \tanh(c_t)",
    ("gru", "reset"): r"r_t = \sigma(W_r\,x_t + U_r\,h_{t-1} + b_r)",
    ("gru", "update"): r"z_t = \sigma(W_z\,x_t + U_z\,h_{t-1} + b_z)",
    ("gru", "candidate"): r"n_t = \tanh\bigl(W_n\,x_t + b_n + r_t \odot (U_n\,h_{t-1} + c_n)\bigr)",
    ("gru", "hidden"): r"h_t = z_t \odot h_{t-1} + (1 - z_t) \odot n_t",
    ("rnn", "hidden"): r"h_t = \tanh(W\,x_t + U\,h_{t-1} + b)",
}
MEANINGS = {
    ("lstm", "forget"): mark(
        "For every number of the cell state it decides how much stays. **0** erases it, **1** keeps it whole."
    ),
    ("lstm", "input"): mark(
        "Two parts: a proposal from −1 to 1 of what to store, and for each number how much of it. **0** stores nothing "
        "of the proposal, **1** stores all of it."
    ),
    ("lstm", "output"): mark(
        "It decides what of the memory is shown now, to the prediction and to the next word. **0** keeps it back for "
        "later, **1** shows all."
    ),
    ("lstm", "cell"): mark(
        "The long memory: what was kept plus what was stored (⊙: number by number). No weights and no tanh touch it, "
        "so it lasts, and may pass ±1."
    ),
    ("lstm", "hidden"): mark("What of the memory is shown now: the cell state through tanh, times the output gate."),
    ("gru", "reset"): mark(
        "It decides how much of the past enters the proposal. **0** proposes from this word alone, **1** lets all of "
        "it join in. So it can start afresh without touching what z keeps."
    ),
    ("gru", "update"): mark(
        "It does the work of the forget and the input gate at once: what isn't kept is replaced, updated. **1** keeps "
        "the old number, **0** takes the new one. (In many books z is the other way round.)"
    ),
    ("gru", "candidate"): mark(
        "The proposal for a new state, from −1 to 1, also called candidate; 1 − z decides how much of it gets in."
    ),
    ("gru", "hidden"): mark("All memory, and what is shown, in one: what was kept and what was stored, added up."),
    ("rnn", "hidden"): mark(
        "All memory. A plain RNN has no gate: every word rewrites all of it, through the same weights and tanh."
    ),
}
VIEWS = {
    "forget": mark("forget gate"), "input": mark("input gate"), "output": mark("output gate"),
    "cell": mark("cell state"), "hidden": mark("hidden state"), "reset": mark("reset gate"),
    "update": mark("update gate"), "candidate": mark("proposal"),
}  # fmt: skip
HANDED_ON = {"rnn": "its hidden state h", "gru": "its hidden state h", "lstm": "its cell state c and hidden state h"}
LOOP = {
    cell: "**The loop.** Each word becomes a few numbers, its embedding x. One and the same cell reads word after "
    f"word. What it hands on, {states}, is all that the next word's turn knows of the past: the memory so far."
    for cell, states in HANDED_ON.items()
}
FLOWS = {
    "lstm": "**Two flows.** Above runs the cell state c, the long memory: it is only multiplied by the forget gate and "
    "added to, so that it can pass many words where that gate stays open. Below runs the hidden state h: what of it "
    "is shown now.",
    "gru": "**One flow.** A GRU has no cell state. Its hidden state is memory and message in one: at each word it "
    "mixes what it held with what it proposes, in shares that the update gate sets.",
    "rnn": "**No gate.** A plain RNN makes its memory anew at every word: all it held goes through the same weights "
    "and tanh again. Nothing protects an early word: as a rule it fades.",
}
WITHOUT = (
    "Without it, numbers that come back at each word can grow until a few outweigh all others: switch it off to see."
)
WHY_TANH = {
    "lstm": "**Why tanh.** It squeezes what is proposed and what is shown into −1 … 1. So the hidden state stays "
    f"within ±1, and the cell state can grow by at most 1 a word. {WITHOUT}",
    "gru": "**Why tanh.** It squeezes what is proposed into −1 … 1. The hidden state mixes such proposals, so it "
    f"stays within ±1 too. {WITHOUT}",
    "rnn": f"**Why tanh.** It squeezes the hidden state into −1 … 1. {WITHOUT}",
}
WITHOUT_TANH = (
    "**Without tanh** nothing holds the state within −1 … 1. These are the same weights, so what differs is tanh's "
    "doing alone; a square beyond ±1 keeps the strongest colour."
)
LEGEND = (
    "Each patch is one vector, a square per unit: dark red below 0, grey 0, gold above. Coloured boxes hold learned "
    "weights: σ gives 0 to 1, tanh −1 to 1 (“as is” where it is switched off). Signs in circles work number by number. "
    "Point at a square to read it."
)
SOURCES = """
- S. Hochreiter, J. Schmidhuber: [Long short-term memory](https://doi.org/10.1162/neco.1997.9.8.1735), 1997; the
  forget gate: F. Gers and others, [Learning to forget](https://doi.org/10.1162/089976600300015015), 2000
- K. Cho and others: [Learning phrase representations](https://arxiv.org/abs/1406.1078), 2014, the GRU; compared by
  J. Chung and others, [Empirical evaluation of gated recurrent networks](https://arxiv.org/abs/1412.3555), 2014
- C. Olah: [Understanding LSTM networks](https://colah.github.io/posts/2015-08-Understanding-LSTMs/), 2015, whose way
  of drawing became the textbook's
- A. Madsen: [Visualizing memorization in RNNs](https://distill.pub/2019/memorization-in-rnns/), Distill 2019,
  connectivity
- PyTorch: [LSTM](https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html),
  [GRU](https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html), the formulas used here
"""
HELD = mark(
    "Held for every unit at every word; all else is as it was. Above: the mean size of the memory. Below: how much the "
    "score of the next word moves with the memory so many words before, as a share of that at the last."
)
OF_ONE_SCORE = mark(
    "The goldfish stop asked how much of the memory survives; this asks how much this one guess depends on it."
)
THREE_TERMS = mark("In the sum: from the word, from the memory, the bias b.")
_THREE_TERMS = "what comes from the word, what from the hidden state before, and the bias"
_ROUNDED = "Each number is rounded before it is used, as on paper, so the last digit may differ from the drawing's."
ARITHMETIC = {
    "rnn": f"The three numbers of the sum are {_THREE_TERMS}. {_ROUNDED}",
    "lstm": f"In f, i, g and o the three numbers of the sum are {_THREE_TERMS}. {_ROUNDED}",
    "gru": f"In r and z the three numbers of the sum are {_THREE_TERMS}. n has two: what comes from the word, with its "
    f"bias, and r times what comes from the hidden state before, with its bias. {_ROUNDED}",
}
STATES = (
    "A row is one unit: a long stretch of one colour is a number that is held, a change at a word is something stored "
    "or dropped there."
)
DEPENDENCE = (
    "How much the score of the word that follows would move if a word's embedding moved a little: the length of its "
    "gradient. Colours are shares of each cell's strongest; the bars tell how strong that is. Where it has faded to "
    "nothing, nothing is taught either: this is how early words come to be forgotten."
)
LEFT_OUT = (
    "The cell state, and one gate: update does the work of forget and input. Whether that costs accuracy, only a try "
    "on your own task can tell: there is no clear winner. How much time it saves depends on the machine too: it is not "
    "measured here."
)
