"""A plain torchvision script by somebody who knows how: pictures decoded once, channels last, bf16, one cycle.

Every layer is trained, as in fastai's unfrozen epochs.
"""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision import models
from torchvision.transforms import v2

from benchmarks.learning.entry import Cell, Task, compete

MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def decoded(cells: list[Cell], pixels: int) -> torch.Tensor:
    """All pictures at once, (N, 3, pixels, pixels) uint8."""
    rows = []
    for cell in cells:
        with Image.open(cell.file) as image:
            resized = image.convert("RGB").resize((pixels, pixels), Image.Resampling.BILINEAR)
        rows.append(torch.from_numpy(np.array(resized)).permute(2, 0, 1))
    return torch.stack(rows)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """As the weights want them, channels last."""
    scaled = (images.float() / 255 - MEAN[:, None, None]) / DEVIATION[:, None, None]
    return scaled.contiguous(memory_format=torch.channels_last)


def build(classes: int) -> nn.Module:
    """MobileNetV2 with a new classifier."""
    model = models.mobilenet_v2(weights=models.MobileNet_V2_Weights.IMAGENET1K_V1)
    model.classifier[1] = nn.Linear(model.last_channel, classes)
    return model.to(memory_format=torch.channels_last)


def arithmetic() -> torch.autocast:
    """bf16 where the CPU computes in it."""
    has_it = torch.cpu.get_capabilities()
    enabled = any(has_it.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled)


def answer(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Probabilities, a row a picture."""
    model.eval()
    with torch.inference_mode(), arithmetic():
        return torch.cat([model(normalised(part)).float().softmax(1) for part in images.split(64)])


def train(task: Task) -> list[list[float]]:
    """AdamW under one cycle; the last weights answer for the test cells."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    cells = task.of("training")
    images = decoded(cells, task.pixels)
    targets = torch.tensor([task.labels.index(cell.label) for cell in cells])
    validation = decoded(task.of("validation"), task.pixels)
    augment = v2.Compose(
        [
            v2.RandomAffine(180, translate=(0.1, 0.1), scale=(0.85, 1.15)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.15, 0.15, 0.2, 0.02),
        ]
    )
    model = build(len(task.labels))
    steps = -(-len(images) // 32)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.001, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.001, epochs=task.epochs, steps_per_epoch=steps)
    for _ in range(task.epochs):
        model.train()
        for chosen in torch.randperm(len(images)).split(32):
            views = torch.stack([augment(image) for image in images[chosen]])
            with arithmetic():
                logits = model(normalised(views))
            loss = nn.functional.cross_entropy(logits.float(), targets[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        answer(model, validation)
    return answer(model, decoded(task.of("test"), task.pixels)).tolist()


if __name__ == "__main__":
    compete(train, ["torch", "torchvision", "pillow"])
