"""What an mdoc says about tilt axis, order and pixel size, and what is concluded where it is silent.

Every function returns its answer and notes: one sentence for each fallback that was taken.

The tilt axis. ``TiltGeometry.z_rot_deg`` is the angle from image y to the axis, counter-clockwise with y upwards. That
is IMOD's rotation angle and SerialEM's "Tilt axis angle" (the .xf that IMOD derives from it rotates by minus that angle
to bring the axis to y, and RELION takes it as rlnTomoNominalTiltAxisAngle), so the title's number is taken as it is.
SerialEM's RotationAngle is larger by 90: in real files 85.3 goes with 175.3, 82.9 with 172.9, 83.8 with 173.8 and −86.7
with 3.3. Tomo 5 writes "TiltAxisAngle" in its title by conventions that changed; what it means follows from the
RotationAngle beside it, as in IMOD's alignframes: −(RotationAngle + 90) in the title, −175.84 beside 85.84, say, means
the axis RotationAngle (Scipion's import converts it so, too); RotationAngle − 90 means the title's number; the negative
of that means the negative of the title's number.
"""

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.formats.mdoc import Mdoc, MdocSection

__all__ = ["acquisition_order", "doubtful_signs", "frame_pixel_size", "prior_doses", "tilt_axis", "wrap_deg"]

_SERIALEM_AXIS = re.compile(r"Tilt axis angle\s*=\s*([-+]?\d+(?:[.,]\d+)?)")
_TOMO5_AXIS = re.compile(r"TiltAxisAngle\s*=\s*([-+]?\d+(?:[.,]\d+)?)")
_AXIS_TOLERANCE_DEG = 2.0
_PIXEL_TOLERANCE = 1e-3
_NAMED_ANGLE = re.compile(r"(?<=[_ ])-?\d+\.\d+")
_SIGN_TOLERANCE_DEG = 0.6
_LEAST_OPPOSITE = 3


def wrap_deg(angle: float) -> float:
    """Bring an angle to (−180, 180]."""
    return 180.0 - (180.0 - angle) % 360.0


def tilt_axis(mdoc: Mdoc, sections: Sequence[MdocSection]) -> tuple[float, tuple[str, ...]]:
    """Tilt axis angle as ``TiltGeometry.z_rot_deg``, degrees, and notes.

    Raises
    ------
    ParameterError
        If the mdoc says nothing about it.
    """
    rotation = next((s.rotation_deg for s in sections if s.rotation_deg is not None), None)
    tomo5 = _search(_TOMO5_AXIS, mdoc.titles)
    if tomo5 is not None:
        return _tomo5_axis(tomo5, rotation)
    title = _search(_SERIALEM_AXIS, mdoc.titles)
    from_rotation = None if rotation is None else wrap_deg(rotation - 90.0)
    if title is not None:
        return wrap_deg(title), _axis_doubt(wrap_deg(title), from_rotation)
    if from_rotation is not None:
        return from_rotation, (
            f"No title holds the tilt axis angle; RotationAngle minus 90, {from_rotation:g} degrees, was taken.",
        )
    raise ParameterError(
        "expected a tilt axis angle in the mdoc's titles or a RotationAngle, found neither; "
        "give it in degrees (tilt_axis_deg, --tilt-axis)"
    )


def acquisition_order(sections: Sequence[MdocSection]) -> tuple[list[int], tuple[str, ...]]:
    """Rank of each section in time (0 first), from DateTime, else PriorRecordDose, else the file's order; and notes."""
    n = len(sections)
    times = [s.acquired_at for s in sections]
    prior = prior_doses(sections)
    known = [t for t in times if t is not None]
    tie_break = prior if prior is not None else list(range(n))
    if len(known) == n and (n == 1 or len(set(known)) > 1):
        by_time = _ranks([(t, tie_break[i], i) for i, t in enumerate(known)])
        if prior is None or len(set(prior)) < n or _rises(prior, by_time):
            return by_time, ()
        found = "contradict PriorRecordDose (a clock of 12 hours, say)"
    else:
        found = "are missing or unreadable" if len(known) < n else "are all the same"
    if prior is not None:
        note = f"Times of exposure {found}; the order of PriorRecordDose was taken as the order of acquisition."
        return _ranks([(dose, i) for i, dose in enumerate(prior)]), (note,)
    note = f"Times of exposure {found} and PriorRecordDose too; the mdoc's own order was taken as that of acquisition."
    return list(range(n)), (note,)


