"""Joint refinement under the slab model: Wiener sweeps that search, Newton steps that converge, a thickness scan."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import CommonFrame, Pose, resample_view, resample_views, xy_from_uv
from tomoset.alignment.peaks import find_peak
from tomoset.alignment.preprocess import Views
from tomoset.alignment.signal_model import SlabModel, make_slab_model
from tomoset.physics import vertex_offset

__all__ = ["NewtonStep", "newton_step", "scan_thickness", "wiener_sweep"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex64]

_AXIS_DAMPING = 0.8  # the axis' information is a mean over the frame: full steps can swing to and fro


def wiener_sweep(
    views: Views, frame: CommonFrame, values_mn: Complexes, model: SlabModel, pose: Pose, range_angstrom: float
) -> tuple[Pose, float]:
    """Align each view in turn with what all others predict of it.

    Under a Gaussian model with precision K, view i given the others has mean ``−Σ_j≠i K_ij y_j / K_ii`` and
    variance ``1 / K_ii``: the leave-one-out Wiener reprojection over the slab, without building a volume. Views are
    taken outward from 0°, and each uses the others where they have just been put. ``values_mn`` is changed in place.

    Returns
    -------
    pose : Pose
        With the new shifts.
    rms_angstrom : float
        Root mean square of the changes.
    """
    shift_uv = pose.shift_uv_angstrom.copy()
    radius = range_angstrom / frame.pixel_size_angstrom
    changes = []
    for i, _ in views.outward():
        row = model.precision_cnn[:, i, :]
        own = np.ascontiguousarray(row[:, i])[model.cell]
        others = np.einsum("mj,mj->m", row[model.cell], values_mn) - own * values_mn[:, i]
        peak = find_peak(frame.map_of(-values_mn[:, i] * others.conj()), (radius, radius))
        x, y = (lag * frame.pixel_size_angstrom for lag in peak.shift_xy)
        values_mn[:, i] *= frame.phase((x, y))
        change = np.array([x * views.cos[i], y])
        shift_uv[i] += change
        changes.append(change)
    return replace(pose, shift_uv_angstrom=shift_uv), float(np.sqrt(np.mean(np.square(changes))))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NewtonStep:
    """One joint step.

    Parameters
    ----------
    pose : Pose
        After the step.
    rms_angstrom : float
        Root mean square of the change of shifts, the specimen's translation apart, Å.
    axis_change_deg : float
    deviation_uv_angstrom : (2,) array of float64
        Expected error, root mean square over views across and along the axis, gauge removed, from the Fisher matrix.
    """

    pose: Pose
    rms_angstrom: float
    axis_change_deg: float
    deviation_uv_angstrom: Floats


def _axis_derivative(coefficients_nyx: NDArray[np.float32], views: Views, frame: CommonFrame, pose: Pose) -> Complexes:
    """Change (m, n) of the resampled transforms with the axis angle, per radian, by central differences."""
    from scipy import fft

    small = np.deg2rad(0.1)
    norm = np.sqrt(np.square(frame.window_yx, dtype=np.float64).sum())
    out = np.empty((views.n, frame.flat.size), dtype=np.complex64)
    for i, cos in enumerate(views.cos):
        sides = []
        for sign in (1.0, -1.0):
            axis = pose.axis_deg + sign * np.rad2deg(small)
            turned = xy_from_uv(pose.shift_uv_angstrom[i], pose.axis_deg - axis)
            sides.append(resample_view(coefficients_nyx[i], frame, axis, cos, turned))
        difference = (sides[0] - sides[1]) / (2 * small) * frame.window_yx
        out[i] = fft.rfft2(difference).ravel()[frame.flat] * (np.sqrt(cos) / norm)
    return np.ascontiguousarray(out.T)


def newton_step(
    coefficients_nyx: NDArray[np.float32],
    views: Views,
    frame: CommonFrame,
    model: SlabModel,
    pose: Pose,
    *,
    axis_limits_deg: tuple[float, float],
) -> NewtonStep:
    """One Fisher-scoring step on all shifts and the axis under the slab likelihood.

    The gradient for a shift of view i is ``−2 Re Σ conj(∂y_i) (K y)_i`` and the information between views i and j is
    ``2 (2 π k)² (C ∘ C⁻¹ − I)_ij``. The axis turns every view about the image centre; by symmetry of the frame
    its information separates from that of the shifts: a mean of the squared displacements it causes.
    """
    values = resample_views(coefficients_nyx, views, frame, pose)
    weighed = model.weigh(values)
    # Moving the estimate by +d moves the resampled content by −d: y -> y exp(+2 π i k d).
    product = (values.conj() * weighed).imag * frame.weight[:, None]
    gradient_x = -2 * (2 * np.pi) * (frame.kx @ product)
    gradient_y = -2 * (2 * np.pi) * (frame.ky @ product)
    step_x, deviation_x = _solve(model.fisher_x, gradient_x, np.column_stack([np.ones(views.n), views.tan]))
    step_y, deviation_y = _solve(model.fisher_y, gradient_y, np.ones((views.n, 1)))
    derivative = _axis_derivative(coefficients_nyx, views, frame, pose)
    # Only what views say of one another: a turn also changes each view's own power a little, through the
    # interpolation, and that outweighs the signal.
    others = weighed - model.diagonal[model.cell] * values
    slope = -2 * ((derivative.conj() * others).real * frame.weight[:, None]).sum(dtype=np.float64)
    axis_change = float(np.clip(_AXIS_DAMPING * slope / _axis_information(views, frame, model), -0.02, 0.02))
    limit = 3 * frame.pixel_size_angstrom
    step_uv = np.clip(np.column_stack([step_x * views.cos, step_y]), -limit, limit)
    axis = float(np.clip(pose.axis_deg + np.rad2deg(axis_change), *axis_limits_deg))
    turned = xy_from_uv(pose.shift_uv_angstrom + step_uv, pose.axis_deg - axis)
    return NewtonStep(
        pose=Pose(axis_deg=axis, shift_uv_angstrom=turned),
        rms_angstrom=float(np.sqrt(np.mean(np.square(step_uv)))),
        axis_change_deg=axis - pose.axis_deg,
        deviation_uv_angstrom=np.array([np.sqrt(np.mean(deviation_x * views.cos**2)), np.sqrt(np.mean(deviation_y))]),
    )


def _solve(fisher: Floats, gradient: Floats, gauge: Floats) -> tuple[Floats, Floats]:
    """Step and variances (n,) with the specimen's translation (columns of ``gauge``) held."""
    free = np.linalg.qr(gauge, mode="complete")[0][:, gauge.shape[1] :]
    inner = free.T @ fisher @ free
    # A ridge of one per mille of the mean keeps modes that the data cannot see from running away.
    inner += np.eye(len(inner)) * 1e-3 * np.trace(inner) / len(inner)
    covariance = free @ np.linalg.inv(inner) @ free.T
    return covariance @ gradient, np.diag(covariance)


