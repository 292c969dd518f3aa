"""The demo application (extra ``serve``): server, limits, workers, page, static site, graphs."""
