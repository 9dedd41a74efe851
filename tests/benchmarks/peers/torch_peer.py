"""PyTorch's side: the six nets, eager or compiled, channels last or not."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from cases import RATE
from measuring import CORES, Asked, asked, batch, kernel, tell
from torch import Tensor, nn
from torch.nn import functional as F


class Same(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME, which may be more at the end than at the start."""

    def forward(self, images: Tensor) -> Tensor:
        size, stride, reach = images.shape[-1], self.stride[0], self.kernel_size[0]
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        before, after = total // 2, total - total // 2
        if before != after:
            images, before = F.pad(images, (before, after, before, after)), 0
        return F.conv2d(images, self.weight, self.bias, self.stride, before, 1, self.groups)


class Subsampled(nn.Module):
    """Every second pixel, with zeros for the channels that are new."""

    def __init__(self, more: int = 0) -> None:
        super().__init__()
        self.more = more

    def forward(self, images: Tensor) -> Tensor:
        taken = images[:, :, ::2, ::2]
        return F.pad(taken, (0, 0, 0, 0, self.more, self.more)) if self.more else taken


class Residual(nn.Module):
    """relu(shortcut + layers)."""

    def __init__(self, shortcut: nn.Module, layers: nn.Module) -> None:
        super().__init__()
        self.shortcut, self.layers = shortcut, layers

    def forward(self, images: Tensor) -> Tensor:
        return F.relu(self.shortcut(images) + self.layers(images))


class Response(nn.Module):
    """Local response normalization over 9 channels, their sum as a 1x1 convolution: quicker here than PyTorch's own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        places = np.arange(channels)
        near = (abs(places[:, None] - places) <= 4).astype(np.float32)
        self.register_buffer("near", torch.from_numpy(near[:, :, None, None]))

    def forward(self, images: Tensor) -> Tensor:
        return images / (1.0 + 0.001 / 9 * F.conv2d(images * images, self.near)) ** 0.75


class Flat(nn.Module):
    """One row an image, in the order that its memory has."""

    def forward(self, images: Tensor) -> Tensor:
        last = images.is_contiguous(memory_format=torch.channels_last)
        return (images.permute(0, 2, 3, 1) if last else images).flatten(1)


def mlp(ask: Asked) -> nn.Module:
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def lenet(ask: Asked) -> nn.Module:
    return nn.Sequential(
        *(Same(1, 32, 5), nn.ReLU(), nn.MaxPool2d(2), Same(32, 64, 5), nn.ReLU(), nn.MaxPool2d(2), Flat()),
        *(nn.Linear(3136, 1024), nn.ReLU(), dropout(ask, 0.5), nn.Linear(1024, 10)),
    )


def cifarnet(ask: Asked) -> nn.Module:
    return nn.Sequential(
        *(Same(3, 64, 5), nn.ReLU(), nn.MaxPool2d(2), Response(64)),
        *(Same(64, 64, 5), nn.ReLU(), Response(64), nn.MaxPool2d(2), Flat()),
        *(nn.Linear(4096, 384), nn.ReLU(), dropout(ask, 0.5), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, 10)),
    )


def resnet20(ask: Asked) -> nn.Module:
    def basic(inputs: int, width: int, stride: int) -> nn.Module:
        both = (*normed(inputs, width, 3, stride), nn.ReLU(), *normed(width, width, 3))
        return Residual(nn.Identity() if stride == 1 else Subsampled(width // 4), nn.Sequential(*both))

    plan = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
    return nn.Sequential(*normed(3, 16, 3), nn.ReLU(), *(basic(*unit) for unit in plan), Pooled(), nn.Linear(64, 10))


def mobilenet(ask: Asked) -> nn.Module:
    options = {"epsilon": 0.001, "decay": 0.9997}
    widths = [8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256]
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    layers: list[nn.Module] = [*normed(3, 8, 3, 2, **options), nn.ReLU6()]
    for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
        layers += [*normed(inputs, inputs, 3, stride, inputs, **options), nn.ReLU6()]
        layers += [*normed(inputs, outputs, 1, **options), nn.ReLU6()]
    return nn.Sequential(*layers, Pooled(), dropout(ask, 0.001), nn.Linear(256, 1001))


def resnet50(ask: Asked) -> nn.Module:
    options = {"decay": 0.997}

    def bottleneck(inputs: int, depth: int, stride: int) -> nn.Module:
        layers = (*normed(inputs, depth, 1, **options), nn.ReLU(), *padded(depth, depth, 3, stride), nn.ReLU())
        shortcut: nn.Module = nn.Identity() if stride == 1 else Subsampled()
        if inputs != 4 * depth:
            shortcut = nn.Sequential(*normed(inputs, 4 * depth, 1, stride, **options))
        return Residual(shortcut, nn.Sequential(*layers, *normed(depth, 4 * depth, 1, **options)))

    def padded(inputs: int, outputs: int, size: int, stride: int) -> tuple[nn.Module, ...]:
        padding = size // 2
        convolution = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        return convolution, nn.BatchNorm2d(outputs, 1e-5, 1.0 - options["decay"])

    layers: list[nn.Module] = [*padded(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
    inputs = 64
    for depth, units, stride in zip((64, 128, 256, 512), (3, 4, 6, 3), (2, 2, 2, 1), strict=True):
        for unit in range(units):
            layers.append(bottleneck(inputs, depth, stride if unit == units - 1 else 1))
            inputs = 4 * depth
    return nn.Sequential(*layers, Pooled(), nn.Linear(2048, 1000))


class Pooled(nn.Module):
    """The mean over all places."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def normed(
    inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1, epsilon: float = 1e-5, decay: float = 0.9
) -> tuple[nn.Module, nn.Module]:
    """A convolution without biases and its batch norm."""
    convolution = Same(inputs, outputs, size, stride, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs, epsilon, 1.0 - decay)


