"""Memory and processors that containers and job schedulers allow, less than the machine has."""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["memory_left", "processors_allowed"]

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def memory_left() -> int | None:
    """Return the bytes that the control groups of this process still allow; None for no limit.

    Memory of cached files counts as free, because the system releases it when needed.
    """
    left = []
    for folder in _folders("memory"):
        for limit_name, usage_name, kept_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, usage = _number(folder / limit_name), _number(folder / usage_name)
            if limit is not None and usage is not None:
                kept = _lines(folder / "memory.stat").get(kept_name, "0")
                left.append(max(limit - usage + int(kept), 0))
    return min(left, default=None)


def processors_allowed() -> int | None:
    """Return the number of processors that the groups allow, rounded up; None for no limit."""
    allowed = []
    for folder in _folders("cpu"):
        new = _text(folder / "cpu.max").split()
        quota, period = [*new, "", ""][:2]
        if not quota:
            quota = _text(folder / "cpu.cfs_quota_us")
            period = _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            allowed.append(max(ceil(int(quota) / int(period)), 1))
    return min(allowed, default=None)


def _folders(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control groups, each followed by its parent folders."""
    for line in _text(_OWN).splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            base = _ROOT
        elif controller in controllers.split(","):
            base = _ROOT / controller
        else:
            continue
        group = Path(path)
        for folder in (group, *group.parents):
            yield base / str(folder).lstrip("/")


def _text(path: Path) -> str:
    """Return the text of a file; an empty string if it does not exist."""
    return path.read_text().strip() if path.is_file() else ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in _text(path).splitlines() if " " in line)
