"""Statistics against published values and against scipy."""

import numpy as np
import pytest
from scipy import stats

from analysis.measures.statistics import (
    best_threshold,
    fisher_p,
    gehan_p,
    median_interval,
    median_time,
    rank_correlation,
    rank_correlation_within,
    seeds_to_settle,
    wilson_interval,
)

# Freireich et al. 1963, weeks of remission with 6-MP (+ is censored) and with a placebo, as in Gehan 1965.
TREATED = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], float)
TREATED_CENSORED = np.arange(21) >= 9
PLACEBO = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], float)
NONE = np.zeros(21, bool)


@pytest.mark.parametrize(
    ("solved", "seeds", "interval"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilsons_interval_is_that_of_newcombe_1998(solved, seeds, interval):
    np.testing.assert_allclose(wilson_interval(solved, seeds), interval, atol=5e-5)


def test_of_no_seeds_nothing_is_known():
    assert np.isnan(wilson_interval(0, 0)).all()


def test_fishers_test_of_the_lady_tasting_tea():
    assert fisher_p(3, 4, 1, 4) == pytest.approx(0.4857, abs=5e-5)
    assert fisher_p(4, 4, 1, 4) == pytest.approx(1 / 7)
    assert fisher_p(4, 4, 0, 4) == pytest.approx(2 / 70)
    assert fisher_p(2, 2, 0, 8) == stats.fisher_exact([[2, 0], [0, 8]]).pvalue  # seeds may differ


@pytest.mark.parametrize(("share", "other"), [(1.0, 0.25), (0.75, 0.0), (0.9, 0.4)])
def test_the_seeds_that_settle_it_are_the_fewest_with_a_power_of_80_percent(share, other):
    def power(seeds):
        counts = range(seeds + 1)
        return sum(
            stats.binom.pmf(a, seeds, share) * stats.binom.pmf(b, seeds, other)
            for a in counts
            for b in counts
            if stats.fisher_exact([[a, seeds - a], [b, seeds - b]]).pvalue < 0.05
        )

    seeds = int(seeds_to_settle(share, other))
    assert power(seeds) >= 0.8
    assert all(power(fewer) < 0.8 for fewer in range(2, seeds))


def test_no_number_of_seeds_settles_what_is_alike():
    assert seeds_to_settle(0.5, 0.5) == np.inf
    assert seeds_to_settle(0.5, 0.55) == np.inf


def test_without_censoring_gehans_test_is_mann_and_whitneys():
    generator = np.random.default_rng(3)
    for n, m in ((4, 4), (3, 6), (5, 5)):
        x, y = generator.normal(size=n), generator.normal(1, size=m)
        assert gehan_p(x, y) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)
    x, y = generator.normal(size=12), generator.normal(0.8, size=12)  # too many splits to try all
    assert gehan_p(x, y) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue, abs=0.01)


def test_gehans_own_example_of_censored_times():
    assert gehan_p(TREATED, PLACEBO, TREATED_CENSORED, NONE) < 0.002  # he gives z = 3.6
    assert gehan_p(TREATED, TREATED, TREATED_CENSORED, TREATED_CENSORED) == 1


def test_a_run_that_never_solves_it_counts_as_later_and_isnt_dropped():
    solved, cut = np.array([100.0, 120, 140, 160]), np.full(4, 500.0)
    assert gehan_p(solved, cut, None, np.ones(4, bool)) == pytest.approx(2 / 70)
    # Cut off before the others got there, they say nothing.
    assert gehan_p(solved, np.full(4, 50.0), None, np.ones(4, bool)) == 1
    assert np.isnan(gehan_p(solved, np.empty(0)))


def test_median_times_by_kaplan_and_meier():
    assert median_time(TREATED, TREATED_CENSORED) == 23
    assert median_time(PLACEBO, NONE) == 8
    assert median_time(np.full(4, 500.0), np.array([False, True, True, True])) == np.inf
    assert np.isnan(median_time(np.empty(0), np.empty(0, bool)))


