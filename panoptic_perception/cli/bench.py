# SPDX-License-Identifier: Apache-2.0
"""`panoptic bench`: measure model files, engines, precisions and threads side by side."""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from panoptic_perception.cli.common import CommandError, progress, say
from panoptic_perception.core.files import whole_file, write_json

if TYPE_CHECKING:
    from panoptic_perception.bench.case import Case
    from panoptic_perception.bench.rows import Row

HELP = 'measure how fast each engine, precision and thread count is here'
DESCRIPTION = """\
Measure every combination of models, engines, precisions and threads on a 1280x720 image. Each
row runs in a process of its own; all stay warm and are asked in turn, so that a busy machine
befalls all alike. Without options: the shipped models on every engine, in every precision that it
runs them in, with 1 and 2 threads.

  wall ms, CPU ms   a frame from bgr8 array to boxes and both masks at source size, median;
                    CPU ms is processor time of all threads
  ratio             to the first row, round by round: median (quartiles)
  x roof            network time by the time that a network of plain 3x3 convolutions with as
                    many multiplications takes on one core with the same engine and precision
  first s           from the start of the process to its first result
  decode/...        shares of the time; decode is JPEG to array, for compressed images alone

--stream offers frames at a camera's rate to the node's worker instead and measures the latency
from camera to result and the dropped frames, one row after the other. Combinations that cannot
be had here are listed with the reason. The exit code is 1 if nothing could be measured."""

