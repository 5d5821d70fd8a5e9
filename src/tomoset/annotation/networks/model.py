"""A trained network and everything one must know to use it."""

import dataclasses
import io
import json
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tomoset.errors import FormatError
from tomoset.model import PickableObject
from tomoset.networks import StridedNetParams, TrainingState, build_strided_net

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Calibration", "ModelRecipe", "NetworkModel", "load_model", "load_state", "save_model", "save_state"]

_FORMAT, _STATE_FORMAT = "tomoset network", "tomoset training under way"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the held-out parts said about one class's scores.

    Parameters
    ----------
    slope, intercept : float
        ``logit(probability) = slope · logit(score) + intercept`` (Platt 1999).
    threshold : float
        Least probability of a pick, chosen for the best F1.
    n_true : int
        Individuals it was chosen on.
    f1 : float
        Reached there; nan without individuals.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5
    n_true: int = 0
    f1: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecipe:
    """How a network was made.

    Parameters
    ----------
    kind : {"detector", "segmenter"}
    classes : tuple of PickableObject
        In the order of the answer's channels.
    voxel_size_angstrom : float
    net : StridedNetParams
    class_weights : tuple of float
        Of the detector's loss, which predictions are freed of; ones for segmenters.
    calibrations : tuple of Calibration
        One per class.
    spectrum : tuple of float
        Mean radial amplitude of the training tomograms, from 0 to Nyquist.
    params : dict
        Of the training, as plain values.
    seed : int
        Of the training.
    steps : int
        Done.
    runs : tuple of str
        Trained on.
    cpu_seconds : float
        Of the training, thresholds included.
    loss : float
        Mean of the last fifty steps.
    software : dict of str to str
        Versions.
    """

    kind: Literal["detector", "segmenter"]
    classes: tuple[PickableObject, ...]
    voxel_size_angstrom: float
    net: StridedNetParams
    class_weights: tuple[float, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    spectrum: tuple[float, ...] = ()
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    seed: int = 0
    steps: int = 0
    runs: tuple[str, ...] = ()
    cpu_seconds: float = 0.0
    loss: float = float("nan")
    software: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkModel:
    """A network with its recipe.

    Parameters
    ----------
    recipe : ModelRecipe
    module : torch.nn.Module
        In evaluation mode.
    """

    recipe: ModelRecipe
    module: "nn.Module"


def save_model(model: NetworkModel) -> bytes:
    """Content of a model file: the torch state and the recipe as JSON."""
    return _packed(_FORMAT, _recipe_json(model.recipe), module=model.module.state_dict())


def load_model(content: bytes, name: str = "model") -> NetworkModel:
    """Read a model file; nothing in it is executed.

    Parameters
    ----------
    content : bytes
    name : str
        Of the file, for messages.

    Raises
    ------
    FormatError
        If it is no model file or a damaged one.
    """
    stored = _unpacked(content, _FORMAT, name)
    try:
        recipe = _recipe_from(json.loads(stored["recipe"]))
        module = build_strided_net(recipe.net, seed=recipe.seed)
        module.load_state_dict(stored["module"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FormatError(f"{name}: expected a network of tomoset, found a damaged one ({error})") from error
    return NetworkModel(recipe=recipe, module=module.eval())


def save_state(state: TrainingState, identity: str) -> bytes:
    """Content of a file that a training can go on from.

    Parameters
    ----------
    state : TrainingState
    identity : str
        Of the training: another one must not go on from it.
    """
    about = json.dumps({"identity": identity, "loss": list(state.loss), "seconds": state.seconds})
    return _packed(_STATE_FORMAT, about, module=state.module, optimiser=state.optimiser)


def load_state(content: bytes, identity: str, name: str = "training state") -> TrainingState:
    """Read what :func:`save_state` wrote.

    Raises
    ------
    FormatError
        If it is damaged, or of a training with other parameters or data.
    """
    stored = _unpacked(content, _STATE_FORMAT, name)
    about = json.loads(stored["recipe"])
    if about["identity"] != identity:
        raise FormatError(
            f"{name}: expected the state of this training, found that of one with other parameters, classes or "
            "tomograms; remove the file to begin anew"
        )
    return TrainingState(
        module=stored["module"],
        optimiser=stored["optimiser"],
        loss=tuple(about["loss"]),
        seconds=float(about["seconds"]),
    )


def _packed(kind: str, recipe: str, **states: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"format": kind, "version": _VERSION, "recipe": recipe, **states}, buffer)
    return buffer.getvalue()


def _unpacked(content: bytes, kind: str, name: str) -> dict[str, Any]:
    import torch

    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise FormatError(f"{name}: expected a {kind} file, found one that torch cannot read") from error
    if not isinstance(stored, dict) or stored.get("format") != kind or stored.get("version") != _VERSION:
        raise FormatError(f"{name}: expected a {kind} file of version {_VERSION}, found another kind of file")
    return stored


def _recipe_json(recipe: ModelRecipe) -> str:
    return json.dumps(dataclasses.asdict(recipe), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected plain values in a model's recipe, found {type(value).__name__}")


def _recipe_from(document: dict[str, Any]) -> ModelRecipe:
    classes = tuple(
        PickableObject(**(item | {"color_rgba": tuple(item["color_rgba"])})) for item in document["classes"]
    )
    return ModelRecipe(
        **(
            document
            | {
                "classes": classes,
                "net": StridedNetParams(**document["net"]),
                "calibrations": tuple(Calibration(**item) for item in document["calibrations"]),
                "class_weights": tuple(document["class_weights"]),
                "spectrum": tuple(document["spectrum"]),
                "runs": tuple(document["runs"]),
            }
        )
    )
