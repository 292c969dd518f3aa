"""Networks in torch: the paper's PHNet in one file, the matting network, the released one."""

from phnet.networks.phnet import PHNet, PHNetConfig

__all__ = ["PHNet", "PHNetConfig"]
