"""Labels as files write them: JSON texts, patterns, and acronyms of the Allen mouse atlas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from curbd.errors import UserError
from curbd.recording import allen, open_recording
from curbd.recording.labels import LabelReader, of_json
from curbd.recording.region_messages import alike
from curbd.settings.recording import RecordingSettings, Regions

TREE = [
    # id, acronym, full name, path
    (997, "root", "root", "/997/"),
    (8, "grey", "Basic cell groups and regions", "/997/8/"),
    (315, "Isocortex", "Isocortex", "/997/8/315/"),
    (385, "VISp", "Primary visual area", "/997/8/315/385/"),
    (778, "VISp5", "Primary visual area, layer 5", "/997/8/315/385/778/"),
    (821, "VISp2/3", "Primary visual area, layer 2/3", "/997/8/315/385/821/"),
    (1089, "HPF", "Hippocampal formation", "/997/8/1089/"),
    (382, "CA1", "Field CA1", "/997/8/1089/382/"),
    (900, "ccb", "corpus callosum, body", "/997/900/"),
]
"""A few structures, with the columns and the numbers of the table in iblatlas."""


@pytest.fixture
def atlas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package `iblatlas` with a small tree, so that the tests need no download."""
    folder = tmp_path / "packages" / "iblatlas"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('only the tables are read')\n")
    rows = [f'{number},"{name}",{acronym},{path}' for number, acronym, name, path in TREE]
    (folder / "allen_structure_tree.csv").write_text(
        "\n".join(["id,name,acronym,structure_id_path", *rows]) + "\n", encoding="utf-8"
    )
    np.save(folder / "beryl.npy", np.array([[997], [385], [382], [-385]]))
    np.save(folder / "cosmos.npy", np.array([997, 315, 1089]))
    monkeypatch.syspath_prepend(str(folder.parent))
    allen.allen_tree.cache_clear()
    yield
    allen.allen_tree.cache_clear()


def read(text: object, **settings) -> str:
    return LabelReader(Regions.model_validate(settings))(text)


# --- JSON and patterns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('{"ap": 2500, "brain_regions": "left ALM"}', "left ALM"),
        ('{"Area": "V1", "depth_um": 300}', "V1"),
        ('{"region": ["CA1"]}', "CA1"),
        ('{"depth": 300}', '{"depth": 300}'),
        ("{broken", "{broken"),
        ("[V1]", "[V1]"),
        ('["V1"]', "V1"),
        ("{'area': 'V1'}", "V1"),
    ],
)
def test_the_region_of_a_json_text(text: str, label: str) -> None:
    assert of_json(text) == label


def test_a_pattern_takes_the_region_out_of_the_label() -> None:
    json_text = json.dumps({"ap": 1, "brain_regions": "left ALM"})
    assert read(json_text, pattern='brain_regions": "(?:left |right )?([^"]+)') == "ALM"
    assert read(b"VISp5", pattern=r"^(VIS[a-z]+)\d") == "VISp"
    assert read("CA1", pattern=r"^(VIS[a-z]+)\d") == "CA1"
    reader = LabelReader(Regions(pattern=r"^(VIS[a-z]+)\d"))
    assert [reader(text) for text in ("VISp5", "CA1", "")] == ["VISp", "CA1", ""]
    assert "does not match 1 of 2 labels" in reader.notes[0]


@pytest.mark.parametrize("pattern", ["(", "VIS", "(a)(b)"])
def test_a_pattern_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(UserError, match=r"regions.pattern: found"):
        read("a", pattern=pattern)


def test_depths_in_json_do_not_split_a_region_and_the_text_is_kept(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    group = nwbfile.create_electrode_group("shank", "shank", "", nwbfile.create_device("probe"))
    texts = [json.dumps({"area": "ALM", "depth_um": depth}) for depth in range(4)]
    for text in texts:
        nwbfile.add_electrode(group=group, location=text)
    nwbfile.add_unit(spike_times=[0.1, 0.5], electrodes=[0, 1, 2])
    nwbfile.add_unit(spike_times=[0.1, 0.5], electrodes=[3])
    with open_recording(save_nwb(nwbfile), "nwb") as opened:
        assert opened.units["region"].tolist() == ["ALM", "ALM"]
        assert opened.units["region_raw"].tolist() == [texts[0], texts[3]]


def test_labels_that_are_alike_and_labels_that_are_not() -> None:
    assert "M2 (2 units), m2 (1 units)" in alike(["M2", "m2", "M2", "M1"])[0]
    assert alike(["M1", "M2", "CA1", ""]) == []


# --- the atlas --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "beryl", "cosmos"),
    [
        ("VISp5", "VISp", "Isocortex"),
        ("left CA1", "CA1", "HPF"),
        ("CA1_R", "CA1", "HPF"),
        ("VISp2/3 (right)", "VISp", "Isocortex"),
        ("Primary visual area, layer 5", "VISp", "Isocortex"),
        ("VISp layer 4", "VISp", "Isocortex"),
        ("-382", "CA1", "HPF"),
        ("ccb", "", ""),
        ("ALM", "ALM", "ALM"),
    ],
)
@pytest.mark.usefixtures("atlas")
def test_parents_by_name(label: str, beryl: str, cosmos: str) -> None:
    assert read(label, atlas="allen_ccf") == beryl
    assert read(label, atlas="allen_ccf", level="cosmos") == cosmos


@pytest.mark.usefixtures("atlas")
def test_an_acronym_as_level_leaves_other_regions_and_hemispheres_stay_apart_if_asked() -> None:
    settings = {"atlas": "allen_ccf", "level": "VISp", "hemispheres": True}
    labels = ["left VISp5", "right VISp2/3", "CA1-left", "VISp"]
    assert [read(label, **settings) for label in labels] == ["VISp left", "VISp right", "CA1 left", "VISp"]
    with pytest.raises(UserError, match=r"regions.level: found 'Isocortx', .*did you mean 'Isocortex'"):
        read("CA1", atlas="allen_ccf", level="Isocortx")


@pytest.mark.usefixtures("atlas")
def test_a_session_with_layers_has_regions(empty_nwb, save_nwb) -> None:
    nwbfile = empty_nwb()
    nwbfile.add_unit_column("location", "region")
    for label in ("VISp5", "VISp2/3", "left VISp5", "CA1", "ccb", "ALM"):
        nwbfile.add_unit(spike_times=[0.1, 0.5], location=label)
    settings = RecordingSettings.model_validate({"regions": {"atlas": "allen_ccf", "merge": {"VISp": "V1"}}})
    with open_recording(save_nwb(nwbfile), "nwb", settings) as opened:
        assert opened.units["region"].tolist() == ["V1", "V1", "V1", "CA1", "", "ALM"]
        assert opened.units["region_raw"].tolist()[:3] == ["VISp5", "VISp2/3", "left VISp5"]
        assert any("no parent on the level beryl" in note and "ccb" in note for note in opened.notes)
        assert any("not in the Allen mouse atlas" in note and "ALM" in note for note in opened.notes)


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allen, "find_spec", lambda name: None)
    allen.allen_tree.cache_clear()
    with pytest.raises(UserError, match=r"without the package iblatlas, .*pip install 'curbd-workflow\[atlas\]'"):
        read("CA1", atlas="allen_ccf")
    allen.allen_tree.cache_clear()
