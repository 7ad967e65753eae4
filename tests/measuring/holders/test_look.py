"""What each kind of value holds, against sizes that are known; what is shared counts once."""

from __future__ import annotations

import functools
import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.holders.buffers import Coverage, Extent
from e2e_magic.measuring.holders.look import Holder, holders
from e2e_magic.measuring.holders.roots import Root, Roots, named, of_figures

MIB = 2**20
# What Python's objects around a buffer take at most (MiB).
AROUND = 0.02


def look(limit_s: float = 60.0, **names: Any) -> dict[str, Holder]:
    """Look at a namespace as long as a busy machine needs."""
    return {holder.name: holder for holder in holders(Roots(list(named(names))), limit_s)}


def ones(mib: float) -> Any:
    """Return an array of a known size."""
    return np.ones(int(mib * MIB / 8))


def held(holder: Holder) -> Any:
    """Return what a holder holds, MiB, equal to what is nearly that."""
    return pytest.approx(holder.held_mib, abs=AROUND)


def test_a_view_names_its_base_and_a_buffer_counts_once() -> None:
    """Also where another library looks at the same bytes; a view of what has no name holds all of it."""
    torch = pytest.importorskip("torch")
    data, raw = ones(8), bytes(3 * MIB)
    found = look(
        X=data,
        part=data[10:20],
        turned=data.reshape(-1, 2).T,
        alias=data,
        tensor=torch.from_numpy(data),
        frame=pd.DataFrame(data.reshape(-1, 2), copy=False),
        pair=[data, ones(2)],
        last_row=ones(5)[-1:],
        read=np.frombuffer(raw, dtype=np.uint8),
        strided=np.lib.stride_tricks.as_strided(ones(1), (100, 100), (0, 0)),
        masked=np.ma.MaskedArray(ones(1), mask=np.zeros(MIB // 8, dtype=bool)),
        words=np.array(["x" * 1000, ["y" * 2000]], dtype=object),
    )

    shared = {name: holder.shared_with for name, holder in found.items() if holder.shared_with}
    assert shared == dict.fromkeys(("part", "turned", "alias", "tensor", "frame", "pair"), ("X",))
    sizes = {"X": 8, "pair": 2, "last_row": 5, "read": 3, "strided": 1, "masked": 1.125}
    sizes |= dict.fromkeys(("part", "turned", "alias", "tensor", "frame"), 0)
    assert {name: held(found[name]) for name in sizes} == sizes
    assert 3000 < found["words"].held_mib * MIB < 3600
    assert [found[name].kind for name in ("X", "part", "read", "frame", "tensor")] == [
        "array", "view", "view", "DataFrame", "tensor",
    ]  # fmt: skip
    assert (found["X"].type, found["X"].shape, found["X"].device) == (
        "numpy.ndarray", "1048576 float64", "cpu",
    )  # fmt: skip
    assert next(iter(found)) == "X"
    assert not any(holder.at_least for holder in found.values())


def test_an_array_in_a_file_holds_no_memory(tmp_path: Path) -> None:
    """Its pages are the file's."""
    found = look(table=np.memmap(tmp_path / "table", mode="w+", shape=4 * MIB, dtype=np.uint8))

    assert found["table"].kind == "file-backed array"
    assert held(found["table"]) == 0


def test_tables() -> None:
    """By pandas' blocks, masks, categories and Arrow's buffers, and the objects in a column of objects."""
    pa = pytest.importorskip("pyarrow")
    n = MIB // 8
    texts = [f"text {i:07}" for i in range(n // 8)]
    frame = pd.DataFrame({"a": np.arange(n), "b": np.ones(n, dtype=np.float32)})
    arrow = pd.Series(pa.array(texts * 8), dtype=pd.ArrowDtype(pa.string()))
    found = look(
        frame=frame,
        column=frame["a"],
        nullable=pd.Series(pd.array([1, None] * (n // 2), dtype="Int64")),
        category=pd.Series(pd.Categorical.from_codes(np.zeros(n, dtype=np.int8), ["low", "high"])),
        times=pd.Series(pd.date_range("2026-01-01", periods=n, freq="s")),
        arrow=arrow,
        table=pa.table({"a": np.arange(n)}),
        cut=pa.table({"a": np.arange(n)}).slice(0, 3),
        objects=pd.Series(texts, dtype=object),
        sparse=scipy.sparse.csr_matrix(np.eye(500)),
        grid=scipy.sparse.coo_matrix(np.eye(500)),
    )

    strings = sum(map(sys.getsizeof, texts)) / MIB + len(texts) * 8 / MIB
    sizes = {
        "frame": 1.5, "column": 0, "nullable": 1.125, "category": 0.125, "times": 1, "table": 1, "cut": 1,
        "arrow": arrow.array._pa_array.nbytes / MIB, "objects": strings,
        "sparse": (500 * (8 + 4) + 501 * 4) / MIB, "grid": 500 * (8 + 4 + 4) / MIB,
    }  # fmt: skip
    assert {name: held(found[name]) for name in sizes} == sizes
    assert found["column"].shared_with == ("frame",)
    assert [found[name].kind for name in ("frame", "column", "table", "sparse", "grid")] == [
        "DataFrame", "Series", "table", "sparse matrix", "sparse matrix",
    ]  # fmt: skip
    assert found["frame"].shape == f"{n} x 2"


def test_tensors_and_models_by_their_device() -> None:
    """Storages, gradients, parameters and the state of optimizers; what only C++ knows is at least."""
    torch, tf = pytest.importorskip("torch"), pytest.importorskip("tensorflow")
    import keras
    from sklearn.tree import DecisionTreeRegressor

    layer = torch.nn.Linear(512, 512, bias=False)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 512)).sum().backward()
    optimizer.step()
    whole = torch.ones(MIB // 4)
    network = keras.Sequential([keras.Input((512,)), keras.layers.Dense(512, use_bias=False)])
    points = np.random.default_rng(0).random((3000, 1))
    tree = DecisionTreeRegressor().fit(points, points[:, 0])
    found = look(
        layer=layer,
        optimizer=optimizer,
        whole=whole,
        part=whole[5:],
        sparse=torch.eye(100).to_sparse(),
        meta=torch.empty(10**9, device="meta"),
        graph=(whole.requires_grad_() * 2),
        constant=tf.zeros(MIB // 4),
        variable=tf.Variable(tf.zeros(MIB // 4)),
        network=network,
        tree=tree,
    )

    nodes = tree.tree_.feature.base.nbytes + tree.tree_.value.nbytes
    sizes = {
        "layer": 2, "optimizer": 2, "whole": 1, "part": 0, "sparse": 100 * (16 + 4) / MIB, "meta": 0,
        "graph": 1, "constant": 1, "variable": 1, "network": 1, "tree": nodes / MIB,
    }  # fmt: skip
    assert {name: held(found[name]) for name in sizes} == sizes
    assert found["part"].shared_with == ("whole",)
    assert found["optimizer"].shared_with == ("layer",)
    assert [found[name].kind for name in ("layer", "network", "tree", "part", "whole", "variable")] == [
        "model", "model", "model", "view", "tensor", "tensor",
    ]  # fmt: skip
    assert {name: found[name].device for name in ("whole", "meta", "layer", "constant", "network")} == {
        "whole": "cpu", "meta": "meta", "layer": "cpu", "constant": "cpu", "network": "cpu",
    }  # fmt: skip
    assert [name for name, holder in found.items() if holder.at_least] == ["graph"]


def test_a_tensor_elsewhere_is_neither_copied_nor_computed() -> None:
    """What no machine of the tests has is stood in for: only its address, size and device are read."""

    class Storage:
        def data_ptr(self) -> int:
            return 4096

        def nbytes(self) -> int:
            return 7 * MIB

    class Tensor:
        device, layout, is_leaf, grad, grad_fn, _base = "cuda:0", "torch.strided", True, None, None, None

        def untyped_storage(self) -> Storage:
            return Storage()

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"asked for {name}")

    Tensor.__module__ = "torch"
    found = look(there=Tensor(), again=Tensor(), both={"model": Tensor(), "data": ones(1)})

    assert found["there"].held["cuda:0"] == 7 * MIB
    assert found["again"].shared_with == ("there",)
    assert (found["there"].device, found["both"].device) == ("cuda:0", "cpu")


class Account:
    """A user's object with whatever it refers to."""

    def __init__(self, **what: Any) -> None:
        self.__dict__.update(what)


def test_objects_closures_caches_and_generators_hold_what_they_refer_to() -> None:
    """Not their module, their class, a logger or a module's own data; a cycle ends."""
    import logging

    @functools.lru_cache
    def cached(mib: int) -> Any:
        return ones(mib)

    def waiting() -> Any:
        data = ones(4)
        yield data.sum()

    cached(2)
    generator = waiting()
    next(generator)
    big = ones(3)
    cycle = Account(data=ones(1), log=logging.getLogger(), library=np, words=sys.modules)
    cycle.me = cycle
    found = look(
        closure=Account(call=lambda: big), cached=Account(call=cached), generator=generator, cycle=cycle
    )

    assert {name: held(holder) for name, holder in found.items()} == {
        "closure": 3, "cached": 2, "generator": 4, "cycle": 1,
    }  # fmt: skip
    code = [Root("waiting", waiting), Root("generator", generator), Root("kind", Account), Root("one", cycle)]
    assert [each.shared_with for each in holders(Roots(code), 60)] == [()] * 4


def test_a_hostile_object_costs_its_own_row_only() -> None:
    """No property, no ``__class__``, no ``__sizeof__``, no ``__len__`` of a user's class is called."""

    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __sizeof__(self) -> int:
            raise RuntimeError("size")

        def __len__(self) -> int:
            raise RuntimeError("len")

    found = look(bad=Hostile(), good=ones(1), both=[Hostile(), ones(1)])

    assert {name: held(holder) for name, holder in found.items()} == {"bad": 0, "good": 1, "both": 1}


nested = st.recursive(
    st.integers() | st.text() | st.floats(allow_nan=False) | st.binary() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=30,
)


def _by_definition(value: Any, seen: set[int]) -> int:
    """Add up what Python says of each object, once."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    parts = inner if isinstance(value, (list, tuple, dict)) else ()
    return sys.getsizeof(value) + sum(_by_definition(part, seen) for part in parts)


@settings(max_examples=30)
@given(nested)
def test_containers_are_what_python_says_of_their_objects(value: Any) -> None:
    """Each object once, whatever the nesting."""
    found = look(value=[value])

    assert found["value"].held_mib * MIB == pytest.approx(_by_definition([value], set()), abs=0.5)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=30))
def test_a_byte_is_claimed_once(stretches: list[tuple[int, int]]) -> None:
    """Whatever overlaps what, the sum is the number of different bytes, and who shares is named."""
    coverage, owners = Coverage(), {}
    for owner, (address, size) in enumerate(stretches):
        new, others = coverage.claim(Extent("cpu", address, size), owner)
        taken = {at: owners[at] for at in range(address, address + size) if at in owners}

        assert new == size - len(taken)
        assert others == set(taken.values())
        owners |= {at: owner for at in range(address, address + size) if at not in owners}


def test_too_little_time_gives_at_least_and_the_others_are_still_seen() -> None:
    """One huge container doesn't take the time of the names after it."""
    found = look(limit_s=0.0, huge=[[i] for i in range(100_000)], X=ones(8))

    assert found["huge"].at_least
    assert not found["X"].at_least
    assert found["X"].held_mib == pytest.approx(8, abs=AROUND)


def test_ten_thousand_names_and_no_reference_is_kept() -> None:
    """What was looked at can go away at once."""
    names: dict[str, Any] = {f"name_{i}": [i, str(i)] for i in range(10_000)}
    names["X"] = ones(1)
    gone = weakref.ref(names["X"])
    found = holders(Roots(list(named(names))))

    assert len(found) == 10_001
    gc.disable()
    try:
        names.clear()
        assert gone() is None
    finally:
        gc.enable()


def test_open_figures_hold_what_they_draw() -> None:
    """A figure that pyplot holds open; what it draws of a name's data is the name's."""
    import matplotlib.pyplot as plt

    data = ones(1)
    plt.figure(7)
    plt.plot(data)
    plt.plot(ones(2))
    try:
        found = {each.name: each for each in holders(Roots([Root("X", data), *of_figures()]), 60)}
    finally:
        plt.close(7)

    assert (found["figure 7"].where, found["figure 7"].kind) == ("figure", "figure")
    # The line's own coordinates: x, y and both as pairs, of two lines.
    assert found["figure 7"].held_mib > 2
