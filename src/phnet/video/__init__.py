"""Video: live frames, files and their containers, smoothing over time."""

from phnet.video.live import Live

__all__ = ["Live"]
