// Shows the glossary's definition of a term (extensions/glossary_notes.py) while the pointer or the focus is on it. Escape
// hides it. On a touch screen the first touch shows it, and the note itself leads to the glossary.
(function () {
  "use strict";

  const bubble = document.createElement("div");
  bubble.id = "term-note-bubble";
  bubble.setAttribute("role", "tooltip");
  bubble.hidden = true;
  let shown = null;

  function show(term) {
    if (shown === term) return;
    hide();
    shown = term;
    bubble.textContent = term.dataset.note;
    bubble.hidden = false;
    term.setAttribute("aria-describedby", bubble.id);
    const place = term.getBoundingClientRect(), room = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(place.left, room - bubble.offsetWidth - 8));
    const below = place.bottom + bubble.offsetHeight + 12 < window.innerHeight;
    bubble.style.left = `${left + window.scrollX}px`;
    bubble.style.top = `${window.scrollY + (below ? place.bottom + 6 : place.top - bubble.offsetHeight - 6)}px`;
  }

  function hide() {
    if (!shown) return;
    shown.removeAttribute("aria-describedby");
    shown = null;
    bubble.hidden = true;
  }

  const terms = document.querySelectorAll("a.term-note");
  if (!terms.length) return;
  document.body.append(bubble);
  for (const term of terms) {
    let touched = false;
    term.addEventListener("pointerenter", (/** @type {PointerEvent} */ event) => { if (event.pointerType === "mouse") show(term); });
    term.addEventListener("pointerleave", (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === "mouse" && event.relatedTarget !== bubble) hide();
    });
    term.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => { touched = event.pointerType === "touch" && shown !== term; });
    term.addEventListener("focus", () => show(term));
    term.addEventListener("blur", hide);
    term.addEventListener("click", (event) => {
      if (touched) event.preventDefault();
      touched = false;
    });
  }
  bubble.addEventListener("pointerleave", hide);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
