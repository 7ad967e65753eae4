"""Trials on Spark's Python workers: the engine ``spark``, as jobs of pyspark's own.

A job runs one turn, or several brief ones; the jobs of a sweep share a job group, by which they are
cancelled. Threads of this process wait for them, one for each turn that Spark runs at a time.
"""

from __future__ import annotations

import os
import queue
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from e2e_magic.measuring.plan import PlanError
from e2e_magic.sweeping.engines import Cluster
from e2e_magic.sweeping.engines.remote_trial import run_remotely
from e2e_magic.sweeping.engines.shipping import check_values, pack
from e2e_magic.sweeping.engines.tickets import Outcome, Ticket
from e2e_magic.sweeping.jobs import Job
from e2e_magic.sweeping.plan import EngineMissing, SweepPlan

# A worker that crashed, an executor that was lost: in Spark's words, which has no classes for them here.
_DIED = re.compile(r"worker exited unexpectedly|ExecutorLostFailure|Python worker .*crashed|EOFException")
_CANCELLED = re.compile(r"SPARK_JOB_CANCELLED|cancelled part of cancelled job group")
_PYTHONS = re.compile(r"^((?:\w+\.)*\w*(?:Error|Exception): .+)$", re.MULTILINE)
Waiting = tuple[Ticket, "Future[Outcome | bytes]"]


class SparkError(RuntimeError):
    """What a job ended with, other than a worker's death."""


