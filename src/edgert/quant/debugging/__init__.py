"""Where two models of different precision part."""
