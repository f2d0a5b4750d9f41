"""`[sources.<name>]` with `type = "images"`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.schema import Strict


class ImagesSettings(Strict):
    """A folder of pictures, in the order of their names."""

    type: Literal["images"] = "images"
    """`images`: a folder of pictures, or one picture."""
    url: str = Field(min_length=1)
    """The folder, relative to the configuration file: its png, jpg, bmp, tif, webp, pgm and ppm files, without folders
    inside. Or one such file."""
    loop: bool = False
    """Begin again after the last picture, for good; what was added or removed meanwhile is seen then."""
    realtime: bool = False
    """Give `rate_hz` pictures a second and let the newest win; false = as fast as the pipeline takes them, none dropped."""
    rate_hz: float = Field(default=10.0, gt=0, le=1000)
    """realtime: pictures per second."""
    decode: Literal["full", "scaled", "auto"] = "full"
    """JPEG: `full` decodes every pixel. `scaled` decodes a half, a quarter or an eighth of the width and height where the models that
    look at it need no more, by their inputs and regions: it averages over pixels, so that the models see other values than with `full`. `auto`
    is `scaled` for pictures of 720 lines or more. Other formats are always decoded in full."""
