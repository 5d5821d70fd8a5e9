"""Movies that are computed when they are read."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.camera import poisson_counts
from tomoset.microscope.conditions import Conditions
from tomoset.microscope.field import Canvas
from tomoset.microscope.optics import View, ice_spectrum, molecule_spectrum
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.projection import MoleculeTransform
from tomoset.model import Region, Specimen, stream
from tomoset.physics import fourier_shift_2d, transmission

__all__ = ["RenderedFrames", "Scene"]


@dataclass(slots=True, kw_only=True, eq=False)
class Scene:
    """All that decides the frames of one series.

    It keeps the transforms of the view that was asked for last, so that reading a movie frame by frame costs no
    more than reading it at once. Whatever is kept or not, the frames are the same.

    Parameters
    ----------
    specimen, params, seed
        As given to ``image``.
    transforms : dict of str to MoleculeTransform
        By species.
    conditions : Conditions
    canvas : Canvas
    fading_yx : float32 array
        Amplitude's rate of decay with dose on the canvas's half plane: ``1 / (2 Ne(k))``, Å²/e⁻.
    inverse_gain_yx : float32 array
        Sensitivity of each pixel.
    hot_pixels : tuple of arrays
        Flat indices and mean extra counts.
    workers : int
        Threads of the Fourier transforms.
    memory_gib : float
        What the planes of one view may take.
    """

    specimen: Specimen
    transforms: dict[str, MoleculeTransform]
    conditions: Conditions
    params: MicroscopeParams
    canvas: Canvas
    fading_yx: NDArray[np.float32]
    inverse_gain_yx: NDArray[np.float32]
    hot_pixels: tuple[NDArray[np.intp], NDArray[np.float32]]
    seed: int
    workers: int = 1
    memory_gib: float = 1.0
    _latest: tuple[int, NDArray[np.complex64], NDArray[np.complex64]] | None = field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again, so that a worker process gets a small message."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "_latest"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore with nothing kept."""
        for name, value in state.items():
            setattr(self, name, value)
        self._latest = None

    def transmission(self, tilt: int) -> float:
        """Share of electrons that pass the ice of one view without losing energy."""
        return transmission(
            self.specimen.thickness_angstrom,
            float(self.conditions.geometry.y_tilt_deg[tilt]),
            self.params.mean_free_path_angstrom,
        )

    def view(self, tilt: int) -> View:
        """Geometry and defocus of one view."""
        geometry = self.conditions.geometry
        return View(
            image_from_specimen=geometry.image_from_specimen[tilt],
            shift_xy_angstrom=geometry.shift_xy_angstrom[tilt],
            defocus_angstrom=float(self.conditions.defocus_angstrom[tilt]),
        )

    def contrast_spectra(self, tilt: int) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Transforms of the contrast of undamaged molecules and of the ice, on the canvas."""
        latest = self._latest
        if latest is not None and latest[0] == tilt:
            return latest[1], latest[2]
        workers, view = self.workers, self.view(tilt)
        molecules = molecule_spectrum(
            self.specimen.molecules,
            self.transforms,
            view,
            self.params,
            self.canvas,
            memory_gib=self.memory_gib,
            workers=workers,
        )
        cosine = math.cos(math.radians(float(self.conditions.geometry.y_tilt_deg[tilt])))
        path_angstrom = self.specimen.thickness_angstrom / cosine
        rng = stream(self.seed, "image", self.specimen.run, self.conditions.names[tilt], "ice")
        ice = ice_spectrum(view, path_angstrom, self.params, self.canvas, rng, workers=workers)
        self._latest = (tilt, molecules, ice)
        return molecules, ice

    def contrast(self, tilt: int, frame: int) -> NDArray[np.float32]:
        """Relative intensity change of one frame (y, x), without shot noise: I / I0 − 1."""
        from scipy.fft import irfft2

        molecules, ice = self.contrast_spectra(tilt)
        spectrum = molecules * self._damage(tilt, frame) + ice
        shift_pixel = self.conditions.frame_shift_xy_angstrom[tilt, frame] / self.params.pixel_size_angstrom
        moved = fourier_shift_2d(spectrum, self.canvas.shape_yx, (float(shift_pixel[0]), float(shift_pixel[1])))
        canvas_yx = irfft2(moved, self.canvas.shape_yx, workers=self.workers, overwrite_x=True)
        return np.asarray(self.canvas.frame(canvas_yx), dtype=np.float32)

    def expected_counts(self, tilt: int, frame: int) -> NDArray[np.float32]:
        """Mean counts of one frame (y, x), before gain correction and hot pixels: Poisson draws have this mean."""
        rate = self.params.electrons_per_pixel_and_frame * self.params.dqe * self.transmission(tilt)
        intensity = np.maximum(self.contrast(tilt, frame) + np.float32(1), np.float32(0))
        return intensity * (np.float32(rate) * self.inverse_gain_yx)

    def counts(self, tilt: int, frame: int) -> NDArray[np.uint8]:
        """Return the counts of one frame (y, x) as the camera stores them."""
        name = ("image", self.specimen.run, self.conditions.names[tilt])
        key = stream(self.seed, *name, "counts").integers(2**32, size=2)
        counts_yx = poisson_counts(self.expected_counts(tilt, frame), key=(int(key[0]), int(key[1])), frame=frame)
        where, extra = self.hot_pixels
        hot = counts_yx.reshape(-1)[where] + stream(self.seed, *name, "hot pixels", frame).poisson(extra)
        counts_yx.reshape(-1)[where] = np.minimum(hot, 255)
        return counts_yx

    def _damage(self, tilt: int, frame: int) -> NDArray[np.float32]:
        """Amplitude left of the molecules' signal at the middle of a frame (Grant & Grigorieff 2015)."""
        per_tilt = self.params.dose_per_tilt_e_per_angstrom2
        received = per_tilt * (float(self.conditions.acquisition_order[tilt]) + (frame + 0.5) / self.params.n_frames)
        return np.exp(self.fading_yx * np.float32(-received))


@dataclass(frozen=True, slots=True, eq=False)
class RenderedFrames:
    """The frames of one movie as an ``ArraySource``: uint8 counts (t, y, x), rendered on reading."""

    scene: Scene
    tilt: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, rows, columns."""
        return (self.scene.params.n_frames, *self.scene.params.frame_shape_yx)

    @property
    def dtype(self) -> np.dtype[Any]:
        """One byte a pixel."""
        return np.dtype(np.uint8)

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Counts of a region; only the frames in it are rendered."""
        if not region:
            region = (slice(None),)
        rest = region[1:]
        chosen = region[0]
        if not isinstance(chosen, slice):
            return self.scene.counts(self.tilt, range(self.shape[0])[chosen])[rest]
        frames = range(*chosen.indices(self.shape[0]))
        first = np.broadcast_to(np.uint8(0), self.shape[1:])[rest].shape
        result = np.empty((len(frames), *first), dtype=np.uint8)
        for i, frame in enumerate(frames):
            result[i] = self.scene.counts(self.tilt, frame)[rest]
        return result
