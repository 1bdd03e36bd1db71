"""Reading in a process of its own, with limits, and what came of it."""

from __future__ import annotations

import hashlib
import os
import pickle
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

import steadyvelo as sv
from tests.fuzz.inputs import INPUTS, READ
from tests.fuzz.mutations import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ALLOWED", "Outcome", "outcomes"]

# bytes, and seconds of processor time; on a busy machine these may take several times as long
MEMORY, SECONDS, _BUSY = 2_000_000_000, 10, 6
# an input may be read as it was, be refused by an error that names it, or be read as what it now is
ALLOWED = {"same", "refused", "different"}
_OURS = (ValueError, FileNotFoundError, PermissionError, MemoryError, IsADirectoryError)


class Outcome(NamedTuple):
    """What came of one damaged input."""

    kind: str
    number: int
    done: str
    detail: str


def outcomes(reader: str, numbers: range) -> Iterator[Outcome]:
    """Damage the input of a reader in the ways of these numbers, and read each."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        sound = _quietly(lambda: INPUTS[reader](Path(folder)))
        # compiled once, before the processes divide; zarr has threads, which a copy lacks
        if not reader.startswith("zarr"):
            _quietly(lambda: READ[reader](sound))
        expected = _forked(lambda: ("read", _digest(READ[reader](sound))))[1]
        place = Path(folder) / "damaged"
        for number in numbers:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            path = place / sound.name
            copy = shutil.copyfile if sound.is_file() else shutil.copytree
            copy(sound, path)
            rng = np.random.default_rng([number, sum(reader.encode())])
            done = damage(rng, path)
            kind, detail = _forked(lambda path=path: _read(reader, path))
            if kind == "read":
                changed = [
                    name
                    for name in {**expected, **detail}
                    if expected.get(name) != detail.get(name)
                ]
                kind = "different" if changed else "same"
                detail = ", ".join(sorted(changed))
            yield Outcome(kind, number, done, detail)


def _read(reader: str, path: Path) -> tuple[str, Any]:
    try:
        return "read", _digest(READ[reader](path))
    except _OURS as error:
        # a file of a folder is named by its own path
        named = str(path.with_suffix("")) in str(error) or str(path.parent) in str(error)
        text = str(error).replace(str(path.parent), "")
        return ("refused" if named else "no name"), f"{type(error).__name__}: {text}"
    except Exception as error:  # noqa: BLE001 (what is looked for)
        last = traceback.extract_tb(error.__traceback__)[-1]
        return (
            "foreign",
            f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})",
        )


def _digest(adata: Any) -> dict[str, str]:
    """Return a hash of every part of the data."""
    parts: dict[str, Any] = {"cells": list(adata.obs_names), "genes": list(adata.var_names)}
    for slot in ("layers", "obsm", "obsp"):
        parts |= {f"{slot}/{name}": x for name, x in getattr(adata, slot).items() if name}
    for slot in ("obs", "var"):
        parts |= {f"{slot}/{name}": list(x) for name, x in getattr(adata, slot).items()}
    parts["uns"] = sorted(map(str, adata.uns))
    return {name: _hash(x) for name, x in parts.items()}


def _hash(x: Any) -> str:
    if sp.issparse(x):
        x = x.toarray()
    if isinstance(x, (np.ndarray, pd.DataFrame)):
        x = np.ascontiguousarray(x)
        content = str(x.shape).encode() + x.astype(np.float64).tobytes()
    else:
        content = repr(x).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _quietly(work: Callable[[], Any]) -> Any:
    with warnings.catch_warnings(), sv.settings.override(verbosity=0):
        warnings.simplefilter("ignore")
        return work()


def _forked(work: Callable[[], tuple[str, Any]]) -> tuple[str, Any]:
    """Return what a function returns in a copy of this process, or how that ended."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        _end_with(into, work)
    os.close(into)
    raw, left = b"", time.monotonic() + _BUSY * SECONDS
    while left > time.monotonic() and select.select([out], [], [], left - time.monotonic())[0]:
        part = os.read(out, 1_000_000)
        raw += part
        if not part:
            break
    else:
        os.kill(child, signal.SIGKILL)
    os.close(out)
    _, status = os.waitpid(child, 0)
    too_long = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
    if too_long or time.monotonic() >= left:
        return "hang", f"more than {SECONDS} s"
    if os.WIFSIGNALED(status):
        return "crash", signal.Signals(os.WTERMSIG(status)).name
    return pickle.loads(raw) if raw else ("crash", f"exit {os.WEXITSTATUS(status)}")  # noqa: S301


def _end_with(into: int, work: Callable[[], tuple[str, Any]]) -> None:
    """Do the work of a copied process within the limits, and end it."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGESIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
    code = 0
    try:
        found = pickle.dumps(_quietly(work))
        while found:
            found = found[os.write(into, found) :]
    except BaseException:  # noqa: BLE001 (seen as an empty answer)
        traceback.print_exc(file=sys.stderr)
        code = 1
    finally:
        os._exit(code)
