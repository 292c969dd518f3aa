"""Harmonizing with ONNX Runtime: the network's small result fitted and applied at any size."""
