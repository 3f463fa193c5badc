"""The published HematoVision recipe as its authors would write it, in torch: each epoch decodes and augments anew.

A frozen backbone, flattened; dense 128; dropout 0.5; rotation 15, zoom 0.1, shift 0.1, flip; batch 32; Adam; 20 epochs.
Both flaws are kept: pixels divided by 255 in front of ImageNet weights, and augmented validation cells.
"""

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

from benchmarks.learning.entry import Cell, Task, compete


class Pictures(Dataset):
    """Cells decoded and transformed whenever they are asked for."""

    def __init__(self, cells: list[Cell], labels: list[str], transform: transforms.Compose) -> None:
        self.cells, self.labels, self.transform = cells, labels, transform

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        cell = self.cells[index]
        with Image.open(cell.file) as image:
            return self.transform(image.convert("RGB")), self.labels.index(cell.label)


def batches(task: Task, side: str, transform: transforms.Compose, *, shuffle: bool) -> DataLoader:
    """Batches of 32 of one side of the cells."""
    pictures = Pictures(task.of(side), task.labels, transform)
    return DataLoader(pictures, batch_size=32, shuffle=shuffle, num_workers=task.threads)


def build(classes: int, pixels: int) -> nn.Sequential:
    """MobileNetV2 without its classifier, frozen, and the recipe's head."""
    backbone = models.mobilenet_v2(weights=models.MobileNet_V2_Weights.IMAGENET1K_V1).features
    backbone.requires_grad_(False)
    backbone.eval()
    with torch.no_grad():
        width = backbone(torch.zeros(1, 3, pixels, pixels)).numel()
    head = nn.Sequential(nn.Flatten(), nn.Linear(width, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, classes))
    return nn.Sequential(backbone, head)


def answer(model: nn.Sequential, pictures: DataLoader) -> torch.Tensor:
    """Probabilities, a row a picture."""
    model[1].eval()
    with torch.no_grad():
        return torch.cat([model(images).softmax(1) for images, _ in pictures])


def train(task: Task) -> list[list[float]]:
    """Twenty epochs, or `epochs`; the last weights answer for the test cells."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    resized = transforms.Resize((task.pixels, task.pixels))
    moved = transforms.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1))
    augmented = transforms.Compose([resized, moved, transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    plain = transforms.Compose([resized, transforms.ToTensor()])
    training = batches(task, "training", augmented, shuffle=True)
    validation = batches(task, "validation", augmented, shuffle=False)
    model = build(len(task.labels), task.pixels)
    optimiser = torch.optim.Adam(model[1].parameters(), lr=0.001)
    for _ in range(task.epochs):
        model[1].train()
        for images, targets in training:
            loss = nn.functional.cross_entropy(model(images), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        answer(model, validation)
    return answer(model, batches(task, "test", plain, shuffle=False)).tolist()


if __name__ == "__main__":
    compete(train, ["torch", "torchvision", "pillow"])
