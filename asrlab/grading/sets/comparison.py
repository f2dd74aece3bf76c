"""Section 4: a comparison that is fair, before the capstone."""

import collections
import itertools
import math

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet


def tables_of_runs(rng):
    """Runs of two systems: more settings, more seeds and a longer training on one side, and luck everywhere.

    In the last but one, the settings that only one side has are the best on dev; in the last, the best on dev are the
    worst on test.
    """
    tables = (((1, 1), (1, 1)), ((2, 2), (2, 2)), ((4, 2), (3, 2)), ((2, 5), (2, 4)), ((6, 3), (4, 3)))
    for number, (tried, seeds) in enumerate(tables, 1):
        runs = []
        for system, n, count, longest in zip("AB", tried, seeds, rng.permutation([20, 40]).tolist(), strict=True):
            for trial, seed, epochs in itertools.product(range(n), range(1, count + 1), (10, 20, 40)):
                if epochs <= longest:
                    dev, test = rng.uniform(0.2, 0.4, 2) - 0.02 * math.log2(epochs / 10)
                    if number == 4 and trial >= min(tried):
                        dev /= 2
                    if number == 5:
                        test = 0.6 - dev
                    run = {"system": system, "trial": trial, "seed": seed, "epochs": epochs}
                    runs.append({**run, "dev": float(dev), "test": float(test)})
        yield ([runs[k] for k in rng.permutation(len(runs))],)


def fair_by_sets(runs):
    """The oracle: what both sides have, as sets; then one choice a side."""
    sides = [[run for run in runs if run["system"] == name] for name in "AB"]
    epochs = max(set.intersection(*({run["epochs"] for run in side} for side in sides)))
    seeds = set.intersection(*({run["seed"] for run in side} for side in sides))
    trials = set.intersection(*({run["trial"] for run in side} for side in sides))
    means = []
    for side in sides:
        chosen = {}
        for trial in trials:
            fair = [r for r in side if r["trial"] == trial and r["seed"] in seeds and r["epochs"] == epochs]
            chosen[math.fsum(r["dev"] for r in fair)] = math.fsum(r["test"] for r in fair) / len(fair)
        means.append(chosen[min(chosen)])
    return means[1] - means[0]


def fair_by_loops(runs):
    def both(field):
        return {r[field] for r in runs if r["system"] == "A"} & {r[field] for r in runs if r["system"] == "B"}

    epochs, seeds, trials = max(both("epochs")), both("seed"), both("trial")
    result = {}
    for system in ("A", "B"):
        best = None
        for trial in trials:
            dev, test = [], []
            for run in runs:
                if (run["system"], run["trial"], run["epochs"]) == (system, trial, epochs) and run["seed"] in seeds:
                    dev.append(run["dev"])
                    test.append(run["test"])
            if best is None or sum(dev) < best:
                best, result[system] = sum(dev), sum(test) / len(test)
    return result["B"] - result["A"]


def fair_by_arrays(runs):
    fields = ("trial", "seed", "epochs", "dev", "test")
    table = np.array([[r["system"] == "B", *(r[f] for f in fields)] for r in runs], dtype=np.float32)
    limits = np.array([table[table[:, 0] == side].max(axis=0) for side in (0, 1)]).min(axis=0)
    table = table[(table[:, 1] <= limits[1]) & (table[:, 2] <= limits[2]) & (table[:, 3] == limits[3])]
    sides = []
    for side in (0, 1):
        mine = table[table[:, 0] == side]
        grid = mine[np.lexsort((mine[:, 2], mine[:, 1]))].reshape(int(limits[1]) + 1, int(limits[2]), -1)
        sides.append(grid[grid[:, :, 4].mean(axis=1).argmin(), :, 5].mean())
    return sides[1] - sides[0]


def fair_by_groups(runs):
    groups = collections.defaultdict(dict)
    for run in sorted(runs, key=lambda run: run["system"]):
        groups[run["trial"], run["epochs"], run["seed"]][run["system"]] = run
    pairs = {key: group for key, group in groups.items() if len(group) == 2}
    epochs = max(key[1] for key in pairs)
    test = {}
    for system in "AB":
        by_trial = collections.defaultdict(list)
        for (trial, n, _), pair in pairs.items():
            if n == epochs:
                by_trial[trial].append(pair[system])
        best = min(by_trial.values(), key=lambda group: math.fsum(run["dev"] for run in group))
        test[system] = math.fsum(run["test"] for run in best) / len(best)
    return test["B"] - test["A"]


