"""Mixed precision: what trunks compute in, and the scale that keeps float16's small gradients. Heads and
losses compute in float32."""

from __future__ import annotations

import torch

from model_training.recipe import Recipe, RecipeError

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def check_precision(recipe: Recipe, device: torch.device) -> None:
    """Raises RecipeError where the device does not compute in what the recipe wants."""
    if recipe.precision == "float16" and device.type != "cuda":
        raise RecipeError(f"float16 needs a GPU (CUDA), here is {device.type}: take float32 or bfloat16")


def autocast(recipe: Recipe, device: torch.device) -> torch.autocast:
    """Within it, trunks compute in the recipe's precision."""
    return torch.autocast(device.type, _DTYPES.get(recipe.precision), enabled=recipe.precision in _DTYPES)


def gradient_scaler(recipe: Recipe, device: torch.device) -> torch.amp.GradScaler:
    """It scales losses in float16 alone."""
    return torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
