"""NAME, run in memory."""

from __future__ import annotations

from pathlib import Path

import skep

BLUEPRINT = Path(__file__).parent / "blueprint.yaml"


def test_every_text_is_counted() -> None:
    result = skep.run_sync(skep.load_blueprint(BLUEPRINT), {"texts": ["to be", "or not to be"]})
    assert result["counts"] == [2, 4]
    assert result["most"] == 4