@pytest.mark.parametrize(("n", "cut"), [(1, 1), (4, 1), (6, 1), (8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (50, 18)])
def test_intervals_of_a_median_hold_it_in_95_percent(n, cut):
    """The cuts are those of published tables, such as Conover's."""
    values = np.random.default_rng(0).permutation(n) + 1.0
    assert median_interval(values) == (cut, n + 1 - cut)
    if n >= 6:
        assert 1 - 2 * stats.binom.cdf(cut - 1, n, 0.5) >= 0.95 > 1 - 2 * stats.binom.cdf(cut, n, 0.5)


def test_rank_correlation_is_scipys_and_its_interval_repeats():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 9, size=30)  # with ties
    y = x + generator.normal(0, 2, size=30)
    rho, low, high = rank_correlation(x, y)
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert 0 < low < rho < high <= 1
    resampled = stats.bootstrap(
        (x, y), lambda a, b: stats.spearmanr(a, b).statistic, paired=True, vectorized=False, n_resamples=500,
        method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    np.testing.assert_allclose((low, high), resampled, atol=0.06)
    assert rank_correlation(x, y) == (rho, low, high)


def test_one_pair_that_differs_from_all_others_proves_no_correlation():
    rho, low, high = rank_correlation(np.array([1.0, 5, 5, 5, 5, 5]), np.array([0.0, 1, 1, 1, 1, 1]))
    assert rho == pytest.approx(1)
    assert low == 0 and high == pytest.approx(1)


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([], [])])
def test_where_nothing_varies_there_is_no_correlation(x, y):
    assert np.isnan(rank_correlation(np.array(x, float), np.array(y, float))).all()


def test_within_one_block_it_is_spearmans_with_the_exact_p():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=6), np.array([0.0, 0, 0.5, 0.5, 1, 1])
    rho, p = rank_correlation_within(x, y, [0] * 6, range(6))
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    exact = stats.permutation_test((x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings")
    assert p == pytest.approx(exact.pvalue)


def test_what_differs_between_blocks_alone_is_no_correlation_within():
    x, y = np.array([1.0, 1, 5, 5, 9, 9]), np.array([0.0, 0, 1, 1, 2, 2])
    assert np.isnan(rank_correlation_within(x, y, [0, 0, 1, 1, 2, 2], [0, 1] * 3)).all()
    opposite = rank_correlation_within(
        np.arange(9.0), np.array([2.0, 1, 0, 5, 4, 3, 8, 7, 6]), [0] * 3 + [1] * 3 + [2] * 3, [0, 1, 2] * 3
    )
    assert opposite == pytest.approx((-1, 2 / 6))  # three units have six orders, and one is as far the other way


def test_units_trade_places_with_those_in_the_same_blocks_alone():
    x, y = np.array([1.0, 2, 3, 1, 2]), np.array([1.0, 2, 3, 1, 2])
    assert rank_correlation_within(x, y, [0, 0, 0, 1, 1], [0, 1, 2, 0, 1])[1] == 1 / 2  # the third stays


def simulated(generator, effect, settings=8, lengths=3):
    """Settings at lengths, the longer the harder; some settings are better at all lengths, by their horizon or not."""
    strength, luck = generator.normal(size=(2, settings))
    lengths = np.repeat(np.arange(lengths), settings)
    units = np.tile(np.arange(settings), 3)
    horizon = np.exp(2 + 0.7 * strength[units] + 0.1 * generator.normal(size=len(units))) / 2.0**lengths
    chance = 1 / (1 + np.exp(2 * lengths - 1.5 - luck[units] - effect * strength[units]))
    return horizon, generator.binomial(4, chance) / 4, lengths, units


@pytest.mark.parametrize(("effect", "fewest", "most"), [(0, 0.02, 0.08), (3, 0.85, 1)])
def test_with_the_length_fixed_no_effect_is_claimed_in_1_of_20_and_a_real_one_found(effect, fewest, most):
    generator = np.random.default_rng(4)
    claims = [rank_correlation_within(*simulated(generator, effect))[1] < 0.05 for _ in range(300)]
    assert fewest <= np.mean(claims) <= most


def test_over_all_lengths_the_length_alone_looks_like_an_effect():
    generator = np.random.default_rng(4)
    lows = [rank_correlation(*simulated(generator, 0)[:2])[1] for _ in range(20)]
    assert np.mean(np.array(lows) > 0) > 0.5


def test_the_best_threshold_parts_failures_from_successes():
    horizons = np.array([3.0, 7, 14, 15, 30, 49])
    assert best_threshold(horizons, horizons >= 15) == (15, 1)
    value, quality = best_threshold(horizons, np.array([False, False, False, True, False, True]))
    assert value == 15 and quality == pytest.approx(1 - 1 / 4)
    assert np.isnan(best_threshold(horizons, horizons > 0)).all()
    assert np.isnan(best_threshold(np.full(3, 7.0), np.array([True, False, True]))).all()