class SparkEngine(Cluster):
    """Runs turns as jobs of the active Spark session, or of one that is started for the sweep.

    Parameters
    ----------
    job : Job
    plan : SweepPlan
    sweep : str
        The sweep's id, which names its job group.
    """

    depth = 10

    def __init__(self, job: Job, plan: SweepPlan, sweep: str) -> None:
        super().__init__()
        self._job = job
        self._plan = plan
        self._group = f"e2e-sweep-{sweep}"
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._begun: set[int] = set()
        self._threads: list[Any] = []
        self._closing = False

    def open(self) -> None:
        check_values(self._plan.space)
        parcel = pack(self._job, self._plan.space.names)
        pyspark = import_pyspark()
        workers = self._plan.where.workers
        self._context, self._ours = _context(workers)
        try:
            self._sent = self._context.broadcast(parcel)
            self.here = str(self._context.master).startswith("local")
            self.width = min(workers or int(self._context.defaultParallelism), self._plan.total)
            self.concurrent = self.width > 1
            for number in range(self.width):
                thread = pyspark.InheritableThread(target=self._work, name=f"e2e-spark-{number}", daemon=True)
                self._threads.append(thread)
                thread.start()
        except BaseException:
            self.close(kill=True)
            raise

    def submit(self, ticket: Ticket) -> Future[Outcome | bytes]:
        future: Future[Outcome | bytes] = Future()
        self._waiting.put((ticket, future))
        return future

    def begun(self) -> set[int] | None:
        return set(self._begun)

    def close(self, *, kill: bool = False) -> None:
        self._closing = True
        with suppress(queue.Empty):
            while kill:
                self._waiting.get_nowait()
        for _ in self._threads:
            self._waiting.put(None)
        if kill:
            self._context.cancelJobGroup(self._group)
        for thread in self._threads:
            thread.join()
        if hasattr(self, "_sent"):
            self._sent.destroy()
        if self._ours:
            _end(self._context)

    def _work(self) -> None:
        """Run what waits, until there is a None: in one of the threads."""
        self._context.setJobGroup(self._group, f"e2e_magic: {self._plan.plan.stage}", interruptOnCancel=True)
        while (first := self._waiting.get()) is not None:
            batch = [first]
            # An equal share of what waits: only brief turns wait, and a job costs more than each of them.
            for _ in range(self._waiting.qsize() // self.width):
                with suppress(queue.Empty):
                    more = self._waiting.get_nowait()
                    if more is None:
                        self._waiting.put(None)
                        break
                    batch.append(more)
            self._run(batch)

    def _run(self, batch: Sequence[Waiting]) -> None:
        self._begun |= {ticket.turn.number for ticket, _ in batch}
        call = partial(_outcomes, shared=self._sent)
        try:
            rows = self._context.parallelize([[ticket.sealed() for ticket, _ in batch]], 1)
            outcomes = rows.flatMap(call).collect()
        except Exception as error:  # noqa: BLE001 - whatever Spark, Py4J or the JVM raise
            self._failed(batch, _meaning(error))
        else:
            if None in outcomes:  # Spark has tried it again by itself, after a worker had died
                self._failed(batch, BrokenExecutor("a worker died"))
            else:
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    future.set_result(outcome)
        self.woken.set()

    def _failed(self, batch: Sequence[Waiting], error: BaseException) -> None:
        if len(batch) > 1 and isinstance(error, BrokenExecutor) and not self._closing:
            for each in batch:  # one by one: which of them ends its worker is seen then
                self._run([each])
            return
        for ticket, future in batch:
            if isinstance(error, BrokenExecutor):
                self.died.add(ticket.turn.number)
            future.set_exception(error)


def _outcomes(tickets: Sequence[Ticket], shared: Any) -> Iterator[bytes | None]:
    """Run turns in a worker; yield None in a worker's place that Spark started after one had died."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is not None and context.attemptNumber() > 0:
        yield None
        return
    for ticket in tickets:
        yield run_remotely(shared.value, ticket)


def import_pyspark() -> Any:
    """Import Spark, or raise the error that names what to install."""
    try:
        import pyspark
    except ImportError:
        raise EngineMissing(
            'spark needs PySpark and Java 17: pip install "e2e-magic[spark]", or use local:N', option="engine"
        ) from None
    return pyspark


def _context(workers: int | None) -> tuple[Any, bool]:
    """Return the active Spark context, or a new one, and whether it is ours to end."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    active = SparkContext._active_spark_context
    if active is not None:
        return active, False
    builder = SparkSession.builder.appName("e2e_magic")
    for name, value in {"ui.enabled": "false", "ui.showConsoleProgress": "false"}.items():
        builder = builder.config(f"spark.{name}", value)
    if "MASTER" not in os.environ and "SPARK_CONF_DIR" not in os.environ:
        builder = builder.master(f"local[{workers or '*'}]")
    try:
        with _workers_like_us():
            context = builder.getOrCreate().sparkContext
    except Exception as error:  # noqa: BLE001 - whatever Spark, Py4J or the JVM raise: no Java, no master
        raise PlanError(
            f"spark can't start ({type(error).__name__}: {' '.join(str(error).split())[:160]}); it needs "
            "Java 17 or newer (JAVA_HOME), or make a SparkSession first, or use local:N",
            option="engine",
        ) from None
    context.setLogLevel("OFF")  # what goes wrong in a job is told by its row
    return context, True


@contextmanager
def _workers_like_us() -> Iterator[None]:
    """Let Spark start its workers with this Python, unless the user names another."""
    name = "PYSPARK_PYTHON"
    if name in os.environ:
        yield
        return
    os.environ[name] = sys.executable
    try:
        yield
    finally:
        del os.environ[name]


def _end(context: Any) -> None:
    """Stop Spark, and its Java process, which would stay until this one ends."""
    from pyspark import SparkContext

    context.stop()
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.shutdown()
        process = getattr(gateway, "proc", None)
        if process is not None:
            process.stdin.close()
            process.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _meaning(error: Exception) -> BaseException:
    """Return what a job's error means: a worker died, it was cancelled, or it can't load what it was sent."""
    text = str(error)
    if _CANCELLED.search(text):
        return CancelledError()
    if pythons := _PYTHONS.findall(text):
        modules = [line for line in pythons if "SparkException" not in line and "java." not in line]
        if modules:
            return SparkError(modules[-1])
    if _DIED.search(text):
        return BrokenExecutor("a worker of Spark's died")
    return SparkError(" ".join(text.split())[:300])