_ROUNDS = 30
_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `panoptic bench`."""
    parser.add_argument(
        '--models', nargs='+', type=Path, metavar='FILE', help='default: the shipped models'
    )
    parser.add_argument('--engines', nargs='+', metavar='E', help='default: every engine')
    parser.add_argument(
        '--devices', nargs='+', default=['auto'], metavar='D', help='default: auto'
    )
    parser.add_argument(
        '--precisions',
        nargs='+',
        metavar='P',
        help='default: all in which an engine runs the model file',
    )
    parser.add_argument(
        '--threads', nargs='+', type=_count, default=[1, 2], metavar='N', help='default: 1 2'
    )
    parser.add_argument(
        '--rounds', type=_count, metavar='R', help=f'frames of each row (default: {_ROUNDS})'
    )
    parser.add_argument('--stream', type=_positive, metavar='RATE', help='frames a second')
    parser.add_argument(
        '--seconds', type=_positive, metavar='S', help=f'of --stream (default: {_SECONDS:g})'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything measured')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='draw the table as PNG or SVG')


def main(args: argparse.Namespace) -> int:
    """Run the command; return 1 if nothing could be measured."""
    _check_options(args)
    from panoptic_perception.bench.table import report_lines
    from panoptic_perception.core.machine import describe_machine, load_average
    from panoptic_perception.engines import find_model, shipped_models
    from panoptic_perception.engines.nvidia import gpu_name

    models = [find_model(model) for model in args.models or ()] or shipped_models()
    taken = [path.resolve() for path in (args.json, args.plot, *models) if path]
    if repeated := [
        path for path in (args.json, args.plot) if path and taken.count(path.resolve()) > 1
    ]:
        raise CommandError(f'{repeated[0]} is named twice: it would be overwritten')
    gmac = _gmac(models)
    machine = describe_machine() | {'gpu': gpu_name()}
    with _open_rows(_cases(args, models)) as rows:
        if args.stream:
            found = _stream(rows, args.stream, args.seconds or _SECONDS)
        else:
            found = _frames(rows, args.rounds or _ROUNDS, gmac)
    report = {'machine': machine, 'load_average_after': load_average(), **found}
    print(*report_lines(report), sep='\n')
    if args.json:
        write_json(args.json, report)
    if args.plot and report['rows']:
        _plot(report, args.plot)
    return 0 if report['rows'] else 1


def _check_options(args: argparse.Namespace) -> None:
    """Refuse what would be noticed only after minutes of measuring."""
    from panoptic_perception.engines import DEVICES, ENGINES, PRECISIONS

    for option, known in (('engines', ENGINES), ('devices', DEVICES), ('precisions', PRECISIONS)):
        if unknown := set(getattr(args, option) or ()) - set(known):
            raise CommandError(
                f'--{option} does not know {", ".join(sorted(unknown))};'
                f' choose from {", ".join(known)}'
            )
    for option, needs_stream in (('seconds', True), ('rounds', False), ('plot', False)):
        if getattr(args, option) is not None and bool(args.stream) is not needs_stream:
            raise CommandError(
                f'--{option} works only {"with" if needs_stream else "without"} --stream'
            )
    for path in filter(None, (args.json, args.plot)):
        if not path.parent.is_dir():
            raise CommandError(f'{path.parent} is not a folder: {path} cannot be written')
        if path.is_dir():
            raise CommandError(f'{path} is a folder: name a file in it')
    if args.plot and args.plot.suffix not in ('.png', '.svg'):
        raise CommandError(f'--plot must end in .png or .svg, got {args.plot}')
    if args.plot and not importlib.util.find_spec('matplotlib'):
        say('panoptic: no plot will be drawn: pip install matplotlib')
        args.plot = None


def _gmac(models: Sequence[Path]) -> dict[Path, float | None]:
    """Return the work of each model, which must follow the model file contract."""
    import onnx

    from panoptic_perception.bench.macs import count_macs
    from panoptic_perception.engines import read_model

    gmac = {}
    for path in models:
        read_model(path)
        macs = count_macs(onnx.load(path))
        gmac[path] = None if macs is None else macs / 1e9
    return gmac


def _cases(args: argparse.Namespace, models: Sequence[Path]) -> list[Case]:
    from panoptic_perception.bench.case import all_cases
    from panoptic_perception.engines import ENGINES

    return all_cases(
        models,
        engines=args.engines or [name for name in ENGINES if name != 'auto'],
        devices=args.devices,
        precisions=args.precisions,
        threads=args.threads,
    )


@contextmanager
def _open_rows(cases: Sequence[Case]) -> Iterator[list[Row]]:
    """Start a process for each case, one after the other, and end them all at the end."""
    from panoptic_perception.bench.frame import camera_jpeg
    from panoptic_perception.bench.rows import Row

    jpeg = camera_jpeg()
    with ExitStack() as stack:
        rows = []
        for number, case in enumerate(cases, 1):
            row = Row(case, jpeg)
            stack.callback(row.close)
            rows.append(row)
            say(f'[{number}/{len(cases)}] {case}: {row.reason or "ready"}')
        yield rows


def _frames(rows: Sequence[Row], rounds: int, gmac: dict[Path, float | None]) -> dict[str, Any]:
    """Measure single frames and the roofs of the engines in use, all in turn."""
    from panoptic_perception.bench.frame import SOURCE_WH
    from panoptic_perception.bench.report import report_missing, report_roof, report_rows
    from panoptic_perception.bench.rows import WARM_UP_ROUNDS, measure_rounds, roof_cases

    with TemporaryDirectory() as folder, _open_rows(roof_cases(rows, Path(folder))) as roof_rows:
        total = WARM_UP_ROUNDS + rounds
        for _ in progress(measure_rounds([*rows, *roof_rows], rounds), total, 'round'):
            pass
        measured = [found for row in rows if (found := row.measurement())]
        roofs = [report_roof(found) for row in roof_rows if (found := row.measurement())]
    return {
        'what': (
            f'{SOURCE_WH[0]}x{SOURCE_WH[1]} bgr8 array to boxes and both masks at source size,'
            f' {rounds} rounds'
        ),
        'rounds': rounds,
        'rows': report_rows(measured, gmac=gmac, roofs=roofs),
        'roofs': roofs,
        'missing': report_missing([*rows, *roof_rows]),
    }


def _stream(rows: Sequence[Row], rate_hz: float, seconds: float) -> dict[str, Any]:
    """Measure each row at a camera's rate, one after the other."""
    from panoptic_perception.bench.frame import SOURCE_WH
    from panoptic_perception.bench.report import describe_case, report_missing
    from panoptic_perception.bench.stream import measure_stream

    job = partial(measure_stream, rate_hz=rate_hz, seconds=seconds)
    found = []
    for row in progress(rows, len(rows), 'row'):
        result = row.ask(job)
        if result is not None and row.process is not None:
            asked = {'asked': describe_case(row.case)}
            found.append(asked | asdict(row.process.info) | asdict(result))
    return {
        'what': (
            f'{SOURCE_WH[0]}x{SOURCE_WH[1]} bgr8 images offered {rate_hz:g} times a second for'
            f' {seconds:g} s'
        ),
        'stream': {'rate_hz': rate_hz, 'seconds': seconds},
        'rows': found,
        'missing': report_missing(rows),
    }


def _plot(report: dict[str, Any], path: Path) -> None:
    from panoptic_perception.bench.plot import draw_report

    with whole_file(path) as part:
        draw_report(report, part)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f'must be a whole number from 1 to 100000, got {text}')
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f'must be above 0 and at most 3600, got {text}')
    return value
