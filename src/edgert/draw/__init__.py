"""Boxes, ids and skeletons on a frame."""

from edgert.draw.people import draw_people

__all__ = ["draw_people"]
