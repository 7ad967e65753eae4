"""A Keras callback: ``model.fit(.., callbacks=[KerasLogger()])`` logs each epoch."""

from __future__ import annotations

from typing import Any

from e2e_magic.integrations import based_on, renamed
from e2e_magic.measuring.events import log

KerasLogger: type[Any]  # made when it is first asked for: only then is Keras imported


class _KerasLogger:
    """Logs every metric of each epoch of ``fit``, under the names that the frames know.

    ``acc``, ``binary_accuracy``, ``categorical_accuracy`` and ``sparse_categorical_accuracy`` become
    ``accuracy``, and ``val_..`` of them ``val_accuracy``; all others keep the name that Keras gives.

    Notes
    -----
    Epochs count from 1, also where ``initial_epoch`` lets a training go on.

    Examples
    --------
    >>> from e2e_magic.integrations.keras import KerasLogger
    >>> model.fit(x, y, epochs=5, callbacks=[KerasLogger()])  # doctest: +SKIP
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the epoch that ended; Keras calls it after the epoch's validation."""
        log(**{**renamed(logs or {}), "epoch": epoch + 1})


def __getattr__(name: str) -> Any:
    if name != "KerasLogger":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = based_on(_KerasLogger, ("keras.callbacks", "tf_keras.callbacks"), "Callback", "tensorflow-cpu")
    globals()[name] = made
    return made
