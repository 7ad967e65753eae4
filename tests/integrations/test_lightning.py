"""The Lightning callback, with the real trainer, and against one that calls as Lightning does.

The stand-in `Trainer` serves for the cases of one package, of the other and of none; it keeps to the order
of Lightning's fit loop (the validation within the epoch, `callback_metrics` kept from one epoch to the
next, a trial run of the validation at the start), which the test with the real one holds it to.
"""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.integrations import lightning as hook
from e2e_magic.measuring.events import EventLog


class Callback:
    """Lightning's base class, as far as a hook sees it: every method is there and does nothing."""

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None: ...

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None: ...


class Trainer:
    """Runs the hooks in Lightning's order over metrics that are given per epoch."""

    def __init__(self, callback: Any) -> None:
        self.callback = callback
        self.callback_metrics: dict[str, Any] = {}
        self.current_epoch = 0
        self.sanity_checking = False

    def fit(self, epochs: list[tuple[dict[str, Any], dict[str, Any] | None]]) -> None:
        self.sanity_checking = True
        self.callback_metrics = {"val_loss": 99.0}
        self.callback.on_validation_end(self, None)
        self.sanity_checking = False
        self.callback_metrics = {}
        for self.current_epoch, (train, validation) in enumerate(epochs):
            if validation is not None:
                self.callback_metrics.update(validation)
                self.callback.on_validation_end(self, None)
            self.callback_metrics.update(train)
            self.callback.on_train_epoch_end(self, None)


@pytest.fixture(params=["lightning.pytorch", "pytorch_lightning"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, without: Any) -> Any:
    """Give the callback, made with only one of the two packages there."""
    without(hook, "LightningLogger", "lightning.pytorch.callbacks", "pytorch_lightning.callbacks")
    home = ModuleType(f"{request.param}.callbacks")
    home.Callback = Callback  # type: ignore[attr-defined]
    for module in (request.param.split(".")[0], request.param):
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    monkeypatch.setitem(sys.modules, home.__name__, home)
    yield hook.LightningLogger
    del vars(hook)["LightningLogger"]


def test_it_is_a_callback_of_the_package_that_is_there(made: Any) -> None:
    """`lightning` and `pytorch_lightning` both serve; a checkpoint may pickle it."""
    assert issubclass(made, Callback)
    assert isinstance(pickle.loads(pickle.dumps(made())), made)


def test_metrics_that_share_a_name_stay_apart(made: Any, opened: EventLog) -> None:
    """`val/acc` and `valid_acc` are two, and so are two trainings of one trial."""
    for _ in range(2):
        Trainer(made()).fit([({"val_a_b": 1.0, "val/a/b": 2.0}, {"val/acc": 0.5, "valid_acc": 0.75})])
    rows = opened.peek()

    assert list(rows.epoch) == [1, 2]
    assert {name: column[1] for name, column in rows.values.items()} == {
        "val_accuracy": 0.5, "val_acc": 0.75, "val_a_b": 1.0, "val_a_b_2": 2.0,
    }  # fmt: skip


def test_each_epoch_is_logged_under_the_names_of_the_frames(made: Any, opened: EventLog) -> None:
    """Prefixes, slashes and `_epoch` are understood; values of single steps are left out."""
    train = {"train_loss_step": 9.0, "train_loss_epoch": 0.5, "train/acc": 0.7, "lr": 0.1}
    Trainer(made()).fit([(train, {"val/loss": 0.6, "valid_acc": 0.8})] * 2)
    rows = opened.peek()

    assert list(rows.epoch) == [1, 2]
    assert {key: values[0] for key, values in rows.values.items()} == {
        "loss": 0.5, "accuracy": 0.7, "lr": 0.1, "val_loss": 0.6, "val_accuracy": 0.8,
    }  # fmt: skip


def test_an_epoch_without_validation_has_no_validation_metrics(made: Any, opened: EventLog) -> None:
    """Lightning keeps the last ones, and those of the trial run at the start: neither is logged."""
    Trainer(made()).fit([({"loss": 3.0}, None), ({"loss": 2.0}, {"val_loss": 2.5}), ({"loss": 1.0}, None)])
    rows = opened.peek()

    assert list(rows.values["loss"]) == [3.0, 2.0, 1.0]
    assert [value == value for value in rows.values["val_loss"]] == [False, True, False]


@pytest.fixture
def lightning(need: Any) -> Any:
    """Give the real package, whichever of the two is there."""
    found = next((name for name in ("lightning.pytorch", "pytorch_lightning") if _is_there(name)), None)
    need(found, "pytorch-lightning (pip install 'e2e-magic[pipelines]')")
    return importlib.import_module(str(found))


def _is_there(name: str) -> bool:
    return importlib.util.find_spec(name.partition(".")[0]) is not None


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers, logging intervals and devices
def test_the_real_trainer_logs_while_it_trains(
    lightning: Any, session: Any, blobs: tuple[Any, Any], tmp_path: Path
) -> None:
    """Each epoch is a row at its own time, with the metrics of that epoch; validation every second one."""
    import torch

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 2)

        def training_step(self, batch: Any, _index: int) -> Any:
            features, labels = batch
            loss = torch.nn.functional.cross_entropy(self.layer(features), labels)
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, _index: int) -> None:
            features, labels = batch
            self.log("val_acc", (self.layer(features).argmax(1) == labels).float().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(*map(torch.from_numpy, blobs))
    module = Module()
    trainer = lightning.Trainer(
        max_epochs=4, check_val_every_n_epoch=2, callbacks=[hook.LightningLogger()], accelerator="cpu",
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    with e2e.measure("train", metrics="cpu", target_accuracy=0.7) as trial:
        trainer.fit(
            module,
            torch.utils.data.DataLoader(data, batch_size=20, shuffle=True),
            torch.utils.data.DataLoader(data, batch_size=200),
        )
    epochs = trial.epochs
    row = trial.frame.iloc[0]

    assert epochs["epoch"].tolist() == [1, 2, 3, 4]
    assert set(epochs.columns) == {"run", "stage", "trial", "epoch", "t_s", "loss", "val_accuracy"}
    assert epochs["t_s"].is_monotonic_increasing
    assert epochs["t_s"].iloc[-1] < row["wall_time_s"]
    assert epochs["loss"].iloc[-1] < epochs["loss"].iloc[0]
    assert epochs["loss"].iloc[-1] == pytest.approx(float(trainer.callback_metrics["train_loss_epoch"]))
    assert epochs["val_accuracy"].isna().tolist() == [True, False, True, False]
    with torch.no_grad():
        final = (module.layer(data.tensors[0]).argmax(1) == data.tensors[1]).float().mean()
    assert row["accuracy"] == pytest.approx(float(final))
    assert row["accuracy"] > 0.7
    assert row["time_to_accuracy_s"] in epochs["t_s"].tolist()
    assert len(session.records) == 1


def test_without_lightning_the_error_names_the_pip_command(without: Any) -> None:
    """Both packages are named, with the next step."""
    without(hook, "LightningLogger", "lightning.pytorch.callbacks", "pytorch_lightning.callbacks")
    sentence = (
        r"^LightningLogger can't be used here \(lightning\.pytorch\.callbacks: .+; "
        r"pytorch_lightning\.callbacks: .+\); install it: pip install lightning$"
    )

    with pytest.raises(ImportError, match=sentence):
        hook.LightningLogger  # noqa: B018


def test_a_wrong_name_is_an_attribute_error() -> None:
    """The module answers for a wrong name as any module does."""
    with pytest.raises(AttributeError, match="has no attribute 'Lightning'"):
        hook.Lightning  # noqa: B018
