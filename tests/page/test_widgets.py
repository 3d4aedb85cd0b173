"""Widgets: if these fail, a slider is dead, differs from its still picture, or does not exist in
Colab.
"""

from __future__ import annotations

import ast
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
from kernel import kernel, printed, shown

import tutorial_workshop.page
from tutorial_lib.errors import InputError
from tutorial_workshop.page import TextBox, explore, grid
from tutorial_workshop.page.widgets import Explorer

ALT = "A line whose slope you choose with the slider."
# Names and traits that ipywidgets 7.7.1 (as in Colab) and 8 share, recorded from both.
_COMMON = {"layout", "style", "description", "disabled"}
_CHOICE = _COMMON | {"options", "index", "value", "label"}
IN_BOTH = {
    "HTML": _COMMON | {"value", "placeholder"},
    "Textarea": _COMMON | {"value", "placeholder", "rows", "continuous_update"},
    "Checkbox": _COMMON | {"value", "indent"},
    "ToggleButtons": _CHOICE | {"button_style", "icons", "tooltips"},
    "SelectionSlider": _CHOICE | {"continuous_update", "orientation", "readout"},
    "Button": _COMMON | {"button_style", "icon", "tooltip"},
    "Image": {"layout", "value", "format", "width", "height"},
    "VBox": {"layout", "children", "box_style"},
    "HBox": {"layout", "children", "box_style"},
}
LAYOUT_IN_BOTH = {
    "width",
    "height",
    "max_width",
    "max_height",
    "min_width",
    "margin",
    "padding",
    "display",
    "align_self",
}


def draw(slope, shape="line"):
    fig, ax = plt.subplots(figsize=(2, 2))
    ax.plot([0, 1], [0, slope], "-" if shape == "line" else "o")
    return fig


def test_grid_holds_every_combination():
    combinations = list(
        grid({"slope": range(3), "shape": ["line", "points"], "log": [True, False]})
    )
    assert len(combinations) == 12 and {"slope": 2, "shape": "points", "log": False} in combinations


def test_the_drawing_function_works_on_its_whole_grid():
    for values in grid({"slope": range(3), "shape": ["line", "points"]}):
        plt.close(draw(**values))


def test_moving_a_control_redraws_and_comes_back_to_the_same_bytes():
    before = plt.get_fignums()
    panel = Explorer(
        draw,
        ALT,
        lambda slope, shape: f"Slope {slope}, {shape}.",
        {"slope": 1},
        {"slope": range(3), "shape": ["line", "points"]},
    )
    first = panel.image.value
    panel.controls["slope"].value = 2
    second = panel.image.value
    assert second != first and "Slope 2, line." in panel.line.value
    panel.controls["slope"].value = 1
    assert panel.image.value == first and "Slope 1, line." in panel.line.value
    assert plt.get_fignums() == before, "figures left open fill the memory"
    assert panel.controls["slope"].continuous_update is False


def test_a_message_in_the_middle_of_a_drawing_does_not_show_or_close_the_figure():
    """JupyterLab handles messages in several threads, and after each one the notebook shows and
    closes all open figures.
    """
    define = (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nfrom tutorial_workshop.page.widgets"
        " import Explorer\ndef draw(slope):\n    fig, ax = plt.subplots(figsize=(2, 2))\n   "
        " get_ipython().events.trigger('post_execute')\n    assert plt.fignum_exists(fig.number)\n "
        "   ax.plot([0, 1], [0, slope])\n    return fig\npanel = Explorer(draw, 'x', None, {},"
        " {'slope': range(3)})\npanel.controls['slope'].value = 2\nprint(panel.line.value)"
    )
    with kernel() as run:
        outputs = run(define)
    assert shown(outputs) == [] and "could not be drawn" not in printed(outputs)


def test_a_setting_that_cannot_be_drawn_is_told():
    """A kernel swallows what a callback raises; the learner would see a dead slider."""

    def fragile(slope):
        if slope == 2:
            raise ZeroDivisionError("no slope")
        return draw(slope)

    panel = Explorer(fragile, ALT, None, {}, {"slope": range(3)})
    panel.controls["slope"].value = 2
    assert (
        "could not be drawn" in panel.line.value
        and "ZeroDivisionError: no slope" in panel.line.value
    )
    panel.controls["slope"].value = 1
    assert ALT in panel.line.value


def lines(text, shape="line"):
    """As many lines as the text has letters; no letters cannot be drawn."""
    if not text:
        raise InputError(f"<b>{text!r}</b>: expected letters")
    fig, ax = plt.subplots(figsize=(2, 2))
    for slope in range(len(text)):
        ax.plot([0, 1], [0, slope], "-" if shape == "line" else "o")
    return fig


def test_a_text_box_redraws_what_is_written():
    """Also texts that nobody thought of; and the still picture is that of the first one."""
    controls = {"text": TextBox(("ab", "abc")), "shape": ["line", "points"]}
    panel = Explorer(lines, ALT, lambda text, shape: f"{len(text)} lines, {shape}.", {}, controls)
    box, first = panel.controls["text"], panel.image.value
    assert (
        box.value == "ab"
        and "2 lines, line." in panel.line.value
        and panel.values() == {"text": "ab", "shape": "line"}
    )
    box.value = "abcdefg"
    assert panel.image.value != first and "7 lines, line." in panel.line.value
    panel.controls["shape"].value = "points"
    assert "7 lines, points." in panel.line.value
    box.value, panel.controls["shape"].value = "ab", "line"
    assert panel.image.value == first
    assert box.continuous_update is False, "it would draw at every key"
    assert (
        Explorer(lines, ALT, None, {"text": "of my own"}, {"text": TextBox(("ab",))})
        .controls["text"]
        .value
        == "of my own"
    )


