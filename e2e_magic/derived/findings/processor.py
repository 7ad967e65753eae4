"""Rules on cores: how many were busy, how long threads waited for one, who had them."""

from __future__ import annotations

import math

from e2e_magic.derived.findings.finding import BUSY_GPU_PERCENT, Finding, Trial
from e2e_magic.text import digits, percent, quantity

CROWDED, WAITING, THROTTLED = "more threads than cores", "waiting for a core", "CPU limit"
# Shorter code (s) gains nothing from more processes: starting some and sending them their data takes as long.
LEAST_SERIAL_S = 1.0
# Cores that count as one: a core is not quite busy while the code reads, a helper thread adds a little.
ONE_CORE = (0.8, 1.2)
# Cores that threads want which take turns: one has the lock, the others look for it each 5 ms. Tried: 1.05
# to 1.2 beside nothing, up to 1.4 beside four busy programs on two cores, and 1.5 to 1.9 by two that hash.
MOST_WANTED_IN_TURN = 1.4
# Threads that share the work, as `sampler.evidence` counts: where one of two does 80 % of it, they are 1.47.
LEAST_TAKING_TURNS = 1.7
# Of voluntary switches, 1/s: half of what one thread makes that asks for the interpreter lock each 5 ms
# (sys.getswitchinterval). Serial code makes a few.
LEAST_SWITCHES_PER_S = 100.0
# Of the wall time: less waiting than a tenth is within what repeats differ by on any shared machine.
LEAST_WAITED = 0.1
# Threads that wanted a core, above the cores there are: one more is a helper that looks in.
LEAST_CROWD = 0.5
# Of the wall time: one period of a limit is 100 ms; a tenth of it can come from a burst.
LEAST_THROTTLED = 0.1


def interpreter_lock(trial: Trial) -> Finding | None:
    """Say that several threads took turns on one core, as the interpreter lock lets one run at a time.

    Only where Python code started threads: those of C libraries may take turns too, and never hold the lock.

    Sources: Beazley (2010), Understanding the Python GIL: a waiting thread times out each 5 ms and asks, so
    threads that fight for it make hundreds of voluntary switches a second; ``getrusage(2)`` counts them, and
    ``schedstat`` shows how many threads ran, and that they ran on one core in sum.
    """
    switches = trial.fact("voluntary_switches") / trial.wall_s
    threads = trial.fact("threads_running")
    if not (
        trial.cores > 1
        and trial.fact("started_threads") >= 1
        and threads >= LEAST_TAKING_TURNS
        and ONE_CORE[0] <= trial.wanted <= MOST_WANTED_IN_TURN  # else each could have run, given a core
        and trial.ran <= ONE_CORE[1]
        and switches >= LEAST_SWITCHES_PER_S
        and trial.cpu_s <= ONE_CORE[1] * trial.wall_s  # no children work beside it
    ):
        return None
    return Finding(
        "interpreter lock",
        f"about {threads:.0f} threads took turns on one core of {digits(trial.cores)} "
        f"({digits(switches)} switches a second): Python's interpreter lock lets one run at a time",
        "run pure Python in processes (ProcessPoolExecutor, joblib's n_jobs=-1); threads gain where the lock "
        "is released, as in numpy and IO",
        (1 - 1 / min(trial.cores, threads)) * min(trial.ran, 1.0),
        {"threads_running": threads, "cores_busy": trial.ran, "switches_per_s": switches},
    )


def one_core(trial: Trial) -> Finding | None:
    """Say that one core of several was busy: serial code.

    Source: Amdahl (1967); what stands to gain is at most ``1 - 1 / cores`` of the time, counted half, as
    nobody knows how much of the code can run beside itself.
    """
    busy = trial.cpu_s / trial.wall_s
    if not (
        trial.cores > 1
        and trial.wall_s - trial.import_s >= LEAST_SERIAL_S
        and ONE_CORE[0] <= busy <= ONE_CORE[1]
        and not trial.waited_s > LEAST_WAITED * trial.wall_s  # it could not have had more
        and interpreter_lock(trial) is None
        and not trial.record.concurrent
        and not trial.reading("gpu_percent") >= BUSY_GPU_PERCENT  # it hands the work to a GPU
    ):
        return None
    return Finding(
        "one core",
        f"one core of {digits(trial.cores)} was busy for the {quantity(trial.wall_s, 's')} "
        f"({percent(busy)} of one)",
        f"if its parts are independent, spread them (n_jobs=-1, joblib, ProcessPoolExecutor), at most "
        f"{digits(trial.cores)} times as fast; else replace loops by whole-array calls",
        (1 - 1 / trial.cores) / 2,
        {"cores_busy": busy, "cores": trial.cores},
    )


