# SPDX-License-Identifier: Apache-2.0
"""
Train one small network many times, each time with one thing changed, and score the hold-out.

python docs/results/teacher/trials.py --data DATA --synthetic DRIVES --warm-start yolox_nano.onnx \
    --holdout erfurt --runs RUNS --out docs/results/teacher/trials.json

A trial that has finished before is not run again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

BASE = {
    'network.size': 'n',
    'network.activation': 'silu',
    'input_wh': '[320, 192]',
    'canvas_wh': '[320, 192]',
    'epochs': '1',
    'warmup_steps': '50',
    'ema_decay': '0.99',
    'lane_miss_weight': '0.5',
    'repeats': '{camvid: 3}',
    'mosaic_off_epochs': '0',
    'augmentation.mosaic': '0.0',
    'look_every': '0',
    'score_every': '1',
}
TRIALS = {
    'base, seed 0': {},
    'base, seed 1': {'seed': '1'},
    'base, seed 2': {'seed': '2'},
    'mosaic in 3 of 10 pictures': {'augmentation.mosaic': '0.3'},
    'no synthetic pictures': {'synthetic_share': '0'},
    'no public weights': {'warm_start': "''"},
    'learned task weights': {'task_weights': 'learned'},
    'images with rare labels more often': {'rare_repeat': '0.9'},
    'weights not averaged': {'ema_decay': '0'},
    'objects pasted into half of the pictures': {'augmentation.copy_paste': '0.5'},
}


def main() -> None:
    """Run what has not been run, and write the table."""
    arguments = parse_arguments()
    runs = Path(arguments.runs)
    cache = {'cache': str(runs / 'cache')}
    for number, (name, change) in enumerate(TRIALS.items()):
        folder = runs / f'{number:02d}'
        if not (folder / 'weights.pt').is_file():
            print(name, file=sys.stderr)
            settings = settings_of(arguments.warm_start, arguments.holdout, cache | change)
            train(folder, arguments.data, arguments.synthetic, settings)
        write_table(runs, Path(arguments.out))


def settings_of(warm_start: str, holdout: str, change: dict[str, str]) -> dict[str, str]:
    """Return all settings of a run but for its data, as `--set` takes them."""
    return {**BASE, 'warm_start': warm_start, 'holdout_groups': f'[{holdout}]', **change}


def parse_arguments() -> argparse.Namespace:
    """Return the options, all of which must be given."""
    parser = argparse.ArgumentParser()
    for name in ('data', 'synthetic', 'warm-start', 'holdout', 'runs', 'out'):
        parser.add_argument(f'--{name}', required=True)
    return parser.parse_args()


def train(folder: Path, data: str, synthetic: str, settings: dict[str, str]) -> None:
    """Make one run by the command that anyone would use."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    base = folder.parent / 'base.yaml'
    base.write_text('{}\n')
    command = ['model_tools', 'train', '--config', str(base), '--data', data]
    command += ['--synthetic', synthetic, '--out', str(folder)]
    command += [part for k, v in settings.items() for part in ('--set', f'{k}={v}')]
    subprocess.run(command, check=True)


def write_table(runs: Path, out: Path) -> None:
    """Write the last hold-out scores of every finished trial."""
    rows = []
    for number, (name, change) in enumerate(TRIALS.items()):
        metrics = runs / f'{number:02d}' / 'metrics.jsonl'
        if metrics.is_file():
            record = json.loads(metrics.read_text().splitlines()[-1])
            rows.append({'trial': name, 'changed': change, **record['holdout']})
    out.write_text(json.dumps({'base': BASE, 'trials': rows}, indent=1) + '\n')


if __name__ == '__main__':
    main()
