"""One picture of the evidence for a class: the average beside its template, and how far the halves agree."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import ClassEvidence
from tomoset.formats.atomic import atomic_path

__all__ = ["save_picture"]


def save_picture(path: Path, evidence: ClassEvidence) -> Path:
    """Write three central slices of average and template, and the shell correlations, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    volumes = [("average", evidence.averages.whole_zyx)]
    if evidence.template_zyx is not None:
        volumes.append(("template", evidence.template_zyx))
    figure = Figure(figsize=(9.0, 2.3 * len(volumes)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(volumes), 5)
    for row, (name, volume) in enumerate(volumes):
        for column, (plane, image) in enumerate(_slices(volume)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(image, cmap="gray", origin="lower", interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(f"{name} {plane}", fontsize=8)
    axes = figure.add_subplot(grid[:, 3:])
    axes.plot(evidence.frequency_per_angstrom, evidence.fsc, color="#0072B2", label="halves")
    axes.plot(evidence.frequency_per_angstrom, evidence.random_fsc, color="#999999", label="random places")
    axes.axhline(0.143, color="#D55E00", linewidth=0.8)
    axes.axvline(1 / evidence.compared_at_angstrom, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_ylim(-0.3, 1.05)
    axes.set_xlabel("spatial frequency, 1/Å", fontsize=8)
    axes.set_ylabel("Fourier shell correlation", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    axes.set_title(f"{evidence.object_name}: {evidence.n_particles} particles", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path


def _slices(volume_zyx: NDArray[np.float32]) -> list[tuple[str, NDArray[np.float32]]]:
    middle = volume_zyx.shape[0] // 2
    return [("xy", volume_zyx[middle]), ("xz", volume_zyx[:, middle]), ("yz", volume_zyx[:, :, middle])]
