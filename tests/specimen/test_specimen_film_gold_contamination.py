"""Carbon, gold and contamination: their totals, their places, their grain."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoset.errors import PackingError, ParameterError
from tomoset.model import Scatterers
from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM
from tomoset.specimen.contamination import ContaminationParams, make_contamination
from tomoset.specimen.film import FilmParams, make_film
from tomoset.specimen.gold import GoldParams, make_gold
from tomoset.specimen.ice import IceParams, make_ice, surfaces_at
from tomoset.specimen.materials import GOLD, HEXAGONAL_ICE, amorphous_carbon, frozen_ethane
from tomoset.specimen.regions import Obstacle, Region

SIZE = (4000.0, 3000.0, 1500.0)
HOLE = IceParams(hole_radius_angstrom=2000.0, hole_centre_xy_angstrom=(500.0, 300.0))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def total(scatterers: Scatterers) -> float:
    return float(scatterers.strengths_volt_angstrom3.sum(dtype=np.float64))


def absorbed(scatterers: Scatterers) -> float:
    assert scatterers.absorptions_angstrom2 is not None
    return float(scatterers.absorptions_angstrom2.sum(dtype=np.float64))


def monte_carlo_volume(region: Region, n: int = 400_000) -> float:
    lower, upper = np.array(region.lower_angstrom_xyz), np.array(region.upper_angstrom_xyz)
    points = lower + rng(9).random((n, 3)) * (upper - lower)
    return float(region.contains(points).mean() * np.prod(upper - lower))


class TestMaterials:
    def test_potentials_and_paths_are_the_measured_ones(self) -> None:
        carbon = amorphous_carbon(1.75)
        assert carbon.potential_in_ice_volt == pytest.approx(4.56)
        assert carbon.absorption_in_ice_per_angstrom == pytest.approx(1 / 1510 - 1 / ICE_MEAN_FREE_PATH_ANGSTROM)
        assert GOLD.potential_in_ice_volt == pytest.approx(29.9 - 4.53)
        assert pytest.approx(4.5, abs=0.05) == HEXAGONAL_ICE.potential_volt

    def test_they_go_with_density(self) -> None:
        assert amorphous_carbon(3.5).potential_volt == pytest.approx(2 * 9.09)
        assert amorphous_carbon(3.5).mean_free_path_angstrom == pytest.approx(755)

    def test_ethane_is_the_sum_of_its_atoms(self) -> None:
        # 2 C and 6 H (Peng et al. 1996) in 30.07 Da at 0.65 g/cm3
        atoms = 47.8776 * (2 * 2.5088 + 6 * 0.5288) * 0.65 * 0.602214 / 30.07
        assert frozen_ethane(0.65).potential_volt == pytest.approx(atoms, rel=2e-3)

    def test_a_gold_bead_of_ten_nanometres_takes_nearly_half_of_the_electrons(self) -> None:
        assert np.exp(-100 * GOLD.absorption_per_angstrom) == pytest.approx(0.54, abs=0.02)


class TestFilm:
    def film(self, ice: IceParams = HOLE, seed: int = 1, **changes: float) -> Obstacle:
        return make_film(FilmParams(**changes), ice, SIZE, rng(seed))

    def test_potential_and_absorption_are_those_of_its_volume(self) -> None:
        obstacle = self.film()
        bulk, grain = obstacle.scatterers
        volume = monte_carlo_volume(obstacle.occupied[0])
        carbon = amorphous_carbon(1.75)
        assert total(bulk) == pytest.approx(volume * carbon.potential_in_ice_volt, rel=0.01)
        assert absorbed(bulk) == pytest.approx(volume * carbon.absorption_in_ice_per_angstrom, rel=0.01)
        assert obstacle.occupied[0].volume_angstrom3 == pytest.approx(volume, rel=0.01)
        assert abs(total(grain)) < 0.01 * total(bulk)
        assert not bulk.fades
        assert not grain.fades

    def test_it_lies_beyond_the_hole_on_the_lower_surface(self) -> None:
        for scatterers in self.film().scatterers:
            r = np.linalg.norm(scatterers.positions_angstrom_xyz[:, :2] - [500.0, 300.0], axis=1)
            z = scatterers.positions_angstrom_xyz[:, 2]
            assert r.min() > 1999.9
            assert -750 <= z.min() < -735
            assert -615 < z.max() <= -600
            assert np.abs(scatterers.positions_angstrom_xyz[:, :2]).max(axis=0) == pytest.approx([2000, 1500], abs=20)

    def test_it_follows_a_wedge(self) -> None:
        wedge = IceParams(wedge_angstrom_per_micrometre=1000.0, hole_radius_angstrom=500.0)
        ice = make_ice(wedge, SIZE[2], SIZE[:2], rng())
        assert ice is not None
        obstacle = self.film(wedge)
        xyz = obstacle.scatterers[0].positions_angstrom_xyz.astype(np.float64)
        depth = xyz[:, 2] - surfaces_at(ice, xyz[:, :2])[0]
        assert depth.min() >= 0
        assert depth.max() <= 150
        assert obstacle.occupied[0].contains(xyz).all()

    def test_grain_is_white_noise_of_the_atoms(self) -> None:
        """Power of the projected grain: thickness x atoms x (V Å3 an atom)² x graininess, at all low frequencies."""
        grain = make_film(FilmParams(graininess=0.3), IceParams(hole_radius_angstrom=1.0), SIZE, rng()).scatterers[1]
        image, _, _ = np.histogram2d(
            *grain.positions_angstrom_xyz[:, :2].T, bins=(400, 300), weights=grain.strengths_volt_angstrom3
        )
        power = np.square(np.abs(np.fft.fft2(image))) / (SIZE[0] * SIZE[1])
        atoms = 1.75 * 0.602214 / 12.011
        expected = 150 * atoms * (9.09 / atoms) ** 2 * 0.3
        frequency = np.hypot(np.fft.fftfreq(400)[:, None], np.fft.fftfreq(300)[None, :])
        for low, high in ((0.02, 0.15), (0.15, 0.3), (0.3, 0.5)):
            assert power[(frequency > low) & (frequency <= high)].mean() == pytest.approx(expected, rel=0.06)

    def test_a_field_in_the_hole_has_none(self) -> None:
        obstacle = self.film(IceParams(hole_radius_angstrom=10000.0))
        assert obstacle.scatterers == ()
        assert obstacle.occupied == ()

    def test_points_stay_bounded(self) -> None:
        obstacle = make_film(FilmParams(), IceParams(hole_radius_angstrom=1.0), (24000.0, 12000.0, 1500.0), rng())
        assert sum(len(s) for s in obstacle.scatterers) < 5.5e6
        bulk = obstacle.scatterers[0]
        assert total(bulk) == pytest.approx(24000.0 * 12000 * 150 * 4.56, rel=1e-4)

    def test_same_seed_same_film(self) -> None:
        a, b, other = self.film(), self.film(), self.film(seed=2)
        np.testing.assert_array_equal(a.scatterers[1].positions_angstrom_xyz, b.scatterers[1].positions_angstrom_xyz)
        assert len(a.scatterers[1]) != len(other.scatterers[1])

    def test_impossible_films_are_refused(self) -> None:
        for wrong in ({"thickness_angstrom": 0.0}, {"density_g_per_cm3": 9.0}, {"graininess": -1.0}):
            with pytest.raises(ParameterError, match="film: expected"):
                FilmParams(**wrong)
        with pytest.raises(ParameterError, match="thicken the ice"):
            self.film(thickness_angstrom=1600.0)


class TestGold:
    params = GoldParams(beads_per_square_micrometre=300.0, diameter_angstrom=120.0, diameter_spread=0.15)

    def centres_and_radii(self, obstacle: Obstacle) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lower = np.array([region.lower_angstrom_xyz for region in obstacle.occupied])
        upper = np.array([region.upper_angstrom_xyz for region in obstacle.occupied])
        return (lower + upper) / 2, (upper - lower)[:, 0] / 2

    def test_totals_are_those_of_solid_balls(self) -> None:
        obstacle = make_gold(self.params, SIZE, None, rng())
        _, radii = self.centres_and_radii(obstacle)
        assert len(radii) == 36
        volume = (4 / 3 * np.pi * radii**3).sum()
        assert total(obstacle.scatterers[0]) == pytest.approx(volume * 25.37, rel=1e-5)
        assert absorbed(obstacle.scatterers[0]) == pytest.approx(
            volume * (1 / 710 + 1 / 208 - 1 / ICE_MEAN_FREE_PATH_ANGSTROM), rel=1e-5
        )

    def test_second_moment_is_the_balls(self) -> None:
        params = GoldParams(beads_per_square_micrometre=8.5, diameter_spread=0.0)
        obstacle = make_gold(params, SIZE, None, rng())
        centres, radii = self.centres_and_radii(obstacle)
        assert len(centres) == 1
        gold = obstacle.scatterers[0]
        offset = gold.positions_angstrom_xyz - centres[0]
        moment = np.square(offset).sum(axis=1).mean() + 3 * gold.spread_angstrom**2
        assert moment == pytest.approx(0.6 * radii[0] ** 2, rel=1e-3)

    def test_beads_touch_a_surface_and_no_other_bead(self) -> None:
        ice = make_ice(IceParams(wedge_angstrom_per_micrometre=800.0), SIZE[2], SIZE[:2], rng())
        assert ice is not None
        centres, radii = self.centres_and_radii(make_gold(self.params, SIZE, ice, rng()))
        bottom, top = surfaces_at(ice, centres[:, :2])
        at_top, at_bottom = np.isclose(centres[:, 2] + radii, top), np.isclose(centres[:, 2] - radii, bottom)
        assert (at_top ^ at_bottom).all()
        assert at_top.any()
        assert at_bottom.any()
        offset = centres[:, None] - centres[None]
        offset[..., :2] -= np.array(SIZE[:2]) * np.round(offset[..., :2] / np.array(SIZE[:2]))
        gap = np.linalg.norm(offset, axis=-1) - radii[:, None] - radii[None]
        assert gap[~np.eye(len(radii), dtype=bool)].min() >= 5.0 - 1e-9

    def test_beads_keep_off_the_film(self) -> None:
        film = make_film(FilmParams(), HOLE, SIZE, rng())
        obstacle = make_gold(self.params, SIZE, None, rng(), avoid=film.occupied)
        assert not film.occupied[0].contains(obstacle.scatterers[0].positions_angstrom_xyz.astype(np.float64)).any()

    def test_regions_hold_their_points(self) -> None:
        obstacle = make_gold(self.params, SIZE, None, rng())
        points = obstacle.scatterers[0].positions_angstrom_xyz.astype(np.float64)
        assert np.any([region.contains(points) for region in obstacle.occupied], axis=0).all()

    def test_none_asked_none_given(self) -> None:
        assert make_gold(GoldParams(), SIZE, None, rng()).scatterers == ()

    def test_same_seed_same_gold(self) -> None:
        a, b = (make_gold(self.params, SIZE, None, rng()).scatterers[0] for _ in range(2))
        np.testing.assert_array_equal(a.positions_angstrom_xyz, b.positions_angstrom_xyz)

    def test_impossible_gold_is_refused(self) -> None:
        for wrong in (
            {"beads_per_square_micrometre": -1.0},
            {"diameter_angstrom": 5.0},
            {"diameter_spread": 0.9},
        ):
            with pytest.raises(ParameterError, match="gold: expected"):
                GoldParams(**wrong)
        with pytest.raises(PackingError, match="thicken the ice"):
            make_gold(self.params, (4000.0, 3000.0, 100.0), None, rng())


class TestContamination:
    params = ContaminationParams(crystals_per_square_micrometre=40.0, ethane_per_square_micrometre=40.0)

    @pytest.mark.parametrize("name", ["crystals", "ethane"])
    def test_totals_are_those_of_the_bodies_in_air(self, name: str) -> None:
        params = ContaminationParams(**{f"{name}_per_square_micrometre": 40.0})
        obstacle = make_contamination(params, SIZE, None, rng())
        material = HEXAGONAL_ICE if name == "crystals" else frozen_ethane(0.65)
        (scatterers,) = obstacle.scatterers
        volume = sum(region.volume_angstrom3 for region in obstacle.occupied)
        assert total(scatterers) == pytest.approx(volume * material.potential_volt, rel=1e-4)
        assert absorbed(scatterers) == pytest.approx(volume / material.mean_free_path_angstrom, rel=1e-4)
        assert not scatterers.fades
        for region in obstacle.occupied:
            assert monte_carlo_volume(region, 40_000) == pytest.approx(region.volume_angstrom3, rel=0.04)

    def test_they_lie_on_the_ice_and_never_in_it(self) -> None:
        ice = make_ice(IceParams(meniscus_angstrom=600.0, hole_radius_angstrom=1500.0), SIZE[2], SIZE[:2], rng())
        assert ice is not None
        obstacle = make_contamination(self.params, SIZE, ice, rng(3))
        sides = set()
        for scatterers in obstacle.scatterers:
            xyz = scatterers.positions_angstrom_xyz.astype(np.float64)
            bottom, top = surfaces_at(ice, xyz[:, :2])
            assert ((xyz[:, 2] >= top - 1) | (xyz[:, 2] <= bottom + 1)).all()
            sides |= set(np.sign(xyz[:, 2]))
        assert sides == {-1.0, 1.0}
        for region in obstacle.occupied:
            lower, upper = region.lower_angstrom_xyz[2], region.upper_angstrom_xyz[2]
            assert lower >= 150 - 1e-6 or upper <= -150 + 1e-6

    def test_crystals_have_flat_faces(self) -> None:
        """A prism's points fill its convex hull: eight faces hold them and the hull's volume is the crystal's."""
        from scipy.spatial import ConvexHull

        params = ContaminationParams(crystals_per_square_micrometre=10.0, crystal_diameter_angstrom=2000.0)
        obstacle = make_contamination(params, SIZE, None, rng(5))
        points = obstacle.scatterers[0].positions_angstrom_xyz.astype(np.float64)
        for region in obstacle.occupied:
            hull = ConvexHull(points[region.contains(points)])
            assert hull.volume == pytest.approx(region.volume_angstrom3, rel=0.08)

    def test_points_stay_bounded(self) -> None:
        params = ContaminationParams(crystals_per_square_micrometre=100.0, crystal_diameter_angstrom=4000.0)
        obstacle = make_contamination(params, SIZE, None, rng())
        assert len(obstacle.scatterers[0]) < 1.1e6
        assert obstacle.scatterers[0].spread_angstrom > 12

    def test_none_asked_none_given(self) -> None:
        obstacle = make_contamination(ContaminationParams(), SIZE, None, rng())
        assert obstacle.scatterers == ()
        assert obstacle.occupied == ()

    def test_same_seed_same_dirt(self) -> None:
        a, b = (make_contamination(self.params, SIZE, None, rng()) for _ in range(2))
        for one, other in zip(a.scatterers, b.scatterers, strict=True):
            np.testing.assert_array_equal(one.positions_angstrom_xyz, other.positions_angstrom_xyz)

    def test_impossible_dirt_is_refused(self) -> None:
        for wrong in (
            {"crystals_per_square_micrometre": -1.0},
            {"ethane_per_square_micrometre": float("nan")},
            {"crystal_diameter_angstrom": 1.0},
            {"ethane_diameter_angstrom": 1e6},
        ):
            with pytest.raises(ParameterError, match="contamination: expected"):
                ContaminationParams(**wrong)
