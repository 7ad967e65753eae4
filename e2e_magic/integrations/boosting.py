"""Callbacks for XGBoost and LightGBM: each boosting round is logged as an epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from e2e_magic.integrations import free, made_when_asked
from e2e_magic.integrations.epochs import log_epoch

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
    rows = [("_".join(data.split()), "_".join(metric.split()), value) for data, metric, value in scores]
    data_sets = list(dict.fromkeys(data for data, _, _ in rows))
    training = [data for data in data_sets if data in _TRAINING][:1]
    validation = [data for data in data_sets if data not in training][-1:]
    row: dict[str, float] = {}
    shared: dict[str, float] = {}
    for data, metric, value in rows:
        prefix = "" if data in training else "val_" if data in validation else f"{data}_"
        row[free(prefix + metric, row)] = value
        if metric in _LOSSES:
            shared.setdefault(f"{prefix}loss", value)
        if metric in _ERRORS:  # the share of wrong answers
            shared.setdefault(f"{prefix}accuracy", 1 - value)
    log_epoch({**shared, **row}, epoch)


class _XGBoostLogger:
    """Log the metrics of each round: ``xgboost.train(.., evals=[..], callbacks=[XGBoostLogger()])``.

    The data set called ``train`` gives ``loss`` and ``accuracy``, the last of the others ``val_loss`` and
    ``val_accuracy``. The loss is the first metric that is one (``logloss``, ``rmse`` ..); the accuracy is 1 -
    ``error`` or ``merror``. Every metric is there under its own name too, such as ``val_auc``; with more data
    sets than two, those before the last have their name in front. Spaces in names
    become underscores. Of ``xgboost.cv`` it logs the means.
    """

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's
        """Log the round that ended; False lets the training go on."""
        last = (
            (data, metric, rounds[-1]) for data, all_ in evals_log.items() for metric, rounds in all_.items()
        )
        _log_round(epoch + 1, ((d, m, v[0] if isinstance(v, tuple) else v) for d, m, v in last))
        return False


class LightGBMLogger:
    """Log the metrics of each round: ``lightgbm.train(.., callbacks=[LightGBMLogger()])``.

    The names are those of `XGBoostLogger`, from ``binary_logloss``, ``l2``, ``binary_error`` .. of LightGBM.
    """

    # LightGBM's own attributes: before early stopping (30), which ends the round by an exception.
    order, before_iteration = 20, False

    def __call__(self, env: Any) -> None:
        """Log the round that ended: LightGBM calls it with its environment."""
        # A row has 4 parts, of cross-validation 5: the standard deviation is the last. Older versions name
        # the data set of cross-validation before the metric: ("cv_agg", "valid auc", ..).
        rows = [
            (*(row[1].split(maxsplit=1) if row[0] == "cv_agg" else row[:2]), row[2])
            for row in env.evaluation_result_list or []
        ]
        _log_round(env.iteration + 1, rows)


__getattr__ = made_when_asked(
    __name__, _XGBoostLogger, ("xgboost.callback",), "TrainingCallback", "xgboost-cpu"
)
