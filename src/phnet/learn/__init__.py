"""The workshop: the network, its training and its export. The only place that imports torch."""