def _axis_information(views: Views, frame: CommonFrame, model: SlabModel) -> float:
    """Fisher information about the axis angle, 1/rad²: displacements (−y, x) averaged over the window's power."""
    ny, nx = frame.shape_yx
    power = np.square(frame.window_yx, dtype=np.float64)
    y = (np.arange(ny) - ny // 2)[:, None] * frame.pixel_size_angstrom
    x = (np.arange(nx) - nx // 2)[None, :] * frame.pixel_size_angstrom
    mean_y2, mean_x2 = (float((power * d**2).sum() / power.sum()) for d in (y, x))
    # A turn by a moves matter at (x, y, z) by −a y / cos t along X and by a (x cos t + z sin t) along Y.
    across, along, height = 1 / views.cos, views.cos, views.tan * views.cos
    mean_z2 = model.thickness_angstrom**2 / 12.0
    return float(
        mean_y2 * across @ model.fisher_x @ across
        + mean_x2 * along @ model.fisher_y @ along
        + mean_z2 * height @ model.fisher_y @ height
    )


def scan_thickness(
    views: Views, frame: CommonFrame, values_mn: Complexes, signal_k: Floats, first_guess_angstrom: float
) -> float:
    """Thickness with the highest likelihood: uphill over a scale of factors from a guess, then a parabola in its log.

    A third of the frequencies decides. (Uphill finds what all nine factors would: the likelihood has one top.)
    """
    part = np.arange(frame.flat.size) % 3 == 0
    thin = replace(frame, flat=frame.flat[part], kx=frame.kx[part], ky=frame.ky[part], weight=frame.weight[part])
    values = np.ascontiguousarray(values_mn[part])
    factors = np.geomspace(0.3, 2.0, 9)

    @cache
    def likelihood(index: int) -> float:
        model = make_slab_model(views, thin, signal_k, first_guess_angstrom * float(factors[index]))
        return model.log_likelihood(thin, values)

    best = int(np.argmin(np.abs(np.log(factors))))
    while True:
        beside = max((i for i in (best - 1, best + 1) if 0 <= i < factors.size), key=likelihood)
        if likelihood(beside) <= likelihood(best):
            break
        best = beside
    if 0 < best < factors.size - 1:
        turn = float(vertex_offset(*(likelihood(i) for i in (best - 1, best, best + 1))))
        return float(first_guess_angstrom * factors[best] * (factors[1] / factors[0]) ** turn)
    return float(first_guess_angstrom * factors[best])
