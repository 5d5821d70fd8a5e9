"""The whole stage on a phantom whose truth is known."""

import numpy as np
import pytest
from alignment_phantom import make_phantom

from tomoset.alignment import AlignmentParams, align
from tomoset.errors import AlignmentError
from tomoset.model import Resources, Silent


def test_empty_ice_is_refused():
    phantom = make_phantom(1, density=0.0)
    with pytest.raises(AlignmentError, match="too little signal"):
        align(phantom.series, AlignmentParams(), resources=Resources(), progress=Silent())


def test_fewer_than_five_tilts_are_refused():
    phantom = make_phantom(1, tilt_deg=np.array([-3.0, 0.0, 3.0, 6.0]), shape_yx=(64, 64))
    with pytest.raises(AlignmentError, match="at least 5 used tilts"):
        align(phantom.series, AlignmentParams(), resources=Resources(), progress=Silent())
