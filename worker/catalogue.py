"""Writes app/catalogue.json: every method and shipped model as data, so that the API needs no code of the workers.

`python -m worker.catalogue` writes it, `--check` exits 1 when it is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

from models.cards import load_cards, shipped
from worker.contract.spec import ExplanationSpec, Palette
from worker.core.attributions import ATTRIBUTIONS
from worker.core.bounds import INTERVALS
from worker.core.certificates import CERTIFICATES
from worker.core.granularities import GRANULARITIES
from worker.core.maps import MAPS
from worker.core.noises import NOISES
from worker.core.registry import Entry, Registry

TARGET = Path(__file__).parent.parent / "app" / "catalogue.json"
# Keyed by the spec's own field, so that the API can check a spec field by field without a second table.
REGISTRIES: dict[str, Registry[Any]] = {
    "attribution": ATTRIBUTIONS,
    "map": MAPS,
    "granularity": GRANULARITIES,
    "noise": NOISES,
    "interval": INTERVALS,
    "certificates": CERTIFICATES,
}


def catalogue() -> dict[str, Any]:
    """What the API shows at /v1/catalogue: methods per spec field, palettes, the spec's schema, shipped models."""
    return {
        "methods": {
            field: [_row(entry) for _, entry in sorted(registry.entries.items())]
            for field, registry in REGISTRIES.items()
        },
        "palettes": list(get_args(Palette)),
        "spec": ExplanationSpec.model_json_schema(by_alias=True),
        "models": [entry.card.model_dump(mode="json") for _, entry in sorted(load_cards(shipped()).items())],
    }


def _row(entry: type[Entry]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "summary": entry.summary,
        "guarantee": entry.guarantee,
        "source": entry.source,
        "parameters": entry.Params.model_json_schema(),
    }


def main(arguments: list[str]) -> int:
    text = json.dumps(catalogue(), indent=1, ensure_ascii=False) + "\n"
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print("app/catalogue.json is stale: run `make catalogue` and commit it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
