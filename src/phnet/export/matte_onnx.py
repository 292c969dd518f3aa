"""A trained matting network as the ONNX file that ``phnet matte`` runs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phnet.errors import BadModel
from phnet.export.tracing import LARGEST_DIFFERENCE, traced
from phnet.networks.mattenet import MatteNet


class _Alpha(nn.Module):
    """The network with its sigmoid: what ``phnet matte`` runs."""

    def __init__(self, net: MatteNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, photo: Tensor) -> Tensor:
        """Map RGB (1, 3, H, W) to alpha (1, 1, H, W)."""
        return torch.sigmoid(self.net(photo))


def to_onnx(net: MatteNet, card: dict[str, Any], side: int) -> tuple[bytes, float]:
    """ONNX for :class:`phnet.matting.matte.Matter`: ``image`` (1, 3, side, side) to ``alpha``.

    Returns:
        The file's content and the largest difference from torch.

    Raises:
        BadModel: ``side`` is no multiple of 32, or the two differ by more than 1e-4.
    """
    import onnxruntime as ort

    if side % 32:
        raise BadModel(f"a matting network works at multiples of 32, got {side}")
    whole = _Alpha(net.eval().float()).eval()
    ramp = torch.linspace(0, 1, side)
    picture = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)])
    picture = torch.cat([picture, torch.rand(1, side, side)])[None]
    content = traced(whole, {"image": picture}, ["alpha"], card)
    with torch.no_grad():
        expected = whole(picture).numpy()
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"image": picture.numpy()})
    difference = float(np.abs(got - expected).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise BadModel(f"torch and ONNX Runtime differ by {difference:.2g}; nothing is written")
    return content, difference
