"""Measurements on this machine: speed, the lift's loss, aspect ratio, matting, video."""
