"""The demo application: harmonizing over HTTP (extra ``serve``)."""