def chooses_on_test(runs):
    """The setting is chosen by its error on test: then the test answers a question that it was not asked. Choose on
    dev."""
    a, b = ([r for r in runs if r["system"] == s] for s in "AB")
    epochs, seeds, trials = ({r[k] for r in a} & {r[k] for r in b} for k in ("epochs", "seed", "trial"))
    fair = [r for r in runs if r["epochs"] == max(epochs) and r["seed"] in seeds and r["trial"] in trials]
    means = [[np.mean([r["test"] for r in fair if (r["system"], r["trial"]) == (s, t)]) for t in trials] for s in "AB"]
    return min(means[1]) - min(means[0])


def tunes_one_side_more(runs):
    """One system is chosen from more settings than the other: who tries more is luckier. Use only trials that both
    had."""
    a, b = ([r for r in runs if r["system"] == s] for s in "AB")
    epochs, seeds = ({r[k] for r in a} & {r[k] for r in b} for k in ("epochs", "seed"))
    mean = []
    for side in (a, b):
        fair = [r for r in side if r["epochs"] == max(epochs) and r["seed"] in seeds]
        groups = [[r for r in fair if r["trial"] == t] for t in {r["trial"] for r in fair}]
        best = min(groups, key=lambda group: np.mean([r["dev"] for r in group]))
        mean.append(np.mean([r["test"] for r in best]))
    return mean[1] - mean[0]


def trains_one_side_longer(runs):
    """Each system is taken after its own longest training: compare them after as many epochs, the most that both
    have."""
    a, b = ([r for r in runs if r["system"] == s] for s in "AB")
    seeds, trials = ({r[k] for r in a} & {r[k] for r in b} for k in ("seed", "trial"))
    mean = []
    for side in (a, b):
        epochs = max(r["epochs"] for r in side)
        fair = [r for r in side if r["epochs"] == epochs and r["seed"] in seeds]
        groups = [[r for r in fair if r["trial"] == t] for t in trials]
        best = min(groups, key=lambda group: np.mean([r["dev"] for r in group]))
        mean.append(np.mean([r["test"] for r in best]))
    return mean[1] - mean[0]


def takes_the_luckiest_seed(runs):
    """The best single run decides, and one seed was just lucky: choose a setting by its mean over the seeds, and report
    its mean."""
    a, b = ([r for r in runs if r["system"] == s] for s in "AB")
    epochs, seeds, trials = ({r[k] for r in a} & {r[k] for r in b} for k in ("epochs", "seed", "trial"))
    fair = [r for r in runs if r["epochs"] == max(epochs) and r["seed"] in seeds and r["trial"] in trials]
    best = [min((r for r in fair if r["system"] == s), key=lambda r: r["dev"])["test"] for s in "AB"]
    return best[1] - best[0]


def averages_all_settings(runs):
    """The mean is over all settings, the bad ones too: choose one setting for each system, by its mean on dev."""
    a, b = ([r for r in runs if r["system"] == s] for s in "AB")
    epochs, seeds, trials = ({r[k] for r in a} & {r[k] for r in b} for k in ("epochs", "seed", "trial"))
    fair = [r for r in runs if r["epochs"] == max(epochs) and r["seed"] in seeds and r["trial"] in trials]
    mean = [np.mean([r["test"] for r in fair if r["system"] == s]) for s in "AB"]
    return mean[1] - mean[0]


FAIR = Exercise(
    name="comparison.fair",
    title="A fair comparison",
    function="fair_difference",
    points=20,
    minutes=45,
    cases=tables_of_runs,
    oracle=fair_by_sets,
    tolerance=float32(64),  # means of a few rates, and their difference
    hints=(
        "List what one system had that the other had not. Which of these could make it look better?",
        "First throw out runs: other lengths of training, seeds and trials that only one side has. Then choose a"
        " setting for each system, and only then look at the test.",
        "The length is the largest that both have. Choose the trial with the smallest mean of dev over the common"
        " seeds, for each system by itself. The answer is B's mean of test at its trial, minus A's at its own.",
    ),
    right=(fair_by_sets, fair_by_loops, fair_by_arrays, fair_by_groups),
    mistakes=(
        chooses_on_test,
        tunes_one_side_more,
        trains_one_side_longer,
        takes_the_luckiest_seed,
        averages_all_settings,
    ),
    forbidden=("pandas",),
)

SET = ExerciseSet("4-worked-code-capstone", "Beat the bar", "book/4-worked-code/labs", (FAIR,))
