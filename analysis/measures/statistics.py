"""Statistics of few seeds: intervals, exact tests, rank correlation, and times of runs that didn't get there."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, combinations, permutations, product
from math import comb, factorial, inf, nan, prod

import numpy as np
from scipy import stats

from analysis.comparison import LEVEL

POWER = 0.8  # the chance with which enough seeds would show a difference
MOST_SEEDS = 100
RESAMPLES = 2000
MOST_SPLITS = 20_000  # of a permutation test; where there are more, as many are drawn
MOST_SHUFFLES = 5040  # of all orders of seven
ROUNDED = 1e-9


def wilson_interval(solved: int, seeds: int) -> tuple[float, float]:
    """Return Wilson's interval of 95 % for a share, `solved` of `seeds` (Wilson 1927).

    >>> [round(end, 3) for end in wilson_interval(4, 4)]
    [0.51, 1.0]
    """
    if not seeds:
        return nan, nan
    interval = stats.binomtest(int(solved), int(seeds)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def fisher_p(solved: int, seeds: int, other_solved: int, other_seeds: int) -> float:
    """Return Fisher's exact two-sided p of two shares.

    >>> round(fisher_p(4, 4, 1, 4), 2)
    0.14
    """
    table = [[solved, seeds - solved], [other_solved, other_seeds - other_solved]]
    return float(stats.fisher_exact(table).pvalue)


@lru_cache(maxsize=1024)
def seeds_to_settle(share: float, other: float) -> float:
    """Return how many seeds each would show, by Fisher's test, that two shares differ, if they are as given.

    The smallest number with which Fisher's p has a chance of 80 % to be below .05; infinite where it is over 100.
    """
    if share == other:
        return inf
    for seeds in range(2, MOST_SEEDS + 1):
        counts = np.arange(seeds + 1)
        chances = np.outer(stats.binom.pmf(counts, seeds, share), stats.binom.pmf(counts, seeds, other))
        if chances[_fisher_table(seeds) < LEVEL].sum() >= POWER:
            return float(seeds)
    return inf


@lru_cache(maxsize=MOST_SEEDS)
def _fisher_table(seeds: int) -> np.ndarray:
    """Return Fisher's two-sided p of all pairs of counts out of `seeds` each, (seeds + 1, seeds + 1)."""
    table = np.ones((seeds + 1, seeds + 1))
    for total in range(2 * seeds + 1):
        first = np.arange(max(0, total - seeds), min(seeds, total) + 1)
        chances = stats.hypergeom.pmf(first, 2 * seeds, total, seeds)
        no_likelier = chances[None, :] * (1 - ROUNDED) <= chances[:, None]  # column than row
        table[first, total - first] = (chances[None, :] * no_likelier).sum(1)
    return table


def gehan_p(
    times: np.ndarray, others: np.ndarray, censored: np.ndarray | None = None, others_censored: np.ndarray | None = None
) -> float:
    """Return the two-sided p of two samples by Gehan's generalized Wilcoxon test (1965), by permutation.

    A censored value is only known to be at least what it is. Without any it is Mann and Whitney's test. All splits of
    the pooled values are tried, or 20,000 drawn ones where there are more, the same at each call.

    Args:
        times: (n,), of the one.
        others: (m,), of the other.
        censored: (n,) of booleans; None = none is.
        others_censored: (m,) of booleans.
    """
    n, m = len(times), len(others)
    if not n or not m:
        return nan
    values = np.concatenate([times, others])
    known = ~np.concatenate([_flags(censored, n), _flags(others_censored, m)])
    later = _later(values, known)
    scores = later.sum(1) - later.sum(0)  # (n + m,) how many each comes after, less those that come after it
    sums = scores[_splits(n, m)].sum(1)
    return float((np.abs(sums) >= abs(scores[:n].sum()) - ROUNDED).mean())


def _flags(censored: np.ndarray | None, count: int) -> np.ndarray:
    return np.zeros(count, bool) if censored is None else np.asarray(censored, bool)


