"""Movies that are computed when they are read."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.camera import Camera, poisson_counts
from tomoset.microscope.coincidence import lose_coincidences
from tomoset.microscope.conditions import Conditions
from tomoset.microscope.field import Canvas
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.projection import MoleculeTransform
from tomoset.microscope.rendering import RenderedView, render_view
from tomoset.microscope.views import View
from tomoset.model import Region, Specimen, stream
from tomoset.physics import damage_amplitude, rfft_axes_2d

__all__ = ["RenderedFrames", "Scene"]


_SURVIVAL_STEPS = 4096


@dataclass(slots=True, kw_only=True, eq=False)
class Scene:
    """All that decides the frames of one series.

    It keeps the view that was asked for last, so that reading a movie frame by frame costs no more than reading it at
    once. Whatever is kept or not, the frames are the same.

    Parameters
    ----------
    specimen, params, seed
        As given to ``image``.
    transforms : dict of str to MoleculeTransform
        By species.
    conditions : Conditions
    canvas : Canvas
    camera : Camera
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
    camera: Camera
    seed: int
    workers: int = 1
    memory_gib: float = 1.0
    _latest: tuple[int, RenderedView] | None = field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again, so that a worker process gets a small message."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "_latest"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore with nothing kept."""
        for name, value in state.items():
            setattr(self, name, value)
        self._latest = None

    def view(self, tilt: int) -> View:
        """Geometry and focus of one view."""
        conditions, geometry = self.conditions, self.conditions.geometry
        return View(
            image_from_specimen=geometry.image_from_specimen[tilt],
            shift_xy_angstrom=geometry.shift_xy_angstrom[tilt],
            defocus_angstrom=float(conditions.defocus_angstrom[tilt]),
            astigmatism_angstrom=float(conditions.astigmatism_angstrom[tilt]),
            astigmatism_deg=float(conditions.astigmatism_deg[tilt]),
            magnification=float(conditions.magnification[tilt]),
            deformation=None if conditions.deformation is None else conditions.deformation[tilt],
            field_angstrom=self.params.field_angstrom,
        )

    def rendered(self, tilt: int) -> RenderedView:
        """All that the frames of one view have in common."""
        latest = self._latest
        if latest is not None and latest[0] == tilt:
            return latest[1]
        rendered = render_view(
            self.specimen,
            self.transforms,
            self.view(tilt),
            self.params,
            self.canvas,
            doses_e_per_angstrom2=(self._dose(tilt, 0), self._dose(tilt, 0.5 * (self.params.n_frames - 1))),
            blocked_half_plane=self.conditions.blocked_half_plane[tilt],
            rng=stream(self.seed, "image", self.specimen.run, self.conditions.keys[tilt], "ice"),
            memory_gib=self.memory_gib,
            workers=self.workers,
        )
        self._latest = (tilt, rendered)
        return rendered

    def contrast_spectra(self, tilt: int) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Transforms of the contrast of undamaged matter and of what stays in the first frame, on the canvas."""
        from tomoset.microscope import _optics_kernels

        view = self.rendered(tilt)
        fading = np.zeros_like(view.steady[0])
        _optics_kernels.pad_into(fading, view.fading, np.float32(1))
        return fading, np.asarray(np.tensordot(view.shares[:, 0], view.steady, axes=1), dtype=np.complex64)

    def contrast(self, tilt: int, frame: int) -> NDArray[np.float32]:
        """Relative intensity change of one frame (y, x), without shot noise: I / I0 − 1."""
        return self._contrast(self.rendered(tilt), tilt, frame)

    def _contrast(self, view: RenderedView, tilt: int, frame: int) -> NDArray[np.float32]:
        from scipy.fft import irfft2

        from tomoset.microscope import _optics_kernels

        moving = self.conditions.local_motion
        spectrum = self._frame_spectrum(view, tilt, frame, splines=moving is not None)
        canvas_yx = irfft2(spectrum, self.canvas.shape_yx, workers=self.workers, overwrite_x=True)
        if moving is None:
            return np.array(self.canvas.frame(canvas_yx), dtype=np.float32)
        (ny, nx), pixel = self.canvas.frame_shape_yx, self.params.pixel_size_angstrom
        frame_yx = np.empty((ny, nx), dtype=np.float32)
        scale = (nx // 2, ny // 2, pixel / self.params.field_angstrom)
        _optics_kernels.warp(canvas_yx, self.canvas.corner_yx, moving[tilt, frame] / pixel, scale, frame_yx)
        return frame_yx

    def _frame_spectrum(self, view: RenderedView, tilt: int, frame: int, *, splines: bool) -> NDArray[np.complex64]:
        """Transform of one frame on the canvas, moved and damaged; of its B-spline coefficients if asked for."""
        from tomoset.microscope import _optics_kernels

        pixel, coarse = self.params.pixel_size_angstrom, view.fading_canvas
        shift_x, shift_y = self.conditions.frame_shift_xy_angstrom[tilt, frame] / pixel
        fy, fx = (axis.ravel() for axis in rfft_axes_2d(self.canvas.shape_yx, 1.0))
        turn_y, turn_x = np.exp(-2j * np.pi * fy * shift_y), np.exp(-2j * np.pi * fx * shift_x)
        if splines:
            turn_y /= (2 + np.cos(2 * np.pi * fy)) / 3
            turn_x /= (2 + np.cos(2 * np.pi * fx)) / 3
        ky, kx = (axis.ravel() for axis in rfft_axes_2d(coarse.shape_yx, coarse.pixel_size_angstrom))
        largest_k2 = coarse.corner_frequency_per_angstrom**2
        k = np.sqrt(np.linspace(0, largest_k2, _SURVIVAL_STEPS + 1))
        survival = damage_amplitude(k, self._dose(tilt, frame), self.params.voltage_kv)
        spectrum = np.empty_like(view.steady[0])
        _optics_kernels.assemble(
            spectrum,
            view.fading,
            view.steady,
            np.ascontiguousarray(view.shares[:, frame]),
            (ky**2, kx**2, largest_k2),
            survival.astype(np.float32),
            turn_y.astype(np.complex64),
            turn_x.astype(np.complex64),
        )
        blur_x, blur_y = self.conditions.frame_blur_xy_angstrom[tilt, frame] / pixel
        if blur_x or blur_y:
            spectrum *= np.sinc(fy[:, None] * blur_y + fx[None, :] * blur_x).astype(np.float32)
        return spectrum

    def expected_counts(self, tilt: int, frame: int) -> NDArray[np.float32]:
        """Mean counts of one frame (y, x) before coincidence loss and hot pixels: Poisson draws have this mean."""
        return self._expected(self.rendered(tilt), tilt, frame)

    def _expected(self, view: RenderedView, tilt: int, frame: int) -> NDArray[np.float32]:
        from tomoset.microscope import _optics_kernels

        rate = self.params.electrons_per_pixel_and_frame * self.params.dqe * view.transmission
        rate *= float(self.conditions.intensity_factor[tilt])
        shift_xy = self.conditions.frame_shift_xy_angstrom[tilt, frame] / self.params.pixel_size_angstrom
        nothing = np.ones((1, 1), dtype=np.float32)
        expected_yx = self._contrast(view, tilt, frame)
        _optics_kernels.expose(
            expected_yx,
            self.camera.sensitivity_yx,
            rate,
            nothing if view.attenuation_yx is None else view.attenuation_yx,
            self.canvas.corner_yx,
            (float(shift_xy[0]), float(shift_xy[1])),
        )
        return expected_yx

    def counts(self, tilt: int, frame: int) -> NDArray[np.uint8]:
        """Return the counts of one frame (y, x) as the camera stores them."""
        return self.record(self.rendered(tilt), tilt, frame)

    def record(self, view: RenderedView, tilt: int, frame: int) -> NDArray[np.uint8]:
        """Return the counts of one frame (y, x) of a view that is at hand."""
        name = ("image", self.specimen.run, self.conditions.keys[tilt])
        words = stream(self.seed, *name, "counts").integers(2**32, size=2)
        key = (int(words[0]), int(words[1]))
        arrived_yx = poisson_counts(self._expected(view, tilt, frame), key=key, frame=frame)
        counts_yx = lose_coincidences(
            arrived_yx,
            internal_frames=self.params.internal_frames_per_frame,
            area_pixels=self.params.coincidence_pixels,
            key=key,
            frame=frame,
        )
        where, extra = self.camera.hot_pixels
        hot = counts_yx.reshape(-1)[where] + stream(self.seed, *name, "hot pixels", frame).poisson(extra)
        counts_yx.reshape(-1)[where] = np.minimum(hot, 255)
        return counts_yx

    def _dose(self, tilt: int, frame: float) -> float:
        """Dose received at the middle of a frame, e⁻/Å²."""
        per_tilt = self.params.dose_per_tilt_e_per_angstrom2
        return per_tilt * (float(self.conditions.acquisition_order[tilt]) + (frame + 0.5) / self.params.n_frames)


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
        """Counts of a region; only the frames in it are rendered.

        The view is computed once, whatever other movies are read at the same time.
        """
        if not region:
            region = (slice(None),)
        rest = region[1:]
        chosen = region[0]
        view = self.scene.rendered(self.tilt)
        if not isinstance(chosen, slice):
            return self.scene.record(view, self.tilt, range(self.shape[0])[chosen])[rest]
        frames = range(*chosen.indices(self.shape[0]))
        first = np.broadcast_to(np.uint8(0), self.shape[1:])[rest].shape
        result = np.empty((len(frames), *first), dtype=np.uint8)
        for i, frame in enumerate(frames):
            result[i] = self.scene.record(view, self.tilt, frame)[rest]
        return result
