"""Region labels: rules, origins, cleaning, merging, the policy for units without one, and the messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from curbd.errors import UserError
from curbd.recording.cells import region_label
from curbd.recording.label_origin import label_origin, majority
from curbd.recording.region_messages import absent_labels_message, disagreements, suggest_pattern
from curbd.recording.regions import label_units, resolve
from curbd.settings.recording import Regions

COLUMN = label_origin("unit_column", "units.location", [b"ca1 ", "root", "", "ca1"])
ELECTRODES = label_origin("electrodes", "units.electrodes -> electrodes.location", ["CA1", "adn", "nan", "ca1"])
IDS = ["a", "b", "c", "d"]


def label(settings: Regions, origins=(COLUMN, ELECTRODES), names=None, electrode_ids=()):
    return label_units(IDS, list(origins), names or {}, electrode_ids or [[]] * 4, settings, "rec")


def test_a_mapping_that_names_no_unit_is_told_and_stops_where_nothing_else_has_labels(tmp_path: Path):
    path = tmp_path / "regions.tsv"
    path.write_text("unit_id\tregion\nz\tx\n")
    message = "no label for any unit .* expected unit_id of the recording, such as a, b, c, d"
    table, unmatched, notes = label(Regions(mapping=str(path)))
    assert list(table["region"]) == ["ca1", "adn", "", "ca1"]
    assert re.search(message, unmatched.mapping)
    assert any(re.search(message, note) for note in notes)
    with pytest.raises(UserError, match=message):
        label(Regions(mapping=str(path)), origins=())


@pytest.mark.parametrize("text", ["", "  ", "unknown", "None", "ROOT", b"nan", "N/A", "void", None, float("nan")])
def test_texts_that_mean_no_label(text):
    assert region_label(text) == ""


def test_labels_are_decoded_stripped_and_composed():
    assert region_label(b" dACC ") == "dACC"
    assert region_label("Cafe\u0301") == "Caf\u00e9"


def test_majority_of_electrodes_and_no_label_for_a_tie():
    assert majority(["a", "b", "a", ""]) == "a"
    assert majority(["a", "b"]) == ""
    assert majority([]) == ""


def test_first_rule_that_gives_a_label_wins_unit_by_unit():
    labels, sources, _ = resolve([COLUMN, ELECTRODES], ["unit_column", "electrodes"], 4)
    assert labels == ["ca1", "adn", "", "ca1"]
    assert sources == ["units.location", ELECTRODES.name, "", "units.location"]
    labels, _, _ = resolve([COLUMN, ELECTRODES], ["electrodes", "unit_column"], 4)
    assert labels == ["CA1", "adn", "", "ca1"]
    labels, _, _ = resolve([COLUMN, ELECTRODES], ["unit_column"], 4)
    assert labels == ["ca1", "", "", "ca1"]


def test_units_without_label_are_dropped_with_a_reason():
    table, _, _ = label(Regions())
    assert list(table["reason"]) == ["", "", "no region label", ""]
    assert table["region"][2] == ""


def test_units_without_label_are_kept_as_unknown_if_asked():
    table, _, _ = label(Regions(unknown="keep"))
    assert table["region"][2] == "unknown"
    assert (table["reason"] == "").all()


def test_units_without_label_stop_if_asked():
    with pytest.raises(UserError, match=r"1 of 4 units without a region label \(unit c\)"):
        label(Regions(unknown="stop"))


def test_merging_keeps_the_raw_label():
    table, _, _ = label(Regions(merge={"ca1": "hippocampus"}))
    assert list(table["region"]) == ["hippocampus", "adn", "", "hippocampus"]
    assert list(table["region_raw"]) == ["ca1", "adn", "", "ca1"]


def test_merging_by_a_table(tmp_path: Path):
    path = tmp_path / "merge.tsv"
    path.write_text("label\tregion\nca1\thippocampus\n")
    assert label(Regions(merge=str(path)))[0]["region"][0] == "hippocampus"


def test_a_merge_label_that_no_unit_has_is_told_with_the_nearest_one():
    unmatched = label(Regions(merge={"ca11": "hippocampus", "ca1": "hippocampus"}))[1]
    assert unmatched.labels == ["ca11"]
    message = absent_labels_message("a", ["ca11"], unmatched.present_labels, "the recording")
    assert message == "a: regions.merge: found unknown region 'ca11', expected regions of the recording (" + (
        ", ".join(unmatched.present_labels) + "); did you mean 'ca1'?"
    )


def test_mapping_by_unit_goes_first(tmp_path: Path):
    path = tmp_path / "regions.tsv"
    path.write_text("unit_id\tregion\na\tsub\nc\tNA\n")
    table, _, _ = label(Regions(mapping=str(path)))
    assert list(table["region"]) == ["sub", "adn", "NA", "ca1"]
    assert list(table["region_source"])[::2] == ["mapping", "mapping"]


def test_mapping_by_electrode(tmp_path: Path):
    path = tmp_path / "regions.tsv"
    path.write_text("electrode_id\tregion\n7\tsub\n8\tpost\n")
    table, _, _ = label(Regions(mapping=str(path)), electrode_ids=[["7"], ["7", "8"], ["8"], []])
    assert list(table["region"]) == ["sub", "adn", "post", "ca1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unit\tregion\na\tx\n", "found the columns unit, region, expected unit_id"),
        ("unit_id\tregion\na\tx\na\ty\n", "found unit_id a in more than one row, expected one row for each unit_id"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_an_error(tmp_path: Path, text: str, message: str):
    path = tmp_path / "regions.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        label(Regions(mapping=str(path)))


@pytest.mark.parametrize(
    "content", [b"", b"unit_id\tregion\na\tx\nb\tx\ty\n", "unit_id\tregion\na\tM\xfc\n".encode("latin-1")]
)
def test_a_table_that_is_empty_ragged_or_of_another_encoding_is_reported(tmp_path: Path, content: bytes):
    path = tmp_path / "regions.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"regions.mapping: found .*regions.tsv \(.* expected a TSV .* in UTF-8"):
        label(Regions(mapping=str(path)))
    with pytest.raises(UserError, match=r"regions.merge: found .*regions.tsv \(.* expected a TSV .* in UTF-8"):
        label(Regions(merge=str(path)))


def test_a_missing_mapping_is_an_error():
    with pytest.raises(UserError, match=r"regions.mapping: found gone.tsv, which is not a file"):
        label(Regions(mapping="gone.tsv"))


def test_no_label_anywhere_asks_for_a_mapping_and_guesses_none():
    empty = [label_origin("unit_column", "units.location", [""] * 4)]
    names = {"electrode group": ["group0_psb"] * 4}
    with pytest.raises(UserError) as caught:
        label(Regions(), empty, names)
    text = str(caught.value)
    assert "no region label anywhere" in text
    assert "  unit_id\tregion\n  a\t<region>\n" in text
    assert "regions: {mapping: regions.tsv}" in text
    assert r"group0_psb" in text
    assert r"name_pattern: 'group\d+_(\w+)'" in text
    table, _, _ = label(Regions(unknown="keep"), empty, names)
    assert (table["region"] == "unknown").all()


def test_names_are_labels_only_by_the_users_pattern():
    names = {"electrode group": ["group0_psb", "group1_adn", "other", ""]}
    table, _, _ = label(Regions(name_pattern=r"group\d+_(\w+)"), [], names)
    assert list(table["region"]) == ["psb", "adn", "", ""]
    assert table["region_source"][0] == "name pattern on electrode group name"


@pytest.mark.parametrize("pattern", ["group", "(a)(b)", "("])
def test_a_pattern_needs_one_group(pattern: str):
    with pytest.raises(UserError, match=r"regions.name_pattern"):
        label(Regions(name_pattern=pattern))


def test_suggested_pattern_finds_the_label():
    assert suggest_pattern("group0_psb") == r"group\d+_(\w+)"
    assert suggest_pattern("ImagingPlane") == ""
    assert suggest_pattern("-0") == ""


def test_origins_that_disagree_are_reported():
    assert disagreements([COLUMN, ELECTRODES]) == [
        "units.location and units.electrodes -> electrodes.location disagree for 1 of 4 units (e.g. ca1 and CA1);"
        " regions.order and regions.unit_columns decide which is used."
    ]
    assert disagreements([COLUMN, COLUMN]) == []


def test_names_of_sources_that_are_no_regions_are_refused():
    with pytest.raises(UserError, match=r"a region called 'bias'.*regions: \{merge: \{'bias': <region>\}\}"):
        label(Regions(), origins=[label_origin("unit_column", "units.location", ["bias", "V1", "V1", "V1"])])