def dropout(ask: Asked, share: float) -> nn.Module:
    return nn.Identity() if ask.check else nn.Dropout(share)


NETS = {f.__name__: f for f in (mlp, lenet, cifarnet, resnet20, mobilenet, resnet50)}


def groups(ask: Asked, model: nn.Module) -> Iterator[dict[str, Any]]:
    """The parameters with and without weight decay."""
    chosen = [n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) and decays(ask, m)]
    decayed = {f"{name}.weight" for name in chosen}
    named = list(model.named_parameters())
    yield {"params": [p for n, p in named if n in decayed], "weight_decay": ask.case.weight_decay}
    yield {"params": [p for n, p in named if n not in decayed]}


def decays(ask: Asked, module: nn.Module) -> bool:
    if ask.net == "cifarnet":
        return isinstance(module, nn.Linear) and module.out_features > 10
    return not (isinstance(module, nn.Conv2d) and module.groups > 1)


def checked(model: nn.Module) -> None:
    """Gives the check's weights; PyTorch's kernels are [out, in, height, width]."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            outputs, inputs, *window = module.weight.shape
            value = np.moveaxis(kernel((*window, inputs, outputs)), (-1, -2), (0, 1))
            module.weight.data.copy_(torch.from_numpy(value.copy()))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def one_step(ask: Asked) -> tuple[int, Callable[[], Any]]:
    model = NETS[ask.net](ask).train()
    images, labels = batch(ask)
    given = torch.from_numpy(images if images.ndim == 2 else np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    if "channels_last" in ask.variant and images.ndim == 4:
        model, given = model.to(memory_format=torch.channels_last), given.to(memory_format=torch.channels_last)
    if ask.check:
        checked(model)
    classes = torch.from_numpy(labels).long()
    optimizer = torch.optim.SGD(groups(ask, model), RATE, ask.case.momentum, fused=True)
    loss_of = torch.compile(cross_entropy) if "compile" in ask.variant else cross_entropy

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model, given, classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    return sum(p.numel() for p in model.parameters()), step


def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(model(images), labels)


if __name__ == "__main__":
    ask = asked("compile", "channels_last")
    torch.set_num_threads(CORES)
    tell(ask, *one_step(ask), ("torch", "numpy"))
