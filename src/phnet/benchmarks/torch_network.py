"""Times of the paper's network in torch, for ``phnet benchmark`` to compare with."""

import torch

from phnet.benchmarks.speed import picture, timed
from phnet.images.arrays import to_float
from phnet.networks import PHNet, PHNetConfig


def paper_seconds(threads: int, repeat: int, side: int = 256) -> list[float]:
    """Seconds of each of ``repeat`` runs of ``PHNetConfig.paper()``, untrained, on the CPU.

    Timing does not depend on the weights. The threads of torch are set back afterwards.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        network = PHNet(PHNetConfig.paper()).eval()
        composite, mask = (torch.from_numpy(to_float(values)) for values in picture(side, side))
        image, alpha = composite.permute(2, 0, 1)[None].contiguous(), mask[None, None]
        with torch.inference_mode():
            return timed(lambda: network(image, alpha), repeat)
    finally:
        torch.set_num_threads(before)
