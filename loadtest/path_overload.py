"""
What a server does with several times what it carries: what it accepts is answered as soon as ever, the rest refused at once.

One step at OVERLOAD times the saturation of its way. Goodput is what was approved a second, beside the most that was carried
without refusals; a refusal counts from when its message left, since where the server's window is closed the sender knows.
What was accepted counts from when it left too, beside its p99 at saturation; what the window held back is told by itself.
Memory is that of Holdfast's own processes, beyond what each accepted message is kept by (`holdfast_memory_bytes`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from loadtest.figure import Figure
from loadtest.path_steps import WAYS, PathSteps, shown
from loadtest.sides import HOLDFAST, Side
from loadtest.stages import scrape
from loadtest.usage import family, processes, resident_bytes

OVERLOAD: Final = 5.0
OVERLOAD_S: Final = 6.0
GOODPUT_MIN: Final = 0.9
P99_MAX: Final = 2.0
REFUSED_P99_MAX_MS: Final = 20.0
GROWTH_MAX_MB: Final = 64.0
_NEIGHBOUR: Final = "postgres"


def overloaded(
    steps: PathSteps, holdfast: Side, cases: Sequence[Mapping[str, Any]], tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Each case's way at OVERLOAD times its saturation, beside its step at saturation; ready for JSON."""
    found = []
    for case in cases:
        saturation = case["saturation_per_s"][HOLDFAST]
        if saturation is None:
            continue
        way = next(way for way in WAYS if way.name == case["way"]["name"])
        best = next(step for step in case["steps"] if step["rate"] == saturation)["sides"][HOLDFAST]
        tell(f"{way.name}: {OVERLOAD:g} times as much as is carried")
        before_mb = unexplained_mb(holdfast)
        step = steps.step(way, [holdfast], OVERLOAD * saturation, OVERLOAD_S)[HOLDFAST]
        found.append(
            {
                "way": way.name,
                "rate": OVERLOAD * saturation,
                "goodput": _approved_per_s(step) / max(1.0, _approved_per_s(best)),
                "p99_ratio": step["served_ms_p99"] / best["served_ms_p99"],
                "growth_mb": unexplained_mb(holdfast) - before_mb,
                "step": shown(step),
            }
        )
    return found


def overload_figures(found: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Beside their bars. A refusal's time counts where any was refused: else the window alone held back the sender."""
    for one in found:
        name, step = one["way"], one["step"]
        yield _figure(name, "goodput", "of the best", one["goodput"], GOODPUT_MIN, is_floor=True)
        yield _figure(name, "p99 of what is accepted", "of that at saturation", one["p99_ratio"], P99_MAX)
        if step["refused"]:
            yield _figure(name, "p99 of a refusal", "ms", step["refused_ms_p99"], REFUSED_P99_MAX_MS)
        yield _figure(name, "memory that nothing explains", "MB more", one["growth_mb"], GROWTH_MAX_MB)


def unexplained_mb(side: Side) -> float:
    """Resident memory of the server's own processes, less what it says that it keeps."""
    kept = sum(value for (name, _), value in scrape(side.metrics).items() if name == "holdfast_memory_bytes")
    own = (
        pid for pid, (kind, _) in processes(family(side.pids, side.mark)).items() if _NEIGHBOUR not in kind
    )
    return (sum(map(resident_bytes, own)) - kept) / 1e6


def _approved_per_s(step: Mapping[str, Any]) -> float:
    """What was approved in the step's own time."""
    answered = sum(count for code, count in step["codes"].items() if len(code) == 2)
    return float(step["answered_per_s"]) * step["codes"].get("00", 0) / max(1, answered)


def _figure(
    way: str, name: str, unit: str, value: float, bar: float, *, is_floor: bool = False
) -> dict[str, Any]:
    figure = Figure(name, unit, value, bar, is_floor=is_floor)
    return {"part": f"overload: {way}", **figure.document()}
