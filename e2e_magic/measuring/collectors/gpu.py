"""NVIDIA GPUs: use, memory, power, energy and time, of the GPUs that this process can see."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

from e2e_magic.measuring import clocks
from e2e_magic.measuring.collectors import cuda_work, gpu_source, nvml, proc
from e2e_magic.measuring.collectors.base import Collector, Probe, Unavailable
from e2e_magic.record import Metric, Reason, Series, Value

# A curve's quantity, its name with a place for the GPU's number, unit and description.
_CURVES = (
    ("percent", "gpu{}_percent_now", "%", "GPU use over time, 100 is one GPU"),
    ("memory", "gpu{}_memory_mib", "MiB", "GPU memory in use, of all programs"),
    ("process_memory", "gpu{}_process_memory_mib", "MiB", "GPU memory of this process and its children"),
    ("power", "gpu{}_power_w", "W", "power of the GPU"),
    ("temperature", "gpu{}_temperature_c", "°C", "temperature of the GPU, the hottest of several"),
)
_WHOLE_BOARD = ("percent", "power", "temperature")
# More than any GPU draws, W, over the time between the edges and the driver's slow steps, s.
MOST_W = 3000.0
_SLACK_S = 1.0
_TOO_SHORT = "no sample fell into the code: it was too short, or the sampler was lost"
_SLICED = Reason("", "the driver tells it of the whole GPU only, and this process has a MIG slice of it")


class _Edge(NamedTuple):
    """The readings of a GPU at one edge; None for one that it does not give."""

    energy_mj: int | None
    device_mib: float | None
    process_mib: float | None


class Gpu(Collector):
    """Activity of the GPUs that this process can see between the two edges, added over several.

    Energy comes from the driver's counter where the GPU has one, else from the power samples; memory is
    that of this process and its children where the driver gives it, else the GPU's: `gpu_source`
    names which. Use, power and memory over time are sampled by the sampler process.

    Parameters
    ----------
    environ : mapping
        The mapping in which ``CUDA_VISIBLE_DEVICES`` is looked up.
    clock : callable
        Returns seconds.

    Raises
    ------
    Unavailable
        Where there is no NVIDIA driver or GPU, or this process can see none.
    """

    name: ClassVar[str] = "gpu"
    # The driver's library that the sampler process opens.
    library: ClassVar[str] = "nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("gpu_time_s", "s", "gpu", "lower", "time on the GPU's own clock, by CUDA events"),
        Metric("gpu_percent", "%", "gpu", "higher", "mean GPU use, 100 is one GPU"),
        Metric("gpu_peak_memory_mib", "MiB", "gpu", "lower", "most GPU memory in use, sampled"),
        Metric("torch_peak_memory_mib", "MiB", "gpu", "lower", "most GPU memory that torch had given out"),
        Metric("gpu_energy_j", "J", "energy", "lower", "energy of the GPUs, NVML"),
        Metric("energy_source", "", "energy", None, "where the joules come from"),
        Metric("gpu_source", "", "gpu", None, "what the GPU's energy and memory were read from"),
        *(Metric(name.format(""), unit, "gpu", None, text, curve=True) for _, name, unit, text in _CURVES),
    )

    def __init__(
        self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = clocks.monotonic
    ) -> None:
        self._nvml = nvml.load(self.library)
        self._close = weakref.finalize(self, self._nvml.close)
        try:
            in_use = nvml.torch_uuids()
            self._devices = nvml.visible(self._nvml, environ, in_use)
            sure = bool(in_use) or nvml.order_is_sure(self._nvml, environ)
        except OSError as error:
            raise Unavailable(f"the GPU does not answer ({error})", "see what `nvidia-smi` says") from error
        if not self._devices:
            raise _none_visible(environ)
        self._clock = clock
        self._torch = cuda_work.TorchEdges()
        self._start: list[_Edge] = []
        self._end: list[_Edge] = []
        self._began = self._ended = 0.0
        self._values: dict[str, Value] = {}
        self._jumped = False
        self.source = "NVML: " + ", ".join(device.name for device in self._devices)
        if not sure:
            self.source += " (which is which is sure only with CUDA_DEVICE_ORDER=PCI_BUS_ID)"
        if len(self._devices) > 1:
            # Determined only now: each GPU's own curves, beside those of all of them.
            vars(self)["metrics"] = (*self.metrics, *_curves_of_each(len(self._devices)))

    def probes(self) -> tuple[Probe, ...]:
        probes: list[Probe] = []
        each = [(f"_{n}", (device,)) for n, device in enumerate(self._devices)]
        for quantity, name, _, _ in _CURVES:
            for number, devices in (("", self._devices), *(each if len(each) > 1 else ())):
                uuids = [one.uuid for one in devices if not (one.sliced and quantity in _WHOLE_BOARD)]
                if len(uuids) == len(devices):
                    probes.append(Probe(name.format(number), "nvml", self.library, args=(quantity, *uuids)))
        return tuple(probes)

    def __enter__(self) -> Self:
        cuda_work.synchronise()
        self._start = self._edge()
        self._torch.start()
        self._began = self._clock()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            cuda_work.synchronise()
            self._ended = self._clock()
            self._torch.stop()
            self._end = self._edge()
        finally:
            self._close()

    def readings(self) -> Mapping[str, Value]:
        if not self._end:
            return {}
        values = self._both({})
        if (seconds := self._torch.time_s()) is not None:
            values["gpu_time_s"] = seconds
        if (peak := self._torch.peak_mib()) is not None:
            values["torch_peak_memory_mib"] = peak
        return self._keep(values)

    def sampled(  # NVML's energy is no counter of the sampler's
        self,
        series: Mapping[str, Series],
        totals: Mapping[str, float],  # noqa: ARG002
    ) -> Mapping[str, Value]:
        if not self._end:
            return {}
        use = series.get("gpu_percent_now")
        values = self._both(series)
        if use:
            values["gpu_percent"] = _mean(use)
        return self._keep(values)

    def missing(self) -> Mapping[str, Reason]:
        sliced = any(device.sliced for device in self._devices)
        reasons = {
            "gpu_time_s": self._torch.missing(),
            "gpu_percent": _SLICED if sliced else Reason("", _TOO_SHORT),
            "gpu_peak_memory_mib": Reason("", "the driver does not tell it"),
            "torch_peak_memory_mib": self._torch.missing(),
            "gpu_energy_j": _SLICED if sliced else Reason("", self._no_energy()),
            "energy_source": Reason("", "no GPU energy was measured"),
            "gpu_source": Reason("", "neither energy nor memory was measured"),
        }
        if not self._end:
            reasons = dict.fromkeys(reasons, Reason("", "the code did not reach its end"))
        return {name: reason for name, reason in reasons.items() if name not in self._values}

    def absent(self) -> Mapping[str, Reason]:
        absent: dict[str, Reason] = {}
        if any(device.sliced for device in self._devices):
            whole = {name for quantity, name, _, _ in _CURVES if quantity in _WHOLE_BOARD}
            names = ("gpu_percent", "gpu_energy_j", *(name.format("") for name in sorted(whole)))
            absent |= dict.fromkeys(names, _SLICED)
        if "torch" not in sys.modules:
            absent |= dict.fromkeys(("gpu_time_s", "torch_peak_memory_mib"), self._torch.missing())
        return absent

    def _edge(self) -> list[_Edge]:
        pids = frozenset({os.getpid(), *(process.pid for process in proc.descendants().values())})
        return [
            _Edge(
                nvml.energy_mj(self._nvml, device),
                nvml.device_mib(self._nvml, device),
                nvml.process_mib(self._nvml, device, pids),
            )
            for device in self._devices
        ]

    def _keep(self, values: dict[str, Value]) -> dict[str, Value]:
        self._values |= values
        return values

    def _both(self, series: Mapping[str, Series]) -> dict[str, Value]:
        """Return energy and peak memory with their sources."""
        values: dict[str, Value] = {}
        energy_j, by = self._energy(series)
        if energy_j is not None:
            values |= {"gpu_energy_j": energy_j, "energy_source": "nvml"}
        # The driver names this process only while it uses the GPU, so that one mention is enough.
        own = [_total(edge.process_mib for edge in edges) for edges in (self._start, self._end)]
        peak, of = _most(series.get("gpu_process_memory_mib"), own), "this process and its children"
        if peak is None:
            whole = [_total(edge.device_mib for edge in edges) for edges in (self._start, self._end)]
            peak, of = _most(series.get("gpu_memory_mib"), whole), "the whole GPU"
        if peak is not None:
            values["gpu_peak_memory_mib"] = peak
        if values:
            values["gpu_source"] = gpu_source.joined(by, of if peak is not None else "")
        return values

    def _energy(self, series: Mapping[str, Series]) -> tuple[float | None, str]:
        """Return the energy of all GPUs, J, and its source; None where that of one is missing."""
        joules, ways = 0.0, set()
        for n, (start, end) in enumerate(zip(self._start, self._end, strict=True)):
            power = series.get("gpu_power_w" if len(self._devices) == 1 else f"gpu_{n}_power_w")
            if start.energy_mj is not None and end.energy_mj is not None:
                if end.energy_mj < start.energy_mj:  # the driver was loaded anew
                    return None, ""
                own_j = (end.energy_mj - start.energy_mj) / 1e3
                ways.add(gpu_source.COUNTER)
            elif power:
                own_j = _mean(power) * (self._ended - self._began)
                ways.add("power samples")
            else:
                return None, ""
            if own_j > MOST_W * (self._ended - self._began + _SLACK_S):
                self._jumped = True
                return None, ""
            joules += own_j
        return (joules, " and ".join(sorted(ways))) if joules > 0 else (None, "")

    def _no_energy(self) -> str:
        edges = list(zip(self._start, self._end, strict=True))
        if any((end.energy_mj or 0) < (start.energy_mj or 0) for start, end in edges):
            return "the counter ran backwards or was lost: the driver was loaded anew meanwhile"
        if self._jumped:
            return "the counter jumped: it shows more energy than any GPU takes in this time"
        if all(edge.energy_mj is not None for pair in edges for edge in pair):
            return "the counter did not move: the driver moves it every 20 to 100 ms"
        return f"this GPU has no energy counter, and {_TOO_SHORT}"


def _none_visible(environ: Mapping[str, str]) -> Unavailable:
    hidden = environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is None:
        return Unavailable("there is an NVIDIA driver, but no GPU")
    return Unavailable(
        f"CUDA_VISIBLE_DEVICES={hidden!r} shows this process no GPU", "unset it, or name a GPU that is there"
    )


def _curves_of_each(count: int) -> tuple[Metric, ...]:
    return tuple(
        Metric(name.format(f"_{n}"), unit, "gpu", None, f"{text}, GPU {n} alone", curve=True)
        for _, name, unit, text in _CURVES
        for n in range(count)
    )


def _mean(series: Series) -> float:
    """Return the mean over time, by trapezoids: thinned curves are not evenly spaced."""
    t, v = series.t_s, series.value
    if len(series) == 1 or t[-1] <= t[0]:
        return sum(v) / len(v)
    area = sum((t[n] - t[n - 1]) * (v[n] + v[n - 1]) / 2 for n in range(1, len(t)))
    return area / (t[-1] - t[0])


def _total(values: Iterable[float | None]) -> float | None:
    """Return the sum of the values that are not None; None where there are none."""
    numbers = [value for value in values if value is not None]
    return sum(numbers) if numbers else None


def _most(curve: Series | None, edges: Sequence[float | None]) -> float | None:
    numbers = [*(curve.value if curve else ()), *(value for value in edges if value is not None)]
    return max(numbers) if numbers else None
