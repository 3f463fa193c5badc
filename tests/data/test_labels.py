"""Labels of two data sets that mean the same are matched; labels that do not are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hematovision.data.labels import canonical_label, match_labels


@pytest.mark.parametrize(
    ("label", "canonical"),
    [
        ("Neutrophil", "neutrophil"),
        ("NEUTROPHILS ", "neutrophil"),
        ("neutrophil (band)", "neutrophil"),
        ("Platelets", "platelet"),
        ("thrombocytes", "platelet"),
        ("Immature Granulocytes", "immature_granulocyte"),
        ("immature-granulocyte", "immature_granulocyte"),
        ("immature granulocytes(myelocytes, metamyelocytes and promyelocytes)", "immature_granulocyte"),
        ("ig", "immature_granulocyte"),
        ("IG", "immature_granulocyte"),
        ("RBC", "red_blood_cell"),
        ("Red blood cells", "red_blood_cell"),
        ("white_blood_cell", "white_blood_cell"),
        ("class-0", "class_0"),
        ("megakaryoblast", "megakaryoblast"),
        ("mitosis", "mitosis"),
        ("(unnamed)", "unnamed"),
        ("?", "?"),
    ],
)
def test_what_makes_no_difference(label: str, canonical: str) -> None:
    assert canonical_label(label) == canonical


@pytest.mark.parametrize(
    ("finer", "coarser"), [("myelocyte", "ig"), ("band neutrophil", "neutrophil"), ("blast", "platelet")]
)
def test_a_finer_class_is_not_taken_for_a_coarser_one(finer: str, coarser: str) -> None:
    assert canonical_label(finer) != canonical_label(coarser)


@given(st.text(max_size=30))
def test_the_canonical_form_is_its_own(label: str) -> None:
    form = canonical_label(label)
    assert canonical_label(form) == form or form == label.strip()


def test_labels_are_matched_to_classes_and_what_has_no_counterpart_is_left_out() -> None:
    classes = ["platelet", "neutrophil", "immature_granulocyte"]
    labels = ["Platelets", "NEUTROPHIL", "ig", "smudge cell", "Platelets"]
    assert match_labels(labels, classes) == {
        "Platelets": "platelet",
        "NEUTROPHIL": "neutrophil",
        "ig": "immature_granulocyte",
    }


def test_the_very_name_wins_and_two_candidates_are_none() -> None:
    classes = ["Neutrophil", "neutrophil (band)"]
    assert match_labels(["neutrophil (band)", "neutrophil"], classes) == {"neutrophil (band)": "neutrophil (band)"}
