"""The convolution widget on its page: what is moved changes what the arithmetic says it should."""

import pytest

PAGE = "book/3-mathematics/convolution.html"

pytestmark = pytest.mark.site


@pytest.fixture
def card(mounted):
    return mounted(PAGE, "convolution", "svg .cv-done")


def numbers(card, row):
    """The seven numbers of a row: 0 the weights, 1 the signal, 2 the products."""
    texts = card.locator(f".cv-column .cv-bar:nth-child({row + 1}) b").all_inner_texts()
    return [float(text.replace("\u2212", "-")) for text in texts]


def total(card):
    return float(card.locator(".cv-sum strong").inner_text().replace("\u2212", "-"))


def test_products_add_up_at_every_place(card):
    assert len(numbers(card, 0)) == 7
    window = card.locator(".cv-window")
    before = float(window.get_attribute("x"))
    for _ in range(5):
        card.get_by_role("button", name="Forward").click()
        products = [w * x for w, x in zip(numbers(card, 0), numbers(card, 1), strict=True)]
        assert numbers(card, 2) == pytest.approx(products, abs=0.02)
        assert total(card) == pytest.approx(sum(products), abs=0.05)
    assert float(window.get_attribute("x")) > before


def test_a_weight_answers_to_keys_and_the_output_follows(card):
    card.get_by_role("combobox", name="Kernel").select_option("average")
    averaged = total(card)
    knob = card.get_by_role("slider", name="Weight 3")
    knob.focus()
    for _ in range(20):
        knob.press("ArrowUp")
    assert knob.get_attribute("aria-valuenow") == "1"
    assert card.get_by_role("combobox", name="Kernel").input_value() == "own"
    change = (1 - 1 / 7) * numbers(card, 1)[3]
    assert total(card) == pytest.approx(averaged + change, abs=0.02)


def test_stride_and_padding_change_the_length_as_the_formula_says(card):
    def length():
        return int(card.locator(".cv-length").inner_text().split("=")[1].split()[0])

    usual = length()
    slider = card.get_by_label("Stride")
    slider.focus()
    slider.press("ArrowRight")
    assert length() == (usual - 1) // 2 + 1
    slider.press("ArrowLeft")
    card.get_by_label("pad with zeros").uncheck()
    assert length() == usual - 6


def test_the_window_is_dragged(card):
    view = card.locator(".cv-view")
    box = view.bounding_box()
    window = card.locator(".cv-window")
    for share in (0.3, 0.7):
        view.page.mouse.click(box["x"] + share * box["width"], box["y"] + 30)
        middle = float(window.get_attribute("x")) + float(window.get_attribute("width")) / 2
        assert middle == pytest.approx(share * box["width"], abs=8)


def test_it_is_heard_and_stops(card):
    button = card.get_by_role("button", name="Hear it with clicks")
    button.click()
    card.page.wait_for_function("() => document.querySelector('.cv-head').getAttribute('visibility') === 'visible'")
    card.get_by_role("button", name="Hear it with clicks").click()
    card.page.wait_for_function("() => document.querySelector('.cv-head').getAttribute('visibility') === 'hidden'")
    card.get_by_role("radio", name="waveform, 8000 a second").check()
    assert card.get_by_role("button", name="Hear it through the kernel").is_visible()
