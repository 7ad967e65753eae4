"""NVIDIA GPUs, on a fake of NVIDIA's library: nothing here says anything about a real GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from e2e_magic.measuring.collectors import cuda_work, nvml
from e2e_magic.measuring.collectors.base import Probe, Unavailable
from e2e_magic.measuring.collectors.gpu import Gpu
from e2e_magic.measuring.sampler import Sampler, Samples
from e2e_magic.measuring.sampler.nvml import NoDriverError
from e2e_magic.record import Series, sentences
from tests.contracts import UNITS, CollectorContract
from tests.measuring.collectors import fake_nvml
from tests.measuring.collectors.fake_nvml import (
    Card,
    FakeNvml,
    Library,
    compiler,
)

A, B = "GPU-aaaa-1", "GPU-bbbb-2"


@pytest.fixture(autouse=True)
def _no_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without GPU frameworks, whatever other tests have imported, and with all GPUs visible."""
    for name in ("torch", "jax", "cupy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def install(monkeypatch: pytest.MonkeyPatch, *cards: Card, **more: Any) -> FakeNvml:
    """Let the driver's library be the fake."""
    fake = FakeNvml(*cards, **more)
    fake_nvml.install(monkeypatch, fake)
    return fake


class TestGpu(CollectorContract):
    units = UNITS | {"°C"}

    @pytest.fixture(autouse=True)
    def _card(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Give the contract two GPUs that take energy while code runs."""
        cards = [Card(A), Card(B)]
        install(monkeypatch, *cards)

        class Working(Gpu):
            def __exit__(self, *error: object) -> None:
                for card in cards:
                    card.energy_mj = (card.energy_mj or 0) + 7_000
                super().__exit__(*error)  # type: ignore[arg-type]

        type(self).collector = Working
        yield
        del type(self).collector


# Is there a GPU?


def test_no_driver_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without marks of a driver nothing is opened; a library without a driver is none either."""
    install(monkeypatch, start=NoDriverError("not loaded"))
    monkeypatch.setattr(nvml, "DRIVER_MARKS", ("/nowhere",))
    library = tmp_path / "libnvidia-ml.so.1"
    library.touch()

    for path in ("libnvidia-ml.so.1", str(library)):
        with pytest.raises(Unavailable) as caught:
            nvml.load(path)
        assert str(caught.value) == "no NVIDIA driver on this machine"


def test_a_driver_without_its_library_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may show the device without the library."""
    install(monkeypatch, start=NoDriverError("libnvidia-ml.so.1: cannot open shared object file"))

    with pytest.raises(Unavailable) as caught:
        Gpu()

    assert str(caught.value) == (
        "there is an NVIDIA driver, but its library can't be opened (libnvidia-ml.so.1: cannot open shared "
        "object file); install the driver's libnvidia-ml; a container gets it by "
        "NVIDIA_DRIVER_CAPABILITIES=utility,compute"
    )


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_the_library_is_asked_without_any_package(tmp_path: Path) -> None:
    """Counts, names, slices, energy and memory as the C functions tell; what they can't say is an error."""
    library = nvml.load(Library(tmp_path).path)
    board, other = (library.at(n) for n in range(library.count()))
    (inner,) = library.slices(other) or ()

    assert (library.uuid(board), library.name(other)) == ("GPU-a", "NVIDIA H200")
    assert library.slices(board) is None
    assert library.uuid(inner) == "GPU-m"
    assert library.energy_mj(other) == 10_000_000_000
    assert library.memory(board, frozenset()) == 600
    assert library.process_memory(board, frozenset({os.getpid()})) == 200
    assert [one.uuid for one in nvml.visible(library, {})] == ["GPU-m"]
    assert nvml.energy_mj(library, nvml.Device("MIG-m", "", inner)) is None
    with pytest.raises(OSError, match="says error 2 to nvmlDeviceGetHandleByIndex_v2"):
        library.at(2)
    library.close()
    with pytest.raises(OSError, match="says error 1 to nvmlDeviceGetCount_v2"):
        library.count()


@pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
def test_a_driver_that_is_not_loaded_is_none(tmp_path: Path) -> None:
    """The library says so by its code 9; a file that is no library is none either."""
    made = Library(tmp_path)
    made.state.unlink()
    broken = tmp_path / "broken.so"
    broken.write_text("no library")

    for path in (made.path, str(broken)):
        with pytest.raises(Unavailable) as caught:
            nvml.load(path)
        assert str(caught.value) == "no NVIDIA driver on this machine"


def test_a_driver_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other error of the driver is said in its own words."""
    install(monkeypatch, start=OSError("GPU is lost"))

    with pytest.raises(Unavailable) as caught:
        Gpu()

    assert str(caught.value) == (
        "the NVIDIA driver does not answer (GPU is lost); see what `nvidia-smi` says; a restart may be due"
    )


def test_a_driver_without_a_gpu_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver may run for no GPU at all; the library is given back."""
    fake = install(monkeypatch)

    with pytest.raises(Unavailable) as caught:
        Gpu({})

    assert str(caught.value) == "there is an NVIDIA driver, but no GPU"
    del caught
    assert fake.open == 0


@pytest.mark.parametrize("hidden", ["", "-1", "7", "GPU-cccc"])
def test_hidden_gpus_are_unavailable(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is shown no GPU measures none, and hears what hides them."""
    install(monkeypatch, Card(A))

    with pytest.raises(Unavailable) as caught:
        Gpu({"CUDA_VISIBLE_DEVICES": hidden})

    assert str(caught.value) == (
        f"CUDA_VISIBLE_DEVICES={hidden!r} shows this process no GPU; unset it, or name a GPU that is there"
    )


# Which GPUs?

SLICES = [Card("MIG-1111"), Card("MIG-2222")]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (None, [A, B]),
        ("0", [A]),
        ("1,0", [B, A]),
        (" 1 , 0 ", [B, A]),
        ("0,-1,1", [A]),
        ("1,9,0", [B]),
        ("0,0", []),
        ("1,0,1", []),
        (B, [B]),
        ("GPU-bb,GPU-aa", [B, A]),
        ("GPU-", []),
        ("nonsense", []),
    ],
)
def test_visible_gpus_are_those_that_cuda_gives(wanted: str | None, found: list[str]) -> None:
    """Indices, UUIDs and unique beginnings are taken in order, until one is not there; twice is none."""
    fake = FakeNvml(Card(A), Card(B))
    fake.opened("")
    environ = {} if wanted is None else {"CUDA_VISIBLE_DEVICES": wanted}

    assert [device.uuid for device in nvml.visible(fake, environ)] == found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(None, ["MIG-1111"]), ("MIG-2222", ["MIG-2222"]), ("0", [A]), ("1", ["MIG-1111"]), ("MIG-9", [])],
)
def test_slices_are_found_by_their_own_names(wanted: str | None, found: list[str]) -> None:
    """CUDA gives a process one slice; another is asked for by its UUID."""
    fake = FakeNvml(Card(A), Card(B, slices=SLICES))
    fake.opened("")
    environ = {} if wanted is None else {"CUDA_VISIBLE_DEVICES": wanted}

    devices = nvml.visible(fake, environ)

    assert [device.uuid for device in devices] == found
    assert all(device.sliced == device.uuid.startswith("MIG") for device in devices)


@pytest.mark.parametrize(("wanted", "found"), [(None, [B]), ("0", []), ("1", [B])])
def test_a_gpu_that_is_to_be_sliced_and_is_not_yet_is_none(wanted: str | None, found: list[str]) -> None:
    """In MIG mode CUDA gives slices only: without one there is nothing to compute on."""
    fake = FakeNvml(Card(A, mig=True), Card(B))
    fake.opened("")
    environ = {} if wanted is None else {"CUDA_VISIBLE_DEVICES": wanted}

    assert [device.uuid for device in nvml.visible(fake, environ)] == found


def test_what_torch_uses_decides_over_the_order_by_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA numbers GPUs by speed unless told otherwise: where torch runs already, its UUIDs are the truth."""
    install(monkeypatch, Card(A, "slow"), Card(B, "fast"))
    environ = {"CUDA_VISIBLE_DEVICES": "0"}
    assert Gpu(environ).source == "NVML: slow (which is which is sure only with CUDA_DEVICE_ORDER=PCI_BUS_ID)"

    torch = FakeTorch(uuids=["bbbb-2"])
    monkeypatch.setitem(sys.modules, "torch", torch)

    assert Gpu(environ).source == "NVML: fast"


def test_an_index_is_doubtful_where_gpus_differ() -> None:
    """Only GPUs of one kind, the order by bus, or UUIDs make sure which GPU is meant."""
    mixed, alike = FakeNvml(Card(A, "slow"), Card(B, "fast")), FakeNvml(Card(A), Card(B))
    mixed.opened("")
    alike.opened("")

    assert nvml.order_is_sure(mixed, {})
    assert not nvml.order_is_sure(mixed, {"CUDA_VISIBLE_DEVICES": "0"})
    assert nvml.order_is_sure(alike, {"CUDA_VISIBLE_DEVICES": "0"})
    assert nvml.order_is_sure(mixed, {"CUDA_VISIBLE_DEVICES": A})
    assert nvml.order_is_sure(mixed, {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})


# What do they say?


def test_energy_by_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's counter gives the energy of all GPUs, and the source says so."""
    cards = [Card(A), Card(B)]
    fake = install(monkeypatch, *cards)
    collector = Gpu({})

    with collector:
        cards[0].energy_mj, cards[1].energy_mj = 1_002_500, 1_000_500

    readings = collector.readings()
    assert readings["gpu_energy_j"] == pytest.approx(3)
    assert readings["energy_source"] == "nvml"
    assert readings["gpu_source"] == "energy by counter, memory of the whole GPU"
    assert fake.open == 0


def test_energy_by_samples_where_there_is_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU without a counter has its mean power times the trial's time; the source says so."""
    install(monkeypatch, Card(A, energy_mj=None))
    now = iter([100.0, 104.0])
    collector = Gpu({}, clock=lambda: next(now))

    with collector:
        pass

    assert "gpu_energy_j" not in collector.readings()
    assert str(collector.missing()["gpu_energy_j"]) == (
        "this GPU has no energy counter, and no sample fell into the code: "
        "it was too short, or the sampler was lost"
    )
    found = collector.sampled({"gpu_power_w": Series.of([0.5, 1.5, 2.5], [100, 200, 100])}, {})
    assert found["gpu_energy_j"] == pytest.approx(4 * 150)
    assert found["energy_source"] == "nvml"
    assert found["gpu_source"] == "energy by power samples, memory of the whole GPU"
    assert "gpu_energy_j" not in collector.missing()


def test_two_ways_to_energy_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an older GPU beside a newer one, each gives its energy as it can."""
    cards = [Card(A), Card(B, energy_mj=None)]
    install(monkeypatch, *cards)
    now = iter([0.0, 2.0])
    collector = Gpu({}, clock=lambda: next(now))

    with collector:
        cards[0].energy_mj = 1_010_000

    found = collector.sampled({"gpu_1_power_w": Series.of([1.0], [30])}, {})
    assert found["gpu_energy_j"] == pytest.approx(10 + 60)
    assert str(found["gpu_source"]).startswith("energy by counter and power samples")


def test_a_counter_that_stands_still_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter moves every 20 to 100 ms: a shorter trial has no GPU energy."""
    install(monkeypatch, Card(A))
    collector = Gpu({})

    with collector:
        pass

    assert "gpu_energy_j" not in collector.readings()
    assert str(collector.missing()["gpu_energy_j"]) == (
        "the counter did not move: the driver moves it every 20 to 100 ms"
    )


def test_a_counter_that_runs_back_is_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that was loaded anew counts from 0: no energy, not even that of the other GPU."""
    cards = [Card(A), Card(B)]
    install(monkeypatch, *cards)
    collector = Gpu({})

    with collector:
        cards[0].energy_mj, cards[1].energy_mj = 500, 9_000_000

    assert "gpu_energy_j" not in collector.readings()
    assert str(collector.missing()["gpu_energy_j"]) == (
        "the counter ran backwards or was lost: the driver was loaded anew meanwhile"
    )


def test_more_than_any_gpu_takes_is_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that jumps by 400 kJ in 2 s, and power samples of a megawatt."""
    card = Card(A)
    install(monkeypatch, card)
    now = iter([0.0, 2.0])
    collector = Gpu({}, clock=lambda: next(now))

    with collector:
        card.energy_mj += 400_000_000

    assert "gpu_energy_j" not in collector.readings()
    assert str(collector.missing()["gpu_energy_j"]) == (
        "the counter jumped: it shows more energy than any GPU takes in this time"
    )


def test_what_a_slice_can_not_have_is_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """`%e2e metrics` lists what the whole board alone has as not there, and torch's until it is in use."""
    install(monkeypatch, Card(A, slices=[Card("MIG-1111")]))

    assert sentences(Gpu({}).absent()) == {
        **dict.fromkeys(
            ("gpu_percent", "gpu_energy_j", "gpu_percent_now", "gpu_power_w", "gpu_temperature_c"),
            "the driver tells it of the whole GPU only, and this process has a MIG slice of it",
        ),
        **dict.fromkeys(("gpu_time_s", "torch_peak_memory_mib"), "torch is not in use"),
    }


def test_memory_of_this_process_where_the_driver_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak is that of this process and its children, not of other programs, where the driver tells it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        card = Card(A, used_mib=900, processes=[(1, 400.0)])
        install(monkeypatch, card)
        collector = Gpu({})
        with collector:
            card.processes = [(1, 400.0), (os.getpid(), 100.0), (child.pid, 50.0)]
    finally:
        child.kill()
        child.wait()

    assert collector.readings()["gpu_peak_memory_mib"] == pytest.approx(150)
    assert str(collector.readings()["gpu_source"]).endswith("memory of this process and its children")
    found = collector.sampled({"gpu_process_memory_mib": Series.of([1, 2], [10, 220])}, {})
    assert found["gpu_peak_memory_mib"] == pytest.approx(220)


@pytest.mark.parametrize("processes", [None, [], [(1, 400.0)], [(os.getpid(), None)]])
def test_memory_of_the_gpu_where_the_driver_does_not(
    processes: list[tuple[int, float | None]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container, on Windows, or with an old driver, it is the GPU's memory, and the source says so."""
    card = Card(A, used_mib=300, processes=processes)
    install(monkeypatch, card)
    collector = Gpu({})

    with collector:
        card.used_mib = 900

    assert collector.readings()["gpu_peak_memory_mib"] == pytest.approx(900)
    assert collector.readings()["gpu_source"] == "memory of the whole GPU"
    found = collector.sampled({"gpu_memory_mib": Series.of([1, 2], [1200, 800])}, {})
    assert found["gpu_peak_memory_mib"] == pytest.approx(1200)


def test_use_is_the_mean_of_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use is the mean over time, and missing where no sample fell into the code."""
    install(monkeypatch, Card(A))
    collector = Gpu({})
    with collector:
        pass

    assert "gpu_percent" in collector.missing()
    found = collector.sampled({"gpu_percent_now": Series.of([0.0, 1.0, 4.0], [0, 100, 100])}, {})
    assert found["gpu_percent"] == pytest.approx(87.5)
    assert "gpu_percent" not in collector.missing()
    assert collector.sampled({"gpu_percent_now": Series.of([1.0], [40])}, {})["gpu_percent"] == 40


def test_a_slice_has_memory_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Energy, power and use of a sliced GPU can't be divided: they are missing, and not sampled."""
    board = Card(A, slices=[Card("MIG-1111", used_mib=70)])
    install(monkeypatch, board)
    collector = Gpu({})
    probes = collector.probes()

    with collector:
        pass

    assert {probe.metric for probe in probes} == {"gpu_memory_mib", "gpu_process_memory_mib"}
    assert collector.readings()["gpu_peak_memory_mib"] == pytest.approx(70)
    for name in ("gpu_percent", "gpu_energy_j"):
        assert str(collector.missing()[name]) == (
            "the driver tells it of the whole GPU only, and this process has a MIG slice of it"
        )


def test_several_gpus_have_curves_of_their_own_and_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each GPU is a series, and the plain name is all of them; only GPUs that are visible are read."""
    install(monkeypatch, Card(A), Card(B), Card("GPU-cccc-3"))
    collector = Gpu({"CUDA_VISIBLE_DEVICES": "2,0"})

    probes = {probe.metric: probe for probe in collector.probes()}
    assert probes["gpu_power_w"].args == ("power", "GPU-cccc-3", A)
    assert probes["gpu_0_power_w"].args == ("power", "GPU-cccc-3")
    assert probes["gpu_1_temperature_c"].args == ("temperature", A)
    assert {probe.kind for probe in probes.values()} == {"nvml"}
    assert set(probes) <= {metric.name for metric in collector.metrics if metric.curve}
    assert len(Gpu.metrics) < len(collector.metrics)


# The work that is still going on.


class FakeTorch(ModuleType):
    """torch as far as it is asked: a GPU with a clock, and a peak of memory."""

    def __init__(
        self, *, begun: bool = True, contexts: tuple[int, ...] = (0,), uuids: list[str] | None = None
    ) -> None:
        super().__init__("torch")
        self.calls: list[object] = []
        self.begun = begun
        self.now_ms = 0.0
        self.current = 0
        outer = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at_ms = outer.now_ms
                self.gpu = outer.current

            def synchronize(self) -> None:
                outer.calls.append("event")

            def elapsed_time(self, end: Event) -> float:
                if self.gpu != end.gpu:
                    raise RuntimeError("CUDA error: invalid resource handle")
                return end.at_ms - self.at_ms

        self._C = SimpleNamespace(_cuda_hasPrimaryContext=lambda n: n in contexts)
        self.cuda = SimpleNamespace(
            is_initialized=lambda: self.begun,
            device_count=lambda: 2 if uuids is None else len(uuids),
            get_device_properties=lambda n: SimpleNamespace(uuid=(uuids or ["x", "y"])[n]),
            current_device=lambda: self.current,
            device=self.on,
            synchronize=lambda n: self.calls.append(("synchronize", n)),
            reset_peak_memory_stats=lambda n: self.calls.append(("reset", n)),
            max_memory_allocated=lambda n: (n + 1) * 64 * 2**20,
            Event=Event,
        )

    @contextmanager
    def on(self, n: int) -> Iterator[None]:
        """Let GPU `n` be the current one meanwhile."""
        before, self.current = self.current, n
        yield
        self.current = before


def test_torch_is_waited_for_and_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch uses CUDA: both edges wait for it, its events give GPU time, its peak starts anew."""
    install(monkeypatch, Card(A))
    torch = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    collector = Gpu({})

    with collector:
        assert torch.calls == [("synchronize", 0), ("reset", 0)]
        torch.now_ms += 250

    assert torch.calls[2:] == [("synchronize", 0), "event"]
    assert collector.readings()["gpu_time_s"] == pytest.approx(0.25)
    assert collector.readings()["torch_peak_memory_mib"] == pytest.approx(64)


def test_no_context_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that has not begun to use CUDA is asked nothing, nor is a GPU on which it has no context."""
    install(monkeypatch, Card(A))
    torch = FakeTorch(begun=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    collector = Gpu({})
    with collector:
        pass

    assert torch.calls == []
    assert str(collector.missing()["gpu_time_s"]) == "torch had not begun to use a GPU when the code started"
    torch.begun = True
    assert cuda_work.synchronise()
    assert torch.calls == [("synchronize", 0)]


def test_a_gpu_that_is_first_used_in_the_trial_has_a_peak_and_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a first event there is no GPU time; torch's peak since its start is the trial's."""
    install(monkeypatch, Card(A))
    torch = FakeTorch(begun=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    collector = Gpu({})

    with collector:
        torch.begun = True

    assert collector.readings()["torch_peak_memory_mib"] == pytest.approx(64)
    assert str(collector.missing()["gpu_time_s"]) == "torch had not begun to use a GPU when the code started"


def test_code_that_goes_on_to_another_gpu_keeps_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both events are of the GPU that was the current one at the start, whatever `set_device` said since."""
    install(monkeypatch, Card(A), Card(B))
    torch = FakeTorch(contexts=(0, 1))
    monkeypatch.setitem(sys.modules, "torch", torch)
    collector = Gpu({})

    with collector:
        torch.now_ms += 40
        torch.current = 1

    assert collector.readings()["gpu_time_s"] == pytest.approx(0.04)
    assert collector.readings()["torch_peak_memory_mib"] == pytest.approx(64 + 128)
    assert torch.current == 1


@pytest.mark.parametrize("when", ["start", "end"])
def test_a_torch_that_fails_costs_its_own_numbers(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed kernel every call of torch's fails: energy and memory by the driver stay."""
    card = Card(A)
    install(monkeypatch, card)
    torch = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", torch)
    collector = Gpu({})

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with ..")

    def breaks() -> None:
        torch.cuda.Event = fail
        torch.cuda.max_memory_allocated = fail
        torch.cuda.synchronize = fail

    if when == "start":
        breaks()
    with collector:
        card.energy_mj = 1_005_000
        breaks()

    assert collector.readings() == {
        "gpu_energy_j": pytest.approx(5),
        "energy_source": "nvml",
        "gpu_peak_memory_mib": pytest.approx(500),
        "gpu_source": "energy by counter, memory of the whole GPU",
    }
    for name in ("gpu_time_s", "torch_peak_memory_mib"):
        assert str(collector.missing()[name]) == (
            "torch could not say (CUDA error: an illegal memory access was encountered)"
        )


def test_a_file_of_the_users_called_torch_is_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """`torch.py` in the folder has the name and nothing else."""
    install(monkeypatch, Card(A))
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    collector = Gpu({})

    with collector:
        pass

    assert collector.readings()["gpu_peak_memory_mib"] == pytest.approx(500)
    assert not cuda_work.synchronise()


def test_without_torch_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """No framework is imported to get its numbers."""
    install(monkeypatch, Card(A))
    collector = Gpu({})
    with collector:
        pass

    assert str(collector.missing()["gpu_time_s"]) == "torch is not in use"
    assert str(collector.missing()["torch_peak_memory_mib"]) == "torch is not in use"
    assert not {"torch", "jax", "cupy"} & set(sys.modules)


def test_jax_is_waited_for_only_where_its_back_ends_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for its devices, jax would start: it is left alone until it has."""
    waited: list[str] = []
    jax = ModuleType("jax")
    jax.local_devices = lambda: [  # type: ignore[attr-defined]
        SimpleNamespace(synchronize_all_activity=lambda: waited.append("gpu"))
    ]
    bridge = SimpleNamespace(_backends={})
    monkeypatch.setitem(sys.modules, "jax", jax)
    assert cuda_work.synchronise()
    monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", bridge)  # type: ignore[arg-type]
    assert cuda_work.synchronise()
    assert waited == []

    bridge._backends["cuda"] = object()
    assert cuda_work.synchronise()
    assert waited == ["gpu"]


def test_cupy_is_waited_for_only_where_it_has_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a context, waiting would make one."""
    waited: list[str] = []
    context = [0]
    cupy = ModuleType("cupy")
    cupy.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        driver=SimpleNamespace(ctxGetCurrent=lambda: context[0]),
        runtime=SimpleNamespace(deviceSynchronize=lambda: waited.append("gpu")),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)

    assert cuda_work.synchronise()
    assert waited == []
    context[0] = 12345
    assert cuda_work.synchronise()
    assert waited == ["gpu"]


def test_a_failed_kernel_is_left_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that shows up while waiting is the user's to meet: it is not raised from here."""
    torch = FakeTorch()

    def fail(_: int) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    torch.cuda.synchronize = fail
    monkeypatch.setitem(sys.modules, "torch", torch)

    assert not cuda_work.synchronise()


# The sampler process reads the library itself.

needs_compiler = pytest.mark.skipif(
    compiler() is None and not os.environ.get("CI"), reason="no C compiler here to make the fake library"
)


def sample(library: Library, probes: tuple[Probe, ...], change: dict[str, int] | None = None) -> Samples:
    """Record a few samples, and a few more after a change."""
    sampler = Sampler()
    try:
        recording = sampler.start(probes, 0.005)
        for step in ({}, change or {}):
            if step:
                library.set(**step)
            enough = recording.peek().samples + 4
            while recording.peek().samples < enough:
                time.sleep(0.002)
        return recording.stop()
    finally:
        sampler.close()


@needs_compiler
def test_the_sampler_reads_every_quantity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each probe of the collector is a curve, added over the GPUs, of temperatures the highest."""
    library = Library(tmp_path)
    install(monkeypatch, Card("GPU-a"), Card("GPU-b"))
    monkeypatch.setattr(Gpu, "library", library.path)

    samples = sample(library, Gpu({}).probes(), {"percent": 10, "process": 500})

    assert samples.lost == {}
    assert (samples.series["gpu_percent_now"].value[0], samples.series["gpu_percent_now"].value[-1]) == (
        120,
        30,
    )
    assert set(samples.series["gpu_1_percent_now"].value) == {80, 20}
    assert set(samples.series["gpu_memory_mib"].value) == {1800}
    assert set(samples.series["gpu_process_memory_mib"].value) == {400, 1000}
    assert set(samples.series["gpu_power_w"].value) == {210}
    assert set(samples.series["gpu_0_power_w"].value) == {70}
    assert set(samples.series["gpu_temperature_c"].value) == {52}
    assert set(samples.series["gpu_0_temperature_c"].value) == {51}


@needs_compiler
def test_what_a_gpu_does_not_tell_costs_its_own_curve(tmp_path: Path) -> None:
    """An unsupported quantity, an unknown GPU or no library: each is lost for itself, with a reason."""
    library = Library(tmp_path)
    library.set(mw=-1, process=-1)

    samples = sample(
        library,
        (
            Probe("w", "nvml", library.path, args=("power", "GPU-a")),
            Probe("mib", "nvml", library.path, args=("memory", "GPU-a")),
            Probe("own", "nvml", library.path, args=("process_memory", "GPU-a")),
            Probe("x", "nvml", library.path, args=("memory", "GPU-x")),
            Probe("y", "nvml", library.path, args=("colour", "GPU-a")),
            Probe("z", "nvml", str(tmp_path / "none.so"), args=("memory", "GPU-a")),
        ),
    )

    lost = sentences(samples.lost)
    assert lost["w"] == "the NVIDIA driver says error 3 to nvmlDeviceGetPowerUsage"
    assert lost["x"] == "the NVIDIA driver says error 6 to nvmlDeviceGetHandleByUUID"
    assert lost["y"] == (
        "no such quantity of a GPU: 'colour'; there are percent, memory, process_memory, power, temperature"
    )
    assert "none.so" in lost["z"]
    assert set(samples.series["mib"].value) == {600}
    assert len(samples.series["own"]) == 0
    assert set(samples.lost) == {"w", "x", "y", "z"}
