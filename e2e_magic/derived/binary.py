"""Complete a partial table of two-class metrics: whatever follows from what is given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

KEYS = ("TP", "TN", "FP", "FN", "0_class", "1_class", "recall", "precision", "accuracy", "f1_score")
COUNTS = ("TP", "TN", "FP", "FN", "0_class", "1_class")
TOLERANCE = 0.005
_TOTAL = "total"

# name, what it is computed from, how. Applied until nothing new follows. `0_class` and `1_class` are
# the true items of each class: 0_class = TN + FP, 1_class = TP + FN; a rule that would divide by 0
# says nothing.
_Rule = tuple[str, tuple[str, ...], Callable[..., float]]
_RULES: tuple[_Rule, ...] = (
    ("1_class", ("TP", "FN"), lambda tp, fn: tp + fn),
    ("TP", ("1_class", "FN"), lambda p, fn: p - fn),
    ("FN", ("1_class", "TP"), lambda p, tp: p - tp),
    ("0_class", ("TN", "FP"), lambda tn, fp: tn + fp),
    ("TN", ("0_class", "FP"), lambda n, fp: n - fp),
    ("FP", ("0_class", "TN"), lambda n, tn: n - tn),
    (_TOTAL, ("0_class", "1_class"), lambda n, p: n + p),
    ("0_class", (_TOTAL, "1_class"), lambda t, p: t - p),
    ("1_class", (_TOTAL, "0_class"), lambda t, n: t - n),
    ("recall", ("TP", "1_class"), lambda tp, p: tp / p),
    ("TP", ("recall", "1_class"), lambda r, p: r * p),
    ("1_class", ("TP", "recall"), lambda tp, r: tp / r),
    ("1_class", ("FN", "recall"), lambda fn, r: fn / (1 - r)),
    ("precision", ("TP", "FP"), lambda tp, fp: tp / (tp + fp)),
    ("FP", ("TP", "precision"), lambda tp, q: tp / q - tp),
    ("TP", ("FP", "precision"), lambda fp, q: fp * q / (1 - q)),
    ("accuracy", ("TP", "TN", _TOTAL), lambda tp, tn, t: (tp + tn) / t),
    ("TN", ("accuracy", _TOTAL, "TP"), lambda a, t, tp: a * t - tp),
    ("TP", ("accuracy", _TOTAL, "TN"), lambda a, t, tn: a * t - tn),
    (_TOTAL, ("TP", "TN", "accuracy"), lambda tp, tn, a: (tp + tn) / a),
    (_TOTAL, ("FP", "FN", "accuracy"), lambda fp, fn, a: (fp + fn) / (1 - a)),
    ("FP", ("accuracy", _TOTAL, "FN"), lambda a, t, fn: (1 - a) * t - fn),
    ("FN", ("accuracy", _TOTAL, "FP"), lambda a, t, fp: (1 - a) * t - fp),
    ("f1_score", ("precision", "recall"), lambda q, r: 2 * q * r / (q + r)),
    ("f1_score", ("TP", "FP", "FN"), lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn)),
    ("precision", ("f1_score", "recall"), lambda f, r: f * r / (2 * r - f)),
    ("recall", ("f1_score", "precision"), lambda f, q: f * q / (2 * q - f)),
    ("FP", ("f1_score", "TP", "FN"), lambda f, tp, fn: 2 * tp / f - 2 * tp - fn),
    ("FN", ("f1_score", "TP", "FP"), lambda f, tp, fp: 2 * tp / f - 2 * tp - fp),
)


def complete(given: Mapping[str, float]) -> tuple[dict[str, float], list[str]]:
    """Return all of `KEYS` that follow from those given, and what contradicts itself, in words.

    Parameters
    ----------
    given : mapping
        Any of `KEYS`. Rates may be rounded: a count that follows from one is rounded to a whole
        number where it is within half a percent of one.
    """
    known = {key: float(given[key]) for key in KEYS if key in given and math.isfinite(float(given[key]))}
    contradictions: list[str] = []
    found = True
    while found:
        found = False
        for name, needs, rule in _RULES:
            if name not in known and all(need in known for need in needs):
                value = _apply(name, rule, [known[need] for need in needs])
                if value is not None:
                    known[name] = value
                    found = True
    for name, needs, rule in _RULES:
        if name in known and all(need in known for need in needs):
            value = _apply(name, rule, [known[need] for need in needs])
            if value is not None and not _agree(name, value, known[name]):
                said = f"{name} = {known[name]:g} contradicts " + ", ".join(
                    f"{need} = {known[need]:g}" for need in needs
                )
                if not any(line.startswith(f"{name} =") for line in contradictions):
                    contradictions.append(f"{said} (from which {value:g} follows)")
    return {key: known[key] for key in KEYS if key in known}, contradictions


def _apply(name: str, rule: Callable[..., float], inputs: list[float]) -> float | None:
    try:
        value = rule(*inputs)
    except ZeroDivisionError:
        return None
    if not math.isfinite(value) or value < -TOLERANCE * max(1.0, *map(abs, inputs)):
        return None
    if name in COUNTS or name == _TOTAL:
        whole = round(value)
        return float(whole) if abs(value - whole) <= max(1e-6, TOLERANCE * abs(value)) else value
    return value if value <= 1 + TOLERANCE else None


def _agree(name: str, one: float, other: float) -> bool:
    if name in COUNTS or name == _TOTAL:
        return abs(one - other) <= max(0.5, TOLERANCE * max(abs(one), abs(other)))
    return abs(one - other) <= TOLERANCE
