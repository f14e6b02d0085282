"""What every result file names: commit, seed, versions, hardware; and how it is written.

Standard library only, so that a parent process that imports this stays small.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def provenance(seed: int, packages: Iterable[str]) -> dict[str, Any]:
    """Return where and with what a result was measured."""
    return {
        "commit": _commit(),
        "seed": seed,
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
        "hardware": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(_memory_bytes() / 2**30, 1),
            "system": f"{platform.system()} {platform.machine()}",
        },
    }


def write(name: str, record: Mapping[str, Any], tables: str, folder: Path = RESULTS) -> None:
    """Write ``name.json`` and ``name.md`` into ``folder`` and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    source = record["provenance"]
    hardware = source["hardware"]
    versions = ", ".join(f"{key} {value}" for key, value in source["versions"].items())
    foot = (
        f"\nCommit `{source['commit']}`, seed {source['seed']}; {hardware['processor']}, "
        f"{hardware['cores']} cores, {hardware['memory_gib']} GiB; {versions}.\n"
    )
    (folder / f"{name}.md").write_text(tables + foot)
    print(tables + foot)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are right-aligned."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def _commit() -> str:
    def git(*arguments: str) -> str:
        call = ["git", "-C", str(HERE), *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "../src", "*.py", "../pyproject.toml")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
