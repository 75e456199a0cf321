"""The kubelet's configuration file, edited in place."""

import pytest

from migrator.nodeconf.kubelet import config as kubelet_config

PATH = "/var/lib/kubelet/config.yaml"
NEW = "unix:///run/containerd/containerd.sock"
END: dict[str, str | int | bool] = {"containerRuntimeEndpoint": NEW}

# case: text, changes, text as it must be. Fields: kubernetes/kubelet, config/v1beta1/types.go.
CASES: dict[str, tuple[str, dict[str, str | int | bool], str]] = {
    "a value is replaced": ("a: 1\ncontainerLogMaxFiles: 5\nb: 2\n", {"containerLogMaxFiles": 3}, "a: 1\ncontainerLogMaxFiles: 3\nb: 2\n"),
    "comments and order stay": (
        "# top\nb: 1 # why\n\ncontainerLogMaxSize: 10Mi # ours\na: [1,  2]\n",
        {"containerLogMaxSize": "100M"},
        "# top\nb: 1 # why\n\ncontainerLogMaxSize: 100M # ours\na: [1,  2]\n",
    ),
    "a new field comes last": ("a: 1\n", END, f"a: 1\ncontainerRuntimeEndpoint: {NEW}\n"),
    "without a newline at the end": ("a: 1", END, f"a: 1\ncontainerRuntimeEndpoint: {NEW}\n"),
    "an empty file": ("", END, f"containerRuntimeEndpoint: {NEW}\n"),
    "only comments": ("# nothing\n", END, f"# nothing\ncontainerRuntimeEndpoint: {NEW}\n"),
    "kubespray's blank before the colon": (
        "containerRuntimeEndpoint : unix:///var/run/cri-dockerd.sock\nmaxPods: 110\n",
        END,
        f"containerRuntimeEndpoint : {NEW}\nmaxPods: 110\n",
    ),
    "quotes are kept": ('containerRuntimeEndpoint: "unix:///old"\n', END, f'containerRuntimeEndpoint: "{NEW}"\n'),
    "single quotes become plain": ("containerRuntimeEndpoint: 'unix:///old'\n", END, f"containerRuntimeEndpoint: {NEW}\n"),
    "a field without a value": ("containerRuntimeEndpoint:\na: 1\n", END, f"containerRuntimeEndpoint: {NEW}\na: 1\n"),
    "an empty string": ('containerRuntimeEndpoint: ""\n', END, f'containerRuntimeEndpoint: "{NEW}"\n'),
    "the same name deeper down is another field": (
        "x:\n  containerLogMaxFiles: 5\n", {"containerLogMaxFiles": 3}, "x:\n  containerLogMaxFiles: 5\ncontainerLogMaxFiles: 3\n",
    ),
    "a number that is a string is quoted": ("a: 1\n", {"containerLogMaxSize": "104857600"}, 'a: 1\ncontainerLogMaxSize: "104857600"\n'),
    "a right value keeps its bytes": ("containerLogMaxSize: '100M'\n", {"containerLogMaxSize": "100M"}, "containerLogMaxSize: '100M'\n"),
    "a boolean": ("failCgroupV1: true\n", {"failCgroupV1": False}, "failCgroupV1: false\n"),
    "a number is not true": ("failCgroupV1: 1\n", {"failCgroupV1": True}, "failCgroupV1: true\n"),
    "JSON": ('{"a": 1, "containerRuntimeEndpoint": "unix:///old"}\n', END, f'{{"a": 1, "containerRuntimeEndpoint": "{NEW}"}}\n'),
    "JSON gets a new field": ('{\n  "a": 1\n}\n', END, f'{{\n  "a": 1, "containerRuntimeEndpoint": "{NEW}"\n}}\n'),
    "empty JSON": ("{}\n", END, f'{{"containerRuntimeEndpoint": "{NEW}"}}\n'),
    "a document with its marks": ("---\na: 1\n...\n", END, f"---\ncontainerRuntimeEndpoint: {NEW}\na: 1\n...\n"),
    "an indented document": ("  a: 1\n  b: 2\n", END, f"  a: 1\n  b: 2\n  containerRuntimeEndpoint: {NEW}\n"),
    "a text block at the end": ("a: |\n  x\n", END, f"a: |\n  x\ncontainerRuntimeEndpoint: {NEW}\n"),
    "letters beyond ASCII": ("# größe 😀\na: é\ncontainerLogMaxFiles: 5\n", {"containerLogMaxFiles": 3}, "# größe 😀\na: é\ncontainerLogMaxFiles: 3\n"),
    "several at once": (
        "containerLogMaxFiles: 5\n", {"containerLogMaxSize": "1G", "containerLogMaxFiles": 3},
        "containerLogMaxFiles: 3\ncontainerLogMaxSize: 1G\n",
    ),
    "a hostile value stays data": ("a: 1\n", {"x": "b\nevil: true # {{ y }} $(z)"}, 'a: 1\nx: "b\\nevil: true # {{ y }} $(z)"\n'),
}  # fmt: skip


@pytest.mark.parametrize(("text", "changes", "after"), CASES.values(), ids=CASES)
def test_fields_are_set_in_place(text: str, changes: dict[str, str | int | bool], after: str) -> None:
    """The fields have the new values and no other byte is touched; a second time nothing changes."""
    assert kubelet_config.edit(text, changes, path=PATH) == after
    assert kubelet_config.edit(after, changes, path=PATH) == after


REFUSED = {
    "not YAML": ("a: [1\n", "is not YAML"),
    "no mapping": ("- a\n", "is not a mapping but a list"),
    "two documents": ("a: 1\n---\nb: 2\n", "is not YAML"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", "has a twice \\(line 3\\)"),
    "a key twice deeper down": ("x:\n  a: 1\n  a: 2\n", "has a twice"),
    "a mapping where a value should be": ("containerRuntimeEndpoint:\n  a: 1\n", "cannot be set in place"),
    "a value that others refer to": ("containerRuntimeEndpoint: &e x\nb: *e\n", "cannot be set in place"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_edited_is_refused(text: str, message: str) -> None:
    """A file that is not what it should be is named, with what is wrong."""
    with pytest.raises(ValueError, match=message) as caught:
        kubelet_config.edit(text, END, path=PATH)

    assert PATH in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [(100_000_000, "100M"), (1_000_000_000, "1G"), (10_000, "10k"), (104_857_600, "104857600"), (1, "1"), (0, "0")],
)
def test_sizes_are_decimal(size: int, text: str) -> None:
    """Docker counts in thousands (docker/go-units, FromHumanSize), and so does the suffix that is written."""
    assert kubelet_config.quantity(size) == text


def test_a_configuration_is_read() -> None:
    """Reading gives the fields; an empty file has none."""
    assert kubelet_config.read("cgroupDriver: systemd\n", path=PATH) == {"cgroupDriver": "systemd"}
    assert kubelet_config.read("", path=PATH) == {}
