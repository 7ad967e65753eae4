"""scikit-learn: a ``partial_fit`` loop that counts entries and logs every epoch when it ends."""

from __future__ import annotations

from typing import Any

from e2e_magic.integrations.epochs import log_epoch
from e2e_magic.measuring.events import count


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
        log_epoch(row, n)
    return model
