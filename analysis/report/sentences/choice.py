"""What the runs that are there say of the choice between cells, and no more than they say."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.experiment import CELLS, GATED, SETTINGS, Experiment, higher_is_better
from analysis.language import join_sentences, mark, translate_count
from analysis.language import translate as _
from analysis.report.sentences.training import rank_cells, stayed_at_chance
from analysis.report.wording import PER_CENT, format_number, format_steps
from analysis.results import Run
from analysis.sources import data_name

TASKS = {
    "recall": mark("Recall: one symbol among others, to be named at the end"),
    "adding": mark("Adding: two marked numbers, whose sum is wanted at the end"),
    "order": mark("Order: two symbols, and which of them came first"),
    "copy": mark("Copy: ten symbols, to be repeated in order"),
    "text": mark("Text: which letter comes next"),
    "words": mark("Words: which word comes next"),
    "digits": mark("Digits: a written digit, read pixel by pixel"),
    "series": mark("Series: data of one's own"),
}
TEXT_NAMES = {"english": mark("English prose"), "chinese": mark("Chinese prose")}
STORIES = {
    "recall": mark(
        "One of {symbols} symbols is shown somewhere in {length} steps; at the end the network must name it. So it has "
        "to remember it for up to {back} steps."
    ),
    "adding": mark(
        "{length} numbers are read, two of them marked; at the end the network must say the sum of these two."
    ),
    "order": mark("In {length} steps an X or a Y is shown twice; at the end the network must say in which order."),
    "copy": mark("Ten symbols are read; {length} steps later the network must repeat them in the same order."),
    "text": mark("Prose is read letter by letter; each time the network must say which letter comes next."),
    "words": mark("Prose is read word by word; each time the network must say which word comes next."),
    "digits": mark(
        "A written digit is read, one of its {length} pixels a step; at the end the network must say which."
    ),
    "series": mark("Sequences of one's own are read, and what belongs to them must be said."),
}
ALIKE = 0.1  # of what was gained over guessing: networks that are nearer hardly differ
# Settings that a group's name leaves out or says first.
NAMED = ("task", "length", "cell", "seeds", "snapshot_every", "data_file")


def describe_group(experiment: Experiment, cells: Sequence[str]) -> str:
    """Name runs by their task, its length, and the settings that aren't at their defaults."""
    name = _("{task}, {length} time steps: {cells}").format(
        task=_(TASKS[experiment.task]), length=experiment.task_length, cells=name_cells(cells)
    )
    text = experiment.text_file
    changed = [_(TEXT_NAMES[text])] if text in TEXT_NAMES else []
    if experiment.seeds != SETTINGS["seeds"].default:
        count = experiment.seeds
        changed.append(
            translate_count("{count} network of each kind", "{count} networks of each kind", count).format(count=count)
        )
    changed += [
        f"{_(setting.label)} {getattr(experiment, setting_name)}"
        for setting_name, setting in SETTINGS.items()
        if setting_name not in NAMED
        and not (setting_name == "text_file" and text in TEXT_NAMES)
        and getattr(experiment, setting_name) != setting.default
    ]
    return _(", ").join([name, *filter(None, [data_name(experiment)]), *changed])


def name_cells(cells: Sequence[str]) -> str:
    """Join the names of one to three cells, in the order of CELLS: "RNN, LSTM and GRU"."""
    ordered = [cell.upper() for cell in CELLS if cell in cells]
    names = dict(zip(("first", "second", "third"), ordered, strict=False))
    patterns = ("{first}", _("{first} and {second}"), _("{first}, {second} and {third}"))
    return patterns[len(cells) - 1].format(**names)