def test_a_text_that_cannot_be_drawn_is_told_and_the_box_lives_on():
    """With what was typed shown as text: it must not become part of the page."""
    panel = Explorer(lines, ALT, None, {}, {"text": TextBox(("ab",))})
    first = panel.image.value
    panel.controls["text"].value = ""
    assert (
        "could not be drawn" in panel.line.value
        and "&lt;b&gt;''&lt;/b&gt;: expected letters" in panel.line.value
    )
    panel.controls["text"].value = "abc"
    assert (
        panel.image.value != first
        and ALT in panel.line.value
        and "could not" not in panel.line.value
    )


def test_a_text_box_on_the_page(capsys):
    """The still picture names the text that it was drawn for."""
    explore(lines, alt=ALT, text=TextBox(("ab", "abc")))
    assert "(Still picture for text = ab. Run the notebook" in capsys.readouterr().out


def test_grid_holds_the_texts_of_a_box():
    values = list(grid({"text": TextBox(("ab", "abc")), "shape": ["line", "points"]}))
    assert [row["text"] for row in values] == ["ab", "ab", "abc", "abc"]
    assert list(grid({"text": TextBox(("ab",))})) == [
        {"text": "ab"}
    ]  # one is enough: the learner writes the others


@pytest.mark.parametrize("texts", [(), ("a", 1), None, "abc"], ids=repr)
def test_a_text_box_needs_texts(texts):
    """A string by itself would be taken for a tuple of its letters."""
    with pytest.raises(InputError, match=r"^TextBox\(.*expected a tuple of one or more strings"):
        TextBox(texts)


@pytest.mark.parametrize(
    ("keywords", "complaint"),
    [
        ({"slope": range(3)}, "^alt="),
        ({"alt": ALT}, "no controls"),
        ({"alt": ALT, "slope": "abc"}, "'abc' is not a list of values"),
        ({"alt": ALT, "slope": [1]}, "two or more values"),
        ({"alt": ALT, "slope": [1, 1]}, "different labels"),
        ({"alt": ALT, "slope": [1, 2], "start": {"slope": 3}}, "start value 3 is not among"),
        ({"alt": ALT, "slope": [1, 2], "start": {"slop": 1}}, "start names slop"),
    ],
)
def test_bad_controls_are_refused(keywords, complaint):
    with pytest.raises(InputError, match=complaint):
        explore(draw, **keywords)


def test_driving_a_slider_through_a_kernel():
    """The whole way: one output with a still picture and its alt text, the slider moves the
    picture, a last line adds no second output.
    """
    define = (
        "import matplotlib.pyplot as plt\nfrom tutorial_workshop.page import explore\ndef"
        " draw(slope):\n    fig, ax = plt.subplots(figsize=(2, 2))\n    ax.plot([0, 1], [0,"
        f" slope])\n    return fig\npanel = explore(draw, alt={ALT!r}, describe=lambda slope:"
        " f'Slope {slope}.', slope=range(5))\npanel"
    )
    with kernel() as run:
        outputs = shown(run(define))
        moved = printed(
            run(
                "slider, first = panel.controls['slope'], panel.image.value\nslider.value ="
                " 3\nthird = panel.image.value\nslider.value = 0\nprint(panel.image.value == first,"
                " third != first, bytes(third)[:4])"
            )
        )
    assert (
        len(outputs) == 1
        and f'alt="{ALT}"' in outputs[0].data["text/html"]
        and "Slope 0." in outputs[0].data["text/html"]
    )
    assert moved == "True True b'\\x89PNG'\n"


def test_only_what_ipywidgets_7_and_8_share_is_used():
    """Colab stays on version 7: a name or argument of version 8 would be an error there, or
    silently ignored.
    """
    used = 0
    for path in Path(tutorial_workshop.page.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "widgets"
            ):
                assert node.attr in IN_BOTH, f"{path.name}: widgets.{node.attr}"
                used += 1
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and getattr(node.func.value, "id", "") == "widgets"
            ):
                assert {k.arg for k in node.keywords} <= IN_BOTH[node.func.attr], (
                    f"{path.name}, line {node.lineno}"
                )
            if isinstance(node, ast.Dict) and any(
                isinstance(key, ast.Constant) and key.value in ("width", "max_width")
                for key in node.keys
            ):
                assert {key.value for key in node.keys} <= LAYOUT_IN_BOTH, (
                    f"{path.name}, line {node.lineno}"
                )
    assert used >= 6, "the test looks at nothing"


def test_the_recorded_names_exist_here():
    import ipywidgets

    for name, traits in IN_BOTH.items():
        assert traits - set(getattr(ipywidgets, name).class_trait_names()) <= {
            "description",
            "disabled",
            "style",
        }, name