def crowded(trial: Trial) -> Finding | None:
    """Say that more threads of the process itself wanted to run than there are cores.

    Source: Linux, Documentation/scheduler/sched-stats.rst: ``/proc/PID/task/*/schedstat`` has the time of
    each thread on a core and the time ready for one; their sum over the time is how many cores were
    wanted.
    """
    waited = _waited_share(trial)
    if not (
        waited >= LEAST_WAITED
        and trial.wanted > max(trial.cores, 1.0) + LEAST_CROWD  # a limit may be below one core
        and trial.fact("threads_running") > trial.cores
        and not _is_throttled(trial)
    ):
        return None
    pools = trial.evidence.get("pools") or {}
    sizes = ", ".join(f"{name} {threads}" for name, threads in pools.items())
    cores = math.ceil(trial.cores)
    return Finding(
        CROWDED,
        f"its threads wanted {digits(trial.wanted)} cores and {digits(trial.cores)} are there: "
        f"they waited {percent(waited)} of the time they could have run"
        + (f" (pools of threads: {sizes})" if sizes else ""),
        f"allow {cores} threads in all: OMP_NUM_THREADS={cores} before numpy is imported, "
        f"threadpoolctl.threadpool_limits({cores}), torch.set_num_threads({cores}), or fewer workers",
        waited,
        {"cores_wanted": trial.wanted, "cores": trial.cores, "threads": trial.fact("threads")},
    )


def waiting_for_a_core(trial: Trial) -> Finding | None:
    """Say that other programs had the cores while this code stood ready.

    Source: as `crowded`; the process's own threads wanted no more cores than there are.
    """
    waited = _waited_share(trial)
    if not (
        trial.waited_s >= LEAST_WAITED * trial.wall_s
        and waited >= LEAST_WAITED
        and not _is_throttled(trial)
        and crowded(trial) is None
    ):
        return None
    others = "other programs"
    step = (
        "see with top what else runs, and measure again when it is done; --repeat shows how much it matters"
    )
    if trial.record.concurrent:
        others = "other trials, or other programs,"
        step = "run fewer trials side by side (fewer workers, --engine local:1), or each with fewer threads"
    who = "it" if trial.waited_s <= trial.wall_s else "its threads together"
    return Finding(
        WAITING,
        f"{who} waited {quantity(trial.waited_s, 's')} for a free core, {percent(waited)} of the time it "
        f"could have run: {others} used them",
        step,
        waited * min(1.0, (trial.waited_s + trial.cpu_s) / trial.wall_s),
        {"waited_s": trial.waited_s, "wall_time_s": trial.wall_s},
    )


def throttled(trial: Trial) -> Finding | None:
    """Say that the container's limit of processor time stopped the code.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst, ``cpu.max`` and ``cpu.stat`` (``throttled_usec``;
    version 1: ``throttled_time``, ns).
    """
    if not _is_throttled(trial):
        return None
    stood_s, limit = trial.fact("throttled_s"), trial.fact("cpu_limit")
    return Finding(
        THROTTLED,
        f"the limit of {digits(limit)} cores of its control group stopped it for {quantity(stood_s, 's')}, "
        "added over cores",
        f"ask for more CPU (docker run --cpus, resources.limits.cpu), or use {math.ceil(limit)} threads at "
        "most",
        stood_s / (stood_s + trial.cpu_s) if trial.cpu_s > 0 else 1.0,
        {"throttled_s": stood_s, "cpu_limit": limit},
    )


def _is_throttled(trial: Trial) -> bool:
    return trial.fact("cpu_limit") > 0 and trial.fact("throttled_s") >= LEAST_THROTTLED * trial.wall_s


def _waited_share(trial: Trial) -> float:
    """Return the part of the time in which threads could have run and waited for a core."""
    able_s = trial.waited_s + trial.cpu_s
    return trial.waited_s / able_s if able_s > 0 else math.nan
