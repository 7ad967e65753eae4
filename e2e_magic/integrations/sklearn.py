"""scikit-learn: the curves that a fitted estimator keeps; `partial_fit` logs during the training."""

from __future__ import annotations

from typing import Any

from e2e_magic.integrations.epochs import log_epoch
from e2e_magic.integrations.partial_fits import partial_fit

__all__ = ["log_fitted", "partial_fit"]


def log_fitted(model: Any, X: Any = None, y: Any = None) -> None:  # noqa: N803 - scikit-learn's name
    """Log the curves that a fitted estimator keeps, an epoch per iteration or boosting stage.

    Parameters
    ----------
    model : estimator
        Its ``loss_curve_`` or ``train_score_`` gives ``loss``, its ``validation_scores_`` gives
        ``val_accuracy`` (classifiers) or ``val_r2``, histogram boosting's ``validation_score_`` ``val_loss``.
    X, y : array-like, optional
        Held-out data for ``staged_predict``: ``val_accuracy`` or ``val_r2`` per stage.

    Raises
    ------
    ValueError
        If the model has no such curve, or X is given without y or for a model without stages.

    Notes
    -----
    It is called after ``fit``, when the time of each epoch is lost: ``t_s`` and time to accuracy are
    missing, epochs to accuracy is there. `partial_fit` logs during the training.
    """
    from sklearn.base import is_classifier

    score = "accuracy" if is_classifier(model) else "r2"
    name = type(model).__name__
    curves: dict[str, Any] = {
        "loss": getattr(model, "loss_curve_", None),
        f"val_{score}": getattr(model, "validation_scores_", None),
    }
    stages = getattr(model, "train_score_", None)
    if stages is not None and not hasattr(model, "scoring"):
        curves["loss"] = stages
    elif (
        stages is not None and model.scoring == "loss"
    ):  # of histograms: negative, the first before any stage
        curves |= {"loss": -stages[1:], "val_loss": -model.validation_score_[1:]}
    if X is not None or y is not None:
        from sklearn.metrics import accuracy_score, r2_score

        if X is None or y is None or not hasattr(model, "staged_predict"):
            why = "X and y go together" if X is None or y is None else f"{name} has no staged_predict"
            raise ValueError(f"log_fitted(model, X, y): {why}; give both, and a boosting model, or neither")
        measure = accuracy_score if score == "accuracy" else r2_score
        curves[f"val_{score}"] = [measure(y, predicted) for predicted in model.staged_predict(X)]
    lists = {key: list(curve) for key, curve in curves.items() if curve is not None and len(curve)}
    if not lists:
        raise ValueError(
            f"log_fitted(model): {name} has no loss_curve_, validation_scores_ or train_score_; fit it "
            "first, take a pipeline's last step or a search's best_estimator_, or give X and y for the "
            "stages of a boosting model"
        )
    for n in range(max(map(len, lists.values()))):
        log_epoch({key: curve[n] for key, curve in lists.items() if n < len(curve)}, n + 1, past=True)
