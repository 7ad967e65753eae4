"""Which sampled quantities share a panel, on a card and in a chart, and how their curves are called there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from e2e_magic.text import words

# One GPU of several: a curve beside that of all of them.
ONE_GPU = re.compile(r"gpu_(?P<number>\d+)_(?P<what>\w+)$")


class Shared(NamedTuple):
    """The quantities of one panel.

    Attributes
    ----------
    title : str
    curves : mapping of str to str
        The curve's name by metric; the first one gives the unit.
    floating : bool
        Whether the axis is where the values are; else it begins at 0.
    """

    title: str
    curves: Mapping[str, str]
    floating: bool = False

    def with_each_gpu(self, metrics: Iterable[str]) -> dict[str, str]:
        """Return the curves' names, with those of single GPUs (``gpu_0_power_w``) that `metrics` hold."""
        names = dict(self.curves)
        for metric in sorted(metrics):
            one = ONE_GPU.match(metric)
            if one is not None and (whole := f"gpu_{one['what']}") in self.curves:
                names[metric] = f"GPU {one['number']}"
                if names[whole].startswith("GPU"):
                    names[whole] = "all GPUs"
        return names


PANELS = (
    Shared("CPU", {"cpu_percent_now": "CPU"}),
    # Memory and temperature never come near zero.
    Shared(
        "memory",
        {"rss_mib": "RSS", "tree_rss_mib": "with children", "tree_pss_mib": "with children, PSS"},
        floating=True,
    ),
    Shared(
        "power",
        {
            "package_power_w": "package",
            "psys_power_w": "platform",
            "dram_power_w": "DRAM",
            "gpu_power_w": "GPU",
            "estimated_power_w": "estimate",
        },
    ),
    Shared("IO", {"read_mib_now": "read", "write_mib_now": "written"}),
    Shared("GPU use", {"gpu_percent_now": "GPU use"}),
    Shared("GPU memory", {"gpu_memory_mib": "all programs", "gpu_process_memory_mib": "this process"}),
    Shared("GPU temperature", {"gpu_temperature_c": "hottest"}, floating=True),
)
_PLACED = frozenset(metric for panel in PANELS for metric in panel.curves)


def alone(metrics: Iterable[str]) -> list[Shared]:
    """Return a panel for each metric that shares none, as the gauges of other packages."""
    return [
        Shared(words(metric), {metric: words(metric)}, floating=True)
        for metric in metrics
        if metric not in _PLACED and ONE_GPU.sub(r"gpu_\g<what>", metric) not in _PLACED
    ]
