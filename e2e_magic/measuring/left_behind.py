"""What the sampler left of a trial that its process did not outlive: read, as a row, and in words.

In comes a file as ``sampler/boxes.py`` wrote it.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_magic.record import Reason, Record, Series, decode
from e2e_magic.text import quantity

if TYPE_CHECKING:
    from e2e_magic.measuring.identity import Identity

FORM = 1
# Larger than any curve that the sampler keeps.
_LONGEST = 64 * 2**20
_GONE = Reason("", "the process ended in this trial: what was sampled until then is known")
_NOT_SEEN = "how it ended could not be seen"
# By what the kernel had been asked to do.
_ENDED = {"": "killed", "restart": "restarted", "shut down": "shut down"}
_RESTARTS = ("SIGKILL", "SIGTERM")
# How long (s) a file is waited for after its process has ended: the sampler writes it within milliseconds.
_WITHIN_S, _BETWEEN_S = 1.0, 0.01


def read(file: Path) -> dict[str, Any]:
    """Return what a file holds.

    Raises
    ------
    OSError, ValueError, LookupError, TypeError
        If it can't be read, or is none of ours.
    """
    if file.stat().st_size > _LONGEST:
        raise ValueError("it is no file of the sampler's")
    content: dict[str, Any] = json.loads(file.read_text())
    if content["form"] != FORM:
        raise ValueError("another version of e2e_magic wrote it")
    return content


def of_worker(identity: Identity) -> dict[str, Any] | None:
    """Take what the sampler of a worker that has died wrote of its trial; None where it wrote nothing."""
    if identity.black_box is None:
        return None
    folder = Path(json.loads(identity.black_box.place)["folder"])
    file = folder / f"{identity.run}-{identity.trial}.lost"
    until = time.monotonic() + _WITHIN_S
    while not file.exists():
        if time.monotonic() > until:
            return None
        time.sleep(_BETWEEN_S)
    content = None
    with suppress(OSError, ValueError, LookupError, TypeError):
        content = read(file)
    with suppress(OSError):
        file.unlink()
        folder.rmdir()  # where nothing else waits in it
    return content


def seen_of(content: Mapping[str, Any]) -> str:
    """Return what was seen of the end in a few words; empty for nothing."""
    seen = content["seen"]
    words = [_signal(seen)] if "signal" in seen else []
    words += [f"exit status {seen['status']}"] if "status" in seen else []
    words += ["out of memory"] if seen.get("oom_kills") else []
    return ", ".join(words)


def record_of(content: Mapping[str, Any]) -> Record:
    """Return the row of a file's trial.

    Raises
    ------
    ValueError, LookupError, TypeError
        If it is none of ours.
    """
    trial, run = content["trial"], content["place"]["run"]
    series = {str(name): Series.of(*parts) for name, parts in content["series"].items()}
    series = {name: curve for name, curve in series.items() if len(curve)}
    readings: dict[str, Any] = {"wall_time_s": float(content["seconds"])}
    if rss := series.get("rss_mib"):
        readings |= {"rss_start_mib": rss.value[0], "peak_rss_mib": max(rss.value)}
    for name in ("tree_rss_mib", "tree_pss_mib"):
        if curve := series.get(name):
            readings[f"peak_{name}"] = max(curve.value)
    readings |= {"samples": int(content["samples"]), "missed_samples": int(content["missed"])}
    lost = {str(name): Reason("", str(text)) for name, text in content["lost"].items()}
    return Record(
        run=run["id"],
        stage=trial["stage"],
        trial=trial["trial"] or 0,
        repeat=trial["repeat"],
        state="killed",
        started_at=datetime.fromisoformat(trial["started_at"]),
        error=error_of(content),
        sweep=trial["sweep"],
        params=decode(trial["params"]),
        readings=readings,
        series=series,
        reported=decode(trial["reported"]),
        missing={"cpu_time_s": _GONE, **lost},
        source=trial["source"],
        host=run["environment"]["host"],
        concurrent=trial["concurrent"],
    )


def error_of(content: Mapping[str, Any]) -> str:
    """Return what was seen of the end, as the error of the row."""
    seen = content["seen"]
    clauses = [f"the kernel was asked to {seen['asked']}"] if "asked" in seen else []
    clauses.append(_how(seen))
    kills = seen.get("oom_kills")
    if kills:
        count = f"{kills} process{'es' * (kills != 1)}"
        clauses.append(f"the system killed {count} of {seen['oom_scope']} for memory meanwhile")
    elif kills == 0 and _signal(seen) in _RESTARTS and "asked" not in seen:
        clauses.append(
            f"no process of {seen['oom_scope']} was killed for memory; a restart ends a kernel like this, too"
        )
    if use := _use(content):
        clauses.append(f"it had {use} at the last sample")
    if content["ended"]:
        clauses.append("its code had ended, and its row was not kept yet")
    if content["trial"]["warmup"]:
        clauses.append("it was a warm-up")
    return f"ProcessEnded: {'; '.join(clauses)}"


def sentence_of(content: Mapping[str, Any]) -> str:
    """Return the notice for the next kernel, without its subject."""
    use, why, asked = _use(content), seen_of(content), content["seen"].get("asked", "")
    return "".join(
        [
            f"was {_ENDED[asked]} in {content['trial']['stage']}, ",
            f"{quantity(float(content['seconds']), 's')} in",
            f", at {use}" if use else "",
            f" ({why})" if why else "",
        ]
    )


def _how(seen: Mapping[str, Any]) -> str:
    if "signal" in seen:
        return f"the process was ended by {_signal(seen)}"
    if "status" in seen:
        return f"the process exited with status {seen['status']}"
    return f"the process ended; {_NOT_SEEN}"


def _signal(seen: Mapping[str, Any]) -> str:
    number = seen.get("signal", 0)
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}" if number else ""


def _use(content: Mapping[str, Any]) -> str:
    """Return the resident memory at the last sample, of the limit where there is one."""
    series = content["series"]
    _, values = series.get("tree_rss_mib") or series.get("rss_mib") or ((), ())
    if not values:
        return ""
    limit = content["seen"].get("limit_mib")
    if limit is None:
        return quantity(values[-1], "MiB")
    if limit < 1024:
        return f"{values[-1]:.0f} of {limit:.0f} MiB"
    if values[-1] < 1024:
        return f"{quantity(values[-1], 'MiB')} of {limit / 1024:.1f} GiB"
    return f"{values[-1] / 1024:.1f} of {limit / 1024:.1f} GiB"
