"""What edgert raises: each names the thing, what was found, what was expected, the fix."""

__all__ = [
    "CacheWarning",
    "CalibrationError",
    "CalibrationWarning",
    "DamagedInputWarning",
    "EngineMismatchError",
    "Error",
    "FallbackWarning",
    "ModelError",
    "SinkError",
    "SourceError",
    "UnavailableError",
]


class Error(Exception):
    """Base of every error that edgert raises for a reason outside its own code."""


class ModelError(Error):
    """A model file cannot be read, run, or is not of the kind that was asked for."""


class EngineMismatchError(ModelError):
    """An engine was built by another TensorRT, or for another GPU or platform, than is here.

    Attributes:
        built_with: For example "TensorRT 10.3.0.30 for compute capability 8.7".
        found: What is here, likewise.
    """

    def __init__(self, text: str, built_with: str, found: str) -> None:
        super().__init__(text)
        self.built_with = built_with
        self.found = found


class SourceError(Error):
    """A video, camera, image or folder cannot be opened or read."""


class SinkError(Error):
    """An output file cannot be written."""


class CalibrationError(Error):
    """What was collected belongs to another model, data or preprocessing, or is damaged."""


class UnavailableError(Error, RuntimeError):
    """A runtime or device was asked for that this machine, or this version of edgert, has not."""


class DamagedInputWarning(UserWarning):
    """Input or a model's output was partly unusable; what could be used was."""


class CalibrationWarning(UserWarning):
    """A calibration set that is likely to cost accuracy."""


class CacheWarning(UserWarning):
    """Kept engines that cannot be kept, or used, or are of another machine's making."""


class FallbackWarning(UserWarning):
    """What was asked for did not work, and what was provided for that case is used."""
