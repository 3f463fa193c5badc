"""How often 95 % intervals hold the truth: ours beside a bootstrap and beside a symmetric Dirichlet prior.

python benchmarks/intervals.py [simulations]
"""

import sys

import numpy as np

from hematovision.evaluation.intervals import Sampling, confusion_limits, effective_size, proportion

SAMPLING = Sampling(share=1.0, confidence=0.95, resamples=600, seed=0)
CONFUSIONS = {
    "8 x 20 cells, 99 % right": ([20] * 8, 0.99),
    "8 x 20 cells, 98 % right": ([20] * 8, 0.98),
    "8 x 100 cells, 95 % right": ([100] * 8, 0.95),
    "5 x 20 cells, 80 % right": ([20] * 5, 0.80),
    "800, 75 and 72 cells, 98 % right": ([800, 75, 72], 0.98),
}
CLUSTERS = [(8, 50, 0.98, 0.05), (8, 50, 0.98, 0.001), (8, 50, 0.95, 0.10), (20, 20, 0.98, 0.05), (70, 14, 0.995, 0.02)]


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """(..., 1) macro-F1 of (..., C, C) matrices."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return (2 * hits / (confusion.sum(axis=-1) + confusion.sum(axis=-2))).mean(axis=-1, keepdims=True)


def quantiles(draws: np.ndarray) -> tuple[float, float]:
    """The limits of 95 % of the draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def macro_coverage(sizes: list[int], right: float, simulations: int) -> dict[str, tuple[float, float]]:
    """Coverage and mean width of three intervals of the macro-F1."""
    rng, classes = np.random.default_rng(1), len(sizes)
    chances = np.eye(classes) * right + (1 - np.eye(classes)) * (1 - right) / (classes - 1)
    truth = macro_f1(np.array(sizes)[:, None] * chances)[0]
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "bootstrap": [], "symmetric prior 1/C": []}
    shape = (SAMPLING.resamples, classes, classes)
    for _ in range(simulations):
        counts = rng.multinomial(sizes, chances)
        low, high = confusion_limits(counts, macro_f1, SAMPLING)
        found["ours"].append((float(low[0]), float(high[0])))
        again = rng.multinomial(counts.sum(), counts.ravel() / counts.sum(), size=shape[0]).reshape(shape)
        found["bootstrap"].append(quantiles(macro_f1(again)))
        found["symmetric prior 1/C"].append(quantiles(macro_f1(rng.standard_gamma(counts + 1 / classes, size=shape))))
    limits = {name: np.array(pairs) for name, pairs in found.items()}
    return {
        name: (float(np.mean((a[:, 0] <= truth) & (truth <= a[:, 1]))), float(np.mean(a[:, 1] - a[:, 0])))
        for name, a in limits.items()
    }


def clustered_coverage(groups: int, size: int, right: float, correlation: float, simulations: int) -> list[float]:
    """Coverage of the accuracy's interval with and without its groups."""
    rng, names = np.random.default_rng(2), [str(i // size) for i in range(groups * size)]
    hits = np.zeros(2)
    for _ in range(simulations):
        spread = 1 / correlation - 1
        rates = rng.beta(right * spread, (1 - right) * spread, groups)
        correct = (rng.random((groups, size)) < rates[:, None]).astype(float).ravel()
        share = effective_size(correct, names, confidence=0.95) / len(correct)
        for place, part in enumerate((share, 1.0)):
            interval = proportion(correct.sum(), len(correct), share=part, confidence=0.95)
            hits[place] += interval.low <= right <= interval.high
    return (hits / simulations).tolist()


def main(simulations: int) -> None:
    """Print both tables."""
    print(f"Macro-F1, {simulations} simulations: coverage (mean width)")
    for name, (sizes, right) in CONFUSIONS.items():
        row = macro_coverage(sizes, right, simulations)
        print(f"  {name:34}" + "   ".join(f"{k} {c:.3f} ({w:.3f})" for k, (c, w) in row.items()))
    print("Accuracy of grouped cells: coverage with groups, without")
    for groups, size, right, correlation in CLUSTERS:
        ours, naive = clustered_coverage(groups, size, right, correlation, simulations)
        print(f"  {groups} x {size} cells, {right:.1%} right, correlation {correlation:<6} {ours:.3f}   {naive:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
