"""Draw what the demo's networks find in one of its streets.

    python docs/demo_picture.py docs/images/demo.png

Everything in the picture is edgert's own: the street, the networks, what they found.
"""

import sys

from PIL import Image

import edgert
from edgert.demo import DETECTOR, POSE, Scene

SEED, PEOPLE, SIZE, FRAMES = 3, 24, (720, 1280), 72


def main(target):
    """See the module."""
    scene = Scene(SEED, PEOPLE, SIZE, FRAMES)
    images = [scene[index].image for index in range(FRAMES)]
    with edgert.Pipeline(DETECTOR, POSE, device="cpu") as pipe:
        *_, last = pipe.run(images)
    picture = Image.fromarray(last.draw(images[-1])[..., ::-1])
    # Its noise would be most of the file.
    small = picture.resize((1024, 576), Image.Resampling.LANCZOS)
    small.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
