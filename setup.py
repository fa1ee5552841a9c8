# SPDX-License-Identifier: Apache-2.0
"""Build the package with pip or, as an ament_python package, with colcon."""

from glob import glob

from setuptools import find_packages, setup

NAME = 'panoptic_perception'
SHARE = f'share/{NAME}'

setup(
    name=NAME,
    version='0.1.0',
    description='Road users, drivable area and lane lines from camera images, in real time',
    license='Apache-2.0',
    maintainer='panoptic_perception maintainers',
    maintainer_email='maintainers@example.org',
    packages=find_packages(include=[NAME, f'{NAME}.*', 'model_tools', 'model_tools.*']),
    package_data={
        NAME: ['models/*.onnx', 'models/*.md', 'demo/*.mp4', 'bags/vision_msgs/*.msg'],
        'model_tools': ['evaluation/report/*.j2'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', glob('launch/*.launch.py')),
        (f'{SHARE}/config', glob('config/*')),
        (f'{SHARE}/models', glob(f'{NAME}/models/*.onnx') + glob(f'{NAME}/models/*.md')),
    ],
    zip_safe=False,
    python_requires='>=3.10',
    install_requires=[
        'numpy>=1.26',
        'onnx>=1.16',
        'onnxruntime>=1.18',
        'opencv-python-headless>=4.5,<5',
        'PyYAML',
        'rosbags>=0.11',
        'tqdm',
    ],
    extras_require={
        # On a CPU the faster engine for int8 files and the only one for bf16.
        'openvino': ['openvino>=2024.0'],
        'tools': [
            'Jinja2',
            'lightning-fabric',
            'matplotlib',
            'networkx',
            'nncf>=3.0',
            'onnxscript',
            'openvino',
            'tabulate',
            'torch>=2.5',
            'torch-pruning>=1.6',
        ],
    },
    entry_points={
        'console_scripts': [
            f'{NAME} = {NAME}.ros.node:main',
            f'panoptic = {NAME}.cli.main:main',
            'model_tools = model_tools.cli:main',
        ],
    },
)
