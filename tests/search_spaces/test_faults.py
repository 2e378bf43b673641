import pickle

from search_spaces.faults import Fault, did_you_mean, join_path, unknown_name


def test_a_fault_is_printed_with_its_path() -> None:
    fault = Fault("low", "is missing")
    assert str(fault) == "low: is missing"
    assert str(fault.below("space.dropout")) == "space.dropout.low: is missing"
    assert str(Fault("", "is empty")) == "is empty"
    assert Fault("", "is empty").below("space").path == "space"
    assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301


def test_paths_join_without_empty_parts() -> None:
    assert [join_path("a", "b"), join_path("", "b"), join_path("a", "")] == ["a.b", "b", "a"]


def test_the_closest_name_is_suggested() -> None:
    assert did_you_mean("Backbon", ["arch", "backbone"]) == "; did you mean 'backbone'?"
    assert did_you_mean("zzz", ["arch", "backbone"]) == ""


def test_a_short_list_of_names_is_printed_in_full() -> None:
    assert unknown_name("lgo", ["low", "log"], kind="key").endswith("; allowed are low, log")
    many = [f"name{i}" for i in range(20)]
    assert unknown_name("nam3", many) == "unknown name 'nam3'; did you mean 'name3'?"
    assert "name0, name1" in unknown_name("zzz", many)
