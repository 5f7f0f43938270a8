"""`pdray benchmark`: ingestion beside what the cores allow, and beside a plain loop; planning."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from pdray.cli.output import console, memory, print_json, stderr, table
from pdray.errors import UsageError

B = TypeVar("B")
R = TypeVar("R")
Repeats = Generator[dict[str, Any], None, None]  # a measurement's figures, again and again

_SERVED = {
    "noop": "a no-op endpoint",
    "edge": "distinct texts, Edge in its owner's process",
    "in_replica": "the same, Edge in the replica",
    "stub": "the same, an index that does nothing",
    "cached": "one text over and over",
    "thumbnails": "thumbnails",
}
_TARGETS = {
    "overhead_p50_ms": ("p50 beyond text, index and no-op, ms", "3"),
    "overhead_p99_ms": ("p99 beyond their p50, ms", "10"),
    "hop_p50_ms": ("of which the hop to the owner, ms", ""),
    "edge_of_noop_at_1": ("distinct texts to no-op, one at a time", ""),
    "cached_of_noop_at_1": ("cache hits to no-op, one at a time", "0.6"),
    "cached_of_noop_at_16": ("cache hits to no-op, 16 at once", "0.6"),
    "thumbnails_of_noop_at_1": ("thumbnails to no-op, one at a time", "0.6"),
    "thumbnails_of_noop_at_16": ("thumbnails to no-op, 16 at once", "0.6"),
}


def run_benchmark(
    out: Path, parts: list[str], scale: float, repeat: int, saved: Path | None, as_json: bool
) -> None:
    """The command."""
    unknown = [part for part in parts if part not in _MEASURES]
    if unknown:
        raise UsageError(f"There is no part {unknown[0]}; parts are {', '.join(_MEASURES)}.")
    from pdray.cli import record

    out.mkdir(parents=True, exist_ok=True)
    load_before = record.load_average()
    results: dict[str, Any] = {}
    for part in parts:
        stderr.print(f"Measuring {part} ...")
        measure, judged_by = _MEASURES[part]
        with closing(measure(out, scale)) as repeats:
            results[part] = median_run(list(islice(repeats, repeat)), judged_by)
    command = f"pdray benchmark --parts {','.join(parts)} --scale {scale:g} --repeat {repeat}"
    document = record.document(command, out, results, load_before)
    if saved:
        record.save(document, saved)
    if as_json:
        print_json(document)
    else:
        _show(results)


def compare_benchmarks(before: Path, after: Path, as_json: bool) -> None:
    """The command with `--compare`."""
    from pdray.cli import record

    found = record.compare(record.read(before), record.read(after))
    if as_json:
        print_json(found)
    else:
        record.show(found)


def median_run(found: list[dict[str, Any]], judged_by: str) -> dict[str, Any]:
    """The one of repeated measurements whose figure is the median (of an even number the lower of
    the middle two), whole; where there are several, with that figure of each in order of time.
    """
    middle = sorted(found, key=lambda run: run[judged_by])[(len(found) - 1) // 2]
    return middle if len(found) == 1 else {**middle, "repeats": [run[judged_by] for run in found]}


def _builtin(out: Path, scale: float) -> Repeats:
    from pdray.ingest import benchmark

    folder = benchmark.scenes(out / "scenes", max(200, int(20_000 * scale)))
    return _against_cores(out, folder, "builtin", max(200, int(4_000 * scale)))


def _vit(out: Path, scale: float) -> Repeats:
    from pdray.ingest import benchmark

    count = max(64, int(2_000 * scale))
    folder = benchmark.photos(out / "photos", count, (1024, 768), 150_000)
    return _against_cores(out, folder, str(_random_vit(out)), max(64, int(600 * scale)))


def _against_cores(out: Path, folder: Path, model: str, count: int) -> Repeats:
    from pdray.ingest import benchmark

    def plain() -> benchmark.Rates:
        return benchmark.plain(folder, model, count, out / "plain")

    def steady() -> benchmark.Steady:
        return benchmark.steady(folder, model, out / "workspace")

    for before, run, after in _alternating(plain, steady):
        rates = benchmark.Rates(
            (before.decode + after.decode) / 2, (before.forward + after.forward) / 2
        )
        yield {
            **asdict(run),
            **asdict(rates),
            "allowed": rates.allowed,
            "ratio": run.steady / rates.allowed,
            "plain_before_after": [before.allowed, after.allowed],
        }


def _alternating(beside: Callable[[], B], run: Callable[[], R]) -> Iterator[tuple[B, R, B]]:
    """Runs, each with what was measured just before and just after: what else the machine does
    drifts.
    """
    before = beside()
    while True:
        ran, after = run(), beside()
        yield before, ran, after
        before = after


def _loop(out: Path, scale: float) -> Repeats:
    return _against_loop(out, "photos-loop", max(64, int(400 * scale)), (1024, 768), 150_000)


def _loop12(out: Path, scale: float) -> Repeats:
    return _against_loop(out, "photos-12", max(32, int(128 * scale)), (4000, 3000), 2_400_000)


def _against_loop(out: Path, name: str, count: int, size: tuple[int, int], target: int) -> Repeats:
    from pdray.ingest import benchmark
    from pdray.models.precision import has_int8

    folder = benchmark.photos(out / name, count, size, target)
    model = _random_vit(out)
    precisions = ("auto", "int8") if has_int8() else ("auto",)

    def loop() -> float:
        return benchmark.loop(folder, model)

    def steady() -> list[benchmark.Steady]:
        return [
            benchmark.steady(folder, str(model), out / "workspace", precision)
            for precision in precisions
        ]

    for before, (run, *low), after in _alternating(loop, steady):
        rate = (before + after) / 2
        found = {**asdict(run), "loop": rate, "ratio": run.steady / rate, "loops": [before, after]}
        for int8 in low:
            found["int8"] = {**asdict(int8), "ratio": int8.steady / rate}
        yield found


def _random_vit(out: Path) -> Path:
    folder = out / "vit-b-32-random"
    if not (folder / "config.json").exists():
        from pdray.models.random_weights import write_random_clip

        write_random_clip(folder)
    return folder


def _plan(out: Path, scale: float, layout: Literal["units", "compacted"] = "units") -> Repeats:
    from pdray.ingest import plan_benchmark

    images = max(1000, int(1_000_000 * scale))
    while True:
        yield asdict(plan_benchmark.measure(out / "plan", images, layout))


def _serve(out: Path, scale: float) -> Repeats:
    import socket

    from pdray.config import load
    from pdray.ingest.target import index_target
    from pdray.models.resolve import resolve
    from pdray.serve import benchmark
    from pdray.serve.compose import measured

    spec = resolve(str(_random_vit(out)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = benchmark.workspace(out / "serve", spec, benchmark.IMAGES)
    settings = load({"workspace": str(place), "serve_port": port})
    alone = benchmark.alone(settings, index_target(settings))
    with measured(settings) as serving:
        while True:
            yield benchmark.run(alone, serving, max(1.0, 4.0 * scale))


# What measures a part, and the figure by which repeats are ordered.
_MEASURES: dict[str, tuple[Callable[[Path, float], Repeats], str]] = {
    "builtin": (_builtin, "ratio"),
    "vit": (_vit, "ratio"),
    "loop": (_loop, "ratio"),
    "loop12": (_loop12, "ratio"),
    "plan": (_plan, "seconds"),
    "plan-compacted": (partial(_plan, layout="compacted"), "seconds"),
    "serve": (_serve, "overhead_p50_ms"),
}


def _show(results: dict[str, Any]) -> None:
    plans = {part: found for part, found in results.items() if part.startswith("plan")}
    if plans:
        _show_plans(plans)
    if "serve" in results:
        _show_serving(results["serve"])
    rest = {part: found for part, found in results.items() if part not in plans and part != "serve"}
    if rest:
        _show_runs(rest)


def _show_plans(results: dict[str, Any]) -> None:
    rows = table("part", ">images", ">of parts", ">to read", ">gone", ">seconds", ">CPU s", ">peak")
    for part, found in results.items():
        rows.add_row(
            part,
            f"{found['images']:,}",
            f"{found['parts']:,}",
            f"{found['new'] + found['changed']:,}",
            f"{found['vanished']:,}",
            f"{found['seconds']:.1f}",
            f"{found['cpu_seconds']:.1f}",
            memory(found["peak_bytes"]),
        )
    console.print(rows)


def _show_serving(found: dict[str, Any]) -> None:
    rows = table("", ">at once", ">a second", ">p50 ms", ">p99 ms")
    alone = found["alone"]
    text, index = alone["text_p50_ms"], alone["index_p50_ms"]
    both = (f"{alone['p50_ms']:.1f}", f"{alone['p99_ms']:.1f}")
    rows.add_row(f"text {text:.1f} ms and index {index:.1f} ms alone", "1", "", *both)
    for name, words in _SERVED.items():
        for at, number in (("at_1", "1"), ("at_16", "16")):
            one = found[name][at]
            times = (f"{one['p50_ms']:.1f}", f"{one['p99_ms']:.1f}")
            rows.add_row(words, number, f"{one['per_second']:.0f}", *times)
    console.print(rows)
    rows = table("", ">found", ">target")
    for key, (words, target) in _TARGETS.items():
        rows.add_row(words, f"{found[key]:.2f}", target)
    console.print(rows)


def _show_runs(results: dict[str, Any]) -> None:
    rows = table(
        "part", ">images", ">steady/s", ">start s", ">beside/s", ">ratio", ">memory", "beside"
    )
    for part, found in results.items():
        beside = found.get("allowed", found.get("loop"))
        words = "plain transformers loop"
        if "allowed" in found:
            words = f"the cores: decode {found['decode']:.0f}/s, forward {found['forward']:.0f}/s"
        if ratios := found.get("repeats"):
            words += f"; median of {len(ratios)}, {min(ratios):.2f} to {max(ratios):.2f}"
        measured = {part: found}
        if "int8" in found:
            measured[f"{part} int8"] = found["int8"]
        for name, one in measured.items():
            rows.add_row(
                name,
                str(one["images"]),
                f"{one['steady']:.1f}",
                f"{one['startup_seconds']:.1f}",
                f"{beside:.1f}",
                f"{one['ratio']:.2f}",
                memory(one["peak_bytes"]),
                words,
            )
    console.print(rows)
