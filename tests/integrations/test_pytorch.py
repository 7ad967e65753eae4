"""`track`: entries counted while a loop runs."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.events import EventLog


def test_it_hands_on_the_batches_as_they_are(opened: EventLog) -> None:
    """The same objects in the same order, and the entries of all of them."""
    batches = [[1, 2, 3], [4, 5]]

    assert [id(batch) for batch in e2e.track(batches)] == [id(batch) for batch in batches]
    assert opened.entries == 5


def test_every_epoch_counts(opened: EventLog) -> None:
    """A loader that can be iterated again is counted again."""
    loader = e2e.track([[1, 2, 3], [4, 5]])
    for _ in range(3):
        list(loader)

    assert opened.entries == 15


def test_the_batches_of_a_loop_that_breaks_count(opened: EventLog) -> None:
    """What was handed over counts, what was not does not."""
    for number, _ in enumerate(e2e.track([[0] * 10] * 5), start=1):
        if number == 2:
            break

    assert opened.entries == 20


def test_outside_a_measurement_it_only_iterates() -> None:
    """No trial, no count, no error."""
    assert list(e2e.track([[1], [2]])) == [[1], [2]]


def test_it_has_a_length_where_the_loader_has_one() -> None:
    """`len` and progress bars work; a generator's stays unknown."""
    assert len(e2e.track([[1], [2]])) == 2
    assert not hasattr(e2e.track(iter([[1]])), "__len__")


def test_the_loaders_attributes_are_at_hand() -> None:
    """A tracked loader can take the loader's place; copies and pickles too."""

    class Loader(list[Any]):
        dataset = "digits"

    assert e2e.track(Loader()).dataset == "digits"
    assert list(copy.copy(e2e.track([[1, 2]]))) == [[1, 2]]
    assert list(pickle.loads(pickle.dumps(e2e.track([[1, 2]])))) == [[1, 2]]
    with pytest.raises(AttributeError, match="no attribute 'datasets'"):
        e2e.track(Loader()).datasets  # noqa: B018


@pytest.mark.parametrize(("entries", "counted"), [(8, 16), (lambda batch: batch["n"], 12)])
def test_entries_win_over_what_the_batch_shows(opened: EventLog, entries: Any, counted: int) -> None:
    """A number per batch, or a function of the batch."""
    list(e2e.track([{"n": 5, "x": [0]}, {"n": 7, "x": [0]}], entries=entries))

    assert opened.entries == counted


def test_a_batch_without_a_length_costs_one_warning_not_the_loop(opened: EventLog) -> None:
    """The loop goes on, the other batches count, and the sentence says what to do."""
    sentence = (
        "track: the entries of a batch could not be counted (nothing in a float has a length); "
        "say them with entries=.., a number or a function of the batch"
    )
    with pytest.warns(UserWarning, match=f"^{re.escape(sentence)}$") as caught:
        assert list(e2e.track([1.5, [1, 2], 2.5])) == [1.5, [1, 2], 2.5]

    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert opened.entries == 2


def test_a_function_that_fails_costs_one_warning_not_the_loop(opened: EventLog) -> None:
    """Counting never breaks the user's loop."""

    def odd(_: list[int]) -> int:
        raise ValueError("an odd batch")

    with pytest.warns(UserWarning, match=r"could not be counted \(an odd batch\)"):
        assert list(e2e.track([[1], [2]], entries=odd)) == [[1], [2]]

    assert opened.entries == 0


def test_an_error_of_the_loader_or_the_loop_comes_through(opened: EventLog) -> None:
    """The user's exceptions are theirs; what came before is counted."""

    def broken() -> Iterator[list[int]]:
        yield [1, 2]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(e2e.track(broken()))

    assert opened.entries == 2


def test_what_is_no_loader_is_said_at_once() -> None:
    """Before the loop: the parameter, what is expected, what came."""
    sentence = "track(loader): expected an iterable of batches, such as a DataLoader, got int"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        e2e.track(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("entries", [0, -1, True, 2.5, "len"])
def test_wrong_entries_are_said_at_once(entries: Any) -> None:
    """Neither a number above 0 nor a function."""
    sentence = f"track(entries=..): expected a number above 0 or a function, got {entries!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        e2e.track([[1]], entries=entries)


def test_a_measured_loop_has_entries_and_throughput(session: Any) -> None:  # noqa: ARG001 - a fresh one
    """The count becomes the row's entries, latency and throughput."""
    with e2e.measure("train", metrics="cpu") as trial:
        for _ in e2e.track([[0] * 10] * 10):
            pass
    row = trial.frame.iloc[0]

    assert row["entries"] == 100
    assert row["throughput_per_s"] == pytest.approx(100 / row["wall_time_s"])


def test_it_needs_no_torch() -> None:
    """`track` loads no framework."""
    script = (
        "import sys, e2e_magic\nlist(e2e_magic.track([[1]]))\n"
        "sys.exit(bool({'torch', 'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def torch(need: Any) -> Any:
    """Give the real PyTorch."""
    need(find_spec("torch"), "torch")
    import torch

    return torch


def test_a_real_dataloader_counts_a_last_batch_that_is_smaller(torch: Any, opened: EventLog) -> None:
    """100 entries in batches of 32 are 4 batches and 100 entries."""
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.zeros(100, 3), torch.zeros(100, dtype=torch.long))
    loader = e2e.track(DataLoader(data, batch_size=32))

    assert len(loader) == 4
    assert [len(x) for x, _ in loader] == [32, 32, 32, 4]
    assert loader.dataset is data
    assert opened.entries == 100


def test_a_real_dataloader_of_dicts_counts(torch: Any, opened: EventLog) -> None:
    """Samples that are dicts are collated into a dict of tensors."""
    from torch.utils.data import DataLoader

    samples = [{"id": n, "x": torch.zeros(3)} for n in range(10)]
    list(e2e.track(DataLoader(samples, batch_size=4)))  # type: ignore[arg-type]

    assert opened.entries == 10


def test_a_real_training_loop_gives_entries_and_a_curve(
    torch: Any,
    session: Any,  # noqa: ARG001 - a fresh one
    blobs: tuple[Any, Any],
) -> None:
    """`track` and `log` in a PyTorch loop: tensors are logged as they are."""
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    x, y = map(torch.from_numpy, blobs)
    model = torch.nn.Linear(4, 2)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    with e2e.measure("train", metrics="cpu", target_accuracy=0.9) as trial:
        loader = e2e.track(DataLoader(TensorDataset(x, y), batch_size=50))
        for _ in range(10):
            for features, labels in loader:
                optimiser.zero_grad()
                loss = torch.nn.functional.cross_entropy(model(features), labels)
                loss.backward()
                optimiser.step()
            e2e.log(loss=loss, accuracy=(model(x).argmax(1) == y).float().mean())
    row = trial.frame.iloc[0]

    assert row["entries"] == 2000
    assert row["epochs"] == 10
    assert row["accuracy"] > 0.9
    assert 0 < row["time_to_accuracy_s"] <= row["wall_time_s"]
