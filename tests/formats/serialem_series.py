"""A SerialEM tilt series that a test may spoil: mdoc text, movies, and the folder they lie in."""

import re

import numpy as np

from tomoset.formats.movies import write_tiff_movie

SHAPE_YX = (12, 16)
TILTS = (0.0, 3.0, -3.0, -6.0, 6.0)  # dose-symmetric, in order of acquisition
DOSE = 3.2
SUB_FRAME = r"\\server\share\Data\\frames\TS 01_{:03d}.tif"


def section(index, tilt, **changed):
    fields = {
        "TiltAngle": f"{tilt}",
        "ExposureDose": f"{DOSE}",
        "PixelSpacing": "5.0",
        "RotationAngle": "175.3",
        "TargetDefocus": "-3.5",
        "PriorRecordDose": f"{index * DOSE:g}",
        "SubFramePath": SUB_FRAME.format(index),
        "ExposureTime": "1.0",
        "NumSubFrames": "2",
        # The third exposure is the first after midnight.
        "DateTime": f"{'30-Nov-15' if index < 2 else '01-Dec-15'}  {'23:58' if index < 2 else '00:02'}:0{index}",
    } | changed
    return f"[ZValue = {index}]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items() if v is not None)


HEADER = "PixelSpacing = 5.0\nVoltage = 200\nImageFile = TS.mrc\nImageSize = 16 12\nDataMode = 1\n\n"
TITLES = """\
[T = SerialEM: Krios      30-Nov-15  15:14:20    ]

[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 1]

"""


def frames(index):
    movie_tyx = np.full((2, *SHAPE_YX), index, np.uint8)
    movie_tyx[:, 1, 2] += 100
    return movie_tyx


class Raw:
    """A folder as the microscope left it, whose mdoc and movies a test may spoil."""

    def __init__(self, folder, tilts=TILTS):
        self.folder = folder
        self.tilts = tilts
        self.mdoc = folder / "TS_01 b.mrc.mdoc"
        (folder / "frames").mkdir(parents=True)
        for index in range(len(tilts)):
            write_tiff_movie(self.movie(index), frames(index), 5.0)
        self.write()

    def movie(self, index):
        return self.folder / "frames" / f"TS 01_{index:03d}.tif"

    def write(self, header=HEADER, titles=TITLES, per_tilt=(), **changed):
        per_tilt = dict(per_tilt)
        text = "\n".join(section(i, t, **(changed | per_tilt.get(i, {}))) for i, t in enumerate(self.tilts))
        self.mdoc.write_text(header + titles + text)


def noted(movie_set, pattern):
    return [note for note in movie_set.notes if re.search(pattern, note)]
