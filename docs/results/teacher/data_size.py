# SPDX-License-Identifier: Apache-2.0
"""
Train one small network on ever fewer images, with as many steps, and score the hold-out.

python docs/results/teacher/data_size.py --data DATA --synthetic DRIVES \
    --warm-start yolox_nano.onnx --holdout erfurt --runs RUNS \
    --out docs/results/teacher/data_size.json

A run that has finished before is not made again. DATA is an unpacked folder in the YOLOP layout.
"""

import json
from pathlib import Path

from trials import BASE, parse_arguments, settings_of, train

EPOCHS = {1: 2, 3: 6, 9: 18}
"""Every n-th image is learned from, for this many epochs."""


def main() -> None:
    """Run what has not been run, and write the table."""
    arguments = parse_arguments()
    runs = Path(arguments.runs)
    rows = []
    for every, epochs in EPOCHS.items():
        folder = runs / f'every_{every}'
        warm_start = str(Path(arguments.warm_start).resolve())
        settings = settings_of(warm_start, arguments.holdout, change_of(epochs))
        data = take_images(Path(arguments.data), folder / 'data', every, arguments.holdout)
        if not (folder / 'run' / 'weights.pt').is_file():
            train(folder / 'run', str(data), str(Path(arguments.synthetic).resolve()), settings)
        records = (folder / 'run' / 'metrics.jsonl').read_text().splitlines()
        learned = sum(arguments.holdout not in p.name for p in (data / 'images/train').iterdir())
        scores = json.loads(records[-1])['holdout']
        rows.append({'learned_images': learned, 'epochs': epochs, **scores})
        Path(arguments.out).write_text(json.dumps({'base': BASE, 'runs': rows}, indent=1) + '\n')


def change_of(epochs: int) -> dict[str, str]:
    """Return the settings of a run of so many epochs that are not those of all trials."""
    return {'epochs': str(epochs), 'score_every': str(epochs)}


def take_images(data: Path, out: Path, every: int, holdout: str) -> Path:
    """Make a folder of links to every n-th image of `train`, all held out, and the labels."""
    (out / 'images' / 'train').mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in (data / 'images' / 'train').iterdir())
    learned = [name for name in names if holdout not in name][::every]
    links = [f'images/train/{name}' for name in names if name in learned or holdout in name]
    links += ['images/val', *(path.name for path in data.iterdir() if path.name != 'images')]
    for link in links:
        if not (out / link).exists():
            (out / link).symlink_to((data / link).resolve())
    return out


if __name__ == '__main__':
    main()