def choice_sentence(runs: Mapping[str, Run]) -> str:
    """Say which cell did best in some runs of one task, if their seeds tell; never more than these runs measured."""
    metrics = {cell: run.metric[np.isfinite(run.metric)] for cell, run in runs.items()}
    if any(len(metrics[cell]) < len(run.metric) for cell, run in runs.items()):
        return _("No clear winner here: some of these models left the range of numbers and have no result.")
    if len(metrics) < 2:
        return _("Only the {cell} has been trained on this. Train another one to compare.").format(
            cell=name_cells([*metrics])
        )
    if all(stayed_at_chance(run) for run in runs.values()):
        return _("None of them has learned this task: all stayed at chance. More updates may change that.")
    first = next(iter(runs.values()))
    seeds = min(map(len, metrics.values()))
    tied, worse = rank_cells(metrics, higher_is_better(first.metric_name))
    if seeds == 1:
        medians = [float(metric[0]) for metric in metrics.values()]
        if max(medians) - min(medians) < ALIKE * max(abs(median - first.chance) for median in medians):
            tied, worse = [*metrics], []
    if len(tied) == 1 and seeds == 1:
        return _("The {best} did best here, but one network of each kind says little.").format(best=name_cells(tied))
    if len(tied) == 1:
        text = translate_count(
            "Take the {best} for this task: its {count} network beat every one of the {worse}.",
            "Take the {best} for this task: each of its {count} networks beat every one of the {worse}.",
            seeds,
        )
        return text.format(best=name_cells(tied), count=seeds, worse=name_cells(worse))
    small = min(tied, key=lambda cell: runs[cell].timing["parameters"])
    others = [cell for cell in tied if cell != small]
    said = _("Take the {small} for this task: it does as well as the {others}, and has fewer numbers to learn.").format(
        small=name_cells([small]), others=name_cells(others)
    )
    return join_sentences(said, _("The {worse} did worse.").format(worse=name_cells(worse)) if worse else "")


def task_sentence(experiment: Experiment) -> str:
    """Describe a task in everyday words: what is read, and what must be said."""
    length, story = experiment.task_length, _(STORIES[experiment.task])
    return _("**The task.** {story}").format(
        story=story.format(length=length, back=length - 1, symbols=experiment.symbols)
    )


def rule_sentences(runs: Mapping[str, Run]) -> str:
    """Return a rule of thumb that follows from these runs; "" unless an RNN and a cell with gates are among them."""
    gated = [cell for cell in runs if cell in GATED]
    if "rnn" not in runs or not gated:
        return ""
    spans = {cell: float(np.nan_to_num(run.memory.span)) for cell, run in runs.items()}
    reach = format_steps(spans["rnn"])
    farther = max(spans[cell] for cell in gated) > spans["rnn"]
    if farther:
        rule = _("If what matters lies farther back than an RNN remembers (here {reach}), take an LSTM or a GRU.")
    elif max(spans.values()) == 0:
        rule = _(
            "All three carry earlier words (stops 2 and 4), but here nearly all hangs on the last one: where memory "
            "doesn't help, the plain RNN is enough."
        )
    else:
        rule = _(
            "Here LSTM and GRU remember no farther back than the RNN ({reach}): where memory isn't needed, the plain "
            "RNN is enough."
        )
    said = [rule.format(reach=reach)]
    lstm, gru = (runs.get(cell) for cell in ("lstm", "gru"))
    if lstm and gru and gru.timing["parameters"] < lstm.timing["parameters"]:
        said.append(
            _("Of these two try the smaller first, the GRU.")
            if farther
            else _("Where it does help, try the smaller cell with gates first, the GRU.")
        )
    return join_sentences(*said)


def recap_sentence(kept: float, fewer: float) -> str:
    """Sum the lesson up, a half-sentence for each stop.

    Args:
        kept: the share of a first word that a turn of the loop of an untrained RNN keeps.
        fewer: the share of an LSTM's parameters that a GRU saves.
    """
    return _(
        "**In short.** Words become numbers (1). The loop hands the memory on (2); tanh holds what is shown within ±1 "
        "(3). Each turn of an untrained RNN keeps only ×{kept} of what is old: it forgets (4). The LSTM's gates decide "
        "what to forget, store and show (5); the GRU does with two gates and {fewer} fewer numbers (6). Short memory: "
        "RNN. Long: GRU or LSTM; try (7)."
    ).format(kept=format_number(kept), fewer=f"{100 * fewer:.0f}{PER_CENT}")
