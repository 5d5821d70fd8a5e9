"""The recipe: everything that changes a dataset, in one TOML file."""

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from dataclasses import dataclass, field
from importlib import resources as package_resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from tomoset.alignment import AlignmentParams
from tomoset.annotation import FilamentParams, MembraneParams, TemplateParams
from tomoset.ctf import CtfParams
from tomoset.curation import CurationParams
from tomoset.errors import InputMissingError, RecipeError
from tomoset.microscope import MicroscopeParams
from tomoset.model import PickableObject
from tomoset.motion import MotionParams
from tomoset.reconstruction import DeconvolutionParams, DenoiseParams, ReconstructionParams
from tomoset.release import DatasetFacts
from tomoset.specimen import SpecimenParams, required_species
from tomoset.structures import BUILT_IN_NAMES, built_in_symmetry
from tomoset.workflow.proteomes import expand_proteomes

__all__ = ["ObjectSpec", "Recipe", "built_in_recipes", "load_recipe", "read_recipe", "read_recipe_file", "recipe_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSpec:
    """A class of things to be labeled: what it looks like and how it is shown.

    Parameters
    ----------
    name : str
        Letters, digits, hyphens.
    radius_angstrom : float
        Of a particle (half of it is the matching distance of the CZII metric) or filament; half a membrane's thickness.
    structure : str
        Of a particle or filament: a built-in model, ``pdb:ID``, or the path of a coordinate file or density map
        relative to the recipe. Membranes have none; the name is the membrane's (``liposome``, ``outer-membrane`` …).
    kind : {"particle", "filament", "membrane"}
    search : bool
        Whether it is looked for: particles by templates, filaments by tracing, membranes by their shape.
    symmetry : str
        Point group; empty takes a built-in model's own.
    assembly : str
        Which biological assembly of a coordinate file is the molecule; ``deposited`` takes the coordinates as they are.
    threshold : float or None
        Of a density map: what lies above it is the molecule.
    mass_kda : float or None
        Of a density map's molecule, or of a ``globule``.
    color : str
        ``#rrggbb`` in pictures.
    identifier : str
        GO, UniProtKB or PDB identifier.
    """

    name: str
    radius_angstrom: float
    structure: str = ""
    kind: Literal["particle", "filament", "membrane"] = "particle"
    search: bool = True
    symmetry: str = ""
    assembly: str = ""
    threshold: float | None = None
    mass_kda: float | None = None
    color: str = "#808080"
    identifier: str = ""

    def __post_init__(self) -> None:
        """Refuse sizes that nothing has, colours no viewer understands, and particles without a look."""
        for key in ("radius_angstrom", "mass_kda"):
            value = getattr(self, key)
            if value is not None and not 0 < value < math.inf:
                raise RecipeError(f"objects.{self.name}.{key}: expected a positive number, found {value:g}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise RecipeError(f"objects.{self.name}.threshold: expected a finite number, found {self.threshold:g}")
        digits = self.color.removeprefix("#")
        if len(digits) != 6 or any(c not in "0123456789abcdefABCDEF" for c in digits):
            raise RecipeError(f"objects.{self.name}.color: expected #rrggbb, found {self.color!r}")
        if (self.kind == "membrane") == bool(self.structure):
            wanted = "no structure for a membrane" if self.structure else f"a structure for a {self.kind}"
            raise RecipeError(f"objects.{self.name}.structure: expected {wanted}, found {self.structure!r}")

    @property
    def color_rgba(self) -> tuple[int, int, int, int]:
        """Red, green, blue, opacity, 0–255."""
        red, green, blue = bytes.fromhex(self.color.removeprefix("#"))
        return (red, green, blue, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that changes a dataset.

    Parameters
    ----------
    name : str
        Of the dataset, with hyphens or underscores.
    title : str
        One line for people.
    scale : str
        Which of the recipe's sizes this is: ``small`` for a test on a desk, ``paper`` for the published acquisition.
    seed : int
        All randomness of the dataset follows from it.
    n_series : int
        Tilt series to simulate; 0 in a project of imported movies.
    objects : tuple of ObjectSpec
        Classes to be labeled, in the order of their labels 1, 2 …
    specimen, microscope : SpecimenParams, MicroscopeParams or None
        How to simulate; both absent in a project of imported movies.
    motion, ctf, alignment, reconstruction, curation, annotation, filaments, membranes
        Parameters of the stages.
    denoising : DenoiseParams or None
        How to denoise every tomogram by its halves; absent = not done.
    deconvolution : DeconvolutionParams or None
        How to deconvolve every tomogram for the eye; absent = not done.
    licence, citation : str
        SPDX identifier, and how to cite the dataset; a release without them is refused.
    dataset : DatasetFacts
        Who made it, from what, with which instruments.
    """

    name: str
    title: str = ""
    scale: str = "small"
    seed: int = 1
    n_series: int = 0
    objects: tuple[ObjectSpec, ...] = ()
    specimen: SpecimenParams | None = None
    microscope: MicroscopeParams | None = None
    motion: MotionParams = field(default_factory=MotionParams)
    ctf: CtfParams = field(default_factory=CtfParams)
    alignment: AlignmentParams = field(default_factory=AlignmentParams)
    reconstruction: ReconstructionParams = field(default_factory=ReconstructionParams)
    denoising: DenoiseParams | None = None
    deconvolution: DeconvolutionParams | None = None
    curation: CurationParams = field(default_factory=CurationParams)
    annotation: TemplateParams = field(default_factory=TemplateParams)
    filaments: FilamentParams = field(default_factory=FilamentParams)
    membranes: MembraneParams = field(default_factory=MembraneParams)
    licence: str = ""
    citation: str = ""
    dataset: DatasetFacts = field(default_factory=DatasetFacts)

    def __post_init__(self) -> None:
        """Check what concerns more than one table."""
        if (self.specimen is None) != (self.microscope is None):
            raise RecipeError("a simulated dataset needs both [specimen] and [microscope]; only one of them is given")
        if self.n_series < 0 or self.seed < 0:
            raise RecipeError(f"n_series and seed must be ≥ 0, found {self.n_series} and {self.seed}")
        if self.n_series > 0 and self.microscope is None:
            raise RecipeError(f"n_series = {self.n_series} asks for simulated series: give [specimen] and [microscope]")
        if self.n_series == 0 and self.microscope is not None:
            raise RecipeError("n_series = 0 with a [microscope] table: say how many series to simulate")
        names = [spec.name for spec in self.objects]
        if len(set(names)) != len(names):
            raise RecipeError(f"objects must have different names, found {names}")
        if self.denoising is not None and not self.reconstruction.half_sets:
            raise RecipeError("[denoising] learns from half tomograms: set reconstruction.half_sets = true")
        if self.annotation.tomogram == "denoised" and self.denoising is None:
            raise RecipeError('annotation.tomogram = "denoised" needs a [denoising] table, found none')
        if self.specimen is not None:
            _check_species(self.specimen, names)

    @property
    def is_simulated(self) -> bool:
        """Whether the series are simulated rather than imported."""
        return self.microscope is not None

    def pickable_objects(self) -> tuple[PickableObject, ...]:
        """The classes as labels know them."""
        return tuple(
            PickableObject(
                name=spec.name,
                label=i,
                radius_angstrom=spec.radius_angstrom,
                symmetry=spec.symmetry
                or (built_in_symmetry(spec.structure) if spec.structure in BUILT_IN_NAMES else "C1"),
                color_rgba=spec.color_rgba,
                is_particle=spec.kind == "particle",
                identifier=spec.identifier,
            )
            for i, spec in enumerate(self.objects, start=1)
        )

    def run_names(self) -> tuple[str, ...]:
        """Names of the series to simulate, counted from TS001."""
        return tuple(f"TS{i:03d}" for i in range(1, self.n_series + 1))


def _check_species(params: SpecimenParams, object_names: list[str]) -> None:
    """A species is either an object, which says how it looks, or says so itself."""
    needed = required_species(params)
    missing = [each.species for each in needed if not each.structure and each.species not in object_names]
    if missing:
        raise RecipeError(
            f"specimen names {', '.join(missing)}, which [[objects]] does not (it has "
            f"{', '.join(object_names) or 'none'}); add an [[objects]] table for each species, or say its structure "
            "beside its amount"
        )
    twice = [each.species for each in needed if each.structure and each.species in object_names]
    if twice:
        raise RecipeError(
            f"specimen says how {', '.join(twice)} looks, and so does [[objects]]; keep the structure of the object"
        )


def built_in_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with tomoset."""
    folder = package_resources.files("tomoset.workflow") / "recipes"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_recipe(name_or_path: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Recipe by name or path, with ``table.key=value`` overrides.

    Raises
    ------
    InputMissingError
        If it is neither a built-in name nor a file.
    RecipeError
        If a key is unknown, or a value has the wrong type or range.
    """
    if name_or_path in built_in_recipes():
        folder = package_resources.files("tomoset.workflow") / "recipes"
        text = (folder / f"{name_or_path}.toml").read_text("utf-8")
        return read_recipe(text, overrides, origin=f"recipe {name_or_path}", folder=folder)
    path = Path(name_or_path)
    if not path.is_file():
        raise InputMissingError(
            f"expected a recipe's name ({', '.join(built_in_recipes())}) or the path of a TOML file, "
            f"found {name_or_path!r}"
        )
    return read_recipe_file(path, overrides)


def read_recipe_file(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read and check the recipe in a TOML file; errors as :func:`read_recipe`."""
    return read_recipe(_utf8(path, "TOML"), overrides, origin=path.name, folder=path.parent)


def _utf8(path: Traversable, kind: str) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: expected {kind} in UTF-8, found {error}; save it as UTF-8 text") from error
    except OSError as error:
        raise InputMissingError(f"{path}: expected {kind}, found none ({error.strerror}); check its path") from error


def read_recipe(
    text: str, overrides: tuple[str, ...] = (), *, origin: str = "recipe", folder: Traversable | None = None
) -> Recipe:
    """Parse and check a recipe; unknown keys are refused. Its tables are in ``folder``, or else where we are."""
    from pydantic import TypeAdapter, ValidationError

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{origin}: expected TOML, found a syntax error: {error}") from error
    _choose_scale(table, overrides, origin)
    for override in overrides:
        _override(table, override)
    places: tuple[Traversable, ...] = (Path(),) if folder is None else (folder, Path())
    expand_proteomes(table, lambda name: _utf8(_beside(name, places), "a proteomics table"), origin)
    _refuse_unknown_keys(table, Recipe, origin, ())
    try:
        return TypeAdapter(Recipe).validate_python(table)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {'; '.join(_complaint(e['loc'], e['msg']) for e in error.errors())}") from error


def _beside(name: str, places: tuple[Traversable, ...]) -> Traversable:
    """The file in the first place that has it, else in the last: ``--set`` may name one where the user is."""
    return next((place / name for place in places if (place / name).is_file()), places[-1] / name)


def _complaint(place: tuple[int | str, ...], message: str) -> str:
    """What pydantic says of one value; of our own checks without the name that it gives them."""
    where = ".".join(str(part) for part in place)
    return f"{where}: {message}".removeprefix(": ").replace("Value error, ", "", 1)


def _choose_scale(table: dict[str, Any], overrides: tuple[str, ...], origin: str) -> None:
    """Lay the tables of ``[scales.NAME]`` over the recipe's own; a recipe written by ``recipe_text`` has none left."""
    scales = table.pop("scales", {})
    own = table.get("scale", "small")
    for override in overrides:
        if override.partition("=")[0].strip() == "scale":
            _override(table, override)
    scale = table.get("scale", "small")
    if scale in scales:
        _merge(table, scales[scale])
    elif scale != ("small" if scales else own):
        raise RecipeError(f"{origin}: expected scale to be one of {', '.join((own, *scales))}, found {scale!r}")


def _merge(table: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            _merge(table[key], value)
        else:
            table[key] = value


def _override(table: dict[str, Any], override: str) -> None:
    path, separator, value_text = override.partition("=")
    if not separator or not path.strip():
        raise RecipeError(f"--set expects table.key=value, found {override!r}")
    try:
        value = tomllib.loads(f"value = {value_text}")["value"]
    except tomllib.TOMLDecodeError:
        value = value_text.strip()  # a bare word is a string
    *parents, key = (part.strip() for part in path.split("."))
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {override}: {parent} is not a table")
    table[key] = value


def _refuse_unknown_keys(value: Any, annotation: Any, origin: str, path: tuple[str, ...]) -> None:
    """Walk the table beside the dataclasses; a misspelt key would otherwise be a silently ignored wish."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = next((a for a in typing.get_args(annotation) if dataclasses.is_dataclass(a)), None)
    if typing.get_origin(annotation) is tuple and isinstance(value, list):
        for i, item in enumerate(value):
            _refuse_unknown_keys(item, typing.get_args(annotation)[0], origin, (*path, str(i)))
        return
    if not (isinstance(annotation, type) and dataclasses.is_dataclass(annotation) and isinstance(value, dict)):
        return
    hints = typing.get_type_hints(annotation)
    known = [f.name for f in dataclasses.fields(annotation)]
    for key, item in value.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
            where = f" in [{'.'.join(path)}]" if path else ""
            raise RecipeError(f"{origin}: unknown key {key!r}{where}; {hint}")
        _refuse_unknown_keys(item, hints[key], origin, (*path, key))


def recipe_text(recipe: Recipe) -> str:
    """The recipe as TOML, every parameter spelled out."""
    import tomlkit

    return tomlkit.dumps(_without_none(dataclasses.asdict(recipe)))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value