def _later(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return whether i is surely later than j, (n, n): j's time is known, and i's is beyond it or censored at it."""
    beyond = values[:, None] > values[None, :]
    at_least = (values[:, None] == values[None, :]) & ~known[:, None]
    return ((beyond | at_least) & known[None, :]).astype(int)


@lru_cache(maxsize=8)
def _splits(n: int, m: int) -> np.ndarray:
    """Return which n of n + m values are the first sample's, for all splits or for many, (splits, n)."""
    if comb(n + m, n) <= MOST_SPLITS:
        return np.array(list(combinations(range(n + m), n)))
    generator = np.random.default_rng(0)
    drawn = generator.permuted(np.tile(np.arange(n + m), (MOST_SPLITS - 1, 1)), axis=1)[:, :n]
    return np.vstack([np.arange(n), drawn])  # the split that was seen is one of them


def median_time(times: np.ndarray, censored: np.ndarray) -> float:
    """Return the time (N,) by which half have got there, by Kaplan and Meier (1958).

    Infinite where fewer than half get there before the others are censored; NaN without any.

    >>> median_time(np.array([10.0, 30.0, 50.0]), np.array([False, False, True]))
    30.0
    """
    if not len(times):
        return nan
    survival = stats.ecdf(stats.CensoredData.right_censored(times, censored)).sf
    reached = survival.quantiles[survival.probabilities <= 0.5 + ROUNDED]
    return float(reached[0]) if len(reached) else inf


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Return an interval of at least 95 % for the median (N,), by order statistics (Thompson 1936).

    Of up to eight values it is their whole range, of fewer than six less sure than 95 %. Values may be infinite.

    >>> median_interval(np.arange(9.0))
    (1.0, 7.0)
    """
    ordered = np.sort(values)
    cut = max(1, int(stats.binom.ppf(LEVEL / 2, len(ordered), 0.5)))
    return float(ordered[cut - 1]), float(ordered[-cut])


def rank_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return Spearman's rank correlation of two variables (N,), and a bootstrap interval of 95 %.

    NaN where either is constant, or there are fewer than three pairs. A resample in which either is constant counts as
    no correlation: a single pair that differs from all others proves none. Resamples are the same at each call.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return nan, nan, nan
    chosen = np.random.default_rng(0).integers(len(x), size=(RESAMPLES, len(x)))
    low, high = np.percentile(_spearman(x[chosen], y[chosen]), [2.5, 97.5])
    return float(_spearman(x[None], y[None])[0]), float(low), float(high)


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the rank correlation of each row of two arrays (R, N), (R,); 0 where a row is constant."""
    a, b = (stats.rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (x, y))
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return np.where(size > 0, (a * b).sum(1) / np.where(size > 0, size, 1), 0.0)


def rank_correlation_within(x: np.ndarray, y: np.ndarray, blocks: Sequence, units: Sequence) -> tuple[float, float]:
    """Return Spearman's rank correlation within blocks, and its two-sided p by permutation (Taylor 1987).

    Ranks are taken within each block of n and divided by n + 1, so that what a block adds grows with its size alone.
    What one unit has in several blocks isn't independent, so units trade all their y at once, each with those that are
    in the same blocks (whole-block permutation: Winkler et al. 2015). Where there are over 5,040 orders, as many are
    drawn, the same at each call. NaN where nothing varies within any block.

    Args:
        x, y: the two variables (N,).
        blocks: to which each pair belongs (N,); it has no influence on the result how blocks differ.
        units: whose each pair is (N,); a unit has at most one pair in a block.
    """
    a, present = _scores_within(x, blocks, units)
    b, _ = _scores_within(y, blocks, units)
    size = np.sqrt((a**2).sum() * (b**2).sum())
    if not size:
        return nan, nan
    products = a @ b.T  # (units, units)
    sums = products[np.arange(len(a)), _orders(present)].sum(1)
    p = float((np.abs(sums) >= abs(sums[0]) - ROUNDED).mean())
    return float(sums[0] / size), p


def _scores_within(values: np.ndarray, blocks: Sequence, units: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Return centred ranks within blocks over n + 1, (units, blocks), and which there are; 0 where there is none."""
    columns, rows = ({each: place for place, each in enumerate(dict.fromkeys(names))} for names in (blocks, units))
    column, row = np.array([columns[each] for each in blocks], int), np.array([rows[each] for each in units], int)
    scores, present = np.zeros((len(rows), len(columns))), np.zeros((len(rows), len(columns)), bool)
    for block in range(len(columns)):
        own = column == block
        ranks = stats.rankdata(np.asarray(values)[own])
        scores[row[own], block] = (ranks - ranks.mean()) / (len(ranks) + 1)
        present[row[own], block] = True
    return scores, present


def _orders(present: np.ndarray) -> np.ndarray:
    """Return orders of units (orders, units), in which those with the same row of `present` trade places.

    The first is the present one; all others follow, or drawn ones where they are many.
    """
    _, kinds = np.unique(present, axis=0, return_inverse=True)
    groups = [np.flatnonzero(kinds == kind) for kind in range(kinds.max() + 1)]
    if prod(factorial(len(group)) for group in groups) <= MOST_SHUFFLES:
        every = [chain(*order) for order in product(*(permutations(group) for group in groups))]
        shuffled = np.array([np.fromiter(order, int) for order in every])
    else:
        generator = np.random.default_rng(0)
        tiles = [np.tile(group, (MOST_SHUFFLES, 1)) for group in groups]
        shuffled = np.hstack([np.vstack([tile[:1], generator.permuted(tile[1:], axis=1)]) for tile in tiles])
    orders = np.empty_like(shuffled)
    orders[:, np.concatenate(groups)] = shuffled
    return orders


def best_threshold(values: np.ndarray, success: np.ndarray) -> tuple[float, float]:
    """Return the value from which success is best predicted, and Youden's index of that prediction (1950).

    The index is the share of successes at or above it, less the share of failures there: 1 is without a mistake, 0 is
    as good as guessing. NaN where all succeed, or none does.

    >>> best_threshold(np.array([3.0, 7.0, 15.0, 40.0]), np.array([False, False, True, True]))
    (15.0, 1.0)
    """
    success = np.asarray(success, bool)
    if success.all() or not success.any():
        return nan, nan
    candidates = np.unique(values)[1:]
    if not len(candidates):
        return nan, nan
    above = np.asarray(values)[None] >= candidates[:, None]  # (candidates, N)
    index = above[:, success].mean(1) - above[:, ~success].mean(1)
    return float(candidates[index.argmax()]), float(index.max())
