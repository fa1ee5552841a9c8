# SPDX-License-Identifier: Apache-2.0
"""Check the graph of a model file against the contract: operators, one file, tensors."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from google.protobuf.message import Message

from panoptic_perception.core.errors import StatedError

MIN_OPSET = 18

# Type and shape of each tensor; a letter stands for any length, H and W for the input's size.
INPUTS = {'image': ('uint8', ('N', 'H', 'W', 3))}
OUTPUTS = {
    'boxes': ('float', ('M', 4)),
    'scores': ('float', ('M',)),
    'labels': ('int64', ('M',)),
    'batch_index': ('int64', ('M',)),
    'drivable': ('uint8', ('N', 'H', 'W')),
    'lane': ('uint8', ('N', 'H', 'W')),
}

Shape = tuple[int | str, ...]
Signature = tuple[str, Shape]


class ModelFileError(StatedError, ValueError):
    """A model file that breaks the contract."""


def check_operators(model: onnx.ModelProto) -> None:
    """Check that the graph stands alone: default domain, new enough, no data outside the file."""
    messages = list(_messages(model))
    with_domain = (onnx.OperatorSetIdProto, onnx.NodeProto, onnx.FunctionProto)
    # A damaged string comes out of protobuf as bytes.
    domains = {str(message.domain) for message in messages if isinstance(message, with_domain)}
    foreign = sorted(domains - {'', 'ai.onnx'})
    if foreign:
        raise ModelFileError(f'uses operator domains {foreign}; expected only the default domain')
    opset = max((entry.version for entry in model.opset_import), default=0)
    if opset < MIN_OPSET:
        raise ModelFileError(f'has operator set {opset}; expected {MIN_OPSET} or newer')
    for tensor in messages:
        if isinstance(tensor, onnx.TensorProto) and (
            tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data
        ):
            raise ModelFileError(
                f'keeps tensor {tensor.name!r} in another file; '
                'save the model as one file without external data'
            )


def check_tensors(graph: onnx.GraphProto, input_wh: tuple[int, int]) -> None:
    """Check names, types and shapes of inputs and outputs."""
    for kind, values, contract in (
        ('input', graph.input, INPUTS),
        ('output', graph.output, OUTPUTS),
    ):
        found = {value.name: _signature(value) for value in values}
        if set(found) != set(contract):
            raise ModelFileError(f'has {kind}s {list(found)}; expected {list(contract)}')
        for name, (type_name, shape) in contract.items():
            expected = type_name, _sized(shape, input_wh)
            if not _fits(found[name], expected):
                raise ModelFileError(
                    f'has {kind} {name!r} as {_text(found[name])}; expected {_text(expected)}'
                )


def _messages(message: Message) -> Iterator[Message]:
    """Yield a protobuf message and every message inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from _messages(inner)


def _signature(value: onnx.ValueInfoProto) -> Signature:
    tensor = value.type.tensor_type
    shape = tuple(
        side.dim_value if side.HasField('dim_value') else side.dim_param or '?'
        for side in tensor.shape.dim
    )
    type_names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
    return type_names.get(tensor.elem_type, f'type {tensor.elem_type}'), shape


def _sized(shape: Shape, input_wh: tuple[int, int]) -> Shape:
    sides = {'W': input_wh[0], 'H': input_wh[1]}
    return tuple(sides.get(side, side) if isinstance(side, str) else side for side in shape)


def _fits(found: Signature, expected: Signature) -> bool:
    if found[0] != expected[0] or len(found[1]) != len(expected[1]):
        return False
    sides = zip(found[1], expected[1], strict=True)
    return all(isinstance(want, str) or side == want for side, want in sides)


def _text(signature: Signature) -> str:
    return f'{signature[0]} [{", ".join(map(str, signature[1]))}]'
