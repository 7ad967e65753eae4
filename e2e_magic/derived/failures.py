"""Failed trials: counted on both sides, reported first, and never a reason for a guard to pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from e2e_magic.derived.comparison import LEVEL
from e2e_magic.derived.many_comparisons import Answer

# What a state says of a trial's code, in words. A trial that its user interrupted, or that was pruned as it
# was behind, says nothing: it isn't counted.
FAILED = {"failed": "failed", "killed": "were killed", "over limit": "went over the limit"}


@dataclass(frozen=True, slots=True)
class Failures:
    """The trials of one stage in one run.

    Attributes
    ----------
    trials : int
        All of them, those that a user interrupted and those that were pruned left out.
    counts : mapping of str to int
        How many ``diverged``, ``missed the target``, ``failed``, ``were killed`` or ``went over the limit``.
    failed : int
        Trials with any of these.
    """

    trials: int
    counts: Mapping[str, int]
    failed: int

    def sentence(self, run: str) -> str:
        """Return the counts in words: ``4 of 8 trials of b diverged``; empty where none did."""
        some = [
            f"{count} of {self.trials} trials of {run} {word}" for word, count in self.counts.items() if count
        ]
        return ", ".join(some)


def answer(baseline: Failures, other: Failures) -> Answer:
    """Return whether a run's trials failed more often than its baseline's.

    It passes where it didn't; else Fisher's exact test (1922, `scipy.stats.fisher_exact`) says whether that
    is chance: it fails where p < 0.05, and else can't tell.
    """
    if other.failed * baseline.trials <= baseline.failed * other.trials:
        return "pass"
    from scipy.stats import fisher_exact

    table = [[f.failed, f.trials - f.failed] for f in (other, baseline)]
    return "fail" if fisher_exact(table, alternative="greater").pvalue < LEVEL else "can't tell"
