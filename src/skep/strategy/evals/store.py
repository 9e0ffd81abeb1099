"""Results of evaluations: `{home}/evals/STRATEGY_SECOND.json`, and a summary beside it (strategy runtime, 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from skep.errors import SkepError, StrategyError
from skep.strategy.evals.welch import Sample, Welch, welch
from skep.strategy.files import check_name, locked, newest_first, pretty, read, replace
from skep.strategy.outcomes import Completed

_META = ".meta.json"


class Evals:
    """The evaluations of one home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "evals"

    def save(self, strategy: str, completed: Completed, now: int) -> str:
        """Keep the report of a session of `alc.eval`; its id. `now` is milliseconds since the epoch.

        Raises:
            StrategyError: the result is no report, or it cannot be written.
        """
        check_name(strategy, "strategy name")
        report = _dict(completed.result)
        aggregated = _dict(report.get("aggregated"))
        if not aggregated:
            raise StrategyError("this is no report of an evaluation: it has no `aggregated`", where=strategy)
        auto = _dict(completed.stats.get("auto"))
        second = now // 1_000
        with locked(self.folder / ".lock"):
            while self._path(eval_id := f"{strategy}_{second}").exists():
                second += 1
            meta = {
                "eval_id": eval_id,
                "strategy": strategy,
                "timestamp": second,
                "pass_rate": aggregated.get("pass_rate"),
                "mean_score": _dict(aggregated.get("scores")).get("mean"),
                "total_cases": aggregated.get("total"),
                "passed": aggregated.get("passed"),
                "llm_calls": auto.get("llm_calls"),
                "elapsed_ms": auto.get("elapsed_ms"),
                "summary": report.get("summary"),
            }
            whole = {"status": "completed", "result": report, "stats": completed.stats}
            replace(self._path(eval_id), pretty(whole))
            replace(self.folder / f"{eval_id}{_META}", msgspec.json.encode(meta, order="sorted"))
        return eval_id

    def history(self, strategy: str | None = None, limit: int = 20) -> dict[str, Any]:
        """`{"evals": [...], "warnings"?}`, the newest first; a summary that is broken is a warning."""
        metas: list[dict[str, Any]] = []
        warnings: list[str] = []
        for _, path in newest_first(self.folder, _META):
            try:
                meta = _load(path) or {}
            except SkepError as error:
                warnings.append(str(error))
                continue
            if strategy in (None, meta.get("strategy")):
                metas.append(meta)
        metas.sort(key=lambda meta: _number(meta.get("timestamp")), reverse=True)
        return {"evals": metas[:limit]} | ({"warnings": warnings} if warnings else {})

    def detail(self, eval_id: str) -> dict[str, Any]:
        """The whole result. Raises `StrategyError`."""
        found = _load(self._path(eval_id))
        if found is None:
            raise StrategyError(f"Eval result not found: {eval_id}")
        return found

    def compare(self, a: str, b: str) -> dict[str, Any]:
        """Two evaluations side by side, and whether their mean scores differ; kept as `compare_A_vs_B.json`.

        Raises:
            StrategyError: one of them is not there, or has no scores.
        """
        sides = [_side(eval_id, self.detail(eval_id)) for eval_id in (a, b)]
        samples = [_sample(side) for side in sides]
        found = welch(*samples)
        comparison = _comparison(sides, samples, found)
        result = {"a": sides[0], "b": sides[1], "comparison": comparison}
        with locked(self.folder / ".lock"):
            replace(
                self.folder / f"compare_{a}_vs_{b}.json", pretty({"status": "completed", "result": result})
            )
        return result

    def _path(self, eval_id: str) -> Path:
        return self.folder / f"{check_name(eval_id, 'eval id')}.json"


def _side(eval_id: str, whole: Mapping[str, Any]) -> dict[str, Any]:
    aggregated = _dict(_dict(whole.get("result")).get("aggregated"))
    shown = {name: aggregated.get(name) for name in ("scores", "pass_rate", "pass_at_1", "ci_95")}
    return {"eval_id": eval_id, "strategy": eval_id.rpartition("_")[0], **shown}


def _sample(side: Mapping[str, Any]) -> Sample:
    try:
        return msgspec.convert(side["scores"], Sample, strict=False)
    except msgspec.ValidationError as error:
        raise StrategyError(f"has no scores to compare: {error}", where=str(side["eval_id"])) from error


def _comparison(
    sides: Sequence[Mapping[str, Any]], samples: Sequence[Sample], found: Welch
) -> dict[str, Any]:
    delta = samples[0].mean - samples[1].mean
    winner = "none" if not found.significant else "a" if delta > 0 else "b"
    return {
        "delta_mean": delta,
        "welch_t": msgspec.to_builtins(found),
        "winner": winner,
        "summary": _sentence(sides, delta, found, winner),
    }


def _sentence(sides: Sequence[Mapping[str, Any]], delta: float, found: Welch, winner: str) -> str:
    names = [str(side["strategy"]) for side in sides]
    figures = f"p = {found.p_value:.4f}, df = {found.df:.1f}"
    if winner == "none":
        first = f"The mean scores of {names[0]} and {names[1]} do not differ significantly ({figures})."
    else:
        better, worse = names if winner == "a" else names[::-1]
        first = f"{better} scores {abs(delta):.3f} higher on average than {worse} ({figures})."
    points = 100 * (_number(sides[0].get("pass_rate")) - _number(sides[1].get("pass_rate")))
    return f"{first} The pass rate of {names[0]} is {points:+.1f} percentage points against {names[1]}'s."


def _load(path: Path) -> dict[str, Any] | None:
    data = read(path)
    try:
        return None if data is None else msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise StrategyError(f"is no result of an evaluation: {error}", where=str(path)) from error


def _dict(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
