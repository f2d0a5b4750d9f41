"""The network: small, of operators that every int8 kernel has, grey SIZE x SIZE in, softmax over two labels out."""

from __future__ import annotations

from photographs import SIZE
from tensorflow import keras

_FILTERS = (16, 24, 40, 80, 128)
_LAST_FILTERS = 128
_DROPOUT = 0.2


def network() -> keras.Model:
    """Five convolutions with a maximum after each, then one more; about 280,000 parameters.

    A crack is a pixel wide and may lie anywhere. So the first convolution sees every pixel, a maximum carries the crack from
    one resolution to the next, and the head sees the strongest answer of each channel beside the mean. Plain 3x3
    convolutions, because they train faster on a CPU than depthwise ones and are no slower in int8.
    """
    inputs = keras.layers.Input((SIZE, SIZE, 1))
    x = inputs
    for filters in _FILTERS:
        x = keras.layers.MaxPooling2D(2, padding="same")(_convolution(x, filters))
    x = _convolution(x, _LAST_FILTERS)
    mean, strongest = keras.layers.GlobalAveragePooling2D()(x), keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dropout(_DROPOUT)(keras.layers.Concatenate()([mean, strongest]))
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(x))


def _convolution(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Convolution and batch normalisation; ReLU6 keeps the range of the activations small for int8."""
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return keras.layers.ReLU(6.0)(keras.layers.BatchNormalization(momentum=0.98)(x))
