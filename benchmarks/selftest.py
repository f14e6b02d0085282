"""The self-test of whole judges that were trained with other seeds: mean and worst of every kind.

    python benchmarks/selftest.py DIR [DIR ...]

Each DIR holds the selftest.json of ``xhat self-test --weights ...``. The weights of a
further seed are made by ``xhat train digits --recipe NAME --seed SEED`` for every judge-* recipe.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from record import provenance, table, write


def summary(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a kind: how many samples, the share of each judge, mean and worst."""
    rows = []
    for kind in found[0]["rows"]:
        same = [next(r for r in other["rows"] if r["kind"] == kind["kind"]) for other in found]
        shares = [row["share"] for row in same]
        rows.append(
            {
                "kind": kind["kind"],
                "group": kind["group"],
                "wanted": kind["wanted"],
                "asked": kind["asked"],
                "n": [row["n"] for row in same],
                "shares": shares,
                "mean": sum(shares) / len(shares),
                "worst": min(shares),
            }
        )
    return rows


def main() -> None:
    """Read, summarise and write ``selftest.json`` and ``selftest.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    folders = parser.parse_args().folders
    found = [json.loads((folder / "selftest.json").read_text()) for folder in folders]
    rows = summary(found)
    apart = [one["digits_against_clothes"] for one in found]
    text = table(
        ("kind", "wanted", "n", "asked", "mean", "worst"),
        [
            (
                row["kind"],
                row["wanted"] or "(share genuine)",
                f"{min(row['n'])}–{max(row['n'])}",
                row["asked"] or "",
                f"{row['mean']:.3f}",
                f"{row['worst']:.3f}",
            )
            for row in rows
        ],
    )
    text += "\nDigits (positive) against clothes:\n\n" + table(
        ("judge", "AUROC", "clothes that look as usual as 95 % of digits"),
        [
            (f"{i + 1}", f"{one['auroc']:.4f}", f"{one['fpr_at_95_tpr']:.3f}")
            for i, one in enumerate(apart)
        ],
    )
    text += "\nReal digits flagged, for several alpha:\n\n" + table(
        ("judge", *found[0]["real_digits_flagged_at"]),
        [
            (f"{i + 1}", *(f"{v:.4f}" for v in one["real_digits_flagged_at"].values()))
            for i, one in enumerate(found)
        ],
    )
    record = {
        "provenance": provenance(0, ("torch", "numpy")),
        "judges": [one["command"] for one in found],
        "rows": rows,
        "digits_against_clothes": apart,
        "real_digits_flagged_at": [one["real_digits_flagged_at"] for one in found],
    }
    write("selftest", record, text)


if __name__ == "__main__":
    main()
