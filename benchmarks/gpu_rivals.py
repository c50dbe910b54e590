"""The stages on a GPU as a user would write them with PyTorch, torchvision or CV-CUDA."""

import torch
import torch.nn.functional as nnf
import torchvision


def letterbox(image, size, shown, top, left):
    pixels = image.permute(2, 0, 1).flip(0).unsqueeze(0).float()
    scaled = nnf.interpolate(pixels, shown, mode="bilinear", align_corners=False)
    right, bottom = size[1] - shown[1] - left, size[0] - shown[0] - top
    return (nnf.pad(scaled, (left, right, top, bottom), value=114.0) / 255).half()


def cvcuda_letterbox(images, size, shown, top, left):
    """A chain of CV-CUDA's operators, in 8 bits up to the last two; None where it is not there."""
    try:
        import cvcuda
    except ImportError:
        return None

    def buffer(*shape, layout="NHWC", dtype=torch.uint8):
        return cvcuda.as_tensor(torch.empty(shape, dtype=dtype, device=images[0].device), layout)

    sources = [cvcuda.as_tensor(image.unsqueeze(0), "NHWC") for image in images]
    scaled, rgb = buffer(1, *shown, 3), buffer(1, *shown, 3)
    padded, floats = buffer(1, *size, 3), buffer(1, *size, 3, dtype=torch.float32)
    planar = buffer(1, 3, *size, layout="NCHW", dtype=torch.float32)

    def call(i):
        with cvcuda.as_stream(torch.cuda.current_stream().cuda_stream):
            cvcuda.resize_into(scaled, sources[i], cvcuda.Interp.LINEAR)
            cvcuda.cvtcolor_into(rgb, scaled, cvcuda.ColorConversion.BGR2RGB)
            cvcuda.copymakeborder_into(
                padded, rgb, cvcuda.Border.CONSTANT, [114.0] * 3, top=top, left=left
            )
            cvcuda.convertto_into(floats, padded, 1 / 255)
            cvcuda.reformat_into(planar, floats)

    return call


def crops(image, theta, size, mean, std):
    count = len(theta)
    pixels = image.permute(2, 0, 1).flip(0).unsqueeze(0).float()
    grid = nnf.affine_grid(theta, (count, 3, *size), align_corners=False)
    crops = nnf.grid_sample(
        pixels.expand(count, -1, -1, -1), grid, align_corners=False, padding_mode="zeros"
    )
    return (crops / 255 - mean) / std


def decode(output, score_threshold, nms_threshold, most):
    scores, classes = output[0, 4:].max(0)
    found = (scores >= score_threshold).nonzero().squeeze(1)
    centre, size = output[0][:2, found].T, output[0][2:4, found].T
    boxes = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    keep = torchvision.ops.batched_nms(boxes, scores[found], classes[found], nms_threshold)[:most]
    return boxes[keep], scores[found][keep], classes[found][keep]


def heatmaps(maps):
    height, width = maps.shape[2:]
    scores, cells = maps.flatten(2).max(2)
    x, y = cells % width, cells // width
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    flat = maps.flatten(2)

    def at(cell):
        return flat.gather(2, cell.clamp(0, height * width - 1).unsqueeze(2)).squeeze(2)

    dx = torch.sign(at(cells + 1) - at(cells - 1)) * 0.25
    dy = torch.sign(at(cells + width) - at(cells - width)) * 0.25
    shift = torch.stack([dx, dy], 2) * inside.unsqueeze(2)
    return 4 * (torch.stack([x, y], 2) + shift), scores


def cosine_distances(a, b):
    return 1 - nnf.normalize(a, dim=1) @ nnf.normalize(b, dim=1).T
