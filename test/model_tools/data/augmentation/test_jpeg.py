# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch

from model_tools.data.augmentation.jpeg import jpeg


def _scene():
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (6, 10, 3), np.uint8), (160, 96))
    cv2.rectangle(scene, (33, 21), (90, 70), (20, 40, 200), -1)
    return scene


def _tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


@pytest.mark.parametrize('quality', [10, 30, 50, 80])
@pytest.mark.parametrize(
    ('scene', 'tolerance'),
    [
        (np.repeat(_scene()[..., :1], 3, axis=2), 0.4),
        (_scene(), 1.5),  # files round luma and chroma to whole numbers
    ],
)
def test_jpeg__as_files_are(scene, tolerance, quality):
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality]
    flags += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    file = cv2.imdecode(cv2.imencode('.jpg', scene, flags)[1], cv2.IMREAD_COLOR)
    ours = jpeg(_tensor(scene), torch.full((1, 1, 1, 1), float(quality)))
    apart = np.abs(ours[0].permute(1, 2, 0).numpy() - file).mean()
    assert apart < tolerance
    assert apart < 0.5 * np.abs(file.astype(float) - scene).mean()


def test_jpeg__each_picture_by_its_own_quality():
    scene = _tensor(_scene())
    qualities = torch.tensor([10.0, 90.0]).reshape(2, 1, 1, 1)
    poor, good = (jpeg(scene.repeat(2, 1, 1, 1), qualities) - scene).abs().mean((1, 2, 3))
    assert poor > 3 * good


def test_jpeg__a_plain_picture_stays():
    plain = torch.full((1, 3, 16, 24), 128.0)
    assert torch.equal(jpeg(plain, torch.full((1, 1, 1, 1), 20.0)), plain)
