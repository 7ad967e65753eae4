"""A Keras callback: ``model.fit(.., callbacks=[KerasLogger()])`` logs each epoch."""

from __future__ import annotations

from typing import Any

from e2e_magic.integrations import made_when_asked, renamed
from e2e_magic.integrations.epochs import log_epoch

KerasLogger: type[Any]  # made when it is first asked for: only then is Keras imported


class _KerasLogger:
    """Log every metric of each epoch of ``fit``, under the names that the frames use.

    ``acc``, ``binary_accuracy``, ``categorical_accuracy`` and ``sparse_categorical_accuracy`` become
    ``accuracy``, and ``val_..`` of them ``val_accuracy``; all others keep the name that Keras gives.

    Notes
    -----
    Epochs count from 1; ``initial_epoch`` lets a training go on, and a second ``fit`` of the trial counts on
    from the first.

    Examples
    --------
    >>> from e2e_magic.integrations.keras import KerasLogger
    >>> model.fit(x, y, epochs=5, callbacks=[KerasLogger()])  # doctest: +SKIP
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the epoch that ended; Keras calls it after the epoch's validation."""
        log_epoch(renamed(logs or {}), epoch + 1)


__getattr__ = made_when_asked(
    __name__, _KerasLogger, ("keras.callbacks", "tf_keras.callbacks"), "Callback", "tensorflow-cpu"
)
