"""What the peers written in Python share: their memory, their threads, the line that they print."""

import json
import resource
import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Peak resident memory of this process. Where Linux says it, from there: ru_maxrss also counts the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def report(**figures) -> None:
    """One JSON line on the standard output, floats to four significant digits beyond the point."""
    print(json.dumps({key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}))
