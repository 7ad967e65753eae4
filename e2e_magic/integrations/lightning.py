"""A Lightning callback: ``Trainer(callbacks=[LightningLogger()])`` logs each epoch."""

from __future__ import annotations

import re
from typing import Any

from e2e_magic.integrations import made_when_asked, renamed
from e2e_magic.integrations.epochs import log_epoch

LightningLogger: type[Any]  # made when it is first asked for: only then is Lightning imported

_HOMES = ("lightning.pytorch.callbacks", "pytorch_lightning.callbacks")


class _LightningLogger:
    """Log what the module logged, once per training epoch, under the names that the frames use.

    ``train_loss``, ``train/acc`` and the like become ``loss`` and ``accuracy``, ``valid_loss`` and
    ``val/acc`` become ``val_loss`` and ``val_accuracy``; ``.._epoch`` loses its ending, ``.._step`` is
    left out. All others keep their name, a slash as an underscore.

    Notes
    -----
    Epochs count from 1, and on through all trainings of a trial. An epoch without
    validation has no ``val_..``, though Lightning keeps the old
    ones; the trial run that Lightning makes of the validation at the start isn't logged.
    What a module logs in its own ``on_train_epoch_end`` comes after this callback, and too late for it.

    Examples
    --------
    >>> from e2e_magic.integrations.lightning import LightningLogger
    >>> trainer = Trainer(max_epochs=5, callbacks=[LightningLogger()])  # doctest: +SKIP
    """

    _validated = False

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002 - Lightning's
        """Remember that the validation metrics are fresh."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002 - Lightning's
        """Log the epoch that ended; Lightning calls it after the epoch's validation."""
        metrics = trainer.callback_metrics
        plain = [
            (_plain(name), value)
            for name, value in metrics.items()
            if name[-5:] != "_step" and f"{name}_epoch" not in metrics  # Lightning gives that under both
        ]
        fresh = [(name, value) for name, value in plain if self._validated or name[:4] != "val_"]
        self._validated = False
        log_epoch(renamed(fresh), trainer.current_epoch + 1)


def _plain(name: str) -> str:
    name = re.sub(r"\W", "_", name).removesuffix("_epoch").removeprefix("train_")
    return re.sub(r"^(valid|validation)_", "val_", name)


__getattr__ = made_when_asked(__name__, _LightningLogger, _HOMES, "Callback", "lightning")
