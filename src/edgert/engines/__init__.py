"""What runs the networks: one file per runtime, behind the protocol of `base`."""

from edgert.engines.base import Network, TensorSpec

__all__ = ["Network", "TensorSpec"]
