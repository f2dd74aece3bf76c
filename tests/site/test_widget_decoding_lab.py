"""The decoding lab's recorded run moves; the sound input takes files, and explains what it cannot take or hear."""

import io
import json

import numpy as np
import pytest
import soundfile
from visiting import slide

pytestmark = pytest.mark.site
PAGE = "book/4-worked-code/labs.html"


def test_the_knobs_of_the_recorded_run_show_what_was_recorded(mounted):
    card = mounted(PAGE, "decoding_lab", ".dl-word")
    state = json.loads(card.page.locator('script[type="application/vnd.jupyter.widget-state+json"]').first.inner_text())
    models = [one["state"] for one in state["state"].values()]
    data = next(one["data"] for one in models if "runs" in one.get("data", {}) and "beams" in one["data"])
    weight, lexicon = data["start"][1:]
    for i, beam in enumerate(data["beams"]):
        slide(card, "Beam", i)
        best = data["runs"][f"{beam} {weight:g} {int(lexicon)}"][0]
        assert card.locator(".dl-best .dl-word").all_inner_texts() == [word[0] for word in best["words"]]
    assert card.locator("tbody tr").count() == len(data["runs"][f"{beam} {weight:g} {int(lexicon)}"])


@pytest.fixture
def sound_input(opened, site):
    """A page that holds a sound input alone, mounted as the book mounts its widgets."""
    base = pytest.importorskip("asrlab.widgets.base", reason="anywidget is not installed")
    state = {
        "_esm": base.script("sound_input"),
        "_css": base.style("sound_input"),
        "sample_rate": 16000,
        "max_seconds": 20,
    }
    models = json.dumps({"version_major": 2, "version_minor": 0, "state": {"m": {"state": state}}}).replace(
        "</", "<\\/"
    )
    html = f"""<!doctype html><html lang="en"><title>sound</title><body><main>
<script type="application/vnd.jupyter.widget-state+json">{models}</script>
<script type="application/vnd.jupyter.widget-view+json">{{"model_id": "m"}}</script>
<div data-state="waiting"></div></main>
<script src="/_static/widgets.js" defer></script></body></html>"""
    page = opened("book/index.html")
    page.route("**/sound-input-alone.html", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(site + "sound-input-alone.html")
    page.locator('[data-widget="sound_input"] input[type=file]').wait_for()
    return page


def note(page):
    return page.locator(".aw-note")


def give(page, name, content):
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": content})


def test_a_file_is_read(sound_input):
    buffer = io.BytesIO()
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * 22050) / 22050)
    soundfile.write(buffer, np.stack([tone, tone], 1), 22050, format="WAV")
    give(sound_input, "tone.wav", buffer.getvalue())
    note(sound_input).get_by_text("tone.wav: 2.00 s").wait_for()


@pytest.mark.parametrize(
    "content, message", [(b"", "empty"), (b"these are letters", "no sound that the browser can read")]
)
def test_an_odd_file_is_explained(sound_input, content, message):
    give(sound_input, "odd.wav", content)
    note(sound_input).get_by_text(message).wait_for()


def test_a_microphone_that_may_not_be_used_is_explained(sound_input):
    sound_input.get_by_role("button", name="Record").click()
    note(sound_input).get_by_text("hoose a file instead").wait_for()


def test_the_microphone_is_recorded(sound_input):
    sound_input.context.grant_permissions(["microphone"])
    sound_input.get_by_role("button", name="Record").click()
    note(sound_input).get_by_text("Speak now").wait_for()
    sound_input.wait_for_timeout(1500)
    sound_input.get_by_role("button", name="Stop").click()
    note(sound_input).get_by_text("microphone: ").wait_for()
    heard = note(sound_input).inner_text()
    assert 0.5 < float(heard.split()[1]) < 10 and "silent" not in heard
    assert sound_input.get_by_role("button", name="Hear it").is_visible()
