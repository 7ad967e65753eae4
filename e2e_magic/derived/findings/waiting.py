"""Rules on code that waits: for a loader, a disk, something else, or lets a GPU wait."""

from __future__ import annotations

import math

from e2e_magic.derived.findings.finding import BUSY_GPU_PERCENT, Finding, Trial
from e2e_magic.text import digits, percent, quantity

# Of a loop's time: a loader that takes less is hidden by one worker that loads ahead.
LEAST_LOADING = 0.3
# Of the wall time: the loop is not what the stage is about otherwise.
LEAST_LOOP = 0.1
# Of the wall time: at a half, nothing else is as large.
LEAST_IDLE = 0.5
# Of the looks at the main thread, or of the wall time: less may be one burst of another program's.
LEAST_DISK = 0.2
# Faults that read a page from a disk, 1/s: each takes 0.1 ms on an SSD and 10 ms on a hard disk.
LEAST_FAULTS_PER_S = 100.0


def loader(trial: Trial) -> Finding | None:
    """Say that the loop waited for its batches, by the time inside ``next()`` of ``track``.

    Source: PyTorch, Performance Tuning Guide (asynchronous data loading); TensorFlow, Better performance with
    the tf.data API: a step that waits for input leaves the rest idle.
    """
    loading_s, loop_s = trial.fact("loading_s"), trial.fact("loop_s")
    share = loading_s / loop_s if loop_s > 0 else math.nan
    if not (share >= LEAST_LOADING and loop_s >= LEAST_LOOP * trial.wall_s):
        return None
    return Finding(
        "waiting for the loader",
        f"the loader took {percent(share)} of the loop ({quantity(loading_s, 's')} of "
        f"{quantity(loop_s, 's')} inside next() of track)",
        "load ahead: DataLoader(num_workers=2, persistent_workers=True), tf.data's prefetch; or decode once "
        "and keep the result",
        min(loading_s / trial.wall_s, 1.0),
        {"loading_s": loading_s, "loop_s": loop_s},
    )


def nothing_computed(trial: Trial) -> Finding | None:
    """Say that the code waited for something that is no core: a disk, else network, sleep, lock, process.

    Sources: Gregg, Off-CPU Analysis: wall time less CPU time less time ready for a core. For the disk: the
    main thread in uninterruptible sleep (``proc_pid_stat(5)``, state D), major faults (``getrusage(2)``), and
    pressure stall information (Linux, Documentation/accounting/psi.rst, machine-wide).
    """
    if math.isnan(trial.fact("looked_s")) or trial.reading("gpu_percent") >= BUSY_GPU_PERCENT:
        return None  # nobody looked, or it waits for a GPU that works
    waited_s = 0.0 if math.isnan(trial.waited_s) else trial.waited_s
    idle_s = trial.wall_s - trial.cpu_s - waited_s
    share = idle_s / trial.wall_s
    if not share >= LEAST_IDLE or loader(trial) is not None:
        return None
    on_disk, stalled = trial.fact("disk_share"), trial.fact("io_stall_s") / trial.wall_s
    faults = trial.fact("major_faults") / trial.wall_s
    numbers = {"idle_s": idle_s, "disk_share": on_disk, "major_faults": trial.fact("major_faults")}
    head = f"nothing was computed for {percent(share)} of the {quantity(trial.wall_s, 's')}: it waited for "
    seen = []
    if on_disk >= LEAST_DISK:
        seen.append(f"seen at {percent(on_disk)} of the looks")
    if faults >= LEAST_FAULTS_PER_S:
        seen.append(f"{digits(faults)} faults a second that read a page")
    if seen:
        moved = [each for name in ("read_mib", "write_mib") if (each := trial.reading(name)) >= 1]
        if moved:
            seen.append(f"{quantity(sum(moved), 'MiB')} read and written")
        return Finding(
            "waiting for a disk",
            f"{head}a disk ({', '.join(seen)})",
            "read less (columns, a binary format such as Parquet), read it once, or copy it to a local disk",
            share,
            numbers,
        )
    beside = f", or for a disk (programs stood still for one {percent(min(stalled, 1.0))} of the time)"
    return Finding(
        "waiting",
        f"{head}a network, a sleep, a lock or another process{beside if stalled >= LEAST_DISK else ''}",
        "do several of these waits at the same time (ThreadPoolExecutor, asyncio), or fewer and larger ones",
        share,
        numbers,
    )


def idle_gpu(trial: Trial) -> Finding | None:
    """Say that torch used the GPU and yet it mostly waited.

    Source: NVIDIA, NVML API Reference, ``nvmlUtilization_t``: the part of the time in which a kernel ran.
    Whether it waited for copies is not told: torch counts none outside its profiler, and
    ``nvmlDeviceGetPcieThroughput`` stops its caller for 20 ms to look at the copies of all processes.
    """
    use, peak = trial.reading("gpu_percent"), trial.reading("torch_peak_memory_mib")
    if not (use < BUSY_GPU_PERCENT and peak > 0):
        return None
    return Finding(
        "idle GPU",
        f"the GPU worked {digits(use)} % of the time, though torch holds {quantity(peak, 'MiB')} on it",
        "keep it fed: larger batches, a loader with workers and pin_memory=True, .to(device, "
        "non_blocking=True), no .item() or print of a tensor in each step",
        1 - use / 100,
        {"gpu_percent": use, "torch_peak_memory_mib": peak},
    )
