"""Amira's label fields: a mask whose values are the numbers of the materials in the header.

``Materials { Exterior {…} vlp {…} }``: the first material is value 0, the second 1 and so on, whatever its ``Id``. The
bounding box names the *centres* of the first and last voxels, x y z, in ångström here; a ``Units`` entry of nm is
understood. In a file without units they are taken as ångström. ``IGNORE`` (255) is written as a last material
``ignore``. Axes: x is fastest, as in our z, y, x arrays. Written as ASCII, as raw bytes or as HxByteRLE.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, GeometryError, ParameterError, PixelSizeError
from tomoset.formats.amira_mesh import encode_byte_rle, read_amira_mesh
from tomoset.formats.atomic import atomic_path
from tomoset.geometry import Grid
from tomoset.model import IGNORE

__all__ = ["AmiraLabels", "read_amira_labels", "write_amira_labels"]

AmiraEncoding = Literal["ascii", "binary", "rle"]
_IGNORE_NAME = "ignore"
_ANGSTROM = {"": 1.0, "a": 1.0, "å": 1.0, "angstrom": 1.0, "angstroms": 1.0, "nm": 10.0, "um": 1e4, "µm": 1e4}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AmiraLabels:
    """A label field.

    Parameters
    ----------
    mask_zyx : (z, y, x) array of uint8
        Numbers of materials; ``IGNORE`` where the material is called ``ignore``.
    materials : dict of str to int
        Values of the materials by name, without the exterior and ``ignore``.
    grid : Grid
    first_voxel_angstrom_xyz : (3,) array of float64
        Where the file says that the centre of the first voxel lies.
    """

    mask_zyx: NDArray[np.uint8]
    materials: dict[str, int]
    grid: Grid
    first_voxel_angstrom_xyz: NDArray[np.float64]


def write_amira_labels(
    path: str | os.PathLike[str],
    mask_zyx: NDArray[np.uint8],
    materials: Mapping[str, int],
    grid: Grid,
    *,
    encoding: AmiraEncoding = "rle",
) -> Path:
    """Write a mask; its values are renumbered in the order of the materials.

    Parameters
    ----------
    path : path
    mask_zyx : (z, y, x) array of uint8
        0, values of materials, and ``IGNORE``.
    materials : mapping of str to int
        Value in the mask of each class; letters, digits, hyphens and underscores.
    grid : Grid
    encoding : {"ascii", "binary", "rle"}

    Raises
    ------
    GeometryError
        If mask and grid differ in shape.
    ParameterError
        If the mask holds a value that no material has.
    OutputError
        If it cannot be written.
    """
    if tuple(mask_zyx.shape) != grid.shape_zyx:
        raise GeometryError(f"{Path(path).name}: expected a mask of {grid.shape_zyx}, found {mask_zyx.shape}")
    ordered = sorted(materials.items(), key=lambda item: item[1])
    table = np.zeros(256, dtype=np.uint8)
    for i, (_, value) in enumerate(ordered):
        table[value] = i + 1
    names = [name for name, _ in ordered]
    present = np.flatnonzero(np.bincount(mask_zyx.reshape(-1), minlength=256))
    if IGNORE in present:
        names.append(_IGNORE_NAME)
        table[IGNORE] = len(names)
    unknown = [int(value) for value in present if value and not table[value]]
    if unknown:
        raise ParameterError(
            f"{Path(path).name}: expected the material of every value, found none for {', '.join(map(str, unknown))}; "
            "name the classes of the mask"
        )
    values = table[mask_zyx].reshape(-1)
    packed = {"ascii": _as_text, "binary": lambda v: v.tobytes(), "rle": encode_byte_rle}[encoding](values)
    header = _header(names, grid, encoding, len(packed))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(header.encode("ascii", "replace"))
        stream.write(packed)
        stream.write(b"\n")
    return Path(path)


def read_amira_labels(path: str | os.PathLike[str]) -> AmiraLabels:
    """Read a label field of bytes.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no label field on a uniform lattice.
    PixelSizeError
        If its voxels are not cubic, or their unit is not known.
    """
    file = Path(path)
    mesh = read_amira_mesh(file)
    fields = [array for (where, _), array in mesh.arrays.items() if where == "Lattice"]
    size = mesh.sizes.get("Lattice", ())
    if len(fields) != 1 or len(size) != 3 or fields[0].ndim != 1 or fields[0].dtype.kind not in "iu":
        raise FormatError(f"{file.name}: expected one label field of whole numbers on a lattice of three dimensions")
    if fields[0].size and (fields[0].min() < 0 or fields[0].max() > 255):
        raise FormatError(f"{file.name}: expected at most 255 materials, found the value {fields[0].max()}")
    nx, ny, nz = size
    names = [str(name) for name in mesh.parameters.get("Materials", {})]
    mask = fields[0].astype(np.uint8).reshape(nz, ny, nx)
    if _IGNORE_NAME in names:
        mask = np.where(mask == names.index(_IGNORE_NAME), np.uint8(IGNORE), mask)
    voxel, first = _bounding_box(file, mesh.parameters, (nx, ny, nz))
    return AmiraLabels(
        mask_zyx=mask,
        materials={name: i for i, name in enumerate(names) if i and name != _IGNORE_NAME},
        grid=Grid(shape_zyx=(nz, ny, nx), voxel_size_angstrom=voxel),
        first_voxel_angstrom_xyz=first,
    )


def _as_text(values: NDArray[np.uint8]) -> bytes:
    return ("\n".join(map(str, values.tolist()))).encode("ascii")


def _header(names: list[str], grid: Grid, encoding: AmiraEncoding, size: int) -> str:
    z, y, x = grid.shape_zyx
    box = " ".join(f"0 {(n - 1) * grid.voxel_size_angstrom:.9g}" for n in (x, y, z))
    materials = "".join(f"        {name} {{\n            Id {i + 1}\n        }}\n" for i, name in enumerate(names))
    kind = "ASCII" if encoding == "ascii" else "BINARY-LITTLE-ENDIAN"
    code = f"(HxByteRLE,{size})" if encoding == "rle" else ""
    return (
        f"# AmiraMesh {kind} 2.1\n\n\ndefine Lattice {x} {y} {z}\n\nParameters {{\n    Materials {{\n"
        f"        Exterior {{\n            Id 0\n        }}\n{materials}    }}\n    Units {{\n"
        '        Coordinates "A"\n    }\n'
        f'    Content "{x}x{y}x{z} byte, uniform coordinates",\n    BoundingBox {box},\n    CoordType "uniform"\n}}\n\n'
        f"Lattice {{ byte Labels }} @1{code}\n\n# Data section follows\n@1\n"
    )


def _bounding_box(
    file: Path, parameters: dict[str, Any], size_xyz: tuple[int, int, int]
) -> tuple[float, NDArray[np.float64]]:
    unit = str((parameters.get("Units") or {}).get("Coordinates", "")).lower()
    if unit not in _ANGSTROM:
        raise PixelSizeError(f"{file.name}: expected the unit A, nm or um, found {unit!r}; set it in Amira")
    try:
        box = np.array(str(parameters["BoundingBox"]).split(), dtype=np.float64).reshape(3, 2) * _ANGSTROM[unit]
    except (KeyError, ValueError) as error:
        raise PixelSizeError(
            f"{file.name}: expected a BoundingBox of six numbers, found none; set it in Amira"
        ) from error
    steps = [(high - low) / (n - 1) for (low, high), n in zip(box, size_xyz, strict=True) if n > 1]
    if not steps or min(steps) <= 0 or max(steps) - min(steps) > 1e-3 * max(steps):
        raise PixelSizeError(
            f"{file.name}: expected cubic voxels, found {', '.join(f'{step:g}' for step in steps)} Å; resample the "
            "field or mend its bounding box"
        )
    return float(np.mean(steps)), box[:, 0]
