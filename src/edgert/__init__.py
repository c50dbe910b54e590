"""Frames in, tracked people with skeletons out."""
