"""Training data as a modeller gets them: right values, right points, the same for any number of workers."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from small_dataset import SHAPE, VOXEL, a_run

import tomoset
from tomoset.errors import InputMissingError, ParameterError
from tomoset.release.mapped_slabs import MappedSlabs


def test_a_patch_is_the_volume_at_its_place(small_release: Path) -> None:
    data = tomoset.load(small_release, patch_shape_zyx=(16, 16, 16), n_patches=12)
    volume = np.asarray(a_run("TS1", 1).tomogram.volume_zyx.read(), dtype=np.float64)
    mask = a_run("TS1", 1).labels[0].segmentations[0].mask_zyx.read()
    for i in range(12):
        patch = data[i]
        z, y, x = patch["start_zyx"]
        here = (slice(z, z + 16), slice(y, y + 16), slice(x, x + 16))
        expected = (volume - volume.mean()) / volume.std()
        np.testing.assert_allclose(patch["image"][0], expected[here], atol=4e-3)
        np.testing.assert_array_equal(patch["semantic"], mask[here])


def test_points_are_those_inside_in_voxels_of_the_patch(small_release: Path) -> None:
    data = tomoset.load(small_release, patch_shape_zyx=(16, 16, 16), n_patches=30, centred=1.0)
    picks = {p.object_name: p.positions_angstrom_xyz[:, ::-1] / VOXEL for p in a_run("TS1", 1).labels[0].picks}
    everywhere = np.concatenate([picks["apoferritin"], picks["bsa"]])
    labels = np.array([1] * 5 + [2] * 3)
    for i in range(30):
        patch = data[i]
        assert len(patch["labels"]) >= 1  # every patch was drawn about a particle
        absolute = patch["points_zyx"] + patch["start_zyx"]
        stop = patch["start_zyx"] + 16
        inside = np.all((everywhere >= patch["start_zyx"] - 0.5) & (everywhere < stop - 0.5), axis=1)
        np.testing.assert_allclose(absolute, everywhere[inside], atol=1e-4)
        np.testing.assert_array_equal(patch["labels"], labels[inside])


def test_a_patch_depends_on_seed_epoch_and_number_only(small_release: Path) -> None:
    one = tomoset.load(small_release, patch_shape_zyx=(16, 16, 16), n_patches=4, seed=3)
    two = pickle.loads(pickle.dumps(one))  # noqa: S301 as workers get it
    _ = one[0], one[1]
    np.testing.assert_array_equal(one[2]["image"], two[2]["image"])
    before = one[2]["start_zyx"]
    one.set_epoch(1)
    assert any(not np.array_equal(one[i]["start_zyx"], two[i]["start_zyx"]) for i in range(4))
    one.set_epoch(0)
    np.testing.assert_array_equal(one[2]["start_zyx"], before)


def test_batches_need_no_torch(small_release: Path) -> None:
    code = (
        "import sys, tomoset\n"
        f"data = tomoset.load({str(small_release)!r}, split='test', patch_shape_zyx=(16, 16, 16), n_patches=5)\n"
        "shapes = [batch['image'].shape for batch in data.batches(2)]\n"
        "assert shapes == [(2, 1, 16, 16, 16)] * 2 + [(1, 1, 16, 16, 16)], shapes\n"
        "assert data.runs == ('TS2',) and data.classes['bsa'] == 2\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_torch_and_monai_read_it_in_parallel(small_release: Path) -> None:
    from monai.data import DataLoader

    data = tomoset.load(small_release, patch_shape_zyx=(16, 16, 16), n_patches=6)
    loader = DataLoader(data, batch_size=3, num_workers=2, collate_fn=data.collate)
    images = np.concatenate([np.asarray(batch["image"]) for batch in loader])
    np.testing.assert_array_equal(images, np.concatenate([batch["image"] for batch in data.batches(3)]))


def test_a_patch_larger_than_the_volume_is_padded_and_ignored_there(small_release: Path) -> None:
    patch = tomoset.load(small_release, patch_shape_zyx=(32, 32, 32), n_patches=1)[0]
    assert SHAPE[0] == 24
    assert not patch["image"][0, 24:].any()
    assert (patch["semantic"][24:] == 255).all()
    assert (patch["semantic"][:24] != 255).all()


def test_mapped_slabs_are_the_array(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((37, 12, 9)).astype(np.float16)
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=3)
    plain = group.create_array("t", shape=values.shape, dtype="f2", chunks=(10, 12, 9), compressors=None)
    plain[:] = values
    mapped = MappedSlabs.of(plain, tmp_path / "a.zarr" / "t")
    assert mapped is not None
    for low, high in ((0, 37), (8, 12), (10, 20), (29, 37), (3, 4)):
        region = (slice(low, high), slice(2, 11), slice(0, 9))
        np.testing.assert_array_equal(mapped[region], values[region])
    packed = group.create_array("c", shape=values.shape, dtype="f2", chunks=(10, 12, 9))
    packed[:] = values
    assert MappedSlabs.of(packed, tmp_path / "a.zarr" / "c") is None


def test_what_cannot_be_loaded_is_said(small_release: Path, tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"expected a release with training data"):
        tomoset.load(tmp_path)
    with pytest.raises(InputMissingError, match=r"split 'val', found only test, train"):
        tomoset.load(small_release, split="val")
    with pytest.raises(ParameterError, match="picks by ada/1, found none"):
        tomoset.load(small_release, labels_by=("ada", "1"))
    with pytest.raises(ParameterError, match="patches of 8 voxels"):
        tomoset.load(small_release, patch_shape_zyx=(4, 16, 16))
    data = tomoset.load(small_release, patch_shape_zyx=(16, 16, 16), n_patches=2)
    with pytest.raises(IndexError):
        data[2]