def prior_doses(sections: Sequence[MdocSection]) -> list[float] | None:
    """PriorRecordDose of every section; None when one is missing, or when all of several are zero (not recorded)."""
    prior = [s.prior_dose_e_per_angstrom2 for s in sections]
    known = [dose for dose in prior if dose is not None]
    if len(known) < len(sections) or (len(sections) > 1 and not any(known)):
        return None
    return known


def doubtful_signs(sections: Sequence[MdocSection]) -> tuple[str, ...]:
    """Note where the angles in the movies' names all have the other sign: the mdoc may have been made from them."""
    opposite = 0
    for section in sections:
        tilt = section.tilt_deg or 0.0
        if abs(tilt) < _SIGN_TOLERANCE_DEG:
            continue
        named = [float(word) for word in _NAMED_ANGLE.findall(section.sub_frame_name or "")]
        if not any(abs(angle + tilt) <= _SIGN_TOLERANCE_DEG for angle in named):
            return ()
        opposite += 1
    if opposite < _LEAST_OPPOSITE:
        return ()
    note = (
        "The angles in the movies' names have the opposite sign of TiltAngle, which was taken; if the names are right, "
        "the tomogram is mirrored: give --invert-tilts."
    )
    return (note,)


def frame_pixel_size(
    written: Sequence[float],
    image_size_xy: tuple[int, int] | None,
    frame_shape_yx: tuple[int, int],
    *,
    headers: Sequence[float],
    given: float | None,
    nominal: float | None = None,
) -> tuple[float, tuple[str, ...]]:
    """Pixel size of the frames, Å, from every source there is, which must agree to 0.1 %; and notes.

    Parameters
    ----------
    written : sequence of float
        The mdoc's values of PixelSpacing: those of the recorded *image*, which may be binned.
    image_size_xy : tuple of int or None
        The mdoc's ImageSize; frames larger by a whole factor have pixels smaller by it.
    frame_shape_yx : tuple of int
        Of the movies.
    headers : sequence of float
        Of MRC movies' headers; 0 where a header does not say.
    given : float or None
        By the user.
    nominal : float or None
        By the camera of an EER movie, uncalibrated: taken only where there is no other source.

    Raises
    ------
    PixelSizeError
        If there is no source, two disagree, or only a binned image's pixel size is known.
    """
    factor = _binning(image_size_xy, frame_shape_yx)
    what = "the mdoc's PixelSpacing" + ("" if factor == 1 else f" for frames {factor:g} times larger")
    sources = [(what, value / factor) for value in written if value > 0]
    n_written = len(sources)
    if given is not None:
        if not (math.isfinite(given) and given > 0):
            raise PixelSizeError(f"expected a positive pixel size, got {given:g} Å")
        sources.append(("the pixel size given", given))
    # 1.0 is what many programs write when they do not know; it counts only where nothing better is known.
    unset = bool(sources) and 1.0 in headers and any(abs(value - 1.0) > _PIXEL_TOLERANCE for _, value in sources)
    sources += [("the movies' headers", value) for value in headers if value > 0 and not (unset and value == 1.0)]
    if not sources and nominal is not None:
        return nominal, (f"The mdoc holds no pixel size; the EER files' nominal {nominal:.4g} Å was taken.",)
    if not sources:
        found = ", ".join(f"{value:g}" for value in written) or "none"
        raise PixelSizeError(
            f"expected a positive PixelSpacing in the mdoc, found {found}; "
            "give the pixel size of the frames in Å (pixel_size_angstrom, --pixel-size)"
        )
    pixel_size = _agreed(sources)
    if factor != 1 and len(sources) == n_written:
        raise PixelSizeError(
            f"expected frames of the size of the recorded image, {image_size_xy} (x, y), found "
            f"{frame_shape_yx[::-1]}: PixelSpacing = {pixel_size * factor:g} Å is not theirs; give their pixel size "
            f"in Å (pixel_size_angstrom, --pixel-size), probably {pixel_size:g}"
        )
    note = "The movies' headers hold a pixel size of exactly 1 Å, which was taken as not set."
    return pixel_size, (note,) if unset else ()


