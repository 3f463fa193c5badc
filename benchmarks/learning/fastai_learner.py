"""fastai as its documentation shows it: `vision_learner` and `fine_tune`, one frozen epoch and the others unfrozen."""

import pandas as pd
import torch
from fastai.vision.all import (
    ImageDataLoaders,
    Resize,
    ResizeMethod,
    accuracy,
    aug_transforms,
    default_split,
    imagenet_stats,
    model_meta,
    set_seed,
    vision_learner,
)
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from benchmarks.learning.entry import Task, compete

# fastai's table of networks lacks MobileNetV2; its classifier is the last child, and `vision_learner` drops its `cut`.
model_meta[mobilenet_v2] = {
    "cut": -1,
    "split": default_split,
    "stats": imagenet_stats,
    "weights": MobileNet_V2_Weights.IMAGENET1K_V1,
}


def train(task: Task) -> list[list[float]]:
    """`epochs` in all; the test cells are answered without augmentation."""
    torch.set_num_threads(task.threads)
    set_seed(task.seed, reproducible=True)
    known = [*task.of("training"), *task.of("validation")]
    table = pd.DataFrame(
        {
            "file": [cell.file for cell in known],
            "label": [cell.label for cell in known],
            "held_out": [cell.side == "validation" for cell in known],
        }
    )
    loaders = ImageDataLoaders.from_df(
        table,
        path="/",
        fn_col="file",
        label_col="label",
        valid_col="held_out",
        item_tfms=Resize(task.pixels, method=ResizeMethod.Squish),
        batch_tfms=aug_transforms(flip_vert=True),
        bs=32,
        num_workers=task.threads,
        device=torch.device("cpu"),
    )
    learner = vision_learner(loaders, mobilenet_v2, metrics=accuracy)
    with learner.no_bar():
        learner.fine_tune(max(1, task.epochs - 1))
        answers, _ = learner.get_preds(dl=loaders.test_dl([cell.file for cell in task.of("test")]))
    order = [list(loaders.vocab).index(label) for label in task.labels]
    return answers[:, order].tolist()


if __name__ == "__main__":
    compete(train, ["fastai", "torch", "torchvision", "pillow"])
