"""scikit-learn: the curves that a fitted estimator keeps, and a ``partial_fit`` loop that logs."""

from __future__ import annotations

from typing import Any

from e2e_magic.events import count, log


def log_fitted(model: Any, X: Any = None, y: Any = None) -> None:  # noqa: N803 - scikit-learn's name
    """Log what a fitted estimator tells of its training, an epoch per iteration or boosting stage.

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
    It is called after ``fit``, so the epochs are right, but all seconds are those of this call: time to
    accuracy is the whole fit's. `partial_fit` logs during the training.
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
    known = {key: list(curve) for key, curve in curves.items() if curve is not None and len(curve)}
    if not known:
        raise ValueError(
            f"log_fitted(model): {name} has no loss_curve_, validation_scores_ or train_score_; fit it "
            "first, take a pipeline's last step or a search's best_estimator_, or give X and y for the "
            "stages of a boosting model"
        )
    for n in range(max(map(len, known.values()))):
        log(**{key: curve[n] for key, curve in known.items() if n < len(curve)}, epoch=n + 1)


def partial_fit(
    model: Any,
    X: Any,  # noqa: N803 - scikit-learn's name
    y: Any,
    *,
    epochs: int,
    batch_size: int = 32,
    validation: tuple[Any, Any] | None = None,
    seed: int | None = None,
) -> Any:
    """Train by ``model.partial_fit`` in shuffled batches; count the entries and log every epoch.

    Parameters
    ----------
    model : estimator
        A classifier or regressor with ``partial_fit``; a fitted one is trained on.
    X, y : array-like or DataFrame
        All the training data, a row per entry; sparse matrices too.
    epochs, batch_size : int
        Passes over the data, at least 1, and rows per call.
    validation : (X, y), optional
        Held-out data: ``val_accuracy`` or ``val_r2`` after each epoch. Scoring is inside the measured time.
    seed : int, optional
        Makes the order of the rows the same each time.

    Returns
    -------
    estimator
        `model`. ``loss`` is logged too where it keeps ``loss_`` (``MLPClassifier``).

    Raises
    ------
    ValueError
        If `epochs` or `batch_size` is below 1, or X and y have different lengths.
    TypeError
        If `model` has no ``partial_fit``.
    """
    import numpy as np
    from sklearn.base import is_classifier
    from sklearn.utils import _safe_indexing, gen_batches, indexable

    if not hasattr(model, "partial_fit"):
        raise TypeError(f"partial_fit(model, ..): {type(model).__name__} has no partial_fit; see log_fitted")
    for option, given in (("epochs", epochs), ("batch_size", batch_size)):
        if given < 1:
            raise ValueError(f"partial_fit(.., {option}={given}): expected at least 1")
    X, y = indexable(X, y)  # noqa: N806 - scikit-learn's name
    kind = is_classifier(model)
    classes = {"classes": np.unique(np.asarray(y))} if kind and not hasattr(model, "classes_") else {}
    generator = np.random.default_rng(seed)
    for n in range(1, epochs + 1):
        order = generator.permutation(len(y))
        for rows in gen_batches(len(y), batch_size):
            take = order[rows]
            model.partial_fit(_safe_indexing(X, take), _safe_indexing(y, take), **classes)
            count(len(take))
        row = {"loss": model.loss_} if hasattr(model, "loss_") else {}
        if validation is not None:
            row["val_accuracy" if kind else "val_r2"] = model.score(*validation)
        log(**row, epoch=n)
    return model