def _agreed(sources: Sequence[tuple[str, float]]) -> float:
    first_name, first = sources[0]
    for name, value in sources[1:]:
        if abs(value - first) > _PIXEL_TOLERANCE * first:
            raise PixelSizeError(
                f"expected one pixel size, found {first:g} Å by {first_name} and {value:g} Å by {name}; "
                "correct the wrong one"
            )
    return first


def _binning(image_size_xy: tuple[int, int] | None, frame_shape_yx: tuple[int, int]) -> float:
    """How many times larger (whole, or one over whole) the frames are than the image; longest sides are compared."""
    if image_size_xy is None or max(image_size_xy) < 1:
        return 1.0
    ratio = max(frame_shape_yx) / max(image_size_xy)
    return float(round(ratio)) if ratio >= 1 else 1.0 / round(1 / ratio)


def _tomo5_axis(title: float, rotation: float | None) -> tuple[float, tuple[str, ...]]:
    """Axis from Tomo 5's TiltAxisAngle and RotationAngle, and what was made of them."""
    candidates = [(wrap_deg(-title - 90.0), 0.0)]
    if rotation is not None:
        meanings = ((-(rotation + 90), rotation), (rotation - 90, title), (90 - rotation, -title))
        candidates = [(wrap_deg(axis), abs(wrap_deg(said - title))) for said, axis in meanings]
    axis, misfit = min(candidates, key=lambda candidate: candidate[1])
    note = f"Tomo 5 wrote TiltAxisAngle = {title:g}, which means a tilt axis of {axis:g} degrees here"
    if misfit > _AXIS_TOLERANCE_DEG:
        axis = wrap_deg(rotation or 0.0)
        note = (
            f"Tomo 5 wrote TiltAxisAngle = {title:g} and a RotationAngle that does not go with it; {axis:g} was taken"
        )
    return axis, (f"{note}; if the alignment finds another one, give --tilt-axis.",)


def _axis_doubt(axis: float, from_rotation: float | None) -> tuple[str, ...]:
    if from_rotation is None or abs(wrap_deg(axis - from_rotation)) <= _AXIS_TOLERANCE_DEG:
        return ()
    doubt = f"RotationAngle minus 90 is {from_rotation:g}"
    return (f"The title's tilt axis angle, {axis:g} degrees, was taken although {doubt}.",)


def _search(pattern: re.Pattern[str], titles: Sequence[str]) -> float | None:
    found = next((match for title in titles if (match := pattern.search(title))), None)
    return None if found is None else float(found[1].replace(",", "."))


def _rises(values: Sequence[float], ranks: Sequence[int]) -> bool:
    in_order = [value for _, value in sorted(zip(ranks, values, strict=True))]
    return all(a <= b for a, b in pairwise(in_order))


def _ranks(keys: Sequence[tuple[object, ...]]) -> list[int]:
    by_key = sorted(range(len(keys)), key=lambda index: keys[index])
    ranks = [0] * len(keys)
    for rank, index in enumerate(by_key):
        ranks[index] = rank
    return ranks
