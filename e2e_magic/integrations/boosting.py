"""Callbacks for XGBoost and LightGBM: each boosting round is logged as an epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from e2e_magic.integrations import based_on
from e2e_magic.measuring.events import log

XGBoostLogger: type[Any]  # made when first asked for: only then is XGBoost imported

_TRAINING = ("train", "training", "dtrain")
# fmt: off
_LOSSES = (
    "logloss", "mlogloss", "binary_logloss", "multi_logloss", "cross_entropy", "rmse", "l2", "mse", "l1",
    "mae", "rmsle", "mape", "mphe", "huber", "fair", "quantile", "poisson", "poisson-nloglik", "gamma",
    "tweedie", "gamma-nloglik", "gamma_deviance", "gamma-deviance", "cox-nloglik",
)
# fmt: on
_ERRORS = ("error", "merror", "binary_error", "multi_error")


def _log_round(epoch: int, scores: Iterable[tuple[str, str, float]]) -> None:
    """Log one round from (data set, metric, value), the data set of the validation being the last."""
    found = list(scores)
    others = [data for data, _, _ in found if data not in _TRAINING]
    row: dict[str, float] = {}
    for data, metric, value in found:
        prefix = "" if data in _TRAINING else "val_" if data == others[-1] else f"{data}_"
        row[prefix + metric] = value
        if metric in _LOSSES:
            row.setdefault(f"{prefix}loss", value)
        if metric in _ERRORS:  # the share of wrong answers
            row.setdefault(f"{prefix}accuracy", 1 - value)
    log(**{**row, "epoch": epoch})


class _XGBoostLogger:
    """Logs the metrics of each round: ``xgboost.train(.., evals=[..], callbacks=[XGBoostLogger()])``.

    The data set called ``train`` gives ``loss`` and ``accuracy``, the last of the others ``val_loss`` and
    ``val_accuracy``. The loss is the first metric that is one (``logloss``, ``rmse`` ..); the accuracy is 1 -
    ``error`` or ``merror``. Every metric is there under its own name too, such as ``val_auc``; with more data
    sets than two, those before the last have their name in front. Of ``xgboost.cv`` it logs the means.
    """

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's
        """Log the round that ended; False lets the training go on."""
        last = (
            (data, metric, rounds[-1]) for data, all_ in evals_log.items() for metric, rounds in all_.items()
        )
        _log_round(epoch + 1, ((d, m, v[0] if isinstance(v, tuple) else v) for d, m, v in last))
        return False


class LightGBMLogger:
    """Logs the metrics of each round: ``lightgbm.train(.., callbacks=[LightGBMLogger()])``.

    The names are those of `XGBoostLogger`, from ``binary_logloss``, ``l2``, ``binary_error`` .. of LightGBM.
    """

    # LightGBM's own attributes: before early stopping (30), which ends the round by an exception.
    order, before_iteration = 20, False

    def __call__(self, env: Any) -> None:
        """Log the round that ended: LightGBM calls it with its environment."""
        # A row has 4 parts, of cross-validation 5: the standard deviation is the last.
        rows = [(row[0], row[1].split()[-1], row[2]) for row in env.evaluation_result_list or []]
        _log_round(env.iteration + 1, rows)


def __getattr__(name: str) -> Any:
    if name != "XGBoostLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = based_on(_XGBoostLogger, ("xgboost.callback",), "TrainingCallback", "xgboost-cpu")
    globals()[name] = made
    return made
